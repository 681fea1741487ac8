//! What is found about a signature, in words that name the secrets as a person knows them.

use hook_providers::{Around, Cause, Covers, KeyUrl, Recipe, State, Verdict, explain, verify};

use crate::fetch;
use crate::provider::{Case, Secret, Signature};

/// The finding about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The provider's word on the command line, and its name; `None` when nobody is recognised.
    pub provider: Option<(String, String)>,
    pub event_type: Option<String>,
    pub signature: Signature,
    /// One thing to do, or nothing when all is well.
    pub next: Option<String>,
}

impl Finding {
    /// Looks at a case as at this time. `urls` are others by which the endpoint or the app is reached.
    pub fn of(case: &Case<'_>, urls: &[&str], now_ms: u64) -> Self {
        let Some(recipe) = case.recipe else { return Self::unrecognised(case) };
        let others: Vec<_> = case.others.iter().map(Secret::as_known).collect();
        let around = Around { other_secrets: &others, other_urls: urls, catalog: Some(case.providers.catalog()) };
        let found = explain(recipe, case.request, &case.known, &around, now_ms);
        let mut signature = case.signature(&found.verdict);
        signature.reason = (found.cause != Cause::None).then(|| found.cause.word().to_owned());
        signature.text = match found.cause {
            Cause::None => valid(case, &found.verdict),
            Cause::Unknown => unknown(case, recipe, found.verdict.scheme.as_deref()),
            _ => found.says,
        };
        Self {
            provider: Some((recipe.slug.clone(), recipe.name.clone())),
            event_type: case.event.full_type(),
            signature,
            next: found.next.or_else(|| Some(lacking_key(recipe, found.verdict.needs.as_ref()?))),
        }
    }

    fn unrecognised(case: &Case<'_>) -> Self {
        let known = case.providers.catalog().iter().len();
        let left_out = case.providers.left_out.iter().map(|bad| format!("; a recipe was left out: {bad}"));
        let signature = Signature {
            verdict: Some(State::Unchecked.word().to_owned()),
            text: format!(
                "nothing in it is of a provider that hook knows ({known} of them){}",
                left_out.collect::<String>()
            ),
            reason: Some(Cause::Unknown.word().to_owned()),
            ..Signature::default()
        };
        let next = Some("name the provider with --provider; hook providers lists them".to_owned());
        Self { provider: None, event_type: None, signature, next }
    }

    pub fn verdict(&self) -> &str {
        self.signature.verdict.as_deref().unwrap_or("unchecked")
    }

    pub fn is_valid(&self) -> bool {
        self.verdict() == State::Valid.word()
    }

    /// How old the signed timestamp was, in whole seconds.
    pub fn age_s(&self) -> Option<i64> {
        self.signature.age_ms.map(|ms| ms.div_euclid(1000))
    }
}

/// Why the provider's libraries would refuse a good signature now, if they would.
pub fn refused_at(case: &Case<'_>, now_ms: u64) -> Option<String> {
    let verdict = verify(case.recipe?, case.request, &case.known, now_ms);
    (verdict.state == State::Stale).then_some(verdict.reason)
}

/// What to do about a key that has to be fetched.
fn lacking_key(recipe: &Recipe, key: &KeyUrl) -> String {
    match key.is_public {
        true => format!("the same with --fetch-keys: hook then asks {} for it", fetch::host(&key.url)),
        false => format!("hook secret set {}      the key that its API gives you for your credentials", recipe.slug),
    }
}

fn valid(case: &Case<'_>, verdict: &Verdict) -> String {
    let mut text = match verdict.secret.and_then(|n| case.secrets.get(n)) {
        Some(secret) => format!("signed with {} ({})", named(secret), secret.source),
        None => verdict.reason.clone(),
    };
    match verdict.covers {
        Covers::Body => {}
        Covers::PartOfBody => text.push_str("; only a part of the body is signed, the rest may have been changed"),
        Covers::Nothing => text.push_str("; the body is not signed, so it may have been changed"),
    }
    if let Some(warning) = &verdict.clock_warning {
        text.push_str(&format!("; {warning}"));
    }
    text
}

fn unknown(case: &Case<'_>, recipe: &Recipe, scheme: Option<&str>) -> String {
    let known: Vec<String> = case.secrets.iter().map(named).collect();
    let facts = recipe.signature(scheme);
    // Only of what is signed other forms were tried.
    let tried = match facts.map(|facts| (facts.covers == Covers::Body, facts.url)).unwrap_or_default() {
        (true, true) => ", nor any known re-formatting of the body or URL",
        (true, false) => ", nor any known re-formatting of the body",
        (false, true) => ", nor any known form of the URL",
        (false, false) => "",
    };
    format!(
        "matches none of the secrets hook knows ({}){tried}. Most often: another endpoint's secret",
        known.join(", ")
    )
}

/// `stripe whsec_…9fQ2`
pub fn named(secret: &Secret) -> String {
    format!("{} {}", secret.label, secret.shown())
}
