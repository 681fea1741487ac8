//! One connection, from its hello to its end: frames in, hand-overs to the engine, acks out.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use hook_proto::wire::{self, ToCli, ToRelay, VERSION, WINDOW, to_cli, to_relay};
use hook_proto::{EventId, HandOver, Mode};
use hook_relay_server::link::{self, Beat, Heart, Outbox, Pulse};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{self, Message};

use super::connect::Socket;
use super::gather::gather;
use super::replier::{Replier, WeakReplier};
use super::taken::{Handed, start_acks};
use super::{Ended, Session, Wanted};
use crate::activity::Activity;
use crate::engine::{Body, Endpoint, Engine, Incoming};
use crate::failure::{Exit, Failure};
use crate::journal::Commit;
use crate::platform;

const HANDSHAKE: Duration = Duration::from_secs(10);
/// Header fields that a relay may hand over; its own limit is far below.
const MAX_FIELDS: usize = 1024;
/// A body that a relay may announce; its own limit is far below.
const MAX_BODY: u64 = 1 << 30;

/// `opened` is called once every endpoint is open; it says for how long there was no connection, when there was one before.
pub async fn run(
    session: &mut Session,
    socket: Socket,
    mut opened: impl FnMut(&Session, &[String]) -> Option<Duration>,
) -> Ended {
    let (sink, stream) = socket.split();
    let (outbox, lanes) = link::outbox();
    let pulse = Arc::new(Pulse::default());
    let mut writer = tokio::spawn(link::write(sink, lanes, pulse.clone()));
    let mut connection = Connection {
        engine: session.engine.clone(),
        acks: start_acks(&session.engine, &outbox),
        outbox: outbox.clone(),
        routes: session.wanted.iter().map(|w| Route { wanted: w.clone(), epoch: None, url: String::new() }).collect(),
        repliers: HashMap::new(),
        sweep_at: 256,
        growing: HashMap::new(),
        was_away: None,
        behind: session.wanted.iter().filter(|w| !w.endpoint.options.mirror).count(),
        known_before: session.engine.came_while_away(),
        announced: false,
        go_away: None,
    };
    let ended = connection.serve(session, Reader(stream), Heart::new(pulse, rand::random()), &mut opened).await;
    connection.repliers.values().filter_map(WeakReplier::upgrade).for_each(|r| r.lost());
    drop(connection);
    drop(outbox);
    // The last frames get a moment; a dead socket gets no more.
    if tokio::time::timeout(Duration::from_millis(200), &mut writer).await.is_err() {
        writer.abort();
    }
    ended
}

struct Reader(SplitStream<Socket>);

impl Reader {
    async fn next(&mut self) -> Result<Bytes, Ended> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(frame))) => return Ok(frame),
                Some(Ok(Message::Close(_))) | None => return Err(lost("closed", "the relay closed the connection")),
                Some(Ok(Message::Text(_))) => return Err(lost("protocol", "the relay sent a text message")),
                Some(Ok(_)) => {}
                Some(Err(tungstenite::Error::Io(error))) => return Err(lost("closed", crate::text::io(&error))),
                Some(Err(_)) => return Err(lost("closed", "the relay is gone")),
            }
        }
    }
}

fn lost(error: &'static str, detail: impl ToString) -> Ended {
    Ended::Lost { error, detail: detail.to_string(), wait: None }
}

struct Route {
    wanted: Wanted,
    /// Set once the relay confirmed it.
    epoch: Option<u64>,
    url: String,
}

struct Connection {
    engine: Arc<Engine>,
    outbox: Outbox,
    acks: mpsc::UnboundedSender<(Commit, u64)>,
    /// By route number less one.
    routes: Vec<Route>,
    repliers: HashMap<u64, WeakReplier>,
    /// Answered ones are swept out when there are this many.
    sweep_at: usize,
    /// Large bodies on their way in.
    growing: HashMap<u64, (mpsc::UnboundedSender<wire::Chunk>, Arc<AtomicU64>)>,
    /// For how long there was no connection, until that has been said.
    was_away: Option<Duration>,
    /// Endpoints whose inbox is not handed over yet.
    behind: usize,
    known_before: u64,
    announced: bool,
    /// Why and for how long the relay will be gone.
    go_away: Option<(String, Duration)>,
}

impl Connection {
    async fn serve(
        &mut self,
        session: &mut Session,
        mut reader: Reader,
        mut heart: Heart,
        opened: &mut impl FnMut(&Session, &[String]) -> Option<Duration>,
    ) -> Ended {
        if let Err(ended) = self.greet(session, &mut reader).await {
            return ended;
        }
        for (i, route) in self.routes.iter().enumerate() {
            let mode = if route.wanted.endpoint.options.mirror { Mode::Mirror } else { Mode::Responder };
            self.send(to_relay::Kind::Open(wire::Open {
                route: i as u32 + 1,
                name: route.wanted.endpoint.name.clone(),
                mode: mode.into(),
                settings: Some(route.wanted.settings),
                held: route.wanted.held,
            }));
        }
        let mut nonce = 0;
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut clock = platform::clock_through_sleep();
        loop {
            tokio::select! {
                biased;
                frame = reader.next() => {
                    heart.heard();
                    let kind = match frame.map(ToCli::from_frame) {
                        Ok(Ok(Some(kind))) => kind,
                        Ok(Ok(None)) => continue,
                        Ok(Err(bad)) => return lost("protocol", bad),
                        Err(Ended::Lost { error, detail, wait }) => {
                            let said = self.go_away.take();
                            let detail = said.as_ref().map_or(detail, |(reason, _)| reason.clone());
                            return Ended::Lost { error, detail, wait: said.map(|(_, wait)| wait).or(wait) };
                        }
                        Err(ended) => return ended,
                    };
                    if let Err(ended) = self.take(session, kind) {
                        return ended;
                    }
                    if !self.announced && self.routes.iter().all(|r| r.epoch.is_some()) {
                        self.announced = true;
                        let urls: Vec<String> = self.routes.iter().map(|r| r.url.clone()).collect();
                        self.was_away = opened(session, &urls);
                        self.say_if_back();
                    }
                }
                beat = heart.beat() => match beat {
                    Beat::Ping => { nonce += 1; self.send(to_relay::Kind::Ping(wire::Beat { nonce })); }
                    Beat::GiveUp => return lost("silent", "the relay has not answered for 10 s"),
                },
                _ = second.tick() => {
                    let now = platform::clock_through_sleep();
                    let slept = now.saturating_sub(clock);
                    clock = now;
                    if slept > Duration::from_secs(6) {
                        self.engine.emit(Activity::Slept { for_: slept });
                        heart.doubt();
                    }
                }
            }
        }
    }

    async fn greet(&self, session: &Session, reader: &mut Reader) -> Result<(), Ended> {
        self.send(to_relay::Kind::Hello(wire::Hello {
            version: VERSION,
            software: concat!("hook ", env!("CARGO_PKG_VERSION")).into(),
            instance: session.instance.clone(),
            label: platform::label(),
        }));
        let first = tokio::time::timeout(HANDSHAKE, reader.next()).await;
        let frame = first.map_err(|_| lost("timeout", "the relay did not answer our hello"))??;
        match ToCli::from_frame(frame) {
            Ok(Some(to_cli::Kind::Welcome(_))) => Ok(()),
            Ok(Some(to_cli::Kind::Refused(refused))) => Err(Ended::Finished(self.refused(session, &refused))),
            _ => Err(lost("protocol", "the relay's first message is no welcome")),
        }
    }

    fn take(&mut self, session: &mut Session, kind: to_cli::Kind) -> Result<(), Ended> {
        use to_cli::Kind;
        match kind {
            Kind::Opened(opened) => {
                if let Some(route) = self.routes.get_mut(opened.route.wrapping_sub(1) as usize) {
                    route.epoch = Some(opened.epoch);
                    route.url = opened.public_url;
                    let same = |w: &&mut Wanted| Arc::ptr_eq(&w.endpoint, &route.wanted.endpoint);
                    if let Some(wanted) = session.wanted.iter_mut().find(same) {
                        wanted.held = opened.epoch;
                    }
                }
            }
            Kind::Refused(refused) if refused.code == "storage" => {
                // Its disk is full, most likely: it may be better soon.
                let wait = Some(Duration::from_secs(5));
                return Err(Ended::Lost {
                    error: "relay_error",
                    detail: crate::sanitize::sanitize(&refused.message).into_owned(),
                    wait,
                });
            }
            Kind::Refused(refused) => return Err(Ended::Finished(self.refused(session, &refused))),
            Kind::Event(event) => self.event(event)?,
            Kind::EventData(chunk) => {
                let stream = chunk.stream;
                let end = chunk.end;
                if let Some((body, uncredited)) = self.growing.get(&stream) {
                    let size = chunk.data.len() as u64;
                    if uncredited.fetch_add(size, Ordering::AcqRel) + size > WINDOW {
                        return Err(lost("protocol", "the relay sent more than its credit"));
                    }
                    let _ = body.send(chunk);
                }
                if end {
                    self.growing.remove(&stream);
                }
            }
            Kind::SenderLeft(stream) => {
                if let Some(replier) = self.replier(stream.stream) {
                    replier.left();
                }
            }
            Kind::ReplyUnwanted(stream) => {
                if let Some(replier) = self.replier(stream.stream) {
                    replier.left();
                }
            }
            Kind::CaughtUp(route) => {
                let engine = self.engine.clone();
                if let Some(route) = self.route(route.route) {
                    tokio::spawn(caught_up(engine, route.wanted.endpoint.clone()));
                    self.behind = self.behind.saturating_sub(1);
                    self.say_if_back();
                }
            }
            Kind::Superseded(superseded) => return self.superseded(session, &superseded),
            Kind::GoAway(go) => {
                let wait = Duration::from_millis(go.retry_after.min(60_000));
                self.go_away = Some((crate::sanitize::sanitize(&go.reason).into_owned(), wait));
            }
            Kind::Credit(credit) => {
                if let Some(replier) = self.replier(credit.stream) {
                    replier.add_credit(credit.bytes);
                }
            }
            Kind::Ping(beat) => self.send(to_relay::Kind::Pong(beat)),
            Kind::Pong(_) | Kind::Welcome(_) => {}
        }
        Ok(())
    }

    fn event(&mut self, event: wire::Event) -> Result<(), Ended> {
        // Frames of a route that is not ours, or of an epoch that is over, are not for us.
        let Some(route) = self.route(event.route).filter(|r| r.epoch == Some(event.epoch)) else { return Ok(()) };
        let endpoint = route.wanted.endpoint.clone();
        // One event that cannot be taken must not keep the others away, however often the relay hands it over.
        let Some(mut head) = event.head else { return Ok(()) };
        let (Ok(id), Ok(hand_over)) = (head.id.parse::<EventId>(), HandOver::try_from(event.state)) else {
            return Ok(());
        };
        let unusable = head.headers.len() + head.trailers.len() > MAX_FIELDS;
        if unusable {
            head.headers.truncate(MAX_FIELDS);
            head.trailers.clear();
        }
        head.received_at = head.received_at.min(i64::MAX as u64);
        let replier = (hand_over == HandOver::Awaited).then(|| {
            let replier = Replier::new(event.stream, self.outbox.clone());
            if self.repliers.len() >= self.sweep_at {
                self.repliers.retain(|_, r| !r.is_gone());
                self.sweep_at = 256.max(2 * self.repliers.len());
            }
            self.repliers.insert(event.stream, replier.downgrade());
            replier
        });
        let inline = event.body.len() as u64 == head.body_size;
        let incoming = Incoming {
            id,
            sha256: if inline { Sha256::digest(&event.body).into() } else { [0; 32] },
            body: if inline { Body::Memory(event.body) } else { Body::Parts(Vec::new()) },
            head,
            hand_over,
            replier,
            unusable,
        };
        let handed = Handed { engine: self.engine.clone(), endpoint, stream: event.stream, acks: self.acks.clone() };
        if inline {
            // Boxed: the runtime moves a task's future when it is spawned and when it ends, and this one is large.
            tokio::spawn(Box::pin(handed.take(incoming)));
            return Ok(());
        }
        if incoming.head.body_size > MAX_BODY {
            return Ok(());
        }
        let (tx, rx) = mpsc::unbounded_channel();
        let uncredited = Arc::new(AtomicU64::new(0));
        self.growing.insert(event.stream, (tx, uncredited.clone()));
        tokio::spawn(gather(handed, incoming, rx, uncredited, self.outbox.clone()));
        Ok(())
    }

    fn superseded(&mut self, session: &mut Session, superseded: &wire::Superseded) -> Result<(), Ended> {
        let Some(route) = self.route(superseded.route) else { return Ok(()) };
        let endpoint = route.wanted.endpoint.clone();
        route.epoch = None;
        let owed = endpoint.lanes().map(|lane| lane.owed()).sum();
        let Some(index) = session.wanted.iter().position(|w| Arc::ptr_eq(&w.endpoint, &endpoint)) else {
            return Ok(());
        };
        match session.superseded(index, &superseded.by, superseded.at, owed) {
            Some(failure) => Err(Ended::Finished(failure)),
            None => Ok(()),
        }
    }

    fn refused(&self, session: &Session, refused: &wire::Refused) -> Failure {
        let relay = &session.relay.authority;
        let message = crate::sanitize::sanitize(&refused.message).into_owned();
        let name = (refused.route as usize).checked_sub(1).and_then(|i| self.routes.get(i));
        let name = name.map(|r| r.wanted.endpoint.name.as_str()).unwrap_or_default();
        let (code, next) = match refused.code.as_str() {
            "version" => {
                ("version", "install the hook of the relay's version; hook --version says this one's".to_owned())
            }
            "token" => ("token", format!("hook login {}", session.relay.url())),
            "name" => ("name", format!("hook listen … --name {name}-dev")),
            _ => ("refused", "hook status".to_owned()),
        };
        Failure::new(Exit::Refused, code, format!("{relay} refused: {message}")).next(next)
    }

    /// Says that the connection is back, once it is known what came meanwhile.
    fn say_if_back(&mut self) {
        if self.behind > 0 || !self.announced {
            return;
        }
        if let Some(after) = self.was_away.take() {
            let (engine, before) = (self.engine.clone(), self.known_before);
            tokio::spawn(async move {
                // Behind the writes of everything that was handed over; a failing journal is reported by those.
                let _ = engine.journal.flush().await;
                engine.emit(Activity::Reconnected { after, meanwhile: engine.came_while_away() - before });
            });
        }
    }

    fn replier(&self, stream: u64) -> Option<Replier> {
        self.repliers.get(&stream).and_then(WeakReplier::upgrade)
    }

    fn route(&mut self, number: u32) -> Option<&mut Route> {
        self.routes.get_mut((number as usize).checked_sub(1)?)
    }

    fn send(&self, kind: to_relay::Kind) {
        // A full lane is a dead peer, and the heart notices that.
        let _ = self.outbox.urgent(ToRelay::to_frame(kind));
    }
}

/// What is older goes first: what the relay handed over is queued already, and what the journal owes is looked up again.
async fn caught_up(engine: Arc<Engine>, endpoint: Arc<Endpoint>) {
    if let Err(error) = endpoint.load_owed(&engine.journal).await {
        engine.trouble(&error);
    }
    endpoint.lanes().for_each(|lane| lane.caught_up());
}
