//! The bodies that `hook trigger` makes are as the official schemas and types of their providers say.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;
mod schemas;
mod types;

use std::collections::BTreeSet;

use hook_providers::Catalog;

/// Providers whose bodies no official package describes, or none that can be installed beside the others.
const UNDESCRIBED: &[&str] = &[
    "airtable",
    "anthropic",
    "asana",
    "aws-sns",
    "box",
    "braintree",
    "clerk",
    "cloudinary",
    "coinbase-commerce",
    "contentful",
    "dropbox",
    "easypost",
    "elevenlabs",
    "fingerprint",
    "getstream",
    "gitlab",
    "hubspot",
    "livekit",
    "mailgun",
    "mandrill",
    "mercadopago",
    "messagebird",
    "meta",
    "modern-treasury",
    "onfido",
    "paypal",
    "plivo",
    "polar",
    "postmark",
    "pusher",
    "qstash",
    "razorpay",
    "recurly",
    "retell",
    "sanity",
    "sendgrid",
    "standard-webhooks",
    "svix",
    "telegram",
    "telnyx",
    "trello",
    "twilio",
    "twitch",
    "twitter",
    "vonage",
    "zoom",
];

#[test]
fn providers_that_nothing_official_describes_are_listed() {
    let described = types::PROVIDERS.iter().map(|(provider, _)| *provider).chain(schemas::PROVIDERS);
    let described: BTreeSet<&str> = described.collect();
    let catalog = Catalog::shipped();
    let others: Vec<&str> =
        catalog.iter().map(|recipe| &*recipe.slug).filter(|slug| !described.contains(slug)).collect();
    assert_eq!(others, UNDESCRIBED);
}
