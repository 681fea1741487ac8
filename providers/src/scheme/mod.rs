//! Signature algorithms, one file each, and what all of them share: finding the signature, its timestamp and the secret.

pub(crate) mod bound;
pub(crate) mod ecdsa;
pub(crate) mod ed25519;
pub(crate) mod form;
pub(crate) mod jwt;
pub(crate) mod key;
pub(crate) mod live;
mod look;
pub(crate) mod mac;
mod older;
pub(crate) mod pem;
mod rsa;
pub(crate) mod stamp;
mod token;

use std::time::Duration;

use crate::bytes::{Encoding, Hash};
use crate::recipe::condition::Condition;
use crate::recipe::facts::{BodyMac, SignatureFacts};
use crate::recipe::selector::Selector;
use crate::recipe::signature::SignatureForm;
use crate::recipe::template::{Scope, Template};
use crate::verdict::Covers;
use jwt::JwtForm;
use key::KeyForm;
use live::LiveKeyForm;
use stamp::StampForm;

pub(crate) use look::{Authentic, Look, Refusal};

#[derive(Clone, Debug)]
pub(crate) struct Scheme {
    pub(crate) id: Option<String>,
    pub(crate) when: Vec<Condition>,
    /// What must be there besides the signature, as the provider's libraries ask for it.
    pub(crate) require: Vec<Selector>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: KeyForm,
    pub(crate) live_key: Option<LiveKeyForm>,
    pub(crate) signature: SignatureForm,
    pub(crate) stamp: Option<StampForm>,
    /// The signed text; of several forms any may match.
    pub(crate) content: Vec<Template>,
    pub(crate) checks: Vec<Check>,
    /// Each item of this array has its own signature.
    pub(crate) each: Option<Vec<String>>,
    /// The value that stands where the signature stands.
    pub(crate) sign: Template,
    /// Header fields that a signed request also has, unless they are there: the version of the scheme.
    pub(crate) sets: Vec<(String, String)>,
    pub(crate) covers: Covers,
    pub(crate) jwt: Option<JwtForm>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Hmac(Hash),
    /// A plain digest with the secret among the content.
    Digest(Hash),
    Ed25519,
    EcdsaP256,
    Rsa(Hash),
    Jwt,
    /// A shared token, as it is.
    Equals,
    /// A user and a password.
    Basic,
}

/// Two values that must be the same: Twilio's `bodySHA256`.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) left: Selector,
    pub(crate) right: Template,
}
impl Scheme {
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> bool {
        self.when.iter().all(|condition| condition.holds(scope))
    }

    pub(crate) fn facts(&self) -> SignatureFacts {
        let tolerance = self.stamp.as_ref().and_then(|stamp| stamp.tolerance_ms);
        let tolerance = tolerance.or_else(|| self.jwt.as_ref().and_then(|jwt| jwt.max_age_ms));
        SignatureFacts {
            id: self.id.clone(),
            algorithm: self.algorithm.name(),
            at: self.signature.at.first().map(ToString::to_string).unwrap_or_default(),
            tolerance: tolerance.map(|ms| Duration::from_millis(ms.unsigned_abs())),
            expires: self.jwt.as_ref().is_some_and(|jwt| jwt.must_expire),
            covers: self.covers,
            fields: self.signs_fields(),
            url: self.signs_url(),
            fetched_key: self.live_key.is_some(),
            body_mac: self.body_mac(),
        }
    }

    fn body_mac(&self) -> Option<BodyMac> {
        let (Some(hash), [content]) = (self.algorithm.name().strip_prefix("hmac-"), self.content.as_slice()) else {
            return None;
        };
        let plain = self.key == KeyForm::Text && content.before(&Selector::Body) == Some("") && self.each.is_none();
        let hex = self.signature.encoding == Encoding::Hex;
        (plain && (hex || self.signature.encoding == Encoding::Base64)).then_some(())?;
        let before = format!("{}{}", self.signature.strip, self.sign.before(&Selector::Made)?);
        Some(BodyMac { hash, hex, before })
    }

    /// Why a text cannot be the secret of this scheme.
    pub(crate) fn unfit(&self, secret: &str) -> Option<&'static str> {
        let bytes = secret.trim().as_bytes();
        let is_key = |known: bool, or| (!known).then_some(or);
        match self.algorithm {
            Algorithm::Ed25519 => {
                is_key(ed25519::public_key(bytes).is_some(), "it is no Ed25519 key in hexadecimal, base64 or PEM")
            }
            Algorithm::EcdsaP256 => is_key(ecdsa::public_key(bytes).is_some(), "it is no P-256 key in base64 or PEM"),
            Algorithm::Rsa(_) => is_key(rsa::public_key(bytes).is_some(), "it is no RSA key or certificate in PEM"),
            // What is given beside a published key is such a key.
            Algorithm::Jwt if self.live_key.is_some() => None,
            Algorithm::Basic => is_key(secret.contains(':'), "it is not USER:PASSWORD"),
            _ => self.key.key(secret).err(),
        }
    }

    /// Neither the body as it came nor a hash of it is signed, nor compared with what is, but fields of it are.
    fn signs_fields(&self) -> bool {
        let claims = self.jwt.iter().flat_map(|jwt| jwt.claims.iter().map(|(_, template)| template));
        let checked = self.checks.iter().map(|check| &check.right);
        let places = || self.content.iter().chain(claims.clone()).chain(checked.clone()).flat_map(Template::places);
        let is_field = |place: &Selector| {
            matches!(place, Selector::Fields | Selector::Form(_) | Selector::Json(_) | Selector::Item(_))
        };
        places().any(is_field) && !places().any(|place| *place == Selector::Body)
    }

    pub(crate) fn can_sign(&self) -> bool {
        self.live_key.is_none() && !matches!(self.algorithm, Algorithm::Rsa(_))
    }

    pub(crate) fn signs_method(&self) -> bool {
        self.content.iter().flat_map(Template::places).any(|place| *place == Selector::Method)
    }

    pub(crate) fn signs_url(&self) -> bool {
        self.places().any(|place| matches!(place, Selector::Url | Selector::Target))
    }

    /// Every place that is signed, or that a claim is about.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Selector> {
        let claims = self.jwt.iter().flat_map(|jwt| jwt.claims.iter().map(|(_, template)| template));
        self.content.iter().chain(claims).flat_map(Template::places)
    }
}

impl Algorithm {
    /// The word for it in recipes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::Hmac(Hash::Sha1) => "hmac-sha1",
            Algorithm::Hmac(Hash::Sha256) => "hmac-sha256",
            Algorithm::Hmac(Hash::Sha384) => "hmac-sha384",
            Algorithm::Hmac(Hash::Sha512) => "hmac-sha512",
            Algorithm::Digest(Hash::Sha1) => "sha1",
            Algorithm::Digest(Hash::Sha256) => "sha256",
            Algorithm::Digest(Hash::Sha384) => "sha384",
            Algorithm::Digest(Hash::Sha512) => "sha512",
            Algorithm::Ed25519 => "ed25519",
            Algorithm::EcdsaP256 => "ecdsa-p256-sha256",
            Algorithm::Rsa(Hash::Sha1) => "rsa-sha1",
            Algorithm::Rsa(_) => "rsa-sha256",
            Algorithm::Jwt => "jwt",
            Algorithm::Equals => "equals",
            Algorithm::Basic => "basic",
        }
    }
}
