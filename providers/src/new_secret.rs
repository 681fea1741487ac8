//! A secret of hook's own making, in the form of a provider: for samples, when no account is at hand.

use crate::bytes::{Encoding, hex};
use crate::recipe::Recipe;
use crate::scheme::key::KeyForm;
use crate::scheme::{Algorithm, ecdsa, ed25519};

/// Both halves of a new secret; for most providers they are the same text.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// What is kept, to sign with.
    pub secret: String,
    /// What the app is given, as the provider's dashboard would show it.
    pub for_app: String,
}

/// Makes a secret in the provider's form from bytes that nobody can guess. `None` where only the provider has a key.
pub fn new_secret(recipe: &Recipe, random: [u8; 32]) -> Option<NewSecret> {
    let scheme = recipe.schemes.iter().find(|scheme| scheme.can_sign())?;
    let base64 = |bytes: &[u8]| String::from_utf8(Encoding::Base64.encode(bytes)).ok();
    let (secret, for_app) = match scheme.algorithm {
        Algorithm::Ed25519 => {
            let (secret, public) = ed25519::pair(random)?;
            let encoding = scheme.signature.encoding;
            (secret, String::from_utf8(encoding.encode(&public)).ok()?)
        }
        Algorithm::EcdsaP256 => {
            let (secret, public) = ecdsa::pair(random)?;
            (secret, base64(&public)?)
        }
        Algorithm::Rsa(_) => return None,
        _ => {
            let secret = match scheme.key {
                KeyForm::Whsec => format!("whsec_{}", base64(&random)?),
                KeyForm::Hex => hex(&random).to_uppercase(),
                KeyForm::Base64 => base64(&random)?,
                KeyForm::Sha1OfPair => format!("{}|{}", hex(&random[..8]), hex(&random[8..])),
                KeyForm::Text | KeyForm::Nfkd if scheme.algorithm == Algorithm::Basic => {
                    format!("hook:{}", hex(&random))
                }
                KeyForm::Text | KeyForm::Nfkd => {
                    format!("{}{}", recipe.secret.prefix.as_deref().unwrap_or_default(), hex(&random))
                }
            };
            (secret.clone(), secret)
        }
    };
    Some(NewSecret { secret, for_app })
}
