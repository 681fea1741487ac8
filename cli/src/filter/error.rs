use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthStr;

use super::key::Key;
use crate::sanitize::{cut, sanitize};

/// Why a query could not be read. Its text is safe to show: what it quotes of the query is sanitized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// The bad term, in bytes of the query.
    pub span: Range<usize>,
    pub message: String,
    /// What was meant, most likely: `status:`, `sig:valid`.
    pub suggestion: Option<String>,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, ". Did you mean {suggestion}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FilterError {}

impl FilterError {
    /// A line of carets that stands right under the bad term, when `sanitize(query)` is printed above it.
    pub fn underline(&self, query: &str) -> String {
        let before = sanitize(query.get(..self.span.start).unwrap_or_default());
        let term = sanitize(query.get(self.span.clone()).unwrap_or_default());
        let mut line = String::new();
        // A tab is as wide as the terminal says, so it is repeated.
        for (count, part) in before.split('\t').enumerate() {
            line.push_str(if count == 0 { "" } else { "\t" });
            line.extend(std::iter::repeat_n(' ', part.width()));
        }
        line.extend(std::iter::repeat_n('^', term.width().max(1)));
        line
    }
}

/// An error that does not yet know its place.
#[derive(Debug)]
pub(super) struct Problem {
    pub message: String,
    pub suggestion: Option<String>,
}

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), suggestion: None }
    }

    /// A word that is none of those that the key takes.
    pub fn bad_word(key: Key, word: &str, takes: &str) -> Self {
        // A word that the key knows is bad for another reason, and is no better the second time.
        let near = nearest(word, key.words()).filter(|near| !near.eq_ignore_ascii_case(word));
        let suggestion = near.map(|near| format!("{}:{near}", key.name()));
        Self { message: format!("{}:{} is not {takes}", key.name(), shown(word)), suggestion }
    }

    /// `name:` where no such key exists; `rest` is what stands after the colon.
    pub fn bad_key(name: &str, rest: &str) -> Self {
        let (first, tail) = name.split_once('.').map_or((name, ""), |(first, tail)| (first, tail));
        let names = Key::ALL.map(Key::name);
        let suggestion = nearest(first, &names).map(|near| match near {
            "header" if tail.is_empty() => "header.NAME:".to_owned(),
            "header" => format!("header.{}:", shown(tail)),
            near => format!("{near}:"),
        });
        let mut message = format!("{}: is not a key", shown(name));
        if suggestion.is_none() && !rest.contains(['"', '\\']) {
            message.push_str(&format!(". To look for the text, quote it: \"{}:{}\"", shown(name), shown(rest)));
        }
        Self { message, suggestion }
    }
}

/// Part of a query as it may stand in a message.
pub(super) fn shown(text: &str) -> String {
    cut(&sanitize(text), 40).into_owned()
}

/// The name that was most likely meant, if one is near enough.
fn nearest<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    if word.len() > 32 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    // `prov` and `signature` are beginnings, not slips.
    let begins = |name: &str| word.len().min(name.len()) >= 3 && (name.starts_with(&word) || word.starts_with(name));
    let near = |name: &str| {
        let limit = if name.len() < 5 { 1 } else { 2 };
        Some(distance(word.as_bytes(), name.as_bytes())).filter(|&slips| slips <= limit && slips < word.len())
    };
    let by_slips = names.iter().filter_map(|&name| Some((near(name)?, name))).min_by_key(|&(slips, _)| slips);
    by_slips.map(|(_, name)| name).or_else(|| names.iter().copied().find(|name| begins(name)))
}

/// How many letters are missing, extra, wrong, or swapped with their neighbour.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut best = (last[j] + usize::from(a[i] != b[j])).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_all_sorts_are_near() {
        let near = |word| nearest(word, &Key::ALL.map(Key::name));
        for (word, key) in
            [("statsu", "status"), ("stat", "status"), ("tpye", "type"), ("Signature", "sig"), ("bdy", "body")]
        {
            assert_eq!(near(word), Some(key), "{word}");
        }
        for word in ["", "x", "foo", "localhost", "https", "a_word_that_is_much_too_long_to_be_a_key"] {
            assert_eq!(near(word), None, "{word}");
        }
    }

    #[test]
    fn distance_counts_a_swap_once() {
        assert_eq!(distance(b"statsu", b"status"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }
}
