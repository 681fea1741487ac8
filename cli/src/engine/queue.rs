//! Whose turn it is at one target: what is owed first, in order of arrival, then live events (DESIGN §5, "Order").

use std::collections::{BTreeMap, HashSet, VecDeque};

use hook_proto::EventId;

/// `L` is a live event that waits.
#[derive(Debug)]
pub struct Queue<L> {
    owed: BTreeMap<EventId, u64>,
    live: VecDeque<L>,
    /// Events that somebody has in hand: live ones from their arrival, owed ones while they run. The journal says that they are
    /// owed, and they are not queued a second time.
    in_hand: HashSet<EventId>,
    owed_running: usize,
    live_running: usize,
    /// The relay has handed over all that it held; until then live events may have older ones before them.
    caught_up: bool,
    /// The app refused the last connection.
    pub down: bool,
    live_limit: usize,
    owed_limit: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Next<L> {
    Owed(EventId, u64),
    Live(L),
}

impl<L> Queue<L> {
    pub fn new(live_limit: usize, owed_limit: usize) -> Self {
        Self {
            owed: BTreeMap::new(),
            live: VecDeque::new(),
            in_hand: HashSet::new(),
            owed_running: 0,
            live_running: 0,
            caught_up: false,
            down: false,
            live_limit,
            owed_limit,
        }
    }

    /// Takes a place for a live event that has nothing before it. [`Queue::live_done`] gives it back.
    pub fn start_live_now(&mut self) -> bool {
        let free = self.live.is_empty() && self.live_may_start();
        self.live_running += usize::from(free);
        free
    }

    pub fn push_live(&mut self, live: L) {
        self.live.push_back(live);
    }

    /// A live event is on its way into the journal.
    pub fn expect_live(&mut self, id: EventId) {
        self.in_hand.insert(id);
    }

    /// Queues what is owed, unless somebody has it in hand.
    pub fn push_owed(&mut self, id: EventId, seq: u64) {
        if !self.in_hand.contains(&id) {
            self.owed.insert(id, seq);
        }
    }

    /// Whoever had it in hand could not send it.
    pub fn put_back(&mut self, id: EventId, seq: u64) {
        self.in_hand.remove(&id);
        self.owed.insert(id, seq);
    }

    pub fn owed_len(&self) -> usize {
        self.owed.len() + self.owed_running
    }

    pub fn caught_up(&mut self) {
        self.caught_up = true;
    }

    /// The session is lost, and the relay may hold what is older than the next live event.
    pub fn behind(&mut self) {
        self.caught_up = false;
    }

    /// Nothing starts any more; what is owed stays so in the journal.
    pub fn stop(&mut self) {
        self.owed.clear();
        self.live.clear();
        self.live_limit = 0;
        self.owed_limit = 0;
    }

    /// The next to start; its place is taken.
    pub fn next(&mut self) -> Option<Next<L>> {
        if !self.down
            && self.owed_running < self.owed_limit
            && let Some((id, seq)) = self.owed.pop_first()
        {
            self.owed_running += 1;
            self.in_hand.insert(id);
            return Some(Next::Owed(id, seq));
        }
        // While the app is down a live event is told so at once, or finds it up.
        let turn = if self.down { self.live_running < self.live_limit } else { self.live_may_start() };
        let live = if turn { self.live.pop_front() } else { None };
        live.map(|live| {
            self.live_running += 1;
            Next::Live(live)
        })
    }

    pub fn owed_done(&mut self, id: EventId) {
        self.let_go(id);
        self.owed_running = self.owed_running.saturating_sub(1);
    }

    /// Nobody has it in hand any more.
    pub fn let_go(&mut self, id: EventId) {
        self.in_hand.remove(&id);
    }

    pub fn live_done(&mut self) {
        self.live_running = self.live_running.saturating_sub(1);
    }

    /// The newest of what is owed beyond a number, taken out.
    pub fn beyond(&mut self, limit: usize) -> Vec<u64> {
        let mut beyond = Vec::new();
        while self.owed.len() > limit
            && let Some((_, seq)) = self.owed.pop_last()
        {
            beyond.push(seq);
        }
        beyond
    }

    fn live_may_start(&self) -> bool {
        self.caught_up
            && !self.down
            && self.owed.is_empty()
            && self.owed_running == 0
            && self.live_running < self.live_limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> EventId {
        EventId::from_parts(1, n)
    }

    #[test]
    fn what_is_owed_goes_first_one_at_a_time_in_order_of_arrival() {
        let mut queue = Queue::new(2, 1);
        queue.caught_up();
        queue.push_owed(id(9), 1);
        queue.push_owed(id(3), 2);
        queue.push_live('a');
        assert!(!queue.start_live_now());
        assert_eq!(queue.next(), Some(Next::Owed(id(3), 2)));
        assert_eq!(queue.next(), None);
        queue.owed_done(id(3));
        assert_eq!(queue.next(), Some(Next::Owed(id(9), 1)));
        queue.owed_done(id(9));
        assert_eq!(queue.next(), Some(Next::Live('a')));
        assert!(queue.start_live_now());
        assert!(!queue.start_live_now(), "two run already");
    }

    #[test]
    fn live_events_wait_until_the_relay_has_handed_over_what_is_older() {
        let mut queue = Queue::new(2, 1);
        queue.push_live('a');
        assert_eq!(queue.next(), None);
        queue.caught_up();
        assert_eq!(queue.next(), Some(Next::Live('a')));
    }

    #[test]
    fn while_the_app_is_down_live_events_are_told_and_owed_ones_wait() {
        let mut queue = Queue::new(2, 1);
        queue.caught_up();
        queue.down = true;
        queue.push_owed(id(1), 1);
        queue.push_live('a');
        assert_eq!(queue.next(), Some(Next::Live('a')));
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn what_somebody_has_in_hand_is_not_queued_again() {
        let mut queue: Queue<()> = Queue::new(2, 2);
        queue.caught_up();
        queue.expect_live(id(1));
        queue.push_owed(id(1), 1);
        assert_eq!(queue.next(), None);
        queue.put_back(id(1), 1);
        assert_eq!(queue.next(), Some(Next::Owed(id(1), 1)));
        queue.push_owed(id(1), 1);
        assert_eq!(queue.next(), None);
        queue.owed_done(id(1));
        queue.push_owed(id(1), 1);
        assert_eq!(queue.next(), Some(Next::Owed(id(1), 1)));
    }

    #[test]
    fn beyond_the_limit_the_newest_are_taken_out() {
        let mut queue: Queue<()> = Queue::new(2, 1);
        (1..=5).for_each(|n| queue.push_owed(id(n), n as u64));
        assert_eq!(queue.beyond(3), [5, 4]);
        assert_eq!(queue.owed_len(), 3);
    }
}
