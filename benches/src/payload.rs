//! What is sent: a body that its key and size determine, so that nothing but the key needs to be remembered.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// What stands before the key, and how many digits the key has.
const BEFORE: &[u8] = b"{\"key\":\"";
const DIGITS: usize = 16;
const AFTER: &[u8] = b"\",\"fill\":\"";
const END: &[u8] = b"\"}";
/// The smallest body that can be made.
pub const SMALLEST: usize = BEFORE.len() + DIGITS + AFTER.len() + END.len();
static FILL: [u8; 256 * 1024] = [b'.'; 256 * 1024];

/// The pieces of a body, to be written one after the other.
pub fn pieces(key: u64, size: usize) -> impl Iterator<Item = Cow<'static, [u8]>> {
    let mut head = BEFORE.to_vec();
    head.extend_from_slice(format!("{key:016x}").as_bytes());
    head.extend_from_slice(AFTER);
    let mut fill = size.saturating_sub(SMALLEST);
    let fill = std::iter::from_fn(move || {
        let piece = &FILL[..fill.min(FILL.len())];
        fill -= piece.len();
        (!piece.is_empty()).then_some(Cow::Borrowed(piece))
    });
    std::iter::once(Cow::Owned(head)).chain(fill).chain(std::iter::once(Cow::Borrowed(END)))
}

pub fn sha256(key: u64, size: usize) -> [u8; 32] {
    let mut hash = Sha256::new();
    pieces(key, size).for_each(|piece| hash.update(&piece));
    hash.finalize().into()
}

/// The key of a body that begins like this, if it is one of ours.
pub fn key_of(beginning: &[u8]) -> Option<u64> {
    let digits = beginning.strip_prefix(BEFORE)?.get(..DIGITS)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_size_and_tells_its_key() {
        for size in [SMALLEST, 1024, 64 * 1024, 700_000] {
            let body: Vec<u8> = pieces(0xbeef, size).flat_map(Cow::into_owned).collect();
            assert_eq!(body.len(), size);
            assert_eq!(key_of(&body), Some(0xbeef));
            assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
            assert_eq!(sha256(0xbeef, size), <[u8; 32]>::from(Sha256::digest(&body)));
        }
        assert_eq!(key_of(b"{\"key\":\"nonsense"), None);
        assert_eq!(key_of(b"{}"), None);
    }
}
