//! Signed timestamps: where they stand, how they are written, how old they may be.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::recipe::selector::Selector;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StampForm {
    pub(crate) at: Selector,
    pub(crate) unit: Unit,
    /// What the provider's libraries refuse beyond; `None` when they look at no clock.
    pub(crate) tolerance_ms: Option<i64>,
    /// How far it may lie ahead, where that is not the tolerance.
    pub(crate) ahead_ms: Option<i64>,
    pub(crate) future: Future,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    S,
    Ms,
    Rfc3339,
}

/// What the provider's libraries do with a timestamp that lies ahead by more than the tolerance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Future {
    #[default]
    Reject,
    Allow,
}

impl Unit {
    /// Milliseconds since 1970.
    pub(crate) fn read(self, text: &[u8]) -> Option<i64> {
        let text = str::from_utf8(text).ok()?;
        let whole = || text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i64>().ok()).flatten();
        match self {
            Unit::S => whole()?.checked_mul(1000),
            Unit::Ms => whole(),
            Unit::Rfc3339 => {
                let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
                i64::try_from(nanos / 1_000_000).ok()
            }
        }
    }

    pub(crate) fn write(self, ms: i64) -> String {
        match self {
            Unit::S => ms.div_euclid(1000).to_string(),
            Unit::Ms => ms.to_string(),
            Unit::Rfc3339 => OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
                .ok()
                .and_then(|time| time.format(&Rfc3339).ok())
                .unwrap_or_default(),
        }
    }
}

/// That a time was written in another unit than it was read in, where the other one makes it a time of now.
pub(crate) fn unit_slip(unit: Unit, at_ms: i64, now_ms: i64) -> Option<&'static str> {
    const NEAR_MS: i64 = 30 * 86_400_000;
    let is_now = |ms: Option<i64>| ms.is_some_and(|ms| ms.abs_diff(now_ms) < NEAR_MS.unsigned_abs());
    match unit {
        _ if is_now(Some(at_ms)) => None,
        Unit::S if is_now(Some(at_ms / 1000)) => Some("it looks like milliseconds, and seconds are expected"),
        Unit::Ms if is_now(at_ms.checked_mul(1000)) => Some("it looks like seconds, and milliseconds are expected"),
        _ => None,
    }
}

/// A span of time in the largest unit that says it well: `14 min`, `2 h 10 min`.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_their_unit() {
        assert_eq!(Unit::S.read(b"1780000000"), Some(1_780_000_000_000));
        assert_eq!(Unit::Ms.read(b"1780000000123"), Some(1_780_000_000_123));
        assert_eq!(Unit::Rfc3339.read(b"2026-05-28T20:26:40.5Z"), Some(1_780_000_000_500));
        assert_eq!(Unit::Rfc3339.read(b"2026-05-28T13:26:40-07:00"), Some(1_780_000_000_000));
        for bad in ["", "-1", "1.5", "99999999999999999999", "9223372036854775807", "soon", "１"] {
            assert_eq!(Unit::S.read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for unit in [Unit::Ms, Unit::Rfc3339] {
            assert_eq!(unit.read(unit.write(1_780_000_000_123).as_bytes()), Some(1_780_000_000_123));
        }
    }

    #[test]
    fn a_time_in_another_unit_is_suspected() {
        let now = 1_780_000_000_000;
        let slip = |unit: Unit, text: &str| unit_slip(unit, unit.read(text.as_bytes()).unwrap(), now);
        assert!(slip(Unit::S, "1779999000123").unwrap().starts_with("it looks like milliseconds"));
        assert!(slip(Unit::Ms, "1779999000").unwrap().starts_with("it looks like seconds"));
        for (unit, text) in
            [(Unit::S, "1779999000"), (Unit::S, "1979999000"), (Unit::S, "0"), (Unit::Ms, "1779999000123")]
        {
            assert_eq!(slip(unit, text), None, "{text}");
        }
        assert_eq!(unit_slip(Unit::Ms, i64::MAX, now), None);
    }

    #[test]
    fn spans_read_well() {
        let shown: Vec<String> = [400, 90_000, 840_000, 7_800_000, 259_200_000].map(span).into();
        assert_eq!(shown, ["400 ms", "90 s", "14 min", "2 h 10 min", "3 days"]);
    }
}
