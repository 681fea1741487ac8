//! What a person reads of the provider as a sender: failures, duplicates, handshakes.

use hook_tests::{Answer, App, Hook, request};
use insta::assert_snapshot;

use crate::screen::Screen;

const GITHUB: [(&str, &[u8]); 2] = [("X-GitHub-Event", b"push"), ("X-GitHub-Delivery", b"d-1")];
const SLACK: [(&str, &[u8]); 2] = [("User-Agent", b"Slackbot 1.0"), ("Content-Type", b"application/json")];
const JSON: [(&str, &[u8]); 1] = [("Content-Type", b"application/json")];
const STRIPE: &str = r#"{"id":"evt_1","object":"event","api_version":"2025-01-01","type":"charge.failed"}"#;

#[test]
fn what_each_sender_does_after_a_failure() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("500 Oops")));
    let screen = Screen::stripe(&hook, &app, &[]);
    for (n, (fields, body)) in [(GITHUB.as_slice(), "{}"), (&JSON, STRIPE), (&[], "{}")].into_iter().enumerate() {
        request("POST", &screen.url(), fields, body);
        screen.line(n as u64 + 1).nexts(n + 1);
    }
    assert_snapshot!(screen.interrupted());
}

#[test]
fn a_duplicate_is_marked_and_answered_from_the_first() {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &["--dedupe"]);
    for n in 1..=2 {
        // Signed, with a secret that hook does not know: one that is not signed gets no answer of another's.
        let fields: [(&str, &[u8]); 3] =
            [("X-Slack-Signature", b"v0=00"), ("X-Slack-Request-Timestamp", b"1780000000"), JSON[0]];
        request("POST", &screen.url(), &fields, r#"{"type":"x","event_id":"Ev1"}"#);
        screen.line(n);
    }
    assert_eq!(app.count(), 1);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn a_handshake_that_the_app_leaves_unanswered() {
    let (hook, app) = (Hook::new(), App::stopped());
    let screen = Screen::stripe(&hook, &app, &[]);
    request("POST", &screen.url(), &SLACK, r#"{"type":"url_verification","challenge":"abc"}"#);
    screen.line(1);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn a_handshake_with_no_target() {
    let hook = Hook::new();
    let screen = Screen::listen(&hook, crate::plain::Plain::of(&hook), &[]);
    request("POST", &screen.url(), &SLACK, r#"{"type":"url_verification","challenge":"abc"}"#);
    screen.line(1);
    assert_snapshot!(screen.interrupted());
}
