//! Why does this signature not verify?
//!
//! Each test changes one thing and looks whether the signature is right then. So a cause is only named when it was
//! computed; where nothing fits, it says unknown. What is said never holds a secret, or a signature that would be right.

mod body;
mod bound;
mod cause;
mod question;
mod rewrite;
mod secret;
mod signature;
mod url;

use std::cell::Cell;

use crate::catalog::Catalog;
use crate::known::{Known, Secret};
use crate::recipe::Recipe;
use crate::recipe::template::Scope;
use crate::request::Request;
use crate::scheme::stamp::unit_slip;
use crate::scheme::{Refusal, Scheme};
use crate::verdict::{State, Verdict};
use crate::verify::verify;

pub use cause::Cause;
pub use rewrite::{Rewriting, rewritings};

/// Bytes that may be hashed for one explanation; what would cost more is left out.
const BUDGET: u64 = 64 << 20;
/// No variants are made of a longer body.
const MAX_BODY: usize = 2 << 20;

/// What else is known around a request, for telling why.
#[derive(Clone, Copy, Default)]
pub struct Around<'a> {
    /// Secrets of other endpoints, and of other modes of the same provider.
    pub other_secrets: &'a [Secret<'a>],
    /// Other URLs by which the endpoint or the app is reached.
    pub other_urls: &'a [&'a str],
    /// For recognising another provider's signature.
    pub catalog: Option<&'a Catalog>,
}

/// The finding, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub verdict: Verdict,
    pub cause: Cause,
    /// What was found: a fragment without a full stop.
    pub says: String,
    /// One thing to do, or nothing when all is well.
    pub next: Option<String>,
}

/// Finds the cause of a verdict. `now_ms` is milliseconds since 1970.
pub fn explain(
    recipe: &Recipe,
    request: &Request<'_>,
    known: &Known<'_>,
    around: &Around<'_>,
    now_ms: u64,
) -> Explanation {
    let verdict = verify(recipe, request, known, now_ms);
    let case = Case::new(recipe, request, known, around, now_ms);
    let found = match verdict.state {
        State::Valid => Found::new(Cause::None, verdict.reason.clone()),
        State::Stale if case.has_other_unit(&verdict) => {
            let cause = if verdict.age_ms.is_some_and(|age| age < 0) { Cause::ClockAhead } else { Cause::Stale };
            Found::new(cause, verdict.reason.clone())
                .next("write the timestamp in the unit that is expected, where the event is signed")
        }
        State::Stale if verdict.age_ms.is_some_and(|age| age < 0) => {
            Found::new(Cause::ClockAhead, verdict.reason.clone())
                .next("compare this computer's clock with the time at the provider")
        }
        State::Stale => Found::new(Cause::Stale, verdict.reason.clone())
            .next("send it again with a fresh signature: hook replay signs again when it knows the secret"),
        State::Unchecked if recipe.schemes.is_empty() => {
            let says = format!("{} signs nothing: anyone can send this", recipe.name);
            Found::new(Cause::Unsigned, says)
        }
        State::Unchecked => Found::new(Cause::KeyNotFetched, verdict.reason.clone()),
        State::Unsigned => question::unsigned(&case, &verdict).unwrap_or_else(|| signature::unsigned(&case, &verdict)),
        State::Malformed => question::probe(&case).unwrap_or_else(|| signature::malformed(&case, &verdict)),
        State::NoSecret => secret::none(&case, &verdict),
        State::Invalid => bound::differs(&case, &verdict).unwrap_or_else(|| invalid(&case)),
    };
    Explanation { verdict, cause: found.cause, says: found.says, next: found.next }
}

/// The order of the tests; the first hit wins.
fn invalid(case: &Case<'_>) -> Found {
    signature::repeated(case)
        .or_else(|| secret::of_another(case))
        .or_else(|| secret::written_otherwise(case))
        .or_else(|| secret::mistaken(case))
        .or_else(|| body::changed(case))
        .or_else(|| url::differs(case))
        .or_else(|| signature::written_otherwise(case))
        .or_else(|| signature::of_another_provider(case))
        .or_else(|| body::missing(case))
        .or_else(|| question::probe(case))
        .unwrap_or_else(|| unknown(case))
}

fn unknown(case: &Case<'_>) -> Found {
    let says = "no stored secret and no known variant fits: most likely a secret that hook does not have";
    Found::new(Cause::Unknown, says).next(case.copy_secret())
}

/// A cause and its words.
struct Found {
    cause: Cause,
    says: String,
    next: Option<String>,
}

impl Found {
    fn new(cause: Cause, says: impl Into<String>) -> Self {
        Found { cause, says: says.into(), next: None }
    }

    fn next(self, next: impl Into<String>) -> Self {
        Found { next: Some(next.into()), ..self }
    }
}

/// One request under test.
struct Case<'x> {
    recipe: &'x Recipe,
    scheme: Option<&'x Scheme>,
    request: &'x Request<'x>,
    known: &'x Known<'x>,
    around: &'x Around<'x>,
    now_ms: u64,
    budget: Cell<u64>,
}

impl<'x> Case<'x> {
    fn new(
        recipe: &'x Recipe,
        request: &'x Request<'x>,
        known: &'x Known<'x>,
        around: &'x Around<'x>,
        now_ms: u64,
    ) -> Self {
        let scope = Scope::new(request, known.params);
        let scheme = recipe.schemes.iter().find(|scheme| scheme.holds(&scope)).or(recipe.schemes.first());
        Case { recipe, scheme, request, known, around, now_ms, budget: Cell::new(BUDGET) }
    }

    /// Which secret makes the signature right under these circumstances, the clock aside.
    fn right(&self, request: &Request<'_>, known: &Known<'_>) -> Option<usize> {
        let scope = Scope::new(request, known.params);
        let scheme = self.recipe.schemes.iter().find(|scheme| scheme.holds(&scope))?;
        self.right_by(scheme, request, known)
    }

    fn right_by(&self, scheme: &Scheme, request: &Request<'_>, known: &Known<'_>) -> Option<usize> {
        let cost = (request.body.len() + request.url.len() + 256) as u64 * known.secrets.len().max(1) as u64;
        if !self.spend(cost) {
            return None;
        }
        let now_ms = i64::try_from(self.now_ms).unwrap_or(i64::MAX);
        match scheme.authenticate(request, known, now_ms) {
            Ok(authentic) => Some(authentic.secret.unwrap_or_default()),
            Err(Refusal::Stale { secret, .. }) => Some(secret),
            Err(_) => None,
        }
    }

    /// Whether the signed time was written in milliseconds where seconds are expected, or the other way round.
    fn has_other_unit(&self, verdict: &Verdict) -> bool {
        let now_ms = i64::try_from(self.now_ms).unwrap_or(i64::MAX);
        let stamp = self.scheme.and_then(|scheme| scheme.stamp.as_ref());
        let at_ms = verdict.age_ms.map(|age| now_ms.saturating_sub(age));
        stamp.zip(at_ms).is_some_and(|(stamp, at_ms)| unit_slip(stamp.unit, at_ms, now_ms).is_some())
    }

    /// Takes this much of the budget, if there is as much.
    fn spend(&self, cost: u64) -> bool {
        let left = self.budget.get().checked_sub(cost);
        left.map(|left| self.budget.set(left)).is_some()
    }

    fn with_body(&self, body: &[u8]) -> bool {
        let request = Request::new(self.request.method, self.request.url, self.request.headers, body);
        self.right(&request, self.known).is_some()
    }

    fn copy_secret(&self) -> String {
        let slug = &self.recipe.slug;
        let called = &self.recipe.secret.called;
        // The place on the page; what follows a semicolon is more to know about it.
        let found = self.recipe.secret.found.split(';').next().unwrap_or_default();
        let found = if found.is_empty() { String::new() } else { format!(" ({found})") };
        match &self.recipe.setup.dashboard {
            Some(page) => format!("copy this endpoint's {called} from {page}{found}, then hook secret set {slug}"),
            None => format!("copy this endpoint's {called} once more{found}, then hook secret set {slug}"),
        }
    }

    fn set_secret(&self) -> String {
        format!("hook secret set {}", self.recipe.slug)
    }
}
