//! What an app's answer says of a signature depends on what the attempt carried: the one that came, hook's own, or a forged one.

use hook_tests::signing::{github, now, send_stripe, stripe};
use hook_tests::{Answer, App, Hook, Listen, request};
use serde_json::Value;

use super::autopsy::{codes, explained};

const SECRET: &str = "whsec_test_8hFq2LwZ0aPn4Rk1";
const EVENT: &str = r#"{"id":"evt_1","object":"event","type":"charge.failed","livemode":false}"#;

/// An app that takes what Stripe's libraries take.
fn verifying() -> App {
    let app = App::new();
    app.answers_with(move |request| {
        let header = request.header("stripe-signature").unwrap_or_default();
        let at = header.strip_prefix("t=").and_then(|h| h.split(',').next()?.parse().ok()).unwrap_or(0);
        let fits = header == stripe(SECRET, at, &request.body) && now().abs_diff(at) <= 300;
        Answer::status(if fits { "200 OK" } else { "400 Bad Request" })
    });
    app
}

fn listening(app: &App) -> (Hook, Listen) {
    let hook = Hook::new().with_env("STRIPE_WEBHOOK_SECRET", SECRET);
    let listen = hook.listen(["--forward-to", &app.at("/in")]);
    listen.ready();
    (hook, listen)
}

fn text(hook: &Hook) -> String {
    hook.run(["explain", "1"]).succeeded().stdout
}

#[test]
fn what_hook_signed_says_nothing_of_what_came() {
    for (secret, age, again) in [(SECRET, 900, &[][..]), ("whsec_of_another_endpoint_1", 0, &["--resign"])] {
        let app = verifying();
        let (hook, listen) = listening(&app);
        send_stripe(&listen.url(), secret, now() - age, EVENT);
        listen.attempt(1);
        assert_eq!(codes(&explained(&hook, 1)), [] as [&str; 0], "it was right to refuse it");
        let replay = hook.run(["replay", "1"].iter().chain(again)).succeeded();
        assert!(replay.stdout.contains("↻ re-signed ✓"), "the new signature is right: {}", replay.stdout);
        let found = explained(&hook, 1);
        assert_eq!(codes(&found), [] as [&str; 0], "{found}");
        let app = &found["app"];
        assert_eq!((&app["attempt"], &app["resigned"], &app["forged"]), (&2.into(), &true.into(), &Value::Null));
        let text = text(&hook);
        for words in [
            "(attempt 2, replay, re-signed, ",
            "hook signed it anew: the answer says nothing",
            "as it came it got 400 (attempt 1)",
        ] {
            assert!(text.contains(words), "no \"{words}\" in\n{text}");
        }
        assert!(!text.contains("all the same"), "{text}");
    }
}

#[test]
fn a_forged_one_that_is_refused_is_no_refusal_of_the_event() {
    let app = verifying();
    let (hook, listen) = listening(&app);
    send_stripe(&listen.url(), SECRET, now(), EVENT);
    listen.attempt(1);
    let replay = hook.run(["replay", "1", "--tamper", "body"]).succeeded();
    assert!(replay.stdout.contains("↻ forged body ✗"), "{}", replay.stdout);
    let found = explained(&hook, 1);
    assert_eq!((codes(&found), &found["fix"]), (vec![], &Value::Null), "{found}");
    assert_eq!((&found["app"]["attempt"], &found["app"]["refused"]), (&1.into(), &false.into()));
    let text = text(&hook);
    assert!(text.contains("attempt 2 was forged, and your app refused it, as it should"), "{text}");
    assert!(!text.contains("parsed") && !text.contains("Fix"), "{text}");
    // One that takes it does not verify, whatever else it took.
    app.answers(Answer::ok("ok"));
    hook.run(["replay", "1", "--tamper", "body"]).ended_with(1);
    let found = explained(&hook, 1);
    assert_eq!(codes(&found), ["taken_forged"], "{found}");
    assert_eq!(found["causes"][0]["text"], "your app took a forged body: it does not verify (attempt 3)");
}

#[test]
fn what_hook_signed_and_the_app_refuses_is_the_apps_doing() {
    let app = App::answering(Answer::status("400 Bad Request").body("signature mismatch"));
    let (hook, listen) = listening(&app);
    send_stripe(&listen.url(), SECRET, now() - 900, EVENT);
    listen.attempt(1);
    hook.run(["replay", "1"]).ended_with(1);
    let found = explained(&hook, 1);
    assert_eq!(found["verdict"], "stale");
    assert!(codes(&found).contains(&"other_secret"), "{found}");
    let text = text(&hook);
    assert!(text.contains("hook signed it anew, but your app refused it all the same"), "{text}");
}

#[test]
fn an_app_that_takes_what_is_wrong_is_told_of_with_each_event() {
    let app = App::answering(Answer::ok("ok"));
    let (hook, listen) = listening(&app);
    let next = |n: usize| listen.attempt(n)["next"].clone();
    send_stripe(&listen.url(), SECRET, now(), EVENT);
    assert_eq!(next(1), Value::Null);
    send_stripe(&listen.url(), "whsec_of_another_endpoint_1", now(), EVENT);
    assert_eq!(next(2), "hook explain 2");
    send_stripe(&listen.url(), SECRET, now() - 900, EVENT);
    assert_eq!(next(3), "hook explain 3");
    request("POST", &listen.url(), &[("Content-Type", b"application/json"), ("X-GitHub-Event", b"push")], EVENT);
    assert_eq!(next(4), "hook explain 4");
    assert_eq!(codes(&explained(&hook, 3)), ["taken_unverified"]);
    // hook's own signature is right.
    let line = hook.run(["replay", "3"]).succeeded();
    assert!(!line.stderr.contains("next:"), "{}", line.stderr);
    // What it took before still says so.
    assert_eq!(codes(&explained(&hook, 3)), ["taken_unverified"]);
}

#[test]
fn an_older_header_that_verifies_is_named() {
    // HMAC-SHA1 of `{}` with the key `key`, by openssl.
    let hook = Hook::new().with_env("S", "key");
    let older = "X-Hub-Signature: sha1=c9963b837183dc667106461b3de91d0885f539b3";
    let found = hook.run([
        "verify",
        "--secret-env",
        "S",
        "--header",
        "X-GitHub-Event: push",
        "--header",
        older,
        "--body",
        "{}",
    ]);
    let found = found.ended_with(1);
    let says =
        "no X-Hub-Signature-256 header, only the older X-Hub-Signature with SHA-1, which verifies: signed with github";
    assert!(found.stdout.contains(says) && !found.stdout.contains("nyone can send"), "{}", found.stdout);
}

#[test]
fn a_recipe_that_was_left_out_is_told_where_nobody_is_recognised() {
    let hook = Hook::new();
    let own = hook.project().join(".hook/providers");
    std::fs::create_dir_all(&own).unwrap();
    for (command, code) in [("verify", 1), ("explain", 0)] {
        let args = [command, "--header", "X-Acme-Signature: 00", "--body", "{}"];
        let said = || hook.run(args).ended_with(code).stdout;
        let _ = std::fs::remove_file(own.join("acme.toml"));
        assert!(!said().contains("left out"), "{}", said());
        std::fs::write(own.join("acme.toml"), "name = 1\n").unwrap();
        let said = said();
        assert!(said.contains("; a recipe was left out: ") && said.contains("/acme.toml line 1: "), "{said}");
    }
}

#[test]
fn only_of_what_is_signed_other_forms_are_spoken_of() {
    let hook = Hook::new().with_env("S", "another_secret_0123456789");
    let says = |args: &[&str]| hook.run([&["verify", "--secret-env", "S"], args].concat()).ended_with(1).stdout;
    let signature = format!("X-Hub-Signature-256: {}", github("x", b"{}"));
    let body = says(&["--provider", "github", "--header", &signature, "--body", "{}"]);
    assert!(body.contains("nor any known re-formatting of the body. Most"), "{body}");
    let token = says(&["--provider", "telegram", "--header", "X-Telegram-Bot-Api-Secret-Token: x", "--body", "{}"]);
    assert!(token.contains("_…6789). Most") && !token.contains("re-formatting"), "{token}");
}
