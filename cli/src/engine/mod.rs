//! From a hand-over to an ended attempt: journal, turn, forward, reply. Emits activities and never prints.

mod check;
mod deadline;
mod deliver;
mod down;
mod endpoint;
mod explain;
mod fetch;
mod handshake;
mod intake;
mod lane;
mod memory;
mod outgoing;
mod queue;
mod reply;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hook_providers::Recipe;
use tokio::sync::{Semaphore, mpsc};

pub use endpoint::{Endpoint, Options, Way};
pub use fetch::Errand;
pub use intake::{Body, Incoming};
pub use lane::Lane;
pub use memory::Reserved;

use crate::activity::{Activity, Trouble};
use crate::journal::{EventRow, Journal, JournalError};
use crate::provider::Checker;
use explain::Explaining;
use fetch::Fetching;
use memory::Memory;

/// Secrets that providers hand over are kept so many at once; each waits for a file.
const KEEPING: usize = 8;

/// What everything in the engine shares.
pub struct Engine {
    pub journal: Journal,
    /// This process, in the journal.
    pub owner: String,
    pub project: String,
    /// Who sends, and whether it is signed right.
    pub checker: Arc<Checker>,
    activities: mpsc::UnboundedSender<Activity>,
    /// Outputs show bodies, so activities carry them.
    pub bodies: bool,
    /// For large bodies.
    pub memory: Memory,
    explaining: Explaining,
    /// Secrets that are being kept: so many at once.
    keeping: Arc<Semaphore>,
    fetching: Fetching,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    running: Arc<AtomicU64>,
    waiting: Arc<AtomicU64>,
    stopping: AtomicBool,
    came_while_away: AtomicU64,
}

impl Engine {
    pub fn new(
        journal: Journal,
        owner: String,
        project: String,
        checker: Arc<Checker>,
        activities: mpsc::UnboundedSender<Activity>,
        bodies: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            journal,
            owner,
            project,
            checker,
            activities,
            bodies,
            memory: Memory::new(),
            explaining: Explaining::new(),
            keeping: Arc::new(Semaphore::new(KEEPING)),
            fetching: Fetching::new(),
            counts: Counts::default(),
        })
    }

    pub fn emit(&self, activity: Activity) {
        // Nobody listens any more: the process is about to end.
        let _ = self.activities.send(activity);
    }

    /// Who sent an event, if it was recognised.
    fn recipe(&self, event: &EventRow) -> Option<&Recipe> {
        self.checker.providers.get(event.provider.as_deref()?)
    }

    /// Attempts under way.
    pub fn running(&self) -> u64 {
        self.counts.running.load(Ordering::Acquire)
    }

    /// Live events that wait for their turn.
    pub fn waiting(&self) -> u64 {
        self.counts.waiting.load(Ordering::Acquire)
    }

    /// From now on hand-overs are left with the relay.
    pub fn stop_taking(&self) {
        self.counts.stopping.store(true, Ordering::Release);
    }

    /// New events so far whose sender heard queued before they came here.
    pub fn came_while_away(&self) -> u64 {
        self.counts.came_while_away.load(Ordering::Acquire)
    }

    fn is_stopping(&self) -> bool {
        self.counts.stopping.load(Ordering::Acquire)
    }

    fn begin(&self) -> Counted {
        Counted::new(&self.counts.running)
    }

    fn wait(&self) -> Counted {
        Counted::new(&self.counts.waiting)
    }

    /// Says that the journal failed at something.
    pub fn trouble(&self, error: &JournalError) {
        self.journal_failed(error);
    }

    fn journal_failed(&self, error: &JournalError) {
        self.emit(Activity::Trouble(Trouble {
            code: "journal",
            message: error.to_string(),
            next: Some(error.next()),
            fatal: false,
        }));
    }
}

/// Counts something in for as long as it lives.
struct Counted(Arc<AtomicU64>);

impl Counted {
    fn new(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
