//! What the relay says, frame by frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hook_proto::wire::{self, ToRelay, WINDOW, to_cli, to_relay};
use hook_proto::{EventId, HandOver};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{Connection, lost};
use crate::engine::{Body, Endpoint, Engine, Incoming};
use crate::failure::{Exit, Failure};
use crate::session::gather::gather;
use crate::session::replier::Replier;
use crate::session::taken::Handed;
use crate::session::{Ended, Session, Wanted};

/// Header fields that a relay may hand over; its own limit is far below.
const MAX_FIELDS: usize = 1024;
/// A body that a relay may announce; its own limit is far below.
const MAX_BODY: u64 = 1 << 30;

impl Connection {
    pub(super) fn take(&mut self, session: &mut Session, kind: to_cli::Kind) -> Result<(), Ended> {
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
            // A full lane is a dead peer, and the heart notices that.
            Kind::Ping(beat) => _ = self.outbox.pong(ToRelay::to_frame(to_relay::Kind::Pong(beat))),
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

    pub(super) fn refused(&self, session: &Session, refused: &wire::Refused) -> Failure {
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
}

/// What is older goes first: what the relay handed over is queued already, and what the journal owes is looked up again.
async fn caught_up(engine: Arc<Engine>, endpoint: Arc<Endpoint>) {
    if let Err(error) = endpoint.load_owed(&engine.journal).await {
        engine.trouble(&error);
    }
    endpoint.lanes().for_each(|lane| lane.caught_up());
}
