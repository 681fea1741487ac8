//! RSA PKCS#1 v1.5 with a certificate that the provider publishes: Amazon SNS, PayPal.
//!
//! The certificate is trusted because of where it came from: https, and a host and path that are the provider's alone. Most of
//! Amazon's own libraries do the same; its chain and its dates are not looked at.

use rsa::PublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use rsa::signature::Verifier as _;
use sha1::Sha1;
use sha2::Sha256;
use x509_cert::Certificate;
use x509_cert::der::{DecodePem as _, Encode as _};

use super::{Authentic, Look, Refusal, pem};
use crate::bytes::Hash;

/// Signatures of keys beyond 8192 bits are refused, which bounds the arithmetic.
const MAX_SIGNATURE: usize = 1024;

pub(super) fn verify(look: &Look<'_>, hash: Hash) -> Result<Authentic, Refusal> {
    look.with_public_key(public_key, |key, content, signature| accepts(key, hash, content, signature))
}

pub(super) fn accepts(key: &PublicKey, hash: Hash, content: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = Signature::try_from(signature.get(..MAX_SIGNATURE).unwrap_or(signature)) else { return false };
    match hash {
        Hash::Sha1 => VerifyingKey::<Sha1>::new(key.clone()).verify(content, &signature).is_ok(),
        _ => VerifyingKey::<Sha256>::new(key.clone()).verify(content, &signature).is_ok(),
    }
}

/// The SubjectPublicKeyInfo of a key or a certificate.
pub(super) fn public_info(text: &[u8]) -> Option<Vec<u8>> {
    public_key(text)?.to_public_key_der().ok().map(|der| der.as_bytes().to_vec())
}

pub(super) fn public_key(text: &[u8]) -> Option<PublicKey> {
    if let Some(pem) = pem::labelled(text, "PUBLIC KEY") {
        return PublicKey::from_public_key_pem(pem).ok();
    }
    let certificate = Certificate::from_pem(pem::labelled(text, "CERTIFICATE")?).ok()?;
    let info = certificate.tbs_certificate().subject_public_key_info().to_der().ok()?;
    PublicKey::from_public_key_der(&info).ok()
}
