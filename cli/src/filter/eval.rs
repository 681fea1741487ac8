use super::matcher::Matcher;
use super::term::{Field, Span, Term, TermKind};
use super::{Subject, SubjectAttempt};
use crate::json;

impl Term {
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.kind.fits(subject) != self.negated
    }
}

impl TermKind {
    fn fits(&self, subject: &Subject<'_>) -> bool {
        let last = subject.attempts.last();
        match self {
            Self::Text(text) => fits_anywhere(text, subject),
            Self::Field(field, matcher) => field.of(subject).is_some_and(|value| matcher.is_match(value)),
            Self::Header(name, matcher) => subject
                .headers
                .iter()
                .any(|(header, value)| header.eq_ignore_ascii_case(name) && matcher.is_match(value)),
            Self::Id { numbers, names } => {
                holds(numbers, Some(subject.seq))
                    || names.is_match(subject.id.as_bytes())
                    || subject.provider_event_id.is_some_and(|id| names.is_match(id.as_bytes()))
            }
            Self::Status { spans, errors, none } => {
                holds(spans, last.and_then(|attempt| attempt.status).map(u64::from))
                    || last.and_then(|attempt| attempt.error).is_some_and(|error| errors.contains(&error))
                    || (*none && !subject.attempts.iter().any(SubjectAttempt::has_ended))
            }
            Self::Ms(spans) => holds(spans, last.and_then(|attempt| attempt.ms)),
            Self::Size(spans) => holds(spans, Some(subject.size)),
            Self::Since(time) => subject.received_at_ms >= *time,
            Self::Before(time) => subject.received_at_ms < *time,
            Self::Replayed(yes) => subject.replayed == *yes,
            Self::Delivered(yes) => subject.delivered == *yes,
            Self::Marked(yes) => subject.marked == *yes,
            Self::Json(path, test) => json::find(subject.body, path).is_some_and(|value| test.is_match(&value)),
        }
    }
}

impl Field {
    fn of<'a>(self, subject: &Subject<'a>) -> Option<&'a [u8]> {
        match self {
            Self::Provider => subject.provider.map(str::as_bytes),
            Self::Type => subject.event_type.map(str::as_bytes),
            Self::Verdict => subject.verdict.map(str::as_bytes),
            Self::Method => Some(subject.method.as_bytes()),
            Self::Path => Some(subject.path.as_bytes()),
            Self::ContentType => subject.content_type.map(str::as_bytes),
            Self::Body => Some(subject.body),
            Self::Response => subject.attempts.last().map(|attempt| attempt.response_body),
        }
    }
}

impl SubjectAttempt<'_> {
    fn has_ended(&self) -> bool {
        self.status.is_some() || self.error.is_some()
    }
}

fn holds(spans: &[Span], number: Option<u64>) -> bool {
    number.is_some_and(|number| spans.iter().any(|span| span.contains(&number)))
}

/// Short texts first: most events are told apart by them.
fn fits_anywhere(text: &Matcher, subject: &Subject<'_>) -> bool {
    let fits = |value: &str| text.is_match(value.as_bytes());
    subject.event_type.is_some_and(fits)
        || fits(subject.path)
        || fits(subject.id)
        || subject.provider_event_id.is_some_and(fits)
        || subject.headers.iter().any(|(name, value)| fits(name) || text.is_match(value))
        || text.is_match(subject.body)
        || subject.attempts.last().is_some_and(|attempt| text.is_match(attempt.response_body))
}
