//! Ed25519: Discord, Telnyx. The known key is the provider's public one, in hex, base64 or PEM.

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::{Authentic, Look, Refusal, pem};
use crate::bytes::{from_base64, from_hex};

pub(super) fn verify(look: &Look<'_>) -> Result<Authentic, Refusal> {
    look.with_public_key(public_key, |key, content, signature| {
        Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(content, &signature).is_ok())
    })
}

pub(crate) fn sign(secret: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    Some(private_key(secret)?.sign(content).to_bytes().to_vec())
}

/// A private key in PKCS#8 PEM, and its public half.
pub(crate) fn pair(random: [u8; 32]) -> Option<(String, Vec<u8>)> {
    let key = SigningKey::from_bytes(&random);
    let pem = key.to_pkcs8_pem(LineEnding::LF).ok()?;
    Some((pem.as_str().to_owned(), key.verifying_key().to_bytes().to_vec()))
}

/// The SubjectPublicKeyInfo of a key.
pub(super) fn public_info(secret: &[u8]) -> Option<Vec<u8>> {
    public_key(secret)?.to_public_key_der().ok().map(|der| der.as_bytes().to_vec())
}

pub(super) fn public_key(secret: &[u8]) -> Option<VerifyingKey> {
    if let Some(private) = private_key(secret) {
        return Some(private.verifying_key());
    }
    if let Some(pem) = pem::labelled(secret, "PUBLIC KEY") {
        return VerifyingKey::from_public_key_pem(pem).ok();
    }
    let bytes = from_hex(secret).or_else(|| from_base64(secret))?;
    // A base64 key may be wrapped in its SubjectPublicKeyInfo, whose last 32 bytes are the key.
    let raw = bytes.last_chunk::<32>().filter(|_| matches!(bytes.len(), 32 | 44))?;
    VerifyingKey::from_bytes(raw).ok()
}

fn private_key(secret: &[u8]) -> Option<SigningKey> {
    SigningKey::from_pkcs8_pem(pem::labelled(secret, "PRIVATE KEY")?).ok()
}
