use super::json::JsonTest;
use super::matcher::Matcher;
use crate::json::Path;

/// Numbers from the first to the last, both included; empty when the first is greater.
pub type Span = std::ops::RangeInclusive<u64>;

/// One condition of a query.
#[derive(Debug, Clone)]
pub struct Term {
    /// The event must not fit. `-key:value` and `key:!=value` are both this, and together they cancel out.
    pub negated: bool,
    pub kind: TermKind,
}

/// What an event must have to fit. A list of spans or words asks for any of them.
#[derive(Debug, Clone)]
pub enum TermKind {
    /// A part of the type, path, an id, a header's name or value, the body, or the last response's body.
    Text(Matcher),
    Field(Field, Matcher),
    /// A header of this name (lower case) with a value that fits.
    Header(String, Matcher),
    /// The number of the event is in a span, or its id or the provider's own id fits.
    Id {
        numbers: Vec<Span>,
        names: Matcher,
    },
    /// The last attempt has a status in a span or one of the errors; `none`: no attempt has ended.
    Status {
        spans: Vec<Span>,
        errors: Vec<&'static str>,
        none: bool,
    },
    /// The last attempt took this many milliseconds.
    Ms(Vec<Span>),
    /// The body has this many bytes.
    Size(Vec<Span>),
    /// Received at this time (in milliseconds since 1970) or later.
    Since(u64),
    /// Received before this time.
    Before(u64),
    Replayed(bool),
    Delivered(bool),
    Marked(bool),
    /// The body is JSON and has a value at this path that fits.
    Json(Path, JsonTest),
}

/// The parts of an event that are compared as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Provider,
    Type,
    Verdict,
    Method,
    /// With the query.
    Path,
    ContentType,
    Body,
    /// The body of the last response.
    Response,
}

impl Term {
    pub fn needs_bodies(&self) -> bool {
        matches!(self.kind, TermKind::Text(_) | TermKind::Json(..) | TermKind::Field(Field::Body | Field::Response, _))
    }
}
