//! A shared token in a header, a query or the body, and user and password. Neither vouches for the body.

use super::{Authentic, Look, Refusal};
use crate::bytes::{Encoding, same};

pub(super) fn equals(look: &Look<'_>) -> Result<Authentic, Refusal> {
    compare(look, |text, secret| same(text, secret.as_bytes()))
}

/// The secret is `user:password`.
pub(super) fn basic(look: &Look<'_>) -> Result<Authentic, Refusal> {
    let (_, text) = look.signature.candidates().next().ok_or_else(|| Refusal::Malformed("it is empty".to_owned()))?;
    let scheme = text.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "));
    let pair = scheme.then(|| Encoding::Base64.decode(text.get(6..)?.trim_ascii())).flatten();
    let pair = pair.ok_or_else(|| Refusal::Malformed("the Authorization header is not Basic".to_owned()))?;
    compare(look, |_, secret| same(&pair, secret.as_bytes()))
}

fn compare(look: &Look<'_>, is: impl Fn(&[u8], &str) -> bool) -> Result<Authentic, Refusal> {
    if look.known.secrets.is_empty() {
        return Err(Refusal::NoSecret("no token is known".to_owned()));
    }
    let mut secrets = look.secrets();
    let found = secrets.find(|(_, secret)| {
        !secret.value.is_empty() && look.signature.candidates().any(|(_, text)| is(&text, secret.value))
    });
    match found {
        Some((n, _)) => Ok(Authentic { secret: Some(n), at_ms: None }),
        None => Err(Refusal::Invalid("it is none of the known tokens".to_owned())),
    }
}
