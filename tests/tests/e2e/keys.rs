//! Keys that a provider publishes, and subscriptions that it wants confirmed: nothing is fetched unasked.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use hook_tests::{Hook, request};
use serde_json::Value;

const CERTIFICATE: &str = include_str!("../../testdata/sns/cert.pem");
const NOTIFICATION: &str = include_str!("../../testdata/sns/notification.json");
const CONFIRMATION: &str = include_str!("../../testdata/sns/confirmation.json");
const PUBLISHED: &str = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem";

fn send(url: &str, body: &str) {
    request("POST", url, &[("Content-Type", b"text/plain; charset=UTF-8")], body);
}

/// As if it had been fetched just now.
fn keep_key(hook: &Hook) -> PathBuf {
    let file = hook.data().join("keys/0123");
    std::fs::create_dir_all(hook.data().join("keys")).unwrap();
    std::fs::write(&file, format!("{PUBLISHED}\n{CERTIFICATE}")).unwrap();
    file
}

fn verdict(record: &Value) -> &str {
    record["signature"]["verdict"].as_str().unwrap()
}

#[test]
fn nothing_is_fetched_unasked_and_it_says_how_to_agree() {
    let hook = Hook::new();
    let listen = hook.listen([] as [&str; 0]);
    for _ in 0..2 {
        send(&listen.url(), NOTIFICATION);
    }
    send(&listen.url(), CONFIRMATION);
    assert_eq!(verdict(&listen.event(1)), "unchecked");
    let said = listen.wait_for("a word about the key", |r| r["code"] == "key");
    assert_eq!((said["next"].as_str(), &said["fatal"]), (Some("hook listen … --fetch-keys"), &false.into()));
    let said = listen.wait_for("a word about the subscription", |r| r["code"] == "subscription");
    assert_eq!(said["next"], "hook listen … --confirm-subscriptions");
    let asked = listen.of_type("error").iter().filter(|r| r["code"] == "key").count();
    assert_eq!(asked, 1, "once for a host");
    for command in ["verify", "explain"] {
        let told = hook.run([command, "1", "--output", "json"]).json().remove(0);
        let next = "the same with --fetch-keys: hook then asks sns.eu-west-1.amazonaws.com for it";
        assert_eq!((told["verdict"].as_str(), told["next"].as_str()), (Some("unchecked"), Some(next)), "{command}");
    }
    assert!(!hook.data().join("keys").exists() && !hook.home().join("config/hook/hosts.toml").exists());
}

#[test]
fn a_key_that_was_fetched_is_used_for_a_day() {
    let hook = Hook::new();
    let file = keep_key(&hook);
    let listen = hook.listen([] as [&str; 0]);
    send(&listen.url(), NOTIFICATION);
    send(&listen.url(), &NOTIFICATION.replace("order", "Order"));
    assert_eq!((verdict(&listen.event(1)), verdict(&listen.event(2))), ("valid", "invalid"));
    hook.run(["verify", "1"]).succeeded();
    let yesterday = SystemTime::now() - Duration::from_secs(25 * 3600);
    File::options().write(true).open(&file).unwrap().set_modified(yesterday).unwrap();
    let old = hook.run(["verify", "1", "--output", "json"]).ended_with(1).json().remove(0);
    assert_eq!(old["verdict"], "unchecked");
}

#[test]
fn a_subscription_is_confirmed_for_the_provider_alone() {
    let hook = Hook::new();
    keep_key(&hook);
    let listen = hook.listen(["--confirm-subscriptions"]);
    send(&listen.url(), &CONFIRMATION.replace("arn:aws:sns:eu-west-1:1", "arn:aws:sns:eu-west-1:9"));
    let said = listen.wait_for("a word about the subscription", |r| r["code"] == "subscription");
    let message = said["message"].as_str().unwrap();
    assert!(message.contains("the subscription was not confirmed, for its signature is invalid"), "{message}");
    // A URL of somebody else's is no question at all.
    send(&listen.url(), &CONFIRMATION.replace("https://sns.eu-west-1.amazonaws.com/?A", "https://sns.evil.example/?A"));
    send(&listen.url(), "{}");
    listen.event(3);
    assert_eq!(listen.of_type("error").len(), 1);
}
