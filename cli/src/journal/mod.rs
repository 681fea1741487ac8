//! The journal: every event and every attempt, on disk, shared by all `hook` processes of a user (DESIGN §5, §7).
//!
//! Writes go through one thread that groups them into commits; reads have connections of their own. A write is answered once
//! it is committed, which survives `kill -9`; [`Journal::synced`] says what would survive a power cut too.

mod attempt;
mod attempts;
mod duplicates;
mod events;
mod listeners;
mod owner;
mod parts;
mod query;
mod retention;
mod schema;
mod sync;
#[cfg(test)]
mod tests;
mod waiting;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::sync::watch;

pub use attempt::{Attempt, AttemptEnd, Kind, NewAttempt, Signing};
pub use attempts::{
    Turn, begin_owed, end as end_attempt, insert as begin_attempt, of_event as attempts_of,
    withdraw as withdraw_attempt,
};
pub use duplicates::{Duplicate, came_before, duplicates_of};
pub use events::{
    BodyKey, Handled, NewEvent, PART, Recorded, drop_orphans, explain_signature, judge_again, record, settle,
};
pub use listeners::{
    Listener, Remembered, living as living_listeners, put as put_listener, remember, remembered,
    remove as remove_listener, set_state as set_listener_state,
};
pub use owner::{Owner, is_alive as owner_is_alive};
pub use parts::{put_attempt_part as attempt_part, put_event_part as event_part};
pub use query::{Condition, EventRow, Order, Scope, UNDELIVERED, has_events, last_answers};
pub use retention::{KEEP_BYTES, KEEP_MS, Pruned, newest_and_trust, prune};
pub use writer::{Commit, Write};

/// What became of an event on this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It has a target and no ended attempt yet.
    Owed,
    /// An attempt ended.
    Ended,
    /// Kept; there was no target.
    Captured,
    /// Kept; `--filter` leaves it out.
    Filtered,
    /// The app was down and the sender heard so.
    Undelivered,
    /// Beyond `--max-backlog`.
    Held,
    /// Its sender was answered before this journal knew of it.
    Recorded,
    /// Its path leaves the target's.
    Refused,
    /// An attempt ended badly and `--retry` will make another.
    Retrying,
    /// Its sender got the answer of the event that it is a duplicate of (`--dedupe`).
    Deduped,
    /// It asks for an answer of its provider's own form, and hook gave that in the app's place.
    Handshake,
}

impl State {
    pub const ALL: [Self; 11] = [
        Self::Owed,
        Self::Ended,
        Self::Captured,
        Self::Filtered,
        Self::Undelivered,
        Self::Held,
        Self::Recorded,
        Self::Refused,
        Self::Retrying,
        Self::Deduped,
        Self::Handshake,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Ended => "ended",
            Self::Captured => "captured",
            Self::Filtered => "filtered",
            Self::Undelivered => "undelivered",
            Self::Held => "held",
            Self::Recorded => "recorded",
            Self::Refused => "refused",
            Self::Retrying => "retrying",
            Self::Deduped => "deduped",
            Self::Handshake => "handshake",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    #[error("the journal {path} could not be opened: {reason}. Nothing was changed.")]
    Open { path: PathBuf, reason: String },
    #[error(
        "the journal {path} was written by a newer hook (format {found}, this one knows {known}). It was not touched."
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the journal {path} is damaged: {reason}. It was not changed; nothing in it was deleted.")]
    Damaged { path: PathBuf, reason: String },
    #[error("the journal {path} could not be written: {reason}. What was committed before is kept.")]
    Write { path: PathBuf, reason: String },
    #[error("the journal {path} could not be read: {reason}.")]
    Read { path: PathBuf, reason: String },
}

impl JournalError {
    /// What a person can do about it.
    pub fn next(&self) -> String {
        match self {
            Self::Newer { .. } => "use that newer hook, or another file: hook … --journal PATH".to_owned(),
            Self::Damaged { path, .. } => keep_aside(path),
            Self::Open { .. } => "use another file: hook … --journal PATH".to_owned(),
            Self::Write { .. } | Self::Read { .. } => "hook doctor".to_owned(),
        }
    }
}

/// What a person types to start anew. The log goes with its database: a new database beside an old log would take it for its own.
pub fn keep_aside(path: &Path) -> String {
    let dir = path.parent().unwrap_or(Path::new("."));
    let aside = dir.join("damaged").display().to_string();
    let word = crate::text::shell_word;
    let file = path.display().to_string();
    format!("stop hook, keep the file aside and start a new one: mkdir {0} && mv {1}* {0}/", word(&aside), word(&file))
}

/// A handle; clones share the writer.
#[derive(Clone)]
pub struct Journal {
    path: Arc<Path>,
    writer: writer::Writer,
    reader: Arc<Mutex<Reader>>,
}

/// The connection for reads, which is closed last.
struct Reader {
    connection: Connection,
    failed: watch::Receiver<Option<JournalError>>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.failed.borrow().is_some() {
            schema::close_without_checkpoint(&self.connection);
        }
    }
}

impl Journal {
    /// Opens or creates the journal, private to its owner, and checks its format.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let connection = schema::open(path)?;
        let (reader, checkpoints) = (schema::connect(path)?, schema::connect(path)?);
        let path: Arc<Path> = path.into();
        let writer = writer::Writer::start(path.clone(), connection, checkpoints)?;
        let reader = Reader { connection: reader, failed: writer.failed() };
        Ok(Self { path, writer, reader: Arc::new(Mutex::new(reader)) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a change, which may be made anew when another one of the same commit fails; done once the returned future is. Changes take effect in the order of these calls.
    pub fn write<T: Send + 'static>(
        &self,
        change: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Write<T> {
        self.writer.write(false, change)
    }

    /// The same for a change that nobody waits for: it may take 2 ms longer, to share the commit of one that somebody waits for.
    pub fn write_lazily<T: Send + 'static>(
        &self,
        change: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Write<T> {
        self.writer.write(true, change)
    }

    /// Whether large bodies should wait a moment, so that small events need not.
    pub fn is_behind(&self) -> bool {
        self.writer.is_behind()
    }

    /// Asks for everything up to now to be fsynced, at most 250 ms later.
    pub fn want_sync(&self) {
        self.writer.want_sync();
    }

    /// The last commit that survives a power cut.
    pub fn synced(&self) -> watch::Receiver<u64> {
        self.writer.synced()
    }

    /// The error that ended all writing, once there is one.
    pub fn failed(&self) -> watch::Receiver<Option<JournalError>> {
        self.writer.failed()
    }

    /// Reads on a connection of its own, away from the caller's thread.
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        let reader = self.reader.clone();
        let path = self.path.clone();
        let task = tokio::task::spawn_blocking(move || {
            let reader = reader.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            query(&reader.connection).map_err(|e| schema::read_error(&path, &e))
        });
        match task.await {
            Ok(result) => result,
            Err(_) => Err(JournalError::Read { path: self.path.to_path_buf(), reason: "the reader stopped".into() }),
        }
    }

    /// Waits until every change so far is committed.
    pub async fn flush(&self) -> Result<(), JournalError> {
        self.write(|_| Ok(())).await.map(|_| ())
    }
}
