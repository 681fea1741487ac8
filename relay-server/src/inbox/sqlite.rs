//! The durable inbox: one SQLite file, one thread that writes, and others that read, check-point and answer.

mod answers;
mod ballast;
mod large;
mod reader;
mod recent;
mod shared;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use hook_proto::{EndpointName, EventId};
use rusqlite::Connection;

use super::accounts::Accounts;
use super::{Inbox, Limits, OpenError, Pending, StoredEvent, Usage};
use crate::database::{self, Format};
use crate::wal::Wal;
use answers::Answers;
use ballast::Ballast;
use reader::{LargeReader, Read, Reader};
use shared::Shared;
use writer::{Command, Writer};

const FORMAT: Format = Format {
    file: "inbox.db",
    migrations: &[
        "
        CREATE TABLE events (
            position INTEGER PRIMARY KEY,
            id       TEXT NOT NULL UNIQUE,
            endpoint TEXT NOT NULL,
            size     INTEGER NOT NULL,
            -- The body is here, or in the chunks of that number.
            chunks   INTEGER,
            head     BLOB NOT NULL,
            body     BLOB,
            CHECK ((chunks IS NULL) <> (body IS NULL))
        ) STRICT;
        CREATE INDEX events_in_order ON events (endpoint, position, size);
        CREATE INDEX events_in_chunks ON events (chunks) WHERE chunks IS NOT NULL;
        CREATE TABLE chunks (
            body INTEGER NOT NULL,
            n    INTEGER NOT NULL,
            data BLOB NOT NULL,
            UNIQUE (body, n)
        ) STRICT;
    ",
        "
        ALTER TABLE events RENAME TO settled;
        -- What came last. Only added to, and emptied as a whole.
        CREATE TABLE recent_0 (
            position INTEGER PRIMARY KEY,
            id       TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            size     INTEGER NOT NULL,
            head     BLOB NOT NULL,
            body     BLOB NOT NULL
        ) STRICT;
        CREATE TABLE recent_1 (
            position INTEGER PRIMARY KEY,
            id       TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            size     INTEGER NOT NULL,
            head     BLOB NOT NULL,
            body     BLOB NOT NULL
        ) STRICT;
        CREATE VIEW events AS
            SELECT position, id, endpoint, size, chunks, head, body FROM settled
            UNION ALL SELECT position, id, endpoint, size, NULL, head, body FROM recent_0
            UNION ALL SELECT position, id, endpoint, size, NULL, head, body FROM recent_1;
    ",
    ],
};

/// An inbox in `inbox.db`. An answered append is on disk.
///
/// Dropping it waits until what was queued is stored, so drop it where waiting is allowed.
pub struct SqliteInbox {
    shared: Arc<Shared>,
    commands: Option<mpsc::Sender<Command>>,
    reads: Option<mpsc::Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
    youngest: Option<EventId>,
    /// Held until the threads have ended.
    _lock: File,
}

impl SqliteInbox {
    /// Opens the inbox in `dir`, or creates it. Large bodies are read back into files in `spool_dir`. Checks the whole file, so
    /// this takes as long as reading it.
    pub fn open(dir: &Path, spool_dir: Arc<Path>, limits: Limits) -> Result<Self, OpenError> {
        database::create_dir(dir)?;
        let lock = lock(dir)?;
        let db = database::open(dir, &FORMAT)?;
        Self::start(db, lock, dir, spool_dir, limits)
    }

    fn start(
        mut db: Connection,
        lock: File,
        dir: &Path,
        spool_dir: Arc<Path>,
        limits: Limits,
    ) -> Result<Self, OpenError> {
        let path = dir.join(FORMAT.file);
        let sqlite = |source| OpenError::sqlite(&path, source);
        db.pragma_update(None, "wal_autocheckpoint", 0).map_err(sqlite)?;
        db.pragma_update(None, "cache_size", -16_000).map_err(sqlite)?;

        transaction::settle(&mut db).map_err(sqlite)?;
        let youngest: Option<String> =
            db.query_row("SELECT max(id) FROM settled", [], |row| row.get(0)).map_err(sqlite)?;
        let shared = Arc::new(Shared::new(limits, held(&db).map_err(sqlite)?));
        let (wal, checkpoint) = Wal::new(&path, database::connect(&path)?, shared.clone());
        let writer = Writer::new(db, Arc::clone(&shared), wal, Ballast::new(dir), Answers::start()).map_err(sqlite)?;
        let (large_reads, large_queue) = mpsc::channel();
        let large = LargeReader::new(database::connect(&path)?, Arc::clone(&shared), spool_dir);
        let reader = Reader::new(database::connect(&path)?, Arc::clone(&shared), large_reads);

        let (commands, command_queue) = mpsc::channel();
        let (reads, read_queue) = mpsc::channel();
        let io = |source| OpenError::Io { path: path.clone(), source };
        let threads = vec![
            spawn("inbox-write", move || writer.run(&command_queue)).map_err(io)?,
            spawn("inbox-read", move || reader.run(&read_queue)).map_err(io)?,
            spawn("inbox-read-large", move || large.run(&large_queue)).map_err(io)?,
            spawn("inbox-checkpoint", checkpoint).map_err(io)?,
        ];
        let youngest = youngest.and_then(|id| id.parse().ok());
        Ok(Self { shared, commands: Some(commands), reads: Some(reads), threads, youngest, _lock: lock })
    }

    /// The highest id that it held when it was opened; ids say the order of arrival, so new ones must be higher.
    pub fn youngest(&self) -> Option<EventId> {
        self.youngest
    }

    fn read(&self, read: Read) {
        // A thread that is gone drops the answer, and that answers.
        if let Some(reads) = &self.reads {
            let _ = reads.send(read);
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(work)
}

/// Takes the lock that one relay holds for its life; SQLite's own locks would let two of them share the file.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("inbox.lock");
    let io = |source| OpenError::Io { path: path.clone(), source };
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            // Only for the message of whoever comes second.
            file.set_len(0).map_err(io)?;
            write!(file, "{}", std::process::id()).map_err(io)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let known = file.take(20).read_to_string(&mut pid).is_ok() && pid.bytes().all(|b| b.is_ascii_digit());
            let by = if known && !pid.is_empty() { format!(" (process {pid})") } else { String::new() };
            Err(OpenError::Locked { path: dir.to_owned(), by })
        }
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Counts what the file holds.
fn held(db: &Connection) -> rusqlite::Result<Accounts> {
    let mut accounts = Accounts::default();
    let mut query = db.prepare("SELECT endpoint, count(*), sum(size) FROM settled GROUP BY endpoint")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let name: EndpointName = parsed(row.get_ref(0)?.as_str()?)?;
        let (events, bytes): (i64, i64) = (row.get(1)?, row.get(2)?);
        accounts.count(&name, Usage { events: events.unsigned_abs(), bytes: bytes.unsigned_abs() });
    }
    drop(rows);
    Ok(accounts)
}

/// A column that holds one of our words in its text form.
fn parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> rusqlite::Result<T> {
    text.parse().map_err(|error: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// SQLite counts in signed numbers; nothing here comes near their end.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Inbox for SqliteInbox {
    fn durable(&self) -> bool {
        true
    }

    fn broken(&self) -> bool {
        self.shared.broken().is_some()
    }

    fn full(&self) -> bool {
        self.shared.full()
    }

    fn append(&self, event: Arc<StoredEvent>) -> Pending<u64> {
        if let Some(broken) = self.shared.broken() {
            return Pending::known(Err(broken));
        }
        if let Err(full) = self.shared.enqueue(&event) {
            return Pending::known(Err(full));
        }
        self.shared.recent().queue(event.id);
        let (answer, pending) = Pending::new();
        if let Some(commands) = &self.commands {
            // A thread that is gone drops the answer, and that answers.
            let _ = commands.send(Command::Append { event, answer });
        }
        pending
    }

    fn delete(&self, endpoint: &EndpointName, id: EventId) {
        if self.broken() {
            return;
        }
        let mut recent = self.shared.recent();
        if let Some(bytes) = recent.delete(endpoint, id) {
            return self.shared.accounts().remove(endpoint, bytes);
        }
        // Hidden before the writer can move it, so that no read finds it where it was moved to.
        self.shared.hide(endpoint, id);
        drop(recent);
        if let Some(commands) = &self.commands {
            let _ = commands.send(Command::Delete { endpoint: endpoint.clone(), id });
        }
    }

    fn next(&self, endpoint: &EndpointName, after: u64, limit: usize) -> Pending<Vec<(u64, EventId)>> {
        let (answer, pending) = Pending::new();
        self.read(Read::Next { endpoint: endpoint.clone(), after, limit, answer });
        pending
    }

    fn load(&self, id: EventId) -> Pending<Option<Arc<StoredEvent>>> {
        if let Some(broken) = self.shared.broken() {
            return Pending::known(Err(broken));
        }
        let hiding = self.shared.hiding(id);
        let recent = self.shared.recent().event(id).cloned();
        if let Some(event) = recent {
            let held = !hiding.contains(&event.endpoint);
            return Pending::known(Ok(held.then_some(event)));
        }
        let (answer, pending) = Pending::new();
        self.read(Read::Load { id, answer });
        pending
    }

    fn usage(&self, endpoint: &EndpointName) -> Usage {
        self.shared.accounts().endpoint(endpoint)
    }

    fn total(&self) -> Usage {
        self.shared.accounts().total()
    }

    fn endpoints(&self) -> Vec<(EndpointName, Usage)> {
        self.shared.accounts().all()
    }
}

impl Drop for SqliteInbox {
    fn drop(&mut self) {
        self.commands = None;
        self.reads = None;
        for thread in self.threads.drain(..) {
            // One that panicked has said so, and its work is over.
            let _ = thread.join();
        }
    }
}
