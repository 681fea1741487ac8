//! The file: its format, the pragmas that the promises need, and errors in words.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::JournalError;
use crate::platform;

/// What takes a file of format `i` to `i + 1`. Never changed, only added to; the last one's number is the format that this version
/// writes. Newer files are refused.
const MIGRATIONS: [&str; 6] = [
    include_str!("format/1.sql"),
    include_str!("format/2.sql"),
    include_str!("format/3.sql"),
    include_str!("format/4.sql"),
    include_str!("format/5.sql"),
    include_str!("format/6.sql"),
];
const FORMAT: i64 = MIGRATIONS.len() as i64;
/// Several processes share the file; each commit is short.
const BUSY: Duration = Duration::from_secs(60);
const CACHE_KIB: i64 = 2048;
/// The first version without the WAL-reset bug.
const SQLITE_MIN: i32 = 3_051_003;

pub fn open(path: &Path) -> Result<Connection, JournalError> {
    let failed = |reason: String| JournalError::Open { path: path.to_owned(), reason };
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(failed(format!("SQLite {} has a bug that loses data", rusqlite::version())));
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    platform::private_dir(dir).map_err(|e| failed(crate::text::io(&e)))?;
    // SQLite gives its own files the mode of the database.
    let file = platform::private_file(path).map_err(|e| failed(crate::text::io(&e)))?;
    // SQLite does not wait for another process that switches the journal's mode, so the first openings take turns. The lock is on
    // a file of its own: closing one that SQLite has open would drop SQLite's locks.
    drop(file);
    let turn = platform::private_file(&path.with_extension("opening")).map_err(|e| failed(crate::text::io(&e)))?;
    turn.lock().map_err(|e| failed(crate::text::io(&e)))?;
    let mut connection = connect(path)?;
    prepare(&mut connection).map_err(|e| match e {
        Prepare::Sql(e) => open_error(path, &e),
        Prepare::Newer(found) => JournalError::Newer { path: path.to_owned(), found, known: FORMAT },
        Prepare::Pragma(name) => failed(format!("SQLite did not take {name}")),
    })?;
    drop(turn);
    Ok(connection)
}

/// Another connection to a journal that [`open`] has opened.
pub fn connect(path: &Path) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let set = |connection: &Connection| {
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "mmap_size", 0)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        // The log is emptied by a thread of its own, so that no commit waits for that.
        connection.pragma_update(None, "wal_autocheckpoint", 0)
    };
    let connection = Connection::open_with_flags(path, flags).map_err(|e| open_error(path, &e))?;
    set(&connection).map_err(|e| open_error(path, &e))?;
    Ok(connection)
}

/// After a failed fsync a checkpoint would sync once more, be told that all is well, and throw the log away.
pub fn close_without_checkpoint(connection: &Connection) {
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

enum Prepare {
    Sql(rusqlite::Error),
    Newer(i64),
    Pragma(&'static str),
}

impl From<rusqlite::Error> for Prepare {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

fn prepare(connection: &mut Connection) -> Result<(), Prepare> {
    let found = format(connection)?;
    if found > FORMAT {
        return Err(Prepare::Newer(found));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |r| r.get(0))?;
    if mode != "wal" {
        return Err(Prepare::Pragma("journal_mode = WAL"));
    }
    if found < FORMAT {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been first.
        let found = format(&transaction)?;
        for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            transaction.execute_batch(migration)?;
        }
        #[cfg(hook_sabotage)]
        if hook_relay_server::sabotage::is("no-unique") {
            transaction.execute_batch("DROP INDEX events_id")?;
        }
        transaction.pragma_update(None, "user_version", found.max(FORMAT))?;
        transaction.commit()?;
    }
    Ok(())
}

fn format(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |r| r.get(0))
}

fn open_error(path: &Path, error: &rusqlite::Error) -> JournalError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            JournalError::Damaged { path, reason: reason(error) }
        }
        Some(ErrorCode::ReadOnly) => JournalError::Open { path, reason: "it is read-only".into() },
        _ => JournalError::Open { path, reason: reason(error) },
    }
}

pub fn write_error(path: &Path, error: &rusqlite::Error) -> JournalError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            JournalError::Damaged { path, reason: reason(error) }
        }
        Some(ErrorCode::DiskFull) => JournalError::Write { path, reason: "the disk is full".into() },
        Some(ErrorCode::ReadOnly) => JournalError::Write { path, reason: "it is read-only".into() },
        _ => JournalError::Write { path, reason: reason(error) },
    }
}

pub fn read_error(path: &Path, error: &rusqlite::Error) -> JournalError {
    match write_error(path, error) {
        JournalError::Write { path, reason } => JournalError::Read { path, reason },
        other => other,
    }
}

fn reason(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(code, text) => text.clone().unwrap_or_else(|| code.to_string()),
        other => other.to_string(),
    }
}
