use hook_proto::{EventHead, EventId};

use super::*;
use crate::journal::{
    AttemptEnd, EventRow, Handled, Journal, Kind, NewAttempt, Recorded, Signing, begin_attempt, end_attempt, record,
};
use crate::signature::{Checked, Part, Signature};

const TARGET: &str = "http://localhost:3000/";

struct Kept(Journal, #[allow(dead_code, reason = "it goes when this does")] tempfile::TempDir);

impl Kept {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self(Journal::open(&dir.path().join("journal.db")).unwrap(), dir)
    }

    async fn record(&self, event: NewEvent) -> Recorded {
        self.0.write(move |c| record(c, &event, None)).await.unwrap().0
    }

    async fn row(&self, seq: u64) -> EventRow {
        self.0.read(move |c| EventRow::by_seq(c, seq)).await.unwrap().unwrap()
    }

    async fn answered(&self, seq: u64, target: &'static str, status: u16, size: u64) {
        self.answered_to(seq, target, status, size, None).await;
    }

    async fn answered_to(&self, seq: u64, target: &'static str, status: u16, size: u64, signing: Option<Signing>) {
        let end = AttemptEnd { status: Some(status), size, kept: size.min(4), signing, ..AttemptEnd::default() };
        let begun = NewAttempt { kind: Kind::Live, target: target.into(), owner: "me".into(), started_at: 1 };
        let change = move |c: &Connection| {
            let n = begin_attempt(c, seq, &begun)?;
            end_attempt(c, seq, n, &begun, &end, Some(State::Ended))
        };
        self.0.write(change).await.unwrap();
    }
}

fn event(n: u128, verdict: &str) -> NewEvent {
    let id = EventId::from_parts(1, n).to_string();
    let head = EventHead { id, method: "POST".into(), ..EventHead::default() };
    let checked = Checked {
        provider: Some("stripe".into()),
        provider_event_id: Some("evt_1".into()),
        signature: Some(Signature { verdict: Some(verdict.into()), ..Signature::default() }),
        ..Checked::default()
    };
    NewEvent { target: Some(TARGET.into()), dedupe: true, ..NewEvent::for_test(head, b"hi", checked) }
}

#[tokio::test]
async fn events_of_one_id_are_linked_both_ways() {
    let kept = Kept::new();
    assert_eq!(kept.record(event(1, "valid")).await.duplicate, None);
    for n in [2, 3] {
        let duplicate = kept.record(event(n, "valid")).await.duplicate;
        assert_eq!(duplicate, Some(Duplicate { of: 1, answer: None }));
    }
    let (first, second) = (kept.row(1).await, kept.row(2).await);
    assert_eq!((first.duplicate_of, second.duplicate_of), (None, Some(1)));
    assert_eq!(kept.row(3).await.duplicate_of, Some(1));
    let later = kept.0.read(move |c| Ok((duplicates_of(c, &first)?, duplicates_of(c, &second)?))).await.unwrap();
    assert_eq!(later, (vec![2, 3], vec![]));
}

#[tokio::test]
async fn what_came_before_has_the_same_id_and_body() {
    let kept = Kept::new();
    // A forgery takes nothing away from the event that it copies, nor does one that nobody signed.
    kept.record(event(1, "invalid")).await;
    kept.record(event(2, "unsigned")).await;
    kept.record(event(3, "valid")).await;
    kept.record(event(4, "valid")).await;
    kept.record(NewEvent { sha256: [1; 32], ..event(5, "valid") }).await;
    let mut other = event(6, "valid");
    other.checked.provider_event_id = Some("evt_2".into());
    kept.record(other).await;
    for (seq, before) in [(1, false), (2, false), (3, false), (4, true), (5, false), (6, false)] {
        let row = kept.row(seq).await;
        assert_eq!(kept.0.read(move |c| came_before(c, &row)).await.unwrap(), before, "event {seq}");
    }
}

#[tokio::test]
async fn another_sender_endpoint_or_origin_makes_no_duplicate() {
    let changes: [fn(&mut NewEvent); 8] = [
        |e| e.checked.event_type = Some("charge.failed".into()),
        |e| e.endpoint = "other".into(),
        |e| e.project = "/q".into(),
        |e| e.checked.provider = Some("github".into()),
        |e| e.checked.provider_event_id = Some("evt_2".into()),
        |e| e.checked.provider_event_id = None,
        |e| e.hand_over = HandOver::Copy,
        |e| e.origin = "imported",
    ];
    for (n, change) in changes.iter().enumerate() {
        let kept = Kept::new();
        kept.record(event(1, "valid")).await;
        let mut other = event(2, "valid");
        change(&mut other);
        assert_eq!(kept.record(other).await.duplicate, None, "change {n}");
        assert_eq!(kept.row(2).await.duplicate_of, None, "change {n}");
    }
}

#[tokio::test]
async fn only_a_whole_2xx_of_the_same_target_settles_a_duplicate() {
    let kept = Kept::new();
    assert_eq!(kept.record(event(1, "valid")).await.handled, Handled::New { attempt: None });
    let answer = |recorded: Recorded| recorded.duplicate.and_then(|d| d.answer);
    // Under way, failed, at another target, and longer than what is kept of it.
    assert_eq!(answer(kept.record(event(2, "valid")).await), None);
    kept.answered(1, TARGET, 500, 4).await;
    kept.answered(1, "http://localhost:4000/", 200, 4).await;
    kept.answered(1, TARGET, 200, 5).await;
    // And one that a forged replay got.
    kept.answered_to(1, TARGET, 200, 4, Some(Signing::Forged(Part::Body))).await;
    assert_eq!(answer(kept.record(event(3, "valid")).await), None);
    kept.answered(2, TARGET, 204, 4).await;
    kept.answered_to(1, TARGET, 201, 4, Some(Signing::Anew)).await;
    assert_eq!(answer(kept.record(event(4, "valid")).await), Some((1, 5)));
    assert_eq!(kept.row(4).await.state, State::Deduped);
    // Handed over again, it stays settled.
    let again = NewEvent { hand_over: HandOver::Queued, ..event(4, "valid") };
    assert_eq!(kept.record(again).await.handled, Handled::Known { owed: false });
    // The same id may be that of what two events are about.
    let another = NewEvent { sha256: [1; 32], ..event(6, "valid") };
    let another = kept.record(another).await.duplicate;
    assert_eq!(another, Some(Duplicate { of: 1, answer: None }));
    let off = NewEvent { dedupe: false, ..event(5, "valid") };
    assert_eq!(answer(kept.record(off).await), None);
}

#[tokio::test]
async fn a_forged_event_is_no_duplicate_and_takes_no_answer_away() {
    for (first, second, linked, settled) in [
        ("valid", "valid", true, true),
        ("valid", "no_secret", true, true),
        ("unchecked", "no_secret", true, true),
        ("valid", "stale", true, false),
        ("no_secret", "valid", true, false),
        ("unsigned", "unsigned", true, false),
        ("valid", "invalid", false, false),
        ("valid", "unsigned", false, false),
        ("valid", "malformed", false, false),
        ("invalid", "valid", false, false),
        ("invalid", "invalid", false, false),
        ("unsigned", "no_secret", false, false),
    ] {
        let kept = Kept::new();
        kept.record(event(1, first)).await;
        kept.answered(1, TARGET, 200, 4).await;
        let recorded = kept.record(event(2, second)).await.duplicate;
        let found = (recorded.is_some(), recorded.is_some_and(|d| d.answer.is_some()));
        assert_eq!(found, (linked, settled), "{second} after {first}");
        let (one, two) = (kept.row(1).await, kept.row(2).await);
        assert_eq!(two.duplicate_of, linked.then_some(1), "{second} after {first}");
        let later = kept.0.read(move |c| duplicates_of(c, &one)).await.unwrap();
        assert_eq!(later, if linked { vec![2] } else { vec![] }, "{second} after {first}");
    }
}

#[tokio::test]
async fn a_look_up_is_one_step_whatever_was_sent() {
    let kept = Kept::new();
    let plans = kept.0.read(|c| {
        let mut plans = Vec::new();
        for sql in [format!("SELECT {FIRST} FROM events"), format!("SELECT seq {SAME} ORDER BY seq LIMIT 1")] {
            let mut plan = c.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let places = plan.parameter_count();
            let rows = plan.query_map(rusqlite::params_from_iter(vec!["x"; places]), |r| r.get::<_, String>(3))?;
            plans.push(rows.collect::<Result<Vec<_>, _>>()?.join("\n"));
        }
        Ok(plans)
    });
    for plan in plans.await.unwrap() {
        assert!(plan.contains("provider=? AND endpoint=? AND event_type=? AND <expr>=?"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
