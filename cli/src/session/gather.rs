//! Takes in a large body: small parts of it in memory, parts of a MiB into the journal as they come, credit back as they are
//! taken, the event's row last. Half a body leaves parts that the next hand-over of the same event writes again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hook_proto::wire::{self, ToRelay, WINDOW, to_relay};
use hook_relay_server::link::Outbox;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::taken::Handed;
use crate::engine::{Body, Engine, Incoming, Reserved};
use crate::journal::{self, JournalError, PART, Write};

/// Parts of one body that may be on their way into the journal.
const UNDER_WAY: usize = 2;
/// Parts of one body that are kept for its first attempt.
const KEPT: usize = 8;
/// For how long a part waits for the journal's checkpoint, and how often that is looked at.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(1);
/// Credit is given for so much at once: each is a message.
const CREDIT: u64 = WINDOW / 4;

pub async fn gather(
    handed: Handed,
    mut incoming: Incoming,
    mut chunks: mpsc::UnboundedReceiver<wire::Chunk>,
    uncredited: Arc<AtomicU64>,
    outbox: Outbox,
) {
    let size = incoming.head.body_size;
    let mut store = Store::new(&handed.engine, &incoming);
    let (mut come, mut due) = (0, 0);
    while let Some(chunk) = chunks.recv().await {
        let bytes = chunk.data.len() as u64;
        come += bytes;
        if come > size {
            return;
        }
        if store.add(&chunk.data).await.is_err() {
            return;
        }
        if chunk.end {
            break;
        }
        due += bytes;
        if due >= CREDIT {
            uncredited.fetch_sub(due, Ordering::AcqRel);
            let credit = wire::Credit { stream: handed.stream, bytes: std::mem::take(&mut due) };
            let _ = outbox.urgent(ToRelay::to_frame(to_relay::Kind::Credit(credit)));
        }
    }
    if come != size {
        return;
    }
    let Ok((body, sha256)) = store.finish().await else { return };
    (incoming.body, incoming.sha256) = (body, sha256);
    handed.take(incoming).await;
}

/// The journal failed, which whoever records an event reports, or the process ends.
struct Unfinished;

impl From<JournalError> for Unfinished {
    fn from(_: JournalError) -> Self {
        Self
    }
}

/// Where a body is put.
struct Store {
    engine: Arc<Engine>,
    id: String,
    /// All of a body that fits into one part and found room, or what is no whole part yet.
    held: Vec<u8>,
    whole: Option<Reserved>,
    parts: u32,
    under_way: VecDeque<Write<()>>,
    kept: Vec<Bytes>,
    hash: Hash,
}

impl Store {
    fn new(engine: &Arc<Engine>, incoming: &Incoming) -> Self {
        let size = usize::try_from(incoming.head.body_size).unwrap_or(usize::MAX);
        Self {
            engine: engine.clone(),
            id: incoming.head.id.clone(),
            held: Vec::with_capacity(size.min(PART)),
            whole: (size <= PART).then(|| engine.memory.reserve(size)).flatten(),
            parts: 0,
            under_way: VecDeque::new(),
            kept: Vec::new(),
            hash: Hash::default(),
        }
    }

    async fn add(&mut self, mut data: &[u8]) -> Result<(), Unfinished> {
        while !data.is_empty() {
            // Parts are of exact size, so that a byte's part can be computed.
            if self.held.len() == PART {
                let part = std::mem::replace(&mut self.held, Vec::with_capacity(PART));
                self.put(part).await?;
            }
            let (now, later) = data.split_at(data.len().min(PART - self.held.len()));
            self.held.extend_from_slice(now);
            data = later;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(Body, [u8; 32]), Unfinished> {
        let rest = std::mem::take(&mut self.held);
        if let Some(room) = self.whole {
            let hash = Sha256::digest(&rest).into();
            return Ok((Body::Memory(room.hold(rest)), hash));
        }
        self.put(rest).await?;
        let hash = self.hash.finish().await?;
        for write in self.under_way {
            write.await?;
        }
        Ok((Body::Parts(self.kept), hash))
    }

    async fn put(&mut self, data: Vec<u8>) -> Result<(), Unfinished> {
        let part = self.parts;
        self.parts += 1;
        let keep = self.kept.len() < KEPT && self.kept.len() == part as usize;
        let data = match keep.then(|| self.engine.memory.reserve(data.len())).flatten() {
            Some(room) => {
                let data = room.hold(data);
                self.kept.push(data.clone());
                data
            }
            None => data.into(),
        };
        self.hash.add(data.clone()).await?;
        let begun = Instant::now();
        while self.engine.journal.is_behind() && begun.elapsed() < LONGEST_WAIT {
            tokio::time::sleep(LOOK).await;
        }
        let (id, turn) = (self.id.clone(), self.engine.memory.part().await);
        self.under_way.push_back(self.engine.journal.write(move |c| {
            // Held until this is done.
            let _turn = &turn;
            journal::event_part(c, &id, part, &data)
        }));
        if self.under_way.len() > UNDER_WAY
            && let Some(first) = self.under_way.pop_front()
        {
            first.await?;
        }
        Ok(())
    }
}

/// The hash of a body in parts, computed beside the thread that everything else needs.
#[derive(Default)]
struct Hash(Option<JoinHandle<Sha256>>);

impl Hash {
    async fn add(&mut self, part: Bytes) -> Result<(), Unfinished> {
        let mut hash = self.so_far().await?;
        self.0 = Some(tokio::task::spawn_blocking(move || {
            hash.update(&part);
            hash
        }));
        Ok(())
    }

    async fn finish(&mut self) -> Result<[u8; 32], Unfinished> {
        Ok(self.so_far().await?.finalize().into())
    }

    async fn so_far(&mut self) -> Result<Sha256, Unfinished> {
        match self.0.take() {
            None => Ok(Sha256::new()),
            Some(task) => task.await.map_err(|_| Unfinished),
        }
    }
}
