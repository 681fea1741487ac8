//! The way back to one sender. Whoever claims it first answers; a lost session makes it silent.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use hook_proto::wire::{self, MAX_CHUNK, ToRelay, WINDOW, to_relay};
use hook_proto::{HeaderList, ReplyBy};
use hook_relay_server::link::Outbox;
use tokio::sync::Semaphore;

#[derive(Clone)]
pub struct Replier(Arc<Inner>);

/// Does not keep it.
pub struct WeakReplier(Weak<Inner>);

impl WeakReplier {
    pub fn upgrade(&self) -> Option<Replier> {
        self.0.upgrade().map(Replier)
    }

    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

struct Inner {
    stream: u64,
    outbox: Outbox,
    state: AtomicU8,
    credit: Semaphore,
}

/// A reply without its body.
pub struct Head {
    pub by: ReplyBy,
    pub status: u16,
    pub headers: HeaderList,
}

/// How long a sender may leave its answer unread.
const READ_WITHIN: Duration = Duration::from_secs(30);

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
/// The sender left, or stopped reading.
const LEFT: u8 = 2;
/// The session is lost; the relay answers queued.
const LOST: u8 = 3;

impl Replier {
    pub fn new(stream: u64, outbox: Outbox) -> Self {
        let credit = Semaphore::new(WINDOW as usize);
        Self(Arc::new(Inner { stream, outbox, state: AtomicU8::new(WAITING), credit }))
    }

    pub fn downgrade(&self) -> WeakReplier {
        WeakReplier(Arc::downgrade(&self.0))
    }

    /// Takes the right to answer. `false`: it was taken before, or nobody waits.
    pub fn claim(&self) -> bool {
        self.0.state.compare_exchange(WAITING, CLAIMED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub fn is_waiting(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == WAITING
    }

    pub fn has_left(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == LEFT
    }

    /// The sender left, or stopped reading.
    pub fn left(&self) {
        self.0.state.store(LEFT, Ordering::Release);
        self.0.credit.close();
    }

    /// The session is lost.
    pub fn lost(&self) {
        self.0.state.store(LOST, Ordering::Release);
        self.0.credit.close();
    }

    pub fn add_credit(&self, bytes: u64) {
        let room = WINDOW.saturating_sub(self.0.credit.available_permits() as u64);
        self.0.credit.add_permits(bytes.min(room) as usize);
    }

    /// Answers with a body of at most [`MAX_CHUNK`] bytes. The right to answer was claimed.
    pub async fn whole(&self, head: Head, body: Bytes) {
        self.send_head(head, body, false).await;
    }

    /// Begins an answer whose body follows.
    pub async fn begin(&self, head: Head) {
        self.send_head(head, Bytes::new(), true).await;
    }

    /// Sends more of the body. `false`: nobody reads it.
    pub async fn data(&self, mut data: Bytes) -> bool {
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(MAX_CHUNK));
            // A sender that does not read must not keep an attempt, and with it the events behind it.
            let credit = self.0.credit.acquire_many(piece.len() as u32);
            match tokio::time::timeout(READ_WITHIN, credit).await {
                Ok(Ok(permit)) => permit.forget(),
                Ok(Err(_)) => return false,
                Err(_) => {
                    self.left();
                    self.broken();
                    return false;
                }
            }
            let chunk = wire::Chunk { stream: self.0.stream, data: piece, end: false, trailers: Vec::new() };
            if self.0.outbox.chunk(ToRelay::to_frame(to_relay::Kind::ReplyData(chunk))).await.is_err() {
                return false;
            }
        }
        true
    }

    pub async fn end(&self, trailers: HeaderList) {
        let chunk = wire::Chunk { stream: self.0.stream, data: Bytes::new(), end: true, trailers };
        let _ = self.0.outbox.chunk(ToRelay::to_frame(to_relay::Kind::ReplyData(chunk))).await;
    }

    /// The body breaks off; the sender must see that it is not whole. Takes the same lane as the body, and its place in it.
    pub fn broken(&self) {
        let frame = ToRelay::to_frame(to_relay::Kind::ReplyBroken(wire::Stream { stream: self.0.stream }));
        let outbox = self.0.outbox.clone();
        tokio::spawn(async move {
            let _ = outbox.chunk(frame).await;
        });
    }

    /// Answers in hook's own words, if nobody answered yet.
    pub async fn by_hook(&self, status: u16, event_id: &str, word: &'static str, reason: &str) -> bool {
        let claimed = self.claim();
        if claimed {
            self.in_hooks_words(status, event_id, word, reason).await;
        }
        claimed
    }

    /// The same, with the right to answer claimed before.
    pub async fn in_hooks_words(&self, status: u16, event_id: &str, word: &'static str, reason: &str) {
        let mut headers = vec![
            hook_proto::Header::new("hook-status", word),
            hook_proto::Header::new("hook-event-id", event_id.as_bytes().to_vec()),
        ];
        let body = if reason.is_empty() { Bytes::new() } else { Bytes::from(format!("hook: {reason}\n")) };
        if !body.is_empty() {
            headers.push(hook_proto::Header::new("content-type", "text/plain; charset=utf-8"));
        }
        self.whole(Head { by: ReplyBy::Hook, status, headers }, body).await;
    }

    async fn send_head(&self, head: Head, body: Bytes, more: bool) {
        let reply = wire::Reply {
            stream: self.0.stream,
            by: head.by.into(),
            status: head.status.into(),
            headers: head.headers,
            body,
            more,
        };
        let _ = self.0.outbox.head(ToRelay::to_frame(to_relay::Kind::Reply(reply))).await;
    }
}
