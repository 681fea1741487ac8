//! The filter language: one grammar for the command line, the search field of the TUI and the page.
//!
//! ```text
//! query = term { term }                      all must hold       term = [ "-" ] ( field | text )      "-" negates
//! field = key ":" [op] value                 op: = != > >= < <= ~(regex)      value: word, "quoted", a,b (any of), 4xx, *glob*
//! text  = word | "quoted words"              substring, case-insensitive unless it holds a capital
//! ```
//!
//! What the grammar leaves open is settled like this:
//! - Fields ignore case; a regex does not, unless it says `(?i)`.
//! - `path: header.NAME: body: resp: ct:` look for a part, the other keys compare the whole value. `=` always compares
//!   the whole, and so does a word with a `*` in it.
//! - A value in quotes is taken literally: no list, no glob. Inside quotes `\"` is a quote and `\\` a backslash.
//! - `!=` is `=` negated, so it also holds where there is nothing to compare. `key:*` finds whatever is there.
//! - `json:.path` alone asks whether there is such a value.
//! - A word like `http://x` is text, although a colon follows a letter.

mod decimal;
mod error;
mod eval;
mod json;
mod key;
mod matcher;
mod parse;
mod term;
#[cfg(test)]
mod tests;
mod value;

pub use error::FilterError;
pub use json::JsonTest;
pub use key::Key;
pub use matcher::Matcher;
pub use term::{Field, Span, Term, TermKind};

/// A parsed query. The empty one holds for every event.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    terms: Vec<Term>,
}

/// What a filter looks at: one event and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub id: &'a str,
    pub seq: u64,
    pub received_at_ms: u64,
    pub provider: Option<&'a str>,
    pub event_type: Option<&'a str>,
    pub provider_event_id: Option<&'a str>,
    pub verdict: Option<&'a str>,
    pub method: &'a str,
    /// With `?` and the query, where there is one.
    pub path: &'a str,
    pub headers: &'a [(String, Vec<u8>)],
    pub content_type: Option<&'a str>,
    pub size: u64,
    pub body: &'a [u8],
    pub marked: bool,
    pub delivered: bool,
    pub replayed: bool,
    /// Oldest first. One that is still running has neither a status nor an error.
    pub attempts: &'a [SubjectAttempt<'a>],
}

#[derive(Debug, Clone, Copy)]
pub struct SubjectAttempt<'a> {
    pub status: Option<u16>,
    /// The word for what went wrong: `connection_refused`, `timeout`, `reset`.
    pub error: Option<&'a str>,
    pub ms: Option<u64>,
    pub response_body: &'a [u8],
}

impl Filter {
    /// Reads a query. `now_ms` is the time that `10m` counts back from; `offset_seconds` is the local zone's distance
    /// from UTC, for times like `14:00`.
    pub fn parse(text: &str, now_ms: u64, offset_seconds: i32) -> Result<Self, FilterError> {
        Ok(Self { terms: parse::parse(text, value::Clock { now_ms, offset_seconds })? })
    }

    /// The terms in the order they were written. All must hold, so whoever loads events may let a database drop those
    /// for which one term surely fails, and ask [`Filter::matches`] about the rest.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a term reads the event's body or a response's body. If not, they need not be loaded.
    pub fn needs_bodies(&self) -> bool {
        self.terms.iter().any(Term::needs_bodies)
    }

    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.matches_head(subject)
            && self.terms.iter().filter(|term| term.needs_bodies()).all(|term| term.matches(subject))
    }

    /// Whether all terms hold that read no body. Where this is false, no body needs to be loaded to know the answer.
    pub fn matches_head(&self, subject: &Subject<'_>) -> bool {
        self.terms.iter().filter(|term| !term.needs_bodies()).all(|term| term.matches(subject))
    }
}
