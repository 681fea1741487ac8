//! A provider sends an event again: it is an event of its own, linked to the first, and with `--dedupe` answered like it.

use hook_tests::{Answer, App, Gate, Hook, Listen, Response, pattern, request};
use serde_json::json;

fn send(listen: &Listen, id: &str) -> Response {
    send_with(listen, id, b"v1,bm90aGluZw==")
}

/// Of Standard Webhooks; whether it is signed right is not known while there is no secret.
fn send_with(listen: &Listen, id: &str, signature: &[u8]) -> Response {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string();
    let fields: [(&str, &[u8]); 4] = [
        ("Webhook-Id", id.as_bytes()),
        ("Webhook-Timestamp", time.as_bytes()),
        ("Webhook-Signature", signature),
        ("Content-Type", b"application/json"),
    ];
    request("POST", &listen.url(), &fields, r#"{"type":"user.upgraded"}"#)
}

#[test]
fn duplicates_are_forwarded_and_linked_both_ways() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url(), "--provider", "standard-webhooks"]);
    for id in ["msg_1", "msg_2", "msg_1", "msg_1"] {
        assert_eq!(send(&listen, id).text(), "ok");
    }
    assert_eq!(app.count(), 4);
    let links: Vec<_> = (1..=4).map(|n| listen.event(n)["duplicate_of"].clone()).collect();
    assert_eq!(links, [json!(null), json!(null), json!(1), json!(1)]);
    // The same, looked at later.
    let links: Vec<_> = hook.events().iter().map(|e| e["duplicate_of"].clone()).collect();
    assert_eq!(links, [json!(null), json!(null), json!(1), json!(1)]);
    let shown = |n: &str| hook.run(["show", n]).succeeded().stdout;
    assert!(shown("1").contains("\nsent again as #3, #4\n"), "{}", shown("1"));
    assert!(shown("3").contains("\nduplicate of #1\n"), "{}", shown("3"));
    let second = shown("2");
    assert!(!second.contains("duplicate") && !second.contains("again"), "{second}");
    let listed = hook.run(["events"]).succeeded().stdout;
    assert_eq!(listed.lines().filter(|line| line.ends_with("duplicate of #1")).count(), 2, "{listed}");
}

#[test]
fn with_dedupe_a_duplicate_gets_the_first_ones_answer() {
    let answer =
        Answer::status("202 Accepted").header("X-Own", b"\xff").header("Content-Type", "text/x-own").body("taken");
    let (hook, app) = (Hook::new(), App::answering(answer));
    let listen = hook.listen(["--forward-to", &app.url(), "--provider", "standard-webhooks", "--dedupe"]);
    let first = send(&listen, "msg_1");
    listen.attempt(1);
    app.answers(Answer::status("500 Oops"));
    let second = send(&listen, "msg_1");
    assert_eq!((second.status, second.text()), (202, "taken".to_owned()));
    assert_eq!(second.values("x-own"), first.values("x-own"));
    assert_eq!(second.header("content-type"), first.header("content-type"));
    assert_eq!((first.header("hook-status"), second.header("hook-status").as_deref()), (None, Some("deduped")));
    assert_eq!((app.count(), hook.event_state(2), hook.owed()), (1, "deduped".into(), 0));
    // Another event is none of its business.
    assert_eq!((send(&listen, "msg_2").status, app.count()), (500, 2));
}

#[test]
fn a_long_answer_is_given_again_whole() {
    let body = pattern(3_000_000);
    let (hook, app) = (Hook::new(), App::answering(Answer::ok(body.clone())));
    let listen = hook.listen(["--forward-to", &app.url(), "--provider", "standard-webhooks", "--dedupe"]);
    send(&listen, "msg_1");
    listen.attempt(1);
    let second = send(&listen, "msg_1");
    hook_tests::assert_same_bytes("the second answer", &second.body, &body);
    assert_eq!((second.whole, app.count()), (true, 1));
}

#[test]
fn what_failed_or_is_under_way_settles_nothing() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::status("500 Oops")));
    let listen = hook.listen(["--forward-to", &app.url(), "--provider", "standard-webhooks", "--dedupe"]);
    assert_eq!(send(&listen, "msg_1").status, 500);
    listen.attempt(1);
    app.answers(Answer::ok("slow").after(&gate));
    std::thread::scope(|scope| {
        let second = scope.spawn(|| send(&listen, "msg_1"));
        app.request(2);
        let third = scope.spawn(|| send(&listen, "msg_1"));
        app.request(3);
        gate.open();
        assert_eq!((second.join().unwrap().text(), third.join().unwrap().text()), ("slow".into(), "slow".into()));
    });
    listen.attempt(3);
    // The first 2xx is what the next one gets.
    assert_eq!((send(&listen, "msg_1").text(), app.count()), ("slow".into(), 3));
    assert_eq!(listen.event(4)["duplicate_of"], 1);
}

/// Many providers have no id of events, only of what they are about.
#[test]
fn another_event_about_the_same_thing_is_never_answered_from_the_first() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url(), "--dedupe"]);
    let fields: [(&str, &[u8]); 2] =
        [("X-Twilio-Signature", b"bm90aGluZw=="), ("Content-Type", b"application/x-www-form-urlencoded")];
    // The last one is sent again.
    let status = |status: &str, more: &str| format!("MessageSid=SM1&MessageStatus={status}&AccountSid=AC1{more}");
    let all =
        [status("sent", ""), status("delivered", ""), status("delivered", "&Note=1"), status("delivered", "&Note=1")];
    for (n, body) in all.iter().enumerate() {
        assert_eq!(request("POST", &listen.url(), &fields, body).status, 200);
        listen.wait_for_type("event", n + 1);
        listen.wait_for_type("attempt", (n + 1).min(3));
    }
    let got: Vec<String> = app.requests().iter().map(|r| String::from_utf8_lossy(&r.body).into_owned()).collect();
    assert_eq!(got, all[..3]);
    let links: Vec<_> = (1..=4).map(|n| listen.event(n)["duplicate_of"].clone()).collect();
    assert_eq!(links, [json!(null), json!(null), json!(2), json!(2)]);
    assert_eq!(hook.event_state(4), "deduped");
}

#[test]
fn an_event_with_a_wrong_signature_is_forwarded_and_no_duplicate() {
    let (hook, app) = (Hook::new().with_env("SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), App::new());
    let listen = hook.listen([
        "--forward-to",
        &app.url(),
        "--provider",
        "standard-webhooks",
        "--secret-env",
        "SECRET",
        "--dedupe",
    ]);
    for n in 1..=2 {
        assert_eq!(send(&listen, "msg_1").text(), "ok");
        assert_eq!(listen.event(n)["signature"]["verdict"], "invalid");
        listen.attempt(n);
    }
    assert_eq!((app.count(), listen.event(2)["duplicate_of"].clone()), (2, json!(null)));
}
