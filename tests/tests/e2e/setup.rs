//! `hook setup`: from a URL to the first event that verifies.

use hook_tests::signing::{hmac_sha256, now, send_stripe};
use hook_tests::{Hook, Process, Relay, post, request, wait_for};

const SECRET: &str = "whsec_0123456789abcdef";
const BODY: &str = r#"{"id":"evt_1","object":"event","type":"charge.failed"}"#;

fn with_secret() -> Hook {
    Hook::new().with_env("STRIPE_WEBHOOK_SECRET", SECRET)
}

/// `hook setup …`, as soon as it waits.
#[track_caller]
fn waiting(hook: &Hook, args: &[&str]) -> Process {
    let setup = hook.spawn([&["setup"], args].concat());
    wait_for("setup to wait", || setup.stderr.text().contains("Waiting for the first event").then_some(()));
    setup
}

#[test]
fn without_an_endpoint_it_says_what_to_type() {
    let hook = with_secret();
    let said = hook.run(["setup", "stripe"]).ended_with(1);
    assert!(
        said.stderr.contains("next: hook listen --forward-to localhost:3000/webhooks/stripe --provider stripe"),
        "{said:?}"
    );
    let said = hook.run(["setup", "strip"]).ended_with(2);
    assert!(said.stderr.contains("near it:") && said.stderr.contains(" stripe"), "{said:?}");
    let listen = hook.listen([] as [&str; 0]);
    listen.ready();
    let said = hook.run(["setup", "stripe", "--name", "other"]).ended_with(1);
    assert!(said.stderr.contains("no endpoint \"other\"") && said.stderr.contains("--name other"), "{said:?}");
}

#[test]
fn the_first_event_is_recognised_signed_and_valid() {
    let hook = with_secret();
    let listen = hook.listen([] as [&str; 0]);
    let url = listen.url();
    post(&url, "{}");
    listen.event(1);
    let setup = waiting(&hook, &["stripe"]);
    // What is of nobody is told, and does not count.
    post(&url, "{}");
    wait_for("word of the other event", || setup.stderr.text().contains("#2 is of no provider").then_some(()));
    // Nor does what hook itself sends.
    hook.run(["trigger", "stripe", "payment_intent.succeeded"]);
    let own = "#3 is hook's own, of hook trigger: Stripe did not call yet; waiting goes on.";
    wait_for("word of hook's own event", || setup.stderr.text().contains(own).then_some(()));
    send_stripe(&url, SECRET, now(), BODY);
    let said = setup.output().succeeded();
    assert!(said.stdout.contains("https://dashboard.stripe.com/webhooks"), "{said:?}");
    assert!(said.stdout.contains(&format!("As endpoint URL enter {url}")), "{said:?}");
    for line in ["✓ recognised  #4 charge.failed of Stripe", "✓ signed      hmac-sha256", "✓ valid       signed with"]
    {
        assert!(said.stdout.contains(line), "{line} in {}", said.stdout);
    }
    // Nobody should follow the steps before they know.
    let before = said.stdout.split("  Open  ").next().unwrap();
    assert!(
        before.starts_with(&format!("Stripe cannot call {url}: only this machine reaches it.\nnext: ")),
        "{said:?}"
    );
    assert!(before.contains("hook listen --relay https://YOUR-RELAY --provider stripe"), "{said:?}");
    assert!(
        said.stderr.contains("Secret: whsec_…cdef (STRIPE_WEBHOOK_SECRET)") && !said.stderr.contains(SECRET),
        "{said:?}"
    );
}

#[test]
fn an_event_that_is_not_right_comes_with_its_reason_and_the_next_step() {
    let hook = with_secret();
    let listen = hook.listen(["--provider", "stripe"]);
    listen.ready();
    let setup = waiting(&hook, &["stripe"]);
    // Anybody can send what is not signed.
    post(&listen.url(), "{}");
    let unsigned = "#1 is unsigned: no Stripe-Signature header: anyone can send this, and Stripe signs what it sends; waiting goes on.";
    wait_for("word of the unsigned one", || setup.stderr.text().contains(unsigned).then_some(()));
    send_stripe(&listen.url(), "whsec_of_another_endpoint", now(), BODY);
    let said = setup.output().ended_with(1);
    assert!(
        said.stdout.contains("✓ signed") && said.stdout.contains("✗ valid       matches none of the secrets"),
        "{said:?}"
    );
    assert!(said.stderr.contains("\nnext: "), "{said:?}");
}

#[test]
fn a_handshake_is_not_the_first_event() {
    let hook = Hook::new().with_env("SLACK_SIGNING_SECRET", "8f742231b10e8888abcd99yyyzzz85a5");
    let listen = hook.listen(["--provider", "slack"]);
    listen.ready();
    let setup = waiting(&hook, &["slack"]);
    post(&listen.url(), r#"{"type":"url_verification","challenge":"abc"}"#);
    wait_for("word of the handshake", || setup.stderr.text().contains("(a handshake)").then_some(()));
    let (at, body) =
        (now().to_string(), r#"{"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention"}}"#);
    let signed = hmac_sha256(b"8f742231b10e8888abcd99yyyzzz85a5", format!("v0:{at}:{body}").as_bytes());
    let signed = format!("v0={signed}");
    let fields: [(&str, &[u8]); 2] =
        [("X-Slack-Signature", signed.as_bytes()), ("X-Slack-Request-Timestamp", at.as_bytes())];
    request("POST", &listen.url(), &fields, body);
    assert!(setup.output().succeeded().stdout.contains("✓ valid"));
}

#[test]
fn a_secret_that_is_set_meanwhile_counts() {
    let hook = Hook::new();
    let listen = hook.listen([] as [&str; 0]);
    listen.ready();
    let setup = waiting(&hook, &["stripe"]);
    assert!(setup.stderr.text().contains("next: hook secret set"), "{}", setup.stderr.text());
    hook.run_with_stdin(["secret", "set", "stripe"], SECRET.as_bytes()).succeeded();
    send_stripe(&listen.url(), SECRET, now(), BODY);
    assert!(setup.output().succeeded().stdout.contains("(hook secret set)"));
}

#[test]
fn it_waits_no_longer_than_it_is_told() {
    let (relay, hook) = (Relay::start(), with_secret());
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop"]);
    let other = hook.listen(["--relay", &relay.url(), "--name", "test"]);
    listen.ready();
    other.ready();
    let several = hook.run(["setup", "stripe"]).ended_with(2);
    assert!(
        several.stderr.contains("2 endpoints") && several.stderr.contains("next: hook setup stripe --name "),
        "{several:?}"
    );
    let said = hook.run(["setup", "stripe", "--name", "test", "--timeout-after", "50ms"]).ended_with(1);
    assert!(said.stdout.contains(&relay.at("test")), "{said:?}");
    assert!(said.stderr.contains("no event of Stripe came within 50 ms"), "{said:?}");
}

#[test]
fn the_url_is_one_that_reaches_the_providers_target() {
    let hook = with_secret();
    let listen = hook.listen(["--forward-to", "/github=3001", "--forward-to", "/stripe=3002"]);
    let url = listen.url();
    let said = hook.run(["setup", "stripe", "--timeout-after", "10ms"]).ended_with(1);
    assert!(said.stdout.contains(&format!("enter {url}/stripe\n")), "{said:?}");
    assert!(!hook.home().join("config/hook/secrets.toml").exists(), "nothing is kept that nobody typed");
}
