//! Filters: an error points at its term in clean words; several terms hold together, and a minus turns one around.

use hook_cli::filter::{Filter, Subject, SubjectAttempt};
use hook_cli::sanitize::sanitize;

use crate::input::Input;

/// Some Monday.
const NOW: u64 = 1_773_144_000_000;

/// A query, a second one, and an event.
pub fn holds(data: &[u8]) {
    let mut input = Input(data);
    let (first, second) = (input.line(), input.line());
    let parsed = [&first, &second].map(|query| parse(query));
    let event = Event::read(input);
    event.with(|subject| {
        let answers = parsed.each_ref().map(|filter| filter.as_ref().map(|filter| filter.matches(&subject)));
        for (query, filter) in [&first, &second].into_iter().zip(&parsed) {
            if let Some(filter) = filter {
                consistent(query, filter, &subject);
            }
        }
        let both = format!("{first} {second}");
        if let ([Some(a), Some(b)], Ok(filter)) = (answers, Filter::parse(&both, NOW, 0)) {
            assert_eq!(filter.matches(&subject), a && b, "{both:?}");
        }
    });
}

fn parse(query: &str) -> Option<Filter> {
    match Filter::parse(query, NOW, 0) {
        Ok(filter) => Some(filter),
        Err(error) => {
            let term = query.get(error.span.clone()).expect("a span inside the query");
            assert!(!term.is_empty());
            let message = error.to_string();
            assert_eq!(sanitize(&message), message, "the message is safe to show");
            assert!(message.len() < 1000, "and short: {message}");
            let underline = error.underline(query);
            assert!(underline.trim_start().starts_with('^') && sanitize(&underline) == underline);
            None
        }
    }
}

fn consistent(query: &str, filter: &Filter, subject: &Subject<'_>) {
    let matches = filter.matches(subject);
    assert!(!matches || filter.matches_head(subject), "the head alone cannot say no to what fits");
    assert!(filter.needs_bodies() || filter.matches_head(subject) == matches);
    assert_eq!(filter.is_empty(), query.trim().is_empty());
    assert!(!filter.is_empty() || matches);
    if let [_] = filter.terms()
        && let Some(negated) = parse_quietly(&match query.trim().strip_prefix('-') {
            Some(positive) => positive.to_owned(),
            None => format!("-{}", query.trim()),
        })
        && negated.terms().len() == 1
    {
        assert_ne!(negated.matches(subject), matches, "{query:?}");
    }
}

fn parse_quietly(query: &str) -> Option<Filter> {
    Filter::parse(query, NOW, 0).ok()
}

struct Event {
    texts: Vec<String>,
    headers: Vec<(String, Vec<u8>)>,
    numbers: [u64; 4],
    flags: u8,
    body: Vec<u8>,
    response: Vec<u8>,
}

impl Event {
    fn read(mut input: Input<'_>) -> Self {
        Self {
            flags: input.byte(),
            texts: (0..7).map(|_| input.text().into_owned()).collect(),
            headers: (0..input.byte() % 4).map(|_| (input.text().to_lowercase(), input.bytes().to_vec())).collect(),
            numbers: [input.number(), input.number(), input.number(), input.number()],
            response: input.bytes().to_vec(),
            body: input.0.to_vec(),
        }
    }

    fn with(&self, look: impl FnOnce(Subject<'_>)) {
        let word = |at: usize| Some(self.texts[at].as_str()).filter(|word| !word.is_empty());
        let flag = |bit: u8| self.flags >> bit & 1 == 1;
        let attempts = [SubjectAttempt {
            status: flag(0).then_some(self.numbers[0] as u16),
            error: word(0),
            ms: flag(1).then_some(self.numbers[1]),
            response_body: &self.response,
        }];
        look(Subject {
            id: &self.texts[1],
            seq: self.numbers[2],
            received_at_ms: self.numbers[3],
            provider: word(2),
            event_type: word(3),
            provider_event_id: word(4),
            verdict: word(5),
            method: &self.texts[6],
            path: &self.texts[0],
            headers: &self.headers,
            content_type: self.headers.first().and_then(|(_, value)| std::str::from_utf8(value).ok()),
            size: self.body.len() as u64,
            body: &self.body,
            marked: flag(2),
            delivered: flag(3),
            replayed: flag(4),
            attempts: if flag(5) { &attempts } else { &[] },
        });
    }
}
