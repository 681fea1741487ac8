//! Whose turn it is at one target: what is owed first, in order of arrival, then live events (DESIGN §5, "Order").

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use hook_proto::EventId;

/// `L` is whoever has a live event in hand, waiting for its turn.
#[derive(Debug)]
pub struct Queue<L> {
    owed: BTreeMap<EventId, u64>,
    /// On their way into the journal, to be owed; none that is younger starts before them.
    coming: BTreeSet<EventId>,
    /// In order of arrival; a slot is filled when its event is in the journal.
    live: VecDeque<Slot<L>>,
    tickets: u64,
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

#[derive(Debug)]
struct Slot<L> {
    id: EventId,
    ticket: Ticket,
    live: Option<L>,
    /// Its number in the journal, when it turned owed before it was filled.
    owed: Option<u64>,
}

/// A live event's place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    number: u64,
    /// It has a place to run in, so its attempt may be committed with it.
    pub placed: bool,
}

/// The place that a hand-over has in the order from its arrival.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    None,
    Live(Ticket),
    Owed,
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
            coming: BTreeSet::new(),
            live: VecDeque::new(),
            tickets: 0,
            in_hand: HashSet::new(),
            owed_running: 0,
            live_running: 0,
            caught_up: false,
            down: false,
            live_limit,
            owed_limit,
        }
    }

    /// A live event is on its way into the journal.
    pub fn expect_live(&mut self, id: EventId) -> Ticket {
        self.in_hand.insert(id);
        let placed = self.live_may_start() && self.live.iter().all(|slot| slot.ticket.placed);
        self.live_running += usize::from(placed);
        self.tickets += 1;
        let ticket = Ticket { number: self.tickets, placed };
        self.live.push_back(Slot { id, ticket, live: None, owed: None });
        ticket
    }

    /// It is there. Given back with its number when it turned owed meanwhile, and alone when nothing starts any more.
    pub fn fill_live(&mut self, ticket: Ticket, live: L) -> Option<(L, Option<u64>)> {
        let Some(at) = self.slot(ticket) else { return Some((live, None)) };
        if let Some(seq) = self.live[at].owed {
            let slot = self.live.remove(at)?;
            self.coming.insert(slot.id);
            return Some((live, Some(seq)));
        }
        self.live[at].live = Some(live);
        None
    }

    /// It was about to be sent when older ones turned out to be owed: it waits its turn behind them.
    pub fn put_back_live(&mut self, id: EventId, ticket: Ticket, live: L) {
        let at = self.live.partition_point(|slot| slot.ticket.number < ticket.number);
        let ticket = Ticket { placed: false, ..ticket };
        self.live.insert(at, Slot { id, ticket, live: Some(live), owed: None });
    }

    /// The relay hands it over as queued: it is owed. One that waits as a live event is on its way to its place among those from
    /// now on. Gives whoever has it in hand; not when that is not known yet ([`Queue::fill_live`]).
    pub fn turn_owed(&mut self, id: EventId, seq: u64) -> Option<L> {
        let Some(at) = self.live.iter().position(|slot| slot.id == id && !slot.ticket.placed) else {
            self.push_owed(id, seq);
            return None;
        };
        self.coming.insert(id);
        if self.live[at].live.is_none() {
            self.live[at].owed = Some(seq);
            return None;
        }
        self.live.remove(at)?.live
    }

    /// It was in the journal before, and is owed. The place of this hand-over becomes one among the owed in a single step: in a gap
    /// between the two a younger one would start. Gives whoever has it in hand.
    pub fn known_owed(&mut self, place: Place, id: EventId, seq: u64) -> Option<L> {
        match place {
            Place::Owed => return self.turn_owed(id, seq),
            Place::Live(ticket) => self.drop_live(ticket, id),
            Place::None => {}
        }
        self.push_owed(id, seq);
        None
    }

    /// It will not come.
    pub fn drop_live(&mut self, ticket: Ticket, id: EventId) {
        self.in_hand.remove(&id);
        let Some(slot) = self.slot(ticket).and_then(|at| self.live.remove(at)) else { return };
        self.live_running -= usize::from(ticket.placed);
        // Another hand-over of it came first, and left it to this one.
        if let Some(seq) = slot.owed {
            self.push_owed(id, seq);
        }
    }

    /// An event that will be owed is on its way into the journal.
    pub fn expect_owed(&mut self, id: EventId) {
        self.coming.insert(id);
    }

    /// It will not be owed.
    pub fn drop_owed(&mut self, id: EventId) {
        self.coming.remove(&id);
    }

    /// Queues what is owed, unless somebody has it in hand.
    pub fn push_owed(&mut self, id: EventId, seq: u64) {
        self.coming.remove(&id);
        if !self.in_hand.contains(&id) {
            self.owed.insert(id, seq);
        }
    }

    /// Whoever had it in hand could not send it.
    pub fn put_back(&mut self, id: EventId, seq: u64) {
        self.in_hand.remove(&id);
        self.coming.remove(&id);
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
            && self.owed_running + self.live_running < self.live_limit
            && self.coming.first().is_none_or(|coming| self.owed.first_key_value().is_some_and(|(id, _)| id < coming))
            && let Some((id, seq)) = self.owed.pop_first()
        {
            self.owed_running += 1;
            self.in_hand.insert(id);
            return Some(Next::Owed(id, seq));
        }
        let front = self.live.front().filter(|slot| slot.live.is_some())?.ticket;
        // While the app is down a live event is told so at once, or finds it up.
        let turn = if self.down { self.live_running < self.live_limit } else { self.live_may_start() };
        if !front.placed && !turn {
            return None;
        }
        self.live_running += usize::from(!front.placed);
        self.live.pop_front()?.live.map(Next::Live)
    }

    pub fn owed_done(&mut self) {
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

    fn slot(&self, ticket: Ticket) -> Option<usize> {
        self.live.binary_search_by_key(&ticket.number, |slot| slot.ticket.number).ok()
    }

    fn live_may_start(&self) -> bool {
        self.caught_up
            && !self.down
            && self.owed.is_empty()
            && self.coming.is_empty()
            && self.owed_running == 0
            && self.live_running < self.live_limit
    }
}
