//! Looking at a signature: what all algorithms share. Finding it, its timestamp and the secret, and judging the time.

use std::borrow::Cow;

use super::bound::{self, Unfit};
use super::stamp::{Future, span, unit_slip};
use super::{Algorithm, Scheme, ecdsa, ed25519, jwt, mac, older, rsa, token};
use crate::json::Value;
use crate::known::{Known, MAX_SECRETS, Secret};
use crate::recipe::selector::Selector;
use crate::recipe::signature::Signature;
use crate::recipe::template::Scope;
use crate::request::Request;
use crate::verdict::{KeyUrl, State, Verdict};

/// Signed items beyond this many in one body are refused.
const MAX_ITEMS: usize = 256;
/// A timestamp this far ahead is worth a word, also where the provider's libraries do not mind.
const AHEAD_MS: i64 = 30_000;

/// Why a signature was not accepted.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    Unsigned(String),
    Malformed(String),
    NoSecret(String),
    Invalid(String),
    /// The signature is right, but not what it is bound to.
    Bound {
        secret: Option<usize>,
        unfit: Vec<Unfit>,
    },
    /// A live key is wanted first.
    Wants(KeyUrl),
    /// The signature is right, but the time is not.
    Stale {
        secret: usize,
        reason: String,
        age_ms: i64,
    },
}

/// The signature is right.
#[derive(Debug, PartialEq)]
pub(crate) struct Authentic {
    /// Which secret; `None` for a published key.
    pub(crate) secret: Option<usize>,
    /// When it was signed.
    pub(crate) at_ms: Option<i64>,
}

/// What one look at a signature has at hand.
pub(crate) struct Look<'x> {
    pub(crate) scheme: &'x Scheme,
    pub(crate) scope: Scope<'x>,
    pub(crate) signature: &'x Signature<'x>,
    pub(crate) known: &'x Known<'x>,
    pub(crate) now_ms: i64,
}

impl Scheme {
    pub(crate) fn verify(&self, request: &Request<'_>, known: &Known<'_>, now_ms: i64) -> Verdict {
        let found = self.authenticate(request, known, now_ms);
        let mut verdict = match found {
            Ok(Authentic { secret, at_ms }) => {
                let mut verdict = Verdict::new(State::Valid, signed_with(secret, known));
                verdict.secret = secret;
                self.judge_time(&mut verdict, at_ms, now_ms);
                verdict.covers = self.covers;
                verdict
            }
            Err(Refusal::Unsigned(reason)) => {
                let (reason, secret) = older::beside(self, request, known, now_ms).unwrap_or((reason, None));
                Verdict { secret, ..Verdict::new(State::Unsigned, reason) }
            }
            Err(Refusal::Malformed(reason)) => Verdict::new(State::Malformed, reason),
            Err(Refusal::NoSecret(reason)) => Verdict::new(State::NoSecret, reason),
            Err(Refusal::Invalid(reason)) => Verdict::new(State::Invalid, reason),
            Err(Refusal::Bound { secret, unfit }) => {
                Verdict { secret, ..Verdict::new(State::Invalid, bound::words(secret, &unfit, known)) }
            }
            Err(Refusal::Wants(key)) => {
                let reason = format!("the key at {} has to be fetched first", key.url);
                Verdict { needs: Some(key), ..Verdict::new(State::Unchecked, reason) }
            }
            Err(Refusal::Stale { secret, reason, age_ms }) => Verdict {
                secret: Some(secret),
                age_ms: Some(age_ms),
                covers: self.covers,
                ..Verdict::new(State::Stale, reason)
            },
        };
        verdict.scheme.clone_from(&self.id);
        if matches!(verdict.state, State::NoSecret | State::Invalid) {
            verdict.age_ms = self.says_signed_at(request, known).map(|at_ms| now_ms.saturating_sub(at_ms));
        }
        verdict
    }

    /// The time in the signature, which nobody vouches for yet.
    fn says_signed_at(&self, request: &Request<'_>, known: &Known<'_>) -> Option<i64> {
        let scope = Scope::new(request, known.params);
        let values: Vec<Cow<'_, [u8]>> = self.signature.values(&scope);
        let signature = self.signature.read(&values);
        if self.algorithm == Algorithm::Jwt {
            return signature.candidates().find_map(|(_, token)| jwt::issued_at(&token));
        }
        let stamp = self.stamp.as_ref()?;
        stamp.unit.read(&stamp.at.find(&Scope { signature: Some(&signature), ..scope })?)
    }

    /// Whether the signature is right, whatever the clock says (except for a JWT, which holds its own times).
    pub(crate) fn authenticate(
        &self,
        request: &Request<'_>,
        known: &Known<'_>,
        now_ms: i64,
    ) -> Result<Authentic, Refusal> {
        let scope = Scope::new(request, known.params);
        let Some(steps) = &self.each else { return self.authenticate_one(scope, known, now_ms) };
        let items = match request.json().and_then(|json| json.at(steps)) {
            Some(Value::Array(items)) if !items.is_empty() => items,
            _ => return Err(Refusal::Malformed(format!("no {}", Selector::Json(steps.clone())))),
        };
        if items.len() > MAX_ITEMS {
            return Err(Refusal::Malformed(format!("more than {MAX_ITEMS} signed items")));
        }
        let mut all =
            items.iter().map(|item| self.authenticate_one(Scope { item: Some(item), ..scope }, known, now_ms));
        let first = all.next().unwrap_or_else(|| Err(Refusal::Malformed("no signed item".to_owned())))?;
        all.try_fold(first, |first, next| next.map(|_| first))
    }

    fn authenticate_one<'x>(
        &'x self,
        scope: Scope<'x>,
        known: &'x Known<'x>,
        now_ms: i64,
    ) -> Result<Authentic, Refusal> {
        let values: Vec<Cow<'_, [u8]>> = self.signature.values(&scope);
        if values.is_empty() {
            return Err(Refusal::Unsigned(self.unsigned()));
        }
        if let Some(lacking) = self.require.iter().find(|place| place.find(&scope).is_none()) {
            return Err(Refusal::Malformed(format!("no {lacking}")));
        }
        let signature = self.signature.read(&values);
        if signature.candidates().next().is_none() {
            return Err(Refusal::Malformed(self.no_candidate()));
        }
        let scope = Scope { signature: Some(&signature), ..scope };
        let written = self.stamp.as_ref().map(|stamp| stamp.at.find(&scope).ok_or(stamp)).transpose();
        let written = written.map_err(|stamp| Refusal::Malformed(format!("no timestamp: no {}", stamp.at)))?;
        let unreadable = || Refusal::Malformed("the timestamp cannot be read".to_owned());
        let at_ms = match (&self.stamp, &written) {
            (Some(stamp), Some(text)) => Some(stamp.unit.read(text).ok_or_else(unreadable)?),
            _ => None,
        };
        let scope = Scope { ts: written.as_deref(), ..scope };
        let unfit = self.differing(&scope)?;
        let look = Look { scheme: self, scope, signature: &signature, known, now_ms };
        let authentic = match self.algorithm {
            Algorithm::Hmac(_) | Algorithm::Digest(_) => mac::verify(&look),
            Algorithm::Ed25519 => ed25519::verify(&look),
            Algorithm::EcdsaP256 => ecdsa::verify(&look),
            Algorithm::Rsa(hash) => rsa::verify(&look, hash),
            Algorithm::Jwt => return jwt::verify(&look),
            Algorithm::Equals => token::equals(&look),
            Algorithm::Basic => token::basic(&look),
        }?;
        if !unfit.is_empty() {
            return Err(Refusal::Bound { secret: authentic.secret, unfit });
        }
        Ok(Authentic { at_ms, ..authentic })
    }

    /// What is compared beside the signature, and differs.
    fn differing(&self, scope: &Scope<'_>) -> Result<Vec<Unfit>, Refusal> {
        let mut all = Vec::new();
        for check in &self.checks {
            all.extend(Unfit::check(check, scope)?);
        }
        Ok(all)
    }

    fn judge_time(&self, verdict: &mut Verdict, at_ms: Option<i64>, now_ms: i64) {
        let Some(at_ms) = at_ms else { return };
        let age = now_ms.saturating_sub(at_ms);
        verdict.age_ms = Some(age);
        let Some(stamp) = &self.stamp else { return };
        let tolerance = stamp.tolerance_ms.unwrap_or(i64::MAX);
        let may_lead = stamp.ahead_ms.unwrap_or(tolerance);
        let slip = unit_slip(stamp.unit, at_ms, now_ms).map_or_else(String::new, |slip| format!("; {slip}"));
        if age > tolerance {
            let (age, limit) = (span(age.unsigned_abs()), span(tolerance.unsigned_abs()));
            verdict.state = State::Stale;
            verdict.reason =
                format!("the signature is right, but its timestamp is {age} old; libraries refuse after {limit}{slip}");
        } else if age < -AHEAD_MS.min(may_lead) {
            let ahead = span(age.unsigned_abs());
            if stamp.future == Future::Reject && age < -may_lead {
                verdict.state = State::Stale;
                verdict.reason = format!(
                    "the signature is right, but its timestamp is {ahead} ahead of this clock, which libraries refuse{slip}"
                );
            }
            verdict.clock_warning = Some(format!("its timestamp is {ahead} ahead of this computer's clock{slip}"));
        }
    }

    pub(crate) fn unsigned(&self) -> String {
        format!("no {}", self.signature.at.first().map(ToString::to_string).unwrap_or_default())
    }

    fn no_candidate(&self) -> String {
        let place = self.signature.at.first().map(ToString::to_string).unwrap_or_default();
        match (&self.signature.key_mark, self.signature.keys.first()) {
            (Some(mark), Some(key)) => format!("the {place} has no {key}{mark}"),
            _ => format!("the {place} is empty"),
        }
    }
}

impl<'x> Look<'x> {
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (usize, &'x Secret<'x>)> + use<'x> {
        self.known.secrets.iter().take(MAX_SECRETS).enumerate()
    }

    /// The signed text in the first form that this request can fill.
    pub(crate) fn first_content(&self, secret: Option<&'x [u8]>) -> Result<Vec<u8>, Refusal> {
        let scope = Scope { secret, ..self.scope };
        let mut lacking = None;
        for template in &self.scheme.content {
            match template.text(&scope) {
                Ok(text) => return Ok(text),
                Err(error) => lacking = lacking.or(Some(error.to_string())),
            }
        }
        Err(Refusal::Malformed(lacking.unwrap_or_default()))
    }

    /// Verifies with a public key that is either in a secret or, for published keys, fetched.
    pub(crate) fn with_public_key<K>(
        &self,
        read: impl Fn(&[u8]) -> Option<K>,
        accepts: impl Fn(&K, &[u8], &[u8]) -> bool,
    ) -> Result<Authentic, Refusal> {
        let wanted = self.scheme.live_key.as_ref().map(|form| form.url(&self.scope)).transpose();
        let wanted = wanted.map_err(Refusal::Malformed)?;
        let fetched = wanted.as_ref().and_then(|want| self.known.live_keys.iter().find(|key| key.url == want.url));
        let keys: Vec<(Option<usize>, Option<K>)> = match fetched {
            Some(live) => vec![(None, read(live.key))],
            None => self.secrets().map(|(n, secret)| (Some(n), read(secret.value.trim().as_bytes()))).collect(),
        };
        if keys.is_empty() {
            return Err(wanted.map_or_else(|| Refusal::NoSecret("no public key is known".to_owned()), Refusal::Wants));
        }
        let content = self.first_content(None)?;
        let encoding = self.scheme.signature.encoding;
        let decoded: Vec<Vec<u8>> =
            self.signature.candidates().filter_map(|(_, text)| encoding.decode(&text)).collect();
        let usable = keys.iter().filter_map(|(n, key)| Some((n, key.as_ref()?)));
        let mut found = usable.clone().filter(|(_, key)| decoded.iter().any(|sig| accepts(key, &content, sig)));
        match found.next() {
            Some((n, _)) => Ok(Authentic { secret: *n, at_ms: None }),
            None if usable.count() == 0 => {
                Err(Refusal::NoSecret("no known key can be read as a public key".to_owned()))
            }
            None if decoded.is_empty() => Err(Refusal::Malformed("the signature cannot be decoded".to_owned())),
            None => Err(Refusal::Invalid("no known public key fits the signature".to_owned())),
        }
    }
}

/// `signed with stripe`
pub(super) fn signed_with(secret: Option<usize>, known: &Known<'_>) -> String {
    match secret.and_then(|n| known.secrets.get(n)) {
        Some(secret) => format!("signed with {}", secret.label),
        None => "signed with the provider's published key".to_owned(),
    }
}
