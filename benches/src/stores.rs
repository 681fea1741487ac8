//! What hook keeps, read from its files. All that is known here of their formats is in this file.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, params};
use sha2::{Digest, Sha256};

use crate::Result;
use crate::ledger::Kept;
use crate::payload;

/// The events of a journal whose bodies are ours. The hash that the journal states must be the one of its bytes.
pub fn journal(path: &Path) -> Result<Vec<Kept>> {
    let db = open(path)?;
    let parts = "SELECT data FROM event_parts WHERE id = ?1 ORDER BY part";
    let kept =
        read(&db, "SELECT id, size, body, id, sha256 FROM events JOIN contents USING (seq) WHERE mirror = 0", parts)?;
    for (one, stated) in &kept {
        if stated.as_deref() != Some(one.sha256.as_slice()) {
            return Err(format!("the journal states another SHA-256 for event {} than its bytes have", one.id).into());
        }
    }
    Ok(kept.into_iter().map(|(one, _)| one).collect())
}

/// The events of an inbox whose bodies are ours.
pub fn inbox(path: &Path) -> Result<Vec<Kept>> {
    let parts = "SELECT data FROM chunks WHERE body = ?1 ORDER BY n";
    let kept = read(&open(path)?, "SELECT id, size - length(head), body, chunks, NULL FROM events", parts)?;
    Ok(kept.into_iter().map(|(one, _)| one).collect())
}

/// What a database takes on the disk once its log is in it, in KiB.
pub fn size(path: &Path) -> rusqlite::Result<f64> {
    let pages = "SELECT page_count * page_size / 1024.0 FROM pragma_page_count, pragma_page_size";
    open(path)?.query_row(pages, [], |r| r.get(0))
}

/// What the events of a journal for searching are like. The first ten of any journal are rare, one in a hundred is uncommon, and
/// there is one for each second up to now (?1) of all (?2). `{seq}` is an event's number.
const COLUMNS: [(&str, &str); 5] = [
    ("last_status", "CASE WHEN {seq} <= 10 THEN 418 WHEN {seq} % 100 = 0 THEN 500 ELSE 200 END"),
    ("provider", "CASE WHEN {seq} <= 10 THEN 'rare' WHEN {seq} % 100 = 0 THEN 'github' ELSE 'stripe' END"),
    ("event_type", "CASE WHEN {seq} <= 10 THEN 'rare' WHEN {seq} % 100 = 0 THEN 'push' ELSE 'invoice.paid' END"),
    ("verdict", "CASE WHEN {seq} <= 10 THEN 'malformed' WHEN {seq} % 100 = 0 THEN 'invalid' ELSE 'valid' END"),
    ("received_at", "?1 - (?2 - {seq}) * 1000"),
];

/// Copies a journal with what its log holds.
pub fn copy(from: &Path, to: &Path) -> rusqlite::Result<()> {
    writing(from)?.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map(|_| ())
}

/// Cuts a journal down to its first events, gives them to a project, and makes them such that filters find something.
pub fn cut(path: &Path, events: usize, project: &Path, now_ms: i64) -> rusqlite::Result<()> {
    let db = writing(path)?;
    db.execute("DELETE FROM attempts WHERE event > ?1", [events])?;
    db.execute("DELETE FROM contents WHERE seq > ?1", [events])?;
    db.execute("DELETE FROM events WHERE seq > ?1", [events])?;
    let set: Vec<String> =
        COLUMNS.iter().map(|(column, value)| format!("{column} = {}", value.replace("{seq}", "seq"))).collect();
    let project = project.to_string_lossy();
    db.execute(&format!("UPDATE events SET project = ?3, {}", set.join(", ")), params![now_ms, events, project])?;
    db.execute(&format!("UPDATE attempts SET status = {}", COLUMNS[0].1.replace("{seq}", "event")), [])?;
    let left: usize = db.query_row("SELECT count(*) FROM events", [], |r| r.get(0))?;
    if left == events { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(left)) }
}

/// Makes a journal of so many events out of one that was [`cut`] to `from`, by repeating them.
pub fn grow(path: &Path, from: usize, to: usize, now_ms: i64) -> Result<()> {
    /// So many repetitions are one transaction.
    const AT_ONCE: usize = 50;
    let mut db = writing(path)?;
    let columns = |table: &str| -> rusqlite::Result<Vec<String>> {
        let mut query = db.prepare("SELECT name FROM pragma_table_info(?1)")?;
        query.query_map([table], |r| r.get(0))?.collect()
    };
    let id = "substr(old.id, 1, 16) || printf('%010d', new)";
    let events = |name: &str| match (name, COLUMNS.iter().find(|(column, _)| *column == name)) {
        ("seq", _) => "new".to_owned(),
        ("id", _) => id.to_owned(),
        (_, Some((_, value))) => value.replace("{seq}", "new"),
        (other, None) => format!("old.{other}"),
    };
    let attempts = |name: &str| match name {
        "event" => "new".to_owned(),
        "status" => COLUMNS[0].1.replace("{seq}", "new"),
        _ => format!("old.{name}"),
    };
    let contents = |name: &str| if name == "seq" { "new".to_owned() } else { format!("old.{name}") };
    let insert = |table: &str, key: &str, names: &[String], value: &dyn Fn(&str) -> String| {
        let values: Vec<String> = names.iter().map(|name| value(name)).collect();
        format!(
            "WITH RECURSIVE copy (nth) AS (SELECT ?3 UNION ALL SELECT nth + 1 FROM copy WHERE nth + 1 < ?4),
                old AS (SELECT {table}.*, nth * ?5 + {key} AS new FROM copy, {table} WHERE {key} <= ?5 ORDER BY nth, {key})
             INSERT INTO {table} ({}) SELECT {} FROM old WHERE ?1 + ?2 IS NOT NULL",
            names.join(", "),
            values.join(", ")
        )
    };
    let events = insert("events", "seq", &columns("events")?, &events);
    let attempts = insert("attempts", "event", &columns("attempts")?, &attempts);
    let contents = insert("contents", "seq", &columns("contents")?, &contents);
    db.execute("UPDATE events SET received_at = ?1 - (?2 - seq) * 1000", params![now_ms, to])?;
    let mut first = 1;
    while first < to / from {
        let last = (first + AT_ONCE).min(to / from);
        let transaction = db.transaction()?;
        for insert in [&events, &contents, &attempts] {
            transaction.execute(insert, params![now_ms, to, first, last, from])?;
        }
        transaction.commit()?;
        first = last;
    }
    Ok(())
}

/// A journal that nobody needs after the run, so nothing waits for the disk.
fn writing(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "synchronous", "OFF")?;
    db.pragma_update(None, "cache_size", -512 * 1024)?;
    Ok(db)
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// `events` gives id, size, body, the key of its parts, and a stated hash; `parts` gives the parts of a key in order.
fn read(db: &Connection, events: &str, parts: &str) -> rusqlite::Result<Vec<(Kept, Option<Vec<u8>>)>> {
    let mut query = db.prepare(events)?;
    let mut rows = query.query([])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        let mut body = Whole::default();
        match row.get_ref(2)?.as_blob_or_null().map_err(|_| rusqlite::Error::InvalidQuery)? {
            Some(inline) => body.add(inline),
            None => each_part(db, parts, row, |data| body.add(data))?,
        }
        let Some(key) = payload::key_of(&body.beginning) else { continue };
        let size = row.get::<_, i64>(1)? as usize;
        // A body that is shorter or longer than its event says is not the one that was sent.
        let size = if size == body.size { size } else { usize::MAX };
        kept.push((Kept { id: row.get(0)?, key, size, sha256: body.hash.finalize().into() }, row.get(4)?));
    }
    Ok(kept)
}

fn each_part(db: &Connection, parts: &str, row: &Row<'_>, mut take: impl FnMut(&[u8])) -> rusqlite::Result<()> {
    let mut query = db.prepare_cached(parts)?;
    let mut found = query.query([row.get::<_, Value>(3)?])?;
    while let Some(part) = found.next()? {
        take(part.get_ref(0)?.as_blob().map_err(|_| rusqlite::Error::InvalidQuery)?);
    }
    Ok(())
}

#[derive(Default)]
struct Whole {
    beginning: Vec<u8>,
    size: usize,
    hash: Sha256,
}

impl Whole {
    fn add(&mut self, data: &[u8]) {
        let missing = payload::SMALLEST.saturating_sub(self.beginning.len());
        self.beginning.extend_from_slice(&data[..missing.min(data.len())]);
        self.size += data.len();
        self.hash.update(data);
    }
}
