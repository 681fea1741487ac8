//! From the secret that a dashboard shows to the key that signs.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use crate::bytes::{Hash, from_base64, from_hex};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// The text is the key.
    Text,
    /// `whsec_` and base64.
    Whsec,
    Hex,
    Base64,
    /// Text in normalisation form KD: EasyPost.
    Nfkd,
    /// `PUBLIC|PRIVATE`: the key is the SHA-1 of the private one, and signatures are named by the public one: Braintree.
    Sha1OfPair,
}

/// A key, and the name that its signatures carry.
pub(crate) struct Key<'s> {
    pub(crate) bytes: Cow<'s, [u8]>,
    pub(crate) name: Option<&'s str>,
}

impl KeyForm {
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "text" => KeyForm::Text,
            "whsec" => KeyForm::Whsec,
            "hex" => KeyForm::Hex,
            "base64" => KeyForm::Base64,
            "nfkd" => KeyForm::Nfkd,
            "sha1-of-pair" => KeyForm::Sha1OfPair,
            _ => return Err(format!("\"{name}\" is not a form of secret")),
        })
    }

    /// The key in the secret, or why it is none.
    pub(crate) fn key(self, secret: &str) -> Result<Key<'_>, &'static str> {
        let owned = |bytes: Option<Vec<u8>>, or| bytes.map(Cow::Owned).ok_or(or);
        let bytes = match self {
            KeyForm::Text => Cow::Borrowed(secret.as_bytes()),
            KeyForm::Whsec => {
                let base64 = secret.strip_prefix("whsec_").unwrap_or(secret);
                owned(from_base64(base64.as_bytes()), "it is not base64 after whsec_")?
            }
            KeyForm::Hex => owned(from_hex(secret.as_bytes()), "it is not hexadecimal")?,
            KeyForm::Base64 => owned(from_base64(secret.as_bytes()), "it is not base64")?,
            KeyForm::Nfkd => Cow::Owned(secret.nfkd().collect::<String>().into_bytes()),
            KeyForm::Sha1OfPair => {
                let (public, private) = secret.split_once('|').ok_or("it is not PUBLIC_KEY|PRIVATE_KEY")?;
                return Ok(Key { bytes: Cow::Owned(Hash::Sha1.digest(&[private])), name: Some(public) });
            }
        };
        if bytes.is_empty() {
            return Err("it is empty");
        }
        Ok(Key { bytes, name: None })
    }
}
