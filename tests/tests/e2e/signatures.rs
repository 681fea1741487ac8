//! Who sent an event, and whether it is signed right: looked at while it comes.

use hook_tests::signing::{github, now, stripe};
use hook_tests::{App, Hook, Response, request};
use serde_json::{Value, json};

const SECRET: &str = "whsec_0123456789abcdef9fQ2";
const OTHER: &str = "whsec_ffffffffffffffffffff0000";
const BODY: &str = r#"{"id":"evt_1","object":"event","type":"payment_intent.succeeded","livemode":true}"#;

fn send(url: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Response {
    let mut all: Vec<(&str, &[u8])> = vec![("Content-Type", b"application/json")];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    request("POST", url, &all, body)
}

fn send_stripe(url: &str, secret: &str, at: u64) -> Response {
    send(url, &[("Stripe-Signature", &stripe(secret, at, BODY.as_bytes()))], BODY)
}

fn verdict(event: &Value) -> &str {
    event["signature"]["verdict"].as_str().unwrap()
}

#[test]
fn every_verdict_is_found_kept_and_shown() {
    let hook = Hook::new().with_env("STRIPE_WEBHOOK_SECRET", SECRET);
    let listen = hook.listen([] as [&str; 0]);
    let url = listen.url();
    send_stripe(&url, SECRET, now());
    send_stripe(&url, SECRET, now() - 900);
    send_stripe(&url, SECRET, now() + 900);
    send_stripe(&url, OTHER, now());
    send(&url, &[("Stripe-Signature", "t=1")], BODY);
    send(&url, &[("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")], BODY);
    send(&url, &[("X-GitHub-Event", "push"), ("X-Hub-Signature-256", &github("hush", b"{}"))], "{}");
    send(&url, &[], "{}");
    let events = listen.wait_for_type("event", 8);
    let verdicts: Vec<&str> = events.iter().map(verdict).collect();
    let wanted = ["valid", "stale", "valid", "invalid", "malformed", "unsigned", "no_secret", "unchecked"];
    assert_eq!(verdicts, wanted);
    let valid = &events[0];
    assert_eq!((&valid["provider"], &valid["event_type"]), (&json!("stripe"), &json!("payment_intent.succeeded")));
    assert_eq!((&valid["provider_event_id"], &valid["live"]), (&json!("evt_1"), &json!(true)));
    let signature = &valid["signature"];
    assert_eq!((&signature["body_covered"], &signature["scheme"]), (&json!(true), &json!("hmac-sha256")));
    assert_eq!((&signature["secret"], &signature["source"]), (&json!("whsec_…9fQ2"), &json!("STRIPE_WEBHOOK_SECRET")));
    assert!((0..30).contains(&signature["age_s"].as_i64().unwrap()), "{signature}");
    assert!(events[1]["signature"]["text"].as_str().unwrap().contains("15 min old"), "{}", events[1]);
    assert!(events[2]["signature"]["clock_warning"].as_str().unwrap().contains("ahead"), "{}", events[2]);
    assert_eq!((&events[7]["provider"], &events[7]["signature"]["text"]), (&Value::Null, &Value::Null));
    // The journal has it, as it was found.
    let kept = hook.events();
    assert_eq!(kept.iter().map(verdict).collect::<Vec<_>>(), wanted);
    assert_eq!(kept[0]["signature"], *signature);
    let shown = hook.run(["show", "1"]).succeeded().stdout;
    assert!(shown.contains("✓ valid (hmac-sha256, whsec_…9fQ2 from STRIPE_WEBHOOK_SECRET, "), "{shown}");
    for text in [listen.stdout.text(), shown] {
        assert!(!text.contains(SECRET), "a secret was printed");
    }
}

#[test]
fn filters_ask_for_the_sender() {
    let (hook, app) = (Hook::new().with_env("STRIPE_WEBHOOK_SECRET", SECRET), App::new());
    let filter = ["--filter", "sig:valid type:payment_intent.*", "--until", "provider:stripe id:evt_1 status:200"];
    let listen = hook.listen([&["--forward-to", &app.url()], filter.as_slice()].concat());
    let url = listen.url();
    send_stripe(&url, OTHER, now());
    send(&url, &[("X-GitHub-Event", "push")], "{}");
    send_stripe(&url, SECRET, now());
    assert_eq!(listen.exit_code(), Some(0));
    assert_eq!((app.count(), hook.event_state(1), hook.event_state(2)), (1, "filtered".into(), "filtered".into()));
    let found = |filter: &str| {
        let events = hook.run(["events", filter, "--output", "json"]).succeeded().of_type("event");
        events.iter().map(|e| e["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((found("sig:valid"), found("sig:invalid"), found("sig:unsigned")), (vec![3], vec![1], vec![2]));
    assert_eq!((found("provider:stripe"), found("type:push"), found("id:evt_1")), (vec![3, 1], vec![2], vec![3, 1]));
}

#[test]
fn a_large_body_is_verified_from_its_parts() {
    let hook = Hook::new().with_env("STRIPE_WEBHOOK_SECRET", SECRET);
    let listen = hook.listen([] as [&str; 0]);
    let mut body = BODY.as_bytes().to_vec();
    body.resize(20 * 1024 * 1024, b' ');
    let signed = stripe(SECRET, now(), &body);
    assert_eq!(send(&listen.url(), &[("Stripe-Signature", &signed)], &body).status, 200);
    let last = body.len() - 1;
    body[last] = b'\n';
    send(&listen.url(), &[("Stripe-Signature", &signed)], &body);
    assert_eq!((verdict(&listen.event(1)), verdict(&listen.event(2))), ("valid", "invalid"));
    assert_eq!(listen.event(1)["event_type"], "payment_intent.succeeded");
}

#[test]
fn a_pinned_provider_beats_what_is_recognised() {
    let hook = Hook::new();
    let listen = hook.listen(["--provider", "stripe"]);
    send(&listen.url(), &[("X-GitHub-Event", "push")], "{}");
    let event = listen.event(1);
    assert_eq!((&event["provider"], verdict(&event)), (&json!("stripe"), "unsigned"));
    assert_eq!(listen.ready()["providers"], json!([{"name": "stripe", "secret": null, "source": null}]));
    let unknown = hook.run(["listen", "--provider", "strpe"]).ended_with(2).stderr;
    assert!(unknown.starts_with("hook: hook knows no provider \"strpe\".\nnext: hook providers "), "{unknown}");
}

#[test]
fn each_endpoint_of_a_file_has_its_own_secret() {
    let hook = Hook::new().with_env("SHOP_SECRET", SECRET);
    std::fs::write(hook.project().join(".env"), format!("BANK_SECRET={OTHER}\n")).unwrap();
    let endpoint = |name: &str, variable: &str| {
        format!("[[endpoint]]\nname = \"{name}\"\nprovider = \"stripe\"\nsecret-env = \"{variable}\"\n")
    };
    let file = endpoint("shop", "SHOP_SECRET") + &endpoint("bank", "BANK_SECRET") + &endpoint("club", "UNSET_SECRET");
    std::fs::write(hook.project().join("hook.toml"), file).unwrap();
    let listen = hook.listen([] as [&str; 0]);
    let ready = listen.wait_for_type("ready", 3);
    let known: Vec<&Value> = ready.iter().map(|r| &r["providers"][0]["source"]).collect();
    assert_eq!(known, [&json!("SHOP_SECRET"), &json!("BANK_SECRET in ./.env"), &Value::Null]);
    let urls: Vec<&str> = ready.iter().map(|r| r["public_url"].as_str().unwrap()).collect();
    for (n, (url, secret)) in
        [(urls[0], SECRET), (urls[1], SECRET), (urls[1], OTHER), (urls[2], SECRET)].iter().enumerate()
    {
        send_stripe(url, secret, now());
        listen.event(n + 1);
    }
    let verdicts: Vec<String> = listen.of_type("event").iter().map(|e| verdict(e).to_owned()).collect();
    assert_eq!(verdicts, ["valid", "invalid", "valid", "no_secret"]);
}

#[test]
fn a_token_vouches_for_no_body() {
    let hook = Hook::new().with_env("GITLAB_WEBHOOK_SECRET", "a-token-of-gitlab");
    let listen = hook.listen([] as [&str; 0]);
    send(&listen.url(), &[("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", "a-token-of-gitlab")], "{}");
    let event = listen.event(1);
    assert_eq!((verdict(&event), &event["signature"]["body_covered"]), ("valid", &json!(false)));
    let shown = hook.run(["show", "1"]).succeeded().stdout;
    assert!(shown.contains("it does not cover the body"), "{shown}");
}
