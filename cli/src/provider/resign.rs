//! Whether what goes to the app is signed anew, and what it is then. `hook replay` and the engine both ask here.

mod forge;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use hook_proto::{EventHead, Header};
use hook_providers::{CannotSign, Known, Recipe, Request, Signed, State, Verdict};

use super::{Asked, Case, Checker, Secret};
use crate::journal::Signing;
use crate::text::span;

/// On whose word an event may be signed anew.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Nobody's: only one whose signature was right when it came, for a forgery must not become valid.
    Itself,
    /// Of a person who sends it again: one that a known secret made, and that would be refused by now.
    Again,
    /// Of a person who changed it. This secret made the original, if it is known.
    Edited(Option<Secret>),
    /// `--resign`.
    Always,
    /// To see which secret an app holds: this one, whoever made the original.
    With(Secret),
}

/// Where an event goes.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The path and query that the app is asked for.
    pub path: &'a str,
    /// The URL by which the app takes itself to be called.
    pub url: &'a str,
}

/// What is sent in place of what came.
#[derive(Debug, Clone)]
pub struct Resigned {
    pub head: EventHead,
    /// A body of its own, where the signature stands in it.
    pub body: Option<Bytes>,
    /// A path of its own, where the query has a part in the signature.
    pub path: Option<String>,
    pub signing: Signing,
    /// With which secret, as it may be shown.
    pub with: String,
    /// What the signature that it came with is.
    pub was: State,
}

/// A fact and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub fact: String,
    pub next: String,
}

#[derive(Debug)]
pub enum Decision {
    AsItCame,
    Resigned(Box<Resigned>),
    /// It goes as it came, and that cannot be right; or it cannot be done.
    Problem(Problem),
}

impl Checker {
    pub fn resign(&self, asked: Asked<'_>, to: Destination<'_>, rule: &Rule, now_ms: u64) -> Decision {
        self.look(asked, |case| match case.recipe {
            Some(recipe) => Look { case, recipe, head: asked.head, to, now_ms }.decide(rule),
            None if matches!(rule, Rule::Always) => Decision::Problem(no_provider()),
            None => Decision::AsItCame,
        })
    }

    /// The secret that made the signature of an event, whatever its age.
    pub fn signer(&self, asked: Asked<'_>) -> Option<Secret> {
        self.look(asked, |case| {
            let verdict = hook_providers::verify(case.recipe?, case.request, &case.known, asked.head.received_at);
            case.secrets.get(made_by(&verdict)?).cloned()
        })
    }
}

fn no_provider() -> Problem {
    Problem {
        fact: "hook does not know who sent it, so it cannot be signed.".to_owned(),
        next: "hook replay … --provider NAME      (hook providers lists them)".to_owned(),
    }
}

/// Which secret made a signature, right or too old.
fn made_by(verdict: &Verdict) -> Option<usize> {
    matches!(verdict.state, State::Valid | State::Stale).then_some(verdict.secret).flatten()
}

struct Look<'c> {
    case: &'c Case<'c>,
    recipe: &'c Recipe,
    head: &'c EventHead,
    to: Destination<'c>,
    now_ms: u64,
}

impl Look<'_> {
    fn decide(&self, rule: &Rule) -> Decision {
        let came = |at_ms| hook_providers::verify(self.recipe, self.case.request, &self.case.known, at_ms);
        let now = self.here(|here| hook_providers::verify(self.recipe, here, &self.case.known, self.now_ms));
        let by = match rule {
            Rule::Itself | Rule::Again if now.is_valid() => return Decision::AsItCame,
            Rule::Itself => {
                let came = came(self.head.received_at);
                came.is_valid().then_some(came.secret).flatten()
            }
            Rule::Again => made_by(&now).or_else(|| made_by(&came(self.now_ms))),
            Rule::Edited(secret) => self.place_of(secret.as_ref()),
            Rule::With(_) => None,
            Rule::Always => made_by(&now).or_else(|| made_by(&came(self.now_ms))).or_else(|| self.place_of(None)),
        };
        let was = self.was(&now, &came(self.head.received_at));
        let by = match rule {
            Rule::With(secret) => Some(secret),
            _ => by.and_then(|by| self.case.secrets.get(by)),
        };
        match (by, rule) {
            (Some(by), _) => match self.signed(by, was) {
                Ok(resigned) => Decision::Resigned(Box::new(resigned)),
                Err(_) if matches!(rule, Rule::Itself) => Decision::AsItCame,
                Err(error) => Decision::Problem(self.cannot(&now, &error)),
            },
            (None, Rule::Itself) => Decision::AsItCame,
            (None, Rule::Again) => self.will_be_refused(&now).map_or(Decision::AsItCame, Decision::Problem),
            (None, Rule::Edited(_)) if was == State::Unsigned || !self.recipe.is_verifiable() => Decision::AsItCame,
            (None, Rule::Edited(_) | Rule::Always | Rule::With(_)) => Decision::Problem(self.no_secret(rule)),
        }
    }

    /// Looks at the request as the app sees it.
    fn here<T>(&self, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let Request { method, headers, body, .. } = *self.case.request;
        look(&Request::new(method, self.to.url, headers, body))
    }

    fn was(&self, now: &Verdict, came: &Verdict) -> State {
        if made_by(now).is_some() { now.state } else { came.state }
    }

    /// The place of a secret among those that are known; of none, or of one that is not known, the one that signs.
    fn place_of(&self, secret: Option<&Secret>) -> Option<usize> {
        let it = secret.and_then(|secret| self.case.secrets.iter().position(|s| s.value == secret.value));
        it.or((!self.case.secrets.is_empty()).then_some(0))
    }

    fn signed(&self, secret: &Secret, was: State) -> Result<Resigned, CannotSign> {
        let signed = self.sign_with(secret.as_known(), self.now_ms)?;
        let signing = if self.url_counts() { Signing::AnewFor(self.to.url.to_owned()) } else { Signing::Anew };
        let with = format!("{} {}", secret.label, secret.shown());
        Ok(self.apply(&signed, signing, with, was))
    }

    fn sign_with(&self, secret: hook_providers::Secret<'_>, at_ms: u64) -> Result<Signed, CannotSign> {
        let known = Known { secrets: &[secret], ..self.case.known };
        self.here(|here| hook_providers::sign(self.recipe, here, &known, at_ms))
    }

    fn url_counts(&self) -> bool {
        self.recipe.signs_url() && self.to.url != self.head.url
    }

    fn apply(&self, signed: &Signed, signing: Signing, with: String, was: State) -> Resigned {
        let mut head = self.head.clone();
        for (name, value) in &signed.headers {
            set_header(&mut head, name, value);
        }
        let body = signed.body.clone().map(Bytes::from);
        if let Some(body) = &body {
            head.body_size = body.len() as u64;
        }
        let query = signed.url.as_ref().and_then(|url| url.split_once('?'));
        let bare = self.to.path.split('?').next().unwrap_or_default();
        Resigned { head, body, path: query.map(|(_, query)| format!("{bare}?{query}")), signing, with, was }
    }

    /// What must go wrong with it as it came, and what would help.
    fn will_be_refused(&self, now: &Verdict) -> Option<Problem> {
        let next = format!("hook secret set {}", self.recipe.slug);
        if now.state == State::Stale {
            return Some(self.cannot(now, &CannotSign::ProvidersKey));
        }
        if now.state != State::NoSecret {
            return None;
        }
        let name = &self.recipe.name;
        let too_old = self.too_old(now).map(|fact| format!("{fact}."));
        let elsewhere = || {
            let url = crate::sanitize::sanitize(self.to.url);
            self.url_counts().then(|| format!("{name} signs the URL that it calls, and your app is asked for {url}."))
        };
        too_old.or_else(elsewhere).map(|fact| Problem { fact, next })
    }

    /// `timestamp is 14 min old, Stripe libraries refuse after 5 min`
    fn too_old(&self, verdict: &Verdict) -> Option<String> {
        let limit = self.recipe.signatures().find(|s| s.id == verdict.scheme)?.tolerance?;
        let age = Duration::from_millis(u64::try_from(verdict.age_ms?).ok()?);
        let source = if self.recipe.confirmed { "" } else { ", according to its documentation" };
        let (name, age, after) = (&self.recipe.name, span(age), span(limit));
        (verdict.age_ms? as u128 > limit.as_millis())
            .then(|| format!("timestamp is {age} old, {name} libraries refuse after {after}{source}"))
    }

    fn cannot(&self, now: &Verdict, error: &CannotSign) -> Problem {
        let stale = || (now.state == State::Stale).then(|| now.reason.clone());
        let why = self.too_old(now).or_else(stale).map_or_else(String::new, |why| format!("{why}; "));
        let lacking = |what: &str| self.recipe.params.iter().find(|p| what.starts_with(&p.name));
        let param = if let CannotSign::Lacking(what) = error { lacking(what) } else { None };
        let next = match (error, param) {
            (CannotSign::NoSecret | CannotSign::Secret { .. }, _) => format!("hook secret set {}", self.recipe.slug),
            (_, Some(param)) => format!("hook replay … --param {}=…", param.name),
            _ => format!("hook providers {}", self.recipe.slug),
        };
        Problem { fact: format!("{why}it cannot be signed again: {error}."), next }
    }

    fn no_secret(&self, rule: &Rule) -> Problem {
        let slug = &self.recipe.slug;
        let fact = match rule {
            Rule::Edited(_) => format!("it was changed, and no secret of {slug} is known to sign it again."),
            _ => format!("no secret of {slug} is known."),
        };
        Problem { fact, next: format!("hook secret set {slug}") }
    }
}

/// In place of the first field of its name, and of all others.
fn set_header(head: &mut EventHead, name: &str, value: &str) {
    let name = name.to_ascii_lowercase();
    let mut placed = false;
    head.headers.retain_mut(|field| {
        if !field.name.eq_ignore_ascii_case(&name) {
            return true;
        }
        field.value = value.as_bytes().to_vec().into();
        !std::mem::replace(&mut placed, true)
    });
    if !placed {
        head.headers.push(Header::new(name, value.as_bytes().to_vec()));
    }
}
