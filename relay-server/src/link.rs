//! One websocket, as both ends use it: three lanes out, and a heart that notices when the other end is gone.
//!
//! Urgent frames (acks, credit, pings) overtake heads (events, replies), and those overtake body chunks, so that control is
//! never stuck behind a body. Each lane is in order, and a stream's head is queued before its chunks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, SinkExt};
use hook_proto::wire::MAX_MESSAGE;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

/// A peer is asked for a sign of life after this long without one.
const IDLE: Duration = Duration::from_secs(20);
/// The same, when something was sent to it meanwhile.
const UNANSWERED: Duration = Duration::from_secs(3);
/// A peer that leaves a ping unanswered for this long is given up.
const GIVE_UP: Duration = Duration::from_secs(10);
/// Urgent frames are small and answer what the peer did; a peer that makes this many wait does not read.
const MAX_URGENT: usize = 16 * 1024;
/// Frames are handed to the socket in one go up to this many bytes.
const COALESCE: usize = 256 * 1024;

/// The settings of every hook websocket: messages within bounds, buffers that do not grow without end.
/// `reads` is how many bytes are read at once. They are zeroed for each read, and stay with the session: few for a relay with
/// many sessions, which hears replies; more for a CLI, which hears events.
pub fn websocket_config(reads: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .read_buffer_size(reads)
        .write_buffer_size(64 * 1024)
        .max_write_buffer_size(4 * MAX_MESSAGE)
}

/// The way to the peer. Cheap to clone; when the last one is dropped the websocket is closed.
#[derive(Clone)]
pub struct Outbox {
    urgent: mpsc::UnboundedSender<Bytes>,
    heads: mpsc::Sender<Bytes>,
    chunks: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
}

/// The peer is gone, or does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is gone")]
pub struct Gone;

impl Outbox {
    /// Queues a small frame ahead of everything; never waits, so that readers may use it.
    pub fn urgent(&self, frame: Bytes) -> Result<(), Gone> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) > MAX_URGENT {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Gone);
        }
        self.urgent.send(frame).map_err(|_| Gone)
    }

    pub async fn head(&self, frame: Bytes) -> Result<(), Gone> {
        self.heads.send(frame).await.map_err(|_| Gone)
    }

    /// Queues a head if there is room now; gives the frame back when there is none.
    pub fn try_head(&self, frame: Bytes) -> Result<(), TryHead> {
        self.heads.try_send(frame).map_err(|e| match e {
            mpsc::error::TrySendError::Full(frame) => TryHead::Full(frame),
            mpsc::error::TrySendError::Closed(_) => TryHead::Gone,
        })
    }

    pub async fn chunk(&self, frame: Bytes) -> Result<(), Gone> {
        self.chunks.send(frame).await.map_err(|_| Gone)
    }
}

pub enum TryHead {
    Full(Bytes),
    Gone,
}

/// What [`write`] empties into the websocket.
pub struct Lanes {
    urgent: mpsc::UnboundedReceiver<Bytes>,
    heads: mpsc::Receiver<Bytes>,
    chunks: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
}

pub fn outbox() -> (Outbox, Lanes) {
    let (urgent, urgent_rx) = mpsc::unbounded_channel();
    let (heads, heads_rx) = mpsc::channel(1024);
    let (chunks, chunks_rx) = mpsc::channel(4);
    let waiting = Arc::new(AtomicUsize::new(0));
    let lanes = Lanes { urgent: urgent_rx, heads: heads_rx, chunks: chunks_rx, waiting: waiting.clone() };
    (Outbox { urgent, heads, chunks, waiting }, lanes)
}

impl Lanes {
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            biased;
            Some(frame) = self.urgent.recv() => { self.waiting.fetch_sub(1, Ordering::Relaxed); Some(frame) }
            Some(frame) = self.heads.recv() => Some(frame),
            Some(frame) = self.chunks.recv() => Some(frame),
            else => None,
        }
    }

    fn ready(&mut self) -> Option<Bytes> {
        if let Ok(frame) = self.urgent.try_recv() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Some(frame);
        }
        self.heads.try_recv().or_else(|_| self.chunks.try_recv()).ok()
    }
}

/// Writes what the lanes hold until every [`Outbox`] is dropped or the socket fails: drains what is queued, then flushes once.
pub async fn write<S>(mut socket: S, mut lanes: Lanes, pulse: Arc<Pulse>) -> Result<(), tungstenite::Error>
where
    S: Sink<Message, Error = tungstenite::Error> + Unpin,
{
    while let Some(frame) = lanes.next().await {
        let mut fed = frame.len();
        socket.feed(Message::Binary(frame)).await?;
        while fed < COALESCE {
            let Some(frame) = lanes.ready() else { break };
            fed += frame.len();
            socket.feed(Message::Binary(frame)).await?;
        }
        socket.flush().await?;
        pulse.sent();
    }
    socket.close().await
}

/// Shared by the writer, which says when it sent, and the reader, which says when it heard.
#[derive(Default)]
pub struct Pulse {
    unheard: AtomicBool,
    first_unheard: Notify,
}

impl Pulse {
    fn sent(&self) {
        if !self.unheard.swap(true, Ordering::AcqRel) {
            self.first_unheard.notify_one();
        }
    }
}

/// The reader's side of the heartbeat.
pub struct Heart {
    pulse: Arc<Pulse>,
    jitter: f64,
    heard: Instant,
    pinged: Option<Instant>,
    /// When it was first seen that something was sent and nothing heard since.
    unheard: Option<Instant>,
    give_up: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Send a ping now.
    Ping,
    /// The peer is gone.
    GiveUp,
}

impl Heart {
    /// `jitter` in 0..1 spreads the pings of many sessions.
    pub fn new(pulse: Arc<Pulse>, jitter: f64) -> Self {
        Self { pulse, jitter, heard: Instant::now(), pinged: None, unheard: None, give_up: GIVE_UP }
    }

    /// Something came from the peer.
    pub fn heard(&mut self) {
        self.heard = Instant::now();
        self.pinged = None;
        self.unheard = None;
        self.give_up = GIVE_UP;
        self.pulse.unheard.store(false, Ordering::Release);
    }

    /// The machine slept: the next ping is due now and has less time.
    pub fn doubt(&mut self) {
        self.heard = Instant::now().checked_sub(2 * IDLE).unwrap_or(self.heard);
        self.pinged = None;
        self.give_up = UNANSWERED;
    }

    /// Waits until something is due. Cancel-safe.
    pub async fn beat(&mut self) -> Beat {
        loop {
            if let Some(pinged) = self.pinged {
                tokio::time::sleep_until(pinged + self.give_up).await;
                return Beat::GiveUp;
            }
            let unheard = self.pulse.unheard.load(Ordering::Acquire);
            let idle = self.heard + IDLE.mul_f64(0.8 + 0.4 * self.jitter);
            if unheard {
                let since = *self.unheard.get_or_insert_with(Instant::now);
                tokio::time::sleep_until(idle.min(since + UNANSWERED)).await;
            } else {
                tokio::select! {
                    () = tokio::time::sleep_until(idle) => {}
                    () = self.pulse.first_unheard.notified() => continue,
                }
            }
            self.pinged = Some(Instant::now());
            return Beat::Ping;
        }
    }
}
