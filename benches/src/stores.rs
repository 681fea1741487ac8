//! What hook keeps, read from its files. All that is known here of their formats is in this file.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row};
use sha2::{Digest, Sha256};

use crate::Result;
use crate::ledger::Kept;
use crate::payload;

/// The events of a journal whose bodies are ours. The hash that the journal states must be the one of its bytes.
pub fn journal(path: &Path) -> Result<Vec<Kept>> {
    let db = open(path)?;
    let parts = "SELECT data FROM event_parts WHERE id = ?1 ORDER BY part";
    let kept = read(&db, "SELECT id, size, body, id, sha256 FROM events WHERE mirror = 0", parts)?;
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
