//! The writer thread: groups changes into commits.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hook_relay_server::wal::{Failed, Storage, Wal};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot, watch};

use super::JournalError;
use super::schema::{self, write_error};
use super::sync::{self, Sync};
use super::waiting::{self, Inlet, Outlet};

/// Changes in one commit, at most.
const GROUP: usize = 256;
/// What a change adds to the log, about.
const OVERHEAD: u64 = 8 * 1024;
/// The number of a commit, rising.
pub type Commit = u64;

/// A change on its way. One that fails takes its whole group back, and each is then made again by itself.
trait Queued: Send {
    fn make(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, outcome: Result<Commit, JournalError>);
}

struct One<T, F> {
    change: F,
    value: Option<T>,
    answer: oneshot::Sender<Result<(T, Commit), JournalError>>,
}

impl<T: Send, F: Fn(&Connection) -> rusqlite::Result<T> + Send> Queued for One<T, F> {
    fn make(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.value = Some((self.change)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<Commit, JournalError>) {
        let Self { change, value, answer } = *self;
        drop(change);
        let outcome = match (outcome, value) {
            (Ok(commit), Some(value)) => Ok((value, commit)),
            (Err(error), _) => Err(error),
            // It was never made; the caller hears that writing stopped.
            (Ok(_), None) => return,
        };
        // Nobody has to wait for it.
        let _ = answer.send(outcome);
    }
}

type Group = Vec<Box<dyn Queued>>;

#[derive(Clone)]
pub struct Writer {
    queue: Arc<Inlet<Box<dyn Queued>>>,
    sync: Arc<Sync>,
    synced: watch::Receiver<Commit>,
    failed: watch::Receiver<Option<JournalError>>,
    behind: Arc<AtomicBool>,
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
    /// `checkpoints` is a connection of its own.
    pub fn start(path: Arc<Path>, connection: Connection, checkpoints: Connection) -> Result<Self, JournalError> {
        let (queue, changes) = waiting::channel();
        let (synced_tx, synced) = watch::channel(0);
        let (failed_tx, failed) = watch::channel(None);
        let health = Arc::new(Health { path: path.clone(), failed: failed_tx });
        schema::close_without_checkpoint(&checkpoints);
        let (wal, checkpoint) = Wal::new(&path, checkpoints, health.clone());
        let behind = wal.behind();
        let (answers, sync) = (Answers::start(), Arc::new(Sync::default()));
        let syncs = (sync.clone(), path.clone(), health.clone());
        let thread = Thread { connection, changes, answers, sync: sync.clone(), health, wal, committed: 0 };
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let spawned = std::thread::Builder::new().name(name.into()).spawn(work);
            spawned.map_err(|e| JournalError::Open { path: path.to_path_buf(), reason: e.to_string() })
        };
        spawn("journal", Box::new(move || thread.run()))?;
        spawn("checkpoint", Box::new(checkpoint))?;
        let (own_sync, database, health) = syncs;
        spawn(
            "sync",
            Box::new(move || sync::run(&own_sync, &database, &synced_tx, |error| health.sync_failed(&error))),
        )?;
        Ok(Self { queue: Arc::new(queue), sync, synced, failed, behind, path })
    }

    /// A `lazy` change may wait a moment for another to share its commit.
    pub fn write<T: Send + 'static>(
        &self,
        lazy: bool,
        change: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Write<T> {
        let (answer, outcome) = oneshot::channel();
        // A stopped thread takes nothing, and the future says so.
        let _ = self.queue.push(Box::new(One { change, value: None, answer }), lazy);
        Write(outcome, self.path.clone())
    }

    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    pub fn want_sync(&self) {
        self.sync.want();
    }

    pub fn synced(&self) -> watch::Receiver<Commit> {
        self.synced.clone()
    }

    pub fn failed(&self) -> watch::Receiver<Option<JournalError>> {
        self.failed.clone()
    }
}

/// Answers are given on the runtime's own thread, a group at a time: to wake each task from here would cost more than its change.
struct Answers(Option<mpsc::UnboundedSender<Done>>);

struct Done {
    group: Group,
    outcome: Result<Commit, JournalError>,
}

impl Done {
    fn give(self) {
        self.group.into_iter().for_each(|one| one.answer(self.outcome.clone()));
    }
}

impl Answers {
    fn start() -> Self {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Self(None) };
        let (tx, mut rx) = mpsc::unbounded_channel::<Done>();
        runtime.spawn(async move {
            while let Some(done) = rx.recv().await {
                done.give();
            }
        });
        Self(Some(tx))
    }

    fn give(&self, group: Group, outcome: Result<Commit, JournalError>) {
        let done = Done { group, outcome };
        match &self.0 {
            Some(tx) => {
                // A runtime that ended has nobody left who waits.
                let _ = tx.send(done);
            }
            None => done.give(),
        }
    }
}

struct Thread {
    connection: Connection,
    changes: Outlet<Box<dyn Queued>>,
    answers: Answers,
    sync: Arc<Sync>,
    health: Arc<Health>,
    wal: Wal,
    committed: Commit,
}

/// What the threads know of the storage. An I/O error leaves no certainty about what is on disk: nothing more is promised.
struct Health {
    path: Arc<Path>,
    failed: watch::Sender<Option<JournalError>>,
}

impl Health {
    fn fail(&self, error: JournalError) {
        self.failed.send_if_modified(|failed| {
            let first = failed.is_none();
            failed.get_or_insert(error);
            first
        });
    }

    fn sync_failed(&self, error: &std::io::Error) {
        self.fail(JournalError::Write { path: self.path.to_path_buf(), reason: crate::text::io(error) });
    }
}

impl Storage for Health {
    fn has_failed(&self) -> bool {
        self.failed.borrow().is_some()
    }

    fn fails(&self, error: &rusqlite::Error) -> bool {
        // A full disk fails a checkpoint and loses nothing by it.
        let fatal = is_fatal(error) && error.sqlite_error_code() != Some(ErrorCode::DiskFull);
        if fatal {
            self.fail(write_error(&self.path, error));
        }
        fatal
    }
}

impl Thread {
    fn run(mut self) {
        self.work();
        self.sync.close();
        if self.health.has_failed() {
            schema::close_without_checkpoint(&self.connection);
        }
    }

    fn work(&mut self) {
        while let Some(group) = self.changes.take(GROUP) {
            if self.health.has_failed() {
                return;
            }
            let changes = group.len() as u64;
            if let Err(error) = self.commit(group) {
                return self.health.fail(error);
            }
            if self.wal.wrote(&self.connection, changes * OVERHEAD) == Err(Failed) {
                return;
            }
        }
    }

    /// Commits a group. A change that fails is undone and answered alone; a commit that fails ends the writer.
    fn commit(&mut self, mut group: Group) -> Result<(), JournalError> {
        match self.make(&mut group) {
            Ok(()) => {
                self.committed += 1;
                self.sync.committed(self.committed);
                self.answers.give(group, Ok(self.committed));
                Ok(())
            }
            Err(error) => {
                let _ = self.connection.execute_batch("ROLLBACK");
                let busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
                if !busy && !is_fatal(&error) && group.len() > 1 {
                    return group.into_iter().try_for_each(|one| self.commit(vec![one]));
                }
                let fatal = is_fatal(&error);
                let error = write_error(&self.health.path, &error);
                self.answers.give(group, Err(error.clone()));
                if fatal { Err(error) } else { Ok(()) }
            }
        }
    }

    fn make(&self, group: &mut Group) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        group.iter_mut().try_for_each(|one| one.make(connection))?;
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
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
