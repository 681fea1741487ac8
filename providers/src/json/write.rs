//! Writes JSON the way a named piece of software does.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{Raw, Unit, Value, number};

const MAX_WRITTEN: usize = 8 << 20;

/// How a serialiser writes. The default is JavaScript's `JSON.stringify`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) comma: &'static str,
    pub(crate) colon: &'static str,
    /// Spaces for each level; `None` for one line.
    pub(crate) indent: Option<usize>,
    pub(crate) numbers: Numbers,
    /// Everything outside ASCII as `\uXXXX`.
    pub(crate) ascii: bool,
    /// `/` as `\/`, as PHP does.
    pub(crate) slash: bool,
    /// `<`, `>`, `&`, U+2028 and U+2029 as `\uXXXX`, as Go and Rails do.
    pub(crate) html: bool,
    pub(crate) sorted: bool,
    /// Keys that are whole numbers come first, in order, as in any JavaScript object.
    pub(crate) index_keys_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    AsWritten,
    JavaScript,
    Python,
}

impl Default for Style {
    fn default() -> Self {
        Style {
            comma: ",",
            colon: ":",
            indent: None,
            numbers: Numbers::JavaScript,
            ascii: false,
            slash: false,
            html: false,
            sorted: false,
            index_keys_first: true,
        }
    }
}

/// `None` when it would be longer than 8 MiB: indentation can make a small hostile body large.
pub(crate) fn write(value: &Value<'_>, style: Style) -> Option<String> {
    let mut out = String::new();
    put(&mut out, value, style, 0);
    (out.len() <= MAX_WRITTEN).then_some(out)
}

/// Text as a JSON string, with its quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        put_unit(&mut out, Unit::Char(c), Style::default());
    }
    out.push('"');
    out
}

/// Everything outside ASCII as `\uxxxx` and `/` as `\/`, the rest untouched: what Box's library tries.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '/' if before != '\\' => out.push_str("\\/"),
            c if c >= '\u{7f}' => put_escape(&mut out, c),
            c => out.push(c),
        }
        before = c;
    }
    out
}

fn put(out: &mut String, value: &Value<'_>, style: Style, depth: usize) {
    if out.len() > MAX_WRITTEN {
        return;
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(text) => match style.numbers {
            Numbers::AsWritten => out.push_str(text),
            Numbers::JavaScript => out.push_str(&number::javascript(text)),
            Numbers::Python => out.push_str(&number::python(text)),
        },
        Value::Text(raw) => put_string(out, *raw, style),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                separate(out, style, n, depth + 1);
                put(out, item, style, depth + 1);
            }
            close(out, style, depth, ']');
        }
        Value::Object(members) if members.is_empty() => out.push_str("{}"),
        Value::Object(members) => {
            out.push('{');
            for (n, (key, value)) in in_order(members, style).into_iter().enumerate() {
                separate(out, style, n, depth + 1);
                put_string(out, key, style);
                out.push_str(style.colon);
                put(out, value, style, depth + 1);
            }
            close(out, style, depth, '}');
        }
    }
}

/// Of repeated keys the last value stands at the first place, as in a map that keeps its order.
fn in_order<'v, 'a>(members: &'v [(Raw<'a>, Value<'a>)], style: Style) -> Vec<(Raw<'a>, &'v Value<'a>)> {
    let mut places = HashMap::with_capacity(members.len());
    let mut kept: Vec<(Raw<'a>, &Value<'a>)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        let place = *places.entry(key.decode()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(slot) => slot.1 = value,
            None => kept.push((*key, value)),
        }
    }
    if style.sorted {
        kept.sort_by_cached_key(|(key, _)| key.decode());
    } else if style.index_keys_first {
        kept.sort_by_key(|(key, _)| index(key.0).unwrap_or(u64::MAX));
    }
    kept
}

fn index(key: &str) -> Option<u64> {
    let plain = key == "0" || !key.starts_with('0') && !key.starts_with('+');
    key.parse::<u64>().ok().filter(|n| plain && *n < u64::from(u32::MAX))
}

fn separate(out: &mut String, style: Style, n: usize, depth: usize) {
    if n > 0 {
        out.push_str(style.comma);
    }
    new_line(out, style, depth);
}

fn close(out: &mut String, style: Style, depth: usize, bracket: char) {
    new_line(out, style, depth);
    out.push(bracket);
}

fn new_line(out: &mut String, style: Style, depth: usize) {
    if let Some(indent) = style.indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent * depth));
    }
}

fn put_string(out: &mut String, raw: Raw<'_>, style: Style) {
    out.push('"');
    for unit in raw.units() {
        put_unit(out, unit, style);
    }
    out.push('"');
}

fn put_unit(out: &mut String, unit: Unit, style: Style) {
    match unit {
        Unit::Char('"') => out.push_str("\\\""),
        Unit::Char('\\') => out.push_str("\\\\"),
        Unit::Char('\n') => out.push_str("\\n"),
        Unit::Char('\r') => out.push_str("\\r"),
        Unit::Char('\t') => out.push_str("\\t"),
        Unit::Char('\u{8}') => out.push_str("\\b"),
        Unit::Char('\u{c}') => out.push_str("\\f"),
        Unit::Char('/') if style.slash => out.push_str("\\/"),
        Unit::Char(c) if c < ' ' => put_escape(out, c),
        Unit::Char(c @ ('<' | '>' | '&' | '\u{2028}' | '\u{2029}')) if style.html => put_escape(out, c),
        Unit::Char(c) if style.ascii && !c.is_ascii() => put_escape(out, c),
        Unit::Char(c) => out.push(c),
        Unit::Lone(half) => put_hex(out, half),
    }
}

fn put_escape(out: &mut String, c: char) {
    for half in c.encode_utf16(&mut [0; 2]) {
        put_hex(out, *half);
    }
}

fn put_hex(out: &mut String, half: u16) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\u{half:04x}");
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn rewritten(body: &str, style: Style) -> String {
        write(&parse(body.as_bytes()).expect("it is JSON"), style).expect("it is short")
    }

    #[test]
    fn the_default_is_what_javascript_prints() {
        let body = r#"{ "b": 1.0, "10": "\/caf\u00e9", "2": [], "b": {"x": null}, "lone": "\ud800" }"#;
        assert_eq!(rewritten(body, Style::default()), r#"{"2":[],"10":"/café","b":{"x":null},"lone":"\ud800"}"#);
    }

    #[test]
    fn indentation_escapes_and_order_follow_the_style() {
        let body = r#"{"b":"é<","a":[1,2.50]}"#;
        let indented = Style { indent: Some(2), colon: ": ", ..Style::default() };
        assert_eq!(rewritten(body, indented), "{\n  \"b\": \"é<\",\n  \"a\": [\n    1,\n    2.5\n  ]\n}");
        let python = Style { comma: ", ", colon: ": ", ascii: true, numbers: Numbers::Python, ..Style::default() };
        assert_eq!(rewritten(body, python), r#"{"b": "\u00e9<", "a": [1, 2.5]}"#);
        let go = Style { html: true, sorted: true, ..Style::default() };
        assert_eq!(rewritten(body, go), r#"{"a":[1,2.5],"b":"é\u003c"}"#);
    }
}
