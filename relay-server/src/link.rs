//! One websocket, as both ends use it: three lanes out, and a heart that notices when the other end is gone.
//!
//! Urgent frames (acks, credit, pings) overtake heads (events, replies), and those overtake body chunks, so that control is
//! never stuck behind a body. Each lane is in order, and a stream's head is queued before its chunks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
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
/// Pings go out in steps of this, so that those of many sessions share their wake-ups.
const STEP: Duration = Duration::from_secs(1);
/// And after this long, when something was sent to it meanwhile.
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
    urgent: mpsc::UnboundedSender<Frame>,
    heads: mpsc::Sender<Bytes>,
    chunks: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
}

/// The peer is gone, or does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is gone")]
pub struct Gone;

struct Frame {
    bytes: Bytes,
    /// Whether silence after it means anything.
    asks: bool,
}

impl Frame {
    fn asking(bytes: Bytes) -> Self {
        Self { bytes, asks: true }
    }
}

impl Outbox {
    /// Queues a small frame ahead of everything; never waits, so that readers may use it.
    pub fn urgent(&self, frame: Bytes) -> Result<(), Gone> {
        self.queue(Frame::asking(frame))
    }

    /// The same for the answer to a ping. The peer was heard just now and owes nothing; else two idle ends would ask each other
    /// for ever, each because its answer to the other was the last thing said.
    pub fn pong(&self, frame: Bytes) -> Result<(), Gone> {
        self.queue(Frame { bytes: frame, asks: false })
    }

    fn queue(&self, frame: Frame) -> Result<(), Gone> {
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
    urgent: mpsc::UnboundedReceiver<Frame>,
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
    async fn next(&mut self) -> Option<Frame> {
        tokio::select! {
            biased;
            Some(frame) = self.urgent.recv() => { self.waiting.fetch_sub(1, Ordering::Relaxed); Some(frame) }
            Some(frame) = self.heads.recv() => Some(Frame::asking(frame)),
            Some(frame) = self.chunks.recv() => Some(Frame::asking(frame)),
            else => None,
        }
    }

    fn ready(&mut self) -> Option<Frame> {
        if let Ok(frame) = self.urgent.try_recv() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Some(frame);
        }
        self.heads.try_recv().or_else(|_| self.chunks.try_recv()).ok().map(Frame::asking)
    }
}

/// Writes what the lanes hold until every [`Outbox`] is dropped or the socket fails: drains what is queued, then flushes once.
pub async fn write<S>(mut socket: S, mut lanes: Lanes, pulse: Arc<Pulse>) -> Result<(), tungstenite::Error>
where
    S: Sink<Message, Error = tungstenite::Error> + Unpin,
{
    while let Some(frame) = lanes.next().await {
        let (mut fed, mut asks) = (0, false);
        let mut next = Some(frame);
        while let Some(Frame { bytes, asks: this }) = next {
            fed += bytes.len();
            asks |= this;
            socket.feed(Message::Binary(bytes)).await?;
            next = if fed < COALESCE { lanes.ready() } else { None };
        }
        socket.flush().await?;
        if asks {
            pulse.sent();
        }
    }
    socket.close().await
}

/// Shared by the writer, which says when it sent what asks for something, and the reader, which says when it heard.
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
            let idle = in_step(self.heard + IDLE.mul_f64(0.8 + 0.4 * self.jitter));
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

/// The next step of the process at or after `at`.
fn in_step(at: Instant) -> Instant {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let since = at.saturating_duration_since(*FIRST.get_or_init(Instant::now));
    let beyond = since.as_nanos() % STEP.as_nanos();
    // Less than a step, so it fits.
    at + Duration::from_nanos(((STEP.as_nanos() - beyond) % STEP.as_nanos()) as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    use super::*;

    fn start(to: UnboundedSender<Message>, jitter: f64) -> (Outbox, Heart) {
        let (outbox, lanes) = outbox();
        let pulse = Arc::new(Pulse::default());
        let socket = futures_util::sink::unfold(to, |to, message| async move {
            to.send(message).map_err(|_| tungstenite::Error::ConnectionClosed)?;
            Ok(to)
        });
        tokio::spawn(write(Box::pin(socket), lanes, pulse.clone()));
        (outbox, Heart::new(pulse, jitter))
    }

    /// An end that has nothing to say but pings and their answers; counts its pings.
    async fn idle_end(
        jitter: f64,
        to: UnboundedSender<Message>,
        mut from: UnboundedReceiver<Message>,
        pings: &AtomicU64,
    ) {
        let (outbox, mut heart) = start(to, jitter);
        loop {
            tokio::select! {
                frame = from.recv() => {
                    heart.heard();
                    if frame.unwrap().into_data() == "ping" {
                        outbox.pong("pong".into()).unwrap();
                    }
                }
                beat = heart.beat() => {
                    assert_eq!(beat, Beat::Ping, "the other end answers");
                    pings.fetch_add(1, Ordering::Relaxed);
                    outbox.urgent("ping".into()).unwrap();
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn two_idle_ends_ask_each_other_no_more_than_they_must() {
        for (one, other) in [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)] {
            let ((to_one, from_other), (to_other, from_one)) = (unbounded_channel(), unbounded_channel());
            let pings = AtomicU64::new(0);
            tokio::select! {
                () = idle_end(one, to_other, from_other, &pings) => {}
                () = idle_end(other, to_one, from_one, &pings) => {}
                () = tokio::time::sleep(Duration::from_secs(600)) => {}
            }
            let pings = pings.into_inner();
            // One for both every 16 to 25 s; two that are due at the same moment cross.
            assert!((24..=74).contains(&pings), "{pings} pings in 600 s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_and_not_answered_is_followed_by_a_ping() {
        let (to, _from) = unbounded_channel();
        let (outbox, mut heart) = start(to, 0.5);
        let begun = Instant::now();
        outbox.urgent("event".into()).unwrap();
        assert_eq!(heart.beat().await, Beat::Ping);
        assert_eq!(begun.elapsed().as_secs(), UNANSWERED.as_secs());
        assert_eq!(heart.beat().await, Beat::GiveUp);
        assert_eq!(begun.elapsed().as_secs(), (UNANSWERED + GIVE_UP).as_secs());
    }
}
