use std::borrow::Cow;

/// The text that a string or key token stands for. Half of a surrogate pair becomes U+FFFD: no text can hold it.
pub fn unescape(token: &str) -> Cow<'_, str> {
    let inner = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(token);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(slash) = rest.find('\\') {
        out.push_str(&rest[..slash]);
        let (char, used) = escaped(&rest[slash..]);
        out.push(char);
        rest = &rest[slash + used..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character of the escape at the start of `text`, and how many bytes it takes.
fn escaped(text: &str) -> (char, usize) {
    let Some(letter) = text[1..].chars().next() else { return ('\\', 1) };
    match letter {
        'b' => ('\u{8}', 2),
        'f' => ('\u{c}', 2),
        'n' => ('\n', 2),
        'r' => ('\r', 2),
        't' => ('\t', 2),
        'u' => match (unit(text), text.get(6..).and_then(unit)) {
            (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            }
            (Some(code), _) => (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            (None, _) => ('u', 2),
        },
        other => (other, 1 + other.len_utf8()),
    }
}

fn unit(text: &str) -> Option<u32> {
    let hex = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_read() {
        assert_eq!(unescape(r#""a\n\u00e9\ud83d\ude00\/\"\\""#), "a\né😀/\"\\");
        assert_eq!(unescape(r#""\ud83d!\ude00""#), "\u{fffd}!\u{fffd}");
        assert_eq!(unescape(r#""\ud83d\ud83d\ude00""#), "\u{fffd}😀");
    }

    proptest! {
        #[test]
        fn any_text_unescapes_as_serde_json_reads_it(text in any::<String>()) {
            let quoted = serde_json::to_string(&text).expect("a string is JSON");
            prop_assert_eq!(unescape(&quoted), text);
        }

        #[test]
        fn unescape_takes_any_text(text in "[\\\\u0-9a-fé\"😀]{0,20}") {
            let _ = unescape(&text);
        }
    }
}
