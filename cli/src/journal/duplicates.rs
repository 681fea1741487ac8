//! Events that a provider sent more than once, known by its own id for them. An endpoint's are told apart by project too, since an
//! embedded relay's names may be anybody's.
//!
//! Many providers have no id of events, only of what they are about: a message that was sent and then delivered. So what is linked
//! also has the same type, and what is settled has the same body, byte for byte.

use hook_proto::HandOver;
use rusqlite::{Connection, OptionalExtension, params};

use super::query::EventRow;
use super::{NewEvent, State};

/// An event that came before under the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicate {
    /// The number of the first.
    pub of: u64,
    /// The attempt whose 2xx answers this one too, when `--dedupe` settles it: event and number.
    pub answer: Option<(u64, u32)>,
}

/// Of so many with the same id an answer is looked for, so that nobody can make that long.
const LOOKED_AT: u32 = 100;
/// How many are listed.
const LISTED: u32 = 100;

/// The number of the first event of the same id, as a column of a query on `events`.
pub(super) const FIRST: &str = "(SELECT d.seq FROM events d INDEXED BY events_provider_id
    WHERE d.provider_event_id = events.provider_event_id AND d.provider = events.provider AND d.relay = events.relay
        AND d.endpoint = events.endpoint AND d.project = events.project AND d.mirror = events.mirror
        AND d.event_type IS events.event_type
        AND d.origin = 'captured' AND events.origin = 'captured' AND d.seq < events.seq
    ORDER BY d.seq LIMIT 1)";

const SAME: &str =
    "FROM events INDEXED BY events_provider_id WHERE provider_event_id = ?1 AND provider = ?2 AND relay = ?3
    AND endpoint = ?4 AND project = ?5 AND mirror = ?6 AND event_type IS ?7 AND origin = 'captured'";

/// What an event that is about to be recorded is a duplicate of.
pub(super) fn find(connection: &Connection, event: &NewEvent) -> rusqlite::Result<Option<Duplicate>> {
    let checked = &event.checked;
    let (Some(id), Some(provider), "captured") = (&checked.provider_event_id, &checked.provider, event.origin) else {
        return Ok(None);
    };
    let (mirror, kind, own) = (event.hand_over == HandOver::Copy, &checked.event_type, &event.head.id);
    let first = connection
        .prepare_cached(&format!("SELECT seq {SAME} AND id <> ?8 ORDER BY seq LIMIT 1"))?
        .query_row(params![id, provider, event.relay, event.endpoint, event.project, mirror, kind, own], |r| r.get(0))
        .optional()?;
    let Some(of) = first else { return Ok(None) };
    // An event that nobody vouches for gets no answer of another's, and takes none away from one that is vouched for.
    let vouched = match checked.verdict() {
        Some("valid") => "verdict = 'valid'",
        Some("no_secret" | "unchecked") => "verdict IN ('valid', 'no_secret', 'unchecked')",
        _ => return Ok(Some(Duplicate { of, answer: None })),
    };
    // Only what would be forwarded is settled so.
    let settles = matches!(event.hand_over, HandOver::Awaited | HandOver::Queued) && event.state == State::Owed;
    if !event.dedupe || !settles {
        return Ok(Some(Duplicate { of, answer: None }));
    }
    // The answer of another target is none of this one's, and of one that was not kept whole the rest is lacking.
    let answer = connection
        .prepare_cached(&format!(
            "SELECT event, n FROM (SELECT seq {SAME} AND id <> ?8 AND sha256 = ?9 AND {vouched} ORDER BY seq LIMIT {LOOKED_AT})
             JOIN attempts ON event = seq
             WHERE status BETWEEN 200 AND 299 AND error IS NULL AND kept = size AND target = ?10 ORDER BY event, n LIMIT 1"
        ))?
        .query_row(
            params![
                id,
                provider,
                event.relay,
                event.endpoint,
                event.project,
                mirror,
                kind,
                own,
                event.sha256,
                event.target
            ],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
        .optional()?;
    Ok(Some(Duplicate { of, answer }))
}

/// The numbers of the later events of the same id, when this is the first.
pub fn duplicates_of(connection: &Connection, row: &EventRow) -> rusqlite::Result<Vec<u64>> {
    if row.duplicate_of.is_some() || row.provider_event_id.is_none() || row.origin != "captured" {
        return Ok(Vec::new());
    }
    connection
        .prepare_cached(&format!(
            "SELECT seq {SAME} AND seq > ?8 AND ?6 = (SELECT mirror FROM events WHERE seq = ?8) ORDER BY seq LIMIT {LISTED}"
        ))?
        .query_map(
            params![
                row.provider_event_id,
                row.provider,
                row.relay,
                row.endpoint,
                row.project,
                false,
                row.event_type,
                row.seq
            ],
            |r| r.get(0),
        )?
        .collect()
}

/// Whether an earlier event that is no forgery has its id and its body, byte for byte.
pub fn came_before(connection: &Connection, row: &EventRow) -> rusqlite::Result<bool> {
    connection.prepare_cached(&format!("SELECT 1 {SAME} AND seq < ?8 AND sha256 = ?9 AND verdict NOT IN ('invalid', 'unsigned', 'malformed') LIMIT 1"))?.exists(params![
        row.provider_event_id,
        row.provider,
        row.relay,
        row.endpoint,
        row.project,
        false,
        row.event_type,
        row.seq,
        row.sha256
    ])
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hook_proto::{EventHead, EventId};

    use super::*;
    use crate::journal::{
        AttemptEnd, EventRow, Handled, Journal, Kind, NewAttempt, Recorded, begin_attempt, end_attempt, record,
    };
    use crate::signature::{Checked, Signature};

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
            let end = AttemptEnd { status: Some(status), size, kept: size.min(4), ..AttemptEnd::default() };
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
        NewEvent {
            head: EventHead { id, method: "POST".into(), body_size: 2, ..EventHead::default() },
            body: Some(Bytes::from_static(b"hi")),
            sha256: [0; 32],
            origin: "captured",
            parent: None,
            project: "/p".into(),
            relay: "embedded".into(),
            endpoint: "shop".into(),
            target: Some(TARGET.into()),
            state: State::Owed,
            hand_over: HandOver::Awaited,
            checked: Checked {
                provider: Some("stripe".into()),
                provider_event_id: Some("evt_1".into()),
                signature: Some(Signature { verdict: Some(verdict.into()), ..Signature::default() }),
                ..Checked::default()
            },
            dedupe: true,
        }
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
        // A forgery takes nothing away from the event that it copies.
        kept.record(event(1, "invalid")).await;
        kept.record(event(2, "valid")).await;
        kept.record(event(3, "valid")).await;
        kept.record(NewEvent { sha256: [1; 32], ..event(4, "valid") }).await;
        let mut other = event(5, "valid");
        other.checked.provider_event_id = Some("evt_2".into());
        kept.record(other).await;
        for (seq, before) in [(1, false), (2, false), (3, true), (4, false), (5, false)] {
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
        assert_eq!(answer(kept.record(event(3, "valid")).await), None);
        kept.answered(2, TARGET, 204, 4).await;
        kept.answered(1, TARGET, 201, 4).await;
        assert_eq!(answer(kept.record(event(4, "valid")).await), Some((1, 4)));
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
    async fn a_forged_event_neither_gets_an_answer_nor_takes_one_away() {
        for (first, second, settled) in [
            ("valid", "valid", true),
            ("valid", "no_secret", true),
            ("unchecked", "no_secret", true),
            ("valid", "invalid", false),
            ("valid", "stale", false),
            ("valid", "unsigned", false),
            ("valid", "malformed", false),
            ("invalid", "valid", false),
            ("no_secret", "valid", false),
            ("unsigned", "no_secret", false),
        ] {
            let kept = Kept::new();
            kept.record(event(1, first)).await;
            kept.answered(1, TARGET, 200, 4).await;
            let duplicate = kept.record(event(2, second)).await.duplicate.unwrap();
            assert_eq!((duplicate.of, duplicate.answer.is_some()), (1, settled), "{second} after {first}");
        }
    }
}
