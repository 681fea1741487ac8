//! `hook trigger`: sample events, signed, with no account anywhere.

use std::os::unix::fs::PermissionsExt;

use hook_tests::{Answer, App, Clock, Hook, Output, Relay};
use serde_json::Value;

const PAYMENT: [&str; 3] = ["trigger", "stripe", "payment_intent.succeeded"];

fn trigger(args: &[&str]) -> Vec<String> {
    [&["trigger"], args].concat().iter().map(ToString::to_string).collect()
}

/// The body that `--print` writes.
#[track_caller]
fn printed(hook: &Hook, args: &[&str]) -> Output {
    hook.run(trigger(&[args, &["--print"]].concat())).succeeded()
}

#[track_caller]
fn printed_json(hook: &Hook, args: &[&str]) -> Value {
    serde_json::from_str(&printed(hook, args).stdout).unwrap()
}

fn verdicts(hook: &Hook) -> Vec<String> {
    hook.events().iter().map(|e| e["signature"]["verdict"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_event_goes_through_the_running_endpoint_and_is_found_in_the_journal() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &format!("{}/hooks", app.url())]);
    listen.ready();
    let said = hook.run(PAYMENT).succeeded();
    assert!(said.stdout.contains("#1") && said.stdout.contains("200"), "{said:?}");
    let request = app.request(1);
    assert_eq!(request.target(), "/hooks");
    assert!(request.header("stripe-signature").is_some());
    let output = hook.run(trigger(&["stripe", "charge.failed", "--count", "3", "--output", "json"])).succeeded();
    let numbers: Vec<_> = output.of_type("event").iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!((numbers, output.of_type("attempt").len()), (vec![2, 3, 4], 3));
    assert_eq!(verdicts(&hook), ["valid"; 4]);
    let bodies: std::collections::HashSet<Vec<u8>> = (2..=4).map(|n| app.request(n).body.clone()).collect();
    assert_eq!(bodies.len(), 3, "each of several is another event");
}

#[test]
fn an_event_goes_to_a_public_url_or_straight_to_an_app() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let url = relay.at("shop");
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
    listen.ready();
    let below = format!("{url}/github?x=1");
    assert!(hook.run(trigger(&["github", "push", "--url", &below])).succeeded().stdout.contains("#1"));
    assert_eq!(app.request(1).target(), "/github?x=1");
    listen.bye();

    let app_url = format!("{}/direct", app.url());
    let said = hook.run(trigger(&["github", "push", "--to", &app_url])).succeeded();
    assert!(said.stdout.contains("#2"), "{said:?}");
    let event = hook.events().remove(1);
    assert_eq!(
        (&event["origin"], &event["event_type"], &event["state"]),
        (&"sent".into(), &"push".into(), &"ended".into())
    );
    assert_eq!(event["signature"]["verdict"], "valid");
    hook.run(["replay", "2"]).succeeded();
    assert_eq!((app.request(2).target().as_str(), app.request(3).target().as_str()), ("/direct", "/direct"));
    assert_eq!(app.request(2).body, app.request(3).body);

    // With nobody there the relay keeps it.
    let queued = hook.run(trigger(&["github", "push", "--url", &url])).succeeded();
    assert!(queued.stderr.contains("the relay keeps it"), "{queued:?}");
}

#[test]
fn what_the_answer_was_is_the_exit_code() {
    let (hook, app) = (Hook::new(), App::new());
    let to = app.url();
    let send = |more: &[&str]| hook.run(trigger(&[&["stripe", "invoice.paid", "--to", &to], more].concat()));
    send(&[]).succeeded();
    let forged = send(&["--bad-signature"]).ended_with(1);
    assert!(forged.stderr.contains("a forged event was accepted"), "{forged:?}");
    app.answers(Answer::status("400 Bad Request").body("no signatures found"));
    let refused = send(&[]).ended_with(1);
    assert!(refused.stdout.contains("400") && refused.stderr.contains("no signatures found"), "{refused:?}");
    let forged = send(&["--bad-signature"]).succeeded();
    assert!(forged.stderr.contains("refused, as a forged event should be"), "{forged:?}");
    app.stop();
    let down = send(&[]).ended_with(1);
    assert!(down.stderr.contains("connection refused"), "{down:?}");
    send(&["--bad-signature"]).ended_with(1);
    assert_eq!(verdicts(&hook), ["valid", "invalid", "valid", "invalid", "valid", "invalid"]);
    assert_eq!((hook.event_state(1), hook.event_state(5)), ("ended".into(), "undelivered".into()));
}

#[test]
fn a_secret_is_made_once_kept_privately_and_never_shown() {
    let hook = Hook::new();
    let first = printed(&hook, &["stripe", "invoice.paid"]);
    assert!(first.stderr.contains("hook made one") && first.stderr.contains("STRIPE_WEBHOOK_SECRET"), "{first:?}");
    let file = hook.home().join("config/hook/secrets.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(&file).unwrap();
    let secret = kept.split('"').find(|word| word.starts_with("whsec_")).unwrap().to_owned();
    assert!(first.stderr.contains(&secret[secret.len() - 4..]) && !first.stderr.contains(&secret), "{first:?}");
    let second = printed(&hook, &["stripe", "invoice.paid"]);
    assert!(!second.stderr.contains("hook made"), "{second:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), kept);

    // One that the person has comes first.
    let other = hook.with_env("STRIPE_WEBHOOK_SECRET", "whsec_of_the_person_0123456789");
    let app = App::new();
    other.run(trigger(&["stripe", "invoice.paid", "--to", &app.url()])).succeeded();
    assert_eq!(verdicts(&other), ["valid"]);

    // A token is a secret too, although it stands in a header.
    let gitlab = printed(&other, &["gitlab", "push"]);
    let kept = std::fs::read_to_string(&file).unwrap();
    let token = kept.split('"').filter(|word| word.len() > 30).find(|word| *word != secret).unwrap();
    assert!(gitlab.stderr.to_lowercase().contains("x-gitlab-token: ") && !gitlab.stderr.contains(token), "{gitlab:?}");
}

#[test]
fn names_that_are_close_are_named() {
    let hook = Hook::new();
    for (args, part) in [
        (&[][..], "hook trigger --list"),
        (&["stripe"], "hook trigger stripe payment_intent.succeeded"),
        (&["strip", "x"], "stripe"),
        (&["stripe", "payment_intent.suceeded"], "next: hook trigger stripe payment_intent.succeeded"),
        (&["stripe", "payment_intent.succeeded", "--set", "data.object.amout=1"], "--set data.object.amount="),
        (&["stripe", "invoice.paid", "--set", "amount"], "NAME=VALUE"),
        (&["stripe", "invoice.paid", "--data", "{}", "--set", "a=1"], "--data"),
    ] {
        let failed = hook.run(trigger(args)).ended_with(2);
        assert!(failed.stderr.starts_with("hook: ") && failed.stderr.contains(part), "{args:?}: {}", failed.stderr);
        assert_eq!(failed.stdout, "", "{args:?}");
    }
    let nothing = hook.run(PAYMENT).ended_with(1);
    assert!(nothing.stderr.contains("hook listen --forward-to") && nothing.stderr.contains("--to"), "{nothing:?}");
    let unread = hook.run(trigger(&["stripe", "--data", "@none.json", "--to", "3000"])).ended_with(3);
    assert!(unread.stderr.contains("none.json"), "{unread:?}");
}

#[test]
fn what_can_be_triggered_is_listed() {
    let hook = Hook::new();
    let all = hook.run(trigger(&["--list"])).succeeded();
    assert!(all.stdout.lines().count() >= 66, "{}", all.stdout);
    let stripe = hook.run(trigger(&["--list", "stripe"])).succeeded();
    assert!(
        stripe.stdout.lines().count() >= 60 && stripe.stdout.contains("A payment went through"),
        "{}",
        stripe.stdout
    );
    assert_eq!(hook.run(trigger(&["stripe", "--list"])).stdout, stripe.stdout);
    let json = hook.run(trigger(&["--list", "github", "--output", "json"])).succeeded().of_type("sample");
    assert!(json.iter().filter(|s| s["event"].as_str().unwrap().contains('.')).count() >= 30, "{json:?}");
    assert!(!hook.journal().exists());
}

#[test]
fn an_event_is_printed_and_nothing_is_sent() {
    let (hook, app) = (Hook::new(), App::new());
    let output = printed(&hook, &["shopify", "orders/create", "--to", &app.url()]);
    let order: Value = serde_json::from_str(&output.stdout).unwrap();
    for field in ["line_items", "customer", "shipping_address", "financial_status"] {
        assert!(!order[field].is_null(), "{field}");
    }
    let headers = output.stderr.to_lowercase();
    assert!(
        headers.contains("x-shopify-topic: orders/create") && headers.contains("x-shopify-hmac-sha256: "),
        "{headers}"
    );
    assert_eq!((app.count(), hook.events().len()), (0, 0));
}

#[test]
fn a_seed_makes_the_same_event_and_values_can_be_set() {
    let clock = Clock::new();
    clock.set("@2026-06-01 12:00:00");
    let hook = Hook::new().under(&clock);
    let with = |seed| printed(&hook, &["github", "push", "--seed", seed]).stdout;
    assert_eq!(with("7"), with("7"));
    assert_ne!(with("7"), with("8"));
    let paid = printed_json(&hook, &["stripe", "payment_intent.succeeded", "--set", "data.object.amount=4200"]);
    assert_eq!(paid["data"]["object"]["amount"], 4200);
    let command = printed(&hook, &["slack", "command", "--set", "command=/deploy", "--set", "text=production"]).stdout;
    assert!(command.contains("command=%2Fdeploy") && command.contains("text=production"), "{command}");
    let upgraded = printed_json(&hook, &["custom", "user.upgraded"]);
    assert_eq!(upgraded["type"], "user.upgraded");
}

#[test]
fn a_body_of_ones_own_is_signed() {
    let (hook, app) = (Hook::new(), App::new());
    let to = app.url();
    let own = br#"{"id":"evt_own","object":"event","type":"mine","x": 1.0}"#;
    std::fs::write(hook.project().join("own.json"), own).unwrap();
    hook.run(trigger(&["stripe", "--data", "@own.json", "--to", &to])).succeeded();
    hook.run_with_stdin(trigger(&["stripe", "--data", "-", "--to", &to]), own).succeeded();
    hook.run(trigger(&["twilio", "--data", "Body=hello&From=%2B1", "--to", &to])).succeeded();
    // Large bodies are kept in parts.
    let large = format!("[{}1]", "1,".repeat(1 << 20));
    std::fs::write(hook.project().join("large.json"), &large).unwrap();
    hook.run(trigger(&["github", "push", "--data", "@large.json", "--to", &to])).succeeded();
    assert_eq!((&app.request(1).body[..], &app.request(2).body[..]), (&own[..], &own[..]));
    assert_eq!(app.request(3).header("content-type").as_deref(), Some("application/x-www-form-urlencoded"));
    assert_eq!(app.request(4).body, large.as_bytes());
    assert_eq!(app.request(4).header("x-github-event").as_deref(), Some("push"));
    assert_eq!(verdicts(&hook), ["valid"; 4]);
    assert_eq!(hook.run(["show", "4", "--raw"]).succeeded().raw_stdout, large.as_bytes());
}

#[test]
fn nothing_goes_to_another_machine_unasked() {
    let hook = Hook::new();
    for args in [
        &["stripe", "invoice.paid", "--to", "https://app.example"][..],
        &["stripe", "invoice.paid", "--set", "livemode=true", "--url", "https://relay.example/shop"],
    ] {
        let refused = hook.run(trigger(args)).ended_with(2);
        assert!(refused.stderr.contains("another machine") && refused.stderr.contains("--yes"), "{refused:?}");
    }
    assert!(hook.events().is_empty());
    let app = App::new();
    hook.run(trigger(&["stripe", "invoice.paid", "--set", "livemode=true", "--to", &app.url()])).succeeded();
}

#[test]
fn of_several_endpoints_the_one_of_the_provider_is_meant() {
    let (hook, stripe, github) = (Hook::new(), App::new(), App::new());
    let entry = |name: &str, app: &App, provider: &str| {
        format!("[[endpoint]]\nname = \"{name}\"\nforward-to = \"{}\"\n{provider}\n", app.url())
    };
    let file = entry("pay", &stripe, "provider = \"stripe\"") + &entry("code", &github, "");
    std::fs::write(hook.project().join("hook.toml"), file).unwrap();
    let listen = hook.listen([] as [&str; 0]);
    listen.wait_for_type("ready", 2);
    hook.run(PAYMENT).succeeded();
    assert_eq!((stripe.count(), github.count()), (1, 0));
    let which = hook.run(trigger(&["github", "push"])).ended_with(2);
    assert!(which.stderr.contains("--name"), "{which:?}");
    hook.run(trigger(&["github", "push", "--name", "code"])).succeeded();
    assert_eq!((stripe.count(), github.count()), (1, 1));
}
