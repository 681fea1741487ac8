//! One event whose turn it is: connect, try, record, reply, and what follows from how it went (DESIGN §5).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hook_proto::EventId;
use tokio::time::Instant;

use super::down::not_connected;
use super::endpoint::{Endpoint, Options, Way};
use super::handshake::Question;
use super::lane::{Go, Lane, Slot};
use super::outgoing::Outgoing;
use super::queue::Ticket;
use crate::activity::{Activity, Heard, Tried};
use crate::forward::Connection;
use crate::forward::attempt::{self, EventBody, Outcome, Try};
use crate::journal::{self, Attempt, AttemptEnd, BodyKey, EventRow, Kind, NewAttempt, State, Turn};
use crate::platform::now_ms;
use crate::provider::sender;
use crate::session::Replier;

/// How long until an event that another process is at is looked at again.
const BUSY: Duration = Duration::from_secs(2);

/// An event that came while its sender waits, or is a mirror's copy.
pub struct Live {
    pub id: EventId,
    pub row: Arc<EventRow>,
    pub body: EventBody,
    pub path: String,
    pub replier: Option<Replier>,
    /// Its place in the order.
    pub ticket: Ticket,
    /// The attempt that was committed with the event.
    pub attempt: Option<u32>,
    /// It asks for an answer of its provider's own form, which hook has for when the app has none.
    pub question: Option<Arc<Question>>,
}

impl Live {
    /// Answers the handshake, if it asks for one and nobody answered yet. Gives the status.
    async fn shake(&self) -> Option<u16> {
        let (question, replier) = (self.question.as_ref()?, self.replier.as_ref()?);
        question.answer(replier, &self.row).await;
        question.answered()
    }
}

/// Waits for its turn, and takes it.
pub async fn live(lane: &Arc<Lane>, mut live: Live) {
    let (id, ticket) = (live.id, live.ticket);
    let mut go = lane.fill_live(ticket);
    loop {
        let waiting = lane.engine.wait();
        match go.await {
            Ok(Go::Now) => {}
            Ok(Go::Owed(seq)) => {
                withdraw(lane, &live).await;
                return lane.owed_now(id, seq).await;
            }
            // Nothing starts here any more: somebody else may have it.
            Err(_) => return withdraw(lane, &live).await,
        }
        drop(waiting);
        let mut slot = Slot::live(lane);
        match turn(lane, live, &mut slot).await {
            None => return lane.let_go(id),
            Some(back) => {
                live = back;
                go = lane.put_back_live(id, ticket);
            }
        }
    }
}

/// Takes back the attempt that was committed with the event, of which nothing was sent.
async fn withdraw(lane: &Lane, live: &Live) {
    let (seq, Some(n)) = (live.row.seq, live.attempt) else { return };
    if let Err(error) = lane.engine.journal.write(move |c| journal::withdraw_attempt(c, seq, n)).await {
        lane.engine.journal_failed(&error);
    }
}

/// Gives the event back when the app turns out to be up and older ones are owed to it.
async fn turn(lane: &Arc<Lane>, live: Live, slot: &mut Slot<'_>) -> Option<Live> {
    let endpoint = lane.endpoint()?;
    let _running = lane.engine.begin();
    let was_down = lane.is_down();
    let begun = Instant::now();
    let connection = match lane.client.connect().await {
        Ok(connection) => connection,
        Err(error) => {
            not_connected(lane, &endpoint, &live, live.attempt, &error, begun).await;
            return None;
        }
    };
    if was_down {
        let older = lane.owed() > 0;
        lane.came_up();
        if older {
            return Some(live);
        }
    }
    send(lane, &endpoint, live, connection, begun, slot).await;
    None
}

async fn send(
    lane: &Arc<Lane>,
    endpoint: &Arc<Endpoint>,
    live: Live,
    connection: Connection,
    begun: Instant,
    slot: &mut Slot<'_>,
) {
    let outgoing = Outgoing::of(lane, endpoint, &live.row, &live.body, &live.path, Kind::Live).await;
    let n = match live.attempt {
        Some(n) => n,
        None => match begin(lane, live.id, &live.row, &outgoing.path, Kind::Live).await {
            Some(n) => n,
            None => return elsewhere(endpoint, &live).await,
        },
    };
    let this = Try { only_2xx: live.question.is_some(), ..this(live.row.seq, &outgoing, n, &endpoint.options) };
    let outcome = attempt::run(&lane.engine.journal, &lane.client, connection, &this, live.replier.as_ref()).await;
    if let Some(error) = &outcome.not_connected {
        return not_connected(lane, endpoint, &live, Some(n), error, begun).await;
    }
    let mut heard = if outcome.answered_sender { Heard::App } else { Heard::Queued };
    let shaken = if outcome.answered_sender { None } else { live.shake().await };
    if let Some(status) = shaken {
        heard = Heard::Handshake(status);
    } else if let (Some(replier), false) = (&live.replier, outcome.answered_sender) {
        let reason = outcome.end.detail.clone().unwrap_or_default();
        if replier.by_hook(502, &live.row.id, "failed", &format!("{reason}; the event is kept.")).await {
            heard = Heard::BadGateway;
        } else if replier.has_left() {
            heard = Heard::Nothing;
            lane.engine.emit(Activity::SenderLeft { event: live.row.clone() });
        }
    }
    let retry = heard == Heard::Queued && live.replier.as_ref().is_none_or(|r| !r.is_waiting());
    ended(lane, endpoint, &live.row, n, Kind::Live, outcome, heard, retry, slot).await;
}

/// An event that is owed: from an earlier run, an absence, a hold, or a retry.
pub async fn owed(lane: &Arc<Lane>, id: EventId, seq: u64, slot: &mut Slot<'_>) {
    let Some(endpoint) = lane.endpoint() else { return };
    let _running = lane.engine.begin();
    let loaded = lane.engine.journal.read(move |c| load(c, seq)).await;
    let (row, body) = match loaded {
        Ok(Some(loaded)) => loaded,
        Ok(None) => return,
        Err(error) => {
            later(lane, id, seq, BUSY);
            return lane.engine.journal_failed(&error);
        }
    };
    let Way::To(_, path) = endpoint.way(&row.head.path, row.head.query.as_deref()) else { return };
    let connection = match lane.client.connect().await {
        Ok(connection) => connection,
        Err(error) => {
            lane.still_owed(id, seq).await;
            return lane.went_down(&error);
        }
    };
    let kind = if row.state == State::Retrying { Kind::Retry } else { Kind::Backlog };
    let outgoing = Outgoing::of(lane, &endpoint, &row, &body, &path, kind).await;
    let Some(n) = begin(lane, id, &row, &outgoing.path, kind).await else { return };
    let this = this(row.seq, &outgoing, n, &endpoint.options);
    let outcome = attempt::run(&lane.engine.journal, &lane.client, connection, &this, None).await;
    if let Some(error) = &outcome.not_connected {
        record_end(lane, &row, n, kind, outcome.end.clone(), None, Heard::Queued).await;
        lane.still_owed(id, seq).await;
        return lane.went_down(error);
    }
    ended(lane, &endpoint, &row, n, kind, outcome, Heard::Queued, true, slot).await;
}

type Loaded = (Arc<EventRow>, EventBody);

fn load(connection: &rusqlite::Connection, seq: u64) -> rusqlite::Result<Option<Loaded>> {
    let Some(row) = EventRow::by_seq(connection, seq)? else { return Ok(None) };
    let key = BodyKey::Event(seq);
    let body = if row.size <= journal::PART as u64 {
        EventBody::Memory(Bytes::from(key.read(connection, journal::PART)?))
    } else {
        EventBody::Journal(key, Vec::new())
    };
    Ok(Some((Arc::new(row), body)))
}

/// Writes the attempt's row before its first byte. `None`: another process is at it, or it is settled.
pub(super) async fn begin(lane: &Arc<Lane>, id: EventId, row: &EventRow, path: &str, kind: Kind) -> Option<u32> {
    let engine = &lane.engine;
    let attempt =
        NewAttempt { kind, target: lane.client.target.url(path), owner: engine.owner.clone(), started_at: now_ms() };
    let (seq, journal) = (row.seq, engine.journal.path().to_owned());
    match engine.journal.write(move |c| journal::begin_owed(c, &journal, seq, &attempt)).await {
        Ok((Turn::Begun(n), _)) => Some(n),
        Ok((Turn::Settled, _)) => None,
        Ok((Turn::Busy, _)) => {
            // It is looked at again, in case that process dies.
            later(lane, id, seq, BUSY);
            None
        }
        Err(error) => {
            engine.journal_failed(&error);
            later(lane, id, seq, BUSY);
            None
        }
    }
}

fn this<'a>(seq: u64, outgoing: &'a Outgoing<'_>, n: u32, options: &'a Options) -> Try<'a> {
    Try {
        seq,
        n,
        head: &outgoing.head,
        body: outgoing.body.clone(),
        path: &outgoing.path,
        replay: false,
        only_2xx: false,
        timeout: options.timeout,
        shape: &options.shape,
        signing: outgoing.signing.clone(),
    }
}

/// Another process made the attempt, or makes it: the sender need not wait for that.
pub(super) async fn elsewhere(endpoint: &Endpoint, live: &Live) {
    if let Some(replier) = &live.replier {
        replier.by_hook(endpoint.options.queued_status, &live.row.id, "queued", "").await;
    }
}

#[allow(clippy::too_many_arguments, reason = "the facts of one ended attempt")]
async fn ended(
    lane: &Arc<Lane>,
    endpoint: &Endpoint,
    row: &Arc<EventRow>,
    n: u32,
    kind: Kind,
    outcome: Outcome,
    heard: Heard,
    retry: bool,
    slot: &mut Slot<'_>,
) {
    let good = outcome.end.error.is_none() && outcome.end.status.is_some_and(|s| (200..300).contains(&s));
    let again = retry && !good && n <= endpoint.options.retry;
    let state = match heard {
        _ if again => State::Retrying,
        Heard::Handshake(_) if !good => State::Handshake,
        _ => State::Ended,
    };
    let recorded = record_end(lane, row, n, kind, outcome.end, Some(state), heard);
    slot.free();
    match row.id.parse() {
        // Its time runs from now, and nobody has it in hand when that is over, however long the explanation takes that is part of
        // what is awaited.
        Ok(id) if again => {
            retry_later(lane, id, row.seq, n);
            let running = lane.engine.begin();
            tokio::spawn(async move {
                recorded.await;
                drop(running);
            });
        }
        _ => recorded.await,
    }
}

/// Puts a failed event back after 1 s, 2 s, 4 s … a minute.
pub fn retry_later(lane: &Arc<Lane>, id: EventId, seq: u64, n: u32) {
    let wait = Duration::from_secs(1 << n.saturating_sub(1).min(6)).min(Duration::from_secs(60));
    later(lane, id, seq, wait);
}

fn later(lane: &Arc<Lane>, id: EventId, seq: u64, wait: Duration) {
    let lane = Arc::downgrade(lane);
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        if let Some(lane) = lane.upgrade() {
            lane.push_owed(id, seq).await;
        }
    });
}

/// The write is on its way when this returns; the rest is waited for.
pub(super) fn record_end(
    lane: &Arc<Lane>,
    row: &Arc<EventRow>,
    n: u32,
    kind: Kind,
    end: AttemptEnd,
    state: Option<State>,
    heard: Heard,
) -> impl Future<Output = ()> + use<> {
    let lane = lane.clone();
    // What is shown of a question is that it was answered.
    let row = match state {
        Some(State::Handshake) => Arc::new(EventRow { state: State::Handshake, ..EventRow::clone(row) }),
        _ => row.clone(),
    };
    let begun = NewAttempt {
        kind,
        target: row.target.clone().unwrap_or_else(|| lane.client.target.to_string()),
        owner: lane.engine.owner.clone(),
        started_at: end.ended_at.saturating_sub(end.ms),
    };
    let (ended, seq) = (Arc::new((begun, end)), row.seq);
    let kept = ended.clone();
    let written = lane.engine.journal.write_lazily(move |c| journal::end_attempt(c, seq, n, &kept.0, &kept.1, state));
    async move {
        if let Err(error) = written.await {
            lane.engine.journal_failed(&error);
        }
        let (begun, end) = Arc::unwrap_or_clone(ended);
        show_end(&lane, row, n, begun, end, heard).await;
    }
}

async fn show_end(lane: &Lane, row: Arc<EventRow>, n: u32, begun: NewAttempt, mut shown: AttemptEnd, heard: Heard) {
    let (engine, seq) = (&lane.engine, row.seq);
    let body = if engine.bodies && shown.kept > shown.body.len() as u64 {
        engine
            .journal
            .read(move |c| BodyKey::Attempt(seq, n).read(c, usize::MAX))
            .await
            .map(Bytes::from)
            .unwrap_or_default()
    } else {
        Bytes::from(std::mem::take(&mut shown.body))
    };
    let attempt = Attempt::ended(n, begun, shown);
    let row = engine.explained(row, &attempt).await;
    let judgement = sender::judge(engine.recipe(&row), &row, &attempt, heard);
    engine.emit(Activity::Attempt(Box::new(Tried { row, attempt, body, heard, judgement })));
}
