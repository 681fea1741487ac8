//! What is said of an event's sender and its signature.

use std::collections::HashSet;
use std::time::Duration;

use super::advice::Advice;
use super::row::mark;
use crate::activity::{Endpoint, Sender};
use crate::journal::EventRow;
use crate::provider::{Signature, Source};
use crate::sanitize::sanitize;
use crate::text;
use crate::ui::{Ink, Paint};

/// Providers beyond this many are counted.
const SHOWN: usize = 4;

/// `  Signatures   stripe ✓ whsec_…9fQ2 (STRIPE_WEBHOOK_SECRET in ./.env)`
pub fn banner(endpoint: &Endpoint, paint: Paint) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut rows: Vec<(Vec<&str>, &Sender)> = Vec::new();
    for sender in endpoint.senders.iter().filter(|s| !s.secrets.is_empty()) {
        // One secret may be that of several: a variable that many call WEBHOOK_SECRET.
        match rows.iter_mut().find(|(_, other)| other.secrets == sender.secrets) {
            Some((names, _)) => names.push(&sender.provider),
            None => rows.push((vec![&sender.provider], sender)),
        }
    }
    for (names, sender) in rows.iter().take(SHOWN) {
        let first = &sender.secrets[0];
        let more = match sender.secrets.len() - 1 {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let note = sender.note.as_ref().map_or_else(String::new, |note| format!("; {note}"));
        let names = sanitize(&names.join(", ")).into_owned();
        let sign = paint.ink(Ink::Good, paint.sign("✓"));
        said.push(format!("{names} {sign} {} ({}){more}{note}", first.secret, sanitize(&first.source)));
    }
    if rows.len() > SHOWN {
        said.push(format!("and {} more (hook secret list)", rows.len() - SHOWN));
    }
    if said.is_empty() {
        let note = endpoint.senders.iter().find_map(|s| Some(format!("{} {}", s.provider, s.note.as_ref()?)));
        let next = format!("hook secret set {}", endpoint.likely.as_deref().unwrap_or("PROVIDER"));
        said.push(match note {
            Some(note) => format!("not checked yet: {}", sanitize(&note)),
            None => format!("not checked yet. next: {}", sanitize(&next)),
        });
    }
    if !endpoint.given_to_app.is_empty() {
        said.push(format!("written for your app: {}. Start it anew.", sanitize(&endpoint.given_to_app.join(", "))));
    }
    let labelled = |(i, line)| format!("  {:<11}  {line}", if i == 0 { "Signatures" } else { "" });
    said.iter().enumerate().map(labelled).collect()
}

/// Who sent it and whether it is signed right, in full; nothing when no provider was recognised.
pub fn lines(row: &EventRow, paint: Paint) -> Vec<String> {
    let (Some(provider), Some(signature)) = (&row.provider, &row.signature) else { return Vec::new() };
    let mut about = vec![sanitize(provider).into_owned()];
    about.extend(row.event_type.as_deref().map(|t| sanitize(t).into_owned()));
    about.extend((signature.live == Some(true)).then(|| "LIVE".to_owned()));
    let id = |what: &str, id: &Option<String>| id.as_deref().map(|id| format!("{what} {}", sanitize(id)));
    about.extend(id("event", &row.provider_event_id));
    about.extend(id("delivery", &signature.delivery_id).filter(|_| signature.delivery_id != row.provider_event_id));
    let mut lines = vec![format!("Sender     {}", about.join("  ")), verdict(row, signature, paint)];
    lines.extend(besides(row, signature).map(|more| format!("           {more}")));
    lines
}

/// `Signature  ✓ valid (hmac-sha256, whsec_…9fQ2 from STRIPE_WEBHOOK_SECRET in ./.env, 2 s old)`
fn verdict(row: &EventRow, signature: &Signature, paint: Paint) -> String {
    let verdict = row.verdict.as_deref();
    let word = match verdict {
        Some("no_secret") => "no secret",
        Some("unchecked") | None => "not checked",
        Some(word) => word,
    };
    let why = if verdict == Some("valid") { String::new() } else { format!(": {}", sanitize(&signature.text)) };
    let secret = signature.secret.as_ref().map(|secret| match &signature.source {
        // What is done with it is no place.
        Some(source) if [Source::Made, Source::Handshake].iter().any(|of| of.to_string() == *source) => {
            format!("{secret}, {}", sanitize(source))
        }
        Some(source) => format!("{secret} from {}", sanitize(source)),
        None => secret.clone(),
    });
    let scheme = signature.scheme.clone().filter(|_| matches!(verdict, Some("valid" | "stale" | "invalid")));
    let with = [scheme, secret, signature.age_ms.map(age)];
    let with = with.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let with = if with.is_empty() { with } else { format!(" ({with})") };
    format!("Signature  {} {word}{why}{with}", mark(verdict, paint).trim_end())
}

/// How old a signed timestamp was.
fn age(ms: i64) -> String {
    // Signed times are seconds, most often: less is no age.
    let span = text::span(Duration::from_secs(ms.unsigned_abs() / 1000));
    match ms {
        1000.. => format!("{span} old"),
        -999..1000 => "just signed".to_owned(),
        _ => format!("{span} ahead"),
    }
}

/// What a verdict alone does not say.
fn besides(row: &EventRow, signature: &Signature) -> impl Iterator<Item = String> {
    let clock = signature.clock_warning.as_ref();
    let provider = row.provider.as_deref().unwrap_or_default();
    let all = [
        not_covered(signature).map(str::to_owned),
        clock.map(|what| format!("{}: one of the two clocks is wrong", sanitize(what))),
        also(signature)
            .map(|others| format!("it may also be from {others}; to pin it: hook listen … --provider {provider}")),
    ];
    all.into_iter().flatten()
}

/// Whoever made a signature in an older header is not anyone.
pub fn unsigned(signature: &Signature) -> String {
    let anyone = if signature.secret.is_none() { " Anyone can send this." } else { "" };
    format!("unsigned: {}.{anyone}", sanitize(&signature.text))
}

fn not_covered(signature: &Signature) -> Option<&'static str> {
    match signature.covers.as_deref()? {
        "part" => Some("it covers a part of the body only: the rest may have been changed on the way"),
        "nothing" => {
            Some("it does not cover the body: whoever has the secret may have sent anything, and so may the way")
        }
        _ => None,
    }
}

fn also(signature: &Signature) -> Option<String> {
    (!signature.also.is_empty()).then(|| sanitize(&signature.also.join(", ")).into_owned())
}

/// What is worth saying below an event's line: once in a session that events may be unsigned, the rest once for each provider.
#[derive(Default)]
pub struct Notes(HashSet<(&'static str, String)>);

impl Notes {
    pub fn on(&mut self, row: &EventRow) -> Vec<Advice> {
        let (Some(provider), Some(signature)) = (&row.provider, &row.signature) else { return Vec::new() };
        let mut found = Vec::new();
        let mut note = |kind: &'static str, fact: String, next: String| {
            let whose = if kind == "unsigned" { String::new() } else { provider.clone() };
            if self.0.insert((kind, whose)) {
                found.push(Advice::new(fact, next));
            }
        };
        let seq = row.seq;
        match row.verdict.as_deref() {
            // A question needs no signature, and nothing follows from it.
            Some("unsigned") if !row.is_question() => {
                note("unsigned", unsigned(signature), format!("hook explain {seq}"))
            }
            Some("no_secret") => note(
                "no_secret",
                format!("signed, but hook knows no secret of {provider} to check it with."),
                format!("hook secret set {provider}"),
            ),
            _ => {}
        }
        if let Some(what) = &signature.clock_warning {
            let fact = format!("{}: one of the two clocks is wrong.", sanitize(what));
            note("clock", fact, "hook doctor".to_owned());
        }
        if let Some(what) = not_covered(signature) {
            note("covers", format!("the signature is right, but {what}."), format!("hook show {seq}"));
        }
        if let Some(others) = also(signature) {
            let fact = format!("it may also be from {others}: nothing in it tells them apart.");
            note("also", fact, format!("hook listen … --provider {provider}"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_secret_is_from_reads_as_people_say_it() {
        let shown = |source: &Source| {
            let found = Signature {
                scheme: Some("hmac-sha256".into()),
                secret: Some("whsec_…7d54".into()),
                source: Some(source.to_string()),
                ..Signature::default()
            };
            let row = EventRow {
                provider: Some("stripe".into()),
                verdict: Some("valid".into()),
                signature: Some(Box::new(found)),
                ..EventRow::for_test(1, "POST", "/")
            };
            lines(&row, Paint::PLAIN).remove(1)
        };
        let end = |line: String| line.split_once('(').map(|(_, end)| format!("({end}")).unwrap_or_default();
        assert_eq!(end(shown(&Source::Made)), "(hmac-sha256, whsec_…7d54, made by hook)");
        assert_eq!(end(shown(&Source::Handshake)), "(hmac-sha256, whsec_…7d54, handed over by the provider)");
        assert_eq!(end(shown(&Source::Environment("S".into()))), "(hmac-sha256, whsec_…7d54 from S)");
    }
}
