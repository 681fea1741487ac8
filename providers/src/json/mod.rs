//! JSON as the sender wrote it: number text, escapes, order and repeated keys stay.
//!
//! A signature is over bytes, so what a value looked like matters here. Reading is bounded in depth and in the number of
//! values, so a hostile body costs its length and a fixed amount of memory.

mod number;
mod write;

use std::borrow::Cow;

pub(crate) use write::{Numbers, Style, escaped, quoted, write};

/// Deeper values are not looked into; the stack is bounded by it.
const MAX_DEPTH: usize = 128;
/// Bodies with more values are not looked into (about 10 MiB of memory).
const MAX_VALUES: usize = 1 << 18;

#[derive(Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Raw<'a>),
    Array(Vec<Value<'a>>),
    Object(Vec<(Raw<'a>, Value<'a>)>),
}

/// A string as it stood between its quotes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Raw<'a>(&'a str);

/// One step of a string: a character, or half of a surrogate pair that stands alone.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Char(char),
    Lone(u16),
}

/// `None` when it is not JSON, or beyond the bounds above.
pub(crate) fn parse(bytes: &[u8]) -> Option<Value<'_>> {
    let text = str::from_utf8(bytes).ok()?;
    let mut reader = Reader { text, at: 0, left: MAX_VALUES };
    let value = reader.value(0)?;
    reader.space();
    (reader.at == text.len()).then_some(value)
}

impl<'a> Value<'a> {
    /// The value at an RFC 6901 pointer, given as its decoded steps. Of repeated keys the last counts, as in JavaScript,
    /// Python, Ruby and Go.
    pub(crate) fn at(&self, steps: &[String]) -> Option<&Value<'a>> {
        steps.iter().try_fold(self, |value, step| match value {
            Value::Object(members) => members.iter().rev().find(|(key, _)| key.is(step)).map(|(_, value)| value),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// What a template inserts for this value: nothing for null, arrays and objects.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Value::Text(raw) => Some(raw.decode()),
            Value::Number(text) => Some(Cow::Borrowed(text)),
            Value::Bool(true) => Some(Cow::Borrowed("true")),
            Value::Bool(false) => Some(Cow::Borrowed("false")),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl<'a> Raw<'a> {
    pub(crate) fn decode(self) -> Cow<'a, str> {
        if !self.0.contains('\\') {
            return Cow::Borrowed(self.0);
        }
        let chars = self.units().map(|unit| match unit {
            Unit::Char(c) => c,
            Unit::Lone(_) => char::REPLACEMENT_CHARACTER,
        });
        Cow::Owned(chars.collect())
    }

    /// As it stood between its quotes.
    pub(crate) fn raw(self) -> &'a str {
        self.0
    }

    fn is(self, text: &str) -> bool {
        if self.0.contains('\\') { self.decode() == text } else { self.0 == text }
    }

    pub(crate) fn units(self) -> impl Iterator<Item = Unit> + 'a {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let c = rest.chars().next()?;
            rest = &rest[c.len_utf8()..];
            if c != '\\' {
                return Some(Unit::Char(c));
            }
            let escape = rest.chars().next()?;
            rest = &rest[escape.len_utf8()..];
            let plain = match escape {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let high = hex4(rest)?;
                    rest = &rest[4..];
                    if let Some(c) = char::from_u32(high.into()) {
                        return Some(Unit::Char(c));
                    }
                    let low = rest.strip_prefix("\\u").and_then(hex4);
                    let pair = low.and_then(|low| char::decode_utf16([high, low]).next()?.ok());
                    if pair.is_some() {
                        rest = &rest[6..];
                    }
                    return Some(pair.map_or(Unit::Lone(high), Unit::Char));
                }
                other => other,
            };
            Some(Unit::Char(plain))
        })
    }
}

fn hex4(text: &str) -> Option<u16> {
    let digits = text.get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    left: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        if depth == MAX_DEPTH {
            return None;
        }
        self.space();
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Value::Text),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value<'a>> {
        let mut members = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Some(Value::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return None;
            }
            members.push((key, self.value(depth + 1)?));
            self.space();
            if self.take(b'}') {
                return Some(Value::Object(members));
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value<'a>> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Some(Value::Array(items));
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<Raw<'a>> {
        if !self.take(b'"') {
            return None;
        }
        let from = self.at;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(Raw(&self.text[from..self.at - 1]));
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            hex4(self.text.get(self.at + 1..)?)?;
                            self.at += 5;
                        }
                        _ => return None,
                    }
                }
                control if control < 0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let from = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Some(Value::Number(&self.text[from..self.at]))
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Option<Value<'a>> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(pointer: &str) -> Vec<String> {
        pointer.split('/').skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn a_pointer_finds_text_numbers_and_booleans_as_written() {
        let body = br#"{"a":[{"b":"caf\u00e9 \ud83d\ude00"},1.50],"ok":true,"a/b":1,"n":null,"n2":1,"n2":2}"#;
        let value = parse(body).expect("it is JSON");
        let text = |p: &str| value.at(&steps(p)).and_then(Value::text).map(Cow::into_owned);
        assert_eq!(text("/a/0/b").as_deref(), Some("café 😀"));
        assert_eq!(text("/a/1").as_deref(), Some("1.50"));
        assert_eq!(text("/ok").as_deref(), Some("true"));
        assert_eq!(text("/n2").as_deref(), Some("2"));
        assert_eq!((text("/n"), text("/a"), text("/a/7"), text("/x/y")), (None, None, None, None));
    }

    #[test]
    fn what_is_not_json_is_nothing() {
        for bad in
            ["", "{", "[1,]", "{\"a\"}", "\"\u{1}\"", "01", "1.", "nul", "[1] 2", "\"\\x\"", "\"\\u12g4\"", "-", "1e"]
        {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse(b"\"\xff\""), None);
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        assert_eq!(parse("[".repeat(1_000_000).as_bytes()), None);
        assert!(parse(format!("{}{}", "[".repeat(100), "]".repeat(100)).as_bytes()).is_some());
        assert_eq!(parse(format!("[{}0]", "0,".repeat(MAX_VALUES)).as_bytes()), None);
    }
}
