//! The SHA-1 header beside the SHA-256 one: `X-Hub-Signature` and `X-Hub-Signature-256`. Libraries look at the newer only.

use super::{Algorithm, Refusal, Scheme};
use crate::bytes::Hash;
use crate::known::Known;
use crate::recipe::selector::{Selector, spelled};
use crate::request::Request;

/// What is said of a request that has the older header only, and which secret made that one.
pub(super) fn beside(
    scheme: &Scheme,
    request: &Request<'_>,
    known: &Known<'_>,
    now_ms: i64,
) -> Option<(String, Option<usize>)> {
    let Some(Selector::Header(newer)) = scheme.signature.at.first() else { return None };
    let older = newer.strip_suffix("-256").filter(|older| request.header_count(older) > 0)?;
    let mut of_sha1 = Scheme { algorithm: Algorithm::Hmac(Hash::Sha1), ..scheme.clone() };
    of_sha1.signature.at = vec![Selector::Header(older.to_owned())];
    of_sha1.signature.keys = vec!["sha1".to_owned()];
    let before = format!("no {} header, only the older {} with SHA-1", spelled(newer), spelled(older));
    Some(match of_sha1.authenticate(request, known, now_ms) {
        Ok(authentic) => (
            format!("{before}, which verifies: {}", super::look::signed_with(authentic.secret, known)),
            authentic.secret,
        ),
        Err(Refusal::Invalid(_)) => (format!("{before}, and no known secret made it"), None),
        Err(_) => (before, None),
    })
}
