//! Makes commits survive a power cut, when somebody waits for that, on a thread of its own: no commit waits for the disk.
//!
//! A commit is in the write-ahead log before it is answered, so an fdatasync of that file makes it durable, through whatever
//! descriptor. What a checkpoint has moved out of the log meanwhile, SQLite synced itself.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::writer::Commit;

/// How long a commit may wait for more to come.
const WITHIN: Duration = Duration::from_millis(100);
/// Commits that do not wait.
const ENOUGH: u64 = 128;

/// What the writer, whoever waits for a sync, and the thread know in common.
#[derive(Default)]
pub struct Sync {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    committed: Commit,
    synced: Commit,
    /// When the first commit came that is not synced.
    since: Option<Instant>,
    wanted: bool,
    closed: bool,
    sleeps: bool,
}

impl Sync {
    pub fn want(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.wanted, true) {
            self.wake(state);
        }
    }

    pub fn committed(&self, commit: Commit) {
        let mut state = self.lock();
        state.committed = commit;
        let first = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        if state.wanted && (first || state.committed - state.synced == ENOUGH) {
            self.wake(state);
        }
    }

    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake(state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, state: MutexGuard<'_, State>) {
        let sleeps = state.sleeps;
        drop(state);
        if sleeps {
            self.changed.notify_one();
        }
    }

    /// Waits until a sync is due; gives the last commit that it will cover. `None`: closed.
    fn due(&self) -> Option<Commit> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let left = state.since.filter(|_| state.wanted).map(|since| WITHIN.saturating_sub(since.elapsed()));
            let enough = state.committed - state.synced >= ENOUGH;
            match left {
                Some(left) if left.is_zero() || enough => {
                    state.wanted = false;
                    state.since = None;
                    return Some(state.committed);
                }
                _ => {}
            }
            state.sleeps = true;
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
            state.sleeps = false;
        }
    }
}

/// The work of the thread. `failed` is told of an fsync that failed; none follows it, for it would lie.
pub fn run(sync: &Arc<Sync>, database: &Path, synced: &watch::Sender<Commit>, failed: impl FnOnce(io::Error)) {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    // The log may be new, and so its name.
    let mut named = false;
    while let Some(commit) = sync.due() {
        let mut outcome = File::open(&log).and_then(|log| sync_data(&log));
        if !std::mem::replace(&mut named, true) {
            let dir = database.parent().unwrap_or(Path::new("."));
            outcome = outcome.and_then(|()| File::open(dir)?.sync_all());
        }
        if let Err(error) = outcome {
            return failed(error);
        }
        sync.lock().synced = commit;
        synced.send_replace(commit);
    }
}

fn sync_data(log: &File) -> io::Result<()> {
    #[cfg(hook_sabotage)]
    if hook_relay_server::sabotage::is("sync-normal") {
        return Ok(());
    }
    log.sync_data()
}
