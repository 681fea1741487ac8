//! A request of a load: its seed and its number decide every byte of it.

use rand::rngs::StdRng;
use rand::{Rng, RngExt as _, SeedableRng};
use sha2::{Digest, Sha256};

/// SHA-256.
pub type Hash = [u8; 32];

pub struct Draft {
    pub method: &'static str,
    /// What follows the endpoint's URL; the query is the key.
    pub behind: String,
    pub fields: Vec<(&'static str, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Draft {
    pub fn new(seed: u64, n: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed.wrapping_add((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let method = ["POST", "POST", "POST", "POST", "PUT", "PATCH"][rng.random_range(0..6)];
        let path: String = (0..rng.random_range(0..4)).map(|_| piece(&mut rng)).collect();
        // One field may come several times, in any spelling, with any bytes.
        let names = ["X-Mark", "x-mark", "X-MARK"];
        let fields = (0..rng.random_range(1..4)).map(|n| (names[n], value(&mut rng))).collect();
        let mut body = vec![0; size(&mut rng)];
        rng.fill_bytes(&mut body);
        Self { method, behind: format!("/{path}?{}", key(n)), fields, body }
    }

    /// One that is as small as can be.
    pub fn plain(n: usize) -> Self {
        let key = key(n);
        let body = format!("{{\"key\":\"{key}\"}}").into_bytes();
        Self { method: "POST", behind: format!("/?{key}"), fields: Vec::new(), body }
    }

    /// What must be the same wherever the request arrives.
    pub fn hash(&self) -> Hash {
        let fields = self.fields.iter().map(|(name, value)| (*name, value.as_slice()));
        hash(self.method, &self.behind, fields, &self.body)
    }
}

/// The query that no other request of its load has. All are of one length, so that none is part of another.
pub fn key(n: usize) -> String {
    format!("n={n:06}")
}

/// Method, target, marked fields in order, body.
pub fn hash<'a>(method: &str, target: &str, fields: impl Iterator<Item = (&'a str, &'a [u8])>, body: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(format!("{method} {target}\n"));
    for (_, value) in fields.filter(|(name, _)| name.eq_ignore_ascii_case("x-mark")) {
        hash.update(value);
        hash.update(b"\n");
    }
    hash.update(body);
    hash.finalize().into()
}

/// Mostly small, some of several chunks on the wire, few that are kept in parts.
fn size(rng: &mut impl Rng) -> usize {
    match rng.random_range(0..2000) {
        0 => rng.random_range(1024 * 1024..2 * 1024 * 1024),
        1..40 => rng.random_range(4 * 1024..256 * 1024),
        _ => rng.random_range(0..4 * 1024),
    }
}

fn piece(rng: &mut impl Rng) -> String {
    let pieces = ["a", "%2F", "%c3%a9", "b;c=1", "~", "//", "+", "%00", ":@", "'("];
    format!("{}/", pieces[rng.random_range(0..pieces.len())])
}

fn value(rng: &mut impl Rng) -> Vec<u8> {
    // Space around a value is no part of it (RFC 9110 §5.5).
    let mut byte = || if rng.random_bool(0.5) { rng.random_range(b'!'..=b'~') } else { rng.random_range(0x80..=0xff) };
    let length = 1 + usize::from(byte()) % 12;
    (0..length).map(|_| byte()).collect()
}
