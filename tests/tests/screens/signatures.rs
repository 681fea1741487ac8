//! Who sent an event and whether it is signed right, as people see it (ux §1.2, §1.4), and the commands about it.

use hook_tests::signing::{now, stripe};
use hook_tests::{App, Hook, request};
use insta::assert_snapshot;

use crate::plain::Plain;
use crate::screen::{Screen, golden, public_url, run};
use crate::terminal::Place;

const SECRET: &str = "whsec_0123456789abcdef9fQ2";

fn send(url: &str, headers: &[(&str, &str)], body: &str) {
    let mut all: Vec<(&str, &[u8])> = vec![("Content-Type", b"application/json")];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    request("POST", url, &all, body);
}

fn send_stripe(url: &str, secret: &str, at: u64, live: bool) {
    let body = format!(r#"{{"id":"evt_1","object":"event","type":"payment_intent.succeeded","livemode":{live}}}"#);
    send(url, &[("Stripe-Signature", &stripe(secret, at, body.as_bytes()))], &body);
}

fn with_secret() -> (Hook, App) {
    let hook = Hook::new();
    std::fs::write(hook.project().join(".env"), format!("STRIPE_WEBHOOK_SECRET={SECRET}\n")).unwrap();
    (hook, App::new())
}

#[test]
fn every_verdict_has_its_mark() {
    let (hook, app) = with_secret();
    let screen = Screen::stripe(&hook, &app, &[]);
    let url = screen.url();
    send_stripe(&url, SECRET, now(), false);
    screen.line(1);
    send_stripe(&url, SECRET, now(), true);
    screen.line(2);
    send_stripe(&url, "whsec_of_somebody_else", now(), false);
    screen.line(3);
    send_stripe(&url, SECRET, now() - 900, false);
    screen.line(4);
    send_stripe(&url, SECRET, now() + 900, false);
    screen.line(5).nexts(1);
    send(&url, &[("User-Agent", "Stripe/1.0")], r#"{"type":"charge.failed"}"#);
    screen.line(6).nexts(2);
    send(&url, &[("X-GitHub-Event", "push")], "{}");
    screen.line(7);
    send(&url, &[("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", "hush")], "{}");
    screen.line(8).nexts(3);
    send(&url, &[], "{}");
    screen.line(9);
    let all = screen.interrupted();
    // How far ahead a timestamp is depends on when the second ends.
    assert_snapshot!(screen_without_spans(&all));
    let plain = Plain::of(&hook).app(&app);
    assert_snapshot!("events_with_marks", run(&hook, &plain, &["events"]));
    assert_snapshot!("events_by_verdict", run(&hook, &plain, &["events", "sig:stale"]));
    let shown = [2, 4, 5, 6, 8].map(|n| run(&hook, &plain, &["show", &n.to_string()]));
    let heads = shown.iter().map(|s| s.lines().take_while(|l| !l.is_empty()).collect::<Vec<_>>().join("\n"));
    assert_snapshot!("show_with_signature", screen_without_spans(&heads.collect::<Vec<_>>().join("\n\n")));
    assert_snapshot!("replay_with_mark", run(&hook, &plain, &["replay", "1"]));
}

fn screen_without_spans(text: &str) -> String {
    let text = text.replace("14 min", "15 min");
    regex::Regex::new(r"\d s old|just signed").unwrap().replace_all(&text, "2 s old").into_owned()
}

#[test]
fn marks_have_words() {
    for place in [Place::Dumb, Place::NoUtf8] {
        let (hook, app) = with_secret();
        let terminal = place.spawn(&hook, &["listen", "--forward-to", &app.url()]);
        let url = public_url(&terminal.wait_for("Ready in "));
        send_stripe(&url, SECRET, now(), true);
        send_stripe(&url, "whsec_of_somebody_else", now(), false);
        send(&url, &[("X-GitHub-Event", "push")], "{}");
        terminal.wait_for("#3 ");
        terminal.interrupt();
        let raw = terminal.ended().0;
        assert!(raw.is_ascii(), "{place:?}: {raw}");
        let marks =
            ["  ok   stripe  payment_intent.succeeded  LIVE", "  bad  stripe  payment_intent", "  --   github  push"];
        for mark in
            [marks.as_slice(), &["Signatures   stripe ok whsec_...9fQ2 (STRIPE_WEBHOOK_SECRET in ./.env)"]].concat()
        {
            assert!(raw.contains(mark), "{place:?} has no {mark:?}:\n{raw}");
        }
    }
}

#[test]
fn secrets_are_read_again() {
    let (hook, app) = with_secret();
    let screen = Screen::stripe(&hook, &app, &[]);
    let url = screen.url();
    std::fs::write(hook.project().join(".env"), "STRIPE_WEBHOOK_SECRET=whsec_ffffffffffffffffff1234\n").unwrap();
    let mut n = 0;
    hook_tests::wait_until("it is read", || {
        n += 1;
        send(&url, &[], "{}");
        screen.line(n);
        screen.process().stderr.text().contains("read again")
    });
    let said = screen.interrupted();
    let line = said.lines().find(|l| l.contains("read again")).unwrap();
    assert_eq!(line, "Secrets were read again: STRIPE_WEBHOOK_SECRET in ./.env has changed.");
}

#[test]
fn a_secret_is_made_for_the_app() {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &["--provider", "stripe", "--env-file", ".env.local"]);
    assert_snapshot!(without_random(&screen.interrupted()));
}

fn without_random(text: &str) -> String {
    regex::Regex::new(r"…[0-9a-f]{4}\b").unwrap().replace_all(text, "…9fQ2").into_owned()
}

#[test]
fn secrets_are_kept_listed_and_forgotten() {
    let hook = Hook::new();
    let plain = Plain::of(&hook);
    let set = |args: &[&str], secret: &str| {
        let all = [&["secret", "set"], args].concat();
        golden(&plain, &format!("hook {}", all.join(" ")), &hook.run_with_stdin(&all, secret.as_bytes()))
    };
    let mut said = vec![
        set(&["stripe"], SECRET),
        set(&["shop/stripe", "--add"], "whsec_ffffffffffffffffff1234"),
        set(&["github", "--all"], "hushhushhushhush"),
        set(&["stripe", "--add"], "sk_live_0123456789abcdef"),
        set(&["nosuch"], SECRET),
        set(&["Not A Name/stripe"], SECRET),
        set(&["stripe"], ""),
    ];
    for args in [
        ["secret", "list"].as_slice(),
        &["secret", "show", "shop/stripe"],
        &["secret", "show", "stripe", "--reveal"],
        &["secret", "show", "slack"],
        &["secret", "set", "stripe", "whsec_typed_by_mistake"],
        &["secret", "remove", "github"],
        &["secret", "remove", "github", "--all"],
        &["secret", "remove", "stripe"],
        &["secret", "generate", "slack"],
        &["secret", "generate", "slack", "--env-file", ".env"],
        &["secret", "generate", "slack", "--env-file", ".env"],
        &["secret", "generate", "paypal"],
    ] {
        said.push(without_random(&run(&hook, &plain, args)));
    }
    assert_snapshot!(said.join("\n"));
}

/// `show --reveal` at a terminal has the value, whole and alone on its line.
#[test]
fn a_terminal_may_see_a_secret() {
    let hook = Hook::new();
    hook.run_with_stdin(["secret", "set", "stripe"], SECRET.as_bytes()).succeeded();
    let terminal = Place::Pty.spawn(&hook, &["secret", "show", "stripe", "--reveal"]);
    let raw = terminal.ended().0;
    assert_eq!(raw.trim_end(), SECRET);
}

#[test]
fn a_key_is_asked_for_once_and_no_is_an_answer() {
    let hook = Hook::new();
    let terminal = Place::Pty.spawn(&hook, &["listen"]);
    let url = public_url(&terminal.wait_for("Ready in "));
    let question = "aws-sns publishes its key at sns.eu-west-1.amazonaws.com. May hook fetch it, now and later? Type y or n, and Enter.";
    let body = include_str!("../../testdata/sns/notification.json");
    // What was typed for something else is no answer.
    terminal.type_line("y");
    terminal.wait_for("y\r\n");
    send(&url, &[], body);
    // A narrow terminal may break the line, hook does not.
    terminal.wait_for(question);
    terminal.type_line("n");
    send(&url, &[], body);
    terminal.wait_for("#2 ");
    terminal.interrupt();
    let (shown, code) = terminal.ended();
    assert_eq!((shown.matches("May hook fetch it").count(), code), (1, 0), "{shown}");
    assert!(!hook.home().join("config/hook/hosts.toml").exists());
}
