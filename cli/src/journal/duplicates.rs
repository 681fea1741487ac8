//! Events that a provider sent more than once, known by its own id for them. An endpoint's are told apart by project too, since an
//! embedded relay's names may be anybody's.

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
        AND d.origin = 'captured' AND events.origin = 'captured' AND d.seq < events.seq
    ORDER BY d.seq LIMIT 1)";

const SAME: &str =
    "FROM events INDEXED BY events_provider_id WHERE provider_event_id = ?1 AND provider = ?2 AND relay = ?3
    AND endpoint = ?4 AND project = ?5 AND mirror = ?6 AND origin = 'captured'";

/// What an event that is about to be recorded is a duplicate of.
pub(super) fn find(connection: &Connection, event: &NewEvent) -> rusqlite::Result<Option<Duplicate>> {
    let checked = &event.checked;
    let (Some(id), Some(provider), "captured") = (&checked.provider_event_id, &checked.provider, event.origin) else {
        return Ok(None);
    };
    let mirror = event.hand_over == HandOver::Copy;
    let first = connection
        .prepare_cached(&format!("SELECT seq {SAME} AND id <> ?7 ORDER BY seq LIMIT 1"))?
        .query_row(params![id, provider, event.relay, event.endpoint, event.project, mirror, event.head.id], |r| {
            r.get(0)
        })
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
            "SELECT event, n FROM (SELECT seq {SAME} AND id <> ?7 AND {vouched} ORDER BY seq LIMIT {LOOKED_AT})
             JOIN attempts ON event = seq
             WHERE status BETWEEN 200 AND 299 AND error IS NULL AND kept = size AND target = ?8 ORDER BY event, n LIMIT 1"
        ))?
        .query_row(
            params![id, provider, event.relay, event.endpoint, event.project, mirror, event.head.id, event.target],
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
            "SELECT seq {SAME} AND seq > ?7 AND ?6 = (SELECT mirror FROM events WHERE seq = ?7) ORDER BY seq LIMIT {LISTED}"
        ))?
        .query_map(
            params![row.provider_event_id, row.provider, row.relay, row.endpoint, row.project, false, row.seq],
            |r| r.get(0),
        )?
        .collect()
}
