//! What a provider publishes is fetched behind everything else, and only once the person agreed: the key of a signature, and the
//! URL that confirms a subscription.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::handshake::Question;
use super::{Endpoint, Engine};
use crate::activity::{Activity, Trouble};
use crate::fetch::{self, Agreed, FetchError, Purpose};
use crate::journal::{self, BodyKey, EventRow};
use crate::platform::now_ms;
use crate::provider::{Asked, Signature};

/// Errands that may wait; the signatures of events beyond stay unchecked.
const WAITING: usize = 16;
/// Of one run. Senders name the hosts, within what a recipe allows.
const QUESTIONS: usize = 16;
/// What could not be fetched is left alone for so long.
const AGAIN: Duration = Duration::from_secs(60);
/// So many are remembered for that.
const FAILED: usize = 64;

/// Something to fetch for an event.
#[derive(Debug, Clone)]
pub struct Errand {
    pub purpose: Purpose,
    url: String,
    event: Arc<EventRow>,
}

type Get = fn(String) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send>>;

pub struct Fetching {
    get: Get,
    /// One at a time.
    turn: Semaphore,
    waiting: Arc<Semaphore>,
    asked: Mutex<HashSet<(Purpose, String)>>,
    failed: Mutex<HashMap<String, Instant>>,
    questions: mpsc::UnboundedSender<Errand>,
    /// Until somebody takes it.
    answers: Mutex<Option<mpsc::UnboundedReceiver<Errand>>>,
}

impl Errand {
    /// What an event needs: the confirmation, which begins with the key, or the key alone.
    fn of(event: &Arc<EventRow>, question: Option<&Question>) -> Option<Self> {
        let errand = |purpose, url: &str| Self { purpose, url: url.to_owned(), event: event.clone() };
        let confirm = question.and_then(Question::fetch).map(|url| errand(Purpose::Subscription, url));
        confirm.or_else(|| Some(errand(Purpose::Key, event.signature.as_ref()?.needs.as_deref()?)))
    }

    pub fn host(&self) -> &str {
        fetch::host(&self.url)
    }

    fn provider(&self) -> &str {
        self.event.provider.as_deref().unwrap_or("its sender")
    }

    pub fn question(&self) -> String {
        self.purpose.question(self.provider(), self.host())
    }
}

impl Fetching {
    pub fn new() -> Self {
        let (questions, answers) = mpsc::unbounded_channel();
        Self {
            get: |url| Box::pin(async move { fetch::get(&url).await }),
            turn: Semaphore::new(1),
            waiting: Arc::new(Semaphore::new(WAITING)),
            asked: Mutex::default(),
            failed: Mutex::default(),
            questions,
            answers: Mutex::new(Some(answers)),
        }
    }

    /// Asks the person, once for a host.
    fn ask(&self, errand: Errand) {
        let mut asked = lock(&self.asked);
        if asked.len() < QUESTIONS && asked.insert((errand.purpose, errand.host().to_owned())) {
            // Nobody is there to be asked.
            let _ = self.questions.send(errand);
        }
    }

    fn failed_lately(&self, url: &str) -> bool {
        lock(&self.failed).get(url).is_some_and(|at| at.elapsed() < AGAIN)
    }

    fn failed(&self, url: &str) {
        let mut failed = lock(&self.failed);
        failed.retain(|_, at| at.elapsed() < AGAIN);
        if failed.len() < FAILED {
            failed.insert(url.to_owned(), Instant::now());
        }
    }
}

impl Engine {
    /// The questions to the person that come up. They are handed out once.
    pub fn questions(&self) -> Option<mpsc::UnboundedReceiver<Errand>> {
        lock(&self.fetching.answers).take()
    }

    /// Begins to fetch what an event needs, if it needs anything. Nothing waits for it.
    pub(super) fn fetch_for(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        event: &Arc<EventRow>,
        question: Option<&Arc<Question>>,
    ) {
        if endpoint.options.mirror {
            return;
        }
        let Some(errand) = Errand::of(event, question.map(|q| &**q)) else { return };
        let said = match errand.purpose {
            Purpose::Key => endpoint.options.fetch_keys,
            Purpose::Subscription => endpoint.options.confirm_subscriptions,
        };
        let Ok(place) = self.fetching.waiting.clone().try_acquire_owned() else { return };
        let engine = self.clone();
        tokio::spawn(async move {
            let (purpose, host) = (errand.purpose, errand.host().to_owned());
            let before = move || Agreed::read().has(purpose, &host);
            if said || tokio::task::spawn_blocking(before).await.unwrap_or(false) {
                engine.run_errand(&errand).await;
            } else {
                engine.fetching.ask(errand);
            }
            drop(place);
        });
    }

    /// Fetches, once the person agreed, and says what came of it.
    pub async fn run_errand(&self, errand: &Errand) {
        let Ok(_turn) = self.fetching.turn.acquire().await else { return };
        if self.fetching.failed_lately(&errand.url) {
            return;
        }
        let (seq, host) = (errand.event.seq, errand.host());
        match self.fetched(errand).await {
            Ok((message, next)) => self.say(errand, message, next),
            Err(why) => {
                self.fetching.failed(&errand.url);
                let message = format!("event {seq}: what it needs of {host} cannot be fetched: {why}.");
                self.say(errand, message, Some(format!("hook explain {seq} --fetch-keys")));
            }
        }
    }

    /// The person did not agree, or nobody could be asked.
    pub fn not_agreed(&self, errand: &Errand) {
        let (seq, provider, host) = (errand.event.seq, errand.provider(), errand.host());
        let message = match errand.purpose {
            Purpose::Key => format!(
                "event {seq} was not checked: the key of {provider} is published at {host}, and hook fetches nothing unasked."
            ),
            Purpose::Subscription => format!(
                "event {seq} of {provider} asks to confirm a subscription at {host}, and hook fetches nothing unasked."
            ),
        };
        self.say(errand, message, Some(format!("hook listen … {}", errand.purpose.flag())));
    }

    /// What there is to say, and what to type next.
    async fn fetched(&self, errand: &Errand) -> Result<(String, Option<String>), String> {
        let (seq, provider, host) = (errand.event.seq, errand.provider(), errand.host());
        let signature = self.judged(&errand.event).await?;
        let verdict = signature.verdict.as_deref().unwrap_or("unchecked");
        let explain = Some(format!("hook explain {seq}"));
        Ok(match errand.purpose {
            Purpose::Key if verdict == "valid" => {
                (format!("event {seq}: signature is valid, by the key of {provider} from {host}."), None)
            }
            Purpose::Key => (format!("event {seq}: signature is {verdict}: {}.", signature.text), explain),
            Purpose::Subscription if verdict == "valid" => {
                (self.fetching.get)(errand.url.clone()).await.map_err(|e| e.to_string())?;
                (format!("event {seq}: the subscription of {provider} was confirmed at {host}."), None)
            }
            // Anybody can ask for a subscription to something of their own.
            Purpose::Subscription => (
                format!(
                    "event {seq}: the subscription was not confirmed, for its signature is {verdict}: {}.",
                    signature.text
                ),
                explain,
            ),
        })
    }

    /// An event's signature, once more when a key was lacking.
    async fn judged(&self, event: &Arc<EventRow>) -> Result<Signature, String> {
        let known = event.signature.as_deref().cloned().unwrap_or_default();
        let Some(url) = known.needs.clone() else { return Ok(known) };
        if !self.checker.knows_key(&url) {
            let key = (self.fetching.get)(url.clone()).await.and_then(fetch::as_key).map_err(|e| e.to_string())?;
            let checker = self.checker.clone();
            let learn = move || checker.learn(&url, key);
            tokio::task::spawn_blocking(learn).await.map_err(|e| e.to_string())?;
        }
        let seq = event.seq;
        let body = self.journal.read(move |c| BodyKey::Event(seq).read(c, usize::MAX)).await;
        let body = body.map_err(|e| e.to_string())?;
        let at = if event.queued { event.head.received_at } else { now_ms() };
        let (checker, event) = (self.checker.clone(), event.clone());
        let look = move || {
            let (endpoint, pinned) = (event.endpoint.as_str(), event.provider.as_deref());
            checker.check(Asked { endpoint, pinned, head: &event.head, body: &body }, at).signature
        };
        let found = tokio::task::spawn_blocking(look).await.ok().flatten().unwrap_or_default();
        let kept = found.clone();
        let written = self.journal.write_lazily(move |c| journal::judge_again(c, seq, &kept));
        if let Err(error) = written.await {
            self.journal_failed(&error);
        }
        Ok(found)
    }

    fn say(&self, errand: &Errand, message: String, next: Option<String>) {
        let code = match errand.purpose {
            Purpose::Key => "key",
            Purpose::Subscription => "subscription",
        };
        self.emit(Activity::Trouble(Trouble { code, message, next, fatal: false }));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hook_proto::{EventHead, EventId, HandOver, Header};

    use super::*;
    use crate::journal::{Journal, NewEvent, State, record};
    use crate::provider::{Checker, Given};

    const CERTIFICATE: &[u8] = include_bytes!("../../../tests/testdata/sns/cert.pem");
    const NOTIFICATION: &str = include_str!("../../../tests/testdata/sns/notification.json");
    const CONFIRMATION: &str = include_str!("../../../tests/testdata/sns/confirmation.json");

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
}
