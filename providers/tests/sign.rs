//! What is signed here verifies here, and nothing that differs from it does.

use std::sync::OnceLock;

use hook_providers::{
    Around, CannotSign, Catalog, Known, Recipe, Request, Secret, State, answer_handshake, explain, identify,
    new_secret, sign, verify,
};
use proptest::prelude::*;

const NOW: u64 = 1_780_000_000_000;

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(Catalog::shipped)
}

/// A secret in the form that the provider's dashboard shows, or the private half of one.
fn secret_for(recipe: &Recipe) -> String {
    new_secret(recipe, [0x5e; 32]).unwrap_or_else(|| panic!("{} cannot be signed for", recipe.slug)).secret
}

/// A request as owned parts.
#[derive(Clone, Debug)]
struct Sent {
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Sent {
    fn unsigned(recipe: &Recipe, text: &str) -> Sent {
        let quoted = serde_json::to_string(text).expect("text is JSON");
        let (kind, body) = match recipe.slug.as_str() {
            "twilio" | "plivo" => ("application/x-www-form-urlencoded", format!("From=%2B1415&Body={}", encoded(text))),
            "mandrill" => ("application/x-www-form-urlencoded", format!("mandrill_events={}", encoded(text))),
            "braintree" => ("application/x-www-form-urlencoded", format!("bt_payload={}", encoded(text))),
            "adyen" => (
                "application/json",
                format!(
                    r#"{{"live":"false","notificationItems":[{{"NotificationRequestItem":{{"additionalData":{{"a":1}},"pspReference":{quoted},"amount":{{"value":1130,"currency":"EUR"}},"eventCode":"AUTHORISATION","success":"true"}}}}]}}"#
                ),
            ),
            "mailgun" => {
                ("application/json", format!(r#"{{"signature":{{"token":{quoted}}},"event-data":{{"id":"1"}}}}"#))
            }
            "ms-graph" => ("application/json", format!(r#"{{"value":[{{"id":{quoted}}}]}}"#)),
            _ => ("application/json", format!(r#"{{"id":"evt_1","type":{quoted},"amount":2000}}"#)),
        };
        Sent {
            url: format!("https://hooks.example.com/in/abc?data.id={}", encoded(text)),
            headers: vec![("Content-Type".into(), kind.into())],
            body: body.into_bytes(),
        }
    }

    fn look<T>(&self, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        look(&Request::new("POST", &self.url, &headers, &self.body))
    }

    fn signed(self, recipe: &Recipe, known: &Known<'_>, now_ms: u64) -> Result<Sent, CannotSign> {
        self.look(|request| {
            let signed = sign(recipe, request, known, now_ms)?;
            let headers = signed.apply(request.headers);
            Ok(Sent {
                url: signed.url.unwrap_or_else(|| self.url.clone()),
                headers,
                body: signed.body.unwrap_or_else(|| self.body.clone()),
            })
        })
    }

    fn state(&self, recipe: &Recipe, known: &Known<'_>, now_ms: u64) -> State {
        self.look(|request| verify(recipe, request, known, now_ms).state)
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn signing() -> Vec<&'static Recipe> {
    catalog().iter().filter(|recipe| recipe.can_sign()).filter(|r| r.slug != "plaid").collect()
}

fn with_secret<T>(recipe: &Recipe, look: impl FnOnce(&Known<'_>) -> T) -> T {
    let secret = if recipe.can_sign() { secret_for(recipe) } else { "none".to_owned() };
    let secrets = [Secret { label: "the secret", value: &secret }];
    look(&Known { secrets: &secrets, params: &[("key", "app-key"), ("api_key", "APIkey")], live_keys: &[] })
}

#[test]
fn every_provider_whose_secret_a_person_has_can_be_signed_for() {
    let cannot: Vec<&str> = catalog().iter().filter(|r| !r.can_sign()).map(|r| r.slug.as_str()).collect();
    assert_eq!(cannot, ["aws-sns", "paypal", "plaid", "strava", "wise"]);
    for recipe in signing() {
        with_secret(recipe, |known| {
            let sent = Sent::unsigned(recipe, "payment.succeeded").signed(recipe, known, NOW);
            let sent = sent.unwrap_or_else(|error| panic!("{}: {error}", recipe.slug));
            let verdict = sent.look(|request| verify(recipe, request, known, NOW));
            assert_eq!(verdict.state, State::Valid, "{}: {}: {sent:?}", recipe.slug, verdict.reason);
            // Signed again later it is good later, though it was signed already.
            let later = NOW + 86_400_000;
            let again = sent.signed(recipe, known, later).unwrap_or_else(|error| panic!("{}: {error}", recipe.slug));
            assert_eq!(again.state(recipe, known, later), State::Valid, "{} signed again: {again:?}", recipe.slug);
        });
    }
}

#[test]
fn what_the_app_is_given_verifies_what_the_kept_half_signs() {
    for recipe in signing() {
        let made = new_secret(recipe, [0x5e; 32]).expect("it can be signed for");
        let sent = with_secret(recipe, |known| Sent::unsigned(recipe, "x").signed(recipe, known, NOW));
        let app = [Secret { label: "app", value: &made.for_app }];
        let known = Known { secrets: &app, params: &[("key", "app-key"), ("api_key", "APIkey")], live_keys: &[] };
        let state = sent.unwrap_or_else(|error| panic!("{}: {error}", recipe.slug)).state(recipe, &known, NOW);
        assert_eq!(state, State::Valid, "{}", recipe.slug);
        let private = made.for_app.contains("PRIVATE KEY");
        assert!(
            !private && recipe.secret.prefix.as_ref().is_none_or(|p| made.for_app.starts_with(p)),
            "{}",
            recipe.slug
        );
    }
}

#[test]
fn another_secret_makes_it_invalid_and_none_says_so() {
    for recipe in signing() {
        let other = match recipe.slug.as_str() {
            "discord" | "telnyx" => "cabed9623962d65d7d45f7488629701b3d1d46aeca9f53934b83570d262ea233",
            "sendgrid" => {
                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMOBUcP8HkA1ihHv8nlse7as0Xx+jwEPvvZB297jfxqfdyRwpas52YFTjD1BpCpjtMNwBk6bmgJHUnF/8iOZ1cQ=="
            }
            "adyen" => "00782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
            "braintree" => "5e5e5e5e5e5e5e5e|other",
            "airtable" => "b3RoZXI=",
            _ => "whsec_b3RoZXI=",
        };
        let sent = with_secret(recipe, |known| Sent::unsigned(recipe, "x").signed(recipe, known, NOW));
        let sent = sent.unwrap_or_else(|error| panic!("{}: {error}", recipe.slug));
        let others = [Secret { label: "other", value: other }];
        let known = Known { secrets: &others, ..Known::default() };
        assert_eq!(sent.state(recipe, &known, NOW), State::Invalid, "{}", recipe.slug);
        assert_eq!(sent.state(recipe, &Known::default(), NOW), State::NoSecret, "{}", recipe.slug);
        with_secret(recipe, |known| {
            // The right one is found among several.
            let mine = known.secrets[0];
            let both = [others[0], mine];
            let known = Known { secrets: &both, ..*known };
            assert_eq!(sent.look(|r| verify(recipe, r, &known, NOW).secret), Some(1), "{}", recipe.slug);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any text in the body: signing and verifying agree, and a changed byte of what is signed is found.
    #[test]
    fn signing_and_verifying_agree(text in "\\PC{1,40}", flip in any::<prop::sample::Index>(), bit in 0_u8..7) {
        for recipe in signing() {
            let text = if recipe.slug == "braintree" { "PG5vdGlmaWNhdGlvbj4=" } else { text.as_str() };
            with_secret(recipe, |known| {
                let sent = Sent::unsigned(recipe, text).signed(recipe, known, NOW).expect("it can be signed");
                prop_assert_eq!(sent.state(recipe, known, NOW), State::Valid, "{}: {:?}", &recipe.slug, &sent);

                let mut other = sent.clone();
                let at = flip.index(other.body.len());
                other.body[at] ^= 1 << bit;
                let covers_bytes = sent.look(|r| verify(recipe, r, known, NOW).covers) == hook_providers::Covers::Body;
                // Forms are signed decoded, and WorkOS signs re-written JSON: there a byte may mean nothing.
                let by_meaning = ["twilio", "plivo", "mandrill", "braintree", "workos"].contains(&recipe.slug.as_str());
                if covers_bytes && !by_meaning {
                    prop_assert_ne!(other.state(recipe, known, NOW), State::Valid, "{}: {:?}", &recipe.slug, &other);
                }
                Ok(())
            })?;
        }
    }

    /// No changed byte of a signature verifies.
    #[test]
    fn a_changed_signature_is_not_valid(flip in any::<prop::sample::Index>(), bit in 0_u8..7) {
        for recipe in signing() {
            with_secret(recipe, |known| {
                let before = Sent::unsigned(recipe, "x");
                let sent = before.clone().signed(recipe, known, NOW).expect("it can be signed");
                for n in 0..sent.headers.len() {
                    if before.headers.contains(&sent.headers[n]) {
                        continue;
                    }
                    let mut other = sent.clone();
                    // The last digits of base64 hold bits that decode to nothing; HMACs are compared as text, so there they count.
                    let decoded = recipe.signatures().all(|s| matches!(s.algorithm, "jwt" | "ed25519" | "ecdsa-p256-sha256"));
                    let at = flip.index(other.headers[n].1.len() - if decoded { 4 } else { 0 });
                    other.headers[n].1[at] ^= 1 << bit;
                    // Case of a scheme's name, of hex where the library takes both, and what is no part of the signature.
                    let name = other.headers[n].0.to_ascii_lowercase();
                    let unsigned = ["x-contentful-signed-headers", "x-hubspot-signature-version", "box-signature-version", "box-signature-algorithm"].contains(&name.as_str())
                        || name.starts_with("x-shopify-") && name != "x-shopify-hmac-sha256"
                        || other.headers[n].1.eq_ignore_ascii_case(&sent.headers[n].1);
                    if !unsigned {
                        prop_assert_ne!(other.state(recipe, known, NOW), State::Valid, "{}: {:?}", &recipe.slug, &other);
                    }
                }
                Ok(())
            })?;
        }
    }

    /// Whatever bytes come, nothing panics.
    #[test]
    fn hostile_bytes_are_looked_at_calmly(
        url in "\\PC{0,60}",
        names in prop::collection::vec("[a-zA-Z-]{1,20}", 0..4),
        value in prop::collection::vec(any::<u8>(), 0..80),
        body in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), "[\\[\\]{}\",:a0e.\\\\u-]{0,80}".prop_map(String::into_bytes)],
        now in any::<u64>(),
    ) {
        for recipe in catalog().iter() {
            with_secret(recipe, |known| {
                let known_names = ["authorization", "x-hub-signature-256", "stripe-signature", "paypal-cert-url", "content-type"];
                let headers: Vec<(&str, &[u8])> =
                    names.iter().map(String::as_str).chain(known_names).map(|n| (n, value.as_slice())).collect();
                let request = Request::new("POST", &url, &headers, &body);
                let _ = identify(catalog(), &request, None);
                let _ = verify(recipe, &request, known, now);
                let _ = sign(recipe, &request, known, now);
                let _ = answer_handshake(recipe, &request, known, now);
                let around = Around { catalog: None, ..Around::default() };
                let _ = explain(recipe, &request, known, &around, now);
            });
        }
    }
}

/// A quadratic step would take minutes here.
#[test]
fn large_hostile_requests_cost_their_length() {
    let size = 128 << 10;
    let keys: String = (0..size / 8).map(|n| format!("\"{n}\":0,")).collect();
    let bodies = [
        ("application/json", "[".repeat(size)),
        ("application/json", format!("{{{keys}\"a\":0}}")),
        ("application/json", format!("[{}\"x\"]", "[],".repeat(size / 4))),
        ("application/json", format!("\"{}\"", "\\u00e9".repeat(size / 6))),
        ("application/json", format!("{{\"notificationItems\":[{}0]}}", "{},".repeat(size / 4))),
        ("application/x-www-form-urlencoded", "a=1&".repeat(size / 4)),
        ("application/x-www-form-urlencoded", "%".repeat(size)),
        ("application/x-www-form-urlencoded", format!("payload={}", "[".repeat(size))),
    ];
    let many = "v1=00,".repeat(8 << 10);
    for (kind, body) in &bodies {
        for slug in ["stripe", "twilio", "slack", "adyen", "workos", "ms-graph"] {
            let recipe = catalog().get(slug).expect("it is shipped");
            let names = ["stripe-signature", "x-twilio-signature", "x-slack-signature", "workos-signature"];
            let mut headers: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, many.as_bytes())).collect();
            headers.push(("content-type", kind.as_bytes()));
            with_secret(recipe, |known| {
                let request = Request::new("POST", "https://hooks.example.com/in?a=1", &headers, body.as_bytes());
                let around = Around { catalog: Some(catalog()), ..Around::default() };
                let _ = identify(catalog(), &request, None);
                let found = explain(recipe, &request, known, &around, NOW);
                assert_ne!(found.verdict.state, State::Valid, "{slug}");
            });
        }
    }
}
