//! Holds the books of senders against the journal and the app, and says which invariants do not hold.
//!
//! I1 nothing promised is lost. I2 an event is shown once. I3 the order of arrival, where one at a time was asked for.
//! I4 nothing is invented. I5 what was not promised may be there, and counts as nothing. I6 all is settled in the end and a new
//! event goes through. I7 what arrives is what was sent. I8 the app sees an event again only after a crash.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::Value;

use crate::ledger::hex;
use crate::{Arrival, Heard};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariant {
    I1,
    I2,
    I3,
    I4,
    I6,
    I7,
    I8,
}

#[derive(Debug, Clone)]
pub struct Violation {
    pub of: Invariant,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.of, self.what)
    }
}

/// What everybody knows, once nothing is on its way any more.
pub struct Books<'a> {
    pub heard: &'a [Heard],
    /// The events of the journal as `hook events` prints them.
    pub journal: Vec<Value>,
    /// Those that have an attempt that ended without a response, by number.
    pub broke_off: HashSet<u64>,
    pub arrivals: Vec<Arrival>,
}

/// What a run may show without breaking a promise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    /// Times that an app may see an event again: crashes of the CLI, each with as many as it has under way.
    pub duplicates: usize,
    /// Events whose attempt may have broken off while the app died: their attempt has ended, and the app knows nothing of it.
    pub broken_off: usize,
    /// One at a time was not asked for.
    pub unordered: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    pub events: usize,
    pub promised: usize,
    pub lost: usize,
    pub duplicates: usize,
    pub violations: Vec<Violation>,
}

impl Report {
    pub fn breaks(&self, invariant: Invariant) -> bool {
        self.violations.iter().any(|v| v.of == invariant)
    }

    pub fn add(&mut self, of: Invariant, what: impl Into<String>) {
        self.violations.push(Violation { of, what: what.into() });
    }

    #[track_caller]
    pub fn assert_kept(&self) {
        let first: Vec<String> = self.violations.iter().take(20).map(ToString::to_string).collect();
        let (all, events) = (self.violations.len(), self.events);
        assert!(first.is_empty(), "{all} violations with {events} events:\n{}", first.join("\n"));
    }
}

pub fn judge(books: &Books, allowed: Allowed) -> Report {
    let sent: HashMap<&str, &Heard> = books.heard.iter().map(|h| (h.key.as_str(), h)).collect();
    let promised: Vec<&Heard> = books.heard.iter().filter(|h| h.was_promised()).collect();
    let events = books.heard.iter().filter(|h| h.port.is_some()).count();
    let mut report = Report { events, promised: promised.len(), ..Report::default() };
    let kept = kept(&books.journal, &sent, &mut report);
    let reached = reached(&books.arrivals, &sent, &mut report);
    if report.duplicates > allowed.duplicates {
        let (seen, may) = (report.duplicates, allowed.duplicates);
        report.add(Invariant::I8, format!("{seen} duplicates at the app, and {may} may be"));
    }
    let mut broken_off = 0;
    for one in promised {
        let Some(seqs) = kept.get(one.key.as_str()) else {
            report.lost += 1;
            report.add(Invariant::I1, format!("promised, and not in the journal: {one:?}"));
            continue;
        };
        if reached.contains(one.key.as_str()) {
            continue;
        }
        if broken_off < allowed.broken_off && seqs.iter().any(|seq| books.broke_off.contains(seq)) {
            broken_off += 1;
        } else {
            report.lost += 1;
            report.add(Invariant::I1, format!("promised, and never reached the app: {one:?}"));
        }
    }
    if !allowed.unordered {
        in_order(&books.arrivals, &sent, &mut report);
    }
    report
}

/// The events of the journal by key: each once, each one that was sent, with its bytes.
fn kept<'a>(journal: &'a [Value], sent: &HashMap<&str, &Heard>, report: &mut Report) -> HashMap<&'a str, Vec<u64>> {
    let mut kept: HashMap<&str, Vec<u64>> = HashMap::new();
    for event in journal {
        let key = event["query"].as_str().unwrap_or_default();
        match sent.get(key) {
            None => report.add(Invariant::I4, format!("in the journal, and never sent: {event}")),
            Some(heard) if event["sha256"] != hex(&heard.body) => {
                report.add(Invariant::I7, format!("another body in the journal: {event} of {heard:?}"));
            }
            Some(_) => {}
        }
        kept.entry(key).or_default().extend(event["seq"].as_u64());
    }
    for (key, seqs) in kept.iter().filter(|(_, seqs)| seqs.len() > 1) {
        report.add(Invariant::I2, format!("{key} is in the journal as {seqs:?}"));
    }
    kept
}

/// What the app saw: only what was sent, as it was sent; again only with the same id and as another attempt.
fn reached<'a>(arrivals: &'a [Arrival], sent: &HashMap<&str, &Heard>, report: &mut Report) -> HashSet<&'a str> {
    let mut reached: HashMap<&str, Vec<&Arrival>> = HashMap::new();
    for arrival in arrivals {
        match sent.get(arrival.key.as_str()) {
            None => report.add(Invariant::I4, format!("at the app, and never sent: {arrival:?}")),
            Some(heard) if heard.hash != arrival.hash => {
                report.add(Invariant::I7, format!("at the app in other bytes: {arrival:?} of {heard:?}"));
            }
            Some(_) => {}
        }
        reached.entry(&arrival.key).or_default().push(arrival);
    }
    for (key, times) in &reached {
        report.duplicates += times.len() - 1;
        if times.iter().any(|t| t.event_id != times[0].event_id) {
            report.add(Invariant::I2, format!("{key} reached the app under several ids: {times:?}"));
        }
        let attempts: HashSet<u32> = times.iter().map(|t| t.attempt).collect();
        if attempts.len() < times.len() {
            report.add(Invariant::I8, format!("{key} reached the app twice as one attempt: {times:?}"));
        }
    }
    reached.into_keys().collect()
}

/// One that was promised before another was even sent reaches the app before it.
fn in_order(arrivals: &[Arrival], sent: &HashMap<&str, &Heard>, report: &mut Report) {
    let mut seen = HashSet::new();
    let mut latest: Option<&Heard> = None;
    for arrival in arrivals.iter().filter(|a| seen.insert(a.key.as_str())) {
        let Some(heard) = sent.get(arrival.key.as_str()) else { continue };
        if let Some(before) = latest.filter(|b| heard.was_promised() && heard.heard_at < b.sent_at) {
            report.add(Invariant::I3, format!("{before:?} reached the app before {heard:?}"));
        }
        if latest.is_none_or(|b| b.sent_at < heard.sent_at) {
            latest = Some(heard);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "01K00000000000000000000000";

    /// Two requests, one after the other, that were promised, kept and delivered.
    fn heard() -> Vec<Heard> {
        (0..2_u8)
            .map(|n| Heard {
                key: format!("n={n}"),
                status: Some(200),
                cut: false,
                port: Some(1),
                retry_after: None,
                hash: [n; 32],
                body: [n + 10; 32],
                sent_at: u64::from(n) * 2,
                heard_at: u64::from(n) * 2 + 1,
            })
            .collect()
    }

    fn books(heard: &[Heard]) -> Books<'_> {
        let row = |n: usize, h: &Heard| json!({"seq": n + 1, "query": h.key, "sha256": hex(&h.body)});
        let arrival =
            |h: &Heard| Arrival { key: h.key.clone(), event_id: format!("{ID}{}", h.key), attempt: 1, hash: h.hash };
        Books {
            heard,
            journal: heard.iter().enumerate().map(|(n, h)| row(n, h)).collect(),
            broke_off: HashSet::new(),
            arrivals: heard.iter().map(arrival).collect(),
        }
    }

    /// What is found when the books are as this makes them.
    fn found(change: impl FnOnce(&mut Books)) -> Vec<Invariant> {
        let heard = heard();
        let mut books = books(&heard);
        change(&mut books);
        judge(&books, Allowed::default()).violations.iter().map(|v| v.of).collect()
    }

    #[test]
    fn books_that_agree_show_nothing() {
        assert_eq!(found(|_| ()), []);
    }

    #[test]
    fn every_kind_of_violation_is_seen() {
        assert_eq!(found(|b| drop(b.arrivals.pop())), [Invariant::I1]);
        assert_eq!(found(|b| drop(b.journal.pop())), [Invariant::I1]);
        assert_eq!(found(|b| b.journal.push(b.journal[0].clone())), [Invariant::I2]);
        assert_eq!(found(|b| b.arrivals.reverse()), [Invariant::I3]);
        assert_eq!(found(|b| b.arrivals[1].key.push('x')), [Invariant::I4, Invariant::I1]);
        assert_eq!(found(|b| b.arrivals[1].hash[0] ^= 1), [Invariant::I7]);
        assert_eq!(found(|b| b.journal[1]["sha256"] = hex(&[9; 32]).into()), [Invariant::I7]);
        let again = |b: &mut Books, attempt| b.arrivals.push(Arrival { attempt, ..b.arrivals[1].clone() });
        assert_eq!(found(|b| again(b, 2)), [Invariant::I8]);
        assert_eq!(found(|b| again(b, 1)), [Invariant::I8, Invariant::I8]);
    }

    #[test]
    fn what_was_not_promised_is_never_lost() {
        let mut heard = heard();
        heard[1].status = Some(503);
        let mut there = books(&heard);
        assert!(judge(&there, Allowed::default()).violations.is_empty());
        there.arrivals.pop();
        there.journal.pop();
        assert!(judge(&there, Allowed::default()).violations.is_empty());
    }

    #[test]
    fn an_attempt_that_broke_off_while_the_app_died_has_ended() {
        let heard = heard();
        let mut books = books(&heard);
        books.arrivals.pop();
        books.broke_off.insert(2);
        assert!(judge(&books, Allowed::default()).breaks(Invariant::I1));
        assert!(!judge(&books, Allowed { broken_off: 1, ..Allowed::default() }).breaks(Invariant::I1));
    }
}
