use std::sync::atomic::{AtomicUsize, Ordering};

use hook_proto::{EventHead, EventId, HandOver, Header};

use super::*;
use crate::journal::{Journal, NewEvent, State, record};
use crate::provider::{Checker, Given};

const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/testdata/sns/cert.pem");
const NOTIFICATION: &str = include_str!("../../../../tests/testdata/sns/notification.json");
const CONFIRMATION: &str = include_str!("../../../../tests/testdata/sns/confirmation.json");

/// The provider, as far as it is asked: its certificate, and its confirmation.
fn provider(url: String) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send>> {
    Box::pin(async move {
        assert!(url.starts_with("https://sns.eu-west-1.amazonaws.com/"), "{url}");
        Ok(Bytes::from_static(if url.ends_with(".pem") { CERTIFICATE } else { b"<ok/>" }))
    })
}

struct Fixture {
    engine: Arc<Engine>,
    activities: mpsc::UnboundedReceiver<Activity>,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn new(get: Get) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&dir.path().join("journal.db")).unwrap();
        let checker = Checker::load(dir.path(), Given::default()).unwrap().with_keys_in(dir.path().join("keys"));
        let (emit, activities) = mpsc::unbounded_channel();
        let mut engine = Engine::new(journal, "me".into(), "/p".into(), Arc::new(checker), emit, false);
        Arc::get_mut(&mut engine).unwrap().fetching.get = get;
        Self { engine, activities, _dir: dir }
    }

    /// An errand for an event that came, and its number.
    async fn came(&self, purpose: Purpose, body: &str) -> Errand {
        let headers = vec![Header::new("content-type", b"text/plain".to_vec())];
        let id = EventId::from_parts(1, rand::random::<u128>() >> 64).to_string();
        let method = "POST".to_owned();
        let head = EventHead { id, method, headers, body_size: body.len() as u64, ..EventHead::default() };
        let asked = Asked { endpoint: "shop", pinned: None, head: &head, body: body.as_bytes() };
        let checked = self.engine.checker.check(asked, now_ms());
        let url = match &checked.handshake {
            Some(handshake) => handshake.fetch.clone(),
            None => checked.signature.as_ref().and_then(|s| s.needs.clone()),
        };
        let event = NewEvent {
            head,
            body: Some(Bytes::copy_from_slice(body.as_bytes())),
            sha256: [0; 32],
            origin: "captured",
            parent: None,
            project: "/p".into(),
            relay: "embedded".into(),
            endpoint: "shop".into(),
            target: None,
            state: State::Captured,
            hand_over: HandOver::Awaited,
            checked,
            dedupe: false,
        };
        let (recorded, _) = self.engine.journal.write(move |c| record(c, &event, None)).await.unwrap();
        Errand { purpose, url: url.unwrap(), event: Arc::new(self.row(recorded.seq).await) }
    }

    async fn row(&self, seq: u64) -> EventRow {
        self.engine.journal.read(move |c| EventRow::by_seq(c, seq)).await.unwrap().unwrap()
    }

    fn said(&mut self) -> String {
        match self.activities.try_recv() {
            Ok(Activity::Trouble(said)) => said.message,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_event_is_judged_again_with_the_key() {
    let mut fixture = Fixture::new(provider);
    let good = fixture.came(Purpose::Key, NOTIFICATION).await;
    let forged = fixture.came(Purpose::Key, &NOTIFICATION.replace("order", "Order")).await;
    for (errand, verdict) in [(good, "valid"), (forged, "invalid")] {
        assert_eq!(errand.event.verdict.as_deref(), Some("unchecked"));
        fixture.engine.run_errand(&errand).await;
        let said = fixture.said();
        assert!(said.contains(&format!("signature is {verdict}")), "{said}");
        fixture.engine.journal.flush().await.unwrap();
        let row = fixture.row(errand.event.seq).await;
        let kept = row.signature.as_ref().and_then(|s| s.verdict.as_deref());
        assert_eq!((row.verdict.as_deref(), kept), (Some(verdict), Some(verdict)));
    }
}

#[tokio::test]
async fn a_subscription_is_confirmed_when_its_signature_is_right() {
    static CONFIRMED: AtomicUsize = AtomicUsize::new(0);
    let mut fixture = Fixture::new(|url| {
        CONFIRMED.fetch_add(usize::from(url.contains("ConfirmSubscription")), Ordering::Relaxed);
        provider(url)
    });
    let forged = CONFIRMATION.replace("eu-west-1:1", "eu-west-1:9");
    for (body, words, confirmed) in
        [(forged.as_str(), "not confirmed", 0), (CONFIRMATION, "aws-sns was confirmed at sns.eu-west-1", 1)]
    {
        let errand = fixture.came(Purpose::Subscription, body).await;
        fixture.engine.run_errand(&errand).await;
        let said = fixture.said();
        assert!(said.contains(words), "{said}");
        assert_eq!(CONFIRMED.load(Ordering::Relaxed), confirmed);
    }
}

#[tokio::test]
async fn what_cannot_be_fetched_is_left_alone_for_a_while() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let mut fixture = Fixture::new(|_| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(Bytes::from_static(b"<html>")) })
    });
    let errand = fixture.came(Purpose::Key, NOTIFICATION).await;
    for _ in 0..3 {
        fixture.engine.run_errand(&errand).await;
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), 1);
    assert!(fixture.said().ends_with("cannot be fetched: its answer is no key."));
    assert!(fixture.activities.try_recv().is_err(), "said once");
}

#[tokio::test]
async fn a_host_is_asked_for_once() {
    let fixture = Fixture::new(provider);
    let errand = fixture.came(Purpose::Key, NOTIFICATION).await;
    let mut questions = fixture.engine.questions().unwrap();
    (0..3).for_each(|_| fixture.engine.fetching.ask(errand.clone()));
    (0..2 * QUESTIONS).for_each(|n| {
        let url = format!("https://sns.x-{n}.amazonaws.com/a.pem");
        fixture.engine.fetching.ask(Errand { url, ..errand.clone() });
    });
    let mut asked = 0;
    while questions.try_recv().is_ok() {
        asked += 1;
    }
    assert_eq!(asked, QUESTIONS);
}
