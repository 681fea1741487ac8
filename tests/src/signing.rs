//! Signatures as providers make them, by code that shares nothing with what is tested.

use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// HMAC-SHA256 (RFC 2104) in hex, for keys of at most 64 bytes.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    assert!(key.len() <= 64, "longer keys are hashed first");
    let pad = |with: u8| (0..64).map(|i| key.get(i).copied().unwrap_or(0) ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36).as_slice(), message].concat());
    let outer = Sha256::digest([pad(0x5c).as_slice(), &inner].concat());
    outer.iter().map(|b| format!("{b:02x}")).collect()
}

/// What Stripe writes into `Stripe-Signature`.
pub fn stripe(secret: &str, at: u64, body: &[u8]) -> String {
    format!("t={at},v1={}", hmac_sha256(secret.as_bytes(), &[format!("{at}.").as_bytes(), body].concat()))
}

/// What GitHub writes into `X-Hub-Signature-256`.
pub fn github(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hmac_sha256(secret.as_bytes(), body))
}

#[test]
fn it_is_the_hmac_of_the_standard() {
    let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(hmac_sha256(b"Jefe", b"what do ya want for nothing?"), known);
}
