//! Why a signature is wrong, once the app has refused the event: after its sender was answered, so that nothing waits for it.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::Engine;
use crate::autopsy::Finding;
use crate::journal::{self, Attempt, BodyKey, EventRow};
use crate::provider::{Asked, Signature};

/// A larger body is not looked into by itself.
const MAX_BODY: u64 = 1024 * 1024;
/// Events that may wait for their explanation; those beyond do without.
const WAITING: usize = 16;

pub struct Explaining {
    /// One at a time: it may cost a good part of a second.
    turn: Semaphore,
    waiting: Semaphore,
}

impl Explaining {
    pub fn new() -> Self {
        Self { turn: Semaphore::new(1), waiting: Semaphore::new(WAITING) }
    }
}

impl Engine {
    /// The event with the cause of its wrong signature, when the app has refused it and the cause is not known yet.
    pub(super) async fn explained(self: &Arc<Self>, row: Arc<EventRow>, attempt: &Attempt) -> Arc<EventRow> {
        let is_refused = attempt.status.is_some_and(|status| status >= 400);
        let is_unexplained = row.signature.as_ref().is_some_and(|s| s.reason.is_none());
        if row.verdict.as_deref() != Some("invalid") || !is_refused || !is_unexplained || row.size > MAX_BODY {
            return row;
        }
        let Ok(_place) = self.explaining.waiting.try_acquire() else { return row };
        let Ok(_turn) = self.explaining.turn.acquire().await else { return row };
        let seq = row.seq;
        let Ok(body) = self.journal.read(move |c| BodyKey::Event(seq).read(c, usize::MAX)).await else { return row };
        let (engine, event, target) = (self.clone(), row.clone(), attempt.target.clone());
        let look = move || engine.look_into(&event, &body, &target);
        let Ok(signature) = tokio::task::spawn_blocking(look).await else { return row };
        let kept = signature.clone();
        let written = self.journal.write_lazily(move |c| journal::explain_signature(c, seq, &kept));
        if let Err(error) = written.await {
            self.journal_failed(&error);
        }
        Arc::new(EventRow { signature: Some(Box::new(signature)), ..EventRow::clone(&row) })
    }

    fn look_into(&self, row: &EventRow, body: &[u8], target: &str) -> Signature {
        let asked = Asked { endpoint: &row.endpoint, pinned: row.provider.as_deref(), head: &row.head, body };
        self.checker.look(asked, |case| {
            let finding = Finding::of(case, &[target], row.head.received_at);
            Signature { next: finding.next, ..finding.signature }
        })
    }
}
