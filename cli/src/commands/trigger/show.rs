//! What a person or a program is told of an event that was sent, or would be.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::event::Event;
use super::send::Sent;
use crate::activity::{Heard, Trouble};
use crate::commands::Context;
use crate::output::json::{self, Bodies};
use crate::output::{Format, advice, row};
use crate::platform::now_ms;
use crate::provider::Secret;
use crate::provider::sender::Judgement;
use crate::sanitize::sanitize;
use crate::text;

pub struct Shown<'a> {
    pub context: &'a Context,
    pub format: Format,
    pub bodies: bool,
    /// The provider and its event, as they are said.
    pub provider: &'a str,
    pub kind: &'a str,
    pub forged: bool,
}

impl Shown<'_> {
    /// Something to know that is no failure.
    pub fn note(&self, note: &Trouble) {
        if self.format == Format::Json {
            return self.context.ui.data(&json::trouble(note));
        }
        self.context.ui.status(&sanitize(&note.message));
        if let Some(next) = &note.next {
            self.context.ui.status(&format!("next: {}", sanitize(next)));
        }
    }

    /// One event and what it was answered.
    pub fn sent(&self, sent: &Sent) {
        match self.format {
            Format::Json => self.sent_json(sent),
            Format::Line => self.sent_line(sent),
        }
    }

    fn sent_json(&self, sent: &Sent) {
        let out = |value| self.context.ui.data(&json::line_of(&value));
        let bodies = Bodies { shown: self.bodies, limit: None };
        let Some(event) = &sent.row else {
            return out(json!({
                "v": 1, "type": "sent", "ts": text::rfc3339(now_ms()), "provider": self.provider, "event_type": self.kind,
                "status": sent.status, "queued": sent.by_hook, "ms": sent.ms, "response_size": sent.answer.len(),
            }));
        };
        out(json::event(event, Bodies::default(), None));
        if let Some((attempt, answer)) = &sent.attempt {
            out(json::attempt(event, attempt, bodies, Some(answer), Heard::Nothing, &Judgement::default()));
        }
    }

    fn sent_line(&self, sent: &Sent) {
        let ui = &self.context.ui;
        match (&sent.row, &sent.attempt) {
            (Some(event), Some((attempt, _))) => ui.text(&row::attempt_line(event, attempt, ui.out)),
            (Some(event), None) => ui.text(&row::settled_line(event, ui.out)),
            (None, _) => {
                let status = sent.status.map_or("---".to_owned(), |s| s.to_string());
                let status = ui.out.ink(row::ink(sent.status), status);
                let (at, took) = (text::clock(now_ms()), format!("{} ms", sent.ms));
                ui.text(&format!("{at}        {status}{took:>9}  {} {}", self.provider, sanitize(self.kind)));
            }
        }
        let by_app = sent.attempt.as_ref().and_then(|(attempt, _)| attempt.status);
        if sent.row.is_some()
            && by_app != sent.status
            && let Some(status) = sent.status
        {
            self.line(&format!("the sender heard {status}, from hook."));
        }
        if sent.by_hook && sent.row.is_none() {
            self.line("nobody listens there now: the relay keeps it until somebody does.");
        }
        if self.forged {
            return self.forged(sent);
        }
        if let (Some(event), Some((attempt, answer))) = (&sent.row, &sent.attempt)
            && let Some(advice) = advice::on(event, attempt, answer, Heard::Nothing, &Judgement::default())
        {
            advice.fact.lines().for_each(|fact| self.line(fact));
            self.next(&advice.next);
        }
    }

    fn forged(&self, sent: &Sent) {
        let accepted = sent.status.is_some_and(|s| (200..300).contains(&s));
        match (accepted, sent.by_hook) {
            (true, true) => self.line("the answer is hook's own: it says nothing about your handler."),
            (true, false) => {
                self.line("a forged event was accepted: whoever answered does not verify signatures.");
                self.next(&format!("hook providers {}      how its events are verified", self.provider));
            }
            (false, _) if sent.went_as_it_should(true) => self.line("refused, as a forged event should be."),
            (false, _) => self.line("no answer of an app: nothing was shown."),
        }
    }

    fn line(&self, text: &str) {
        let paint = self.context.ui.err;
        self.context.ui.status(&format!("          {} {text}", paint.sign("│")));
    }

    fn next(&self, text: &str) {
        let paint = self.context.ui.err;
        self.context.ui.status(&format!("          {} next: {text}", paint.sign("└")));
    }

    /// `--print`: the body to standard output, the rest to standard error.
    pub fn print(&self, event: &Event, secret: Option<&Secret>, last: bool) {
        let ui = &self.context.ui;
        ui.status(&format!("{} {}", event.method, sanitize(&hidden(&event.url, secret))));
        for (name, value) in &event.headers {
            let value = hidden(&String::from_utf8_lossy(value), secret);
            ui.status(&format!("{}: {}", sanitize(name), sanitize(&value)));
        }
        ui.bytes(&event.body);
        if !last {
            ui.bytes(b"\n");
        } else if ui.stdout_is_terminal {
            ui.status("");
        }
    }
}

/// A secret that is sent as it is (a token) is shown as secrets are.
fn hidden(text: &str, secret: Option<&Secret>) -> String {
    let Some(secret) = secret else { return text.to_owned() };
    let shown = secret.shown();
    text.replace(secret.value.as_str(), &shown).replace(&BASE64_STANDARD.encode(&secret.value), &shown)
}

impl Sent {
    /// Whether the sender heard what it wants to hear: a 2xx, or for a forged event another answer of an app's.
    pub fn went_as_it_should(&self, forged: bool) -> bool {
        let accepted = self.status.is_some_and(|s| (200..300).contains(&s));
        let failed = self.attempt.as_ref().is_some_and(|(attempt, _)| attempt.error.is_some());
        if forged { self.status.is_some() && !accepted && !failed } else { accepted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Source;

    #[test]
    fn a_token_is_not_printed() {
        let secret = Secret { label: "x".into(), value: "hook:0123456789abcdef".into(), source: Source::Made };
        let basic = format!("Basic {}", BASE64_STANDARD.encode(&secret.value));
        for text in ["hook:0123456789abcdef", &basic, "https://h/?token=hook:0123456789abcdef"] {
            let shown = hidden(text, Some(&secret));
            assert!(shown.contains("…cdef") && !shown.contains("0123"), "{shown}");
        }
        assert_eq!(hidden("v1=abc", Some(&secret)), "v1=abc");
    }
}
