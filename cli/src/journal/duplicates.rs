//! Events that a provider sent more than once, known by its own id for them. An endpoint's are told apart by project too, since an
//! embedded relay's names may be anybody's.
//!
//! Many providers have no id of events, only of what they are about: a message that was sent and then delivered. So what is linked
//! also has the same type, and what is settled has the same body, byte for byte.
//!
//! Anybody may send the id of another's event. So one whose signature is wrong is no duplicate, one that is not signed is none of
//! a signed one, and each look-up is one step in `events_same`, however many of the same id were sent.

#[cfg(test)]
mod tests;

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

/// Among so many with the same id an answer is looked for, so that nobody can make that long.
const LOOKED_AT: u32 = 100;
/// How many are listed.
const LISTED: u32 = 100;

/// The number of the first event of the same id, as a column of a query on `events`.
pub(super) const FIRST: &str = "(SELECT d.seq FROM events d INDEXED BY events_same
    WHERE d.provider_event_id = events.provider_event_id AND d.provider = events.provider AND d.endpoint = events.endpoint
        AND d.event_type IS events.event_type AND (d.verdict = 'unsigned') = (events.verdict = 'unsigned')
        AND d.relay = events.relay AND d.project = events.project AND d.mirror = events.mirror
        AND d.provider_event_id IS NOT NULL AND d.origin = 'captured' AND d.verdict NOT IN ('invalid', 'malformed')
        AND events.origin = 'captured' AND events.verdict NOT IN ('invalid', 'malformed') AND d.seq < events.seq
    ORDER BY d.seq LIMIT 1)";

const SAME: &str = "FROM events INDEXED BY events_same
    WHERE provider_event_id = ?1 AND provider = ?2 AND endpoint = ?3 AND event_type IS ?4 AND (verdict = 'unsigned') = ?5
        AND relay = ?6 AND project = ?7 AND mirror = ?8
        AND provider_event_id IS NOT NULL AND origin = 'captured' AND verdict NOT IN ('invalid', 'malformed')";

/// What an event that is about to be recorded is a duplicate of.
pub(super) fn find(connection: &Connection, event: &NewEvent) -> rusqlite::Result<Option<Duplicate>> {
    let checked = &event.checked;
    let (Some(id), Some(provider), "captured") = (&checked.provider_event_id, &checked.provider, event.origin) else {
        return Ok(None);
    };
    let unsigned = match checked.verdict() {
        None | Some("invalid" | "malformed") => return Ok(None),
        Some(verdict) => verdict == "unsigned",
    };
    let (mirror, kind, own) = (event.hand_over == HandOver::Copy, &checked.event_type, &event.head.id);
    let first = connection
        .prepare_cached(&format!("SELECT seq {SAME} AND id <> ?9 ORDER BY seq LIMIT 1"))?
        .query_row(
            params![id, provider, event.endpoint, kind, unsigned, event.relay, event.project, mirror, own],
            |r| r.get(0),
        )
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
    // The answer of another target is none of this one's, nor is that to a forged event; of one that was not kept whole the rest
    // is lacking.
    let answer = connection
        .prepare_cached(&format!(
            "SELECT event, n FROM (SELECT seq, sha256, verdict {SAME} AND id <> ?9 ORDER BY seq LIMIT {LOOKED_AT})
             JOIN attempts ON event = seq
             WHERE sha256 = ?10 AND {vouched} AND status BETWEEN 200 AND 299 AND error IS NULL AND kept = size AND target = ?11
                AND (signing IS NULL OR signing NOT LIKE 'forged %')
             ORDER BY event, n LIMIT 1"
        ))?
        .query_row(
            params![
                id,
                provider,
                event.endpoint,
                kind,
                unsigned,
                event.relay,
                event.project,
                mirror,
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
    let vouched = !matches!(row.verdict.as_deref(), None | Some("invalid" | "malformed"));
    if row.duplicate_of.is_some() || row.provider_event_id.is_none() || row.origin != "captured" || !vouched {
        return Ok(Vec::new());
    }
    connection
        .prepare_cached(&format!(
            "SELECT seq {SAME} AND seq > ?9 AND ?8 = (SELECT mirror FROM events WHERE seq = ?9) ORDER BY seq LIMIT {LISTED}"
        ))?
        .query_map(
            params![
                row.provider_event_id,
                row.provider,
                row.endpoint,
                row.event_type,
                row.verdict.as_deref() == Some("unsigned"),
                row.relay,
                row.project,
                false,
                row.seq
            ],
            |r| r.get(0),
        )?
        .collect()
}

/// Whether an earlier event that is no forgery has its id and its body, byte for byte.
pub fn came_before(connection: &Connection, row: &EventRow) -> rusqlite::Result<bool> {
    connection.prepare_cached(&format!("SELECT 1 {SAME} AND seq < ?9 AND sha256 = ?10 LIMIT 1"))?.exists(params![
        row.provider_event_id,
        row.provider,
        row.endpoint,
        row.event_type,
        false,
        row.relay,
        row.project,
        false,
        row.seq,
        row.sha256
    ])
}
