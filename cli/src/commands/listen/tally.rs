//! What a run counts for its last line, and whether `--until` has been met.

use std::collections::HashMap;
use std::time::Duration;

use crate::activity::{Activity, Heard, Stopped};
use crate::filter::Filter;
use crate::journal::State;
use crate::subject;

/// Of how many events it is known how they ended; should an older one end again, it is counted again.
const REMEMBERED: usize = 20_000;

/// How one event stands; a later attempt replaces an earlier one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Waiting,
    Ok,
    Failed,
    Undelivered,
}

#[derive(Default)]
pub struct Tally {
    fates: HashMap<u64, Fate>,
    events: u64,
    done: [u64; 3],
    bodies: HashMap<u64, bytes::Bytes>,
}

impl Tally {
    /// Counts; `true` when the filter of `--until` matches now.
    pub fn count(&mut self, activity: &Activity, until: Option<&Filter>) -> bool {
        match activity {
            Activity::Event(seen) => {
                self.events += 1;
                let fate = match (seen.settled, seen.row.state) {
                    (false, _) => Fate::Waiting,
                    (true, State::Refused) => Fate::Failed,
                    (true, _) => Fate::Ok,
                };
                self.set(seen.row.seq, fate);
                if let (Some(_), Some(body)) = (until, &seen.body) {
                    self.bodies.insert(seen.row.seq, body.clone());
                }
                let body = seen.body.as_deref().unwrap_or_default();
                seen.settled && until.is_some_and(|f| subject::matches(f, &seen.row, body, &[], &[]))
            }
            Activity::Attempt(tried) => {
                let a = &tried.attempt;
                let fate = match (a.status, a.error.as_deref()) {
                    _ if matches!(tried.heard, Heard::Handshake(_)) => Fate::Ok,
                    (Some(200..=299), None) => Fate::Ok,
                    (Some(_), _) => Fate::Failed,
                    (
                        None,
                        Some(
                            "connection_refused" | "unreachable" | "no_host" | "connect_timeout" | "tls" | "plain_http"
                            | "certificate",
                        ),
                    ) => Fate::Undelivered,
                    (None, _) => Fate::Failed,
                };
                self.set(tried.row.seq, fate);
                let Some(until) = until else { return false };
                let body = self.bodies.remove(&tried.row.seq).unwrap_or_default();
                let mut row = (*tried.row).clone();
                row.state = State::Ended;
                let attempts = std::slice::from_ref(a);
                subject::matches(until, &row, &body, attempts, &tried.body)
            }
            _ => false,
        }
    }

    /// Only the events that are still open are remembered one by one.
    fn set(&mut self, seq: u64, fate: Fate) {
        match self.fates.insert(seq, fate) {
            Some(Fate::Ok) => self.done[0] -= 1,
            Some(Fate::Failed) => self.done[1] -= 1,
            Some(Fate::Undelivered) => self.done[2] -= 1,
            Some(Fate::Waiting) | None => {}
        }
        match fate {
            Fate::Ok => self.done[0] += 1,
            Fate::Failed => self.done[1] += 1,
            Fate::Undelivered => self.done[2] += 1,
            Fate::Waiting => {}
        }
        if self.fates.len() > REMEMBERED {
            self.fates.retain(|_, f| *f == Fate::Waiting);
        }
    }

    /// The events that did not go well, as far as this run has seen.
    pub fn not_well(&self) -> Vec<u64> {
        let open = self.fates.iter().filter(|(_, fate)| matches!(fate, Fate::Failed | Fate::Undelivered));
        open.map(|(seq, _)| *seq).collect()
    }

    /// The last answer to an event, which another command may have got: `hook replay`.
    pub fn answered(&mut self, seq: u64, status: u16) {
        self.set(seq, if (200..300).contains(&status) { Fate::Ok } else { Fate::Failed });
    }

    pub fn stopped(&self, after: Duration, owed: u64, reason: &'static str) -> Stopped {
        let [ok, failed, undelivered] = self.done;
        Stopped { events: self.events, ok, failed, undelivered, owed, after, reason }
    }
}
