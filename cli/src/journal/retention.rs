//! What is kept: settled events for 30 days or 2 GiB, whichever ends first; what is owed for as long as it is owed. The newest event
//! stays in any case, so that no number is used twice.

use rusqlite::Connection;

/// Days as milliseconds.
pub const KEEP_MS: u64 = 30 * 86_400_000;
pub const KEEP_BYTES: u64 = 2 << 30;
/// Events that go in one commit, so that others need not wait.
const BATCH: usize = 200;
/// A clock this far from the newest event has jumped; nothing is deleted by such a clock.
const BACK: u64 = 3_600_000;
const AHEAD: u64 = 5 * 365 * 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// This many went; more may be left to do.
    Some(usize),
    Nothing,
    /// The clock cannot be trusted.
    ClockJumped,
}

/// Deletes one batch of the oldest settled events that are over age or over size.
pub fn prune(connection: &Connection, now: u64, keep_ms: u64, keep_bytes: u64) -> rusqlite::Result<Pruned> {
    let Some(newest) = newest(connection)? else { return Ok(Pruned::Nothing) };
    let oldest = if used(connection)? > keep_bytes { u64::MAX >> 1 } else { now.saturating_sub(keep_ms) };
    if !fits(connection, now, newest, oldest)? {
        return Ok(Pruned::ClockJumped);
    }
    let mut settled = connection.prepare_cached(
        "SELECT seq, id FROM events WHERE received_at < ?1 AND state NOT IN ('owed', 'retrying', 'held')
            AND seq < (SELECT max(seq) FROM events)
            AND NOT EXISTS (SELECT 1 FROM open_attempts WHERE event = seq) ORDER BY received_at LIMIT ?2",
    )?;
    let batch: Vec<(u64, String)> = settled
        .query_map(rusqlite::params![oldest, BATCH], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (seq, id) in &batch {
        for sql in [
            "DELETE FROM attempt_parts WHERE event = ?1",
            "DELETE FROM attempts WHERE event = ?1",
            "DELETE FROM contents WHERE seq = ?1",
            "DELETE FROM signatures WHERE seq = ?1",
            "DELETE FROM events WHERE seq = ?1",
        ] {
            connection.prepare_cached(sql)?.execute([seq])?;
        }
        connection.prepare_cached("DELETE FROM event_parts WHERE id = ?1")?.execute([id])?;
    }
    Ok(if batch.is_empty() { Pruned::Nothing } else { Pruned::Some(batch.len()) })
}

/// When the newest event was received, and whether a clock that says `now` is trusted to delete old ones.
pub fn newest_and_trust(connection: &Connection, now: u64) -> rusqlite::Result<Option<(u64, bool)>> {
    let Some(newest) = newest(connection)? else { return Ok(None) };
    Ok(Some((newest, fits(connection, now, newest, now.saturating_sub(KEEP_MS))?)))
}

fn newest(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    connection.query_row("SELECT max(received_at) FROM events", [], |r| r.get(0))
}

fn fits(connection: &Connection, now: u64, newest: u64, oldest: u64) -> rusqlite::Result<bool> {
    let far = now + BACK < newest || now > newest.saturating_add(AHEAD);
    Ok(!far && !is_jump(connection, oldest)?)
}

/// Whether years lie between what would go and what would stay. A clock that ran ahead leaves such a gap: it gave its time to
/// the newest events, and made fresh ones old.
fn is_jump(connection: &Connection, oldest: u64) -> rusqlite::Result<bool> {
    let at = |sql: &str| connection.prepare_cached(sql)?.query_row([oldest], |r| r.get::<_, Option<u64>>(0));
    let goes = at("SELECT max(received_at) FROM events WHERE received_at < ?1")?;
    let stays = at("SELECT min(received_at) FROM events WHERE received_at >= ?1")?;
    Ok(goes.zip(stays).is_some_and(|(goes, stays)| stays - goes > AHEAD))
}

/// The bytes of the file that hold something.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, u64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}
