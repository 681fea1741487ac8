//! Ids that hold the moment in which they were made.

use super::random::Random;
use crate::bytes::hex;

/// Without letters that look like digits.
const CROCKFORD: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The second from which KSUIDs count.
const KSUID_EPOCH: i64 = 1_400_000_000;

/// 48 bits of milliseconds, 80 random ones.
pub(super) fn ulid(ms: i64, random: &mut Random) -> String {
    let ms = ms.max(0) as u64;
    let time = (0..10).rev().map(|at| char::from(CROCKFORD[(ms >> (5 * at) & 31) as usize]));
    time.collect::<String>() + &random.text(CROCKFORD, 16)
}

/// 32 bits of seconds and 128 random ones, in 27 digits of base 62.
pub(super) fn ksuid(ms: i64, random: &mut Random) -> String {
    let seconds = (ms.div_euclid(1000) - KSUID_EPOCH).max(0) as u32;
    let mut number = [&seconds.to_be_bytes()[..], &random.bytes(16)].concat();
    let mut digits = [0; 27];
    for digit in digits.iter_mut().rev() {
        let rest = number.iter_mut().fold(0, |rest, byte| {
            let value = rest << 8 | u32::from(*byte);
            *byte = (value / 62) as u8;
            value % 62
        });
        *digit = BASE62[rest as usize];
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// 32 bits of seconds and 64 random ones: MongoDB's, which Trello shows.
pub(super) fn object_id(ms: i64, random: &mut Random) -> String {
    let seconds = ms.div_euclid(1000).max(0) as u32;
    hex(&seconds.to_be_bytes()) + &hex(&random.bytes(8))
}

/// Milliseconds since an epoch above 22 bits, here random.
pub(super) fn snowflake(epoch: i64, ms: i64, random: &mut Random) -> String {
    (ms.saturating_sub(epoch).max(0) << 22 | random.int(0, (1 << 22) - 1)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ksuid_is_its_number_in_base_62() {
        // 0ujtsYcgvSTl8PAuAdqWYSMnLOv is the format's own example, of this second.
        let of = |ms| ksuid(ms, &mut Random::new(1, &["x"]));
        let (first, later) = (of(1_507_608_047_000), of(1_507_608_048_000));
        assert_eq!((first.len(), &first[..4]), (27, "0ujt"));
        assert!(first < later, "{first} {later}");
        assert!(of(KSUID_EPOCH * 1000).starts_with("00000"));
    }

    #[test]
    fn a_snowflake_holds_its_moment() {
        let id: i64 = snowflake(1_420_070_400_000, 1_780_000_000_000, &mut Random::new(1, &["x"])).parse().unwrap();
        assert_eq!((id >> 22) + 1_420_070_400_000, 1_780_000_000_000);
    }
}
