//! One live connection of a CLI: the handshake, what it opens, and the frames that come from it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{Stream, StreamExt};
use hook_proto::wire::{self, MAX_CHUNK, ToCli, ToRelay, VERSION, WINDOW, to_cli, to_relay};
use hook_proto::{EndpointName, EventId, HandOver, Mode, ReplyBy, Settings};
use http::{Response, StatusCode};
use tokio::sync::{Notify, Semaphore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::drain;
use crate::endpoint::Endpoint;
use crate::inbox::StoredEvent;
use crate::link::{self, Beat, Heart, Outbox, Pulse};
use crate::registry::{ClaimError, TokenId};
use crate::relay::Relay;
use crate::reply::{self, Feed, ReplyBody, SenderReply};

/// Bytes read from a session at once.
const READS: usize = 8 * 1024;
/// Large bodies that one session is sent at once.
const MAX_LARGE: usize = 32;
/// An instance and a label, in bytes; both are remembered.
const MAX_WORDS: usize = 256;
/// Endpoints that one session opens, those that it closed included.
const MAX_OPENED: usize = 1000;
/// Header fields of a reply; more are no reply.
const MAX_REPLY_FIELDS: usize = 1024;

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
            let mut open = Open { relay: relay.clone(), session: session.clone(), endpoints: Vec::new(), opened: 0 };
            let ended = open.run(&mut stream, Heart::new(pulse, rand::random())).await;
            for endpoint in &open.endpoints {
                endpoint.detach(session.id);
            }
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

/// A session that said hello.
struct Open {
    relay: Arc<Relay>,
    session: Arc<Session>,
    endpoints: Vec<Arc<Endpoint>>,
    opened: usize,
}

impl Open {
    async fn run(
        &mut self,
        stream: &mut (impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin),
        mut heart: Heart,
    ) -> Ended {
        let mut nonce = 0;
        loop {
            tokio::select! {
                biased;
                frame = next_frame(stream) => {
                    heart.heard();
                    let kind = match frame.map(ToRelay::from_frame) {
                        Ok(Ok(Some(kind))) => kind,
                        Ok(Ok(None)) => continue,
                        Ok(Err(bad)) => return Ended::Misbehaved(bad.to_string()),
                        Err(ended) => return ended,
                    };
                    if let Err(ended) = self.take(kind) {
                        return ended;
                    }
                }
                beat = heart.beat() => match beat {
                    Beat::Ping => {
                        nonce += 1;
                        send(&self.session.outbox, to_cli::Kind::Ping(wire::Beat { nonce }));
                    }
                    Beat::GiveUp => return Ended::Silent,
                },
                () = self.session.end.notified() => return Ended::ByRelay,
            }
        }
    }

    fn take(&mut self, kind: to_relay::Kind) -> Result<(), Ended> {
        use to_relay::Kind;
        match kind {
            Kind::Hello(_) => return Err(Ended::Misbehaved("a second hello".into())),
            Kind::Open(open) => self.open(&open),
            Kind::Close(route) => self.close(route.route),
            Kind::Ack(ack) => ack.streams.iter().for_each(|stream| self.ack(*stream)),
            Kind::Reply(reply) => self.reply(reply)?,
            Kind::ReplyData(chunk) => self.reply_data(chunk),
            Kind::ReplyBroken(stream) => self.reply_done(stream.stream, drop),
            Kind::Credit(credit) => self.credit(credit)?,
            Kind::Ping(beat) => send(&self.session.outbox, to_cli::Kind::Pong(beat)),
            Kind::Pong(_) => {}
        }
        Ok(())
    }

    fn open(&mut self, open: &wire::Open) {
        let outbox = self.session.outbox.clone();
        let refuse = |code, message| refuse(&outbox, open.route, code, message);
        self.opened += 1;
        if self.opened > MAX_OPENED {
            return refuse("limit", "one session can hold 1000 endpoints.".into());
        }
        let settings = open.settings.unwrap_or_default();
        let bad_status = settings.queued_status != 0 && !(200..300).contains(&settings.queued_status);
        let (Ok(mode), false) = (Mode::try_from(open.mode), bad_status) else {
            return refuse("malformed", "these settings are not known to this relay.".into());
        };
        let name = if open.name.is_empty() {
            EndpointName::generated(rand::random())
        } else {
            match open.name.parse() {
                Ok(name) => name,
                Err(bad) => return refuse("name", format!("\"{}\" is not a name: {bad}.", open.name)),
            }
        };
        match self.attach(open, name, mode, settings) {
            Ok(()) => {}
            Err(ClaimError::Superseded { by, at }) => {
                send(&outbox, to_cli::Kind::Superseded(wire::Superseded { route: open.route, by, at }));
            }
            Err(ClaimError::OwnedByAnother) => {
                refuse("name", format!("name \"{}\" belongs to another token.", open.name));
            }
            Err(error) => {
                tracing::error!(%error, "an endpoint could not be claimed");
                refuse("storage", "the relay could not write its registry.".into());
            }
        }
    }

    fn attach(
        &mut self,
        open: &wire::Open,
        name: EndpointName,
        mode: Mode,
        settings: Settings,
    ) -> Result<(), ClaimError> {
        let number = open.route;
        let claimed = self.relay.claim(&name, &self.session, open.held, mode, settings)?;
        let endpoint = claimed.endpoint;
        let route = Route { session: self.session.clone(), number, epoch: claimed.epoch, backlog: Arc::default() };
        let replaced = endpoint.attach(route.clone(), mode);
        if let Some(old) = replaced.filter(|old| old.session.id != self.session.id) {
            if old.session.instance == self.session.instance {
                // Its own connection from before, dead without our knowing.
                old.session.end.notify_one();
            } else {
                let at = crate::relay::now_ms();
                let superseded = wire::Superseded { route: old.number, by: self.session.label.clone(), at };
                send(&old.session.outbox, to_cli::Kind::Superseded(superseded));
            }
        }
        let waiting = if mode == Mode::Mirror { 0 } else { self.relay.inbox.usage(&name).events };
        send(
            &self.session.outbox,
            to_cli::Kind::Opened(wire::Opened {
                route: number,
                name: name.to_string(),
                public_url: self.relay.config.url_of(&name),
                epoch: route.epoch,
                waiting,
            }),
        );
        if mode == Mode::Responder {
            tokio::spawn(drain::run(self.relay.clone(), endpoint.clone(), route));
        }
        self.endpoints.push(endpoint);
        Ok(())
    }

    fn close(&mut self, number: u32) {
        let id = self.session.id;
        self.endpoints.retain(|endpoint| {
            let ours = endpoint.attached().is_some_and(|r| r.session.id == id && r.number == number);
            if ours {
                endpoint.detach(id);
            }
            !ours
        });
    }

    fn ack(&self, stream: u64) {
        let mut streams = self.session.lock();
        let Some(tracked) = streams.get_mut(&stream) else { return };
        if !std::mem::replace(&mut tracked.acked, true) {
            self.session.unacked.fetch_sub(1, Ordering::Relaxed);
        }
        let (endpoint, event, replied) = (tracked.endpoint.clone(), tracked.event, tracked.replied);
        if replied {
            streams.remove(&stream);
        }
        drop(streams);
        endpoint.acked(event, stream, self.relay.inbox.as_ref());
    }

    fn reply(&self, reply: wire::Reply) -> Result<(), Ended> {
        let status = u16::try_from(reply.status).ok().and_then(|s| StatusCode::from_u16(s).ok());
        let Ok(by) = ReplyBy::try_from(reply.by) else {
            return Err(Ended::Misbehaved("a reply by nobody".into()));
        };
        // What cannot be said to a sender is an app's fault, and one app's fault must not end a session.
        let sayable = status.filter(|s| !s.is_informational() && reply.headers.len() <= MAX_REPLY_FIELDS);
        let status = sayable.unwrap_or(StatusCode::BAD_GATEWAY);
        let mut streams = self.session.lock();
        let Some(tracked) = streams.get_mut(&reply.stream).filter(|t| !t.replied && t.feed.is_none()) else {
            drop(streams);
            self.unwanted(reply.stream, reply.more);
            return Ok(());
        };
        let (endpoint, event) = (tracked.endpoint.clone(), tracked.event);
        let body = if reply.more {
            let (feed, body) = reply::streamed(reply.stream, self.session.outbox.clone());
            let fits = reply.body.is_empty() || feed.data(reply.body);
            tracked.feed = fits.then_some(feed);
            body
        } else {
            tracked.replied = true;
            let acked = tracked.acked;
            if acked {
                streams.remove(&reply.stream);
            }
            ReplyBody::Whole(Some(reply.body))
        };
        drop(streams);
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if sayable.is_some() {
            *response.headers_mut() = reply::header_map(&reply.headers);
        }
        endpoint.reply(event, reply.stream, StreamReply { by, response });
        Ok(())
    }

    fn reply_data(&self, chunk: wire::Chunk) {
        if chunk.end {
            self.reply_done(chunk.stream, |feed| {
                if chunk.data.is_empty() || feed.data(chunk.data) {
                    feed.end(chunk.trailers);
                }
            });
            return;
        }
        let mut streams = self.session.lock();
        if let Some(tracked) = streams.get_mut(&chunk.stream) {
            let taken = tracked.feed.as_ref().is_some_and(|feed| feed.data(chunk.data));
            if !taken {
                tracked.feed = None;
                tracked.replied = true;
                drop(streams);
                self.unwanted(chunk.stream, true);
            }
        }
    }

    fn reply_done(&self, stream: u64, end: impl FnOnce(Feed)) {
        let mut streams = self.session.lock();
        let Some(tracked) = streams.get_mut(&stream) else { return };
        tracked.replied = true;
        let feed = tracked.feed.take();
        if tracked.acked {
            streams.remove(&stream);
        }
        drop(streams);
        if let Some(feed) = feed {
            end(feed);
        }
    }

    fn unwanted(&self, stream: u64, more: bool) {
        if more {
            send(&self.session.outbox, to_cli::Kind::ReplyUnwanted(wire::Stream { stream }));
        }
    }

    fn credit(&self, credit: wire::Credit) -> Result<(), Ended> {
        let semaphore = match self.session.lock().get(&credit.stream) {
            Some(tracked) => tracked.credit.clone(),
            None => return Ok(()),
        };
        let room = semaphore.as_ref().map_or(0, |s| WINDOW.saturating_sub(s.available_permits() as u64));
        if credit.bytes > room {
            return Err(Ended::Misbehaved("more credit than was used".into()));
        }
        if let Some(semaphore) = semaphore {
            semaphore.add_permits(credit.bytes as usize);
        }
        Ok(())
    }
}

fn send(outbox: &Outbox, kind: to_cli::Kind) {
    // A full or closed lane ends the session by itself: the reader sees the socket close or the heart stop.
    let _ = outbox.urgent(ToCli::to_frame(kind));
}

fn refuse(outbox: &Outbox, route: u32, code: &str, message: String) {
    send(outbox, to_cli::Kind::Refused(wire::Refused { route, code: code.to_owned(), message, version: VERSION }));
}
