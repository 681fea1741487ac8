//! Telling kinds of PEM apart.

use super::{ecdsa, ed25519, rsa};
use crate::bytes::Encoding;

/// The text, when it is PEM with this label.
pub(super) fn labelled<'t>(text: &'t [u8], label: &str) -> Option<&'t str> {
    let text = str::from_utf8(text).ok()?;
    let rest = text.trim_start().strip_prefix("-----BEGIN ")?;
    rest.starts_with(label).then_some(text)
}

pub(crate) fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
}

/// The public half of a key in PEM, in base64 as dashboards show it (its SubjectPublicKeyInfo). `None`: it holds no key.
pub(crate) fn public_half(text: &str) -> Option<String> {
    let text = text.trim().as_bytes();
    let info = ed25519::public_info(text).or_else(|| ecdsa::public_info(text)).or_else(|| rsa::public_info(text))?;
    String::from_utf8(Encoding::Base64.encode(&info)).ok()
}
