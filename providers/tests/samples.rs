//! Every type of every provider is made, recognised, signed and verified.

use std::collections::HashSet;
use std::sync::OnceLock;

use hook_providers::sample::{self, Made, Options, SampleError};
use hook_providers::{Catalog, Known, Recipe, Request, Secret, State, identify, new_secret, sign, verify};
use serde_json::Value;

const NOW: u64 = 1_780_000_000_123;
const URL: &str = "https://hooks.example.com/in/abc";
const SEEDS: [u64; 3] = [0, 1, u64::MAX];

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(Catalog::shipped)
}

fn recipe(slug: &str) -> &'static Recipe {
    catalog().get(slug).unwrap_or_else(|| panic!("there is no recipe {slug}"))
}

fn attempt(slug: &str, name: &str, seed: u64, set: &[(&str, &str)]) -> Result<Made, SampleError> {
    sample::make(recipe(slug), name, &Options { seed, now_ms: NOW, ids_ms: NOW, set, url: URL })
}

fn made(slug: &str, name: &str, seed: u64, set: &[(&str, &str)]) -> Made {
    attempt(slug, name, seed, set).unwrap_or_else(|error| panic!("{slug} {name}: {error}"))
}

fn json(made: &Made) -> Value {
    serde_json::from_slice(&made.body).unwrap_or_else(|error| panic!("{error}: {}", text(made)))
}

fn text(made: &Made) -> String {
    String::from_utf8(made.body.clone()).expect("bodies are text")
}

fn form(made: &Made) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let bytes: Vec<u8> = text.bytes().collect();
        let mut out = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'%' => {
                    out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).expect("two hex digits"));
                    at += 2;
                }
                other => out.push(other),
            }
            at += 1;
        }
        String::from_utf8(out).expect("fields are text")
    };
    let body = text(made);
    body.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (decoded(k), decoded(v))).collect()
}

fn field(made: &Made, name: &str) -> Option<String> {
    form(made).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn header<'m>(made: &'m Made, name: &str) -> &'m str {
    let found = made.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or("", |(_, value)| value)
}

/// All types, with the recipes that they are of.
fn all() -> impl Iterator<Item = (&'static Recipe, String)> {
    catalog().iter().flat_map(|recipe| sample::types(recipe).into_iter().map(move |kind| (recipe, kind.name)))
}

#[test]
fn there_are_samples_of_every_provider() {
    let least = [("github", 30), ("stripe", 60), ("shopify", 25), ("slack", 12), ("twilio", 8)];
    for recipe in catalog().iter() {
        let slug = recipe.slug.as_str();
        let wanted = least.iter().find(|(name, _)| *name == slug).map_or(3, |(_, count)| *count);
        let types = sample::types(recipe);
        assert!(types.len() >= wanted, "{slug} has {} samples, {wanted} are wanted", types.len());
        let names: Vec<&String> = types.iter().flat_map(|kind| std::iter::once(&kind.name).chain(&kind.also)).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{slug} has a name twice");
        for kind in &types {
            let about = &kind.about;
            assert!(!about.is_empty() && about.len() < 80 && !about.ends_with('.'), "{slug} {}: {about}", kind.name);
        }
    }
}

#[test]
fn every_sample_is_recognised_as_what_it_is() {
    for (recipe, name) in all() {
        for seed in SEEDS {
            let made = made(&recipe.slug, &name, seed, &[]);
            let what = format!("{} {name} of seed {seed}", recipe.slug);
            let sent = Sent::of(recipe, &made);
            sent.look(&made.method, |request| {
                // Plaid is known by its signature alone, which nobody but Plaid can make.
                let pinned = (recipe.slug == "plaid").then_some(recipe);
                let found = identify(catalog(), request, pinned);
                assert_eq!(found.recipe.map(|r| r.slug.as_str()), Some(recipe.slug.as_str()), "{what}");
                assert!(found.also.is_empty(), "{what} may be {:?} too", found.also[0].slug);
                assert_eq!(found.event.full_type().unwrap_or_default(), made.event, "{what}");
                assert_ne!(found.event.live, Some(true), "{what} says that it is live");
            });
        }
    }
}

#[test]
fn every_sample_that_can_be_signed_verifies() {
    let mut unsigned = HashSet::new();
    for (recipe, name) in all() {
        let Some(secret) = new_secret(recipe, [0x5e; 32]).filter(|_| recipe.can_sign()) else {
            unsigned.insert(recipe.slug.as_str());
            continue;
        };
        let made = made(&recipe.slug, &name, 7, &[]);
        let sent = Sent::of(recipe, &made);
        let secrets = [Secret { label: "new", value: &secret.for_app }];
        let known = Known { secrets: &secrets, params: &PARAMS, live_keys: &[] };
        let verdict = sent.look(&made.method, |request| verify(recipe, request, &known, NOW));
        assert_eq!(verdict.state, State::Valid, "{} {name}: {}", recipe.slug, verdict.reason);
    }
    assert_eq!(unsigned, HashSet::from(["aws-sns", "paypal", "plaid", "strava", "wise"]));
}

const PARAMS: [(&str, &str); 2] = [("key", "app-key"), ("api_key", "APIkey")];

/// A sample after it was signed, where it can be.
struct Sent {
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Sent {
    fn of(recipe: &Recipe, made: &Made) -> Sent {
        let headers = made.headers.iter().map(|(n, v)| (n.clone(), v.clone().into_bytes())).collect();
        let sent = Sent { url: made.url.clone(), headers, body: made.body.clone() };
        let Some(secret) = new_secret(recipe, [0x5e; 32]).filter(|_| recipe.can_sign()) else { return sent };
        let secrets = [Secret { label: "new", value: &secret.secret }];
        let known = Known { secrets: &secrets, params: &PARAMS, live_keys: &[] };
        sent.look(&made.method, |request| {
            let signed = sign(recipe, request, &known, NOW).unwrap_or_else(|e| panic!("{} {made:?}: {e}", recipe.slug));
            let headers = signed.apply(request.headers);
            let (url, body) = (signed.url.unwrap_or_else(|| sent.url.clone()), signed.body);
            Sent { url, headers, body: body.unwrap_or_else(|| sent.body.clone()) }
        })
    }

    fn look<T>(&self, method: &str, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        look(&Request::new(method, &self.url, &headers, &self.body))
    }
}

#[test]
fn a_seed_repeats_exactly_and_another_differs() {
    for (recipe, name) in all() {
        let first = made(&recipe.slug, &name, 42, &[]);
        assert_eq!(first, made(&recipe.slug, &name, 42, &[]), "{} {name}", recipe.slug);
        let other = made(&recipe.slug, &name, 43, &[]);
        assert_ne!(
            (&first.body, &first.url, &first.headers),
            (&other.body, &other.url, &other.headers),
            "{} {name}",
            recipe.slug
        );
    }
}

#[test]
fn bodies_are_what_their_content_type_says_and_no_template_is_left() {
    for (recipe, name) in all() {
        let made = made(&recipe.slug, &name, 3, &[]);
        let what = format!("{} {name}", recipe.slug);
        if header(&made, "content-type") == "application/x-www-form-urlencoded" {
            assert!(!form(&made).is_empty(), "{what}");
        } else if header(&made, "content-type").ends_with("xml") {
            assert!(made.body.starts_with(b"<?xml"), "{what}");
        } else {
            let body = json(&made);
            assert!(body.is_object() || body.is_array(), "{what}");
        }
        let all = format!("{} {} {:?}", text(&made), made.url, made.headers);
        for left in ["undefined", "{type}", "{now}", "$(", "TODO", "None"] {
            assert!(!all.contains(left), "{what} still has {left}");
        }
        for (name, value) in &made.headers {
            assert!(value.bytes().all(|b| (b' '..0x7f).contains(&b)), "{what}: {name}: {value}");
        }
    }
}

/// Nobody but us may get mail or calls because of a sample.
#[test]
fn addresses_are_of_example_domains() {
    for (recipe, name) in all() {
        let made = made(&recipe.slug, &name, 11, &[]);
        let body = text(&made).replace("%40", "@");
        for (at, _) in body.match_indices('@') {
            let domain: String =
                body[at + 1..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
            let address = domain.contains('.') && body[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            let own = ["example.com", "example.org", "github.com", "gitlab.com", "email.amazonses.com"];
            let fine = own.contains(&domain.as_str())
                || domain.ends_with(".example")
                || domain.ends_with(".example.com")
                || domain.starts_with("geopod");
            assert!(!address || fine || domain.ends_with(".api.openai.com"), "{} {name}: {domain}", recipe.slug);
        }
    }
}

#[test]
fn the_promised_names_carry_what_a_handler_reads() {
    let paid = json(&made("stripe", "payment_intent.succeeded", 1, &[]));
    let object = &paid["data"]["object"];
    assert_eq!((&object["status"], &object["amount_received"]), (&"succeeded".into(), &object["amount"]));
    assert!(object["id"].as_str().is_some_and(|id| id.starts_with("pi_3") && id.len() == 27));
    assert_eq!(paid["livemode"], false);
    let failed = json(&made("stripe", "payment_intent.payment_failed", 1, &[]));
    assert_eq!(failed["data"]["object"]["last_payment_error"]["code"], "card_declined");
    let ended = json(&made("stripe", "customer.subscription.deleted", 1, &[]));
    assert_eq!(ended["data"]["object"]["status"], "canceled");
    assert!(ended["data"]["object"]["items"]["data"][0]["price"]["id"].is_string());

    let push = made("github", "push", 1, &[]);
    assert_eq!((header(&push, "x-github-event"), header(&push, "x-github-delivery").len()), ("push", 36));
    let push = json(&push);
    assert!(push["ref"].as_str().is_some_and(|r| r.starts_with("refs/heads/")));
    assert!(push["commits"][0]["modified"][0].is_string() && push["pusher"]["name"].is_string());

    let order = made("shopify", "orders/create", 1, &[]);
    assert_eq!(header(&order, "x-shopify-topic"), "orders/create");
    let order = json(&order);
    for path in [
        "/line_items/0/price",
        "/line_items/0/quantity",
        "/customer/email",
        "/shipping_address/city",
        "/financial_status",
        "/total_price",
    ] {
        assert!(order.pointer(path).is_some_and(|value| !value.is_null()), "{path}");
    }

    for name in ["IncomingMessage", "message"] {
        let sms = made("twilio", name, 1, &[]);
        for name in
            ["From", "To", "Body", "MessageSid", "SmsSid", "AccountSid", "NumMedia", "NumSegments", "ApiVersion"]
        {
            assert!(field(&sms, name).is_some_and(|value| !value.is_empty()), "{name}");
        }
        assert!(field(&sms, "MessageSid").is_some_and(|sid| sid.len() == 34 && sid.starts_with("SM")));
    }

    let command = made("slack", "command", 1, &[("command", "/ship"), ("text", "staging")]);
    assert_eq!(field(&command, "command").as_deref(), Some("/ship"));
    assert_eq!(field(&command, "text").as_deref(), Some("staging"));
    assert!(field(&command, "response_url").is_some() && field(&command, "trigger_id").is_some());
    let mention = json(&made("slack", "app_mention", 1, &[]));
    assert!(mention["event"]["text"].as_str().is_some_and(|text| text.starts_with("<@U")));
    assert!(mention["event_id"].as_str().is_some_and(|id| id.starts_with("Ev")));

    let upgraded = json(&made("standard-webhooks", "user.upgraded", 1, &[]));
    assert_eq!(upgraded["type"], "user.upgraded");
    assert!(upgraded["data"]["email"].as_str().is_some_and(|email| email.ends_with("@example.com")));
}

#[test]
fn what_belongs_together_agrees() {
    for seed in 0..20 {
        let get = |slug, name| json(&made(slug, name, seed, &[]));
        let paid = get("stripe", "payment_intent.succeeded");
        let charge = get("stripe", "charge.succeeded");
        let (intent, charge) = (&paid["data"]["object"], &charge["data"]["object"]);
        // One seed is one story: the charge is the one that paid the intent. The events have ids of their own.
        assert_eq!((&charge["payment_intent"], &charge["id"]), (&intent["id"], &intent["latest_charge"]));
        assert_eq!((&charge["customer"], &charge["amount"]), (&intent["customer"], &intent["amount"]));
        assert_ne!(paid["id"], get("stripe", "charge.succeeded")["id"]);
        let invoice = get("stripe", "invoice.paid");
        let invoice = &invoice["data"]["object"];
        assert_eq!(invoice["lines"]["data"][0]["invoice"], invoice["id"]);

        let push = get("github", "push");
        let last = push["commits"].as_array().and_then(|commits| commits.last()).expect("there are commits");
        assert_eq!((&push["after"], &push["head_commit"]["id"]), (&last["id"], &last["id"]));
        assert_eq!(push["repository"]["owner"]["login"], push["organization"]["login"]);
        assert_eq!(push["sender"]["login"], push["pusher"]["name"]);
        let opened = get("github", "pull_request.opened");
        assert_eq!(opened["number"], opened["pull_request"]["number"]);
        assert_eq!(opened["pull_request"]["base"]["repo"]["id"], opened["repository"]["id"]);

        let order = get("shopify", "orders/create");
        let cents =
            |value: &Value| value.as_str().and_then(|t| t.replace('.', "").parse::<i64>().ok()).expect("a price");
        let lines = order["line_items"].as_array().expect("line items");
        let sum: i64 = lines.iter().map(|l| cents(&l["price"]) * l["quantity"].as_i64().expect("a quantity")).sum();
        assert_eq!(cents(&order["subtotal_price"]), sum);
        let shipping = cents(&order["total_shipping_price_set"]["shop_money"]["amount"]);
        assert_eq!(cents(&order["total_price"]), sum + cents(&order["total_tax"]) + shipping);
        assert_eq!(order["customer"]["email"], order["contact_email"]);
        assert_eq!(
            order["admin_graphql_api_id"].as_str().map(str::to_owned),
            Some(format!("gid://shopify/Order/{}", order["id"]))
        );
        assert_eq!(get("shopify", "fulfillments/create")["order_id"], order["id"]);

        let sms = made("twilio", "IncomingMessage", seed, &[]);
        assert_eq!(field(&sms, "MessageSid"), field(&sms, "SmsMessageSid"));
        let mention = get("slack", "app_mention");
        assert_eq!(mention["event"]["user"].as_str().map(|id| id.starts_with('U')), Some(true));
        assert_eq!(mention["authorizations"][0]["team_id"], mention["team_id"]);
        assert_eq!(mention["event"]["ts"], mention["event"]["event_ts"]);
    }
}

#[test]
fn a_value_is_set_by_its_path() {
    let body = json(&made(
        "stripe",
        "payment_intent.succeeded",
        1,
        &[
            ("data.object.amount", "4200"),
            ("data.object.currency", "eur"),
            ("data.object.metadata.order_id", "6735"),
            ("data.object.payment_method_types.0", "ideal"),
            ("data.object.customer", "cus_mine"),
        ],
    ));
    let object = &body["data"]["object"];
    assert_eq!((&object["amount"], &object["currency"]), (&4200.into(), &"eur".into()));
    assert_eq!((&object["metadata"]["order_id"], &object["payment_method_types"][0]), (&6735.into(), &"ideal".into()));
    assert_eq!(object["customer"], "cus_mine");
    let pressed = made("slack", "block_actions", 1, &[("payload.actions.0.value", "reject")]);
    let payload: Value = serde_json::from_str(&field(&pressed, "payload").expect("a payload")).expect("it is JSON");
    assert_eq!(payload["actions"][0]["value"], "reject");
    let sms = made("twilio", "message", 1, &[("NumMedia", "2"), ("Body", "a & b=c")]);
    assert_eq!((field(&sms, "NumMedia").as_deref(), field(&sms, "Body").as_deref()), (Some("2"), Some("a & b=c")));
}

#[test]
fn a_path_that_does_not_exist_names_near_ones() {
    let near = |slug, name, path| match attempt(slug, name, 1, &[(path, "1")]) {
        Err(SampleError::NoPath { near, .. }) => near.first().cloned().unwrap_or_default(),
        other => panic!("{other:?}"),
    };
    assert_eq!(near("stripe", "payment_intent.succeeded", "data.object.amout"), "data.object.amount");
    assert_eq!(near("stripe", "payment_intent.succeeded", "object.amount"), "data.object.amount");
    assert_eq!(near("slack", "command", "comand"), "command");
    assert_eq!(near("shopify", "orders/create", "line_items.0.prise"), "line_items.0.price");
    let error = attempt("slack", "command", 1, &[("comand", "/x")]).expect_err("there is no such field");
    assert_eq!(error.to_string(), "\"comand\" is not in this event");
}

#[test]
fn an_unknown_name_lists_near_ones() {
    let near = |slug: &str, name: &str| sample::near(recipe(slug), name).first().cloned().unwrap_or_default();
    assert_eq!(near("stripe", "payment_intent.suceeded"), "payment_intent.succeeded");
    assert_eq!(near("stripe", "subscription.deleted"), "customer.subscription.deleted");
    assert_eq!(near("github", "pull_request_opened"), "pull_request.opened");
    assert!(near("github", "pull_request").starts_with("pull_request."));
    assert_eq!(near("shopify", "order/create"), "orders/create");
    assert_eq!(near("twilio", "incomingmessage"), "IncomingMessage");
    assert!(sample::near(recipe("slack"), "qqqqqq").is_empty());
    let error = attempt("stripe", "payment_intent.suceeded", 1, &[]).expect_err("there is no such type");
    assert_eq!(error.to_string(), "Stripe has no sample \"payment_intent.suceeded\"");
}

#[test]
fn a_recipe_of_somebody_else_has_no_samples() {
    let text = hook_providers::shipped_text("stripe").expect("it is shipped");
    let own = Recipe::parse("acme", text).expect("it is a recipe");
    assert!(sample::types(&own).is_empty() && sample::near(&own, "x").is_empty());
    let options = Options { seed: 1, now_ms: NOW, ids_ms: NOW, set: &[], url: URL };
    let error = sample::make(&own, "x", &options).expect_err("there are none");
    assert_eq!(error.to_string(), "hook has no samples of acme");
}
