//! One value in place of another, and every other byte as it was sent.

use std::ops::Range;

use super::{JsonError, Kind, Path, Segment, Value, ValueKind, find, tokens, unescape};

/// Paths beyond this many are not looked through for near ones.
const MAX_PATHS: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetError {
    NotJson(JsonError),
    /// All paths that there are, as a person would type them.
    NoPath(Vec<String>),
}

/// Sets the value at a path: `data.object.amount`, `items.0.id`, `items[0].id`, `/items/0/id`; names that have a point of
/// their own are found too. What is text stays text, else JSON is taken as it is written. An object with nothing in it
/// may hold anything.
pub fn set(bytes: &[u8], path: &str, text: &str) -> Result<Vec<u8>, SetError> {
    if let Some(error) = tokens(bytes).find_map(Result::err) {
        return Err(SetError::NotJson(error));
    }
    let place = place(bytes, path).ok_or_else(|| SetError::NoPath(paths(bytes)))?;
    let (at, new) = match place {
        Place::Of(old) => (old.start..old.start + old.raw.len(), value(&old, text)),
        Place::In(at, name) => (at..at, format!("{}:{}", quoted(&name), json_or_text(text))),
    };
    Ok(spliced(bytes, at, new.as_bytes()))
}

enum Place<'a> {
    Of(Value<'a>),
    /// A new member, here.
    In(usize, String),
}

pub(crate) fn spliced(bytes: &[u8], at: Range<usize>, new: &[u8]) -> Vec<u8> {
    let (before, after) = (bytes.get(..at.start).unwrap_or(bytes), bytes.get(at.end..).unwrap_or_default());
    [before, new, after].concat()
}

/// The value that a text means. A postcode of digits is not a number.
fn value(old: &Value<'_>, text: &str) -> String {
    if old.kind == ValueKind::String { quoted(text) } else { json_or_text(text) }
}

fn json_or_text(text: &str) -> String {
    let json = text.trim();
    if tokens(json.as_bytes()).all(|token| token.is_ok()) { json.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn place<'a>(bytes: &'a [u8], path: &str) -> Option<Place<'a>> {
    let whole = find(bytes, &Path::default())?;
    if let Some(pointer) = path.strip_prefix('/') {
        let steps: Vec<String> = pointer.split('/').map(|s| s.replace("~1", "/").replace("~0", "~")).collect();
        let (last, before) = steps.split_last()?;
        let inner = before.iter().try_fold(whole, |value, step| child(&value, step))?;
        return child(&inner, last).map(Place::Of).or_else(|| member_of_empty(&inner, last));
    }
    let dotted = path.strip_prefix('.').unwrap_or(path);
    let as_in_filters = format!(".{dotted}").parse().ok().and_then(|path| find(bytes, &path));
    as_in_filters.filter(|_| !dotted.is_empty()).map(Place::Of).or_else(|| walk(&whole, dotted))
}

fn walk<'a>(value: &Value<'a>, path: &str) -> Option<Place<'a>> {
    if let Some(found) = child(value, path) {
        return Some(Place::Of(found));
    }
    if !path.contains('.') {
        return member_of_empty(value, path);
    }
    path.match_indices('.').find_map(|(at, _)| walk(&child(value, &path[..at])?, &path[at + 1..]))
}

fn child<'a>(of: &Value<'a>, name: &str) -> Option<Value<'a>> {
    let segment = match of.kind {
        ValueKind::Object => Segment::Key(name.to_owned()),
        ValueKind::Array => Segment::Index(name.parse().ok()?),
        _ => return None,
    };
    let found = find(of.raw.as_bytes(), &Path { segments: vec![segment] })?;
    Some(Value { start: of.start + found.start, ..found })
}

fn member_of_empty<'a>(of: &Value<'a>, name: &str) -> Option<Place<'a>> {
    let is_empty = of.kind == ValueKind::Object
        && tokens(of.raw.as_bytes()).nth(1).is_some_and(|t| t.is_ok_and(|t| t.kind == Kind::ObjectEnd));
    (is_empty && !name.is_empty()).then(|| Place::In(of.start + 1, name.to_owned()))
}

/// Every path of a document, in order.
fn paths(bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    // For each open container, how it is named and the number of its current item.
    let mut open: Vec<(String, usize)> = Vec::new();
    let mut key = None;
    for token in tokens(bytes).map_while(Result::ok) {
        match token.kind {
            Kind::Key => key = Some(unescape(token.text).into_owned()),
            Kind::Comma => {
                if let Some((_, item)) = open.last_mut() {
                    *item += 1;
                }
            }
            Kind::Colon => {}
            Kind::ObjectEnd | Kind::ArrayEnd => {
                open.pop();
            }
            kind => {
                let name = open.last().map(|(of, item)| {
                    let own = key.take().unwrap_or_else(|| item.to_string());
                    if of.is_empty() { own } else { format!("{of}.{own}") }
                });
                if matches!(kind, Kind::ObjectBegin | Kind::ArrayBegin) {
                    open.push((name.clone().unwrap_or_default(), 0));
                }
                all.extend(name);
            }
        }
        if all.len() == MAX_PATHS {
            break;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &str = r#"{ "data" : {"amount": 1.10,"email":"a@example.com", "items":[{"id":1},{"id":2}], "metadata":{ }},
 "a.b":null, "n":12345678901234567890, "s":"\u00e9\/" , "data2":1e2}"#;

    fn after(path: &str, text: &str) -> String {
        let set = set(BODY.as_bytes(), path, text).unwrap_or_else(|error| panic!("{path}: {error:?}"));
        String::from_utf8(set).unwrap()
    }

    #[test]
    fn only_the_value_changes() {
        for (path, text, old, new) in [
            ("data.amount", "4200.00", "1.10", "4200.00"),
            (".data.amount", "null", "1.10", "null"),
            ("data.items.1.id", "[1, 2]", "\"id\":2", "\"id\":[1, 2]"),
            ("data.items[0].id", "seven", "\"id\":1", "\"id\":\"seven\""),
            ("/data/items/0/id", "0.50", "\"id\":1", "\"id\":0.50"),
            ("data.email", "42", "\"a@example.com\"", "\"42\""),
            ("a.b", "true", "null", "true"),
            ("s", "é\"\n", r#""\u00e9\/""#, r#""é\"\n""#),
            ("data.metadata.order", "6735", "{ }", "{\"order\":6735 }"),
        ] {
            assert_eq!(after(path, text), BODY.replacen(old, new, 1), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_not_there_tells_what_is() {
        for path in ["", ".", "data.amout", "data.items.2", "data.items.2.id", "data.email.x", "/data/none", "metadata"]
        {
            let Err(SetError::NoPath(paths)) = set(BODY.as_bytes(), path, "1") else { panic!("{path} is there") };
            assert_eq!(paths[..5], ["data", "data.amount", "data.email", "data.items", "data.items.0"]);
        }
        assert!(matches!(set(b"a=1", "a", "2"), Err(SetError::NotJson(_))));
    }

    #[test]
    fn of_duplicate_keys_the_one_that_counts_is_set() {
        assert_eq!(set(br#"{"a":1,"a":2}"#, "a", "3"), Ok(br#"{"a":1,"a":3}"#.to_vec()));
    }

    /// A document, and its values: how a person and how a filter names each, and its span.
    fn document() -> impl Strategy<Value = (String, Vec<(String, String, Range<usize>)>)> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
            "\"([a-z é{}:,]|\\\\n|\\\\u00e9|\\\\\"|\\\\/){0,8}\"",
            Just("[ ]".to_owned()),
        ];
        let member = (any::<bool>(), scalar, "[ \t\r\n]{0,2}");
        prop::collection::vec(member, 1..8).prop_map(|members| {
            let (mut text, mut spans) = (" {\"all\":[".to_owned(), Vec::new());
            for (n, (nested, scalar, space)) in members.into_iter().enumerate() {
                text.push_str(if n == 0 { "" } else { "," });
                text.push_str(&format!("{space}{{\"x\"{space}:{space}"));
                text.push_str(if nested { "{\"y\": " } else { "" });
                let y = if nested { ".y" } else { "" };
                let span = text.len()..text.len() + scalar.len();
                spans.push((format!("all.{n}.x{y}"), format!(".all[{n}].x{y}"), span));
                text.push_str(&scalar);
                text.push_str(if nested { "}}" } else { "}" });
            }
            text.push_str("]} ");
            (text, spans)
        })
    }

    proptest! {
        #[test]
        fn an_edit_changes_only_what_was_asked((text, values) in document(), which in any::<prop::sample::Index>(), new in ".{0,12}") {
            let (typed, path, span) = which.get(&values);
            let edited = String::from_utf8(set(text.as_bytes(), typed, &new).unwrap()).unwrap();
            prop_assert!(edited.starts_with(&text[..span.start]) && edited.ends_with(&text[span.end..]));
            let now = find(edited.as_bytes(), &path.parse().unwrap()).unwrap();
            let as_json = find(new.trim().as_bytes(), &Path::default()).filter(|_| !text[span.clone()].starts_with('"'));
            prop_assert_eq!(now.text(), as_json.map_or(new.as_str().into(), |json| json.text()));
        }

        #[test]
        fn no_body_and_no_path_panics(body in "[\\[\\]{}\":,a0 ]{0,20}", path in "[./a0\\[\\]~é]{0,8}") {
            let _ = set(body.as_bytes(), &path, "1");
        }
    }
}
