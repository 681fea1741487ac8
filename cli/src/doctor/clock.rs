//! This machine's clock: retention deletes by it, `since:` asks by it, and signatures carry times.

use std::time::Duration;

use super::Finding;
use crate::journal::{self, Journal};
use crate::{platform, text};

/// Before this program was written.
const TOO_EARLY: u64 = 1_750_000_000_000;
/// A relay's `Date` is a second wide, and an answer may take its time.
const CLOSE: u64 = 30_000;
const FAR: u64 = 300_000;
/// What two clocks of one machine may differ by while the doctor is at work.
const STEADY: u64 = 2_000;

/// The clock that people read beside one that nobody can set.
pub struct Watch {
    wall: u64,
    steady: Duration,
}

impl Watch {
    pub fn start() -> Self {
        Self { wall: platform::now_ms(), steady: platform::clock_through_sleep() }
    }

    /// Milliseconds by which the wall clock was set meanwhile.
    fn step(&self, now: u64) -> i64 {
        let steady = platform::clock_through_sleep().saturating_sub(self.steady).as_millis() as i64;
        difference(now, self.wall).saturating_sub(steady)
    }
}

fn difference(a: u64, b: u64) -> i64 {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    signed(a).saturating_sub(signed(b))
}

#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    now: u64,
    step: i64,
    /// By which this clock is ahead of the relay's.
    ahead_of_relay: Option<i64>,
    /// When the newest event was received, and whether retention trusts a clock that says `now`.
    newest: Option<(u64, bool)>,
}

pub async fn check(
    watch: Watch,
    journal: Option<&Journal>,
    ahead_of_relay: Option<i64>,
    tell: &mut dyn FnMut(Finding),
) {
    let now = platform::now_ms();
    let newest = match journal {
        // A journal that cannot be read was found before.
        Some(journal) => journal.read(move |c| journal::newest_and_trust(c, now)).await.ok().flatten(),
        None => None,
    };
    tell(judge(Facts { now, step: watch.step(now), ahead_of_relay, newest }));
}

fn judge(facts: Facts) -> Finding {
    const SET: &str = "set it, e.g. with an NTP client";
    let Facts { now, step, ahead_of_relay, newest } = facts;
    let time = text::rfc3339(now);
    let off = ahead_of_relay.map_or(0, i64::unsigned_abs);
    let agrees = ahead_of_relay.is_some() && off < FAR;
    let beside = || {
        format!(
            "it says {time}, and is {} the relay's",
            apart(ahead_of_relay.unwrap_or_default(), "ahead of", "behind")
        )
    };
    let finding = if now < TOO_EARLY {
        Finding::bad("clock", format!("it says {time}, years behind"), SET)
    } else if step.unsigned_abs() > STEADY {
        let words = format!("it was set {} while this ran", apart(step, "ahead", "back"));
        Finding::bad("clock", words, "let one program set it, and in small steps: an NTP client")
    } else if off >= FAR {
        Finding::bad("clock", beside(), SET)
    } else if let Some((newest, false)) = newest {
        let words = format!(
            "it says {time}, and the newest event is of {}: nothing old is deleted by such a clock",
            text::rfc3339(newest)
        );
        if agrees {
            // Then another one was wrong, when that event came.
            Finding::doubt(
                "clock",
                format!("{words} (the relay's agrees with it)"),
                "begin another journal when this one grows: hook … --journal PATH",
            )
        } else {
            Finding::bad("clock", words, SET)
        }
    } else if off >= CLOSE {
        Finding::doubt("clock", beside(), SET)
    } else if let Some(ahead) = newest.and_then(|(newest, _)| newest.checked_sub(now)).filter(|ahead| *ahead >= FAR) {
        let words = format!("it says {time}, and the newest event is of {} later", long(ahead));
        Finding::doubt("clock", words, SET)
    } else {
        Finding::good("clock", time)
    };
    finding
        .fact("now", text::rfc3339(now))
        .fact("ahead_of_relay_ms", ahead_of_relay)
        .fact("newest_event", newest.map(|(newest, _)| text::rfc3339(newest)))
}

/// `3 days ahead of`, `10 min behind`.
fn apart(ms: i64, ahead: &str, behind: &str) -> String {
    format!("{} {}", long(ms.unsigned_abs()), if ms < 0 { behind } else { ahead })
}

fn long(ms: u64) -> String {
    const DAY: u64 = 86_400_000;
    match ms.saturating_add(DAY / 2) / DAY {
        0..2 => text::span(Duration::from_millis(ms)),
        days @ 2..800 => format!("{days} days"),
        days => format!("{} years", days / 365),
    }
}

#[cfg(test)]
pub mod tests {
    use super::super::State;
    use super::*;

    const NOW: u64 = 1_795_000_000_007;
    const HOUR: i64 = 3_600_000;

    fn right() -> Facts {
        Facts { now: NOW, ..Facts::default() }
    }

    pub fn all() -> Vec<Finding> {
        let years = 10 * 365 * 24 * HOUR;
        [
            right(),
            Facts { now: 86_400_000, ..right() },
            Facts { step: -HOUR, ..right() },
            Facts { ahead_of_relay: Some(years), ..right() },
            Facts { ahead_of_relay: Some(-3 * 24 * HOUR), ..right() },
            Facts { ahead_of_relay: Some(-45_000), ..right() },
            Facts { newest: Some((NOW + years as u64, false)), ..right() },
            Facts { newest: Some((NOW + years as u64, false)), ahead_of_relay: Some(100), ..right() },
            Facts { newest: Some((NOW + 600_000, true)), ..right() },
        ]
        .map(judge)
        .to_vec()
    }

    #[test]
    fn small_differences_are_none() {
        let state = |facts| judge(facts).state;
        assert_eq!(state(Facts { ahead_of_relay: Some(29_999), ..right() }), State::Good);
        assert_eq!(state(Facts { ahead_of_relay: Some(-30_000), ..right() }), State::Doubt);
        assert_eq!(state(Facts { ahead_of_relay: Some(-300_000), ..right() }), State::Bad);
        assert_eq!(state(Facts { ahead_of_relay: Some(i64::MIN), ..right() }), State::Bad);
        assert_eq!(state(Facts { newest: Some((NOW - 1, true)), ..right() }), State::Good);
        assert_eq!(state(Facts { newest: Some((NOW + 299_999, true)), ..right() }), State::Good);
        assert_eq!(state(Facts { step: 1_999, ..right() }), State::Good);
    }

    #[test]
    fn a_clock_that_goes_on_as_it_should_has_no_step() {
        let watch = Watch::start();
        assert!(watch.step(platform::now_ms()).unsigned_abs() < STEADY);
        assert!(watch.step(watch.wall + HOUR as u64) > HOUR - STEADY as i64);
    }
}
