//! Text from outside, made safe to show: nothing in it can move the cursor, colour the screen, hide, or reorder what is read.
//!
//! Escapes are for eyes, not for reading back: a backslash that was sent stays one backslash.

use std::borrow::Cow;
use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// For one line: a tab stays, a newline is shown as `\n`, every other control or invisible character as an escape.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    clean(text.as_bytes(), false)
}

/// The same for bytes; those that are not UTF-8 are shown as `\xNN`.
pub fn sanitize_bytes(bytes: &[u8]) -> Cow<'_, str> {
    clean(bytes, false)
}

/// For text of many lines: newlines stay. A carriage return does not, because a terminal would write over the line.
pub fn sanitize_block(text: &str) -> Cow<'_, str> {
    clean(text.as_bytes(), true)
}

pub fn sanitize_block_bytes(bytes: &[u8]) -> Cow<'_, str> {
    clean(bytes, true)
}

fn clean(bytes: &[u8], keep_newlines: bool) -> Cow<'_, str> {
    let harmful = |char: char| is_harmful(char) && !(keep_newlines && char == '\n');
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains(harmful)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if harmful(char) { escape(&mut out, char) } else { out.push(char) }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

fn is_harmful(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_control() && char != '\t';
    }
    matches!(char,
        '\u{80}'..='\u{9f}'            // C1 controls: some terminals obey them
        | '\u{61c}'                    // Arabic letter mark
        | '\u{200b}'..='\u{200f}'      // zero width, direction marks
        | '\u{2028}'..='\u{202e}'      // line separators, bidi embeddings and overrides
        | '\u{2060}'..='\u{206f}'      // bidi isolates, invisible operators
        | '\u{feff}'                   // byte order mark
        | '\u{e0000}'..='\u{e007f}') // tags: a hidden copy of ASCII
}

fn escape(out: &mut String, char: char) {
    let _ = match char {
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        // Only a byte gets the short form of two digits, so that U+009B and a stray byte 9B look different.
        char if char.is_ascii() => write!(out, "\\x{:02x}", u32::from(char)),
        char => write!(out, "\\u{{{:x}}}", u32::from(char)),
    };
}

/// Characters without a width (accents) are kept, but not without end: this many for each column.
const CHARS_PER_COLUMN: usize = 8;

/// Cuts text on the right to at most `columns`, with `…` in place of what is missing. Sanitize first: a tab counts as one.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if fits(text, columns) {
        return Cow::Borrowed(text);
    }
    let Some(room) = columns.checked_sub(1) else { return Cow::Borrowed("") };
    Cow::Owned(format!("{}…", head(text, room)))
}

/// Cuts text in the middle, for addresses: both the host and the end of the path say something.
pub fn cut_middle(text: &str, columns: usize) -> Cow<'_, str> {
    if fits(text, columns) {
        return Cow::Borrowed(text);
    }
    let Some(room) = columns.checked_sub(1) else { return Cow::Borrowed("") };
    let tail = tail(text, room / 2);
    Cow::Owned(format!("{}…{tail}", head(text, room - room / 2)))
}

fn fits(text: &str, columns: usize) -> bool {
    head(text, columns).len() == text.len()
}

fn head(text: &str, columns: usize) -> &str {
    let mut head = &text[..measure(text.char_indices().map(|(at, char)| (at + char.len_utf8(), char)), columns)];
    // Some sequences are wider than their parts.
    while head.width() > columns {
        head = &head[..head.len() - head.chars().next_back().map_or(0, char::len_utf8)];
    }
    head
}

fn tail(text: &str, columns: usize) -> &str {
    let backwards = text.char_indices().rev().map(|(at, char)| (text.len() - at, char));
    let tail = &text[text.len() - measure(backwards, columns)..];
    // What has no width of its own would sit on the `…`.
    let mut tail = tail.trim_start_matches(|char| width(char) == 0 || is_selector(char));
    while tail.width() > columns {
        tail = &tail[tail.chars().next().map_or(0, char::len_utf8)..];
    }
    tail
}

/// The last of the given ends whose characters fit.
fn measure(chars: impl Iterator<Item = (usize, char)>, columns: usize) -> usize {
    let mut used = 0;
    let mut count = 0;
    let mut end = 0;
    for (after, char) in chars {
        used += width(char);
        count += 1;
        if used > columns || count > columns.saturating_mul(CHARS_PER_COLUMN) {
            break;
        }
        end = after;
    }
    end
}

/// The columns of one character. A variation selector may make the one before it wider, so it counts as one.
fn width(char: char) -> usize {
    if is_selector(char) { 1 } else { char.width().unwrap_or(1) }
}

fn is_selector(char: char) -> bool {
    matches!(char, '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn controls_are_shown_and_plain_text_is_borrowed() {
        assert_eq!(sanitize("a\x1b[31mb\0\x7f\u{9b}2J\r\n"), "a\\x1b[31mb\\x00\\x7f\\u{9b}2J\\r\\n");
        assert_eq!(
            sanitize("a\u{202e}b\u{2066}\u{200b}\u{2028}\u{feff}\u{61c}\u{e0041}"),
            "a\\u{202e}b\\u{2066}\\u{200b}\\u{2028}\\u{feff}\\u{61c}\\u{e0041}"
        );
        assert_eq!(sanitize_bytes(b"\xff\x9b\xc3\xa9"), "\\xff\\x9bé");
        assert!(matches!(sanitize("tab\tand é 日本 \\"), Cow::Borrowed("tab\tand é 日本 \\")));
    }

    #[test]
    fn a_block_keeps_its_newlines_only() {
        assert_eq!(sanitize_block("a\r\nb\n\tc\x07"), "a\\r\nb\n\tc\\x07");
        assert_eq!(sanitize_block_bytes(b"a\n\xfe"), "a\n\\xfe");
    }

    #[test]
    fn cut_counts_columns() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!((cut("ab", 1), cut("ab", 0), cut("", 0)), ("…".into(), "".into(), "".into()));
        let crowd = format!("a{}", "\u{301}".repeat(100_000));
        assert!(cut(&crowd, 10).len() < 200, "a crowd of accents is cut too");
    }

    #[test]
    fn cut_middle_keeps_both_ends() {
        assert_eq!(cut_middle("http://localhost:3000/webhooks/stripe", 21), "http://loc…oks/stripe");
        assert_eq!(cut_middle("abcdef", 2), "a…");
        assert_eq!(cut_middle("short", 5), "short");
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(bytes in prop::collection::vec(any::<u8>(), 0..100), text in any::<String>()) {
            for shown in [sanitize_bytes(&bytes), sanitize(&text)] {
                prop_assert!(!shown.contains(|char: char| char.is_control() && char != '\t' || is_harmful(char)));
                prop_assert_eq!(sanitize(&shown), shown.clone(), "nothing is left to do");
            }
            for shown in [sanitize_block_bytes(&bytes), sanitize_block(&text)] {
                prop_assert!(!shown.contains(|char: char| char.is_control() && !matches!(char, '\t' | '\n')));
            }
        }

        #[test]
        fn a_cut_text_fits(text in "[a日é\u{301}\u{fe0f}☁❤👨😀\u{1f3fb}\u{1f1e6}]{0,30}|.{0,30}", columns in 0usize..20) {
            let text = sanitize(&text);
            prop_assert!(cut(&text, columns).width() <= columns);
            prop_assert!(cut_middle(&text, columns).width() <= columns);
            if text.chars().map(width).sum::<usize>() <= columns && text.chars().count() <= columns {
                prop_assert_eq!(&cut(&text, columns), &text);
            }
        }
    }
}
