//! Moves what is in the write-ahead log into the database, away from the thread that commits.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::shared::Shared;
use crate::inbox::InboxError;

/// A checkpoint is asked for when about this much was written since the last one.
const STEP: u64 = 4 * 1024 * 1024;
/// A log this long makes the writer stop and empty it; while the writer never pauses, nothing else can.
const LONGEST: u64 = 64 * 1024 * 1024;
/// An attempt to empty the log that came to nothing is repeated when it has grown by this much.
const LATER: u64 = 16 * 1024 * 1024;

/// The writer's side of the log.
pub(super) struct Wal {
    file: PathBuf,
    written: u64,
    longest: u64,
    asks: SyncSender<()>,
    /// Held during a checkpoint: a second one at the same time would fail as busy.
    running: Arc<Mutex<()>>,
}

impl Wal {
    /// Also gives the work of the thread that makes the checkpoints; it ends when the `Wal` is dropped.
    pub(super) fn new(database: &Path, db: Connection, shared: Arc<Shared>) -> (Self, impl FnOnce() + Send + use<>) {
        let mut file = OsString::from(database);
        file.push("-wal");
        let (asks, asked) = sync_channel(1);
        let running = Arc::new(Mutex::new(()));
        // Small leftovers of the last run go with the first checkpoint.
        let wal = Self { file: file.into(), written: 0, longest: LONGEST, asks, running: Arc::clone(&running) };
        (wal, move || run(&db, &shared, &asked, &running))
    }

    /// About `bytes` more were committed.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.written += bytes;
        if self.written >= STEP {
            self.written = 0;
            // A full channel means that one is asked for already.
            let _ = self.asks.try_send(());
        }
    }

    /// Empties the log when it is too long.
    pub(super) fn bound(&mut self, db: &Connection, shared: &Shared) -> Result<(), InboxError> {
        let len = self.file.metadata().map_or(0, |file| file.len());
        if len <= self.longest {
            return Ok(());
        }
        let emptied = self.empty(db, shared)?;
        self.longest = if emptied { LONGEST } else { len + LATER };
        Ok(())
    }

    /// Whether all of the log is in the database now, and the log is empty. Fails only when the storage did.
    pub(super) fn empty(&self, db: &Connection, shared: &Shared) -> Result<bool, InboxError> {
        let _running = hold(&self.running);
        if let Some(broken) = shared.broken() {
            return Err(broken);
        }
        checkpoint(db, shared, "PRAGMA wal_checkpoint(TRUNCATE)")
    }
}

fn run(db: &Connection, shared: &Shared, asked: &Receiver<()>, running: &Mutex<()>) {
    while asked.recv().is_ok() {
        let _running = hold(running);
        // After a failed fsync another one would lie.
        if shared.broken().is_some() || checkpoint(db, shared, "PRAGMA wal_checkpoint(PASSIVE)").is_err() {
            return;
        }
    }
}

fn checkpoint(db: &Connection, shared: &Shared, how: &str) -> Result<bool, InboxError> {
    let outcome = db.prepare_cached(how).and_then(|mut query| query.query_row([], |row| row.get::<_, i64>(0)));
    match outcome {
        Ok(busy) => Ok(busy == 0),
        Err(error) => match shared.judge(&error) {
            broken @ InboxError::Broken(_) => Err(broken),
            // The log just stays as long as it is.
            later => {
                tracing::warn!(%later, "the inbox's log could not be emptied yet");
                Ok(false)
            }
        },
    }
}

fn hold(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{self, Format};
    use crate::inbox::Limits;

    #[test]
    fn a_log_that_grows_too_long_is_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let format = Format { file: "a.db", migrations: &["CREATE TABLE t (a)"] };
        let db = database::open(dir.path(), &format).unwrap();
        db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        let path = dir.path().join("a.db");
        let shared = Arc::new(Shared::new(Limits::default(), Default::default()));
        let (mut wal, work) = Wal::new(&path, database::connect(&path).unwrap(), Arc::clone(&shared));
        let thread = std::thread::spawn(work);
        wal.longest = 100_000;
        let (mut longest, mut emptied) = (0, 0);
        for _ in 0..200 {
            db.execute("INSERT INTO t VALUES (zeroblob(10000))", []).unwrap();
            wal.wrote(STEP);
            let before = wal.file.metadata().unwrap().len();
            wal.bound(&db, &shared).unwrap();
            wal.longest = 100_000;
            longest = longest.max(before);
            emptied += u32::from(wal.file.metadata().unwrap().len() < before);
        }
        assert!(longest < 200_000, "{longest}");
        assert!((1..=40).contains(&emptied), "{emptied}");
        drop(wal);
        thread.join().unwrap();
    }
}
