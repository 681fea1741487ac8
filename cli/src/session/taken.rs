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
        }
        if let Some(commit) = self.engine.take(&self.endpoint, incoming).await
            && !copy
        {
            self.engine.journal.want_sync();
            let _ = self.acks.send((commit, self.stream));
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
            tokio::select! {
                taken = rx.recv() => match taken {
                    Some(one) => due.push(one),
                    None => return,
                },
                changed = synced.changed(), if !due.is_empty() => if changed.is_err() { return },
            }
            let upto = *synced.borrow_and_update();
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
