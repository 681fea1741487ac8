use super::token::{JsonError, Kind, Trouble, tokens};

/// A short line at depth 128 grows more than a hundredfold by its indent, so the output has a bound of its own.
const MAX_OUTPUT: usize = 128 << 20;

/// Re-indents a document by two spaces. Only white space changes: numbers, escapes, key order and duplicate keys stay
/// as they were sent. The text may hold what a terminal must not see; sanitize it before it is shown.
pub fn pretty(bytes: &[u8]) -> Result<String, JsonError> {
    let mut out = String::with_capacity(bytes.len() + bytes.len() / 2);
    let mut tokens = tokens(bytes);
    // True right after an opening bracket: what comes next is its end, or goes on a line of its own.
    let mut just_opened = false;
    while let Some(token) = tokens.next() {
        let token = token?;
        match token.kind {
            Kind::Comma => {
                out.push(',');
                new_line(&mut out, tokens.depth());
            }
            Kind::Colon => out.push_str(": "),
            Kind::ObjectEnd | Kind::ArrayEnd => {
                if !just_opened {
                    new_line(&mut out, tokens.depth());
                }
                out.push_str(token.text);
                just_opened = false;
            }
            kind => {
                let opens = matches!(kind, Kind::ObjectBegin | Kind::ArrayBegin);
                if just_opened {
                    new_line(&mut out, tokens.depth() - usize::from(opens));
                }
                out.push_str(token.text);
                just_opened = opens;
            }
        }
        if out.len() > MAX_OUTPUT {
            let what = format!("more than {} MiB when indented", MAX_OUTPUT >> 20);
            return Err(JsonError::at(bytes, token.start, Trouble::Limit, what));
        }
    }
    Ok(out)
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::{MAX_DEPTH, find};

    /// JSON text with the white space, duplicate keys and odd numbers that a tree would lose.
    fn json_text() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("false".to_owned()),
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?",
            "\"([a-z é]|\\\\n|\\\\u00e9|\\\\\"|\\\\/){0,8}\"",
        ];
        scalar.prop_recursive(5, 40, 6, |inner| {
            let space = "[ \t\r\n]{0,2}";
            let pair = ("\"[a-c]{0,2}\"", inner.clone(), space)
                .prop_map(|(key, value, space)| format!("{space}{key}{space}:{space}{value}{space}"));
            prop_oneof![
                (prop::collection::vec(inner, 0..6), space)
                    .prop_map(|(items, space)| format!("[{space}{}]", items.join(&format!("{space},")))),
                prop::collection::vec(pair, 0..6).prop_map(|pairs| format!("{{{}}}", pairs.join(","))),
            ]
        })
    }

    #[test]
    fn everything_but_white_space_stays_as_it_was_sent() {
        let sent = br#"{"z":1.10,"a":[],"a":{ },"big":12345678901234567890,"e":1E+2,"s":"\u00e9\/","l":[1,[2]]}"#;
        let shown = r#"{
  "z": 1.10,
  "a": [],
  "a": {},
  "big": 12345678901234567890,
  "e": 1E+2,
  "s": "\u00e9\/",
  "l": [
    1,
    [
      2
    ]
  ]
}"#;
        assert_eq!(pretty(sent).as_deref(), Ok(shown));
        assert_eq!(pretty(b" 7 ").as_deref(), Ok("7"));
    }

    #[test]
    fn an_error_says_where_and_what() {
        let error = |text: &[u8]| pretty(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(
            error(b"{\n  \"a\": 1,\n  \"b\": [1, 2 3]\n}"),
            "invalid JSON at line 3, column 14: expected , or ]"
        );
        assert_eq!(error(b""), "invalid JSON at line 1, column 1: expected a value, but the text ends here");
        assert_eq!(error(b"{\"a\":1,}"), "invalid JSON at line 1, column 8: expected a key in double quotes");
        assert_eq!(error(b"[\"\xc3\xa9\", x]"), "invalid JSON at line 1, column 7: expected a value");
        assert_eq!(error(b"{} {}"), "invalid JSON at line 1, column 4: expected the end");
        assert_eq!(error(b"\"a\xffb\""), "invalid JSON at line 1, column 3: a string that is not UTF-8");
        assert_eq!(error(b"[-]"), "invalid JSON at line 1, column 3: expected a digit");
        assert_eq!(error(b"[1"), "invalid JSON at line 1, column 3: expected , or ], but the text ends here");
        for bad in ["01", "1.", "1e", "tru", "'a'", "\"\\x\"", "\"\\u12g4\"", "\"a\nb\"", "\"", "[}", "{]", "{1:2}"] {
            assert!(pretty(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn depth_has_a_bound_and_hostile_depth_is_only_an_error() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(pretty(nested(MAX_DEPTH).as_bytes()).is_ok());
        let error = pretty(nested(MAX_DEPTH + 1).as_bytes());
        assert_eq!(error.map_err(|error| (error.trouble, error.column)), Err((Trouble::Limit, MAX_DEPTH + 1)));
        assert!(pretty("[{\"a\":".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn the_indent_cannot_eat_the_memory() {
        let sent = format!("{}{}1{}", "[".repeat(MAX_DEPTH), "1,".repeat(600_000), "]".repeat(MAX_DEPTH));
        assert_eq!(pretty(sent.as_bytes()).map_err(|error| error.trouble), Err(Trouble::Limit));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = pretty(&bytes);
        }

        #[test]
        fn no_nearly_json_panics(text in "[\\[\\]{},:\"\\\\u0-9eE.+ \ntruefalsn-]{0,60}") {
            let strict: Result<serde_json::Value, _> = serde_json::from_str(&text);
            prop_assert!(strict.is_err() || pretty(text.as_bytes()).is_ok(), "serde_json takes it");
        }

        #[test]
        fn pretty_of_pretty_is_pretty_and_means_the_same(text in json_text()) {
            let once = pretty(text.as_bytes()).expect("it is JSON");
            prop_assert_eq!(pretty(once.as_bytes()), Ok(once.clone()));
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("it is JSON");
            prop_assert_eq!(value(&once), value(&text));
            let bare = |text: &str| text.replace([' ', '\t', '\r', '\n'], "");
            prop_assert_eq!(bare(&once), bare(&text));
        }

        #[test]
        fn a_path_finds_what_serde_json_finds(text in json_text(), path in "(\\.[a-c]{1,2}|\\[[0-2]\\]){0,3}") {
            let path = if path.starts_with('.') { path } else { format!(".{path}") };
            let pointer = path.replace(['.', '['], "/").replace(']', "").replace("//", "/");
            let tree: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
            let want = tree.pointer(if pointer == "/" { "" } else { &pointer });
            let path = path.parse().expect("it is a path");
            let got = find(text.as_bytes(), &path).map(|value| serde_json::from_str::<serde_json::Value>(value.raw));
            let got = got.transpose().expect("raw text is JSON");
            prop_assert_eq!(got.as_ref(), want);
        }
    }
}
