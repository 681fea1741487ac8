//! What the relay knows of each event it has not let go: the relay's half of DESIGN §5, as a state machine without I/O.
//!
//! An event is let go when its sender has a reply, the event is acked, and the inbox has committed it. An ack counts only
//! for the hand-over that it names: once the relay has itself answered queued, or the session was lost, the event is
//! handed over again and waits for a new ack.

use std::collections::HashMap;

use hook_proto::{EventId, HandOver};

#[derive(Debug, Default)]
pub struct Ledger {
    entries: HashMap<EventId, Entry, foldhash::fast::RandomState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// The hand-over under way or acked, by its stream number.
    handed: Option<u64>,
    acked: bool,
    answered: Option<Answered>,
    committed: bool,
}

/// What the sender has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// A 2xx of hook's own.
    Queued,
    /// Anything else: the app's answer, a refusal, or nothing because it left.
    Given,
}

/// Whether the inbox may delete the event now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Hold {
    Keep,
    LetGo,
}

impl Entry {
    /// The inbox alone knows enough of such an event; keeping it here would let a long absence fill the memory.
    fn is_only_stored(&self) -> bool {
        self.committed && self.handed.is_none() && self.answered == Some(Answered::Queued)
    }
}

impl Ledger {
    /// A sender's request is complete, and the sender waits.
    pub fn complete(&mut self, id: EventId) {
        self.entries.insert(id, Entry { handed: None, acked: false, answered: None, committed: false });
    }

    /// The inbox refused the event; its sender hears so.
    pub fn refuse(&mut self, id: EventId) {
        self.entries.remove(&id);
    }

    pub fn committed(&mut self, id: EventId) -> Hold {
        self.change(id, |e| e.committed = true)
    }

    /// Hands an event of the inbox to the session, if no hand-over is under way. Gives the state to hand over.
    pub fn hand_over(&mut self, id: EventId, stream: u64) -> Option<HandOver> {
        // An event that is only in the inbox has a sender that heard queued: all others are in the ledger.
        let stored = Entry { handed: None, acked: false, answered: Some(Answered::Queued), committed: true };
        let entry = self.entries.entry(id).or_insert(stored);
        if entry.handed.is_some() || entry.acked {
            return None;
        }
        entry.handed = Some(stream);
        Some(match entry.answered {
            None => HandOver::Awaited,
            Some(Answered::Queued) => HandOver::Queued,
            Some(Answered::Given) => HandOver::Given,
        })
    }

    /// The hand-over that counts.
    pub fn handed(&self, id: EventId) -> Option<u64> {
        self.entries.get(&id)?.handed
    }

    pub fn ack(&mut self, id: EventId, stream: u64) -> Hold {
        self.change(id, |e| e.acked |= e.handed == Some(stream))
    }

    /// The sender gets a reply that came through the session.
    pub fn answer(&mut self, id: EventId, answered: Answered) -> Hold {
        self.change(id, |e| e.answered = Some(e.answered.unwrap_or(answered)))
    }

    /// The relay itself answers queued. An ack for the awaited hand-over counts no more.
    pub fn answer_queued(&mut self, id: EventId) {
        if let Some(e) = self.entries.get_mut(&id)
            && e.answered.is_none()
        {
            *e = Entry { handed: None, acked: false, answered: Some(Answered::Queued), committed: e.committed };
            if e.is_only_stored() {
                self.entries.remove(&id);
            }
        }
    }

    /// The sender left before its reply. One that nobody was told of is owed all the same: it may not come again.
    pub fn sender_left(&mut self, id: EventId) -> Hold {
        self.change(id, |e| {
            let answered = if e.handed.is_some() { Answered::Given } else { Answered::Queued };
            e.answered = Some(e.answered.unwrap_or(answered));
        })
    }

    /// The session is lost, and with it every hand-over and ack of it.
    pub fn session_ended(&mut self) {
        for e in self.entries.values_mut() {
            e.handed = None;
            e.acked = false;
        }
        self.entries.retain(|_, e| !e.is_only_stored());
    }

    /// A hand-over that could not be sent, or whose event is not in the inbox any more.
    pub fn hand_over_failed(&mut self, id: EventId, stream: u64) {
        if let Some(e) = self.entries.get_mut(&id)
            && e.handed == Some(stream)
        {
            e.handed = None;
        }
    }

    pub fn forget(&mut self, id: EventId) {
        self.entries.remove(&id);
    }

    fn change(&mut self, id: EventId, change: impl FnOnce(&mut Entry)) -> Hold {
        let Some(entry) = self.entries.get_mut(&id) else { return Hold::Keep };
        change(entry);
        if entry.acked && entry.committed && entry.answered.is_some() {
            self.entries.remove(&id);
            return Hold::LetGo;
        }
        Hold::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> EventId {
        EventId::from_parts(1, n)
    }

    #[test]
    fn a_live_event_is_let_go_when_committed_acked_and_answered_in_any_order() {
        let steps: [fn(&mut Ledger) -> Hold; 3] =
            [|l| l.committed(id(1)), |l| l.ack(id(1), 7), |l| l.answer(id(1), Answered::Given)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut ledger = Ledger::default();
            ledger.complete(id(1));
            assert_eq!(ledger.hand_over(id(1), 7), Some(HandOver::Awaited));
            assert_eq!(steps[order[0]](&mut ledger), Hold::Keep);
            assert_eq!(steps[order[1]](&mut ledger), Hold::Keep);
            assert_eq!(steps[order[2]](&mut ledger), Hold::LetGo);
        }
    }

    #[test]
    fn an_ack_from_before_the_relays_own_answer_does_not_count() {
        let mut ledger = Ledger::default();
        ledger.complete(id(1));
        let _ = ledger.committed(id(1));
        ledger.hand_over(id(1), 7);
        ledger.answer_queued(id(1));
        assert_eq!(ledger.ack(id(1), 7), Hold::Keep);
        assert_eq!(ledger.hand_over(id(1), 8), Some(HandOver::Queued));
        assert_eq!(ledger.ack(id(1), 8), Hold::LetGo);
    }

    #[test]
    fn a_lost_session_takes_its_acks_with_it() {
        let mut ledger = Ledger::default();
        ledger.complete(id(1));
        let _ = ledger.committed(id(1));
        ledger.hand_over(id(1), 7);
        let _ = ledger.ack(id(1), 7);
        ledger.session_ended();
        ledger.answer_queued(id(1));
        assert_eq!(ledger.hand_over(id(1), 8), Some(HandOver::Queued));
    }

    #[test]
    fn a_given_event_is_handed_over_as_given_after_a_lost_session() {
        let mut ledger = Ledger::default();
        ledger.complete(id(1));
        let _ = ledger.committed(id(1));
        ledger.hand_over(id(1), 7);
        let _ = ledger.answer(id(1), Answered::Given);
        ledger.session_ended();
        assert_eq!(ledger.hand_over(id(1), 8), Some(HandOver::Given));
    }

    #[test]
    fn what_only_the_inbox_holds_is_handed_over_once_as_queued() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.hand_over(id(1), 7), Some(HandOver::Queued));
        assert_eq!(ledger.hand_over(id(1), 8), None);
    }
}
