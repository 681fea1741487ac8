//! JSON: the tokens are the bytes, what is JSON is what serde_json says it is, and re-indenting changes white space only.

use hook_cli::json::{Path, Trouble, find, pretty, tokens, unescape};
use serde::de::IgnoredAny;

pub fn holds(data: &[u8]) {
    let read: Result<Vec<_>, _> = tokens(data).collect();
    let mut at = 0;
    for token in tokens(data).map_while(Result::ok) {
        assert!(data[at..token.start].iter().all(u8::is_ascii_whitespace), "only white space is left out");
        assert_eq!(&data[token.start..token.end()], token.text.as_bytes());
        assert!(unescape(token.text).len() <= token.text.len(), "an escape is longer than what it stands for");
        at = token.end();
    }
    match &read {
        Ok(_) => assert!(data[at..].iter().all(u8::is_ascii_whitespace)),
        Err(error) => assert!(error.offset >= at && error.offset <= data.len() && error.line >= 1 && error.column >= 1),
    }
    let is_limit = matches!(&read, Err(error) if error.trouble == Trouble::Limit);
    if let (Ok(text), false) = (std::str::from_utf8(data), is_limit) {
        assert_eq!(read.is_ok(), serde_json::from_str::<IgnoredAny>(text).is_ok(), "{text:?}");
    }
    if let (Ok(tokens_of_it), Ok(shown)) = (&read, pretty(data)) {
        let again: Vec<_> = tokens(shown.as_bytes()).map(|token| token.expect("it was JSON").text).collect();
        assert_eq!(again, tokens_of_it.iter().map(|token| token.text).collect::<Vec<_>>());
        assert_eq!(pretty(shown.as_bytes()).as_ref(), Ok(&shown), "nothing is left to do");
        let whole = find(data, &Path::default()).expect("the document itself");
        assert_eq!(whole.raw.as_bytes(), data.trim_ascii());
    }
    paths(data);
}

/// A path before the first newline, looked for in what follows.
fn paths(data: &[u8]) {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(Ok(path)) = std::str::from_utf8(&data[..end]).map(str::parse::<Path>) else { return };
    assert_eq!(path.to_string().parse(), Ok(path.clone()), "a path reads back");
    let document = &data[end + 1..];
    if let Some(value) = find(document, &path) {
        let strict = tokens(value.raw.as_bytes()).all(|token| token.is_ok());
        assert!(strict, "a value in JSON is JSON");
        let range = document.as_ptr_range();
        assert!(range.contains(&value.raw.as_ptr()), "found where it stands");
    }
}
