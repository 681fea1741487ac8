//! Writing a value where a selector would find it, and leaving every other byte as it was.

use super::{CannotSign, Signed};
use crate::json::{Value, quoted};
use crate::recipe::selector::Selector;
use crate::request::{Header, Request, Url, decoded};

/// A request that is being signed.
pub(super) struct Draft<'a> {
    method: &'a str,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    changed: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// Bytes `from..to` of the body become this text.
pub(super) struct Edit {
    from: usize,
    to: usize,
    text: String,
}

impl<'a> Draft<'a> {
    pub(super) fn of(request: &Request<'a>) -> Self {
        Draft {
            method: request.method,
            url: request.url.to_owned(),
            headers: request.headers.iter().map(|(n, v)| ((*n).to_owned(), v.to_vec())).collect(),
            changed: Vec::new(),
            body: request.body.to_vec(),
        }
    }

    /// Looks at the draft as it stands.
    pub(super) fn see<T>(&self, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        look(&Request::new(self.method, &self.url, &headers, &self.body))
    }

    pub(super) fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.changed.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self.changed.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn put(&mut self, place: &Selector, value: &str) -> Result<(), CannotSign> {
        match place {
            Selector::Header(name) => self.set_header(name, value),
            Selector::Query(name) => {
                let parts = Url::of(&self.url);
                let query = with_field(parts.query.unwrap_or_default().as_bytes(), name, value);
                let query = String::from_utf8_lossy(&query).into_owned();
                self.url = Url { query: Some(&query), ..parts }.to_string();
            }
            Selector::Form(name) => self.body = with_field(&self.body, name, value),
            Selector::Json(steps) => {
                let json = crate::json::parse(&self.body).ok_or(CannotSign::NoPlace)?;
                let number = is_number(value) && !matches!(json.at(steps), Some(Value::Text(_)));
                let text = if number { value.to_owned() } else { quoted(value) };
                let edit = edit(&self.body, &json, steps, &text).ok_or(CannotSign::NoPlace)?;
                self.body = apply(&self.body, vec![edit]);
            }
            // Part of the signature header, which is written as a whole.
            Selector::Sig(_) | Selector::SigAt(_) => {}
            _ => return Err(CannotSign::NoPlace),
        }
        Ok(())
    }

    pub(super) fn signed(self, before: &Request<'_>) -> Signed {
        Signed {
            headers: self.changed,
            body: (self.body != before.body).then_some(self.body),
            url: (self.url != before.url).then_some(self.url),
        }
    }
}

/// The edit that makes the value at these steps this JSON text. What is missing on the way is put in.
pub(super) fn edit(body: &[u8], root: &Value<'_>, steps: &[String], text: &str) -> Option<Edit> {
    if let Some(old) = root.at(steps) {
        let (from, to) = match old {
            Value::Number(old) => span(body, old)?,
            // With its quotes.
            Value::Text(old) => span(body, old.raw()).map(|(from, to)| (from - 1, to + 1))?,
            _ => return None,
        };
        return Some(Edit { from, to, text: text.to_owned() });
    }
    let (last, before) = steps.split_last()?;
    let member = format!("{}:{text}", quoted(last));
    match root.at(before) {
        Some(Value::Object(members)) => {
            let (first, _) = members.first()?;
            let (from, _) = span(body, first.raw())?;
            Some(Edit { from: from - 1, to: from - 1, text: format!("{member},") })
        }
        Some(_) => None,
        None => edit(body, root, before, &format!("{{{member}}}")),
    }
}

pub(super) fn apply(body: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| edit.from);
    let mut out = Vec::with_capacity(body.len() + 256);
    let mut at = 0;
    for edit in edits {
        out.extend_from_slice(body.get(at..edit.from).unwrap_or_default());
        out.extend_from_slice(edit.text.as_bytes());
        at = edit.to;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out
}

/// Where a piece of the body stands in it.
fn span(body: &[u8], piece: &str) -> Option<(usize, usize)> {
    let from = piece.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let to = from.checked_add(piece.len())?;
    (from > 0 && to <= body.len()).then_some((from, to))
}

fn with_field(fields: &[u8], name: &str, value: &str) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = fields.split(|b| *b == b'&').filter(|p| !p.is_empty()).map(<[u8]>::to_vec).collect();
    let new = format!("{}={}", percent(name), percent(value)).into_bytes();
    let is_it = |part: &Vec<u8>| {
        let key = part.split(|b| *b == b'=').next().unwrap_or_default();
        *decoded(key) == *name.as_bytes()
    };
    match parts.iter().position(is_it) {
        Some(at) => parts[at] = new,
        None => parts.push(new),
    }
    parts.join(&b'&')
}

fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// As every reader of JSON takes it, digit by digit: a passcode like `0707` is text.
fn is_number(value: &str) -> bool {
    let has_no_sign = value.bytes().all(|b| b.is_ascii_digit());
    has_no_sign && (1..=15).contains(&value.len()) && (value == "0" || !value.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(body: &str, pointer: &[&str], text: &str) -> Option<String> {
        let steps: Vec<String> = pointer.iter().map(|s| (*s).to_owned()).collect();
        let json = crate::json::parse(body.as_bytes())?;
        let edit = edit(body.as_bytes(), &json, &steps, text)?;
        String::from_utf8(apply(body.as_bytes(), vec![edit])).ok()
    }

    #[test]
    fn only_the_value_changes() {
        let body = r#"{ "a" : 1 , "b":{"c":"x\n"} }"#;
        assert_eq!(edited(body, &["a"], "22").as_deref(), Some(r#"{ "a" : 22 , "b":{"c":"x\n"} }"#));
        assert_eq!(edited(body, &["b", "c"], "\"y\"").as_deref(), Some(r#"{ "a" : 1 , "b":{"c":"y"} }"#));
    }

    #[test]
    fn what_is_missing_is_put_in() {
        let body = r#"{ "a":1}"#;
        assert_eq!(edited(body, &["t"], "2").as_deref(), Some(r#"{ "t":2,"a":1}"#));
        assert_eq!(edited(body, &["x", "y"], "2").as_deref(), Some(r#"{ "x":{"y":2},"a":1}"#));
        assert_eq!((edited("{}", &["t"], "2"), edited("[1]", &["t"], "2")), (None, None));
    }

    #[test]
    fn digits_are_a_number_only_where_no_reader_changes_them() {
        assert!(["0", "17", "1780000000000"].iter().all(|number| is_number(number)));
        assert!(["", "07", "-1", "1.5", "1780000000000000000", "12a"].iter().all(|text| !is_number(text)));
    }

    #[test]
    fn fields_are_replaced_in_place_or_added() {
        assert_eq!(with_field(b"a=1&b=2", "a", "x y|"), b"a=x%20y%7C&b=2");
        assert_eq!(with_field(b"", "a", "1"), b"a=1");
    }
}
