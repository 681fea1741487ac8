//! Turns the terms of a filter that have an indexed column into SQL, so that a large journal is not read whole.
//! What SQL lets through is still matched exactly.

use rusqlite::types::Value;

use crate::filter::{Field, Filter, TermKind};

/// Narrows a query further; `first` is what the command itself asks for.
pub fn narrow(filter: &Filter, first: &(String, Vec<Value>)) -> (String, Vec<Value>) {
    let mut parts: Vec<String> = Vec::new();
    let mut values = first.1.clone();
    if !first.0.is_empty() {
        parts.push(format!("({})", first.0));
    }
    // A negated term also holds where there is nothing to compare; such terms are left to the exact match.
    for term in filter.terms().iter().filter(|t| !t.negated) {
        match &term.kind {
            TermKind::Since(ms) => {
                parts.push("received_at >= ?".into());
                values.push(integer(*ms));
            }
            TermKind::Before(ms) => {
                parts.push("received_at < ?".into());
                values.push(integer(*ms));
            }
            TermKind::Status { spans, errors, none: false } if errors.is_empty() => {
                let ranges: Vec<&str> = spans.iter().map(|_| "last_status BETWEEN ? AND ?").collect();
                if ranges.is_empty() {
                    continue;
                }
                parts.push(format!("({})", ranges.join(" OR ")));
                values.extend(spans.iter().flat_map(|s| [integer(*s.start()), integer(*s.end())]));
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
                parts.push(format!("{column} COLLATE NOCASE IN ({marks})"));
                values.extend(words.iter().map(|w| Value::from(w.clone())));
            }
            _ => {}
        }
    }
    (parts.join(" AND "), values)
}

fn integer(n: u64) -> Value {
    Value::from(i64::try_from(n).unwrap_or(i64::MAX))
}
