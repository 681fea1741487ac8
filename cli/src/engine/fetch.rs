//! What a provider publishes is fetched behind everything else, and only once the person agreed: the key of a signature, and the
//! URL that confirms a subscription.

mod limits;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::mpsc;

pub use limits::Fetching;
use limits::QUESTIONS;

use super::handshake::Question;
use super::{Endpoint, Engine};
use crate::activity::{Activity, Trouble};
use crate::fetch::{self, Agreed, Purpose, Wish};
use crate::journal::{self, BodyKey, EventRow};
use crate::platform::now_ms;
use crate::provider::{Asked, Signature};

/// Something to fetch for an event.
#[derive(Debug, Clone)]
pub struct Errand {
    pub purpose: Purpose,
    url: String,
    /// What is subscribed to.
    about: Option<String>,
    event: Arc<EventRow>,
}

impl Errand {
    /// What an event needs: the confirmation, which begins with the key of the same host, or the key alone.
    fn of(event: &Arc<EventRow>, question: Option<&Question>) -> Option<Self> {
        let needs = event.signature.as_ref().and_then(|s| s.needs.as_deref());
        let errand = |purpose, url: &str, about: Option<&String>| Self {
            purpose,
            url: url.to_owned(),
            about: about.cloned(),
            event: event.clone(),
        };
        // Who agreed to the one host did not agree to the other.
        let confirm = question
            .and_then(Question::fetch)
            .filter(|to| needs.is_none_or(|key| fetch::host(key) == fetch::host(&to.url)));
        match confirm {
            Some(to) => Some(errand(Purpose::Subscription, &to.url, to.about.as_ref())),
            None => Some(errand(Purpose::Key, needs?, None)),
        }
    }

    pub fn wish(&self) -> Wish<'_> {
        Wish { purpose: self.purpose, provider: self.provider(), host: self.host(), about: self.about.as_deref() }
    }

    fn host(&self) -> &str {
        fetch::host(&self.url)
    }

    fn provider(&self) -> &str {
        self.event.provider.as_deref().unwrap_or("its sender")
    }

    fn key(&self) -> (Purpose, String) {
        (self.purpose, self.wish().subject().to_owned())
    }
}

impl Engine {
    /// The questions to the person that come up. They are handed out once.
    pub fn questions(&self) -> Option<mpsc::UnboundedReceiver<Errand>> {
        self.fetching.questions()
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
        let Some(place) = self.fetching.place() else { return };
        let engine = self.clone();
        tokio::spawn(async move {
            let (purpose, subject) = errand.key();
            let before = move || Agreed::read().has(purpose, &subject);
            if said || tokio::task::spawn_blocking(before).await.unwrap_or(false) {
                engine.run_errand(&errand).await;
            } else if !engine.fetching.ask(errand.clone()) {
                let message = format!(
                    "hook asks {QUESTIONS} questions in a run and no more: what further events need is not fetched."
                );
                engine.say(&errand, message, Some("hook listen … --fetch-keys --confirm-subscriptions".to_owned()));
            }
            drop(place);
        });
    }

    /// The person agreed: to this, and to what waits for the same answer.
    pub async fn agreed(&self, errand: &Errand) {
        let behind = self.fetching.behind(errand);
        self.run_errand(errand).await;
        for errand in behind {
            self.run_errand(&errand).await;
        }
    }

    /// Fetches, once the person agreed, and says what came of it.
    pub async fn run_errand(&self, errand: &Errand) {
        let Some(_turn) = self.fetching.turn().await else { return };
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
                let what = errand.about.as_ref().map(|about| format!(" to {about}")).unwrap_or_default();
                if !self.fetching.is_new(&errand.url) {
                    return Ok((format!("event {seq}: the subscription{what} was confirmed before."), None));
                }
                self.fetching.get(&errand.url).await?;
                self.fetching.confirmed(&errand.url);
                (format!("event {seq}: the subscription{what} of {provider} was confirmed at {host}."), None)
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
            let key = fetch::as_key(self.fetching.get(&url).await?).map_err(|e| e.to_string())?;
            self.checker.learn(&url, key);
        }
        let seq = event.seq;
        let body = self.journal.read(move |c| BodyKey::Event(seq).read(c, usize::MAX)).await;
        let body = body.map_err(|e| e.to_string())?;
        let at = if event.queued { event.head.received_at } else { now_ms() };
        let (checker, event) = (self.checker.clone(), event.clone());
        let look = move || {
            let (endpoint, pinned) = (event.endpoint.as_str(), event.provider.as_deref());
            let found = checker.check(Asked { endpoint, pinned, head: &event.head, body: &body }, at);
            if found.verdict() == Some("valid") {
                checker.keep_key(&url);
            }
            found.signature
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
