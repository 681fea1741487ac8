//! The loop of a session that said hello, and the endpoints that it opens and closes.

use std::sync::Arc;

use futures_util::Stream;
use hook_proto::wire::{self, ToCli, ToRelay, to_cli, to_relay};
use hook_proto::{EndpointName, Mode, Settings};
use tokio_tungstenite::tungstenite::{self, Message};

use super::{Ended, Route, Session, next_frame, refuse, send};
use crate::drain;
use crate::endpoint::Endpoint;
use crate::link::{Beat, Heart};
use crate::registry::ClaimError;
use crate::relay::Relay;

/// Endpoints that one session opens, those that it closed included.
const MAX_OPENED: usize = 1000;

/// A session that said hello.
pub(super) struct Open {
    pub(super) relay: Arc<Relay>,
    pub(super) session: Arc<Session>,
    endpoints: Vec<Arc<Endpoint>>,
    opened: usize,
}

impl Open {
    pub(super) fn new(relay: Arc<Relay>, session: Arc<Session>) -> Self {
        Self { relay, session, endpoints: Vec::new(), opened: 0 }
    }

    /// Its endpoints are free.
    pub(super) fn detach_all(&self) {
        for endpoint in &self.endpoints {
            endpoint.detach(self.session.id);
        }
    }

    pub(super) async fn run(
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
            // Like [`send`], whatever becomes of it.
            Kind::Ping(beat) => _ = self.session.outbox.pong(ToCli::to_frame(to_cli::Kind::Pong(beat))),
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
}
