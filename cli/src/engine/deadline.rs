//! Says queued to senders whose time is up, whatever the attempt does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Engine;
use super::endpoint::Endpoint;
use crate::activity::Activity;
use crate::journal::EventRow;
use crate::session::{Replier, WeakReplier};

/// Those that were answered are swept out when there are so many.
const SWEEP_AT: usize = 64;

/// The senders of one endpoint. All have the same time, so the first to come is the first to be due.
#[derive(Default)]
pub struct Deadlines(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    sweep_at: usize,
    watched: bool,
}

struct Waiting {
    due: Instant,
    replier: WeakReplier,
    row: Arc<EventRow>,
}

impl Waiting {
    fn waits(&self) -> bool {
        self.replier.upgrade().is_some_and(|r| r.is_waiting())
    }
}

pub fn watch(engine: &Arc<Engine>, endpoint: &Arc<Endpoint>, replier: &Replier, row: Arc<EventRow>) {
    let due = Instant::now() + endpoint.options.reply_within;
    let mut state = endpoint.deadlines.lock();
    while state.waiting.front().is_some_and(|first| !first.waits()) {
        state.waiting.pop_front();
    }
    if state.waiting.len() >= state.sweep_at.max(SWEEP_AT) {
        state.waiting.retain(Waiting::waits);
        state.sweep_at = 2 * state.waiting.len();
    }
    state.waiting.push_back(Waiting { due, replier: replier.downgrade(), row });
    if !std::mem::replace(&mut state.watched, true) {
        tokio::spawn(run(engine.clone(), endpoint.clone()));
    }
}

/// One task for all of an endpoint's senders, for as long as there are any.
async fn run(engine: Arc<Engine>, endpoint: Arc<Endpoint>) {
    loop {
        let (first, due) = {
            let mut state = endpoint.deadlines.lock();
            let now = Instant::now();
            let mut due = Vec::new();
            while state.waiting.front().is_some_and(|first| first.due <= now) {
                due.extend(state.waiting.pop_front());
            }
            state.watched = !state.waiting.is_empty();
            (state.waiting.front().map(|w| w.due), due)
        };
        for Waiting { replier, row, .. } in due {
            if let Some(replier) = replier.upgrade() {
                tokio::spawn(up(engine.clone(), endpoint.clone(), replier, row));
            }
        }
        let Some(first) = first else { return };
        tokio::time::sleep_until(first).await;
    }
}

async fn up(engine: Arc<Engine>, endpoint: Arc<Endpoint>, replier: Replier, event: Arc<EventRow>) {
    let after: Duration = endpoint.options.reply_within;
    if replier.by_hook(endpoint.options.queued_status, &event.id, "queued", "").await {
        engine.emit(Activity::Slow { event, after });
    }
}

impl Deadlines {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
