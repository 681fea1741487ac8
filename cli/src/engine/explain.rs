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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hook_proto::{EventHead, EventId, Header};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;
    use crate::engine::endpoint::{Endpoint, Options};
    use crate::forward::Shape;
    use crate::journal::{Journal, NewEvent, record};
    use crate::platform::now_ms;
    use crate::provider::{Checker, Given};

    /// The explanation that its sender does not wait for must not hold up the next attempt either.
    #[tokio::test]
    async fn a_retry_does_not_wait_for_the_explanation() {
        let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".env"), "GITHUB_WEBHOOK_SECRET=it_is_another\n").unwrap();
        let journal = Journal::open(&dir.path().join("journal.db")).unwrap();
        let checker = Arc::new(Checker::load(dir.path(), Given::default()).unwrap());
        let (emit, mut activities) = mpsc::unbounded_channel();
        let engine = Engine::new(journal, "me".into(), "/p".into(), checker, emit, false);
        let options = Options {
            provider: None,
            routes: vec![app.local_addr().unwrap().to_string().parse().unwrap()],
            shape: Shape::default(),
            insecure: false,
            timeout: Duration::from_secs(30),
            reply_within: None,
            respond: None,
            queued_status: 200,
            hold: false,
            retry: 1,
            concurrency: None,
            filter: None,
            max_backlog: None,
            dedupe: false,
            fetch_keys: false,
            confirm_subscriptions: false,
            mirror: false,
        };
        let endpoint = Endpoint::new(&engine, "shop".into(), "embedded".into(), options, None);

        // Somebody else is being explained to, for as long as it takes.
        let turn = engine.explaining.turn.acquire().await.unwrap();
        let id = EventId::from_parts(1, 7);
        let headers = [("x-github-event", "push"), ("x-hub-signature-256", "sha256=00")];
        let headers = headers.map(|(name, value)| Header::new(name, value.as_bytes().to_vec())).to_vec();
        let head =
            EventHead { id: id.to_string(), method: "POST".into(), headers, body_size: 2, ..EventHead::default() };
        let checked =
            engine.checker.check(Asked { endpoint: "shop", pinned: None, head: &head, body: b"{}" }, now_ms());
        assert_eq!(checked.verdict(), Some("invalid"));
        let event = NewEvent::for_test(head, b"{}", checked);
        let (recorded, _) = engine.journal.write(move |c| record(c, &event, None)).await.unwrap();
        endpoint.lanes().next().unwrap().push_owed(id, recorded.seq).await;
        for _ in 0..2 {
            let refused = async {
                let (mut connection, _) = app.accept().await.unwrap();
                let mut read = Vec::new();
                while !read.ends_with(b"{}") {
                    assert_ne!(connection.read_buf(&mut read).await.unwrap(), 0);
                }
                connection
                    .write_all(b"HTTP/1.1 400 Bad\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .await
                    .unwrap();
            };
            tokio::time::timeout(Duration::from_secs(20), refused).await.expect("the retry waits for the explanation");
        }
        assert!(activities.try_recv().is_err(), "nothing is said of it yet");
        drop(turn);
        assert!(matches!(activities.recv().await, Some(crate::activity::Activity::Attempt(_))));
    }
}
