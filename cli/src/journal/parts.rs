//! Parts of large bodies. They are written where they are to be; as parameters SQLite would copy them twice.

use hook_relay_server::blob::Value;
use rusqlite::{Connection, params};

/// Stores a part of an event's body ahead of its row. One that is there was left by a hand-over that broke off.
pub fn put_event_part(connection: &Connection, id: &str, part: u32, data: &[u8]) -> rusqlite::Result<()> {
    let known = connection.prepare_cached("SELECT 1 FROM events WHERE id = ?1")?.exists([id])?;
    if known {
        return Ok(());
    }
    connection.prepare_cached("DELETE FROM event_parts WHERE id = ?1 AND part = ?2")?.execute(params![id, part])?;
    let value = Value::of(Some(data));
    connection
        .prepare_cached("INSERT INTO event_parts (id, part, data) VALUES (?1, ?2, ?3)")?
        .execute(params![id, part, value])?;
    value.fill(connection, "event_parts", "data", connection.last_insert_rowid())
}

/// Keeps more of a long answer. Part 0 is in the attempt's row.
pub fn put_attempt_part(connection: &Connection, event: u64, n: u32, part: u32, data: &[u8]) -> rusqlite::Result<()> {
    let key = params![event, n, part];
    connection.prepare_cached("DELETE FROM attempt_parts WHERE event = ?1 AND n = ?2 AND part = ?3")?.execute(key)?;
    let value = Value::of(Some(data));
    connection
        .prepare_cached("INSERT INTO attempt_parts (event, n, part, data) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![event, n, part, value])?;
    value.fill(connection, "attempt_parts", "data", connection.last_insert_rowid())
}
