//! The one thread that writes. It takes all that waits into one transaction, commits, and answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use hook_proto::{EndpointName, EventId};
use rusqlite::Connection;

use super::answers::Answers;
use super::ballast::Ballast;
use super::large::{self, Large};
use super::recent::Plan;
use super::shared::Shared;
use super::transaction::{self, Given, Outcome};
use crate::inbox::pending::Answer;
use crate::inbox::{InboxError, StoredEvent};
use crate::wal::{Failed, Wal};

const MOST_COMMANDS: usize = 256;
const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// Nobody waits for a delete, so deletes alone are gathered for as long as this before they cost an fsync.
const LINGER: Duration = Duration::from_millis(50);
/// When this many senders wait at once, more are likely to be on their way, and the commit waits a moment for them: an fsync
/// costs the processor more than many events. One that is alone never waits.
const SIBLINGS: usize = 4;
const GATHER: Duration = Duration::from_millis(2);
/// With this many there is little more to gain.
const CROWD: usize = 64;
/// When nobody came, so many commits do not wait.
const SPARED: u32 = 32;
/// After a full disk, how long until what must be deleted is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// For how long a large body waits for a checkpoint, and how often that is looked at.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(1);
/// What a command adds to the log besides its event, about.
const OVERHEAD: u64 = 8 * 1024;

pub(super) enum Command {
    Append { event: Arc<StoredEvent>, answer: Answer<u64> },
    Delete { endpoint: EndpointName, id: EventId },
}

pub(super) struct Writer {
    db: Connection,
    shared: Arc<Shared>,
    wal: Wal,
    /// Large bodies wait for a checkpoint, but not longer than until then.
    behind: Arc<AtomicBool>,
    behind_until: Option<Instant>,
    ballast: Ballast,
    answers: Answers,
    large: Large,
    given: Given,
    /// Commits that do not wait for more senders.
    spared: u32,
    /// Deletes that found no room, and when to try what needs doing without being asked.
    postponed: Vec<Command>,
    resume: Instant,
}

impl Writer {
    pub(super) fn new(
        db: Connection,
        shared: Arc<Shared>,
        wal: Wal,
        ballast: Ballast,
        answers: Answers,
    ) -> rusqlite::Result<Self> {
        let (last, id) = db.query_row("SELECT ifnull(max(position), 0), max(id) FROM settled", [], |row| {
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, Option<String>>(1)?))
        })?;
        let settled = id.map(|id| super::parsed(&id)).transpose()?;
        let large = Large::new(&db)?;
        shared.set_full(!ballast.is_there());
        let behind = wal.behind();
        let (given, resume) = (Given { last, settled }, Instant::now());
        let (behind_until, spared, postponed) = (None, 0, Vec::new());
        Ok(Self { db, shared, wal, behind, behind_until, ballast, answers, large, given, spared, postponed, resume })
    }

    /// Works until the other end of the queue is dropped and all that was in it is done.
    pub(super) fn run(mut self, queue: &Receiver<Command>) {
        let _alarm = Alarm(Arc::clone(&self.shared));
        let outcome = self.work(queue).and_then(|()| self.finish()).and_then(|()| self.empty_log());
        if let Err(broken) = outcome {
            self.large.refuse(&broken);
            queue.iter().for_each(|command| command.refuse(&broken));
        }
    }

    /// Fails when the storage did, and for good.
    fn work(&mut self, queue: &Receiver<Command>) -> Result<(), InboxError> {
        let mut open = true;
        while open || self.large.uploading() || (self.has_chores() && self.resume <= Instant::now()) {
            let mut batch = Vec::new();
            open = self.collect(queue, &mut batch);
            let mut commands = batch.into_iter();
            let mut outcome = self.shared.broken().map_or(Ok(()), Err);
            outcome = outcome.and_then(|()| self.turn(&mut commands));
            if let Err(broken) = outcome {
                commands.for_each(|command| command.refuse(&broken));
                return Err(broken);
            }
        }
        Ok(())
    }

    /// Leaves no row behind that was let go.
    fn finish(&mut self) -> Result<(), InboxError> {
        let plan = self.shared.recent().last_plan();
        self.carry_out(&plan, Vec::new())
    }

    fn has_chores(&self) -> bool {
        self.large.littered() || !self.postponed.is_empty()
    }

    /// Takes what is queued, waiting for it when there is nothing else to do. False: nothing will come any more.
    fn collect(&mut self, queue: &Receiver<Command>, batch: &mut Vec<Command>) -> bool {
        let first = if self.large.uploading() {
            queue.recv_timeout(if self.behind_until.is_some() { LOOK } else { Duration::ZERO })
        } else if self.has_chores() {
            queue.recv_timeout(self.resume.saturating_duration_since(Instant::now()))
        } else if let Some(due) = self.due_in() {
            queue.recv_timeout(due)
        } else {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match first {
            Ok(command) => batch.push(command),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => {
                if self.behind_until.is_some() {
                    thread::sleep(LOOK);
                }
                return false;
            }
        }
        let until = Instant::now() + LINGER;
        let mut gathered = None;
        let mut bytes = batch.iter().map(Command::bytes).sum::<u64>();
        while batch.len() < MOST_COMMANDS && bytes < MOST_BYTES {
            let patient =
                !self.large.uploading() && batch.iter().all(|command| matches!(command, Command::Delete { .. }));
            let patience = if patient { until.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            match queue.recv_timeout(patience) {
                Ok(command) => {
                    bytes += command.bytes();
                    batch.push(command);
                }
                Err(RecvTimeoutError::Timeout) if !patient && gathered.is_none() && self.gathers(batch.len()) => {
                    gathered = Some(batch.len());
                    thread::sleep(GATHER);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        if gathered.is_some_and(|before| batch.len() < before + before / 2) {
            self.spared = SPARED;
        }
        true
    }

    /// Whether a commit for so many waits for more of them.
    fn gathers(&mut self, waiting: usize) -> bool {
        if self.large.uploading() || !(SIBLINGS..CROWD).contains(&waiting) {
            return false;
        }
        let spared = self.spared > 0;
        self.spared = self.spared.saturating_sub(1);
        !spared
    }

    /// When to look without being asked: senders may stay away from a relay that has no room, and whoever lets go of an event
    /// does not say so.
    fn due_in(&self) -> Option<Duration> {
        let due = [self.ballast.due_in(), self.shared.recent().due_in()];
        due.into_iter().flatten().min()
    }

    fn turn(&mut self, commands: &mut impl Iterator<Item = Command>) -> Result<(), InboxError> {
        let room = self.has_room()?;
        let due = self.resume <= Instant::now();
        let mut run = if due { std::mem::take(&mut self.postponed) } else { Vec::new() };
        for command in commands {
            match command {
                Command::Append { event, answer } => {
                    self.shared.dequeue(&event);
                    if !room {
                        self.shared.recent().unqueue(event.id);
                        answer.give(Err(InboxError::Full("the disk is full".into())));
                    } else if large::is_large(&event.body) || self.large.is_uploading(event.id) {
                        self.commit(std::mem::take(&mut run))?;
                        let known = self.shared.recent().position(event.id);
                        let id = event.id;
                        if let Some(position) = known {
                            answer.give(Ok(position));
                        } else {
                            self.given.settled = self.given.settled.max(Some(id));
                            let begun = self.large.begin(&self.db, &self.shared, event, answer);
                            self.endure(begun)?;
                        }
                        self.shared.recent().unqueue(id);
                    } else {
                        run.push(Command::Append { event, answer });
                    }
                }
                Command::Delete { endpoint, id } if self.large.is_uploading(id) => {
                    self.commit(std::mem::take(&mut run))?;
                    self.large.cancel(&self.shared, &mut self.given.last, &endpoint, id);
                    self.shared.unhide(&endpoint, id);
                }
                delete @ Command::Delete { .. } => run.push(delete),
            }
        }
        self.commit(run)?;
        if self.large.uploading() && !self.must_wait() {
            let bytes = self.large.step(&mut self.db, &self.shared, &mut self.given.last);
            self.logged(*bytes.as_ref().unwrap_or(&0))?;
            self.endure(bytes.map(drop))?;
        }
        if due && self.large.littered() {
            let tidied = self.large.tidy(&mut self.db, &self.shared);
            self.logged(OVERHEAD)?;
            if tidied.is_err() {
                self.resume = Instant::now() + PAUSE;
            }
            self.endure(tidied)?;
        }
        Ok(())
    }

    /// Whether large bodies wait for a checkpoint, so that the log need not be emptied while small events wait.
    fn must_wait(&mut self) -> bool {
        if !self.behind.load(Ordering::Acquire) {
            self.behind_until = None;
            return false;
        }
        let until = *self.behind_until.get_or_insert_with(|| Instant::now() + LONGEST_WAIT);
        until > Instant::now()
    }

    /// About so many bytes went into the log.
    fn logged(&mut self, bytes: u64) -> Result<(), InboxError> {
        self.wal.wrote(&self.db, bytes).map_err(|Failed| self.shared.failure())
    }

    fn empty_log(&self) -> Result<(), InboxError> {
        self.wal.empty(&self.db).map(drop).map_err(|Failed| self.shared.failure())
    }

    /// Whether events may be appended; tries to make it so when the disk was full.
    fn has_room(&mut self) -> Result<bool, InboxError> {
        if self.ballast.due_in() == Some(Duration::ZERO) {
            // The log may be what fills the disk.
            self.empty_log()?;
            self.ballast.restore();
        }
        self.shared.set_full(!self.ballast.is_there());
        Ok(self.ballast.is_there())
    }

    /// Does all of these in one transaction, together with what is due, and answers them.
    fn commit(&mut self, run: Vec<Command>) -> Result<(), InboxError> {
        if run.is_empty() && self.resume > Instant::now() {
            return Ok(());
        }
        let plan = self.shared.recent().plan(Instant::now(), self.ballast.is_there());
        self.carry_out(&plan, run)
    }

    fn carry_out(&mut self, plan: &Plan, run: Vec<Command>) -> Result<(), InboxError> {
        if run.is_empty() && plan.is_idle() {
            return Ok(());
        }
        let outcomes = match transaction::run(&self.db, &self.shared, &mut self.given, plan, &run) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.refuse(run, &error);
                return self.endure(Err(error));
            }
        };
        if !plan.is_idle() {
            self.ballast.hope();
        }
        let bytes = run.iter().map(|command| command.bytes() + OVERHEAD).sum();
        // Answered last: an append that follows a delete of the same event waits until the delete hides it no more.
        let mut answers = Vec::with_capacity(run.len());
        for (command, outcome) in run.into_iter().zip(outcomes) {
            match (command, outcome) {
                (Command::Append { answer, .. }, Outcome::Appended(position)) => answers.push((answer, position)),
                (Command::Delete { endpoint, id }, Outcome::Deleted(chunks)) => {
                    self.shared.unhide(&endpoint, id);
                    self.ballast.hope();
                    if let Some(body) = chunks {
                        self.large.discard(body);
                    }
                }
                // Each command has its own kind of outcome.
                (Command::Append { .. }, Outcome::Deleted(_)) | (Command::Delete { .. }, Outcome::Appended(_)) => {}
            }
        }
        self.answers.give(answers);
        self.logged(bytes)
    }

    /// Answers a run of which nothing was done. Its deletes are tried again: at once if it was an append that found no room.
    fn refuse(&mut self, run: Vec<Command>, error: &InboxError) {
        let all = run.len();
        for command in run {
            match command {
                Command::Append { .. } => command.refuse(error),
                Command::Delete { .. } => self.postponed.push(command),
            }
        }
        let pause = if self.postponed.len() < all { Duration::ZERO } else { PAUSE };
        self.resume = Instant::now() + pause;
    }

    /// Lets the writer live on after a full disk or an event that cannot be read, but not after a failure of the storage.
    fn endure(&mut self, outcome: Result<(), InboxError>) -> Result<(), InboxError> {
        match outcome {
            Err(InboxError::Full(_)) => {
                self.ballast.release();
                self.shared.set_full(true);
                Ok(())
            }
            Err(InboxError::Unreadable(why)) => {
                tracing::warn!(%why, "an event was refused because its body could not be read");
                Ok(())
            }
            other => other,
        }
    }
}

impl Command {
    fn bytes(&self) -> u64 {
        match self {
            Self::Append { event, .. } if !large::is_large(&event.body) => event.size(),
            _ => 0,
        }
    }

    fn refuse(self, error: &InboxError) {
        if let Self::Append { answer, .. } = self {
            answer.give(Err(error.clone()));
        }
    }
}

/// Tells that the writer is gone, should it panic.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.poison("the thread that writes panicked");
        }
    }
}
