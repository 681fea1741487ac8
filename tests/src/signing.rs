//! Signatures as providers make them, written down apart from hook's own.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use crate::{Response, request};

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// In hex.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

/// What Stripe puts into `Stripe-Signature`.
pub fn stripe(secret: &str, at: u64, body: &[u8]) -> String {
    format!("t={at},v1={}", hmac_sha256(secret.as_bytes(), &[format!("{at}.").as_bytes(), body].concat()))
}

/// What GitHub puts into `X-Hub-Signature-256`.
pub fn github(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hmac_sha256(secret.as_bytes(), body))
}

/// What Twilio puts into `X-Twilio-Signature`, for fields that are in the order of their names.
pub fn twilio(token: &str, url: &str, fields: &[(&str, &str)]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    for (name, value) in fields {
        mac.update(format!("{name}{value}").as_bytes());
    }
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// Sends an event as Stripe does, signed at this time.
#[track_caller]
pub fn send_stripe(url: &str, secret: &str, at: u64, body: &str) -> Response {
    let signature = stripe(secret, at, body.as_bytes());
    request("POST", url, &[("Content-Type", b"application/json"), ("Stripe-Signature", signature.as_bytes())], body)
}

/// The fields of [`TWILIO_FORM`].
pub const TWILIO_FIELDS: [(&str, &str); 3] = [("Body", "Hi"), ("From", "+15550100"), ("MessageSid", "SM1")];
pub const TWILIO_FORM: &str = "Body=Hi&From=%2B15550100&MessageSid=SM1";

/// Sends a message as Twilio does, signed for the URL that it is sent to.
#[track_caller]
pub fn send_twilio(url: &str, token: &str) -> Response {
    let signature = twilio(token, url, &TWILIO_FIELDS);
    let form = b"application/x-www-form-urlencoded";
    let fields: [(&str, &[u8]); 2] = [("Content-Type", form), ("X-Twilio-Signature", signature.as_bytes())];
    request("POST", url, &fields, TWILIO_FORM)
}
