//! One live connection of a CLI: its hello, and what it is remembered by. What it opens is in `open`, what it says of events in `events`.

mod events;
mod open;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{Stream, StreamExt};
use hook_proto::wire::{self, MAX_CHUNK, ToCli, ToRelay, VERSION, WINDOW, to_cli, to_relay};
use hook_proto::{EventId, HandOver, ReplyBy};
use tokio::sync::{Notify, Semaphore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::endpoint::Endpoint;
use crate::inbox::StoredEvent;
use crate::link::{self, Heart, Outbox, Pulse};
use crate::registry::TokenId;
use crate::relay::Relay;
use crate::reply::{Feed, SenderReply};
use open::Open;

/// Bytes read from a session at once.
const READS: usize = 8 * 1024;
/// Large bodies that one session is sent at once.
const MAX_LARGE: usize = 32;
/// An instance and a label, in bytes; both are remembered.
const MAX_WORDS: usize = 256;

pub struct Session {
    pub id: u64,
    pub instance: String,
    pub label: String,
    pub owner: TokenId,
    pub outbox: Outbox,
    /// Ends the session from outside: a revoked token, a relay that stops.
    pub end: Notify,
    streams: Mutex<Streams>,
    unacked: AtomicUsize,
    /// Large bodies on their way out at once.
    pub large: Arc<Semaphore>,
}

/// A session's place at an endpoint.
#[derive(Clone)]
pub struct Route {
    pub session: Arc<Session>,
    pub number: u32,
    pub epoch: u64,
    /// There is something in the inbox to hand over, or this place was lost.
    pub backlog: Arc<Notify>,
}

/// Hand-overs by their numbers, which are ours.
type Streams = HashMap<u64, Tracked, foldhash::fast::RandomState>;

/// A hand-over that the CLI may still speak of.
struct Tracked {
    endpoint: Arc<Endpoint>,
    event: EventId,
    /// For the event's body, when that is sent in chunks.
    credit: Option<Arc<Semaphore>>,
    /// For the reply's body.
    feed: Option<Feed>,
    acked: bool,
    replied: bool,
}

pub struct StreamReply {
    pub by: ReplyBy,
    pub response: SenderReply,
}

/// Why a session ended, for the log.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("closed by the CLI")]
    Closed,
    #[error("silent for too long")]
    Silent,
    #[error("ended by the relay")]
    ByRelay,
    #[error("the CLI broke the protocol: {0}")]
    Misbehaved(String),
    #[error("connection failed: {0}")]
    Socket(#[from] tungstenite::Error),
    #[error("refused: {0}")]
    Refused(&'static str),
}

impl Session {
    /// Remembers a hand-over before its first frame leaves.
    pub fn track(&self, stream: u64, state: HandOver, endpoint: &Arc<Endpoint>, event: &StoredEvent) {
        let chunked = event.body.len() > MAX_CHUNK as u64;
        let (credit, event) = (chunked.then(|| Arc::new(Semaphore::new(WINDOW as usize))), event.id);
        let replied = state != HandOver::Awaited;
        let tracked = Tracked { endpoint: endpoint.clone(), event, credit, feed: None, acked: false, replied };
        self.unacked.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(stream, tracked);
    }

    pub fn credit(&self, stream: u64) -> Option<Arc<Semaphore>> {
        self.lock().get(&stream)?.credit.clone()
    }

    pub fn untrack(&self, stream: u64) {
        if self.lock().remove(&stream).is_some_and(|t| !t.acked) {
            self.unacked.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many hand-overs wait for their ack.
    pub fn unacked(&self) -> usize {
        self.unacked.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Serves a session until it ends; then its endpoints are free and its senders hear queued.
pub async fn serve<S>(relay: Arc<Relay>, owner: TokenId, stream: S)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(link::websocket_config(READS))).await;
    match run(relay, owner, socket).await {
        Ended::Misbehaved(what) => tracing::warn!(what, "a session broke the protocol"),
        ended => tracing::info!(%ended, "a session ended"),
    }
}

async fn run<S>(relay: Arc<Relay>, owner: TokenId, socket: WebSocketStream<S>) -> Ended
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sink, mut stream) = socket.split();
    let (outbox, lanes) = link::outbox();
    let pulse = Arc::new(Pulse::default());
    let mut writer = tokio::spawn(link::write(sink, lanes, pulse.clone()));
    let ended = match greet(&mut stream, &outbox).await {
        Err(ended) => ended,
        Ok(hello) => {
            let session = Arc::new(Session {
                id: relay.next_stream(),
                instance: hello.instance,
                label: hello.label,
                owner,
                outbox: outbox.clone(),
                end: Notify::new(),
                streams: Mutex::default(),
                unacked: AtomicUsize::new(0),
                large: Arc::new(Semaphore::new(MAX_LARGE)),
            });
            relay.session_began(&session);
            let mut open = Open::new(relay.clone(), session.clone());
            let ended = open.run(&mut stream, Heart::new(pulse, rand::random())).await;
            open.detach_all();
            relay.session_ended(&session);
            // The streams hold the outbox through their feeds, and tasks that wait for credit hold it too;
            // the writer ends when the last one is gone.
            session.lock().drain().filter_map(|(_, tracked)| tracked.credit).for_each(|credit| credit.close());
            ended
        }
    };
    drop(outbox);
    // What is queued (a refusal, a last reply) gets a moment to leave; a dead socket gets none.
    if tokio::time::timeout(std::time::Duration::from_secs(1), &mut writer).await.is_err() {
        writer.abort();
    }
    ended
}

async fn greet(
    stream: &mut (impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin),
    outbox: &Outbox,
) -> Result<wire::Hello, Ended> {
    let first = tokio::time::timeout(std::time::Duration::from_secs(10), next_frame(stream)).await;
    let frame = first.map_err(|_| Ended::Silent)??;
    let Ok(Some(to_relay::Kind::Hello(hello))) = ToRelay::from_frame(frame) else {
        return Err(Ended::Misbehaved("its first message is not a hello".into()));
    };
    if hello.version != VERSION {
        let message = format!(
            "this relay (hook {}) speaks version {VERSION} of the protocol, and this CLI ({}) version {}.",
            env!("CARGO_PKG_VERSION"),
            hello.software,
            hello.version
        );
        refuse(outbox, 0, "version", message);
        return Err(Ended::Refused("another protocol version"));
    }
    if hello.instance.len() > MAX_WORDS || hello.label.len() > MAX_WORDS {
        return Err(Ended::Misbehaved("an instance or label that is too long".into()));
    }
    let software = concat!("hook ", env!("CARGO_PKG_VERSION")).to_owned();
    send(outbox, to_cli::Kind::Welcome(wire::Welcome { version: VERSION, software }));
    Ok(hello)
}

/// The next binary message. Text is not of this protocol; pings and pongs of the websocket itself are answered below us.
async fn next_frame(
    stream: &mut (impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin),
) -> Result<bytes::Bytes, Ended> {
    loop {
        match stream.next().await {
            None | Some(Ok(Message::Close(_))) => return Err(Ended::Closed),
            Some(Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed)) => {
                return Err(Ended::Closed);
            }
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(Message::Binary(frame))) => return Ok(frame),
            Some(Ok(Message::Text(_))) => return Err(Ended::Misbehaved("a text message".into())),
            Some(Ok(_)) => {}
        }
    }
}

fn send(outbox: &Outbox, kind: to_cli::Kind) {
    // A full or closed lane ends the session by itself: the reader sees the socket close or the heart stop.
    let _ = outbox.urgent(ToCli::to_frame(kind));
}

fn refuse(outbox: &Outbox, route: u32, code: &str, message: String) {
    send(outbox, to_cli::Kind::Refused(wire::Refused { route, code: code.to_owned(), message, version: VERSION }));
}
