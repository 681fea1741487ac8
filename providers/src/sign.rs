//! Signing a request as its provider would: for replays, edits and samples.

mod place;

use crate::bytes::{Encoding, Hash};
use crate::json::{Value, quoted};
use crate::known::Known;
use crate::recipe::Recipe;
use crate::recipe::selector::Selector;
use crate::recipe::signature::Signature;
use crate::recipe::template::{Scope, Template};
use crate::request::{Header, Request};
use crate::scheme::jwt::{self, JwtForm};
use crate::scheme::{Algorithm, Scheme, ecdsa, ed25519, mac};
use place::Draft;

/// For how long a token that is made here is good.
const TOKEN_SECONDS: i64 = 300;

/// What changes on a request when it is signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// Header fields to set; each replaces every field of its name.
    pub headers: Vec<(String, String)>,
    /// The new body, where the signature or its timestamp is part of it.
    pub body: Option<Vec<u8>>,
    /// The new URL, where it holds a hash of the body.
    pub url: Option<String>,
}

/// Why a request cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotSign {
    #[error("no secret is known")]
    NoSecret,
    #[error("{label} cannot be the secret: {why}")]
    Secret { label: String, why: String },
    #[error("only the provider has the key that signs")]
    ProvidersKey,
    /// The request or the person's side lacks something that is signed.
    #[error("{0}")]
    Lacking(String),
    #[error("the signature has no place in this body")]
    NoPlace,
}

/// Signs with the first of the known secrets, at this time (milliseconds since 1970).
///
/// The request may be signed already, by anyone, or not at all. Ids and nonces that the provider would make up and that
/// are not there are made from the body and the time.
///
/// # Errors
/// When there is no usable secret, the key is the provider's alone, or the request lacks what is signed.
pub fn sign(recipe: &Recipe, request: &Request<'_>, known: &Known<'_>, now_ms: u64) -> Result<Signed, CannotSign> {
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    let scope = Scope::new(request, known.params);
    // A request that is not signed yet may fit none of the schemes; then the first that can sign it does.
    let (fit, rest): (Vec<&Scheme>, Vec<&Scheme>) = recipe.schemes.iter().partition(|scheme| scheme.holds(&scope));
    let mut refused = CannotSign::ProvidersKey;
    for scheme in fit.into_iter().chain(rest).filter(|scheme| scheme.can_sign()) {
        match sign_with(scheme, request, known, now_ms) {
            Ok(signed) => return Ok(signed),
            Err(error) if refused == CannotSign::ProvidersKey => refused = error,
            Err(_) => {}
        }
    }
    Err(refused)
}

fn sign_with(scheme: &Scheme, request: &Request<'_>, known: &Known<'_>, now_ms: i64) -> Result<Signed, CannotSign> {
    let secret = known.secrets.first().ok_or(CannotSign::NoSecret)?;
    let unusable = |why: &str| CannotSign::Secret { label: secret.label.to_owned(), why: why.to_owned() };
    let key = scheme.key.key(secret.value).map_err(unusable)?;
    let mut draft = Draft::of(request);
    for (name, value) in &scheme.sets {
        if request.header_count(name) == 0 {
            draft.set_header(name, value);
        }
    }
    let ts = scheme.stamp.as_ref().map(|stamp| stamp.unit.write(now_ms));
    if let (Some(stamp), Some(ts)) = (&scheme.stamp, &ts) {
        draft.put(&stamp.at, ts)?;
    }
    invent(scheme, known, &mut draft, now_ms);
    for check in &scheme.checks {
        let value = draft.see(|request| {
            let scope = Scope::new(request, known.params);
            check.right.text(&scope).ok().and_then(|text| String::from_utf8(text).ok())
        });
        if let Some(value) = value {
            draft.put(&check.left, &value)?;
        }
    }
    if let Some(steps) = &scheme.each {
        let signed = draft.see(|request| sign_items(scheme, steps, request, known, &key.bytes));
        draft.body = signed?;
        return Ok(draft.signed(request));
    }
    let old = request_token(scheme, request, known);
    let value = draft.see(|request| {
        let scope = Scope {
            ts: ts.as_deref().map(str::as_bytes),
            secret: Some(&key.bytes),
            secret_id: key.name,
            ..Scope::new(request, known.params)
        };
        let made = make(scheme, &scope, secret.value, &key.bytes, now_ms, old.as_deref())?;
        let scope = Scope { made: Some(&made), ..scope };
        let text = scheme.sign.text(&scope).map_err(|lacking| CannotSign::Lacking(lacking.to_string()))?;
        String::from_utf8(text).map_err(|_| CannotSign::NoPlace)
    })?;
    let place = scheme.signature.at.first().ok_or(CannotSign::NoPlace)?;
    draft.put(place, &format!("{}{value}", scheme.signature.strip))?;
    Ok(draft.signed(request))
}

/// The signature as it is written, without what stands around it.
fn make(
    scheme: &Scheme,
    scope: &Scope<'_>,
    secret: &str,
    key: &[u8],
    now_ms: i64,
    old: Option<&[u8]>,
) -> Result<Vec<u8>, CannotSign> {
    let lacking = |error: crate::recipe::template::Lacking<'_>| CannotSign::Lacking(error.to_string());
    let raw = match scheme.algorithm {
        Algorithm::Equals => return Ok(secret.as_bytes().to_vec()),
        Algorithm::Basic => {
            return Ok([b"Basic ", &Encoding::Base64.encode(secret.as_bytes())[..]].concat());
        }
        Algorithm::Jwt => {
            let form = scheme.jwt.as_ref().ok_or(CannotSign::ProvidersKey)?;
            let claims = claims(form, scope, now_ms, old)?;
            return jwt::make(form, key, &claims).map(String::into_bytes).ok_or(CannotSign::ProvidersKey);
        }
        Algorithm::Rsa(_) => return Err(CannotSign::ProvidersKey),
        Algorithm::Ed25519 | Algorithm::EcdsaP256 => {
            let content = scheme.content.first().map_or(Ok(Vec::new()), |c| c.text(scope)).map_err(lacking)?;
            let secret = secret.trim().as_bytes();
            let made = if scheme.algorithm == Algorithm::Ed25519 {
                ed25519::sign(secret, &content)
            } else {
                ecdsa::sign(secret, &content)
            };
            made.ok_or(CannotSign::ProvidersKey)?
        }
        Algorithm::Hmac(_) | Algorithm::Digest(_) => {
            let content = scheme.content.first().map_or(Ok(Vec::new()), |c| c.render(scope)).map_err(lacking)?;
            mac::make(scheme.algorithm, key, &content)
        }
    };
    Ok(scheme.signature.encoding.encode(&raw))
}

/// Each item's signature, written into the body.
fn sign_items(
    scheme: &Scheme,
    steps: &[String],
    request: &Request<'_>,
    known: &Known<'_>,
    key: &[u8],
) -> Result<Vec<u8>, CannotSign> {
    let Some(Selector::Item(inside)) = scheme.signature.at.first() else { return Err(CannotSign::NoPlace) };
    let Some(Value::Array(items)) = request.json().and_then(|json| json.at(steps)) else {
        return Err(CannotSign::NoPlace);
    };
    let mut edits = Vec::new();
    for item in items {
        let scope = Scope { item: Some(item), secret: Some(key), ..Scope::new(request, known.params) };
        let secret = known.secrets.first().map(|secret| secret.value).unwrap_or_default();
        let made = make(scheme, &scope, secret, key, 0, None)?;
        let text = quoted(&String::from_utf8_lossy(&made));
        edits.push(place::edit(request.body, item, inside, &text).ok_or(CannotSign::NoPlace)?);
    }
    Ok(place::apply(request.body, edits))
}

/// What the provider would have made up, and the request does not have.
fn invent(scheme: &Scheme, known: &Known<'_>, draft: &mut Draft<'_>, now_ms: i64) {
    let needed = scheme.require.iter().chain(scheme.content.first().into_iter().flat_map(Template::needs));
    for place in needed {
        let there = draft.see(|request| place.find(&Scope::new(request, known.params)).is_some());
        if let (Selector::Header(name), false) = (place, there) {
            let id = made_up(name, now_ms, &draft.body);
            draft.set_header(name, &id);
        }
    }
}

/// An id that nothing else has: of this name, at this time, for this body.
fn made_up(name: &str, now_ms: i64, body: &[u8]) -> String {
    let digest = Hash::Sha256.digest(&[name.as_bytes(), &now_ms.to_be_bytes(), body]);
    format!("hook_{}", &crate::bytes::hex(&digest)[..24])
}

/// The token that the request came with.
fn request_token(scheme: &Scheme, request: &Request<'_>, known: &Known<'_>) -> Option<Vec<u8>> {
    let scope = Scope::new(request, known.params);
    let values = scheme.signature.values(&scope);
    let signature: Signature<'_> = scheme.signature.read(&values);
    signature.candidates().next().map(|(_, text)| text.into_owned())
}

/// The claims of the old token, with those that bind it to the request and the time made anew.
fn claims(form: &JwtForm, scope: &Scope<'_>, now_ms: i64, old: Option<&[u8]>) -> Result<String, CannotSign> {
    let seconds = now_ms.div_euclid(1000);
    let mut fresh = vec![
        ("iat".to_owned(), seconds.to_string()),
        ("nbf".to_owned(), seconds.to_string()),
        ("exp".to_owned(), (seconds + TOKEN_SECONDS).to_string()),
    ];
    for (name, template) in &form.claims {
        match template.text(scope) {
            Ok(text) => fresh.push((name.clone(), quoted(&String::from_utf8_lossy(&text)))),
            Err(lacking) if matches!(lacking.0, Selector::Param(_)) => {}
            Err(lacking) => return Err(CannotSign::Lacking(lacking.to_string())),
        }
    }
    let kept = old.and_then(jwt::claims_of);
    let kept = match kept.as_deref().and_then(crate::json::parse) {
        Some(Value::Object(members)) => members
            .iter()
            .filter_map(|(name, value)| {
                let text = match value {
                    Value::Number(text) => (*text).to_owned(),
                    other => quoted(&other.text()?),
                };
                Some((name.decode().into_owned(), text))
            })
            .filter(|(name, _)| !fresh.iter().any(|(new, _)| new == name))
            .collect(),
        _ => vec![("jti".to_owned(), quoted(&made_up("jti", now_ms, scope.request.body)))],
    };
    let all: Vec<String> = kept.iter().chain(&fresh).map(|(name, text)| format!("{}:{text}", quoted(name))).collect();
    Ok(format!("{{{}}}", all.join(",")))
}

impl Signed {
    /// The header fields of a request after it was signed.
    pub fn apply(&self, headers: &[Header<'_>]) -> Vec<(String, Vec<u8>)> {
        let replaced = |name: &str| self.headers.iter().any(|(new, _)| new.eq_ignore_ascii_case(name));
        let kept = headers.iter().filter(|(name, _)| !replaced(name)).map(|(n, v)| ((*n).to_owned(), v.to_vec()));
        kept.chain(self.headers.iter().map(|(n, v)| (n.clone(), v.clone().into_bytes()))).collect()
    }
}
