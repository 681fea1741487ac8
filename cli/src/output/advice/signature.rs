//! What is said of an answer with what is known of the signature that the app got (ux §1.4).

use super::Advice;
use crate::autopsy::answer::first_line;
use crate::autopsy::app::{is_refusal, is_stale};
use crate::autopsy::framework;
use crate::autopsy::meaning::{Answer, Meaning, meaning, took_forged, took_wrong};
use crate::journal::{Attempt, EventRow, Signing, State};
use crate::output::signature::unsigned;
use crate::provider::Signature;
use crate::sanitize::sanitize;
use crate::text;

/// Fact and next; `None` when the answer is no refusal, or nothing is known of a signature.
pub(super) fn on_refusal(row: &EventRow, attempt: &Attempt, body: &[u8]) -> Option<(String, String)> {
    let signature = row.signature.as_deref()?;
    if !is_refusal(attempt.status?, body) {
        return None;
    }
    let seq = row.seq;
    let explain = || format!("hook explain {seq}");
    let verdict = match meaning(row.verdict.as_deref()?, attempt.signing.as_ref(), Answer::Refused) {
        // Of a signature that hook made, the one that came says nothing.
        Meaning::RefusedAnew | Meaning::RefusedRight => "valid",
        Meaning::RefusedForged => return None,
        _ => row.verdict.as_deref()?,
    };
    let why = sanitize(&signature.text);
    let is_valid = is_valid(attempt);
    let (why, next) = match verdict {
        "valid" if is_stale(body) => {
            let fact = format!("{is_valid}, but your app found its timestamp too old, or ahead of its clock.");
            (fact, format!("compare the app's clock with this one, then hook replay {seq} --resign"))
        }
        "valid" if signature.fields => {
            let another = match &attempt.signing {
                Some(Signing::AnewFor(url)) => {
                    format!("your app verifies for another URL\nthan {} (--app-url URL says which)", sanitize(url))
                }
                _ => "your app verifies for another URL".to_owned(),
            };
            (
                format!(
                    "{is_valid}, but your app refused it. Usual causes: {another}, or it holds another secret{}.",
                    than(signature)
                ),
                explain(),
            )
        }
        "valid" => {
            let next = "(shows both, with the fix for Express, Next.js, Flask, Django, Rails, Laravel, Spring, Go)";
            (refused_though_valid(signature, attempt, body), format!("{}     {next}", explain()))
        }
        "invalid" => {
            let next = signature.next.as_deref().map_or_else(explain, |next| sanitize(next).into_owned());
            (format!("{why}{}.", age(signature)), next)
        }
        "stale" => (format!("{why}."), format!("hook replay {seq}     (signs it again)")),
        "unsigned" if signature.question => return None,
        "unsigned" => (unsigned(signature), explain()),
        "malformed" => (format!("malformed: {why}."), explain()),
        _ => return None,
    };
    let said = first_line(attempt, body);
    let answered = match said.is_empty() {
        true => format!("your app answered {}.", attempt.status?),
        false => format!("your app answered: {said}"),
    };
    Some((format!("{why}\n{answered}"), next))
}

/// The same of an app that took what is wrong. Of an unsigned event it is said once, with the event.
pub(super) fn on_taken(row: &EventRow, attempt: &Attempt, body: &[u8]) -> Option<Advice> {
    let (verdict, signature) = (row.verdict.as_deref()?, row.signature.as_deref()?);
    if row.state == State::Handshake || verdict == "unsigned" {
        return None;
    }
    let explain = format!("hook explain {}", row.seq);
    match meaning(verdict, attempt.signing.as_ref(), Answer::of(attempt, body)) {
        Meaning::TookWrong => {
            let follows = took_wrong(verdict, signature.reason.as_deref());
            let why = sanitize(&signature.text);
            Some(Advice::new(format!("{why}. Your app took it all the same: {follows}."), explain))
        }
        Meaning::TookForged(part) => Some(Advice::new(format!("{}.", took_forged(part)), explain)),
        _ => None,
    }
}

/// How old the signed time was, where nothing else is known.
fn age(signature: &Signature) -> String {
    match signature.age_ms.filter(|_| signature.reason.as_deref().is_none_or(|reason| reason == "unknown")) {
        Some(ms @ 0..) => {
            format!("; timestamp is {} old", text::span(std::time::Duration::from_millis(ms.unsigned_abs())))
        }
        _ => String::new(),
    }
}

fn is_valid(attempt: &Attempt) -> &'static str {
    if attempt.signing.is_some() { "hook signed it anew" } else { "signature is valid" }
}

fn than(signature: &Signature) -> String {
    signature.secret.as_ref().map_or_else(String::new, |secret| format!(" than {secret}"))
}

fn refused_though_valid(signature: &Signature, attempt: &Attempt, body: &[u8]) -> String {
    let framework = framework::of_answer(attempt, body);
    let parsed = match framework {
        Some(other) if other.name != "Express" => format!("before verifying ({}: {})", other.name, other.gist),
        _ => "before verifying (express.json() before\nexpress.raw)".to_owned(),
    };
    let (is_valid, than) = (is_valid(attempt), than(signature));
    format!(
        "{is_valid}, but your app refused it. Usual causes: the body was parsed {parsed}, or the app holds another secret{than}."
    )
}
