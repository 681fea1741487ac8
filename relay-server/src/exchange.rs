//! One event from the moment it is complete until its sender has a reply: the rules of DESIGN §5, "What the sender hears".

use std::sync::Arc;
use std::time::Duration;

use hook_proto::wire::{self, Chunk, MAX_CHUNK, to_cli};
use hook_proto::{HandOver, ReplyBy};
use http::{Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::body::Body;
use crate::endpoint::{Begun, Endpoint, HandOverTo};
use crate::inbox::{InboxError, StoredEvent};
use crate::ledger::Answered;
use crate::link::{Gone, TryHead};
use crate::relay::Relay;
use crate::reply::{self, SenderReply};
use crate::session::StreamReply;
use crate::signals::Signal;

/// A CLI that has not acked by then counts as away.
const ACK_WITHIN: Duration = Duration::from_secs(2);

/// How much of a large body is read from its file at once.
const READ_AHEAD: usize = 512 * 1024;

/// Serves one sender: appends and hands over at the same time, replies at the later of commit and answer. `to_head`: the sender
/// asked with HEAD.
pub async fn run(
    relay: Arc<Relay>,
    endpoint: Arc<Endpoint>,
    event: Arc<StoredEvent>,
    to_head: bool,
    mut to_sender: oneshot::Sender<SenderReply>,
) {
    let id = event.id;
    let signals = endpoint.admit(id);
    let mut append = relay.inbox.append(event.clone());
    let mut committed = false;
    // An inbox without room says so at once, and then the app hears nothing of the event.
    match futures_util::FutureExt::now_or_never(&mut append) {
        Some(Err(error)) => {
            endpoint.refused(id);
            let _ = to_sender.send(refused(&relay, &error));
            return;
        }
        Some(Ok(_)) => {
            committed = true;
            endpoint.committed(id, relay.inbox.as_ref());
        }
        None => {}
    }
    #[cfg(hook_sabotage)]
    if !committed && crate::sabotage::is("early-2xx") {
        committed = true;
        endpoint.committed(id, relay.inbox.as_ref());
    }
    let begun = endpoint.begin_live(id, relay.next_stream());
    let in_turn = matches!(begun, Begun::InTurn);
    // The embedded relay keeps nothing while its CLI is away, so it waits for it a moment.
    let durable = relay.inbox.durable();
    let mut away = match begun {
        Begun::Now(to) => !start_hand_over(&endpoint, to, &event) && durable,
        Begun::InTurn => false,
        Begun::Nobody => durable,
    };
    for route in endpoint.mirrors() {
        start_hand_over(&endpoint, HandOverTo { route, stream: relay.next_stream(), state: HandOver::Copy }, &event);
    }

    let begun = Instant::now();
    let deadline = tokio::time::sleep_until(begun + ACK_WITHIN);
    tokio::pin!(deadline);
    let acked_by = begun + relay.config.reply_cap;
    let mut acked = false;
    let mut left = false;
    let mut answer: Option<StreamReply> = None;
    loop {
        if committed {
            if let Some(mut answer) = answer.take() {
                reply::true_length(&mut answer.response, to_head);
                let answered = if answer.by == ReplyBy::Hook && answer.response.status().is_success() {
                    Answered::Queued
                } else {
                    Answered::Given
                };
                endpoint.answered(id, answered, relay.inbox.as_ref());
                let _ = to_sender.send(answer.response);
                return;
            }
            if left {
                endpoint.sender_left(id, relay.inbox.as_ref());
                return;
            }
            if away {
                let _ = to_sender.send(answer_away(&relay, &endpoint, &event));
                return;
            }
        }
        tokio::select! {
            biased;
            result = &mut append, if !committed => match result {
                Ok(_) => {
                    committed = true;
                    endpoint.committed(id, relay.inbox.as_ref());
                    if in_turn {
                        endpoint.wake_drain();
                    }
                }
                Err(error) => {
                    endpoint.refused(id);
                    let _ = to_sender.send(refused(&relay, &error));
                    return;
                }
            },
            signal = signals.next() => match signal {
                Signal::Acked => {
                    acked = true;
                    deadline.as_mut().reset(acked_by);
                }
                Signal::Reply(reply) => answer = Some(reply),
                Signal::SessionLost => away = durable,
            },
            () = &mut deadline, if !away && answer.is_none() => {
                // What only memory holds is not promised: a CLI that is there replies when its journal has it.
                away = acked || durable || !endpoint.is_attended();
                acked = true;
                deadline.as_mut().reset(acked_by);
            }
            () = to_sender.closed(), if !left => {
                left = true;
                endpoint.tell_left(id);
            }
        }
    }
}

fn answer_away(relay: &Relay, endpoint: &Endpoint, event: &StoredEvent) -> SenderReply {
    if !relay.inbox.durable() {
        endpoint.answered(event.id, Answered::Given, relay.inbox.as_ref());
        relay.inbox.delete(&endpoint.name, event.id);
        endpoint.forget(event.id);
        return reply::refusal(StatusCode::SERVICE_UNAVAILABLE, "nobody listens to this URL just now.", Some(5));
    }
    endpoint.answered_queued(event.id);
    let status = u16::try_from(endpoint.settings().queued_status).ok();
    let status = status.filter(|s| (200..300).contains(s)).and_then(|s| StatusCode::from_u16(s).ok());
    reply::queued(status.unwrap_or(StatusCode::OK), event.id)
}

fn refused(relay: &Relay, error: &InboxError) -> SenderReply {
    relay.refused(error);
    reply::refusal(StatusCode::SERVICE_UNAVAILABLE, "this event was not kept; send it again later.", Some(30))
}

/// Hands over at once where the lane has room; a large body in a task of its own. `false`: the CLI does not keep up, so this
/// one is for the inbox.
fn start_hand_over(endpoint: &Arc<Endpoint>, to: HandOverTo, event: &Arc<StoredEvent>) -> bool {
    let session = to.route.session.clone();
    session.track(to.stream, to.state, endpoint, event);
    let failed = |to: &HandOverTo| {
        session.untrack(to.stream);
        endpoint.hand_over_failed(event.id, to.stream);
        false
    };
    match &event.body {
        Body::Memory(body) if body.len() <= MAX_CHUNK => {
            match session.outbox.try_head(event_frame(&to, event, body)) {
                Ok(()) => {}
                Err(TryHead::Full(_) | TryHead::Gone) => return failed(&to),
            }
            untrack_copy(&to);
        }
        _ => {
            let Ok(place) = session.large.clone().try_acquire_owned() else { return failed(&to) };
            let (endpoint, event) = (endpoint.clone(), event.clone());
            tokio::spawn(async move {
                if hand_over(&to, &event).await.is_err() {
                    endpoint.hand_over_failed(event.id, to.stream);
                }
                untrack_copy(&to);
                drop(place);
            });
        }
    }
    true
}

/// A mirror acks nothing and answers nobody.
fn untrack_copy(to: &HandOverTo) {
    if to.state == HandOver::Copy {
        to.route.session.untrack(to.stream);
    }
}

/// Hands over an event with its body, in chunks under credit when it is large. The stream is tracked already.
pub async fn hand_over(to: &HandOverTo, event: &StoredEvent) -> Result<(), ()> {
    let size = event.body.len();
    let session = &to.route.session;
    if size <= MAX_CHUNK as u64 {
        let body = event.body.chunk(0, MAX_CHUNK).await.map_err(|_| ())?;
        return session.outbox.head(event_frame(to, event, &body)).await.map_err(|Gone| ());
    }
    let credit = session.credit(to.stream).ok_or(())?;
    session.outbox.head(event_frame(to, event, &[])).await.map_err(|Gone| ())?;
    let mut sent = 0;
    let mut ahead = bytes::Bytes::new();
    let mut next = event.body.begin_chunk(0, READ_AHEAD);
    while sent < size {
        if ahead.is_empty() {
            ahead = next.ready().await.map_err(|_| ())?;
            // Under way while this one is sent.
            next = event.body.begin_chunk(sent + ahead.len() as u64, READ_AHEAD);
        }
        let data = ahead.split_to(ahead.len().min(MAX_CHUNK));
        sent += data.len() as u64;
        let permits = u32::try_from(data.len()).map_err(|_| ())?;
        credit.acquire_many(permits).await.map_err(|_| ())?.forget();
        let chunk = Chunk { stream: to.stream, data, end: sent == size, trailers: Vec::new() };
        session.outbox.chunk(wire::ToCli::to_frame(to_cli::Kind::EventData(chunk))).await.map_err(|Gone| ())?;
    }
    Ok(())
}

fn event_frame(to: &HandOverTo, event: &StoredEvent, body: &[u8]) -> bytes::Bytes {
    wire::ToCli::event_frame(to.route.number, to.route.epoch, to.stream, to.state, &event.head, body)
}

impl std::fmt::Debug for StreamReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StreamReply({:?} {})", self.by, Response::status(&self.response))
    }
}
