//! Turns the terms of a filter that have an indexed column into SQL, so that a large journal is not read whole.
//! What SQL lets through is still matched exactly.

use rusqlite::types::Value;

use crate::filter::{Field, Filter, TermKind};
use crate::journal::Condition;

/// What of a filter SQL can decide.
pub fn conditions(filter: &Filter) -> Vec<Condition> {
    let mut conditions = Vec::new();
    // A negated term also holds where there is nothing to compare; such terms are left to the exact match.
    for term in filter.terms().iter().filter(|t| !t.negated) {
        match &term.kind {
            TermKind::Since(ms) => {
                conditions.push(Condition::new("received_at >= ?", vec![integer(*ms)]));
            }
            TermKind::Before(ms) => {
                conditions.push(Condition::new("received_at < ?", vec![integer(*ms)]));
            }
            TermKind::Status { spans, errors, none: false } if errors.is_empty() => {
                let ranges: Vec<&str> = spans.iter().map(|_| "last_status BETWEEN ? AND ?").collect();
                if ranges.is_empty() {
                    continue;
                }
                let values = spans.iter().flat_map(|s| [integer(*s.start()), integer(*s.end())]).collect();
                conditions.push(Condition::new(ranges.join(" OR "), values));
            }
            TermKind::Field(field, matcher) => {
                let column = match field {
                    Field::Provider => "provider",
                    Field::Type => "event_type",
                    Field::Verdict => "verdict",
                    _ => continue,
                };
                let Some(words) = matcher.exact_words() else { continue };
                let marks = vec!["?"; words.len()].join(", ");
                let values = words.iter().map(|w| Value::from(w.clone())).collect();
                conditions.push(Condition::new(format!("{column} COLLATE NOCASE IN ({marks})"), values));
            }
            _ => {}
        }
    }
    conditions
}

fn integer(n: u64) -> Value {
    Value::from(i64::try_from(n).unwrap_or(i64::MAX))
}
