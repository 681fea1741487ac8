//! What is said when the app refused an event, with what is known of its signature (ux §1.4).

use crate::autopsy::answer::first_line;
use crate::autopsy::app::{is_refusal, is_stale};
use crate::autopsy::framework;
use crate::journal::{Attempt, EventRow, Signing};
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
    let verdict = match &attempt.signing {
        // Of a signature that hook made, the one that came says nothing.
        Some(Signing::Anew | Signing::AnewFor(_)) => "valid",
        Some(Signing::Forged(_)) => return None,
        _ => row.verdict.as_deref()?,
    };
    let why = sanitize(&signature.text);
    let (why, next) = match verdict {
        "valid" if is_stale(body) => {
            let fact =
                "signature is valid, but your app found its timestamp too old, or ahead of its clock.".to_owned();
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
                    "signature is valid, but your app refused it. Usual causes: {another}, or it holds another secret{}.",
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
        "unsigned" => (format!("unsigned: {why}. Anyone can send this."), explain()),
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

/// How old the signed time was, where nothing else is known.
fn age(signature: &Signature) -> String {
    match signature.age_ms.filter(|_| signature.reason.as_deref().is_none_or(|reason| reason == "unknown")) {
        Some(ms @ 0..) => {
            format!("; timestamp is {} old", text::span(std::time::Duration::from_millis(ms.unsigned_abs())))
        }
        _ => String::new(),
    }
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
    let than = than(signature);
    format!(
        "signature is valid, but your app refused it. Usual causes: the body was parsed {parsed}, or the app holds another secret{than}."
    )
}
