//! What a check found, for people and for programs.

use serde_json::{Map, Value};

use crate::sanitize::sanitize;
use crate::ui::{Ink, Paint};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Good,
    /// Worth knowing; no promise depends on it.
    Doubt,
    /// A promise is in danger.
    Bad,
}

impl State {
    /// The word of the JSON schema.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Doubt => "warning",
            Self::Bad => "problem",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was looked at, in one word.
    pub check: &'static str,
    pub state: State,
    pub words: String,
    /// One thing to type or do, unless all is well.
    pub next: Option<String>,
    /// The same by name, for programs.
    pub facts: Map<String, Value>,
}

impl Finding {
    pub fn good(check: &'static str, words: impl Into<String>) -> Self {
        Self { check, state: State::Good, words: words.into(), next: None, facts: Map::new() }
    }

    pub fn doubt(check: &'static str, words: impl Into<String>, next: impl Into<String>) -> Self {
        Self { state: State::Doubt, next: Some(next.into()), ..Self::good(check, words) }
    }

    pub fn bad(check: &'static str, words: impl Into<String>, next: impl Into<String>) -> Self {
        Self { state: State::Bad, next: Some(next.into()), ..Self::good(check, words) }
    }

    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// As a person reads it; words of others in it cannot act on the terminal.
    pub fn lines(&self, paint: Paint) -> Vec<String> {
        let (sign, ink) = match self.state {
            State::Good => ("✓", Ink::Good),
            State::Doubt => ("–", Ink::Warn),
            State::Bad => ("✗", Ink::Bad),
        };
        let line = format!("{} {:<10} {}", paint.ink(ink, paint.sign(sign)), self.check, sanitize(&self.words));
        let next = self.next.as_ref().map(|next| format!("             next: {}", sanitize(next)));
        std::iter::once(line).chain(next).collect()
    }

    /// The `check` object of the JSON schema.
    pub fn json(&self, ts: String) -> Value {
        serde_json::json!({
            "v": 1,
            "type": "check",
            "ts": ts,
            "check": self.check,
            "state": self.state.word(),
            "finding": self.words,
            "next": self.next,
            "facts": self.facts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_cannot_act_on_a_terminal() {
        let finding = Finding::bad("relay", "it said \u{1b}[2J\n", "look at \u{202e}it");
        let lines = finding.lines(Paint::PLAIN);
        assert_eq!(lines, ["✗ relay      it said \\x1b[2J\\n", "             next: look at \\u{202e}it"]);
    }

    #[test]
    fn colour_and_signs_follow_the_terminal() {
        let finding = Finding::doubt("port", "taken", "wait");
        assert_eq!(finding.lines(Paint::new(true, false))[0], "\u{1b}[33m–\u{1b}[0m port       taken");
        assert_eq!(finding.lines(Paint::new(false, true))[0], "-- port       taken");
    }
}
