//! Large values, written where they are to be: as a parameter SQLite would copy one twice, and read it back the same way.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, MAIN_DB, params};

/// What is no larger costs less as a parameter.
const SMALL: usize = 64 * 1024;

/// A parameter that is a value, or room for a large one; [`Room::fill`] follows then.
pub enum Room<'a> {
    Small(Option<&'a [u8]>),
    Large(&'a [u8]),
}

impl<'a> Room<'a> {
    pub fn of(data: Option<&'a [u8]>) -> Self {
        match data {
            Some(data) if data.len() > SMALL => Self::Large(data),
            data => Self::Small(data),
        }
    }

    /// Writes a large value into the row that was inserted with its room.
    pub fn fill(&self, connection: &Connection, table: &str, column: &str, row: i64) -> rusqlite::Result<()> {
        let Self::Large(data) = self else { return Ok(()) };
        connection.blob_open(MAIN_DB, table, column, row, false)?.write_all_at(data, 0)
    }
}

impl ToSql for Room<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Small(None) => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Small(Some(data)) => ToSqlOutput::Borrowed(ValueRef::Blob(data)),
            Self::Large(data) => ToSqlOutput::ZeroBlob(data.len() as u64),
        })
    }
}

/// Stores a part of an event's body ahead of its row. One that is there was left by a hand-over that broke off.
pub fn put_event_part(connection: &Connection, id: &str, part: u32, data: &[u8]) -> rusqlite::Result<()> {
    let known = connection.prepare_cached("SELECT 1 FROM events WHERE id = ?1")?.exists([id])?;
    if known {
        return Ok(());
    }
    connection.prepare_cached("DELETE FROM event_parts WHERE id = ?1 AND part = ?2")?.execute(params![id, part])?;
    let room = Room::of(Some(data));
    connection
        .prepare_cached("INSERT INTO event_parts (id, part, data) VALUES (?1, ?2, ?3)")?
        .execute(params![id, part, room])?;
    room.fill(connection, "event_parts", "data", connection.last_insert_rowid())
}

/// Keeps more of a long answer. Part 0 is in the attempt's row.
pub fn put_attempt_part(connection: &Connection, event: u64, n: u32, part: u32, data: &[u8]) -> rusqlite::Result<()> {
    let key = params![event, n, part];
    connection.prepare_cached("DELETE FROM attempt_parts WHERE event = ?1 AND n = ?2 AND part = ?3")?.execute(key)?;
    let room = Room::of(Some(data));
    connection
        .prepare_cached("INSERT INTO attempt_parts (event, n, part, data) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![event, n, part, room])?;
    room.fill(connection, "attempt_parts", "data", connection.last_insert_rowid())
}
