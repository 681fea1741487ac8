//! ECDSA on P-256 with SHA-256, signatures in DER: SendGrid. The known key is the provider's public one.

use p256::SecretKey;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding,
};

use super::{Authentic, Look, Refusal, pem};
use crate::bytes::from_base64;

pub(super) fn verify(look: &Look<'_>) -> Result<Authentic, Refusal> {
    look.with_public_key(public_key, |key, content, signature| {
        DerSignature::from_bytes(signature).is_ok_and(|signature| key.verify(content, &signature).is_ok())
    })
}

pub(crate) fn sign(secret: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    let signature: DerSignature = private_key(secret)?.sign(content);
    Some(signature.as_bytes().to_vec())
}

/// A private key in PKCS#8 PEM, and its public half as SubjectPublicKeyInfo.
pub(crate) fn pair(random: [u8; 32]) -> Option<(String, Vec<u8>)> {
    let key = SecretKey::from_slice(&random).ok()?;
    let pem = key.to_pkcs8_pem(LineEnding::LF).ok()?;
    let public = key.public_key().to_public_key_der().ok()?;
    Some((pem.as_str().to_owned(), public.as_bytes().to_vec()))
}

/// The SubjectPublicKeyInfo of a key.
pub(super) fn public_info(secret: &[u8]) -> Option<Vec<u8>> {
    public_key(secret)?.to_public_key_der().ok().map(|der| der.as_bytes().to_vec())
}

pub(super) fn public_key(secret: &[u8]) -> Option<VerifyingKey> {
    if let Some(private) = private_key(secret) {
        return Some(*private.verifying_key());
    }
    if let Some(pem) = pem::labelled(secret, "PUBLIC KEY") {
        return VerifyingKey::from_public_key_pem(pem).ok();
    }
    VerifyingKey::from_public_key_der(&from_base64(secret)?).ok()
}

fn private_key(secret: &[u8]) -> Option<SigningKey> {
    SigningKey::from_pkcs8_pem(pem::labelled(secret, "PRIVATE KEY")?).ok()
}
