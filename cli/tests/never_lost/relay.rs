//! The relay as a program: the real server with a real inbox, whose commits a test may hold back.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hook_proto::{EndpointName, EventId, Settings};
use hook_relay_server::inbox::{Answer, Inbox, Limits, MemoryInbox, Pending, SqliteInbox, StoredEvent, Usage};
use hook_relay_server::registry::{Registry, Run, TokenId};
use hook_relay_server::{Access, Config, Relay};
use tokio::net::TcpListener;

use crate::lock;
use crate::program::Program;

pub struct RelayProgram {
    pub program: Program,
    pub inbox: Arc<Gated>,
    pub port: u16,
}

impl RelayProgram {
    pub fn start(dir: &Path, embedded: bool) -> Self {
        let program = Program::new();
        let spool: Arc<Path> = dir.join("spool").into();
        std::fs::create_dir_all(&spool).expect("a directory");
        let (inbox, registry): (Box<dyn Inbox>, _) = if embedded {
            (Box::new(MemoryInbox::new(Limits::default())), Registry::in_memory().expect("a registry"))
        } else {
            let inbox = SqliteInbox::open(dir, spool.clone(), Limits::default()).expect("an inbox");
            (Box::new(inbox), Registry::open(dir).expect("a registry"))
        };
        registry
            .claim(&crate::endpoint(), TokenId::LOCAL, Settings::default(), Run::default(), 0)
            .expect("the endpoint is there before anybody sends to it");
        let inbox = Arc::new(Gated::new(inbox));
        let listener = program.run(TcpListener::bind(("127.0.0.1", 0))).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let config = Config {
            public_url: format!("http://127.0.0.1:{port}").parse().expect("a URL"),
            access: Access::Open,
            trusted_proxies: Vec::new(),
            max_body: Config::DEFAULT_MAX_BODY,
            spool,
            reply_cap: Config::DEFAULT_REPLY_CAP,
        };
        let relay = Arc::new(Relay::new(config, inbox.clone(), registry));
        program.spawn(hook_relay_server::run(listener, relay, std::future::pending()));
        Self { program, inbox, port }
    }

    /// Lets the oldest append that is held back be committed.
    pub fn commit_one(&self) {
        let next = lock(&self.inbox.held).pop_front();
        if let Some((event, answer)) = next {
            answer.give(self.program.run(self.inbox.inner.append(event)));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.inbox.total().events == 0
    }

    /// Waits until its threads have done what was asked of them.
    pub fn settle(&self) {
        if self.inbox.open.load(Ordering::Relaxed) {
            while !lock(&self.inbox.held).is_empty() {
                self.commit_one();
            }
        }
        let _ = self.program.run(self.inbox.inner.next(&crate::endpoint(), 0, 1));
    }
}

/// An inbox that stores an event when it is let: what waits is lost with the process, as an fsync that never came.
pub struct Gated {
    inner: Box<dyn Inbox>,
    pub open: AtomicBool,
    held: Mutex<VecDeque<(Arc<StoredEvent>, Answer<u64>)>>,
}

impl Gated {
    fn new(inner: Box<dyn Inbox>) -> Self {
        Self { inner, open: AtomicBool::new(true), held: Mutex::default() }
    }
}

impl Inbox for Gated {
    fn durable(&self) -> bool {
        self.inner.durable()
    }

    fn broken(&self) -> bool {
        self.inner.broken()
    }

    fn full(&self) -> bool {
        self.inner.full()
    }

    fn append(&self, event: Arc<StoredEvent>) -> Pending<u64> {
        // Memory has nothing to wait for.
        if !self.durable() {
            return self.inner.append(event);
        }
        let (answer, pending) = Pending::new();
        lock(&self.held).push_back((event, answer));
        pending
    }

    fn delete(&self, endpoint: &EndpointName, id: EventId) {
        self.inner.delete(endpoint, id);
    }

    fn next(&self, endpoint: &EndpointName, after: u64, limit: usize) -> Pending<Vec<(u64, EventId)>> {
        self.inner.next(endpoint, after, limit)
    }

    fn load(&self, id: EventId) -> Pending<Option<Arc<StoredEvent>>> {
        self.inner.load(id)
    }

    fn usage(&self, endpoint: &EndpointName) -> Usage {
        self.inner.usage(endpoint)
    }

    fn total(&self) -> Usage {
        self.inner.total()
    }

    fn endpoints(&self) -> Vec<(EndpointName, Usage)> {
        self.inner.endpoints()
    }
}
