//! The file: its format, the pragmas that the promises need, and errors in words.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::JournalError;
use crate::platform;

/// The format that this version writes. Older ones are brought up to it; newer ones are refused.
const FORMAT: i64 = 1;
/// Several processes share the file; each commit is short.
const BUSY: Duration = Duration::from_secs(60);
/// The first version without the WAL-reset bug.
const SQLITE_MIN: i32 = 3_051_003;

const CREATE: &str = "
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    mirror INTEGER NOT NULL,     -- a copy for --mirror, beside the event itself
    origin TEXT NOT NULL,
    parent TEXT,
    project TEXT NOT NULL,
    relay TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    head BLOB NOT NULL,          -- EventHead as on the wire
    body BLOB,                   -- NULL: in event_parts
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    content_type TEXT,
    state TEXT NOT NULL,
    queued INTEGER NOT NULL,     -- handed over after its sender heard 2xx of hook's own
    target TEXT,                 -- the URL that it goes to, path and query included
    provider TEXT,
    event_type TEXT,
    provider_event_id TEXT,
    verdict TEXT,
    last_status INTEGER,         -- of the last ended attempt, for filters
    last_error TEXT,
    last_ms INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    UNIQUE (id, mirror)
);
CREATE INDEX events_open ON events (relay, endpoint, id) WHERE state IN ('owed', 'retrying') AND mirror = 0;
CREATE INDEX events_project ON events (project, seq);
CREATE INDEX events_time ON events (received_at);
CREATE INDEX events_status ON events (last_status);
CREATE INDEX events_provider ON events (provider) WHERE provider IS NOT NULL;
CREATE INDEX events_type ON events (event_type) WHERE event_type IS NOT NULL;
CREATE INDEX events_provider_id ON events (provider_event_id) WHERE provider_event_id IS NOT NULL;
CREATE INDEX events_verdict ON events (verdict) WHERE verdict IS NOT NULL;
CREATE INDEX events_state ON events (state) WHERE state NOT IN ('ended', 'captured');
CREATE TABLE event_parts (id TEXT NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (id, part)) WITHOUT ROWID;
CREATE TABLE attempts (
    event INTEGER NOT NULL,
    n INTEGER NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    owner TEXT NOT NULL,         -- the process that makes it
    started_at INTEGER NOT NULL,
    ended_at INTEGER,            -- NULL: under way, or unknown when the owner is gone
    request BLOB,                -- header fields as sent
    status INTEGER,
    error TEXT,
    detail TEXT,
    ttfb_ms INTEGER,
    ms INTEGER,
    response BLOB,               -- header fields as answered
    body BLOB,                   -- the first MiB; the rest is in attempt_parts
    size INTEGER,                -- what the app sent
    kept INTEGER,                -- what of it is kept here
    PRIMARY KEY (event, n)
) WITHOUT ROWID;
CREATE INDEX attempts_open ON attempts (event) WHERE ended_at IS NULL;
CREATE TABLE attempt_parts (event INTEGER NOT NULL, n INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (event, n, part)) WITHOUT ROWID;
CREATE TABLE listeners (
    owner TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    project TEXT NOT NULL,
    relay TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    url TEXT NOT NULL,
    target TEXT,
    state TEXT NOT NULL,
    PRIMARY KEY (owner, endpoint)
) WITHOUT ROWID;
CREATE TABLE remembered (project TEXT NOT NULL, asked TEXT NOT NULL, endpoint TEXT NOT NULL, port INTEGER NOT NULL,
    PRIMARY KEY (project, asked)) WITHOUT ROWID;
CREATE TABLE sync_marker (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL);
INSERT INTO sync_marker VALUES (1, 0);
";

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
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|e| open_error(path, &e))?;
    prepare(path, &mut connection).map_err(|e| match e {
        Prepare::Sql(e) => open_error(path, &e),
        Prepare::Newer(found) => JournalError::Newer { path: path.to_owned(), found, known: FORMAT },
        Prepare::Pragma(name) => failed(format!("SQLite did not take {name}")),
    })?;
    drop(turn);
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

fn prepare(_path: &Path, connection: &mut Connection) -> Result<(), Prepare> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    let found = format(connection)?;
    if found > FORMAT {
        return Err(Prepare::Newer(found));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |r| r.get(0))?;
    if mode != "wal" {
        return Err(Prepare::Pragma("journal_mode = WAL"));
    }
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cache_size", -8192)?;
    if found < FORMAT {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been first.
        if format(&transaction)? == 0 {
            let create = CREATE;
            #[cfg(hook_sabotage)]
            let unique =
                if hook_relay_server::sabotage::is("no-unique") { "CHECK (true)" } else { "UNIQUE (id, mirror)" };
            #[cfg(hook_sabotage)]
            let create = &create.replace("UNIQUE (id, mirror)", unique);
            transaction.execute_batch(create)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
        }
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
