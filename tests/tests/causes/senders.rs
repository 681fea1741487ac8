//! Requests signed as their providers document it, without hook's own engine.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use super::NOW;

/// Providers that sign the body as it came, and what each secret is in these tests.
pub const OF_BODIES: [(&str, &str); 8] = [
    ("stripe", "whsec_0123456789abcdef9fQ2"),
    ("github", "a-long-random-secret-0123"),
    ("shopify", "hush_0123456789abcdef0123"),
    ("slack", "8f742231b10e8888abcd99yyyzzz85a5"),
    ("svix", "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"),
    ("standard-webhooks", "whsec_bm90IHRoZSBzYW1lIGFzIHN2aXggaGFz"),
    ("razorpay", "razor_0123456789abcdef01"),
    ("paddle", "pdl_ntfset_0123456789abcdef"),
];

/// Providers that sign the URL too.
pub const OF_URLS: [(&str, &str); 3] = [
    ("twilio", "12345678901234567890123456789012"),
    ("square", "square-signature-key-0123"),
    ("hubspot", "232be63f-6e1c-4d5e-9f00-112233445566"),
];

pub fn secret_of(provider: &str) -> &'static str {
    OF_BODIES.iter().chain(&OF_URLS).find(|(name, _)| *name == provider).unwrap().1
}

fn sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The header fields that a provider puts to a POST.
pub fn signed(provider: &str, secret: &str, url: &str, kind: &str, body: &[u8]) -> Vec<(String, String)> {
    let (key, ts) = (secret.as_bytes(), NOW.to_string());
    let hex = |parts: &[&[u8]]| hex(&sha256(key, parts));
    let base64 = |parts: &[&[u8]]| BASE64_STANDARD.encode(sha256(key, parts));
    let standard = |id: &str| {
        let key = BASE64_STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
        format!("v1,{}", BASE64_STANDARD.encode(sha256(&key, &[id.as_bytes(), b".", ts.as_bytes(), b".", body])))
    };
    let fields: Vec<(&str, String)> = match provider {
        "stripe" => vec![("Stripe-Signature", format!("t={ts},v1={}", hex(&[ts.as_bytes(), b".", body])))],
        "github" => {
            vec![("X-GitHub-Event", "push".into()), ("X-Hub-Signature-256", format!("sha256={}", hex(&[body])))]
        }
        "shopify" => vec![
            ("X-Shopify-Topic", "orders/create".into()),
            ("X-Shopify-Hmac-Sha256", base64(&[body])),
            ("X-Shopify-Shop-Domain", "a-shop.myshopify.com".into()),
            ("X-Shopify-API-Version", "2026-07".into()),
            ("X-Shopify-Webhook-Id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043".into()),
        ],
        "slack" => vec![
            ("X-Slack-Signature", format!("v0={}", hex(&[b"v0:", ts.as_bytes(), b":", body]))),
            ("X-Slack-Request-Timestamp", ts),
        ],
        "svix" => vec![("svix-id", "msg_1".into()), ("svix-signature", standard("msg_1")), ("svix-timestamp", ts)],
        "standard-webhooks" => {
            vec![("webhook-id", "msg_2".into()), ("webhook-signature", standard("msg_2")), ("webhook-timestamp", ts)]
        }
        "razorpay" => vec![("X-Razorpay-Signature", hex(&[body]))],
        "paddle" => vec![("Paddle-Signature", format!("ts={ts};h1={}", hex(&[ts.as_bytes(), b":", body])))],
        "twilio" => {
            let mut pairs: Vec<(String, String)> = form(body);
            pairs.sort();
            let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
            mac.update(url.as_bytes());
            pairs.iter().for_each(|(name, value)| mac.update(format!("{name}{value}").as_bytes()));
            vec![("X-Twilio-Signature", BASE64_STANDARD.encode(mac.finalize().into_bytes()))]
        }
        "square" => vec![("X-Square-HmacSha256-Signature", base64(&[url.as_bytes(), body]))],
        "hubspot" => {
            let ms = format!("{ts}000");
            let signature = base64(&[b"POST", url.as_bytes(), body, ms.as_bytes()]);
            vec![("X-HubSpot-Signature-v3", signature), ("X-HubSpot-Request-Timestamp", ms)]
        }
        other => panic!("{other} signs nothing here"),
    };
    let kind = ("Content-Type".to_owned(), kind.to_owned());
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).chain([kind]).collect()
}

/// The decoded fields of a form, in order.
pub fn form(body: &[u8]) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let (text, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
        while at < text.len() {
            match text[at] {
                b'+' => out.push(b' '),
                b'%' => {
                    let digits = str::from_utf8(&text[at + 1..at + 3]).unwrap();
                    out.push(u8::from_str_radix(digits, 16).unwrap());
                    at += 2;
                }
                byte => out.push(byte),
            }
            at += 1;
        }
        String::from_utf8(out).unwrap()
    };
    let text = str::from_utf8(body).unwrap();
    text.split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}
