//! A provider asks its endpoint a question: the app hears it first, and hook answers when the app does not.

use hook_tests::{Answer, App, Gate, Hook, Listen, Response, request, wait_for};
use serde_json::Value;

const QUESTION: &str = r#"{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRN"}"#;
const SLACK: [(&str, &[u8]); 2] = [("User-Agent", b"Slackbot 1.0"), ("Content-Type", b"application/json")];

fn ask(listen: &Listen) -> Response {
    request("POST", &listen.url(), &SLACK, QUESTION)
}

#[track_caller]
fn assert_by_hook(reply: &Response) {
    assert_eq!((reply.status, reply.text().as_str()), (200, "3eZbrw1aBm2rZgRN"));
    assert_eq!(reply.header("hook-status").as_deref(), Some("handshake"));
}

#[test]
fn the_app_answers_first() {
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("its own")));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let reply = ask(&listen);
    assert_eq!((reply.text().as_str(), reply.header("hook-status")), ("its own", None));
    listen.attempt(1);
    assert_eq!(hook.event_state(1), "ended");
}

#[test]
fn hook_answers_for_an_app_that_refuses_it() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("404 Not Found").body("no such route")));
    let listen = hook.listen(["--forward-to", &app.url()]);
    assert_by_hook(&ask(&listen));
    let attempt = listen.attempt(1);
    assert_eq!((&attempt["status"], &attempt["sender"]["success"]), (&404.into(), &true.into()));
    assert_eq!(attempt["sender"]["text"], "slack asked for a handshake, and got hook's answer (200)");
    assert_eq!((app.count(), hook.event_state(1)), (1, "handshake".into()));
    // What is no question hears the app.
    let reply = request("POST", &listen.url(), &SLACK, r#"{"type":"event_callback"}"#);
    assert_eq!((reply.status, reply.text().as_str()), (404, "no such route"));
}

#[test]
fn hook_answers_for_an_app_that_is_down() {
    for more in [None, Some("--hold")] {
        let (hook, app) = (Hook::new(), App::stopped());
        let at = app.url();
        let listen = hook.listen(["--forward-to", &at].into_iter().chain(more));
        assert_by_hook(&ask(&listen));
        assert_eq!(listen.attempt(1)["error"], "connection_refused");
        assert_eq!((hook.event_state(1), hook.owed()), ("handshake".into(), 0));
        // Nobody owes the app an answered question.
        app.start();
        request("POST", &listen.url(), &[], "{}");
        assert_eq!(app.requests().iter().map(|r| r.body.clone()).collect::<Vec<_>>(), [b"{}"]);
    }
}

#[test]
fn hook_answers_for_an_app_that_is_slow_and_one_that_breaks_off() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("late").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url(), "--reply-within", "100ms"]);
    assert_by_hook(&ask(&listen));
    let slow = listen.wait_for("`slow`", |r| r["code"] == "slow");
    assert!(slow["message"].as_str().unwrap().contains("it got hook's answer to its handshake"), "{slow}");
    gate.open();
    listen.attempt(1);
    assert_eq!(hook.event_state(1), "ended");
    app.answers(Answer::close());
    assert_by_hook(&ask(&listen));
    assert_eq!(listen.attempt(2)["error"], "closed");
}

#[test]
fn hook_answers_when_there_is_no_app_or_it_is_not_asked() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--name", "none"]);
    assert_by_hook(&ask(&listen));
    assert_eq!((listen.event(1)["state"].clone(), app.count()), ("handshake".into(), 0));
    listen.bye();
    let listen = hook.listen(["--name", "filtered", "--forward-to", &app.url(), "--filter", "path:/paid"]);
    assert_by_hook(&ask(&listen));
    assert_eq!((listen.event(1)["state"].clone(), app.count()), ("handshake".into(), 0));
    listen.bye();
    let listen = hook.listen(["--name", "at-once", "--forward-to", &app.url(), "--respond", "202"]);
    assert_by_hook(&ask(&listen));
    app.request(1);
}

#[test]
fn a_probe_with_a_wrong_signature_is_refused() {
    let key = "cabed9623962d65d7d45f7488629701b3d1d46aeca9f53934b83570d262ea233";
    let (hook, app) = (Hook::new().with_env("DISCORD_PUBLIC_KEY", key), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url()]);
    let fields: [(&str, &[u8]); 2] = [("X-Signature-Ed25519", &[b'0'; 128]), ("X-Signature-Timestamp", b"1780000000")];
    let reply = request("POST", &listen.url(), &fields, r#"{"type":1,"application_id":"1","id":"2"}"#);
    assert_eq!((reply.status, reply.header("hook-status").as_deref()), (401, Some("handshake")));
}

#[test]
fn what_hook_cannot_answer_is_said_and_left_to_the_app() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("500 Oops")));
    let listen = hook.listen(["--forward-to", &app.url(), "--provider", "zoom"]);
    let question = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"q9ibPhGeRZ6ayx5WTrXjRw"}}"#;
    let signed: [(&str, &[u8]); 2] = [("X-Zm-Signature", b"v0=00"), ("X-Zm-Request-Timestamp", b"1780000000")];
    let reply = request("POST", &listen.url(), &signed, question);
    assert_eq!((reply.status, reply.header("hook-status")), (500, None));
    let said = listen.wait_for("`handshake`", |r| r["code"] == "handshake");
    assert_eq!(said["next"], "hook secret set zoom");
}

#[test]
fn an_event_as_a_challenge_is_not_signed() {
    let (hook, app) = (Hook::new().with_env("TWITTER_CONSUMER_SECRET", "hush-hush"), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url()]);
    let ask = |token: &str| request("GET", &format!("{}?crc_token={token}", listen.url()), &[], "");
    let forged = ask("%7B%22tweet_create_events%22%3A%5B%5D%7D");
    assert_eq!((forged.status, forged.text().contains("sha256=")), (502, false));
    let said = listen.wait_for("`handshake`", |r| r["code"] == "handshake");
    assert!(
        said["message"]
            .as_str()
            .unwrap()
            .ends_with("\"crc_token\" in the query is not as X (Account Activity) sends it."),
        "{said}"
    );
    assert_eq!(said["next"], "hook show 1, then hook providers twitter");
    assert!(ask("NWIxNWE1ZjgtZTdlMC00YzI4").text().contains("sha256="));
}

/// Hands a secret over as Asana does, and gives the `n`th thing that is said of one.
#[track_caller]
fn hand_over(listen: &Listen, secret: &str, n: usize) -> Value {
    let reply = request("POST", &listen.url(), &[("X-Hook-Secret", secret.as_bytes())], "{}");
    assert_eq!((reply.status, reply.header("x-hook-secret").as_deref()), (200, Some(secret)));
    let said = || listen.records().into_iter().filter(|r| r["code"] == "secret").nth(n - 1);
    wait_for("word of the secret", said)
}

#[test]
fn a_secret_that_is_handed_over_is_kept_and_never_shown() {
    let secret = "0123456789abcdef0123456789abWXYZ";
    let (hook, app) = (Hook::new(), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url(), "--name", "shop", "--provider", "asana"]);
    let said = hand_over(&listen, secret, 1);
    assert_eq!(said["message"], "asana handed over a secret (…WXYZ). It is kept for \"shop\".");
    assert!(!said.to_string().contains("0123456789"), "{said}");
    // From now on events are checked with it.
    let verdict = |secret: &str, n| {
        let signature = hook_tests::signing::hmac_sha256(secret.as_bytes(), br#"{"events":[]}"#);
        request("POST", &listen.url(), &[("X-Hook-Signature", signature.as_bytes())], r#"{"events":[]}"#);
        listen.event(n)["signature"]["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!((verdict(secret, 2), verdict("another", 3)), ("valid".into(), "invalid".into()));
    let file = hook.home().join("config/hook/secrets.toml");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // The same again is nothing new, and a flood of others takes no place of those that came before.
    for n in 1..10 {
        let said = hand_over(&listen, &format!("{n:032}"), n + 1);
        let is_kept = said["message"].as_str().unwrap().contains("It is kept for");
        assert_eq!(is_kept, n < 8, "{said}");
        request("POST", &listen.url(), &[("X-Hook-Secret", secret.as_bytes())], "{}");
    }
    assert_eq!(listen.records().iter().filter(|r| r["code"] == "secret").count(), 10);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!((kept.matches("[[secret]]").count(), kept.contains(secret)), (8, true));
    assert!(kept.starts_with("v = 1\n"), "{}", kept.lines().next().unwrap_or_default());
}

#[test]
fn what_anybody_may_hand_over_counts_for_nothing() {
    let planted = "ffffffffffffffffffffffffffffffff";
    let (hook, app) = (Hook::new(), App::stopped());
    let file = hook.home().join("config/hook/secrets.toml");
    // Nobody said that Asana sends to this endpoint.
    let listen = hook.listen(["--forward-to", &app.url(), "--name", "shop"]);
    let said = hand_over(&listen, planted, 1);
    assert_eq!(said["message"], "asana handed over a secret (…ffff). Anybody can send one, so it is not kept.");
    assert!(said["next"].as_str().unwrap().starts_with("hook secret set shop/asana "), "{said}");
    assert!(!file.exists());
    listen.bye();
    // The person gave one.
    hook.run_with_stdin(["secret", "set", "asana"], b"0123456789abcdef0123456789abWXYZ").succeeded();
    let listen = hook.listen(["--forward-to", &app.url(), "--name", "shop", "--provider", "asana"]);
    let said = hand_over(&listen, planted, 1);
    assert_eq!(said["message"], "asana handed over a secret (…ffff). You gave another, so it is not kept.");
    assert!(!std::fs::read_to_string(&file).unwrap().contains(planted));
    listen.bye();
    // One that was handed over before the person gave theirs.
    let text = std::fs::read_to_string(&file).unwrap();
    let project = text.lines().find(|l| l.starts_with("project = ")).unwrap().to_owned();
    let handed = format!(
        "[[secret]]\n{project}\nendpoint = \"shop\"\nprovider = \"asana\"\nvalue = \"{planted}\"\nfrom = \"handshake\"\n"
    );
    std::fs::write(&file, format!("{text}\n{handed}")).unwrap();
    let listen = hook.listen(["--forward-to", &app.url(), "--name", "shop", "--provider", "asana"]);
    let signature = hook_tests::signing::hmac_sha256(planted.as_bytes(), b"{}");
    request("POST", &listen.url(), &[("X-Hook-Signature", signature.as_bytes())], "{}");
    assert_eq!(listen.event(1)["signature"]["verdict"], "invalid");
}
