//! One target of one endpoint: its queue, and whether its app is up.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use hook_proto::EventId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Engine;
use super::deliver;
use super::endpoint::{DEFAULT_CONCURRENCY, Endpoint, Options};
use super::queue::{Next, Place, Queue, Ticket};
use crate::activity::{Activity, App};
use crate::forward::{Client, ConnectError};
use crate::journal::{self, State};

/// How often an app that is down is looked for.
const PROBE: Duration = Duration::from_millis(500);

pub struct Lane {
    pub engine: Arc<Engine>,
    endpoint: Weak<Endpoint>,
    pub client: Client,
    queue: Mutex<Queue<oneshot::Sender<Go>>>,
    app: Mutex<AppSeen>,
}

/// What whoever has a live event in hand waits for; a queue that was stopped says nothing more.
pub enum Go {
    /// It is its turn: a place to run is taken.
    Now,
    /// Its sender heard queued, so it is owed, by this number.
    Owed(u64),
}

#[derive(Default)]
struct AppSeen {
    down_since: Option<Instant>,
    /// Events whose sender heard so meanwhile.
    undelivered: u64,
}

/// One of the places in which attempts run. The next event has it once the end of an attempt is on its way into the journal, for
/// whatever follows is written behind that.
pub struct Slot<'a> {
    lane: &'a Arc<Lane>,
    release: Option<fn(&mut Queue<oneshot::Sender<Go>>)>,
}

impl Slot<'_> {
    /// The place of a live event whose turn it is.
    pub fn live(lane: &Arc<Lane>) -> Slot<'_> {
        Slot { lane, release: Some(Queue::live_done) }
    }

    pub fn free(&mut self) {
        if let Some(release) = self.release.take() {
            release(&mut lock(&self.lane.queue));
            self.lane.pump();
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.free();
    }
}

impl Lane {
    pub fn new(engine: Arc<Engine>, endpoint: Weak<Endpoint>, client: Client, options: &Options) -> Arc<Self> {
        let live = options.concurrency.unwrap_or(DEFAULT_CONCURRENCY);
        let queue = Mutex::new(Queue::new(live, options.concurrency.unwrap_or(1)));
        Arc::new(Self { engine, endpoint, client, queue, app: Mutex::default() })
    }

    pub fn endpoint(&self) -> Option<Arc<Endpoint>> {
        self.endpoint.upgrade()
    }

    /// A live event is on its way into the journal; its place in the order is taken now.
    pub fn expect_live(&self, id: EventId) -> Ticket {
        lock(&self.queue).expect_live(id)
    }

    /// It is in the journal, and waits for its turn.
    pub fn fill_live(self: &Arc<Self>, ticket: Ticket) -> oneshot::Receiver<Go> {
        let (waiting, go) = oneshot::channel();
        let back = lock(&self.queue).fill_live(ticket, waiting);
        if let Some((waiting, Some(seq))) = back {
            let _ = waiting.send(Go::Owed(seq));
        }
        self.pump();
        go
    }

    /// Older ones turned out to be owed: it waits for its turn again.
    pub fn put_back_live(&self, id: EventId, ticket: Ticket) -> oneshot::Receiver<Go> {
        let (waiting, go) = oneshot::channel();
        lock(&self.queue).put_back_live(id, ticket, waiting);
        go
    }

    /// Nobody has it in hand any more.
    pub fn let_go(&self, id: EventId) {
        lock(&self.queue).let_go(id);
    }

    /// It will not be forwarded as a live one.
    pub fn drop_live(self: &Arc<Self>, ticket: Ticket, id: EventId) {
        lock(&self.queue).drop_live(ticket, id);
        self.pump();
    }

    /// An event that will be owed is on its way into the journal.
    pub fn expect_owed(&self, id: EventId) {
        lock(&self.queue).expect_owed(id);
    }

    pub fn drop_owed(self: &Arc<Self>, id: EventId) {
        lock(&self.queue).drop_owed(id);
        self.pump();
    }

    /// Queues what is owed; what is beyond `--max-backlog` is held.
    pub async fn push_owed(self: &Arc<Self>, id: EventId, seq: u64) {
        lock(&self.queue).push_owed(id, seq);
        self.hold_beyond().await;
        self.pump();
    }

    /// Queues an event that the relay hands over as queued; a live one that waits goes to its place among the owed.
    pub async fn turn_owed(self: &Arc<Self>, id: EventId, seq: u64) {
        let waiting = lock(&self.queue).turn_owed(id, seq);
        self.tell_owed(waiting, seq).await;
    }

    /// Queues an event that was in the journal before this hand-over of it.
    pub async fn known_owed(self: &Arc<Self>, place: Place, id: EventId, seq: u64) {
        let waiting = lock(&self.queue).known_owed(place, id, seq);
        self.tell_owed(waiting, seq).await;
    }

    async fn tell_owed(self: &Arc<Self>, waiting: Option<oneshot::Sender<Go>>, seq: u64) {
        if let Some(waiting) = waiting {
            let _ = waiting.send(Go::Owed(seq));
        }
        self.hold_beyond().await;
        self.pump();
    }

    /// The relay handed over all that it held.
    pub fn caught_up(self: &Arc<Self>) {
        lock(&self.queue).caught_up();
        self.pump();
    }

    pub fn behind(&self) {
        lock(&self.queue).behind();
    }

    /// Ends what is running and starts nothing more.
    pub fn stop(&self) {
        lock(&self.queue).stop();
    }

    pub fn owed(&self) -> usize {
        lock(&self.queue).owed_len()
    }

    pub fn is_down(&self) -> bool {
        lock(&self.queue).down
    }

    /// Starts whatever may start.
    pub fn pump(self: &Arc<Self>) {
        loop {
            // Bound in its own statement, so that the lock is gone before anything is spawned.
            let next = lock(&self.queue).next();
            match next {
                None => return,
                Some(Next::Live(waiting)) => {
                    if waiting.send(Go::Now).is_err() {
                        lock(&self.queue).live_done();
                    }
                }
                Some(Next::Owed(id, seq)) => {
                    let lane = self.clone();
                    tokio::spawn(async move {
                        let mut slot = Slot { lane: &lane, release: Some(Queue::owed_done) };
                        deliver::owed(&lane, id, seq, &mut slot).await;
                        lock(&lane.queue).let_go(id);
                    });
                }
            }
        }
    }

    /// It is owed now, and waits among those.
    pub async fn owed_now(self: &Arc<Self>, id: EventId, seq: u64) {
        self.still_owed(id, seq).await;
        self.pump();
    }

    /// Puts an event back in its place in the order, because nothing was sent.
    pub async fn still_owed(self: &Arc<Self>, id: EventId, seq: u64) {
        lock(&self.queue).put_back(id, seq);
        self.hold_beyond().await;
    }

    pub fn told_down(&self) {
        lock(&self.app).undelivered += 1;
    }

    /// The app could not be connected to. Says so once, and looks for it until it is back.
    pub fn went_down(self: &Arc<Self>, error: &ConnectError) {
        lock(&self.queue).down = true;
        {
            let mut app = lock(&self.app);
            if app.down_since.is_some() {
                return;
            }
            app.down_since = Some(Instant::now());
        }
        self.engine.emit(Activity::App(App {
            target: self.client.target.origin(),
            up: false,
            error: Some(error.code()),
            after: Duration::ZERO,
            owed: self.owed() as u64,
            undelivered: 0,
        }));
        let lane = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PROBE).await;
                let Some(lane) = lane.upgrade() else { return };
                // The whole way, so that an app that takes connections but no TLS of ours does not flicker.
                if lane.client.fresh().await.is_ok() {
                    return lane.came_up();
                }
            }
        });
    }

    /// The app took a connection.
    pub fn came_up(self: &Arc<Self>) {
        lock(&self.queue).down = false;
        let seen = std::mem::take(&mut *lock(&self.app));
        if let Some(since) = seen.down_since {
            self.engine.emit(Activity::App(App {
                target: self.client.target.origin(),
                up: true,
                error: None,
                after: since.elapsed(),
                owed: self.owed() as u64,
                undelivered: seen.undelivered,
            }));
        }
        self.pump();
    }

    async fn hold_beyond(&self) {
        let Some(endpoint) = self.endpoint() else { return };
        let Some(limit) = endpoint.options.max_backlog else { return };
        let (beyond, waiting) = {
            let mut queue = lock(&self.queue);
            (queue.beyond(limit), queue.owed_len())
        };
        if beyond.is_empty() {
            return;
        }
        let held = beyond.len() as u64;
        let change =
            move |c: &rusqlite::Connection| beyond.iter().try_for_each(|seq| journal::settle(c, *seq, State::Held));
        match self.engine.journal.write(change).await {
            Ok(_) => {
                let endpoint = endpoint.name.clone();
                self.engine.emit(Activity::Backlog { endpoint, waiting: waiting as u64, held });
            }
            Err(error) => self.engine.journal_failed(&error),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
