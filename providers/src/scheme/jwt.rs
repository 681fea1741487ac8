//! A JSON Web Token whose claims hold hashes of the request: Vonage, LiveKit, QStash, Plaid.

use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature as P256Signature, VerifyingKey};

use super::bound::Unfit;
use super::{Authentic, Look, Refusal, stamp};
use crate::bytes::{Encoding, Hash, same};
use crate::json::{self, Value};
use crate::recipe::template::Template;
use crate::verdict::KeyUrl;

#[derive(Clone, Debug)]
pub(crate) struct JwtForm {
    pub(crate) algorithms: Vec<String>,
    pub(crate) leeway_ms: i64,
    pub(crate) max_age_ms: Option<i64>,
    pub(crate) must_expire: bool,
    /// Claims that must be equal to what the request says.
    pub(crate) claims: Vec<(String, Template)>,
}

/// The parts of a token, decoded.
struct Token {
    signed: Vec<u8>,
    header: Vec<u8>,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl JwtForm {
    pub(crate) const ALGORITHMS: &'static [&'static str] = &["HS256", "HS384", "HS512", "ES256"];
}

pub(super) fn verify(look: &Look<'_>) -> Result<Authentic, Refusal> {
    let Some(form) = &look.scheme.jwt else { return Err(Refusal::Malformed("no token is described".to_owned())) };
    let text = look.signature.candidates().next().map(|(_, text)| text).unwrap_or_default();
    let not_a_token = || Refusal::Malformed("it is not a signed token".to_owned());
    let token = split(&text).ok_or_else(not_a_token)?;
    let header = json::parse(&token.header).ok_or_else(not_a_token)?;
    let claims = json::parse(&token.claims).ok_or_else(not_a_token)?;
    let algorithm = member(&header, "alg").ok_or_else(not_a_token)?;
    if !form.algorithms.contains(&algorithm) {
        return Err(Refusal::Invalid("the token is signed in a way that the provider does not use".to_owned()));
    }
    let secret = signed_by(look, &token, &algorithm, member(&header, "kid"))?;
    let mut unfit = Vec::new();
    for (name, template) in &form.claims {
        unfit.extend(Unfit::claim(name, member(&claims, name).as_deref(), template, &look.scope)?);
    }
    if !unfit.is_empty() {
        return Err(Refusal::Bound { secret, unfit });
    }
    let at_ms = times(form, &claims, secret, look.now_ms)?;
    Ok(Authentic { secret, at_ms })
}

fn times(form: &JwtForm, claims: &Value<'_>, secret: Option<usize>, now_ms: i64) -> Result<Option<i64>, Refusal> {
    let time = |name: &str| -> Result<Option<i64>, Refusal> {
        let unreadable = || Refusal::Malformed(format!("the token's {name} cannot be read"));
        let Some(text) = member(claims, name) else { return Ok(None) };
        let whole = text.split('.').next().unwrap_or_default();
        Ok(Some(stamp::Unit::S.read(whole.as_bytes()).ok_or_else(unreadable)?))
    };
    let stale = |reason: String, since: i64| Refusal::Stale {
        secret: secret.unwrap_or_default(),
        reason: format!("the signature is right, but {reason}"),
        age_ms: now_ms.saturating_sub(since),
    };
    let (issued, expires, begins) = (time("iat")?, time("exp")?, time("nbf")?);
    let signed_at = issued.or(begins);
    match expires {
        None if form.must_expire => return Err(Refusal::Malformed("the token has no exp".to_owned())),
        Some(end) if now_ms.saturating_sub(form.leeway_ms) >= end => {
            let ago = stamp::span(now_ms.saturating_sub(end).unsigned_abs());
            return Err(stale(format!("the token expired {ago} ago"), signed_at.unwrap_or(end)));
        }
        _ => {}
    }
    if let Some(begins) = begins.filter(|begins| *begins > now_ms.saturating_add(form.leeway_ms)) {
        let ahead = stamp::span(begins.saturating_sub(now_ms).unsigned_abs());
        return Err(stale(format!("the token is not valid for another {ahead}"), begins));
    }
    if let Some(max) = form.max_age_ms {
        let issued = issued.ok_or_else(|| Refusal::Malformed("the token has no iat".to_owned()))?;
        if now_ms.saturating_sub(issued) > max {
            let (age, max) = (stamp::span(now_ms.abs_diff(issued)), stamp::span(max.unsigned_abs()));
            return Err(stale(format!("the token is {age} old; libraries refuse after {max}"), issued));
        }
    }
    Ok(signed_at)
}

fn signed_by(
    look: &Look<'_>,
    token: &Token,
    algorithm: &str,
    key_id: Option<String>,
) -> Result<Option<usize>, Refusal> {
    if algorithm == "ES256" {
        let key = published_key(look, key_id)?;
        let signature = P256Signature::from_slice(&token.signature);
        let good = signature.is_ok_and(|signature| key.verify(&token.signed, &signature).is_ok());
        return if good { Ok(None) } else { Err(Refusal::Invalid("the published key fits not the token".to_owned())) };
    }
    if look.known.secrets.is_empty() {
        return Err(Refusal::NoSecret("no secret is known".to_owned()));
    }
    let hash = hash(algorithm);
    let mut secrets = look.secrets().filter_map(|(n, secret)| Some((n, look.scheme.key.key(secret.value).ok()?)));
    let found = secrets.find(|(_, key)| same(&hash.hmac(&key.bytes, &[&token.signed]), &token.signature));
    found.map(|(n, _)| Some(n)).ok_or_else(|| Refusal::Invalid("no known secret made this token".to_owned()))
}

/// The key of this id among those that were fetched.
fn published_key(look: &Look<'_>, key_id: Option<String>) -> Result<VerifyingKey, Refusal> {
    let form = look.scheme.live_key.as_ref().ok_or_else(|| Refusal::NoSecret("no key is known".to_owned()))?;
    let want = KeyUrl { key_id, ..form.url(&look.scope).map_err(Refusal::Malformed)? };
    let fetched = look.known.live_keys.iter().filter(|key| key.url == want.url).map(|key| key.key);
    let given = look.secrets().map(|(_, secret)| secret.value.as_bytes());
    fetched.chain(given).find_map(|text| jwk(text, want.key_id.as_deref())).ok_or(Refusal::Wants(want))
}

/// A P-256 key of a JWK, of a set of them, or of Plaid's `{"key": …}`.
fn jwk(text: &[u8], key_id: Option<&str>) -> Option<VerifyingKey> {
    let json = json::parse(text)?;
    let one = |key: &Value<'_>| -> Option<VerifyingKey> {
        if key_id.is_some() && member(key, "kid").as_deref() != key_id {
            return None;
        }
        let (x, y) = (member(key, "x")?, member(key, "y")?);
        let (x, y) = (Encoding::Base64url.decode(x.as_bytes())?, Encoding::Base64url.decode(y.as_bytes())?);
        VerifyingKey::from_sec1_bytes(&[&[4], &x[..], &y[..]].concat()).ok()
    };
    match json.at(&["keys".to_owned()]) {
        Some(Value::Array(keys)) => keys.iter().find_map(one),
        _ => one(json.at(&["key".to_owned()]).unwrap_or(&json)),
    }
}

fn split(text: &[u8]) -> Option<Token> {
    let mut parts = text.split(|b| *b == b'.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let decode = |part| Encoding::Base64url.decode(part);
    Some(Token {
        signed: [header, b".", claims].concat(),
        header: decode(header)?,
        claims: decode(claims)?,
        signature: decode(signature)?,
    })
}

fn member(object: &Value<'_>, name: &str) -> Option<String> {
    object.at(&[name.to_owned()])?.text().map(|text| text.into_owned())
}

fn hash(algorithm: &str) -> Hash {
    match algorithm {
        "HS384" => Hash::Sha384,
        "HS512" => Hash::Sha512,
        _ => Hash::Sha256,
    }
}

/// When a token says that it was made.
pub(super) fn issued_at(text: &[u8]) -> Option<i64> {
    let claims = split(text)?.claims;
    let issued = member(&json::parse(&claims)?, "iat")?;
    stamp::Unit::S.read(issued.split('.').next().unwrap_or_default().as_bytes())
}

/// The claims of a token that is already there, so that signing again keeps them.
pub(crate) fn claims_of(text: &[u8]) -> Option<Vec<u8>> {
    split(text).map(|token| token.claims)
}

/// A token over these claims (a JSON object).
pub(crate) fn make(form: &JwtForm, key: &[u8], claims: &str) -> Option<String> {
    let algorithm = form.algorithms.first().filter(|a| a.starts_with("HS"))?;
    let part = |json: &str| String::from_utf8(Encoding::Base64url.encode(json.as_bytes())).ok();
    let signed = format!("{}.{}", part(&format!("{{\"alg\":\"{algorithm}\",\"typ\":\"JWT\"}}"))?, part(claims)?);
    let signature = Encoding::Base64url.encode(&hash(algorithm).hmac(key, &[&signed]));
    Some(format!("{signed}.{}", String::from_utf8(signature).ok()?))
}
