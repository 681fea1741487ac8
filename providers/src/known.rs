//! What the person's side knows when a signature is looked at.

use std::fmt;

/// A signing secret, a public key, or a token: what the provider's dashboard shows.
///
/// An asymmetric scheme also takes a PKCS#8 private key in PEM; it then verifies with its public half, and can sign.
#[derive(Clone, Copy)]
pub struct Secret<'a> {
    /// What a person calls it: `stripe`, `stripe-live`.
    pub label: &'a str,
    pub value: &'a str,
}

/// A key that was fetched because [`crate::Verdict::needs`] asked for it.
#[derive(Clone, Copy, Debug)]
pub struct LiveKey<'a> {
    /// Where it came from, as it was asked for.
    pub url: &'a str,
    /// A certificate in PEM, or a JSON Web Key (set).
    pub key: &'a [u8],
}

/// Everything at hand for one endpoint and provider. All secrets are tried, so that old and new, test and live can be
/// known at once; at most [`MAX_SECRETS`] of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    pub secrets: &'a [Secret<'a>],
    /// Values of the recipe's params, by name.
    pub params: &'a [(&'a str, &'a str)],
    pub live_keys: &'a [LiveKey<'a>],
}

/// Secrets beyond this many are not tried, which bounds what one request can cost.
pub const MAX_SECRETS: usize = 32;

impl Secret<'_> {
    /// What may be shown of it: a prefix that all of its kind share, and the last four characters.
    pub fn shown(&self) -> String {
        let value = self.value.trim();
        let prefix = value.find('_').filter(|at| *at < 8).map_or("", |at| &value[..=at]);
        let last: Vec<char> = value.chars().rev().take(4).collect();
        if value.chars().count() < 12 + prefix.len() {
            return "…".to_owned();
        }
        format!("{prefix}…{}", last.iter().rev().collect::<String>())
    }
}

/// Never the value.
impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?}, {})", self.label, self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_as_its_prefix_and_last_four() {
        let shown = |value| Secret { label: "x", value }.shown();
        assert_eq!(shown("whsec_0123456789abcdef9fQ2"), "whsec_…9fQ2");
        assert_eq!(shown("8f742231b10e8888abcd99yyyzzz85a5"), "…85a5");
        assert_eq!(shown("hunter2"), "…");
        assert!(!format!("{:?}", Secret { label: "x", value: "hunter2hunter2" }).contains("hunter2"));
    }
}
