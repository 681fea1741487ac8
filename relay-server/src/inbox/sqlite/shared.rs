use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hook_proto::{EndpointName, EventId};
use rusqlite::ErrorCode;

use crate::body::Body;
use crate::inbox::accounts::Accounts;
use crate::inbox::{InboxError, Limits, StoredEvent};
use crate::wal::Storage;

use super::recent::Recent;

/// How much memory may wait for a disk that does not keep up.
const MOST_QUEUED: u64 = 256 * 1024 * 1024;

/// How often an append is let through to a full disk.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What the threads of one inbox and its callers know in common.
pub(super) struct Shared {
    pub(super) limits: Limits,
    accounts: Mutex<Accounts>,
    recent: Mutex<Recent>,
    /// The deletes that were called and are not in the file yet: of which event, and at which endpoints.
    leaving: Mutex<HashMap<EventId, Vec<EndpointName>>>,
    queued: AtomicU64,
    /// When the disk was found full; an append a second looks whether it still is.
    full: Mutex<Option<Instant>>,
    broken: OnceLock<Arc<str>>,
}

impl Shared {
    pub(super) fn new(limits: Limits, accounts: Accounts) -> Self {
        Self {
            limits,
            accounts: Mutex::new(accounts),
            recent: Mutex::new(Recent::new()),
            leaving: Mutex::default(),
            queued: AtomicU64::new(0),
            full: Mutex::default(),
            broken: OnceLock::new(),
        }
    }

    pub(super) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer found the disk full, or that there is room again.
    pub(super) fn set_full(&self, full: bool) {
        let mut state = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        match (full, *state) {
            (true, None) => *state = Some(Instant::now()),
            (false, Some(_)) => *state = None,
            _ => {}
        }
    }

    pub(super) fn full(&self) -> bool {
        self.full.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Refuses what would be refused anyway, so that an event which is not kept is not handed over either.
    fn admit(&self) -> Result<(), InboxError> {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = *full {
            if since.elapsed() < LOOK_AGAIN {
                return Err(InboxError::Full("the disk is full".into()));
            }
            *full = Some(Instant::now());
        }
        Ok(())
    }

    /// Takes an event into the queue's count, or refuses it.
    pub(super) fn enqueue(&self, event: &StoredEvent) -> Result<(), InboxError> {
        self.admit()?;
        let cost = memory(event);
        if self.queued.fetch_add(cost, Ordering::Relaxed) > MOST_QUEUED {
            self.queued.fetch_sub(cost, Ordering::Relaxed);
            return Err(InboxError::Full("the disk does not keep up with what comes in".into()));
        }
        Ok(())
    }

    /// The writer has it, and decides about it now.
    pub(super) fn dequeue(&self, event: &StoredEvent) {
        self.queued.fetch_sub(memory(event), Ordering::Relaxed);
    }

    /// From now on no read shows this event.
    pub(super) fn hide(&self, endpoint: &EndpointName, id: EventId) {
        self.leaving().entry(id).or_default().push(endpoint.clone());
    }

    /// One delete of it is in the file.
    pub(super) fn unhide(&self, endpoint: &EndpointName, id: EventId) {
        let mut leaving = self.leaving();
        let Some(deletes) = leaving.get_mut(&id) else { return };
        if let Some(one) = deletes.iter().position(|at| at == endpoint) {
            deletes.swap_remove(one);
        }
        if deletes.is_empty() {
            leaving.remove(&id);
        }
    }

    /// What is hidden at this endpoint. Ask before reading the file: a delete that is in the file by then is not in here any more.
    pub(super) fn hidden_at(&self, endpoint: &EndpointName) -> HashSet<EventId> {
        self.leaving().iter().filter(|(_, deletes)| deletes.contains(endpoint)).map(|(id, _)| *id).collect()
    }

    /// At which endpoints this event is hidden. Ask before reading the file.
    pub(super) fn hiding(&self, id: EventId) -> Vec<EndpointName> {
        self.leaving().get(&id).cloned().unwrap_or_default()
    }

    fn leaving(&self) -> MutexGuard<'_, HashMap<EventId, Vec<EndpointName>>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn broken(&self) -> Option<InboxError> {
        self.broken.get().map(|why| InboxError::Broken(Arc::clone(why)))
    }

    /// How the storage failed, once it has.
    pub(super) fn failure(&self) -> InboxError {
        self.broken().unwrap_or_else(|| self.poison("the write-ahead log could not be emptied"))
    }

    /// The storage failed: nothing is accepted from now on. The first reason is the one that is told.
    pub(super) fn poison(&self, why: &str) -> InboxError {
        let first = self.broken.get_or_init(|| {
            tracing::error!(why, "the inbox's storage failed; nothing more is accepted until the relay is restarted");
            why.into()
        });
        InboxError::Broken(Arc::clone(first))
    }

    /// What an error of SQLite means here.
    pub(super) fn judge(&self, error: &rusqlite::Error) -> InboxError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => InboxError::Full("the disk is full".into()),
            // The wal-index is a file that grows too; it holds nothing that has to last.
            _ if error.sqlite_extended_error_code() == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => {
                InboxError::Full("the disk is full".into())
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                InboxError::Full("another program holds the database".into())
            }
            _ => self.poison(&error.to_string()),
        }
    }
}

impl Storage for Shared {
    fn has_failed(&self) -> bool {
        self.broken.get().is_some()
    }

    fn fails(&self, error: &rusqlite::Error) -> bool {
        matches!(self.judge(error), InboxError::Broken(_))
    }
}

/// What a queued event takes of this process's memory, roughly.
fn memory(event: &StoredEvent) -> u64 {
    let body = match &event.body {
        Body::Memory(bytes) => bytes.len() as u64,
        Body::Spooled(_) => 0,
    };
    event.size() - event.body.len() + body + 512
}
