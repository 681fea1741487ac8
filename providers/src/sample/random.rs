//! Random values that a seed repeats.

use crate::bytes::Hash;

/// One stream of random numbers. Each name has its own, so that a change of one sample leaves all others as they were.
pub(super) struct Random {
    key: Vec<u8>,
    block: Vec<u8>,
    blocks: u64,
}

impl Random {
    pub(super) fn new(seed: u64, names: &[&str]) -> Self {
        let mut key = seed.to_be_bytes().to_vec();
        for name in names {
            key.extend_from_slice(&(name.len() as u64).to_be_bytes());
            key.extend_from_slice(name.as_bytes());
        }
        Random { key, block: Vec::new(), blocks: 0 }
    }

    pub(super) fn byte(&mut self) -> u8 {
        loop {
            if let Some(byte) = self.block.pop() {
                return byte;
            }
            self.block = Hash::Sha256.digest(&[&self.key[..], &self.blocks.to_be_bytes()]);
            self.blocks += 1;
        }
    }

    pub(super) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.byte()).collect()
    }

    /// From 0 to `n` without `n` itself. Samples need no perfectly even spread.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        let number = (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()));
        number.checked_rem(n).unwrap_or(0)
    }

    pub(super) fn int(&mut self, low: i64, high: i64) -> i64 {
        let span = high.saturating_sub(low).max(0) as u64;
        low.saturating_add_unsigned(self.below(span.saturating_add(1)))
    }

    pub(super) fn text(&mut self, alphabet: &[u8], n: usize) -> String {
        (0..n).map(|_| char::from(alphabet[self.below(alphabet.len() as u64) as usize])).collect()
    }

    /// A version 4 UUID.
    pub(super) fn uuid(&mut self) -> String {
        let mut bytes = self.bytes(16);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = crate::bytes::hex(&bytes);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}
