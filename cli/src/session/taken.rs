//! A hand-over whose body is complete on its way into the engine, and the ack once everything is fsynced.

use std::sync::Arc;

use hook_proto::HandOver;
use hook_proto::wire::{self, ToRelay, to_relay};
use hook_relay_server::link::Outbox;
use tokio::sync::mpsc;

use crate::engine::{Endpoint, Engine, Incoming};
use crate::journal::Commit;

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
            // On a quick disk twenty kills could miss the moment between the two.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
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
