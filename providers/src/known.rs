//! What the person's side knows when a signature is looked at.

use std::fmt;

use crate::scheme::pem;

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

/// How public keys begin in base64: Ed25519, P-256, RSA.
const PUBLIC_KEYS: [&str; 3] = ["MCow", "MFkw", "MIIB"];

impl Secret<'_> {
    /// What may be shown of it: a prefix that all of its kind share, and the last four characters. A key in PEM is shown
    /// by its public half in base64: all PEM ends alike.
    pub fn shown(&self) -> String {
        let public = pem::is_pem(self.value).then(|| pem::public_half(self.value).unwrap_or_default());
        let value = public.as_deref().unwrap_or(self.value.trim());
        let of_kind = PUBLIC_KEYS.iter().any(|prefix| value.starts_with(prefix)).then_some(4);
        let of_kind = of_kind.or_else(|| value.find('_').filter(|at| *at < 8).map(|at| at + 1));
        let prefix = of_kind.map_or("", |end| &value[..end]);
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

    #[test]
    fn a_key_in_pem_is_shown_as_its_public_half_is() {
        let shown = |value: &str| Secret { label: "x", value }.shown();
        let catalog = crate::Catalog::shipped();
        let made = |slug, seed| {
            let made = crate::new_secret(catalog.get(slug).expect(slug), [seed; 32]);
            let made = made.unwrap_or_else(|| panic!("{slug} signs"));
            (shown(&made.secret), made.for_app)
        };
        for (slug, prefix) in [("discord", "MCow…"), ("telnyx", "MCow…"), ("sendgrid", "MFkw…")] {
            let ((one, for_app), (other, _)) = (made(slug, 1), made(slug, 2));
            assert!(one.starts_with(prefix) && one != other, "{slug}: {one} {other}");
            // Discord's own is in hexadecimal.
            assert!(slug == "discord" || one.ends_with(&for_app[for_app.len() - 4..]), "{slug}: {one} {for_app}");
        }
        let (one, for_app) = made("sendgrid", 1);
        assert_eq!(one, shown(&for_app));
        assert_eq!(shown("-----BEGIN PRIVATE KEY-----\nnot one of them\n-----END PRIVATE KEY-----"), "…");
    }
}
