use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::token::{Kind, Token, string_end, tokens};
use super::unescape;

/// A place in a document: `.data.object.amount`, `.items[0].id`, `.["odd key"]`; `.` is the whole document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path {
    pub segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    Key(String),
    Index(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PathError(&'static str);

impl Path {
    /// Reads the path that `text` starts with, and gives back what follows it.
    pub fn parse_prefix(text: &str) -> Result<(Self, &str), PathError> {
        let mut rest = text.strip_prefix('.').ok_or(PathError("a path starts with a dot, like .data.id"))?;
        let mut segments = Vec::new();
        let mut after_dot = true;
        loop {
            if let Some(inside) = rest.strip_prefix('[') {
                let (segment, after) = bracket(inside)?;
                segments.push(segment);
                rest = after;
            } else if after_dot {
                let end = rest.find(|char| !is_bare(char)).unwrap_or(rest.len());
                if end == 0 && (rest.starts_with('.') || !segments.is_empty()) {
                    return Err(PathError("a key is missing after a dot"));
                }
                if end == 0 {
                    return Ok((Self { segments }, rest));
                }
                segments.push(Segment::Key(rest[..end].to_owned()));
                rest = &rest[end..];
            }
            if rest.starts_with('[') {
                after_dot = false;
            } else if let Some(after) = rest.strip_prefix('.') {
                rest = after;
                after_dot = true;
            } else {
                return Ok((Self { segments }, rest));
            }
        }
    }
}

/// Reads `0]` or `"odd key"]`.
fn bracket(inside: &str) -> Result<(Segment, &str), PathError> {
    const BAD: PathError = PathError("between [ and ] stands a number or a key in double quotes");
    let (segment, end) = if inside.starts_with('"') {
        let end = string_end(inside.as_bytes(), 0).map_err(|_| BAD)?;
        (Segment::Key(unescape(&inside[..end]).into_owned()), end)
    } else {
        let end = inside.find(|char: char| !char.is_ascii_digit()).unwrap_or(inside.len());
        (Segment::Index(inside[..end].parse().map_err(|_| BAD)?), end)
    };
    Ok((segment, inside[end..].strip_prefix(']').ok_or(BAD)?))
}

/// Characters that a key may hold without quotes. The others are kept free for operators and lists around a path.
fn is_bare(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '-' | '$' | '@' | '/' | '#')
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        match Self::parse_prefix(text)? {
            (path, "") => Ok(path),
            _ => Err(PathError("a path looks like .data.items[0].id or .[\"odd key\"]")),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.segments.first(), Some(Segment::Key(key)) if !key.is_empty() && key.chars().all(is_bare)) {
            f.write_str(".")?;
        }
        for segment in &self.segments {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if !key.is_empty() && key.chars().all(is_bare) => write!(f, ".{key}")?,
                Segment::Key(key) => {
                    f.write_str("[\"")?;
                    for char in key.chars() {
                        match char {
                            '"' | '\\' => write!(f, "\\{char}")?,
                            char if char.is_control() => write!(f, "\\u{:04x}", u32::from(char))?,
                            char => write!(f, "{char}")?,
                        }
                    }
                    f.write_str("\"]")?;
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// A value inside a document, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    pub kind: ValueKind,
    /// Where it starts, in bytes.
    pub start: usize,
    pub raw: &'a str,
}

impl<'a> Value<'a> {
    /// A string without its quotes and escapes; anything else as it was sent.
    pub fn text(&self) -> Cow<'a, str> {
        if self.kind == ValueKind::String { unescape(self.raw) } else { Cow::Borrowed(self.raw) }
    }
}

/// The value that a path leads to, in one pass over the bytes. Of duplicate keys the last one counts, as in the parsers
/// that apps use. `None` where there is no such value, or no valid JSON.
pub fn find<'a>(bytes: &'a [u8], path: &Path) -> Option<Value<'a>> {
    let mut search =
        Search { segments: &path.segments, on_path: Vec::new(), depth: 0, hit: true, open_target: None, found: None };
    for token in tokens(bytes) {
        search.take(&token.ok()?);
    }
    let (start, end, kind) = search.found?;
    Some(Value { kind, start, raw: std::str::from_utf8(bytes.get(start..end)?).ok()? })
}

struct Search<'p> {
    segments: &'p [Segment],
    /// The open containers that lie on the path, outermost first, each with the index of its current item.
    on_path: Vec<usize>,
    depth: usize,
    /// The next value is on the path: it is the target when all segments are used up.
    hit: bool,
    /// Start and depth of the target, while it is an open container.
    open_target: Option<(usize, usize)>,
    found: Option<(usize, usize, ValueKind)>,
}

impl Search<'_> {
    fn take(&mut self, token: &Token<'_>) {
        match token.kind {
            Kind::ObjectBegin | Kind::ArrayBegin => self.open(token),
            Kind::ObjectEnd => self.close(token, ValueKind::Object),
            Kind::ArrayEnd => self.close(token, ValueKind::Array),
            Kind::Key if self.on_path.len() == self.depth => {
                self.hit = matches!(self.segment(), Some(Segment::Key(key)) if *key == unescape(token.text));
                if self.hit {
                    // An earlier key of the same name, with all that was found under it, no longer counts.
                    self.found = None;
                }
            }
            Kind::Comma if self.on_path.len() == self.depth => {
                if let Some(index) = self.on_path.last_mut() {
                    *index += 1;
                }
                // In an object this says nothing: its next key decides anew.
                self.hit = matches!(self.segment(), Some(Segment::Index(index)) if self.on_path.last() == Some(index));
            }
            Kind::Key | Kind::Comma | Kind::Colon => {}
            Kind::String => self.scalar(token, ValueKind::String),
            Kind::Number => self.scalar(token, ValueKind::Number),
            Kind::True => self.scalar(token, ValueKind::True),
            Kind::False => self.scalar(token, ValueKind::False),
            Kind::Null => self.scalar(token, ValueKind::Null),
        }
    }

    /// The segment that chooses among the children of the innermost container on the path.
    fn segment(&self) -> Option<&Segment> {
        self.segments.get(self.on_path.len().checked_sub(1)?)
    }

    fn at_target(&self) -> bool {
        self.hit && self.on_path.len() == self.segments.len()
    }

    fn open(&mut self, token: &Token<'_>) {
        if self.at_target() {
            self.open_target = Some((token.start, self.depth));
            self.hit = false;
        } else if self.hit {
            self.on_path.push(0);
            self.hit = token.kind == Kind::ArrayBegin && self.segment() == Some(&Segment::Index(0));
        }
        self.depth += 1;
    }

    fn close(&mut self, token: &Token<'_>, kind: ValueKind) {
        self.depth -= 1;
        self.hit = false;
        if let Some((start, _)) = self.open_target.take_if(|(_, depth)| *depth == self.depth) {
            self.found = Some((start, token.end(), kind));
        }
        self.on_path.truncate(self.depth);
    }

    fn scalar(&mut self, token: &Token<'_>, kind: ValueKind) {
        if self.at_target() {
            self.found = Some((token.start, token.end(), kind));
        }
        self.hit = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(text: &str, path: &str) -> Option<String> {
        let path = path.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        find(text.as_bytes(), &path).map(|value| value.raw.to_owned())
    }

    #[test]
    fn paths_lead_to_values() {
        let text = r#"{"data":{"object":{"amount":2000}},"items":[{"id":"a"},{"id":"b"},[1,[2,3]]],"odd key":null}"#;
        assert_eq!(get(text, ".data.object.amount").as_deref(), Some("2000"));
        assert_eq!(get(text, ".items[1].id").as_deref(), Some("\"b\""));
        assert_eq!(get(text, ".items[2][1]").as_deref(), Some("[2,3]"));
        assert_eq!(get(text, r#".["odd key"]"#).as_deref(), Some("null"));
        assert_eq!(get(text, ".data.object").as_deref(), Some(r#"{"amount":2000}"#));
        assert_eq!(get(text, ".").as_deref(), Some(text));
        for none in [".data.amount", ".items[3]", ".items.id", ".data[0]", ".items[0].id.x", ".id"] {
            assert_eq!(get(text, none), None, "{none}");
        }
        assert_eq!(get("{\"a\":1} x", ".a"), None, "not JSON");
    }

    #[test]
    fn the_last_of_duplicate_keys_counts_at_every_level() {
        assert_eq!(get(r#"{"a":1,"a":2}"#, ".a").as_deref(), Some("2"));
        assert_eq!(get(r#"{"a":{"b":1},"a":{"c":2}}"#, ".a.b"), None);
        assert_eq!(get(r#"{"a":{"b":1},"a":3}"#, ".a.b"), None);
        assert_eq!(get(r#"{"a":3,"\u0061":{"b":1}}"#, ".a.b").as_deref(), Some("1"));
    }

    #[test]
    fn a_bad_path_says_why() {
        for bad in
            ["", "a", "..a", ".a.", ".a[", ".a[x]", ".a[-1]", ".a[\"b]", ".a[0", ".a b", ".a[99999999999999999999]"]
        {
            assert!(bad.parse::<Path>().is_err(), "{bad}");
        }
        assert_eq!(
            Path::parse_prefix(".a[0].b>=5").map(|(path, rest)| (path.to_string(), rest)),
            Ok((".a[0].b".into(), ">=5"))
        );
    }

    proptest! {
        #[test]
        fn a_path_reads_back(segments in prop::collection::vec(prop_oneof![
            any::<String>().prop_map(Segment::Key), "[a-z]{0,3}".prop_map(Segment::Key), any::<usize>().prop_map(Segment::Index)], 0..5)) {
            let path = Path { segments };
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }

        #[test]
        fn no_text_panics(text in any::<String>(), near in "[.\\[\\]\"\\\\a0é ]{0,12}") {
            let _ = text.parse::<Path>();
            let _ = near.parse::<Path>();
        }
    }
}
