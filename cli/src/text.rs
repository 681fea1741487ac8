//! Small phrases that several screens share.

use std::borrow::Cow;
use std::time::Duration;

/// `1 ms`, `4.1 s`, `12 min`, `2 h 10 min`.
pub fn span(duration: Duration) -> String {
    let ms = duration.as_millis();
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{ms} ms"),
        1..60 if ms % 1000 >= 50 => format!("{:.1} s", ms as f64 / 1000.0),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ if seconds % 3600 < 60 => format!("{} h", seconds / 3600),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `812 B`, `1.4 KB`, `32.0 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} KB", bytes as f64 / 1000.0),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// `1 event`, `3 events`.
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// What the system says of an error, without its number.
pub fn io(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A word as a shell takes it.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_./-+:@%,=".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''")).into()
}

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(ms: u64) -> String {
    timestamp(ms).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The milliseconds of a `Date` field (RFC 9110 §5.6.7).
pub fn http_date(text: &str) -> Option<u64> {
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    parsed.as_millisecond().try_into().ok()
}

/// `14:02:11` in local time.
pub fn clock(ms: u64) -> String {
    local(ms).strftime("%H:%M:%S").to_string()
}

/// `2026-11-23` in local time.
pub fn date(ms: u64) -> String {
    local(ms).strftime("%Y-%m-%d").to_string()
}

/// `2026-11-23 14:02:11` in local time.
pub fn date_and_clock(ms: u64) -> String {
    local(ms).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The local offset from UTC, for filters that name a time of day.
pub fn utc_offset_seconds() -> i32 {
    jiff::Zoned::now().offset().seconds()
}

fn local(ms: u64) -> jiff::Zoned {
    timestamp(ms).to_zoned(jiff::tz::TimeZone::system())
}

fn timestamp(ms: u64) -> jiff::Timestamp {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        for word in ["", "a b", "it's", "$(x)", "~", "*", "a;b", "\u{e4}", "/plain/path-1.db"] {
            let script = format!("printf %s {}", shell_word(word));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
        assert_eq!(shell_word("/plain/path-1.db"), "/plain/path-1.db");
    }

    #[test]
    fn spans_and_sizes_read_as_people_say_them() {
        let spans = [48, 4100, 9000, 720_000, 7_800_000, 7_200_000].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(spans, ["48 ms", "4.1 s", "9 s", "12 min", "2 h 10 min", "2 h"]);
        assert_eq!([812, 1432, 33_554_432].map(size), ["812 B", "1.4 KB", "33.6 MB"]);
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(http_date("yesterday"), None);
        assert_eq!(rfc3339(1_763_920_951_007), "2025-11-23T18:02:31.007Z");
    }
}
