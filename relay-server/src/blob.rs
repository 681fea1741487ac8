//! Large values, written where they are to be: as a parameter SQLite would copy one twice. The relay's inbox and the CLI's
//! journal do it alike.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, MAIN_DB};

/// What is no larger costs less as a parameter.
const SMALL: usize = 64 * 1024;

/// A parameter that is a value, or room for a large one. It must be the last column of its row, or SQLite writes out the zeros
/// of the room; [`Value::fill`] follows.
pub enum Value<'a> {
    Small(Option<&'a [u8]>),
    Large(&'a [u8]),
}

impl<'a> Value<'a> {
    pub fn of(data: Option<&'a [u8]>) -> Self {
        match data {
            Some(data) if data.len() > SMALL => Self::Large(data),
            data => Self::Small(data),
        }
    }

    /// Writes a large value into the row that was inserted with its room.
    pub fn fill(&self, db: &Connection, table: &str, column: &str, row: i64) -> rusqlite::Result<()> {
        let Self::Large(data) = self else { return Ok(()) };
        db.blob_open(MAIN_DB, table, column, row, false)?.write_all_at(data, 0)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Small(None) => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Small(Some(data)) => ToSqlOutput::Borrowed(ValueRef::Blob(data)),
            Self::Large(data) => ToSqlOutput::ZeroBlob(data.len() as u64),
        })
    }
}
