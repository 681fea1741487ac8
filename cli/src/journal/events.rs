//! Recording events: one row for one id, whatever is handed over how often (DESIGN §5.3–5.5).

use bytes::Bytes;
use hook_proto::{EventHead, HandOver};
use hook_relay_server::blob::Value;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};

use super::State;
use super::attempt::NewAttempt;
use super::attempts;
use super::duplicates::{self, Duplicate};
use crate::signature::{Checked, Signature};

/// Bodies above this many bytes are kept in parts of this size.
pub const PART: usize = 1024 * 1024;

/// The number of an event's first attempt.
const FIRST: u32 = 1;

/// An event to record.
#[derive(Clone)]
pub struct NewEvent {
    pub head: EventHead,
    /// `None`: the parts are in the journal already ([`put_event_part`](super::parts::put_event_part)).
    pub body: Option<Bytes>,
    pub sha256: [u8; 32],
    pub origin: &'static str,
    pub parent: Option<String>,
    pub project: String,
    pub relay: String,
    pub endpoint: String,
    pub target: Option<String>,
    /// What an unknown event begins as.
    pub state: State,
    pub hand_over: HandOver,
    /// What was found about its sender.
    pub checked: Checked,
    /// A duplicate of what the app took already is settled by that.
    pub dedupe: bool,
}

#[cfg(test)]
impl NewEvent {
    /// One that came to the endpoint `shop` and is owed.
    pub fn for_test(head: EventHead, body: &[u8], checked: Checked) -> Self {
        Self {
            head: EventHead { body_size: body.len() as u64, ..head },
            body: Some(Bytes::copy_from_slice(body)),
            sha256: [0; 32],
            origin: "captured",
            parent: None,
            project: "/p".into(),
            relay: "embedded".into(),
            endpoint: "shop".into(),
            target: None,
            state: State::Owed,
            hand_over: HandOver::Awaited,
            checked,
            dedupe: false,
        }
    }
}

/// What recording found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    pub seq: u64,
    pub handled: Handled,
    /// What a new one is a duplicate of; the answer that settles it is there when it is settled so.
    pub duplicate: Option<Duplicate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// A new row, in the state that was asked for; its first attempt is the given number, if one was begun with it.
    New { attempt: Option<u32> },
    /// Known, and owed from now on because its sender heard a 2xx of hook's own.
    OwedAgain,
    /// Known; nothing to do but to ack.
    Known { owed: bool },
}

/// Records an event, and the row of its first attempt with it when that begins at once.
pub fn record(connection: &Connection, event: &NewEvent, attempt: Option<&NewAttempt>) -> rusqlite::Result<Recorded> {
    if event.body.is_none() && !parts_are_whole(connection, event)? {
        // The relay hands it over again, unless it is known.
        return known(connection, event)?.ok_or(rusqlite::Error::QueryReturnedNoRows);
    }
    let duplicate = duplicates::find(connection, event)?;
    let state = match event.hand_over {
        HandOver::Given => State::Recorded,
        _ if duplicate.is_some_and(|d| d.answer.is_some()) => State::Deduped,
        _ => event.state,
    };
    let attempt = attempt.filter(|_| state == State::Owed);
    let first = attempt.map(|_| FIRST);
    let Some(seq) = insert(connection, event, state, first)? else {
        return known(connection, event)?.ok_or(rusqlite::Error::QueryReturnedNoRows);
    };
    if let Some(attempt) = attempt {
        attempts::open(connection, seq, FIRST, attempt)?;
    }
    Ok(Recorded { seq, handled: Handled::New { attempt: first }, duplicate })
}

/// What becomes of one that is there already.
fn known(connection: &Connection, event: &NewEvent) -> rusqlite::Result<Option<Recorded>> {
    let mirror = event.hand_over == HandOver::Copy;
    let row = connection
        .prepare_cached("SELECT seq, state FROM events WHERE id = ?1 AND mirror = ?2")?
        .query_row(params![event.head.id, mirror], |r| Ok((r.get::<_, u64>(0)?, r.get::<_, String>(1)?)))
        .optional()?;
    row.map(|(seq, state)| again(connection, seq, &state, event)).transpose()
}

fn again(connection: &Connection, seq: u64, state: &str, event: &NewEvent) -> rusqlite::Result<Recorded> {
    let state = State::parse(state).unwrap_or(State::Ended);
    // An awaited one that is known lost its session; its sender hears queued now.
    let promised = matches!(event.hand_over, HandOver::Queued | HandOver::Awaited);
    let handled = match state {
        State::Undelivered | State::Handshake if promised && is_lacking(connection, seq, state, event)? => {
            connection.prepare_cached("UPDATE events SET state = 'owed', queued = 1 WHERE seq = ?1")?.execute([seq])?;
            Handled::OwedAgain
        }
        State::Owed => {
            if promised {
                connection.prepare_cached("UPDATE events SET queued = 1 WHERE seq = ?1")?.execute([seq])?;
            }
            Handled::Known { owed: true }
        }
        _ => Handled::Known { owed: false },
    };
    Ok(Recorded { seq, handled, duplicate: None })
}

/// Whether the app has nothing of an event that hook answered in its place.
fn is_lacking(connection: &Connection, seq: u64, state: State, event: &NewEvent) -> rusqlite::Result<bool> {
    Ok(state == State::Undelivered || event.target.is_some() && !attempts::was_sent(connection, seq)?)
}

/// `None`: an event of this id is there already.
fn insert(
    connection: &Connection,
    event: &NewEvent,
    state: State,
    attempt: Option<u32>,
) -> rusqlite::Result<Option<u64>> {
    let content_type = event.head.headers.iter().find(|h| h.name == "content-type");
    let new = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO events (id, origin, parent, project, relay, endpoint, received_at, size, sha256, content_type, state,
                queued, target, mirror, attempts, provider, event_type, provider_event_id, verdict)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        )?
        .execute(params![
            event.head.id,
            event.origin,
            event.parent,
            event.project,
            event.relay,
            event.endpoint,
            event.head.received_at,
            event.head.body_size,
            event.sha256,
            content_type.map(|h| String::from_utf8_lossy(&h.value)),
            state.as_str(),
            event.hand_over == HandOver::Queued,
            event.target,
            event.hand_over == HandOver::Copy,
            attempt.unwrap_or(0),
            event.checked.provider,
            event.checked.event_type,
            event.checked.provider_event_id,
            event.checked.verdict(),
        ])?;
    if new == 0 {
        return Ok(None);
    }
    let seq = connection.last_insert_rowid() as u64;
    let body = Value::of(event.body.as_deref());
    connection.prepare_cached("INSERT INTO contents (seq, head, body) VALUES (?1, ?2, ?3)")?.execute(params![
        seq,
        event.head.encode_to_vec(),
        body
    ])?;
    body.fill(connection, "contents", "body", seq as i64)?;
    if let Some(signature) = event.checked.signature.as_ref().and_then(|s| serde_json::to_string(s).ok()) {
        connection
            .prepare_cached("INSERT INTO signatures (seq, signature) VALUES (?1, ?2)")?
            .execute(params![seq, signature])?;
    }
    Ok(Some(seq))
}

/// Keeps why a signature is wrong, which was found out later.
pub fn explain_signature(connection: &Connection, seq: u64, found: &Signature) -> rusqlite::Result<()> {
    let Ok(signature) = serde_json::to_string(found) else { return Ok(()) };
    let keep = "UPDATE signatures SET signature = ?2 WHERE seq = ?1";
    connection.prepare_cached(keep)?.execute(params![seq, signature]).map(|_| ())
}

/// Keeps another verdict about an event's signature, once a key was there.
pub fn judge_again(connection: &Connection, seq: u64, found: &Signature) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE events SET verdict = ?2 WHERE seq = ?1")?.execute(params![seq, found.verdict])?;
    explain_signature(connection, seq, found)
}

/// Settles an event that is owed; one that an attempt ended meanwhile stays as it is.
pub fn settle(connection: &Connection, seq: u64, state: State) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE events SET state = ?2 WHERE seq = ?1 AND state IN ('owed', 'retrying')")?
        .execute(params![seq, state.as_str()])
        .map(|_| ())
}

/// Drops the parts of bodies that never became whole, of events that arrived before a time.
pub fn drop_orphans(connection: &Connection, before_ms: u64) -> rusqlite::Result<()> {
    let bound = hook_proto::EventId::from_parts(before_ms, 0).to_string();
    connection
        .execute("DELETE FROM event_parts WHERE id < ?1 AND id NOT IN (SELECT id FROM events)", [bound])
        .map(|_| ())
}

/// Where a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyKey {
    Event(u64),
    Attempt(u64, u32),
    /// An event's that has parts and no row yet.
    Parts(String),
}

impl BodyKey {
    /// All of it, or its first `limit` bytes.
    pub fn read(&self, connection: &Connection, limit: usize) -> rusqlite::Result<Vec<u8>> {
        let mut whole = Vec::new();
        let mut part = 0;
        while whole.len() < limit
            && let Some(data) = self.part(connection, part)?
        {
            whole.extend_from_slice(&data);
            part += 1;
        }
        whole.truncate(limit);
        Ok(whole)
    }

    /// One part of at most a MiB; `None` behind the last.
    pub fn part(&self, connection: &Connection, part: u32) -> rusqlite::Result<Option<Vec<u8>>> {
        match self {
            Self::Event(seq) => {
                let inline = connection
                    .prepare_cached("SELECT body, id FROM contents JOIN events USING (seq) WHERE seq = ?1")?
                    .query_row([seq], |r| Ok((r.get::<_, Option<Vec<u8>>>(0)?, r.get::<_, String>(1)?)))
                    .optional()?;
                match inline {
                    None => Ok(None),
                    Some((Some(body), _)) => Ok((part == 0).then_some(body)),
                    Some((None, id)) => read_part(connection, &id, part),
                }
            }
            Self::Parts(id) => read_part(connection, id, part),
            Self::Attempt(seq, n) if part == 0 => Ok(connection
                .prepare_cached("SELECT body FROM attempts WHERE event = ?1 AND n = ?2")?
                .query_row(params![seq, n], |r| r.get::<_, Option<Vec<u8>>>(0))
                .optional()?
                .flatten()),
            Self::Attempt(seq, n) => connection
                .prepare_cached("SELECT data FROM attempt_parts WHERE event = ?1 AND n = ?2 AND part = ?3")?
                .query_row(params![seq, n, part], |r| r.get(0))
                .optional(),
        }
    }
}

fn read_part(connection: &Connection, id: &str, part: u32) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT data FROM event_parts WHERE id = ?1 AND part = ?2")?
        .query_row(params![id, part], |r| r.get(0))
        .optional()
}

/// Whether a large body is there whole, before anything is promised about it.
fn parts_are_whole(connection: &Connection, event: &NewEvent) -> rusqlite::Result<bool> {
    let stored: u64 = connection
        .prepare_cached("SELECT coalesce(sum(length(data)), 0) FROM event_parts WHERE id = ?1")?
        .query_row([&event.head.id], |r| r.get(0))?;
    Ok(stored == event.head.body_size)
}
