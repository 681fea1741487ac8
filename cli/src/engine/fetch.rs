//! What a provider publishes is fetched behind everything else, and only once the person agreed: the key of a signature, and the
//! URL that confirms a subscription.

#[cfg(test)]
mod tests;

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
