//! The rows of attempts: one with its owner before the first byte leaves, completed when the attempt ends, never overwritten.

use std::path::Path;

use hook_proto::{Header, HeaderList};
use prost::Message;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::attempt::{Attempt, AttemptEnd, NewAttempt, Signing};
use super::{State, owner};

#[derive(Clone, PartialEq, prost::Message)]
struct Fields {
    #[prost(message, repeated, tag = "1")]
    fields: Vec<Header>,
}

/// Whether an attempt may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Begun(u32),
    /// Nothing is owed any more.
    Settled,
    /// Somebody is at it: another living process, or another task of this one. Should it die, the event is owed again.
    Busy,
}

/// Begins an attempt at an event that is owed.
pub fn begin_owed(connection: &Connection, journal: &Path, seq: u64, attempt: &NewAttempt) -> rusqlite::Result<Turn> {
    let row: Option<(String, u32)> = connection
        .prepare_cached("SELECT state, attempts FROM events WHERE seq = ?1")?
        .query_row([seq], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let owed = [State::Owed.as_str(), State::Retrying.as_str()];
    let Some((_, attempts)) = row.filter(|(state, _)| owed.contains(&state.as_str())) else {
        return Ok(Turn::Settled);
    };
    if open_owner(connection, seq)?.iter().any(|id| *id == attempt.owner || owner::is_alive(journal, id)) {
        return Ok(Turn::Busy);
    }
    next(connection, seq, attempts + 1, attempt).map(Turn::Begun)
}

/// Begins an attempt; its number is one more than the last.
pub fn insert(connection: &Connection, seq: u64, attempt: &NewAttempt) -> rusqlite::Result<u32> {
    let attempts: u32 =
        connection.prepare_cached("SELECT attempts FROM events WHERE seq = ?1")?.query_row([seq], |r| r.get(0))?;
    next(connection, seq, attempts + 1, attempt)
}

fn next(connection: &Connection, seq: u64, n: u32, attempt: &NewAttempt) -> rusqlite::Result<u32> {
    // One row by its key at a time: for anything more SQLite copies each page first, to be able to take a statement back.
    connection
        .prepare_cached("UPDATE events SET attempts = ?2, target = coalesce(target, ?3) WHERE seq = ?1")?
        .execute(params![seq, n, attempt.target])?;
    open(connection, seq, n, attempt)?;
    Ok(n)
}

/// Puts down that an attempt is under way; `events` counts it already.
pub fn open(connection: &Connection, seq: u64, n: u32, attempt: &NewAttempt) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO open_attempts (event, n, kind, target, owner, started_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![seq, n, attempt.kind.as_str(), attempt.target, attempt.owner, attempt.started_at])
        .map(|_| ())
}

/// Takes back an attempt of which nothing was sent, as if it had never begun.
pub fn withdraw(connection: &Connection, seq: u64, n: u32) -> rusqlite::Result<()> {
    let open =
        connection.prepare_cached("DELETE FROM open_attempts WHERE event = ?1 AND n = ?2")?.execute(params![seq, n])?;
    if open == 1 {
        // Another process may have made the next one meanwhile.
        connection
            .prepare_cached("UPDATE events SET attempts = ?2 - 1 WHERE seq = ?1 AND attempts = ?2")?
            .execute(params![seq, n])?;
    }
    Ok(())
}

/// Ends an attempt that was begun like this, and puts the event into a state; `None` leaves it in its own.
pub fn end(
    connection: &Connection,
    seq: u64,
    n: u32,
    begun: &NewAttempt,
    end: &AttemptEnd,
    state: Option<State>,
) -> rusqlite::Result<()> {
    let unsent = state == Some(State::Undelivered) || state == Some(State::Handshake) && end.request.is_empty();
    let open =
        connection.prepare_cached("DELETE FROM open_attempts WHERE event = ?1 AND n = ?2")?.execute(params![seq, n])?;
    if open == 1 {
        connection
            .prepare_cached(
                "INSERT INTO attempts (event, n, kind, target, owner, started_at, ended_at, request, status, error, detail, ttfb_ms,
                    ms, response, body, size, kept, signing)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
            )?
            .execute(params![
                seq,
                n,
                begun.kind.as_str(),
                end.target.as_ref().unwrap_or(&begun.target),
                begun.owner,
                begun.started_at,
                end.ended_at,
                encode(&end.request),
                end.status,
                end.error,
                end.detail,
                end.ttfb_ms,
                end.ms,
                encode(&end.response),
                (!end.body.is_empty()).then_some(&end.body),
                end.size,
                end.kept,
                end.signing.as_ref().map(Signing::as_text),
            ])?;
    }
    connection
        .prepare_cached(
            "UPDATE events SET last_status = ?2, last_error = ?3, last_ms = ?4, state = CASE
                WHEN ?5 IS NULL OR (state = 'ended' AND ?5 <> 'ended') THEN state
                -- Meanwhile its sender heard queued: it is owed, whatever this attempt was going to say.
                WHEN ?6 AND queued = 1 THEN 'owed'
                ELSE ?5 END
             WHERE seq = ?1",
        )?
        .execute(params![seq, end.status, end.error, end.ms, state.map(State::as_str), unsent])?;
    Ok(())
}

/// Whether anything of an event was sent: an attempt that got no connection has no request.
pub fn was_sent(connection: &Connection, seq: u64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM attempts WHERE event = ?1 AND kind <> 'replay' AND length(request) > 0)",
        )?
        .query_row([seq], |r| r.get(0))
}

/// Every attempt of an event, in order.
pub fn of_event(connection: &Connection, seq: u64) -> rusqlite::Result<Vec<Attempt>> {
    connection
        .prepare_cached(
            "SELECT n, kind, target, owner, started_at, ended_at, request, status, error, detail, ttfb_ms, ms, response,
                size, kept, signing FROM attempts WHERE event = ?1
             UNION ALL SELECT n, kind, target, owner, started_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
                FROM open_attempts WHERE event = ?1 ORDER BY n",
        )?
        .query_map([seq], read)?
        .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        n: row.get(0)?,
        kind: row.get(1)?,
        target: row.get(2)?,
        owner: row.get(3)?,
        started_at: row.get(4)?,
        ended_at: row.get(5)?,
        request: decode(row.get(6)?),
        status: row.get(7)?,
        error: row.get(8)?,
        detail: row.get(9)?,
        ttfb_ms: row.get(10)?,
        ms: row.get(11)?,
        response: decode(row.get(12)?),
        size: row.get::<_, Option<u64>>(13)?.unwrap_or(0),
        kept: row.get::<_, Option<u64>>(14)?.unwrap_or(0),
        signing: row.get::<_, Option<String>>(15)?.as_deref().and_then(Signing::parse),
    })
}

fn open_owner(connection: &Connection, seq: u64) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT owner FROM open_attempts WHERE event = ?1 AND kind <> 'replay'")?
        .query_map([seq], |r| r.get(0))?
        .collect()
}

/// As `Fields` would be, without a copy of them.
fn encode(fields: &HeaderList) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 * fields.len());
    fields.iter().for_each(|field| prost::encoding::message::encode(1, field, &mut bytes));
    bytes
}

fn decode(bytes: Option<Vec<u8>>) -> HeaderList {
    bytes.and_then(|b| Fields::decode(b.as_slice()).ok()).map_or_else(Vec::new, |f| f.fields)
}
