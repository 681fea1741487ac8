//! One connection, from its hello to its end: frames in, hand-overs to the engine, acks out.

mod frames;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use hook_proto::Mode;
use hook_proto::wire::{self, ToCli, ToRelay, VERSION, to_cli, to_relay};
use hook_relay_server::link::{self, Beat, Heart, Outbox, Pulse};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{self, Message};

use super::connect::Socket;
use super::replier::{Replier, WeakReplier};
use super::taken::start_acks;
use super::{Ended, Session, Wanted};
use crate::activity::Activity;
use crate::engine::Engine;
use crate::journal::Commit;
use crate::platform;

const HANDSHAKE: Duration = Duration::from_secs(10);

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
