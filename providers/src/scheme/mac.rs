//! HMAC over a template, and plain digests that have the secret in their content. Most providers are one of these.

use super::{Algorithm, Authentic, Look, Refusal};
use crate::bytes::same;
use crate::recipe::template::{Pieces, Scope};

pub(super) fn verify(look: &Look<'_>) -> Result<Authentic, Refusal> {
    let form = &look.scheme.signature;
    let mut unusable = None;
    let mut lacking = None;
    let mut tried = false;
    for (n, secret) in look.secrets() {
        let key = match look.scheme.key.key(secret.value) {
            Ok(key) => key,
            Err(why) => {
                unusable.get_or_insert_with(|| format!("{} cannot be the secret: {why}", secret.label));
                continue;
            }
        };
        let scope = Scope { secret: Some(&key.bytes), ..look.scope };
        for template in &look.scheme.content {
            let content = match template.render(&scope) {
                Ok(content) => content,
                Err(error) => {
                    lacking.get_or_insert_with(|| error.to_string());
                    continue;
                }
            };
            tried = true;
            let right = form.encoding.encode(&make(look.scheme.algorithm, &key.bytes, &content));
            let named = |name: Option<&str>| key.name.is_none() || key.name == name;
            if look.signature.candidates().any(|(name, text)| named(name) && same(&text, &right)) {
                return Ok(Authentic { secret: Some(n), at_ms: None });
            }
        }
    }
    match (tried, lacking, unusable) {
        (true, ..) => Err(Refusal::Invalid("no known secret made this signature".to_owned())),
        (false, Some(lacking), _) => Err(Refusal::Malformed(lacking)),
        (false, None, Some(unusable)) => Err(Refusal::NoSecret(unusable)),
        (false, None, None) => Err(Refusal::NoSecret("no secret is known".to_owned())),
    }
}

/// The signature, not yet encoded.
pub(crate) fn make(algorithm: Algorithm, key: &[u8], content: &Pieces<'_>) -> Vec<u8> {
    match algorithm {
        Algorithm::Hmac(hash) => hash.hmac(key, content),
        Algorithm::Digest(hash) => hash.digest(content),
        _ => Vec::new(),
    }
}
