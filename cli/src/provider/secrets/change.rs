//! What is different since secrets were last read, without a value.

use std::collections::BTreeMap;
use std::fmt;

use crate::failure::Failure;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The variable, or the place of a kept one: `stripe`, `shop/stripe`.
    pub name: String,
    /// `STRIPE_WEBHOOK_SECRET in ./.env`
    pub source: String,
    pub how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    New,
    Changed,
    Gone,
    /// A whole file of them: what it held before still counts.
    Unreadable,
}

impl Change {
    /// That the file of kept secrets cannot be read any more.
    pub fn unreadable(failure: &Failure) -> Self {
        let what = failure.what.trim_end_matches('.');
        Self { name: "secrets.toml".to_owned(), source: what.to_owned(), how: How::Unreadable }
    }
}

impl How {
    /// The word for it in data.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Gone => "gone",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.how {
            How::New => write!(f, "{} is new", self.source),
            How::Changed => write!(f, "{} has changed", self.source),
            How::Gone => write!(f, "{} is gone", self.source),
            How::Unreadable => write!(f, "{}; what it held before still counts", self.source),
        }
    }
}

/// The names whose values differ.
pub fn compare<V: PartialEq>(
    before: &BTreeMap<String, V>,
    after: &BTreeMap<String, V>,
    source: impl Fn(&str) -> String,
) -> Vec<Change> {
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name, How::Gone));
    let now = after.iter().filter_map(|(name, value)| match before.get(name) {
        None => Some((name, How::New)),
        Some(old) if old != value => Some((name, How::Changed)),
        Some(_) => None,
    });
    gone.chain(now).map(|(name, how)| Change { name: name.clone(), source: source(name), how }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_without_a_value() {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
        };
        let (before, after) = (of(&[("A", "1"), ("B", "2"), ("C", "3")]), of(&[("A", "1"), ("B", "4"), ("D", "5")]));
        let told: Vec<String> =
            compare(&before, &after, |name| format!("{name} in ./.env")).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["C in ./.env is gone", "B in ./.env has changed", "D in ./.env is new"]);
    }
}
