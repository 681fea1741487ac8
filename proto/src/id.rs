use std::fmt;
use std::str::FromStr;

use ulid::Ulid;

/// The one identity of an event, for life: a ULID, so ids sort by the relay's order of arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Ulid);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an event id: an id is a ULID, 26 letters and digits")]
pub struct BadId;

impl EventId {
    /// Makes an id from a time in milliseconds since 1970 and 80 bits of randomness (or of a counter above it).
    pub fn from_parts(millis: u64, random: u128) -> Self {
        Self(Ulid::from_parts(millis, random))
    }

    /// The next id that sorts after this one, for events of the same millisecond.
    pub fn successor(self) -> Option<Self> {
        self.0.increment().ok().map(Self)
    }

    pub fn millis(self) -> u64 {
        self.0.timestamp_ms()
    }
}

impl FromStr for EventId {
    type Err = BadId;

    /// Takes the canonical form only, so that one event has one spelling.
    fn from_str(text: &str) -> Result<Self, BadId> {
        let id = Ulid::from_string(text).map_err(|_| BadId)?;
        if id.to_string() == text { Ok(Self(id)) } else { Err(BadId) }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_sorts_by_time() {
        let early = EventId::from_parts(1_700_000_000_000, 7);
        let late = EventId::from_parts(1_700_000_000_001, 1);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!(early < late && early.to_string() < late.to_string());
        assert!(early.successor().is_some_and(|next| early < next && next < late));
    }

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let id = EventId::from_parts(1, 0xabc).to_string();
        assert_eq!(id.to_lowercase().parse::<EventId>(), Err(BadId));
        assert_eq!("".parse::<EventId>(), Err(BadId));
        assert_eq!("8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<EventId>(), Err(BadId), "more than 128 bits");
    }
}
