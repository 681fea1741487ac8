//! Who sent an event, and whether its signature is right: looked at before it is journaled, so that filters can ask.

use bytes::Bytes;
use hook_proto::HandOver;

use super::intake::{Body, Incoming};
use super::{Endpoint, Engine};
use crate::activity::Activity;
use crate::filter::Filter;
use crate::journal::BodyKey;
use crate::platform::now_ms;
use crate::provider::Asked;
use crate::signature::Checked;
use crate::subject;

/// A body above this is looked at on another thread, so that nothing waits behind it.
pub(super) const LARGE: usize = 64 * 1024;

impl Engine {
    pub(super) async fn check(&self, endpoint: &Endpoint, incoming: &Incoming) -> Checked {
        let _turn = if incoming.head.body_size > LARGE as u64 { self.memory.look().await } else { None };
        let Some(body) = self.body(incoming).await else { return Checked::default() };
        if self.checker.is_due() {
            self.look_at_secrets().await;
        }
        // What waited at the relay is as old as it was when it came.
        let at = match incoming.hand_over {
            HandOver::Awaited | HandOver::Copy => now_ms(),
            HandOver::Queued | HandOver::Given => incoming.head.received_at,
        };
        let pinned = endpoint.options.provider.as_deref();
        if body.len() <= LARGE {
            let asked = Asked { endpoint: &endpoint.name, pinned, head: &incoming.head, body: &body };
            return self.checker.check(asked, at);
        }
        let (checker, head) = (self.checker.clone(), incoming.head.clone());
        let (name, pinned) = (endpoint.name.clone(), pinned.map(str::to_owned));
        let look =
            move || checker.check(Asked { endpoint: &name, pinned: pinned.as_deref(), head: &head, body: &body }, at);
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// On another thread: the files may be on a slow disk. Only the event that found it due waits for them.
    async fn look_at_secrets(&self) {
        let checker = self.checker.clone();
        let changes = tokio::task::spawn_blocking(move || checker.refresh()).await.unwrap_or_default();
        if !changes.is_empty() {
            self.emit(Activity::Secrets(changes));
        }
    }

    /// What cannot be read passes: an event too many is better than one that is left out by mistake.
    pub(super) async fn passes(&self, filter: &Filter, incoming: &Incoming, checked: &Checked) -> bool {
        let body = if filter.needs_bodies() { self.body(incoming).await } else { Some(Bytes::new()) };
        body.is_none_or(|body| subject::head_matches(filter, &incoming.head, &body, checked))
    }

    /// All of it; `None` when the journal cannot be read.
    async fn body(&self, incoming: &Incoming) -> Option<Bytes> {
        let kept = match &incoming.body {
            Body::Memory(bytes) => return Some(bytes.clone()),
            Body::Parts(kept) => kept,
        };
        if kept.iter().map(|part| part.len() as u64).sum::<u64>() == incoming.head.body_size {
            return Some(kept.concat().into());
        }
        let key = BodyKey::Parts(incoming.head.id.clone());
        self.journal.read(move |c| key.read(c, usize::MAX)).await.ok().map(Bytes::from)
    }
}
