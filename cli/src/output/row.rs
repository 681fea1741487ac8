//! One event on one line, in lists and in the line log alike.

use super::mask::Mask;
use crate::journal::{Attempt, EventRow, Signing, State};
use crate::provider::Part;
use crate::sanitize::{cut_middle, sanitize};
use crate::text;
use crate::ui::{Ink, Paint};

const PATH_COLUMNS: usize = 100;

/// `14:02:11  #1   200    48 ms  ✓  stripe  payment_intent.succeeded`, or `POST /webhooks` of a sender that is not known.
pub fn attempt_line(row: &EventRow, attempt: &Attempt, paint: Paint) -> String {
    attempt_line_at(row, attempt, attempt.ended_at.unwrap_or(attempt.started_at), paint)
}

/// The same with a time of its own, as lists in order of arrival need it.
pub fn attempt_line_at(row: &EventRow, attempt: &Attempt, at: u64, paint: Paint) -> String {
    let status = attempt.status.map_or("---".to_owned(), |s| s.to_string());
    let by_hook = attempt.status.is_none() && row.state == State::Handshake;
    let took = match (attempt.status, attempt.error.as_deref()) {
        _ if by_hook => "answered".to_owned(),
        (Some(_), Some("answer_broken")) => "broken".to_owned(),
        (_, Some("timeout")) => "timeout".to_owned(),
        (Some(_), _) => attempt.ms.map_or_else(String::new, |ms| format!("{ms} ms")),
        (None, Some("connection_refused")) => "refused".to_owned(),
        (None, Some("closed" | "reset")) => "closed".to_owned(),
        (None, Some(_)) => "failed".to_owned(),
        (None, None) => "running".to_owned(),
    };
    let ink = if attempt.error.is_some() { Ink::Bad } else { ink(attempt.status) };
    let word = match attempt.kind.as_str() {
        "live" => String::new(),
        "replay" => format!("{} ", paint.sign("↻")),
        other => format!("{other} "),
    };
    let word = word + signed_word(attempt);
    let status = if by_hook { status } else { paint.ink(ink, status) };
    line(row, at, (&status, &took), &word, sent(row, attempt), paint)
}

/// The verdict on what an attempt carried: what hook signed is right, and what it forged is wrong, whatever came.
fn sent<'a>(row: &'a EventRow, attempt: &Attempt) -> Option<&'a str> {
    match &attempt.signing {
        None => row.verdict.as_deref(),
        Some(Signing::Anew | Signing::AnewFor(_)) => Some("valid"),
        Some(Signing::Forged(_)) => Some("invalid"),
    }
}

/// That an attempt was not signed as its event came.
fn signed_word(attempt: &Attempt) -> &'static str {
    match &attempt.signing {
        None => "",
        Some(Signing::Anew | Signing::AnewFor(_)) => "re-signed ",
        Some(Signing::Forged(Part::Body)) => "forged body ",
        Some(Signing::Forged(Part::Signature)) => "forged signature ",
        Some(Signing::Forged(Part::Timestamp)) => "forged timestamp ",
    }
}

/// An event that no attempt was made for.
pub fn settled_line(row: &EventRow, paint: Paint) -> String {
    let word = match row.state {
        State::Captured => "kept",
        State::Refused => "bad path",
        State::Recorded | State::Handshake => "answered",
        State::Undelivered => "refused",
        other => other.as_str(),
    };
    line(row, row.head.received_at, ("---", word), "", row.verdict.as_deref(), paint)
}

/// What is said behind a line: `handshake`, or `duplicate of #3  ⚠ slack gives up at 3 s and sends again`.
pub fn marks(row: &EventRow, warning: Option<&str>, paint: Paint) -> String {
    let duplicate = row.duplicate_of.map(|first| paint.ink(Ink::Dim, format!("duplicate of #{first}")));
    let warning = warning.map(|warning| paint.ink(Ink::Warn, format!("{} {warning}", paint.sign("⚠"))));
    let handshake = (row.state == State::Handshake).then(|| paint.ink(Ink::Dim, "handshake"));
    handshake.into_iter().chain(duplicate).chain(warning).map(|mark| format!("  {mark}")).collect()
}

fn line(
    row: &EventRow,
    at: u64,
    (status, took): (&str, &str),
    word: &str,
    verdict: Option<&str>,
    paint: Paint,
) -> String {
    let seq = format!("#{}", row.seq);
    let what = what(row, verdict, paint);
    format!("{}  {seq:<4} {status}{took:>9}  {word}{what}", paint.ink(Ink::Dim, text::clock(at)))
}

/// `14:02:11  #1   ✓  slack  app_mention`: which event is spoken of.
pub fn name(row: &EventRow, at: u64, paint: Paint) -> String {
    let seq = format!("#{}", row.seq);
    format!("{}  {seq:<4} {}", paint.ink(Ink::Dim, text::clock(at)), what(row, row.verdict.as_deref(), paint))
}

/// Who sent it and what it is about; method and path where that is not known.
fn what(row: &EventRow, verdict: Option<&str>, paint: Paint) -> String {
    let path = crate::subject::path(&row.head);
    let path = Mask::of(row).url(&path);
    let request = || {
        let method = paint.ink(Ink::Bold, sanitize(&row.head.method));
        format!("{method} {}", cut_middle(&sanitize(&path), PATH_COLUMNS))
    };
    let Some(provider) = &row.provider else { return request() };
    let about = match &row.event_type {
        Some(event_type) => paint.ink(Ink::Bold, cut_middle(&sanitize(event_type), PATH_COLUMNS)),
        None => request(),
    };
    let is_live = row.signature.as_ref().is_some_and(|s| s.live == Some(true));
    let live = if is_live { format!("  {}", paint.ink(Ink::Warn, "LIVE")) } else { String::new() };
    format!("{}  {:<6}  {about}{live}", mark(verdict, paint), sanitize(provider))
}

/// What a verdict is at a glance.
pub fn mark(verdict: Option<&str>, paint: Paint) -> String {
    match verdict {
        Some("valid") => paint.ink(Ink::Good, paint.mark("✓")),
        Some("invalid" | "stale" | "malformed") => paint.ink(Ink::Bad, paint.mark("✗")),
        _ => paint.ink(Ink::Dim, paint.mark("–")),
    }
}

pub fn ink(status: Option<u16>) -> Ink {
    match status {
        Some(200..300) => Ink::Good,
        Some(300..400) => Ink::Redirect,
        Some(400..500) => Ink::Warn,
        _ => Ink::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_about_what_an_attempt_carried() {
        let end = |verdict: &str, signing: Option<Signing>| {
            let mut row = EventRow::for_test(1, "POST", "/in");
            (row.provider, row.verdict) = (Some("stripe".into()), Some(verdict.into()));
            let attempt = Attempt { signing, kind: "replay".into(), ..Attempt::for_test(Some(200)) };
            let line = attempt_line(&row, &attempt, Paint::PLAIN);
            line.split_once('↻').map(|(_, end)| end.to_owned()).unwrap_or_default()
        };
        let starts = |line: String, with: &str| assert!(line.starts_with(with), "{line}");
        starts(end("stale", None), " ✗");
        starts(end("stale", Some(Signing::Anew)), " re-signed ✓");
        starts(end("invalid", Some(Signing::AnewFor("http://localhost".into()))), " re-signed ✓");
        starts(end("valid", Some(Signing::Forged(Part::Body))), " forged body ✗");
    }
}
