//! The provider as a sender: what it makes of an answer, and how long it waits for one.

use std::time::{Duration, Instant};

use hook_tests::{Answer, App, Gate, Hook, Response, request, wait_until};
use serde_json::{Value, json};

const SLACK: [(&str, &[u8]); 1] = [("User-Agent", b"Slackbot 1.0 (+https://api.slack.com/robots)")];
const GITHUB: [(&str, &[u8]); 2] = [("X-GitHub-Event", b"push"), ("X-GitHub-Delivery", b"d-1")];
const STRIPE: &str = r#"{"id":"evt_1","object":"event","api_version":"2025-01-01","type":"charge.failed"}"#;

fn from_slack(url: &str) -> Response {
    request("POST", url, &SLACK, r#"{"type":"event_callback","event":{"type":"app_mention"}}"#)
}

#[test]
fn the_reply_deadline_is_a_tenth_below_what_the_provider_waits() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("late").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let (begun, url) = (Instant::now(), listen.url());
    let (reply, arrived) = std::thread::scope(|scope| {
        let reply = scope.spawn(|| from_slack(&url));
        app.request(1);
        let arrived = Instant::now();
        (reply.join().unwrap(), arrived)
    });
    reply.assert_queued();
    // Slack waits 3 s; a sender that nobody knows would be kept for 25.
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(2_700) && took < Duration::from_secs(12), "{took:?}");
    let slow = listen.wait_for("`slow`", |r| r["code"] == "slow");
    assert_eq!(
        slow["message"],
        "your app has not answered in 2.7 s. slack gives up after 3 s, according to its documentation; it got 200 from hook, the attempt goes on."
    );
    assert_eq!(slow["next"], "answer first, work later (queue). hook explain 1");
    // It goes on until Slack would have given up: the attempt began before the app had it.
    wait_until("3 s are over", || arrived.elapsed() > Duration::from_millis(3_010));
    gate.open();
    let attempt = listen.attempt(1);
    assert_eq!((&attempt["status"], &attempt["sender"]["late"]), (&json!(200), &json!(true)));
    assert_eq!(attempt["sender"]["text"], "slack gives up at 3 s and sends again, according to its documentation");
}

#[test]
fn each_sender_of_an_endpoint_has_its_own_deadline() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("late").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let url = listen.url();
    std::thread::scope(|scope| {
        // GitHub waits for 10 s and came first; Slack is due before it.
        let github = scope.spawn(|| request("POST", &url, &GITHUB, "{}"));
        listen.event(1);
        from_slack(&url).assert_queued();
        assert!(!github.is_finished(), "github hears nothing yet");
        gate.open();
        assert_eq!(github.join().unwrap().text(), "late");
    });
}

#[test]
fn what_the_person_asked_for_beats_the_provider() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("late").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url(), "--reply-within", "100ms"]);
    from_slack(&listen.url()).assert_queued();
    let slow = listen.wait_for("`slow`", |r| r["code"] == "slow");
    assert!(slow["message"].as_str().unwrap().starts_with("your app has not answered in 100 ms."), "{slow}");
    gate.open();
}

#[test]
fn after_a_failure_hook_says_what_the_provider_does() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("500 Oops")));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let url = listen.url();
    let said = |n: usize| -> (Value, Value, String) {
        let attempt = listen.attempt(n);
        let sender = &attempt["sender"];
        (
            sender["sends_again"].clone(),
            attempt["next"].clone(),
            sender["text"].as_str().unwrap_or("nothing").to_owned(),
        )
    };
    request("POST", &url, &[("Content-Type", b"application/json")], STRIPE);
    let (again, _, text) = said(1);
    assert_eq!(again, true);
    assert!(text.starts_with("stripe will send it again for up to 3 days"), "{text}");
    request("POST", &url, &GITHUB, "{}");
    assert_eq!(said(2), (json!(false), json!("hook replay 2"), "github will not send it again".to_owned()));
    // Of an unknown sender nothing is known, and nothing is said.
    request("POST", &url, &[], "{}");
    assert_eq!(listen.attempt(3)["sender"], Value::Null);
    // Nobody waits for a replay.
    let replay = hook.run(["replay", "2", "--output", "json"]);
    assert_eq!((replay.code, &replay.of_type("attempt")[0]["sender"]), (Some(1), &Value::Null));
}

#[test]
fn an_app_that_is_down_is_told_what_its_sender_does_now() {
    let (hook, app) = (Hook::new(), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url()]);
    for (n, (fields, body, said)) in [
        (GITHUB.as_slice(), "{}", "github got 502 and will not send it again"),
        (
            &[("Content-Type", b"application/json".as_slice())],
            STRIPE,
            "stripe got 502 and will send it again for up to 3 days",
        ),
        (&[], "{}", "The sender got 502; whether it tries again is not known"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(request("POST", &listen.url(), fields, body).status, 502);
        let text = listen.attempt(n + 1)["sender"]["text"].as_str().unwrap().to_owned();
        assert!(text.starts_with(said), "{text}");
    }
}
