//! One endpoint while the relay runs: who is attached, what each sender waits for, and what is to be handed over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hook_proto::wire::{self, to_cli};
use hook_proto::{EndpointName, EventId, HandOver, Mode, Settings};

use crate::inbox::Inbox;
use crate::ledger::{Answered, Hold, Ledger};
use crate::session::{Route, StreamReply};
use crate::signals::{Signal, Signals};

pub struct Endpoint {
    pub name: EndpointName,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    settings: Settings,
    ledger: Ledger,
    responder: Option<Route>,
    mirrors: Vec<Route>,
    /// How often something was left to the drain, and how much of that it is through with. While they differ, the inbox may hold
    /// what the responder has not seen, and nothing younger is handed over past it.
    left: u64,
    drained: u64,
    waiting: HashMap<EventId, Arc<Signals>, foldhash::fast::RandomState>,
}

/// A hand-over to make: to whom, under which stream number, in which state.
pub struct HandOverTo {
    pub route: Route,
    pub stream: u64,
    pub state: HandOver,
}

/// How a live event gets to the responder.
pub enum Begun {
    Now(HandOverTo),
    /// Through the inbox, behind what is older.
    InTurn,
    Nobody,
}

impl Endpoint {
    pub fn new(name: EndpointName, settings: Settings) -> Self {
        let state = State { settings, ..State::default() };
        Self { name, state: Mutex::new(state) }
    }

    pub fn settings(&self) -> Settings {
        self.lock().settings
    }

    pub fn set_settings(&self, settings: Settings) {
        self.lock().settings = settings;
    }

    pub fn is_attended(&self) -> bool {
        self.lock().responder.is_some()
    }

    pub fn attached(&self) -> Option<Route> {
        self.lock().responder.clone()
    }

    /// Attaches a session; gives the responder that it replaces.
    pub fn attach(&self, route: Route, mode: Mode) -> Option<Route> {
        let mut state = self.lock();
        if mode == Mode::Mirror {
            state.mirrors.push(route);
            return None;
        }
        let old = state.responder.replace(route);
        state.left += 1;
        if let Some(old) = &old {
            old.backlog.notify_one();
            state.lose_session();
        }
        old
    }

    /// Ends what a session has of this endpoint. A session that was replaced meanwhile changes nothing.
    pub fn detach(&self, session: u64) {
        let mut state = self.lock();
        state.mirrors.retain(|m| m.session.id != session);
        if state.responder.as_ref().is_some_and(|r| r.session.id == session) {
            state.wake_drain();
            state.responder = None;
            state.lose_session();
        }
    }

    /// A sender's request is complete.
    pub fn admit(&self, id: EventId) -> Arc<Signals> {
        let signals = Arc::<Signals>::default();
        let mut state = self.lock();
        state.ledger.complete(id);
        state.waiting.insert(id, signals.clone());
        signals
    }

    /// Begins a hand-over of this event to the responder, if there is one and none is under way.
    pub fn begin_hand_over(&self, id: EventId, stream: u64) -> Option<HandOverTo> {
        let mut state = self.lock();
        let route = state.responder.clone()?;
        let state = state.ledger.hand_over(id, stream)?;
        Some(HandOverTo { route, stream, state })
    }

    /// Begins the hand-over of a live event, unless older ones are still to be handed over. A responder keeps the events it was
    /// handed and forwards them after a crash, before it hears of any others: one that overtook would stay in front.
    pub fn begin_live(&self, id: EventId, stream: u64) -> Begun {
        let mut state = self.lock();
        let Some(route) = state.responder.clone() else { return Begun::Nobody };
        if state.left != state.drained {
            // In case it is in the inbox already.
            state.wake_drain();
            return Begun::InTurn;
        }
        match state.ledger.hand_over(id, stream) {
            Some(state) => Begun::Now(HandOverTo { route, stream, state }),
            None => Begun::InTurn,
        }
    }

    /// The inbox has an event whose turn is the drain's.
    pub fn wake_drain(&self) {
        self.lock().wake_drain();
    }

    /// What was left to the drain so far.
    pub fn left(&self) -> u64 {
        self.lock().left
    }

    /// Of all that was left to it up to then, the responder has what could be read.
    pub fn drained(&self, route: &Route, left: u64) {
        let mut state = self.lock();
        if state.responder.as_ref().is_some_and(|r| r.epoch == route.epoch) {
            state.drained = left;
        }
    }

    /// Who gets a copy.
    pub fn mirrors(&self) -> Vec<Route> {
        self.lock().mirrors.clone()
    }

    pub fn hand_over_failed(&self, id: EventId, stream: u64) {
        self.lock().ledger.hand_over_failed(id, stream);
    }

    pub fn committed(&self, id: EventId, inbox: &dyn Inbox) {
        let hold = self.lock().ledger.committed(id);
        self.settle(hold, id, inbox);
    }

    pub fn acked(&self, id: EventId, stream: u64, inbox: &dyn Inbox) {
        let hold = {
            let mut state = self.lock();
            if state.ledger.handed(id) == Some(stream)
                && let Some(waiting) = state.waiting.get(&id)
            {
                waiting.tell(Signal::Acked);
            }
            state.ledger.ack(id, stream)
        };
        self.settle(hold, id, inbox);
    }

    /// Passes a reply to the sender that waits for this hand-over. One that nobody waits for is dropped, and that tells the CLI.
    pub fn reply(&self, id: EventId, stream: u64, reply: StreamReply) {
        let state = self.lock();
        if let Some(waiting) = state.waiting.get(&id)
            && state.ledger.handed(id) == Some(stream)
        {
            waiting.tell(Signal::Reply(reply));
        }
    }

    pub fn answered(&self, id: EventId, answered: Answered, inbox: &dyn Inbox) {
        let hold = {
            let mut state = self.lock();
            state.waiting.remove(&id);
            let hold = state.ledger.answer(id, answered);
            // The session it was handed to may be gone; the next one is to get it.
            if hold == Hold::Keep && state.ledger.handed(id).is_none() {
                state.wake_drain();
            }
            hold
        };
        self.settle(hold, id, inbox);
    }

    /// The relay answers queued by itself, so the event is handed over again.
    pub fn answered_queued(&self, id: EventId) {
        let mut state = self.lock();
        state.waiting.remove(&id);
        // One that was handed over has its place at the responder.
        state.left += u64::from(state.ledger.handed(id).is_none());
        state.ledger.answer_queued(id);
        state.wake_drain();
    }

    pub fn sender_left(&self, id: EventId, inbox: &dyn Inbox) {
        let hold = {
            let mut state = self.lock();
            state.waiting.remove(&id);
            state.wake_drain();
            state.ledger.sender_left(id)
        };
        self.settle(hold, id, inbox);
    }

    /// Lets the CLI know that nobody waits for this reply any more.
    pub fn tell_left(&self, id: EventId) {
        let state = self.lock();
        if let (Some(route), Some(stream)) = (&state.responder, state.ledger.handed(id)) {
            let left = wire::Stream { stream };
            let _ = route.session.outbox.urgent(wire::ToCli::to_frame(to_cli::Kind::SenderLeft(left)));
        }
    }

    /// The inbox did not take the event.
    pub fn refused(&self, id: EventId) {
        let mut state = self.lock();
        state.waiting.remove(&id);
        state.ledger.refuse(id);
    }

    /// The inbox has no such event any more.
    pub fn forget(&self, id: EventId) {
        self.lock().ledger.forget(id);
    }

    fn settle(&self, hold: Hold, id: EventId, inbox: &dyn Inbox) {
        if hold == Hold::LetGo {
            inbox.delete(&self.name, id);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn wake_drain(&self) {
        if let Some(route) = &self.responder {
            route.backlog.notify_one();
        }
    }

    fn lose_session(&mut self) {
        self.ledger.session_ended();
        for waiting in self.waiting.values() {
            waiting.tell(Signal::SessionLost);
        }
    }
}
