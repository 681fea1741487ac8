//! A hand-over is journaled, acked, and given its place; or settled by a rule (DESIGN §5.3–5.5).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::deadline;
use super::deliver::{self, Live};
use super::endpoint::{Endpoint, Way};
use super::handshake::{Question, answerable};
use super::queue::Place;
use super::{Engine, Lane};
use crate::activity::{Activity, Seen};
use crate::forward::attempt::EventBody;
use crate::journal::{
    self, BodyKey, Commit, Duplicate, EventRow, Handled, Kind, NewAttempt, NewEvent, Recorded, State,
};
use crate::platform::now_ms;
use crate::provider::sender;
use crate::session::Replier;
use bytes::Bytes;
use hook_proto::{EventHead, EventId, HandOver};

/// One event as a session hands it over, its body complete.
pub struct Incoming {
    pub id: EventId,
    pub head: EventHead,
    pub body: Body,
    pub sha256: [u8; 32],
    pub hand_over: HandOver,
    /// Where the sender waits.
    pub replier: Option<Replier>,
    /// It cannot be forwarded; it is kept, and its sender hears so.
    pub unusable: bool,
}

pub enum Body {
    Memory(Bytes),
    /// Its parts are in the journal. The first ones may be here too.
    Parts(Vec<Bytes>),
}

/// An event that was taken in.
pub struct Taken {
    /// It holds the event; once it is fsynced, the hand-over may be acked.
    pub commit: Commit,
    pub delivery: Option<Delivery>,
}

/// A live event that is to be forwarded when it is its turn.
pub struct Delivery {
    lane: Arc<Lane>,
    live: Live,
}

impl Delivery {
    pub async fn make(self) {
        deliver::live(&self.lane, self.live).await;
    }
}

/// A new event, in the journal.
struct Fresh {
    row: Arc<EventRow>,
    body: EventBody,
    /// Begun with it.
    attempt: Option<u32>,
    question: Option<Arc<Question>>,
    duplicate: Option<Duplicate>,
}

/// What is decided before the journal is asked.
struct Plan {
    state: State,
    lane: Option<(Arc<Lane>, String)>,
    place: Place,
}

impl Plan {
    fn settled(state: State) -> Self {
        Self { state, lane: None, place: Place::None }
    }

    /// Gives the place back: the event is not forwarded, or not from here.
    fn give_up(&self, id: EventId) {
        match (&self.lane, self.place) {
            (Some((lane, _)), Place::Live(ticket)) => lane.drop_live(ticket, id),
            (Some((lane, _)), Place::Owed) => lane.drop_owed(id),
            (None, _) | (_, Place::None) => {}
        }
    }
}

impl Engine {
    /// Takes an event in.
    pub async fn take(self: &Arc<Self>, endpoint: &Arc<Endpoint>, mut incoming: Incoming) -> Option<Taken> {
        if self.is_stopping() {
            return None;
        }
        let mut plan = self.plan(endpoint, &incoming);
        let mut checked = self.check(endpoint, &incoming).await;
        if let (Some(filter), State::Owed) = (&endpoint.options.filter, plan.state)
            && !self.passes(filter, &incoming, &checked).await
        {
            plan.give_up(incoming.id);
            plan = Plan::settled(State::Filtered);
        }
        let target = plan.lane.as_ref().map(|(lane, path)| lane.client.target.url(path));
        let attempt = target
            .clone()
            .filter(|_| matches!(plan.place, Place::Live(t) if t.placed))
            .map(|target| NewAttempt { kind: Kind::Live, target, owner: self.owner.clone(), started_at: now_ms() });
        let (memory, kept) = match &mut incoming.body {
            Body::Memory(bytes) => (Some(bytes.clone()), Vec::new()),
            Body::Parts(kept) => (None, std::mem::take(kept)),
        };
        let question = checked.handshake.take().map(|handshake| Question::new(*handshake));
        // hook answers what goes nowhere.
        let nowhere = matches!(plan.state, State::Captured | State::Filtered) && incoming.replier.is_some();
        let state = if nowhere && answerable(question.as_ref()).is_some() { State::Handshake } else { plan.state };
        let event = NewEvent {
            head: std::mem::take(&mut incoming.head),
            body: memory.clone(),
            sha256: incoming.sha256,
            origin: "captured",
            parent: None,
            project: self.project.clone(),
            relay: endpoint.relay.clone(),
            endpoint: endpoint.name.clone(),
            target: target.clone(),
            state,
            hand_over: incoming.hand_over,
            checked,
            dedupe: endpoint.options.dedupe && !endpoint.options.mirror,
        };
        let id = event.head.id.clone();
        let event = Arc::new(event);
        let new = event.clone();
        let (recorded, commit) = match self.journal.write(move |c| journal::record(c, &new, attempt.as_ref())).await {
            Ok(done) => done,
            Err(error) => {
                plan.give_up(incoming.id);
                self.journal_failed(&error);
                if let Some(replier) = &incoming.replier {
                    replier.by_hook(503, &id, "refused", "this event could not be kept; send it again.").await;
                }
                return None;
            }
        };
        let row = Arc::new(row(&recorded, Arc::unwrap_or_clone(event)));
        let delivery = match recorded.handled {
            Handled::New { attempt } => {
                if incoming.hand_over == HandOver::Queued {
                    self.counts.came_while_away.fetch_add(1, Ordering::AcqRel);
                }
                let body = memory.map_or(EventBody::Journal(BodyKey::Event(row.seq), kept), EventBody::Memory);
                let (asked, came) = (question.clone(), row.clone());
                let fresh = Fresh { row, body, attempt, question, duplicate: recorded.duplicate };
                let delivery = self.fresh(endpoint, plan, incoming, fresh).await;
                if let Some(question) = &asked {
                    self.question_came(endpoint, &came, question);
                }
                self.fetch_for(endpoint, &came, asked.as_ref());
                delivery
            }
            handled => {
                self.known(endpoint, &plan, &incoming, recorded.seq, handled).await;
                None
            }
        };
        Some(Taken { commit, delivery })
    }

    fn plan(&self, endpoint: &Endpoint, incoming: &Incoming) -> Plan {
        if incoming.unusable {
            return Plan::settled(State::Refused);
        }
        let (lane, path) = match endpoint.way(&incoming.head.path, incoming.head.query.as_deref()) {
            Way::Nowhere => return Plan::settled(State::Captured),
            Way::Leaves(_) => return Plan::settled(State::Refused),
            Way::To(lane, path) => (lane, path),
        };
        // The order is that of arrival, so the place is taken before anything is waited for.
        let place = match incoming.hand_over {
            HandOver::Awaited | HandOver::Copy => Place::Live(lane.expect_live(incoming.id)),
            HandOver::Queued => {
                lane.expect_owed(incoming.id);
                Place::Owed
            }
            HandOver::Given => Place::None,
        };
        Plan { state: State::Owed, lane: Some((lane, path)), place }
    }

    async fn fresh(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        plan: Plan,
        incoming: Incoming,
        fresh: Fresh,
    ) -> Option<Delivery> {
        let Fresh { row, body, attempt, question, duplicate } = fresh;
        let shown = match &body {
            EventBody::Memory(bytes) if self.bodies => Some(bytes.clone()),
            EventBody::Journal(key, _) if self.bodies => {
                let key = key.clone();
                self.journal.read(move |c| key.read(c, usize::MAX)).await.ok().map(Bytes::from)
            }
            _ => None,
        };
        let routes = &endpoint.options.routes;
        let no_route = (row.state == State::Captured && !routes.is_empty())
            .then(|| routes.iter().map(|r| r.prefix.as_str()).collect::<Vec<_>>().join(", "));
        self.emit(Activity::Event(Box::new(Seen {
            no_route,
            row: row.clone(),
            body: shown,
            settled: row.state != State::Owed,
        })));
        let replier = incoming.replier;
        if row.state != State::Owed {
            plan.give_up(incoming.id);
        }
        let (State::Owed, Some((lane, path))) = (row.state, plan.lane) else {
            if let Some(replier) = replier {
                self.settled_reply(endpoint, &replier, &row, duplicate, question.as_deref()).await;
            }
            return None;
        };
        let question = answerable(question.as_ref()).cloned();
        if let (Some(code), Some(replier)) = (endpoint.options.respond, &replier) {
            match &question {
                Some(question) => _ = question.answer(replier, &row).await,
                None => _ = replier.by_hook(code, &row.id, "responded", "").await,
            }
        }
        let Place::Live(ticket) = plan.place else {
            lane.turn_owed(incoming.id, row.seq).await;
            return None;
        };
        if let Some(replier) = &replier {
            let within = sender::reply_within(endpoint.options.reply_within, self.recipe(&row));
            deadline::watch(self, endpoint, replier, row.clone(), within, question.clone());
        }
        let live = Live { id: incoming.id, row, body, path, replier, ticket, attempt, question };
        Some(Delivery { lane, live })
    }

    /// A known event is never a second row, and nothing is sent for it twice.
    async fn known(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        plan: &Plan,
        incoming: &Incoming,
        seq: u64,
        handled: Handled,
    ) {
        // Owed and known, it may be owed to nobody's queue: a run of this machine that was superseded had it.
        if let (Handled::OwedAgain | Handled::Known { owed: true }, Some((lane, _))) = (handled, &plan.lane) {
            lane.known_owed(plan.place, incoming.id, seq).await;
        } else {
            plan.give_up(incoming.id);
        }
        if let Some(replier) = &incoming.replier {
            let id = incoming.id.to_string();
            replier.by_hook(endpoint.options.queued_status, &id, "queued", "").await;
        }
    }
}

fn row(recorded: &Recorded, event: NewEvent) -> EventRow {
    let content_type = event.head.headers.iter().find(|h| h.name == "content-type");
    let state = match (event.hand_over, recorded.duplicate) {
        (HandOver::Given, _) => State::Recorded,
        (_, Some(Duplicate { answer: Some(_), .. })) => State::Deduped,
        _ => event.state,
    };
    EventRow {
        seq: recorded.seq,
        duplicate_of: recorded.duplicate.map(|d| d.of),
        id: event.head.id.clone(),
        origin: event.origin.to_owned(),
        parent: event.parent,
        project: event.project,
        relay: event.relay,
        endpoint: event.endpoint,
        size: event.head.body_size,
        sha256: event.sha256.to_vec(),
        content_type: content_type.map(|h| String::from_utf8_lossy(&h.value).into_owned()),
        state,
        queued: event.hand_over == HandOver::Queued,
        target: event.target,
        verdict: event.checked.verdict().map(str::to_owned),
        provider: event.checked.provider,
        event_type: event.checked.event_type,
        provider_event_id: event.checked.provider_event_id,
        signature: event.checked.signature.map(Box::new),
        last_status: None,
        last_error: None,
        last_ms: None,
        attempts: 0,
        head: event.head,
    }
}
