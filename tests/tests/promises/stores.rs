//! What is in the stores of a relay and of a CLI, read as any SQLite program would.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// The key of the `n`th request: all are of one length, so that none is part of another.
pub fn key(n: usize) -> String {
    format!("n={n:06}")
}

/// A copy of a store as it is on disk just now, so that looking at it changes nothing.
pub fn copied(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::TempDir::with_prefix("hook-copy-").unwrap();
    for file in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        if name.ends_with(".db") || name.ends_with(".db-wal") {
            std::fs::copy(file.path(), copy.path().join(name)).unwrap();
        }
    }
    copy
}

/// The keys of the events in an inbox, whole ones only, or what SQLite finds wrong with the file.
pub fn in_inbox(dir: &Path) -> Result<HashSet<String>, String> {
    keys(
        &dir.join("inbox.db"),
        "SELECT head FROM events WHERE chunks IS NULL AND body IS NOT NULL UNION ALL
         SELECT head FROM events WHERE chunks IS NOT NULL
         AND size - length(head) = (SELECT sum(length(data)) FROM chunks WHERE body = events.chunks)",
    )
}

/// The same for the journal in this directory.
pub fn in_journal(dir: &Path) -> Result<HashSet<String>, String> {
    keys(
        &dir.join("journal.db"),
        "SELECT head FROM events JOIN contents USING (seq) WHERE mirror = 0
         AND size = ifnull(length(body), (SELECT sum(length(data)) FROM event_parts WHERE id = events.id))",
    )
}

fn keys(database: &Path, query: &str) -> Result<HashSet<String>, String> {
    let wrong = |error: rusqlite::Error| format!("{}: {error}", database.display());
    let Some(db) = open_sound(database)? else { return Ok(HashSet::new()) };
    let mut heads = db.prepare(query).map_err(wrong)?;
    let keys = heads.query_map([], |row| Ok(key_in(&row.get::<_, Vec<u8>>(0)?))).map_err(wrong)?;
    let keys = keys.collect::<Result<Vec<String>, _>>().map_err(wrong)?;
    let once: HashSet<String> = keys.iter().cloned().collect();
    if once.len() < keys.len() {
        return Err(format!("an event is twice in {}", database.display()));
    }
    Ok(once)
}

fn key_in(head: &[u8]) -> String {
    let at = head.windows(2).position(|w| w == b"n=").expect("every request has a key");
    String::from_utf8_lossy(&head[at..at + key(0).len()]).into_owned()
}

/// A database without a fault; none where its tables were never made.
pub fn open_sound(database: &Path) -> Result<Option<Connection>, String> {
    if !database.exists() {
        return Ok(None);
    }
    let wrong = |error: rusqlite::Error| format!("{}: {error}", database.display());
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(wrong)?;
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(wrong)?;
    if check != "ok" {
        return Err(format!("the integrity of {}: {check}", database.display()));
    }
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(wrong)?;
    Ok((tables > 0).then_some(db))
}
