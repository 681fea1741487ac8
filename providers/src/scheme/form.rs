//! A scheme as a recipe states it.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::jwt::JwtForm;
use super::key::KeyForm;
use super::live::{Hosts, LiveKeyForm};
use super::stamp::{Future, StampForm, Unit};
use super::{Algorithm, Check, Scheme};
use crate::bytes::{Encoding, Hash};
use crate::recipe::RecipeError;
use crate::recipe::condition::Condition;
use crate::recipe::parse::{Many, Source};
use crate::recipe::selector::{Selector, pointer};
use crate::recipe::signature::SignatureForm;
use crate::recipe::template::Template;
use crate::verdict::Covers;

pub(crate) fn scheme(source: &Source<'_>, raw: RawScheme) -> Result<Scheme, RecipeError> {
    let algorithm = source.one(&raw.alg, algorithm)?;
    let signature = signature(source, &raw.sig)?;
    let content: Vec<Template> = raw.content.as_ref().map_or(Ok(Vec::new()), |c| source.each(c, Template::parse))?;
    let alg_at = raw.alg.span().start;
    let needs_content = !matches!(algorithm, Algorithm::Jwt | Algorithm::Equals | Algorithm::Basic);
    if needs_content && content.is_empty() {
        return Err(source.error(alg_at, "the scheme lacks `content`, the text that is signed".to_owned()));
    }
    if algorithm == Algorithm::Jwt && raw.jwt.is_none() {
        return Err(source.error(alg_at, "the scheme lacks its `jwt` table".to_owned()));
    }
    let claims: Vec<(String, Template)> = raw
        .claims
        .into_iter()
        .map(|(name, text)| Ok((name, source.one(&text, Template::parse)?)))
        .collect::<Result<_, _>>()?;
    let jwt = raw.jwt.map(|jwt| jwt_form(source, jwt, claims)).transpose()?;
    let covers = raw.covers.map_or_else(
        || covered(&content, jwt.as_ref()),
        |c| match c {
            RawCovers::Body => Covers::Body,
            RawCovers::Part => Covers::PartOfBody,
            RawCovers::Nothing => Covers::Nothing,
        },
    );
    Ok(Scheme {
        id: raw.id,
        when: raw.when.as_ref().map_or(Ok(Vec::new()), |many| source.each(many, Condition::parse))?,
        require: raw.require.as_ref().map_or(Ok(Vec::new()), |many| source.each(many, Selector::parse))?,
        algorithm,
        key: raw.key.as_ref().map_or(Ok(KeyForm::Text), |key| source.one(key, KeyForm::parse))?,
        live_key: raw.live_key.map(|key| live_key(source, key)).transpose()?,
        signature,
        stamp: raw.ts.map(|ts| stamp(source, ts)).transpose()?,
        content,
        checks: raw.check.into_iter().map(|check| self::check(source, &check)).collect::<Result<_, _>>()?,
        each: raw.each.as_ref().map(|each| source.one(each, items)).transpose()?,
        sign: raw.sign.as_ref().map_or_else(
            || Template::parse("{sig}").map_err(|e| source.error(alg_at, e)),
            |sign| source.one(sign, Template::parse),
        )?,
        sets: raw.sets.into_iter().collect(),
        covers,
        jwt,
    })
}

/// Whoever writes a recipe has hook, and not its documentation at hand.
const ALGORITHMS: &str = "hmac-sha1, hmac-sha256, hmac-sha384, hmac-sha512, sha1, sha256, sha384, sha512, rsa-sha1, \
    rsa-sha256, ed25519, ecdsa-p256-sha256, jwt, equals, basic";

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let named = |prefix: &str| name.strip_prefix(prefix).and_then(Hash::named);
    if let Some(hash) = named("hmac-") {
        return Ok(Algorithm::Hmac(hash));
    }
    if let Some(hash) = named("") {
        return Ok(Algorithm::Digest(hash));
    }
    if let Some(hash) = named("rsa-").filter(|hash| matches!(hash, Hash::Sha1 | Hash::Sha256)) {
        return Ok(Algorithm::Rsa(hash));
    }
    Ok(match name {
        "ed25519" => Algorithm::Ed25519,
        "ecdsa-p256-sha256" => Algorithm::EcdsaP256,
        "jwt" => Algorithm::Jwt,
        "equals" => Algorithm::Equals,
        "basic" => Algorithm::Basic,
        _ => return Err(format!("\"{name}\" is not an algorithm: those are {ALGORITHMS}")),
    })
}

fn signature(source: &Source<'_>, raw: &Spanned<RawSignature>) -> Result<SignatureForm, RecipeError> {
    let at = raw.span().start;
    let raw = raw.get_ref();
    if raw.split.as_ref().is_some_and(|split| split.len() != 1) {
        return Err(source.error(at, "`split` is one character".to_owned()));
    }
    if raw.kv.as_ref().is_some_and(String::is_empty) {
        return Err(source.error(at, "`kv` is what stands between key and signature".to_owned()));
    }
    Ok(SignatureForm {
        at: source.each(&raw.at, Selector::parse)?,
        split: raw.split.clone(),
        key_mark: raw.kv.clone(),
        keys: raw.keys.clone(),
        skip: raw.skip,
        strip: raw.strip.clone(),
        encoding: raw.enc,
        any_case: raw.any_case,
    })
}

fn stamp(source: &Source<'_>, raw: RawStamp) -> Result<StampForm, RecipeError> {
    Ok(StampForm {
        at: source.one(&raw.at, Selector::parse)?,
        unit: raw.unit,
        tolerance_ms: raw.tolerance.map(|seconds| i64::from(seconds) * 1000),
        ahead_ms: raw.ahead.map(|seconds| i64::from(seconds) * 1000),
        future: raw.future,
    })
}

fn check(source: &Source<'_>, raw: &RawCheck) -> Result<Check, RecipeError> {
    Ok(Check { left: source.one(&raw.left, Selector::parse)?, right: source.one(&raw.right, Template::parse)? })
}

fn live_key(source: &Source<'_>, raw: RawLiveKey) -> Result<LiveKeyForm, RecipeError> {
    let url = source.one(&raw.url, Template::parse)?;
    let (path_begins, path_ends) = (raw.path_begins.unwrap_or_default(), raw.path_ends.unwrap_or_default());
    Ok(LiveKeyForm { url, hosts: Hosts(raw.hosts), path_begins, path_ends, is_public: !raw.credentials })
}

fn jwt_form(
    source: &Source<'_>,
    raw: Spanned<RawJwt>,
    claims: Vec<(String, Template)>,
) -> Result<JwtForm, RecipeError> {
    let at = raw.span().start;
    let raw = raw.into_inner();
    if let Some(alg) = raw.algs.iter().find(|alg| !JwtForm::ALGORITHMS.contains(&alg.as_str())) {
        let known = JwtForm::ALGORITHMS.join(", ");
        return Err(
            source.error(at, format!("\"{alg}\" is not a JWT algorithm that can be checked: those are {known}"))
        );
    }
    Ok(JwtForm {
        algorithms: raw.algs,
        leeway_ms: i64::from(raw.leeway) * 1000,
        max_age_ms: raw.max_age.map(|seconds| i64::from(seconds) * 1000),
        must_expire: raw.must_expire,
        claims,
    })
}

fn items(text: &str) -> Result<Vec<String>, String> {
    pointer(text.strip_prefix("json:").ok_or_else(|| format!("\"{text}\" must be a json: place"))?)
}

/// By default a scheme that reads the whole body, the form or a hash of it covers the body.
fn covered(content: &[Template], jwt: Option<&JwtForm>) -> Covers {
    let mut templates = content.iter().chain(jwt.into_iter().flat_map(|jwt| jwt.claims.iter().map(|(_, t)| t)));
    let whole = templates.any(|t| t.places().iter().any(|p| matches!(p, Selector::Body | Selector::Fields)));
    let part = content
        .iter()
        .any(|t| t.places().iter().any(|p| matches!(p, Selector::Json(_) | Selector::Form(_) | Selector::Item(_))));
    match (whole, part) {
        (true, _) => Covers::Body,
        (false, true) => Covers::PartOfBody,
        (false, false) => Covers::Nothing,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawScheme {
    id: Option<String>,
    when: Option<Spanned<Many>>,
    require: Option<Spanned<Many>>,
    alg: Spanned<String>,
    key: Option<Spanned<String>>,
    live_key: Option<RawLiveKey>,
    sig: Spanned<RawSignature>,
    ts: Option<RawStamp>,
    content: Option<Spanned<Many>>,
    #[serde(default)]
    check: Vec<RawCheck>,
    each: Option<Spanned<String>>,
    sign: Option<Spanned<String>>,
    #[serde(default)]
    sets: BTreeMap<String, String>,
    covers: Option<RawCovers>,
    jwt: Option<Spanned<RawJwt>>,
    #[serde(default)]
    claims: BTreeMap<String, Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignature {
    at: Spanned<Many>,
    split: Option<String>,
    kv: Option<String>,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    skip: usize,
    #[serde(default)]
    strip: String,
    #[serde(default)]
    enc: Encoding,
    #[serde(default)]
    any_case: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStamp {
    at: Spanned<String>,
    unit: Unit,
    tolerance: Option<u32>,
    ahead: Option<u32>,
    #[serde(default)]
    future: Future,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCheck {
    left: Spanned<String>,
    right: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLiveKey {
    url: Spanned<String>,
    hosts: Vec<String>,
    path_begins: Option<String>,
    path_ends: Option<String>,
    #[serde(default)]
    credentials: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJwt {
    algs: Vec<String>,
    #[serde(default)]
    leeway: u32,
    max_age: Option<u32>,
    #[serde(default)]
    must_expire: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawCovers {
    Body,
    Part,
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_an_algorithm_is_one() {
        for name in ALGORITHMS.split(", ") {
            assert!(algorithm(name).is_ok(), "{name}");
        }
        assert!(algorithm("hmac-sha257").is_err_and(|says| says.ends_with("jwt, equals, basic")));
    }
}
