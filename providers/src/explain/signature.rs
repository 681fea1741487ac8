//! The signature itself: missing, twice, cut, in another encoding, of another hash, or another provider's.

use super::{Case, Cause, Found};
use crate::bytes::{Encoding, Hash};
use crate::recipe::selector::{Selector, spelled};
use crate::recipe::template::Scope;
use crate::request::{Header, Request};
use crate::scheme::{Algorithm, Scheme};
use crate::verdict::{State, Verdict};
use crate::verify::verify;

pub(super) fn unsigned(case: &Case<'_>, verdict: &Verdict) -> Found {
    if let Some(name) = case.signature_header() {
        let spelled_badly = name.replace('-', "_");
        let is = |other: &str| !other.contains('-') && other.replace('-', "_").eq_ignore_ascii_case(&spelled_badly);
        if case.request.headers.iter().any(|(other, _)| other.contains('_') && is(other)) {
            let says = format!("a proxy spelled the {} header with underscores", spelled(name));
            return Found::new(Cause::HeaderRenamed, says).next("make the proxy pass header names on as they are");
        }
    }
    if verdict.secret.is_some() {
        return Found::new(Cause::OtherHash, verdict.reason.clone())
            .next("look for a proxy that drops the header: libraries look at the newer one only");
    }
    if let Some(found) = of_another_provider(case) {
        return found;
    }
    let says = format!("{}: anyone can send this, and {} signs what it sends", verdict.reason, case.recipe.name);
    Found::new(Cause::Unsigned, says).next("if the provider did send it, look for a proxy that drops the header")
}

pub(super) fn malformed(case: &Case<'_>, verdict: &Verdict) -> Found {
    let found =
        foreign_key(case).or_else(|| repeated(case)).or_else(|| cut(case)).or_else(|| of_another_provider(case));
    found.or_else(|| besides_what_lacks(case)).unwrap_or_else(|| {
        Found::new(Cause::Malformed, verdict.reason.clone())
            .next("look for a proxy or a client that drops or changes header fields")
    })
}

/// Nobody but the provider has a reason to name a key, and it names its own.
fn foreign_key(case: &Case<'_>) -> Option<Found> {
    let host = case.scheme?.live_key.as_ref()?.foreign(&Scope::new(case.request, case.known.params))?;
    let name = &case.recipe.name;
    let says = format!("the URL of the key (at \"{host}\") is not one of {name}'s: most likely the event is forged");
    Some(
        Found::new(Cause::ForeignKey, says)
            .next(format!("do not act on it; {} says how {name} signs", case.recipe.docs)),
    )
}

/// A field that is not signed has only to be there: without it, what was signed may be wrong as well.
fn besides_what_lacks(case: &Case<'_>) -> Option<Found> {
    let lacking = case.scheme?.require.iter().filter_map(|place| match place {
        Selector::Header(name) if case.request.header_count(name) == 0 => Some((name.as_str(), &b"-"[..])),
        _ => None,
    });
    let headers: Vec<Header<'_>> = case.request.headers.iter().copied().chain(lacking).collect();
    if headers.len() == case.request.headers.len() {
        return None;
    }
    let request = Request::new(case.request.method, case.request.url, &headers, case.request.body);
    let is_wrong = verify(case.recipe, &request, case.known, case.now_ms).state == State::Invalid;
    let whole = Case::new(case.recipe, &request, case.known, case.around, case.now_ms);
    is_wrong.then(|| super::invalid(&whole)).filter(|found| found.cause != Cause::Unknown)
}

/// The header stands there more than once, or two values were joined to one; one of them is right.
pub(super) fn repeated(case: &Case<'_>) -> Option<Found> {
    let name = case.signature_header()?;
    let times = case.request.header_count(name);
    let value = case.request.header(name)?;
    let parts: Vec<&[u8]> = value.split(|b| *b == b',').map(<[u8]>::trim_ascii).take(8).collect();
    let alone: Vec<&[u8]> =
        case.request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v).take(8).collect();
    let joined = times == 1 && parts.len() > 1;
    let found =
        alone.iter().filter(|_| times > 1).chain(parts.iter().filter(|_| joined)).any(|one| case.with_value(name, one));
    found.then(|| {
        let says = format!("the {} header is there more than once, and only one of them is right", spelled(name));
        Found::new(Cause::SignatureRepeated, says)
            .next("look for something that adds or joins header fields on the way")
    })
}

/// Right with what is missing before it, or without what was put around it.
fn cut(case: &Case<'_>) -> Option<Found> {
    let (name, scheme) = (case.signature_header()?, case.scheme?);
    let value = case.request.header(name)?;
    let bare = value.trim_ascii().strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(&value);
    let before = match (&scheme.signature.key_mark, scheme.signature.keys.first()) {
        (Some(mark), Some(key)) => format!("{key}{mark}"),
        _ => String::new(),
    };
    let with = [before.as_bytes(), bare].concat();
    [bare, &with].into_iter().any(|one| *one != *value && case.with_value(name, one)).then(|| {
        let says = format!("the {} header was cut: it verifies with {before} before it", spelled(name));
        Found::new(Cause::SignatureCut, says).next("look for a proxy or a client that changes header values")
    })
}

/// Hexadecimal where base64 is expected, capitals, or another hash of the family.
pub(super) fn written_otherwise(case: &Case<'_>) -> Option<Found> {
    let scheme = case.scheme?;
    if let Some(found) = cut(case) {
        return Some(found);
    }
    for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64url] {
        let mut other = scheme.clone();
        other.signature.encoding = encoding;
        other.signature.any_case = encoding == Encoding::Hex;
        let same = encoding == scheme.signature.encoding && scheme.signature.any_case == other.signature.any_case;
        if !same && case.right_by(&other, case.request, case.known).is_some() {
            let says = "the signature is right, but written in another encoding or in capitals";
            return Some(
                Found::new(Cause::SignatureEncoding, says).next("look for what rewrites the header on the way"),
            );
        }
    }
    let Algorithm::Hmac(hash) = scheme.algorithm else { return None };
    for other in [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512].into_iter().filter(|other| *other != hash) {
        let other = Scheme { algorithm: Algorithm::Hmac(other), ..scheme.clone() };
        if case.right_by(&other, case.request, case.known).is_some() {
            let says = format!("the signature is right for another hash than {} uses here", case.recipe.name);
            return Some(Found::new(Cause::OtherHash, says).next(format!("see {}", case.recipe.docs)));
        }
    }
    None
}

/// Another recipe finds its own signature in the request, and a known secret made it; or it is the only one that fits.
pub(super) fn of_another_provider(case: &Case<'_>) -> Option<Found> {
    let catalog = case.around.catalog?;
    let others = || catalog.iter().filter(|recipe| recipe.slug != case.recipe.slug && recipe.is_verifiable());
    let right = others().find(|recipe| {
        let verdict = verify(recipe, case.request, case.known, case.now_ms);
        matches!(verdict.state, State::Valid | State::Stale) && verdict.covers == crate::verdict::Covers::Body
    });
    let named = || {
        // Without a signature of its own provider, another provider's header is a fact.
        let mine = case.signature_header().is_some_and(|name| case.request.header_count(name) > 0);
        let found = crate::identify::identify(catalog, case.request, None).recipe;
        found.filter(|recipe| !mine && recipe.slug != case.recipe.slug)
    };
    let other = right.or_else(named)?;
    let says = format!("it is signed as {} signs, not as {} does", other.name, case.recipe.name);
    Some(Found::new(Cause::OtherProvider, says).next(format!("hook listen --provider {}", other.slug)))
}

impl Case<'_> {
    fn signature_header(&self) -> Option<&str> {
        match self.scheme?.signature.at.first()? {
            Selector::Header(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it verifies with this one value of the signature header.
    fn with_value(&self, name: &str, value: &[u8]) -> bool {
        let rest = self.request.headers.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(name)).copied();
        let headers: Vec<Header<'_>> = rest.chain([(name, value)]).collect();
        let request = Request::new(self.request.method, self.request.url, &headers, self.request.body);
        self.right(&request, self.known).is_some()
    }
}
