//! A hand-over on its way into the engine: a large body gathered first, and the ack once everything is fsynced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hook_proto::HandOver;
use hook_proto::wire::{self, ToRelay, to_relay};
use hook_relay_server::link::Outbox;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::engine::{Endpoint, Engine, Incoming};
use crate::journal::{self, Commit};

/// A hand-over whose body is complete.
pub struct Handed {
    pub engine: Arc<Engine>,
    pub endpoint: Arc<Endpoint>,
    pub stream: u64,
    pub acks: mpsc::UnboundedSender<(Commit, u64)>,
}

impl Handed {
    pub async fn take(self, incoming: Incoming) {
        let copy = incoming.hand_over == HandOver::Copy;
        #[cfg(hook_sabotage)]
        if hook_relay_server::sabotage::is("early-ack") {
            let _ = self.acks.send((0, self.stream));
        }
        let Some(taken) = self.engine.take(&self.endpoint, incoming).await else { return };
        if !copy {
            self.engine.journal.want_sync();
            let _ = self.acks.send((taken.commit, self.stream));
        }
        // A session that is lost sees no end of its acks before they are dropped.
        drop(self.acks);
        if let Some(delivery) = taken.delivery {
            delivery.make().await;
        }
    }
}

/// Takes in a large body: parts into the journal as they come, credit back as they are taken, the event's row last.
/// Half a body leaves parts that the next hand-over of the same event writes again.
pub async fn gather(
    handed: Handed,
    mut incoming: Incoming,
    mut chunks: mpsc::UnboundedReceiver<wire::Chunk>,
    uncredited: Arc<AtomicU64>,
    outbox: Outbox,
) {
    let mut hash = Sha256::new();
    let mut part = Vec::with_capacity(journal::PART);
    let (mut parts, mut size) = (0, 0);
    let journal = handed.engine.journal.clone();
    let id = incoming.head.id.clone();
    while let Some(chunk) = chunks.recv().await {
        let bytes = chunk.data.len() as u64;
        size += bytes;
        if size > incoming.head.body_size {
            return;
        }
        hash.update(&chunk.data);
        part.extend_from_slice(&chunk.data);
        if part.len() >= journal::PART || chunk.end {
            // Parts are of exact size, so that a byte's part can be computed.
            let (pieces, rest) = split(std::mem::take(&mut part), chunk.end);
            part = rest;
            for piece in pieces {
                let (id, n) = (id.clone(), parts);
                parts += 1;
                if journal.write(move |c| journal::event_part(c, &id, n, &piece)).await.is_err() {
                    return;
                }
            }
        }
        uncredited.fetch_sub(bytes, Ordering::AcqRel);
        let credit = wire::Credit { stream: handed.stream, bytes };
        let _ = outbox.urgent(ToRelay::to_frame(to_relay::Kind::Credit(credit)));
        if chunk.end {
            break;
        }
    }
    if size == incoming.head.body_size {
        incoming.sha256 = hash.finalize().into();
        handed.take(incoming).await;
    }
}

fn split(data: Vec<u8>, end: bool) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut pieces: Vec<Vec<u8>> = data.chunks(journal::PART).map(<[u8]>::to_vec).collect();
    let rest = if end { Vec::new() } else { pieces.pop_if(|p| p.len() < journal::PART).unwrap_or_default() };
    (pieces, rest)
}

/// Acks hand-overs once the commits that hold them are fsynced, as many at once as there are.
pub fn start_acks(engine: &Arc<Engine>, outbox: &Outbox) -> mpsc::UnboundedSender<(Commit, u64)> {
    let (tx, mut rx) = mpsc::unbounded_channel::<(Commit, u64)>();
    let mut synced = engine.journal.synced();
    let outbox = outbox.clone();
    tokio::spawn(async move {
        let mut due: Vec<(Commit, u64)> = Vec::new();
        loop {
            let known = due.len();
            let changed = tokio::select! {
                taken = rx.recv_many(&mut due, 1000) => {
                    if taken == 0 {
                        return;
                    }
                    false
                }
                changed = synced.changed(), if known > 0 => {
                    if changed.is_err() {
                        return;
                    }
                    true
                }
            };
            let upto = *synced.borrow_and_update();
            if !changed && !due[known..].iter().any(|(commit, _)| *commit <= upto) {
                continue;
            }
            let streams: Vec<u64> =
                due.extract_if(.., |(commit, _)| *commit <= upto).map(|(_, stream)| stream).collect();
            for streams in streams.chunks(1000) {
                let ack = wire::Ack { streams: streams.to_vec() };
                if outbox.urgent(ToRelay::to_frame(to_relay::Kind::Ack(ack))).is_err() {
                    return;
                }
            }
        }
    });
    tx
}
