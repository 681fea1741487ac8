//! The count that every timed run of hook ends with: each 2xx that was heard is kept, once, byte for byte; else the run is void.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::payload;

/// A 2xx that the load generator got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heard {
    pub key: u64,
    pub size: usize,
}

/// An event that the journal or the inbox holds.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its event id: an event that is in both stores is one event.
    pub id: String,
    pub key: u64,
    pub size: usize,
    /// Of the stored bytes.
    pub sha256: [u8; 32],
}

/// Why a run does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Void {
    pub heard: usize,
    pub missing: usize,
    pub twice: usize,
    pub altered: usize,
}

impl fmt::Display for Void {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { heard, missing, twice, altered } = self;
        write!(f, "void: of {heard} events promised {missing} are missing, {twice} are there twice, {altered} altered")
    }
}

impl std::error::Error for Void {}

/// Holds what was heard against what was kept. Events whose sender heard no 2xx may be there or not.
pub fn check(heard: &[Heard], kept: &[Kept]) -> Result<usize, Void> {
    let mut by_key: HashMap<u64, Vec<&Kept>> = HashMap::with_capacity(kept.len());
    for one in kept {
        by_key.entry(one.key).or_default().push(one);
    }
    let mut void = Void { heard: heard.len(), missing: 0, twice: 0, altered: 0 };
    for one in heard {
        let Some(copies) = by_key.get(&one.key) else {
            void.missing += 1;
            continue;
        };
        let ids: HashSet<&str> = copies.iter().map(|copy| copy.id.as_str()).collect();
        void.twice += usize::from(ids.len() > 1);
        let expected = payload::sha256(one.key, one.size);
        void.altered += usize::from(copies.iter().any(|copy| copy.size != one.size || copy.sha256 != expected));
    }
    if void.missing + void.twice + void.altered == 0 { Ok(heard.len()) } else { Err(void) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(keys: &[u64]) -> Vec<Heard> {
        keys.iter().map(|key| Heard { key: *key, size: 100 }).collect()
    }

    fn kept(key: u64, id: &str) -> Kept {
        Kept { id: id.into(), key, size: 100, sha256: payload::sha256(key, 100) }
    }

    #[test]
    fn a_run_counts_when_each_promise_is_kept_once() {
        let all = [kept(1, "a"), kept(2, "b"), kept(2, "b"), kept(3, "c")];
        assert_eq!(check(&heard(&[1, 2]), &all), Ok(2), "in both stores is once, and nobody waits for 3");
    }

    #[test]
    fn a_run_that_lost_an_event_is_void() {
        let void = check(&heard(&[1, 2]), &[kept(1, "a")]).unwrap_err();
        assert_eq!((void.missing, void.twice, void.altered), (1, 0, 0));
    }

    #[test]
    fn a_run_that_kept_an_event_under_two_ids_is_void() {
        let void = check(&heard(&[1]), &[kept(1, "a"), kept(1, "b")]).unwrap_err();
        assert_eq!((void.missing, void.twice, void.altered), (0, 1, 0));
    }

    #[test]
    fn a_run_that_changed_a_byte_is_void() {
        let mut one = kept(1, "a");
        one.sha256[0] ^= 1;
        let void = check(&heard(&[1]), &[one]).unwrap_err();
        assert_eq!((void.missing, void.twice, void.altered), (0, 0, 1));
        let mut short = kept(1, "a");
        short.size = 99;
        assert!(check(&heard(&[1]), &[short]).is_err());
    }
}
