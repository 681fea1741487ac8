use jiff::Timestamp;
use jiff::civil::DateTime;

use super::error::Problem;
use super::key::{Key, STATUS_WORDS};
use super::matcher::Word;
use super::term::{Span, TermKind};

const DAY_MS: i64 = 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Is,
    IsNot,
    Greater,
    GreaterOrSame,
    Less,
    LessOrSame,
    Regex,
}

impl Op {
    /// Longer ones first, so that `>=` is not read as `>`.
    pub const ALL: [(&'static str, Self); 7] = [
        ("!=", Self::IsNot),
        (">=", Self::GreaterOrSame),
        ("<=", Self::LessOrSame),
        ("=", Self::Is),
        (">", Self::Greater),
        ("<", Self::Less),
        ("~", Self::Regex),
    ];

    /// Whether it asks for an order, which a list cannot have.
    pub fn is_order(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrSame | Self::Less | Self::LessOrSame)
    }

    /// The numbers that stand in this relation to a span: `> 4xx` begins at 500.
    fn span(self, of: &Span) -> Span {
        // Nothing is above the greatest number or below zero; this is the span that holds nothing.
        #[expect(clippy::reversed_empty_ranges)]
        const NOTHING: Span = 1..=0;
        match self {
            Self::Greater => of.end().checked_add(1).map_or(NOTHING, |first| first..=u64::MAX),
            Self::GreaterOrSame => *of.start()..=u64::MAX,
            Self::Less => of.start().checked_sub(1).map_or(NOTHING, |last| 0..=last),
            Self::LessOrSame => 0..=*of.end(),
            Self::Is | Self::IsNot | Self::Regex => of.clone(),
        }
    }
}

/// The time that a query is read at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub now_ms: u64,
    pub offset_seconds: i32,
}

pub(super) fn status(op: Op, words: &[Word]) -> Result<TermKind, Problem> {
    let mut spans = Vec::new();
    let mut errors = Vec::new();
    let mut none = false;
    for Word { text, .. } in words {
        let lower = text.to_ascii_lowercase();
        if let Some(span) = status_span(&lower) {
            spans.push(op.span(&span));
        } else if let Some((_, error)) = STATUS_WORDS.iter().find(|(word, _)| *word == lower && !op.is_order()) {
            if error.is_empty() { none = true } else { errors.push(*error) }
        } else {
            let takes = if op.is_order() {
                "a status to compare with"
            } else {
                "a status, 5xx, refused, timeout, reset or none"
            };
            return Err(Problem::bad_word(Key::Status, text, takes));
        }
    }
    Ok(TermKind::Status { spans, errors, none })
}

/// Reads `404`, `4xx` or `40x`.
fn status_span(text: &str) -> Option<Span> {
    let known = text.trim_end_matches('x');
    let unknown = text.len() - known.len();
    if text.len() != 3 || unknown > 2 || !known.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (first, count) = (known.parse::<u64>().ok()?, 10_u64.pow(unknown as u32));
    (first * count >= 100).then(|| first * count..=first * count + count - 1)
}

pub(super) fn spans(key: Key, op: Op, words: &[Word]) -> Result<Vec<Span>, Problem> {
    let (read, takes): (fn(&str) -> Option<u64>, _) = match key {
        Key::Size => (size, "a size, like 10kb or 1.5mb"),
        Key::Ms => (whole_number, "a number of milliseconds"),
        _ => (event_number, "an event's number, like 12"),
    };
    let read = |word: &Word| read(&word.text).map(|number| op.span(&(number..=number)));
    words.iter().map(|word| read(word).ok_or_else(|| Problem::bad_word(key, &word.text, takes))).collect()
}

pub(super) fn event_number(text: &str) -> Option<u64> {
    whole_number(text.strip_prefix('#').unwrap_or(text))
}

fn whole_number(text: &str) -> Option<u64> {
    // `parse` alone would take a plus sign.
    if text.starts_with('+') { None } else { text.parse().ok() }
}

/// Reads `812`, `10kb`, `1.5MB`. A kb is 1,024 bytes.
fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let end = lower.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(lower.len());
    let unit = match &lower[end..] {
        "" | "b" => 1_u64,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    match lower[..end].split_once('.') {
        None => Some(lower[..end].parse::<u64>().ok()?.saturating_mul(unit)),
        // A size of this kind is never so exact that a float matters.
        Some(_) => Some((lower[..end].parse::<f64>().ok()? * unit as f64) as u64),
    }
}

pub(super) fn yes_or_no(key: Key, word: &Word) -> Result<bool, Problem> {
    match word.text.to_ascii_lowercase().as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(Problem::bad_word(key, &word.text, "yes or no")),
    }
}

pub(super) fn moment(key: Key, word: &Word, clock: Clock) -> Result<u64, Problem> {
    let Clock { now_ms, offset_seconds } = clock;
    let offset_ms = i64::from(offset_seconds) * 1000;
    let local = i64::try_from(now_ms).unwrap_or(i64::MAX).saturating_add(offset_ms);
    let text = word.text.as_str();
    if let Some(ago) = ago(text) {
        return Ok(now_ms.saturating_sub(ago));
    }
    let utc = if let Some(in_day) = time_of_day(text) {
        // The last time that the clock showed it: in the morning, 14:00 was yesterday.
        let today = local.div_euclid(DAY_MS).saturating_mul(DAY_MS).saturating_add(in_day);
        let last = if today > local { today.saturating_sub(DAY_MS) } else { today };
        Some(last.saturating_sub(offset_ms))
    } else if let Ok(time) = text.parse::<Timestamp>() {
        Some(time.as_millisecond())
    } else {
        local_date(text).map(|time| time.saturating_sub(offset_ms))
    };
    let takes = "a time: 10m, 2h, 1d, 14:00 or 2026-01-31T14:00:00Z";
    utc.map(|utc| u64::try_from(utc).unwrap_or(0)).ok_or_else(|| Problem::bad_word(key, text, takes))
}

/// Reads `30s`, `10m`, `2h`, `1d`, `1w`, as milliseconds.
fn ago(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => return None,
    };
    Some(whole_number(digits)?.saturating_mul(unit))
}

/// Reads `14:00` or `14:00:30`, as milliseconds of the day.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let mut part = |limit: i64| -> Option<i64> {
        let part = parts.next()?;
        let number = part.parse().ok()?;
        (part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit()) && number < limit).then_some(number)
    };
    let (hours, minutes) = (part(24)?, part(60)?);
    let seconds = if text.matches(':').count() > 1 { part(60)? } else { 0 };
    parts.next().is_none().then_some(((hours * 60 + minutes) * 60 + seconds) * 1000)
}

/// Reads `2026-01-31` or `2026-01-31T14:00`, as if it were UTC.
fn local_date(text: &str) -> Option<i64> {
    let time: DateTime = text.parse().ok()?;
    Some(jiff::tz::Offset::UTC.to_timestamp(time).ok()?.as_millisecond())
}
