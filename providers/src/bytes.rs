//! Digests and encodings, by the names that recipes use.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    Hex,
    Base64,
    Base64url,
    /// As it is: a token.
    #[default]
    Plain,
}

impl Hash {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sha1" => Hash::Sha1,
            "sha256" => Hash::Sha256,
            "sha384" => Hash::Sha384,
            "sha512" => Hash::Sha512,
            _ => return None,
        })
    }

    pub(crate) fn digest<T: AsRef<[u8]>>(self, pieces: &[T]) -> Vec<u8> {
        fn over<D: sha2::Digest, T: AsRef<[u8]>>(pieces: &[T]) -> Vec<u8> {
            pieces.iter().fold(D::new(), |digest, piece| digest.chain_update(piece)).finalize().to_vec()
        }
        match self {
            Hash::Sha1 => over::<Sha1, T>(pieces),
            Hash::Sha256 => over::<Sha256, T>(pieces),
            Hash::Sha384 => over::<Sha384, T>(pieces),
            Hash::Sha512 => over::<Sha512, T>(pieces),
        }
    }

    /// HMAC over the pieces, as if they were one text. A key of any length will do.
    pub(crate) fn hmac<T: AsRef<[u8]>>(self, key: &[u8], pieces: &[T]) -> Vec<u8> {
        macro_rules! over {
            ($digest:ty) => {{
                let Ok(mut mac) = Hmac::<$digest>::new_from_slice(key) else { return Vec::new() };
                pieces.iter().for_each(|piece| mac.update(piece.as_ref()));
                mac.finalize().into_bytes().to_vec()
            }};
        }
        match self {
            Hash::Sha1 => over!(Sha1),
            Hash::Sha256 => over!(Sha256),
            Hash::Sha384 => over!(Sha384),
            Hash::Sha512 => over!(Sha512),
        }
    }
}

impl Encoding {
    pub(crate) fn encode(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Encoding::Hex => hex(bytes).into_bytes(),
            Encoding::Base64 => base64::engine::general_purpose::STANDARD.encode(bytes).into_bytes(),
            Encoding::Base64url => base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes).into_bytes(),
            Encoding::Plain => bytes.to_vec(),
        }
    }

    pub(crate) fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Encoding::Hex => from_hex(text),
            Encoding::Base64 => from_base64(text),
            Encoding::Base64url => LENIENT_URL.decode(text).ok(),
            Encoding::Plain => Some(text.to_vec()),
        }
    }
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const LENIENT_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const LENIENT_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Base64 of keys: padding may be missing.
pub(crate) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    LENIENT_STANDARD.decode(text).ok()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

pub(crate) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()).flatten()
}

/// The checksum that PayPal signs.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Compares in a time that depends on the lengths alone.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(hex(&Hash::Sha1.digest(&["a", "bc"])), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let mac = Hash::Sha256.hmac(b"key", &["The quick brown fox ", "jumps over the lazy dog"]);
        assert_eq!(hex(&mac), "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn encodings_read_back_what_they_write() {
        for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64url, Encoding::Plain] {
            let text = encoding.encode(b"\x00\xff~hook");
            assert_eq!(encoding.decode(&text).as_deref(), Some(&b"\x00\xff~hook"[..]));
        }
        assert_eq!((from_hex(b"abc"), from_hex(b"zz"), from_base64(b"*")), (None, None, None));
        assert_eq!(from_base64(b"aG9vaw"), from_base64(b"aG9vaw=="));
    }
}
