//! What the plans of a run led to: a run in which nothing went wrong proves nothing.

use std::collections::HashSet;
use std::ops::AddAssign;

use crate::promise;
use crate::sender::Heard;
use crate::world::World;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Senders that heard the app, or a 2xx of hook's own, or that the app is down.
    pub by_app: usize,
    pub by_hook: usize,
    pub app_down: usize,
    /// Events that the app got more than once.
    pub again: usize,
    /// Events that the mirror's app got.
    pub copies: usize,
    /// Runs whose place was taken.
    pub taken: usize,
    pub power_cuts: usize,
    /// Events that were settled as duplicates, and handshakes that hook answered.
    pub deduped: usize,
    pub handshakes: usize,
}

impl Seen {
    pub fn of(world: &World) -> Self {
        let heard = |what: fn(Heard) -> bool| world.senders.iter().filter(|sender| what(sender.heard())).count();
        let hits = world.apps.each_ref().map(|app| app.hits());
        let events = hits.each_ref().map(|hits| hits.iter().map(|hit| &hit.event).collect::<HashSet<_>>().len());
        Self {
            by_app: heard(|heard| matches!(heard, Heard::App(_))),
            by_hook: heard(|heard| matches!(heard, Heard::Hook(200..=299))),
            app_down: heard(|heard| matches!(heard, Heard::Hook(502))),
            again: hits[0].len() - events[0],
            copies: events[1],
            taken: world.taken,
            power_cuts: world.journal.cuts(),
            deduped: promise::deduped(world).len(),
            handshakes: heard(|heard| matches!(heard, Heard::Handshake(_))),
        }
    }

    /// Everything that can happen did.
    pub fn is_enough(&self) -> bool {
        let all = [self.by_app, self.by_hook, self.app_down, self.again, self.copies, self.taken, self.power_cuts];
        all.iter().chain(&[self.deduped, self.handshakes]).all(|count| *count > 0)
    }
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.by_app += other.by_app;
        self.by_hook += other.by_hook;
        self.app_down += other.app_down;
        self.again += other.again;
        self.copies += other.copies;
        self.taken += other.taken;
        self.power_cuts += other.power_cuts;
        self.deduped += other.deduped;
        self.handshakes += other.handshakes;
    }
}
