//! What happened, for whoever shows it. The engine says these and never prints; outputs consume them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::journal::{Attempt, EventRow};
use crate::provider::Change;
use crate::provider::check::Handed;
use crate::provider::sender::Judgement;

#[derive(Debug, Clone)]
pub enum Activity {
    /// The first thing that is said.
    Started(Started),
    /// A relay is being connected to.
    Connecting {
        relay: String,
    },
    /// Every endpoint is reachable. Said once.
    Ready {
        endpoints: Vec<Endpoint>,
        after: Duration,
    },
    /// The connection to the relay was lost, or could not be made.
    Reconnecting {
        attempt: u32,
        retry_in: Duration,
        error: &'static str,
        detail: String,
    },
    /// It is back.
    Reconnected {
        after: Duration,
        meanwhile: u64,
    },
    /// The machine slept.
    Slept {
        for_: Duration,
    },
    App(App),
    /// Secrets were read again because they have changed.
    Secrets(Vec<Change>),
    Event(Box<Seen>),
    /// An attempt ended.
    Attempt(Box<Tried>),
    /// The reply deadline passed; the sender heard queued and the attempt goes on.
    Slow {
        event: Arc<EventRow>,
        after: Duration,
        /// When its provider gives up: `slack gives up after 3 s`.
        limit: Option<String>,
        /// It asked for a handshake, and heard hook's answer.
        handshake: bool,
    },
    /// Something about the handshake that an event asks for.
    Handshake {
        event: Arc<EventRow>,
        what: Handshake,
    },
    /// The sender left before its reply.
    SenderLeft {
        event: Arc<EventRow>,
    },
    /// Events that stay where they are.
    Backlog {
        endpoint: String,
        waiting: u64,
        held: u64,
    },
    Trouble(Trouble),
    Stopped(Stopped),
}

#[derive(Debug, Clone)]
pub struct Started {
    pub pid: u32,
    pub journal: String,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone)]
pub struct Endpoint {
    pub name: String,
    pub public_url: String,
    pub forward_to: Vec<Forward>,
    pub mirror: bool,
    /// The relay lives in this process.
    pub embedded: bool,
    /// Whose events are checked: the provider that is pinned, or all whose secrets are known.
    pub senders: Vec<Sender>,
    /// The provider that seems to be meant, where no secret is known.
    pub likely: Option<String>,
    /// What `hook trigger` can send here, where the provider is known: `stripe payment_intent.succeeded`.
    pub sample: Option<String>,
    /// Variables that were given to the app, and where.
    pub given_to_app: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Sender {
    pub provider: String,
    /// The one that signs first.
    pub secrets: Vec<Shown>,
    /// What else has to be known about it.
    pub note: Option<String>,
}

/// A secret as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub secret: String,
    pub source: String,
}

#[derive(Debug, Clone)]
pub struct Forward {
    /// Empty: all paths.
    pub prefix: String,
    pub url: String,
    /// The target has a path of its own.
    pub has_path: bool,
    pub app: AppState,
    /// Why it is down, for people.
    pub why_down: Option<String>,
    /// Nothing listens there, but on this port of the same machine something does.
    pub other_port: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppState {
    Up(Duration),
    Down,
    Unknown,
}

/// An app came up or went down. Said once per change.
#[derive(Debug, Clone)]
pub struct App {
    /// Scheme, host and port.
    pub target: String,
    pub up: bool,
    pub error: Option<&'static str>,
    /// How long it was down.
    pub after: Duration,
    /// Events that will be forwarded now.
    pub owed: u64,
    /// Events whose sender heard that the app was down.
    pub undelivered: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handshake {
    /// hook has no answer for when the app has none: what is lacking.
    Unanswerable {
        why: String,
        /// What the person can give, so that there is one.
        param: Option<String>,
    },
    /// The provider handed over a secret: whether it is kept.
    Secret(Handed),
    /// It could not be kept, and why.
    SecretLost(String),
}

/// An event is in the journal.
#[derive(Debug, Clone)]
pub struct Seen {
    pub row: Arc<EventRow>,
    /// Only when bodies are shown.
    pub body: Option<Bytes>,
    /// No attempt will follow.
    pub settled: bool,
    /// No target has this path; those that there are have these prefixes.
    pub no_route: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Tried {
    pub row: Arc<EventRow>,
    pub attempt: Attempt,
    /// The beginning of the answer, or all that is kept when bodies are shown.
    pub body: Bytes,
    pub heard: Heard,
    /// What the sender makes of it.
    pub judgement: Judgement,
}

/// What the sender heard of this attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The app's own answer.
    App,
    /// 2xx from hook, now or before.
    Queued,
    /// That the app is down or broke off.
    BadGateway,
    /// hook's answer to a handshake, with this status.
    Handshake(u16),
    /// Nothing from this attempt.
    Nothing,
}

#[derive(Debug, Clone)]
pub struct Trouble {
    /// A word of the closed list in the JSON schema.
    pub code: &'static str,
    pub message: String,
    pub next: Option<String>,
    pub fatal: bool,
}

#[derive(Debug, Clone)]
pub struct Stopped {
    pub events: u64,
    pub ok: u64,
    pub failed: u64,
    pub undelivered: u64,
    pub owed: u64,
    pub after: Duration,
    pub reason: &'static str,
}
