//! One event under the eyes of the recipes, with the secrets that are known for its endpoint.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hook_proto::EventHead;
use hook_providers::{Covers, Event, Known, Recipe, Request, State, Verdict};

use super::live::LiveKeys;
use super::secrets::Store;
use super::{Change, Given, Providers, Secret, Secrets};
use crate::failure::Failure;
use crate::journal::Listener;
use crate::lookup::Lookup;
use crate::signature::{Checked, Signature};

/// Everything that is known, for as long as a command runs.
pub struct Checker {
    pub providers: Providers,
    /// Whoever looks has what was known when the look began; nobody holds the lock for longer than a copy of the pointer.
    secrets: RwLock<Arc<Secrets>>,
    /// Held while other secrets are made ready, so that no change undoes another.
    changing: Mutex<()>,
    looked: Mutex<Instant>,
    /// Keys that providers publish, as far as they were fetched.
    live: RwLock<Arc<LiveKeys>>,
}

/// Files of secrets are looked at no more often than this while events come.
pub const LOOK: Duration = Duration::from_secs(1);

/// What became of a secret that a provider handed over; `shown` as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed {
    /// It was there before.
    Known,
    Kept {
        shown: String,
    },
    /// Not kept: nobody said that this provider sends to this endpoint.
    Unasked {
        shown: String,
    },
    /// Not kept: the person gave another.
    Given {
        shown: String,
    },
    /// Not kept: there are as many as may be.
    Full {
        shown: String,
    },
}

/// The event that is asked about.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Secrets belong to endpoints; empty: to none.
    pub endpoint: &'a str,
    /// The provider that was pinned on the endpoint.
    pub pinned: Option<&'a str>,
    pub head: &'a EventHead,
    pub body: &'a [u8],
}

/// What can be said about an event, for as long as it is looked at.
pub struct Case<'a> {
    pub providers: &'a Providers,
    pub recipe: Option<&'a Recipe>,
    /// Other recipes that fit just as well.
    pub also: Vec<&'a Recipe>,
    pub event: Event,
    pub request: &'a Request<'a>,
    pub known: Known<'a>,
    /// Those of `known`, with where they came from.
    pub secrets: &'a [Secret],
    /// Those of other endpoints.
    pub others: &'a [Secret],
}

impl Checker {
    pub fn load(project: &Path, given: Given) -> Result<Self, Failure> {
        let providers = Providers::load(project);
        providers.check_params(&given.flags.params, &[])?;
        Ok(Self {
            providers,
            secrets: RwLock::new(Arc::new(Secrets::load(project, given)?)),
            changing: Mutex::default(),
            looked: Mutex::new(Instant::now()),
            live: RwLock::new(Arc::new(LiveKeys::read())),
        })
    }

    /// Whether it is time to look at the files of secrets again. Whoever hears so does it.
    pub fn is_due(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = looked.elapsed() >= LOOK;
        if is_due {
            *looked = Instant::now();
        }
        is_due
    }

    /// Reads again what changed of the secrets. It reads files, so not on a thread that others wait for.
    pub fn refresh(&self) -> Vec<Change> {
        let is_usual = |name: &str| self.providers.catalog().iter().any(|r| r.secret.env.iter().any(|v| v == name));
        self.change(|secrets| secrets.refresh(is_usual))
    }

    /// Where this process looks for the secrets of an endpoint.
    pub fn lookup(&self, endpoint: &str) -> Lookup {
        self.secrets().lookup(endpoint, self.providers.catalog().iter().flat_map(|r| &r.secret.env))
    }

    /// From now on secrets are found where a `hook listen` finds those of its endpoint.
    pub fn also_look(&self, listener: &Listener) {
        self.change(|secrets| secrets.also_look(&listener.endpoint, &listener.lookup));
    }

    /// What is known now; it stays so for who holds it.
    pub fn secrets(&self) -> Arc<Secrets> {
        self.secrets.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes other secrets ready beside those that are in use, and then takes them.
    pub fn change<T>(&self, change: impl FnOnce(&mut Secrets) -> T) -> T {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Secrets::clone(&self.secrets());
        let done = change(&mut next);
        *self.secrets.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        done
    }

    /// Takes a key that was fetched.
    pub fn learn(&self, url: &str, key: Bytes) {
        let mut keys = self.live.write().unwrap_or_else(PoisonError::into_inner);
        *keys = Arc::new(keys.with(url, key));
    }

    /// Keeps it for other runs, once a signature was right by it: senders name the URLs.
    pub fn keep_key(&self, url: &str) {
        // What cannot be kept is fetched once more by the next run.
        let _ = self.live().keep(url);
    }

    pub fn knows_key(&self, url: &str) -> bool {
        self.live().known().iter().any(|key| key.url == url)
    }

    /// With its keys elsewhere than a person's own are.
    #[cfg(test)]
    pub fn with_keys_in(self, dir: std::path::PathBuf) -> Self {
        Self { live: RwLock::new(Arc::new(LiveKeys::of(dir))), ..self }
    }

    fn live(&self) -> Arc<LiveKeys> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a secret that a provider handed over to an endpoint. Anybody can hand one over, so it is kept only where the
    /// provider is pinned and the person gave none.
    pub fn keep_handed(
        &self,
        endpoint: &str,
        pinned: Option<&str>,
        provider: &str,
        value: &str,
    ) -> Result<Handed, Failure> {
        let Some(recipe) = self.providers.get(provider) else { return Ok(Handed::Known) };
        let Some(kept) = self.secrets().handed(endpoint, recipe, value) else { return Ok(Handed::Known) };
        let shown = hook_providers::Secret { label: provider, value }.shown();
        if pinned != Some(provider) {
            return Ok(Handed::Unasked { shown });
        }
        if self.secrets().is_given(endpoint, recipe) {
            return Ok(Handed::Given { shown });
        }
        // Events are checked with the others meanwhile.
        if !Store::keep_handed(kept)? {
            return Ok(Handed::Full { shown });
        }
        self.change(|secrets| Store::read().map(|store| secrets.take(store)))?;
        Ok(Handed::Kept { shown })
    }

    /// Gathers what is known about an event, and hands it on.
    pub fn look<T>(&self, asked: Asked<'_>, then: impl FnOnce(&Case<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> = asked.head.headers.iter().map(|h| (h.name.as_str(), &*h.value)).collect();
        let request = Request::new(&asked.head.method, &asked.head.url, &headers, asked.body);
        let pinned = asked.pinned.and_then(|name| self.providers.get(name));
        let found = hook_providers::identify(self.providers.catalog(), &request, pinned);
        let secrets = self.secrets();
        let of = found.recipe.map(|r| secrets.of(asked.endpoint, r)).unwrap_or_default();
        let others = found.recipe.map(|r| secrets.others(asked.endpoint, r)).unwrap_or_default();
        let known: Vec<_> = of.iter().map(Secret::as_known).collect();
        let params = secrets.params(asked.endpoint);
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, &**value)).collect();
        let live = self.live();
        let live_keys = live.known();
        then(&Case {
            providers: &self.providers,
            recipe: found.recipe,
            also: found.also,
            event: found.event,
            request: &request,
            known: Known { secrets: &known, params: &params, live_keys: &live_keys },
            secrets: &of,
            others: &others,
        })
    }

    /// Who sent it, and whether the signature is right. `now_ms` is when it came.
    pub fn check(&self, asked: Asked<'_>, now_ms: u64) -> Checked {
        self.look(asked, |case| case.checked(now_ms))
    }
}

impl Case<'_> {
    pub fn checked(&self, now_ms: u64) -> Checked {
        let Some(recipe) = self.recipe else { return Checked::default() };
        let verdict = hook_providers::verify(recipe, self.request, &self.known, now_ms);
        let handshake = hook_providers::answer_handshake(recipe, self.request, &self.known, now_ms);
        let signature = Signature { question: handshake.is_some(), ..self.signature(&verdict) };
        Checked {
            handshake: handshake.map(Box::new),
            provider: Some(recipe.slug.clone()),
            event_type: self.event.full_type(),
            provider_event_id: self.event.id.clone(),
            signature: Some(signature),
        }
    }

    /// A verdict in the form that is kept.
    pub fn signature(&self, verdict: &Verdict) -> Signature {
        let secret = verdict.secret.and_then(|i| self.secrets.get(i));
        let matched = matches!(verdict.state, State::Valid | State::Stale);
        let covers = match verdict.covers {
            Covers::Body => "body",
            Covers::PartOfBody => "part",
            Covers::Nothing => "nothing",
        };
        let sole = self.recipe.map(|r| r.signatures().collect::<Vec<_>>()).filter(|all| all.len() == 1);
        let algorithm = sole.map(|all| all[0].algorithm.to_owned());
        Signature {
            verdict: Some(verdict.state.word().to_owned()),
            text: verdict.reason.clone(),
            reason: None,
            next: None,
            covers: matched.then(|| covers.to_owned()),
            fields: self.recipe.and_then(|r| r.signature(verdict.scheme.as_deref())).is_some_and(|s| s.fields),
            scheme: verdict.scheme.clone().or(algorithm),
            secret: secret.map(Secret::shown),
            source: secret.map(|s| s.source.to_string()),
            place: secret.and_then(|s| s.source.place()),
            age_ms: verdict.age_ms,
            clock_warning: verdict.clock_warning.clone(),
            delivery_id: self.event.delivery.clone(),
            live: self.event.live,
            question: false,
            once: self.event.once,
            also: self.also.iter().map(|r| r.slug.clone()).collect(),
            needs: verdict.needs.as_ref().filter(|key| key.is_public).map(|key| key.url.clone()),
            tokens: self.recipe.map(Recipe::token_places).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use hook_proto::Header;

    use super::*;

    #[test]
    fn a_look_that_takes_long_holds_up_no_change_and_sees_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".env");
        std::fs::write(&file, "STRIPE_WEBHOOK_SECRET=whsec_old\n").unwrap();
        let checker = Arc::new(Checker::load(dir.path(), Given::default()).unwrap());
        let headers = vec![Header::new("stripe-signature", b"t=1,v1=ab".to_vec())];
        let head = EventHead { headers, ..EventHead::default() };
        let asked = Asked { endpoint: "", pinned: Some("stripe"), head: &head, body: b"{}" };
        let values = |secrets: &[Secret]| secrets.iter().map(|s| s.value.clone()).collect::<Vec<_>>();
        let during = checker.look(asked, |case| {
            // Of another length, so that it is seen to have changed.
            std::fs::write(&file, "STRIPE_WEBHOOK_SECRET=whsec_newer\n").unwrap();
            let (done, is_done) = mpsc::channel();
            let other = checker.clone();
            std::thread::spawn(move || done.send(other.refresh().len()));
            assert_eq!(is_done.recv_timeout(Duration::from_secs(10)), Ok(1), "the change waits for the look");
            values(case.secrets)
        });
        assert!(during.contains(&"whsec_old".to_owned()), "{during:?}");
        let after = checker.look(asked, |case| values(case.secrets));
        assert!(after.contains(&"whsec_newer".to_owned()), "{after:?}");
    }

    #[test]
    fn files_are_looked_at_by_one_at_a_time_and_seldom() {
        let dir = tempfile::tempdir().unwrap();
        let checker = Checker::load(dir.path(), Given::default()).unwrap();
        *checker.looked.lock().unwrap() -= LOOK;
        assert_eq!([checker.is_due(), checker.is_due()], [true, false]);
    }
}
