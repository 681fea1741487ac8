use std::cmp::Ordering;

use super::decimal::Decimal;
use super::error::Problem;
use super::matcher::{Matcher, Word};
use crate::json::{Value, ValueKind};

/// What a value inside a JSON body must be.
#[derive(Debug, Clone)]
pub struct JsonTest(Test);

#[derive(Debug, Clone)]
enum Test {
    Exists,
    /// One of the words. Quoted ones stand for strings only: `"5"` is not the number 5.
    OneOf {
        all: Matcher,
        unquoted: Matcher,
        numbers: Vec<Decimal>,
    },
    /// On one side of a word: by number where both are numbers (also inside a string, as prices often are), otherwise
    /// strings by their bytes, which puts dates in order.
    Ordered {
        word: String,
        number: Option<Decimal>,
        accepts: fn(Ordering) -> bool,
    },
    Pattern(Matcher),
}

impl JsonTest {
    pub(super) fn exists() -> Self {
        Self(Test::Exists)
    }

    pub(super) fn one_of(words: &[Word]) -> Result<Self, Problem> {
        let all = Matcher::whole(words)?;
        let unquoted = Matcher::whole(words.iter().filter(|word| !word.quoted))?;
        let numbers = words.iter().filter(|word| !word.quoted).filter_map(|word| Decimal::parse(&word.text)).collect();
        Ok(Self(Test::OneOf { all, unquoted, numbers }))
    }

    pub(super) fn ordered(word: Word, accepts: fn(Ordering) -> bool) -> Self {
        let number = if word.quoted { None } else { Decimal::parse(&word.text) };
        Self(Test::Ordered { word: word.text, number, accepts })
    }

    pub(super) fn pattern(pattern: Matcher) -> Self {
        Self(Test::Pattern(pattern))
    }

    /// Objects and arrays only exist; they do not compare.
    pub fn is_match(&self, value: &Value<'_>) -> bool {
        let text = match value.kind {
            ValueKind::Object | ValueKind::Array => return matches!(self.0, Test::Exists),
            _ => value.text(),
        };
        let is_string = value.kind == ValueKind::String;
        // `true` and `null` do not parse as numbers, so only numbers and strings come out of this.
        let number = || Decimal::parse(&text);
        match &self.0 {
            Test::Exists => true,
            Test::OneOf { all, unquoted, numbers } => {
                let words = if is_string { all } else { unquoted };
                words.is_match(text.as_bytes())
                    || (!numbers.is_empty() && number().is_some_and(|number| numbers.contains(&number)))
            }
            Test::Ordered { word, number: wanted, accepts } => {
                match wanted.as_ref().and_then(|wanted| Some(number()?.cmp(wanted))) {
                    Some(order) => accepts(order),
                    None => is_string && accepts((*text).cmp(word.as_str())),
                }
            }
            Test::Pattern(pattern) => pattern.is_match(text.as_bytes()),
        }
    }
}
