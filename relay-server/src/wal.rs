//! Moves what is in a write-ahead log into its database, away from the thread that commits. The relay's inbox and the CLI's
//! journal do it alike.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;

/// A checkpoint is asked for when about this much was written since the last one.
const STEP: u64 = 8 * 1024 * 1024;
/// When so much was written since the last checkpoint ended, large bodies wait for the one that is under way: the writer must
/// not have to stop and move it all, with small events behind it.
const BEHIND: u64 = 10 * 1024 * 1024;
/// A log of this many frames is begun anew: what it has overwritten needs no new pages of memory, and a sync of it need not write
/// the length of the file. SQLite does so when all of it is in the database, which only the writer can bring about: it moves
/// the last few frames itself.
const ANEW: i64 = 4096;
/// A log this long makes the writer stop and empty it; while somebody reads all the time, nothing else can.
const LONGEST: u64 = 64 * 1024 * 1024;
/// An attempt to empty the log that came to nothing is repeated when it has grown by this much.
const LATER: u64 = 16 * 1024 * 1024;

/// Whose log it is.
pub trait Storage: Send + Sync + 'static {
    /// After a failed fsync another one would lie, so nothing is moved any more.
    fn has_failed(&self) -> bool;

    /// Whether this error is such a failure; if so, it is remembered.
    fn fails(&self, error: &rusqlite::Error) -> bool;
}

/// The storage failed, and has been told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

/// The writer's side of the log.
pub struct Wal {
    file: PathBuf,
    storage: Arc<dyn Storage>,
    written: u64,
    /// Of the file; it does not shrink when the log begins anew in it.
    len: u64,
    longest: u64,
    asks: SyncSender<()>,
    /// Held during a checkpoint: a second one at the same time would fail as busy.
    running: Arc<Mutex<()>>,
    /// The thread has just moved nearly all of a log that is to begin anew.
    nearly: Arc<AtomicBool>,
    /// Written since the last checkpoint that was seen to have ended.
    since: u64,
    seen: u64,
    ended: Arc<AtomicU64>,
    behind: Arc<AtomicBool>,
}

impl Wal {
    /// Also gives the work of the thread that makes the checkpoints; it ends when the `Wal` is dropped.
    pub fn new(database: &Path, db: Connection, storage: Arc<dyn Storage>) -> (Self, impl FnOnce() + Send + use<>) {
        let mut file = OsString::from(database);
        file.push("-wal");
        let (asks, asked) = sync_channel(1);
        let running = Arc::new(Mutex::new(()));
        let nearly = Arc::new(AtomicBool::new(false));
        let (ended, behind) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        // Small leftovers of the last run go with the first checkpoint.
        let wal = Self {
            file: file.into(),
            storage: Arc::clone(&storage),
            written: 0,
            len: 0,
            longest: LONGEST,
            asks,
            running: Arc::clone(&running),
            nearly: Arc::clone(&nearly),
            since: 0,
            seen: 0,
            ended: Arc::clone(&ended),
            behind: Arc::clone(&behind),
        };
        let work = move || {
            run(&db, storage.as_ref(), &asked, &running, &nearly, || {
                ended.fetch_add(1, Ordering::Release);
                behind.store(false, Ordering::Release);
            });
        };
        (wal, work)
    }

    /// Whether checkpoints do not keep up, so that large bodies should wait a moment.
    pub fn behind(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.behind)
    }

    /// About `bytes` more were committed, or as much as the file grew. Empties the log when it is too long.
    pub fn wrote(&mut self, db: &Connection, bytes: u64) -> Result<(), Failed> {
        let len = self.file.metadata().map_or(0, |file| file.len());
        let bytes = bytes.max(len.saturating_sub(self.len));
        self.written += bytes;
        self.len = len;
        let ended = self.ended.load(Ordering::Acquire);
        self.since = if ended == self.seen { self.since + bytes } else { bytes };
        self.seen = ended;
        self.behind.store(self.since > BEHIND, Ordering::Release);
        if self.written >= STEP {
            self.written = 0;
            // A full channel means that one is asked for already.
            let _ = self.asks.try_send(());
        }
        if self.nearly.load(Ordering::Acquire) {
            self.move_the_rest(db)?;
        }
        if len > self.longest {
            let emptied = self.empty(db)?;
            self.longest = if emptied { LONGEST } else { len + LATER };
        }
        Ok(())
    }

    /// Moves what was committed since the thread was done, so that the next commit begins the log anew.
    fn move_the_rest(&self, db: &Connection) -> Result<(), Failed> {
        let _running = match self.running.try_lock() {
            Ok(running) => running,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // The thread is at it again.
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        self.nearly.store(false, Ordering::Release);
        if self.storage.has_failed() {
            return Err(Failed);
        }
        checkpoint(db, self.storage.as_ref(), "PRAGMA wal_checkpoint(PASSIVE)").map(drop)
    }

    /// Whether all of the log is in the database now, and the log is empty. Fails only when the storage did.
    pub fn empty(&self, db: &Connection) -> Result<bool, Failed> {
        let _running = hold(&self.running);
        if self.storage.has_failed() {
            return Err(Failed);
        }
        checkpoint(db, self.storage.as_ref(), "PRAGMA wal_checkpoint(TRUNCATE)").map(|log| log.is_some())
    }
}

fn run(
    db: &Connection,
    storage: &dyn Storage,
    asked: &Receiver<()>,
    running: &Mutex<()>,
    nearly: &AtomicBool,
    ended: impl Fn(),
) {
    while asked.recv().is_ok() {
        let _running = hold(running);
        if storage.has_failed() {
            return;
        }
        match checkpoint(db, storage, "PRAGMA wal_checkpoint(PASSIVE)") {
            Ok(log) => nearly.store(log.is_some_and(|frames| frames >= ANEW), Ordering::Release),
            Err(Failed) => return,
        }
        ended();
    }
}

/// Gives the length of the log in frames; `None`: somebody was in the way.
fn checkpoint(db: &Connection, storage: &dyn Storage, how: &str) -> Result<Option<i64>, Failed> {
    let outcome = db
        .prepare_cached(how)
        .and_then(|mut query| query.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))));
    match outcome {
        Ok((busy, frames)) => Ok((busy == 0).then_some(frames)),
        Err(error) if storage.fails(&error) => Err(Failed),
        Err(later) => {
            // The log just stays as long as it is.
            tracing::warn!(%later, "a write-ahead log could not be emptied yet");
            Ok(None)
        }
    }
}

fn hold(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{self, Format};

    struct Sound;

    impl Storage for Sound {
        fn has_failed(&self) -> bool {
            false
        }

        fn fails(&self, _: &rusqlite::Error) -> bool {
            true
        }
    }

    #[test]
    fn a_log_begins_anew_while_the_writer_never_pauses() {
        let dir = tempfile::tempdir().unwrap();
        let format = Format { file: "a.db", migrations: &["CREATE TABLE t (a)"] };
        let db = database::open(dir.path(), &format).unwrap();
        db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        let path = dir.path().join("a.db");
        let (mut wal, work) = Wal::new(&path, database::connect(&path).unwrap(), Arc::new(Sound));
        let thread = std::thread::spawn(work);
        let begun = std::time::Instant::now();
        let mut rows = 0;
        let mut insert = || {
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "the log does not begin anew");
            db.execute("INSERT INTO t VALUES (randomblob(500000))", []).unwrap();
            rows += 1;
        };
        // The thread has moved nearly all of it, and the writer moves the rest.
        while !wal.nearly.load(Ordering::Acquire) {
            insert();
            if !wal.nearly.load(Ordering::Acquire) {
                wal.wrote(&db, 500_000).unwrap();
            }
        }
        while wal.nearly.load(Ordering::Acquire) {
            insert();
            wal.wrote(&db, 500_000).unwrap();
        }
        let before = wal.file.metadata().unwrap().len();
        insert();
        assert_eq!(wal.file.metadata().unwrap().len(), before, "what is there is overwritten");
        drop(wal);
        thread.join().unwrap();
        assert_eq!(db.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), rows);
    }

    #[test]
    fn a_log_that_grows_too_long_is_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let format = Format { file: "a.db", migrations: &["CREATE TABLE t (a)"] };
        let db = database::open(dir.path(), &format).unwrap();
        db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        let path = dir.path().join("a.db");
        let (mut wal, work) = Wal::new(&path, database::connect(&path).unwrap(), Arc::new(Sound));
        let thread = std::thread::spawn(work);
        wal.longest = 100_000;
        let (mut longest, mut emptied) = (0, 0);
        for _ in 0..200 {
            db.execute("INSERT INTO t VALUES (zeroblob(10000))", []).unwrap();
            let before = wal.file.metadata().unwrap().len();
            wal.wrote(&db, STEP).unwrap();
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
