//! A verdict in words and as JSON: `hook verify`, and the head of `hook explain`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::autopsy::Finding;
use crate::journal::EventRow;
use crate::sanitize::sanitize;
use crate::text::{rfc3339, span};
use crate::ui::{Ink, Paint};

/// What there is to tell of a signature.
pub struct Told<'a> {
    /// The event, when it is in the journal.
    pub row: Option<&'a EventRow>,
    pub finding: &'a Finding,
    /// When it came.
    pub at_ms: u64,
    pub now_ms: u64,
    /// Why a good signature would be refused now.
    pub refused_now: Option<String>,
}

impl Told<'_> {
    /// The one thing to do.
    pub fn next(&self) -> Option<String> {
        let again = || self.row.map(|row| format!("hook replay {}     (signs it again)", row.seq));
        self.finding.next.clone().or_else(|| self.refused_now.as_ref().and_then(|_| again()))
    }

    fn age(&self) -> String {
        span(Duration::from_millis(self.now_ms.saturating_sub(self.at_ms)))
    }
}

/// `✗ invalid  #2  stripe  charge.failed`, and below it why.
pub fn verdict(told: &Told<'_>, paint: Paint) -> String {
    format!("{}\n{}", heading(told, paint), because(told))
}

pub fn heading(told: &Told<'_>, paint: Paint) -> String {
    let verdict = told.finding.verdict();
    let (sign, ink) = match verdict {
        "valid" => ("✓", Ink::Good),
        "invalid" | "stale" | "malformed" => ("✗", Ink::Bad),
        _ => ("–", Ink::Warn),
    };
    let mut parts = vec![paint.ink(ink, format!("{} {}", paint.sign(sign), in_words(verdict)))];
    parts.extend(told.row.map(|row| format!("#{}", row.seq)));
    parts.extend(told.finding.provider.as_ref().map(|(slug, _)| sanitize(slug).into_owned()));
    parts.extend(told.finding.event_type.as_deref().map(|kind| sanitize(kind).into_owned()));
    parts.join("  ")
}

/// Why, in sentences; each on a line of its own.
pub fn because(told: &Told<'_>) -> String {
    let finding = told.finding;
    let mut lines = vec![format!("{}.", sanitize(&finding.signature.text))];
    if told.row.is_some() && finding.is_valid() {
        let name = finding.provider.as_ref().map_or("the provider", |(_, name)| name);
        lines.push(match &told.refused_now {
            Some(_) => format!("It came {} ago; now {name}'s libraries would refuse its timestamp.", told.age()),
            None => format!("It came {} ago; {name}'s libraries would still take it.", told.age()),
        });
    }
    if !finding.signature.also.is_empty() {
        let also: Vec<_> = finding.signature.also.iter().map(|s| sanitize(s)).collect();
        lines.push(format!("It may as well be from {}: --provider says which.", also.join(" or ")));
    }
    lines.join("\n")
}

fn in_words(verdict: &str) -> &str {
    match verdict {
        "no_secret" => "no secret",
        other => other,
    }
}

/// The `verdict` object.
pub fn verdict_json(told: &Told<'_>) -> Value {
    Value::Object(object("verdict", told))
}

/// What the `verdict` and `explanation` objects share.
pub fn object(kind: &str, told: &Told<'_>) -> Map<String, Value> {
    let (finding, signature) = (told.finding, &told.finding.signature);
    let object = json!({
        "v": 1,
        "type": kind,
        "ts": rfc3339(told.now_ms),
        "event_seq": told.row.map(|row| row.seq),
        "event_id": told.row.map(|row| &row.id),
        "provider": finding.provider.as_ref().map(|(slug, _)| slug),
        "event_type": finding.event_type,
        "verdict": finding.verdict(),
        "reason": signature.reason,
        "body_covered": signature.covers.as_deref().map(|covers| covers == "body"),
        "scheme": signature.scheme,
        "secret": signature.secret,
        "source": signature.source,
        "age_s": finding.age_s(),
        "text": signature.text,
        "next": told.next(),
        "received_at": rfc3339(told.at_ms),
        "refused_now": told.row.filter(|_| finding.is_valid()).map(|_| told.refused_now.is_some()),
        "also": signature.also,
    });
    match object {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
