use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hook_proto::{EventHead, EventId, Header};

use super::limits::{Get, REQUESTS};
use super::*;
use crate::fetch::FetchError;
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
        let to = checked.handshake.as_ref().and_then(|handshake| handshake.fetch.clone());
        let needs = checked.signature.as_ref().and_then(|s| s.needs.clone());
        let (url, about) = to.map_or((needs, None), |to| (Some(to.url), to.about));
        let event = NewEvent { state: State::Captured, ..NewEvent::for_test(head, body.as_bytes(), checked) };
        let (recorded, _) = self.engine.journal.write(move |c| record(c, &event, None)).await.unwrap();
        Errand { purpose, url: url.unwrap(), about, event: Arc::new(self.row(recorded.seq).await) }
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
    for (body, words, confirmed) in [
        (forged.as_str(), "not confirmed", 0),
        (CONFIRMATION, "to arn:aws:sns:eu-west-1:123456789012:orders of aws-sns was confirmed at sns.eu-west-1", 1),
        (CONFIRMATION, "was confirmed before", 1),
    ] {
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
async fn a_person_is_asked_once_and_all_that_waits_follows_the_answer() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let mut fixture = Fixture::new(|url| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        provider(url)
    });
    let mut questions = fixture.engine.questions().unwrap();
    // A forged one comes first: the answer to it holds for the good one behind it.
    let forged = fixture.came(Purpose::Key, &NOTIFICATION.replace("order", "Order")).await;
    let good = fixture.came(Purpose::Key, NOTIFICATION).await;
    for errand in [&forged, &good] {
        assert!(fixture.engine.fetching.ask(errand.clone()));
    }
    let asked = questions.try_recv().unwrap();
    assert!(questions.try_recv().is_err(), "once for a host");
    fixture.engine.agreed(&asked).await;
    let said = [fixture.said(), fixture.said()];
    assert!(said[0].contains("signature is invalid") && said[1].contains("signature is valid"), "{said:?}");
    assert_eq!(ASKED.load(Ordering::Relaxed), 1, "one key for both");
}

#[tokio::test]
async fn questions_come_to_an_end_and_that_is_said_once() {
    let fixture = Fixture::new(provider);
    let errand = fixture.came(Purpose::Key, NOTIFICATION).await;
    let mut questions = fixture.engine.questions().unwrap();
    let asked = (0..2 * QUESTIONS).filter(|n| {
        let url = format!("https://sns.x-y-{n}.amazonaws.com/a.pem");
        !fixture.engine.fetching.ask(Errand { url, ..errand.clone() })
    });
    assert_eq!(asked.count(), 1);
    assert_eq!(std::iter::from_fn(|| questions.try_recv().ok()).count(), QUESTIONS);
}

#[tokio::test]
async fn requests_are_bounded_whoever_sends_events() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let mut fixture = Fixture::new(|_| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(Bytes::from_static(CERTIFICATE)) })
    });
    for n in 0..2 * REQUESTS {
        let other = format!("SimpleNotificationService-{n}.pem");
        let body = NOTIFICATION.replace("SimpleNotificationService-0123.pem", &other);
        let errand = fixture.came(Purpose::Key, &body).await;
        fixture.engine.run_errand(&errand).await;
        let said = fixture.said();
        assert_eq!(said.contains("asked too often"), n >= REQUESTS, "{said}");
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), REQUESTS);
}

#[tokio::test]
async fn a_key_of_another_host_is_a_question_of_its_own() {
    let fixture = Fixture::new(provider);
    let errand = fixture.came(Purpose::Subscription, CONFIRMATION).await;
    let other = CONFIRMATION.replace("https://sns.eu-west-1.amazonaws.com/S", "https://sns.us-east-1.amazonaws.com/S");
    let mixed = fixture.came(Purpose::Subscription, &other).await;
    for (event, purpose) in [(errand.event, Purpose::Subscription), (mixed.event, Purpose::Key)] {
        let to = hook_providers::Fetch { url: errand.url.clone(), about: errand.about.clone() };
        let handshake = hook_providers::Handshake { fetch: Some(to), ..hook_providers::Handshake::default() };
        let question = Question::new(handshake);
        assert_eq!(Errand::of(&event, Some(&question)).map(|e| e.purpose), Some(purpose));
    }
}
