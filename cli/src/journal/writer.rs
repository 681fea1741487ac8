//! The writer thread: groups changes into commits, and fsyncs when somebody waits for that.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{oneshot, watch};

use super::JournalError;
use super::schema::{self, write_error};

/// Changes in one commit, at most.
const GROUP: usize = 256;
/// How long an fsync that was asked for may wait for more to come.
const SYNC_WITHIN: Duration = Duration::from_millis(100);
/// How long after its commit somebody may still ask.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// Commits after which it does not wait.
const SYNC_AFTER: u64 = 128;

/// The number of a commit, rising.
pub type Commit = u64;
type Finish = Box<dyn FnOnce(Result<Commit, JournalError>) + Send>;
type Change = Box<dyn FnOnce(&Connection) -> rusqlite::Result<Finish> + Send>;

struct Queued {
    change: Change,
    /// Called instead, when the change itself fails.
    refuse: Arc<dyn Fn(JournalError) + Send + Sync>,
}

#[derive(Clone)]
pub struct Writer {
    queue: Sender<Queued>,
    want_sync: Arc<AtomicBool>,
    synced: watch::Receiver<Commit>,
    failed: watch::Receiver<Option<JournalError>>,
    path: Arc<Path>,
}

/// The outcome of a change, with the commit that holds it.
pub struct Write<T>(oneshot::Receiver<Result<(T, Commit), JournalError>>, Arc<Path>);

impl<T> Future for Write<T> {
    type Output = Result<(T, Commit), JournalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|r| r.unwrap_or_else(|_| Err(stopped(&self.1))))
    }
}

fn stopped(path: &Path) -> JournalError {
    JournalError::Write { path: path.to_owned(), reason: "writing stopped after an earlier error".into() }
}

impl Writer {
    pub fn start(path: Arc<Path>, connection: Connection) -> Result<Self, JournalError> {
        let (queue, changes) = channel();
        let (synced_tx, synced) = watch::channel(0);
        let (failed_tx, failed) = watch::channel(None);
        let want_sync = Arc::new(AtomicBool::new(false));
        let thread = Thread {
            connection,
            changes,
            want_sync: want_sync.clone(),
            synced: synced_tx,
            failed: failed_tx,
            path: path.clone(),
            committed: 0,
            unsynced_since: None,
            last_commit: Instant::now(),
        };
        std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || thread.run())
            .map_err(|e| JournalError::Open { path: path.to_path_buf(), reason: e.to_string() })?;
        Ok(Self { queue, want_sync, synced, failed, path })
    }

    pub fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Write<T> {
        let (tx, rx) = oneshot::channel();
        let tx = Arc::new(std::sync::Mutex::new(Some(tx)));
        let answer = move |result: Result<(T, Commit), JournalError>| {
            let taken = tx.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            if let Some(tx) = taken {
                let _ = tx.send(result);
            }
        };
        let refuse = answer.clone();
        let queued = Queued {
            change: Box::new(move |connection| {
                let value = change(connection)?;
                let finish: Finish = Box::new(move |result| answer(result.map(|commit| (value, commit))));
                Ok(finish)
            }),
            refuse: Arc::new(move |error| refuse(Err(error))),
        };
        // A stopped thread drops the sender, and the future says so.
        let _ = self.queue.send(queued);
        Write(rx, self.path.clone())
    }

    pub fn want_sync(&self) {
        self.want_sync.store(true, Ordering::Release);
    }

    pub fn synced(&self) -> watch::Receiver<Commit> {
        self.synced.clone()
    }

    pub fn failed(&self) -> watch::Receiver<Option<JournalError>> {
        self.failed.clone()
    }
}

struct Thread {
    connection: Connection,
    changes: Receiver<Queued>,
    want_sync: Arc<AtomicBool>,
    synced: watch::Sender<Commit>,
    failed: watch::Sender<Option<JournalError>>,
    path: Arc<Path>,
    committed: Commit,
    unsynced_since: Option<Instant>,
    last_commit: Instant,
}

impl Thread {
    fn run(mut self) {
        loop {
            let group = match self.next_group() {
                Ok(group) => group,
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let result = if group.is_empty() { Ok(()) } else { self.commit(group) };
            if let Err(error) = result.and_then(|()| self.sync_if_due()) {
                // An I/O error leaves no certainty about what is on disk: nothing more is promised.
                self.failed.send_replace(Some(error));
                schema::close_without_checkpoint(&self.connection);
                return;
            }
        }
    }

    fn next_group(&self) -> Result<Vec<Queued>, RecvTimeoutError> {
        let first = match self.unsynced_since {
            Some(since) if self.want_sync.load(Ordering::Acquire) => {
                self.changes.recv_timeout(SYNC_WITHIN.saturating_sub(since.elapsed()))?
            }
            // Whoever asks for a sync does so right after a commit, and must be seen; later nobody will.
            Some(_) if self.last_commit.elapsed() < ASK_WITHIN => self.changes.recv_timeout(SYNC_WITHIN)?,
            _ => self.changes.recv().map_err(|_| RecvTimeoutError::Disconnected)?,
        };
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = self.changes.try_recv()
        {
            group.push(next);
        }
        Ok(group)
    }

    /// Commits a group. A change that fails is undone and answered alone; a commit that fails ends the writer.
    fn commit(&mut self, group: Vec<Queued>) -> Result<(), JournalError> {
        let refusals: Vec<_> = group.iter().map(|q| q.refuse.clone()).collect();
        match self.apply(group) {
            Ok(finishes) => {
                self.committed += 1;
                self.unsynced_since.get_or_insert_with(Instant::now);
                self.last_commit = Instant::now();
                finishes.into_iter().for_each(|finish| finish(Ok(self.committed)));
                Ok(())
            }
            Err(error) => {
                let busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
                let error = write_error(&self.path, &error);
                let _ = self.connection.execute_batch("ROLLBACK");
                refusals.iter().for_each(|refuse| refuse(error.clone()));
                if busy { Ok(()) } else { Err(error) }
            }
        }
    }

    fn apply(&mut self, group: Vec<Queued>) -> rusqlite::Result<Vec<Finish>> {
        let connection = &self.connection;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut finishes = Vec::with_capacity(group.len());
        let single = group.len() == 1;
        for queued in group {
            if !single {
                connection.prepare_cached("SAVEPOINT one")?.execute([])?;
            }
            match (queued.change)(connection) {
                Ok(finish) => finishes.push(finish),
                Err(error) if is_fatal(&error) => return Err(error),
                Err(error) => {
                    (queued.refuse)(write_error(&self.path, &error));
                    connection.execute_batch(if single { "ROLLBACK; BEGIN IMMEDIATE" } else { "ROLLBACK TO one" })?;
                }
            }
            if !single {
                connection.prepare_cached("RELEASE one")?.execute([])?;
            }
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(finishes)
    }

    /// A commit with synchronous=FULL syncs the WAL, and with it everything that was committed before.
    fn sync_if_due(&mut self) -> Result<(), JournalError> {
        let Some(since) = self.unsynced_since else { return Ok(()) };
        let asked = self.want_sync.load(Ordering::Acquire);
        let due = since.elapsed() >= SYNC_WITHIN || self.committed - *self.synced.borrow() >= SYNC_AFTER;
        if !asked || !due {
            return Ok(());
        }
        self.want_sync.store(false, Ordering::Release);
        let sync = || -> rusqlite::Result<()> {
            let full = "FULL";
            #[cfg(hook_sabotage)]
            let full = if hook_relay_server::sabotage::is("sync-normal") { "NORMAL" } else { full };
            self.connection.pragma_update(None, "synchronous", full)?;
            self.connection.prepare_cached("UPDATE sync_marker SET n = n + 1")?.execute([])?;
            self.connection.pragma_update(None, "synchronous", "NORMAL")
        };
        match sync() {
            Ok(()) => {
                self.unsynced_since = None;
                self.synced.send_replace(self.committed);
                Ok(())
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                self.want_sync.store(true, Ordering::Release);
                Ok(())
            }
            Err(error) => Err(write_error(&self.path, &error)),
        }
    }
}

fn is_fatal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
        )
    )
}
