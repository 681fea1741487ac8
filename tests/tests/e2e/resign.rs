//! Events that are sent again, changed or forged, to apps that check signatures by themselves.

use hook_tests::signing::{TWILIO_FIELDS, now, send_stripe, send_twilio, stripe, twilio};
use hook_tests::{Answer, App, Clock, Hook, Listen, request, wait_until};
use serde_json::Value;

const SECRET: &str = "whsec_test_8hFq2LwZ0aPn4Rk1";
const OLD_SECRET: &str = "whsec_test_an_older_one_3kd9";
const TOKEN: &str = "a3f1c2d4e5b60718293a4b5c6d7e8f90";

/// An app that takes what Stripe's libraries take.
fn stripe_app(secret: &'static str) -> App {
    let app = App::new();
    app.answers_with(move |request| {
        let header = request.header("stripe-signature").unwrap_or_default();
        let at = header.strip_prefix("t=").and_then(|h| h.split(',').next()?.parse().ok()).unwrap_or(0);
        let fits = header == stripe(secret, at, &request.body) && now().abs_diff(at) <= 300;
        Answer::status(if fits { "200 OK" } else { "400 Bad Request" })
    });
    app
}

/// An app that takes what Twilio's libraries take, for this URL.
fn twilio_app(url: impl Fn(&App) -> String) -> App {
    let app = App::new();
    let url = url(&app);
    app.answers_with(move |request| {
        let fits = request.header("x-twilio-signature") == Some(twilio(TOKEN, &url, &TWILIO_FIELDS));
        Answer::status(if fits { "204 No Content" } else { "403 Forbidden" })
    });
    app
}

const EVENT: &str = r#"{"id":"evt_1","object":"event","type":"charge.failed","data":{"object":{"amount": 2000.00,"big":12345678901234567890}},"livemode":false}"#;

/// With a Stripe event that is a quarter of an hour old, as it was refused.
fn old_event(hook: &Hook, app: &App) -> Listen {
    let listen = hook.listen(["--forward-to", &app.at("/in")]);
    assert_eq!(send_stripe(&listen.url(), SECRET, now() - 900, EVENT).status, 400);
    listen.attempt(1);
    listen
}

fn knowing(secret: &str) -> Hook {
    Hook::new().with_env("STRIPE_WEBHOOK_SECRET", secret)
}

#[track_caller]
fn replayed(hook: &Hook, args: &[&str]) -> Vec<Value> {
    let all = ["replay", "1", "--output", "json"].iter().chain(args);
    hook.run(all).succeeded().of_type("attempt")
}

#[test]
fn an_old_event_is_signed_anew_and_taken() {
    let (hook, app) = (knowing(SECRET), stripe_app(SECRET));
    let _listen = old_event(&hook, &app);
    let attempt = replayed(&hook, &["--bodies"]).remove(0);
    assert_eq!(
        (&attempt["status"], &attempt["resigned"], &attempt["kind"]),
        (&200.into(), &true.into(), &"replay".into())
    );
    let sent = app.request(2);
    assert_eq!(sent.body, EVENT.as_bytes(), "byte for byte");
    let recorded = attempt["request_headers"].as_array().unwrap();
    let signature = recorded.iter().find(|h| h[0] == "stripe-signature").unwrap();
    assert_eq!(signature[1].as_str(), sent.header("stripe-signature").as_deref(), "what was sent is recorded");
    let line = hook.run(["replay", "1"]).succeeded();
    assert!(line.stdout.contains("↻ re-signed"), "{}", line.stdout);
    let shown = hook.run(["show", "1"]).succeeded().stdout;
    assert!(shown.contains("Attempt 1  live  ") && shown.contains("Attempt 2  replay, re-signed  "), "{shown}");
}

#[test]
fn as_received_nothing_is_different() {
    let (hook, app) = (knowing(SECRET), stripe_app(SECRET));
    let _listen = old_event(&hook, &app);
    hook.run(["replay", "1", "--as-received"]).ended_with(1);
    let (live, sent) = (app.request(1), app.request(2));
    assert_eq!((sent.header("stripe-signature"), &sent.body), (live.header("stripe-signature"), &live.body));
    assert!(!sent.headers.iter().any(|(name, _)| name.starts_with("hook-")), "{:?}", sent.headers);
}

#[test]
fn without_a_secret_it_is_said_why_it_must_fail() {
    let (hook, app) = (Hook::new(), stripe_app(SECRET));
    let _listen = old_event(&hook, &app);
    let output = hook.run(["replay", "1"]).ended_with(1);
    let said = "timestamp is 15 min old, Stripe libraries refuse after 5 min.";
    assert!(
        output.stderr.contains(said) && output.stderr.contains("next: hook secret set stripe"),
        "{}",
        output.stderr
    );
    let output = hook.run(["replay", "1", "--resign"]).ended_with(1);
    assert!(output.stderr.contains("no secret of stripe is known") && output.stdout.is_empty(), "{output:?}");
    assert_eq!(app.count(), 2, "nothing was sent by the second");
    // Told in a variable, it is known.
    let told = Hook::new().with_env("MY_SECRET", SECRET);
    let _listen = old_event(&told, &app);
    told.run(["replay", "1", "--secret-env", "MY_SECRET"]).succeeded();
}

#[test]
fn the_secret_that_made_it_signs_it_again() {
    let (hook, app) = (knowing(SECRET).with_env("STRIPE_SIGNING_SECRET", OLD_SECRET), stripe_app(OLD_SECRET));
    let listen = hook.listen(["--forward-to", &app.url()]);
    assert_eq!(send_stripe(&listen.url(), OLD_SECRET, now() - 900, EVENT).status, 400);
    listen.attempt(1);
    hook.run(["replay", "1"]).succeeded();
    hook.run(["replay", "1", "--set", "type=charge.succeeded"]).succeeded();
}

#[test]
fn a_forgery_becomes_right_only_when_it_is_asked_for() {
    let (hook, app) = (knowing(SECRET), stripe_app(SECRET));
    let listen = hook.listen(["--forward-to", &app.url()]);
    assert_eq!(send_stripe(&listen.url(), "whsec_of_somebody_else", now(), EVENT).status, 400);
    listen.attempt(1);
    hook.run(["replay", "1"]).ended_with(1);
    let output = hook.run(["replay", "1", "--resign"]).succeeded();
    assert!(output.stderr.contains("#1: its own signature is not right"), "{}", output.stderr);
    assert!(!output.stderr.contains(SECRET) && output.stderr.contains("…4Rk1"), "{}", output.stderr);
}

#[test]
fn a_forged_event_should_be_refused() {
    let (hook, app) = (knowing(SECRET), stripe_app(SECRET));
    let _listen = old_event(&hook, &app);
    for part in ["body", "signature", "timestamp"] {
        let attempt = replayed(&hook, &["--tamper", part]).remove(0);
        assert_eq!((&attempt["status"], &attempt["forged"]), (&400.into(), &part.into()));
        assert_eq!(attempt["resigned"], false);
    }
    let body = |n| String::from_utf8(app.request(n).body.clone()).unwrap();
    assert_ne!(body(2), EVENT);
    assert_eq!([body(3), body(4)], [EVENT, EVENT]);
    app.answers(Answer::ok("thanks"));
    let output = hook.run(["replay", "1", "--tamper", "body"]).ended_with(1);
    assert!(output.stderr.contains("your app took a forged event, its body changed."), "{}", output.stderr);
    assert!(output.stdout.contains("forged body"), "{}", output.stdout);
}

#[test]
fn an_edited_event_is_a_new_one_and_differs_in_what_was_asked() {
    let (hook, app) = (knowing(SECRET), stripe_app(SECRET));
    let _listen = old_event(&hook, &app);
    let output = hook.run(["replay", "1", "--set", "data.object.amount=4200.50", "--header", "X-New: 1"]).succeeded();
    assert!(output.stderr.contains("#2 is #1 edited."), "{}", output.stderr);
    let sent = app.request(2);
    assert_eq!(String::from_utf8(sent.body.clone()).unwrap(), EVENT.replace("2000.00", "4200.50"));
    assert_eq!(sent.header("x-new").as_deref(), Some("1"));
    let events = hook.events();
    assert_eq!((&events[1]["origin"], &events[1]["parent"]), (&"edited".into(), &events[0]["id"]));
    assert_eq!((&events[1]["signature"]["verdict"], &events[1]["state"]), (&"valid".into(), &"ended".into()));
    let attempts = hook.attempts("2");
    assert_eq!((&attempts[0]["kind"], &attempts[0]["resigned"]), (&"edit".into(), &true.into()));
    assert_eq!(hook.attempts("1").len(), 1, "the event itself is as it was");
    // And once more: it is an event like any other.
    hook.run(["replay", "2"]).succeeded();
    assert_eq!(app.request(3).body, sent.body);
    let output = hook.run(["replay", "1", "--set", "data.object.amuont=1"]).ended_with(1);
    assert!(output.stderr.contains("next: hook replay 1 --set data.object.amount=…"), "{}", output.stderr);
    hook.run_with_stdin(["replay", "1", "--body", "-"], b"{\"type\":\"x\"}").succeeded();
    assert_eq!(app.request(4).body, b"{\"type\":\"x\"}");
}

/// An editor that is a program.
fn editor(hook: Hook, script: &str) -> Hook {
    let path = hook.home().join("editor");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let command = format!("'{}' --wait", path.display());
    let runtime = hook.home().join("run");
    std::fs::create_dir(&runtime).unwrap();
    hook.with_env("EDITOR", &command).with_env("XDG_RUNTIME_DIR", runtime.to_str().unwrap())
}

#[test]
fn an_event_is_edited_in_a_private_file() {
    let script = r#"[ "$1" = --wait ] || exit 9
cp "$2" "$HOME/seen"; stat -c %a "$2" "$(dirname "$2")" > "$HOME/modes"; sed -i 's/2000.00/1e3/' "$2""#;
    let (hook, app) = (editor(knowing(SECRET), script), stripe_app(SECRET));
    let _listen = old_event(&hook, &app);
    hook.run(["replay", "1", "--edit"]).succeeded();
    assert_eq!(String::from_utf8(app.request(2).body.clone()).unwrap(), EVENT.replace("2000.00", "1e3"));
    let seen = std::fs::read_to_string(hook.home().join("seen")).unwrap();
    assert!(
        seen.contains("# resign: yes (stripe whsec_…4Rk1)") && seen.contains("      \"amount\": 2000.00,\n"),
        "{seen}"
    );
    assert!(!seen.contains(SECRET));
    assert_eq!(std::fs::read_to_string(hook.home().join("modes")).unwrap(), "600\n700\n");
    assert_eq!(std::fs::read_dir(hook.home().join("run")).unwrap().count(), 0, "it is removed");
}

#[test]
fn an_edit_that_is_none_sends_nothing() {
    for (script, said) in [
        ("true", "nothing changed, not sent."),
        (": > \"$2\"", "nothing is left: cancelled, not sent."),
        ("exit 1", "cancelled, not sent."),
        ("sed -i 's/2000.00,/2000.00,,/' \"$2\"", "It was not sent; your text is kept in "),
        ("sed -i 's/^content-type: /content type: /' \"$2\"", "line 4: "),
    ] {
        let (hook, app) = (editor(knowing(SECRET), script), stripe_app(SECRET));
        let _listen = old_event(&hook, &app);
        let output = hook.run(["replay", "1", "--edit"]).ended_with(1);
        assert!(output.stderr.contains(said), "{script}: {}", output.stderr);
        assert_eq!((app.count(), hook.events().len()), (1, 1), "{script}");
    }
}

#[test]
fn who_signs_the_url_is_signed_anew_for_the_one_that_the_app_has() {
    let (hook, app) = (Hook::new().with_env("TWILIO_AUTH_TOKEN", TOKEN), twilio_app(|app| app.at("/sms")));
    let listen = hook.listen(["--forward-to", &app.at("/sms")]);
    assert_eq!(send_twilio(&listen.url(), TOKEN).status, 204);
    let attempt = listen.attempt(1);
    assert_eq!((&attempt["kind"], &attempt["resigned"]), (&"live".into(), &true.into()));
    assert_eq!(hook.events()[0]["signature"]["verdict"], "valid", "as it came");
    assert_eq!(send_twilio(&listen.url(), "of somebody else").status, 403, "a forgery stays one");
    assert_eq!(listen.attempt(2)["resigned"], false);
    hook.run(["replay", "1"]).succeeded();
    hook.run(["replay", "1", "--set", "Body=Hello you", "--app-url", "https://elsewhere.example"]).ended_with(1);
    let edited = app.request(4);
    assert_eq!(edited.body, b"Body=Hello+you&From=%2B15550100&MessageSid=SM1");
    let fields = [("Body", "Hello you"), TWILIO_FIELDS[1], TWILIO_FIELDS[2]];
    assert_eq!(edited.header("x-twilio-signature"), Some(twilio(TOKEN, "https://elsewhere.example/sms", &fields)));
}

#[test]
fn the_apps_own_url_is_said_by_a_flag_or_hook_toml() {
    let app = twilio_app(|_| "https://shop.example/hooks/sms".to_owned());
    let known = || Hook::new().with_env("TWILIO_AUTH_TOKEN", TOKEN);
    let hook = known();
    let listen = hook.listen(["--forward-to", &app.at("/hooks"), "--app-url", "https://shop.example/hooks"]);
    assert_eq!(send_twilio(&format!("{}/sms", listen.url()), TOKEN).status, 204);
    let hook = known();
    let toml = format!("[[endpoint]]\nforward-to = \"{}\"\napp-url = \"https://shop.example\"\n", app.at("/hooks"));
    std::fs::write(hook.project().join("hook.toml"), toml).unwrap();
    let listen = hook.listen([""; 0]);
    assert_eq!(send_twilio(&format!("{}/sms", listen.url()), TOKEN).status, 204);
    hook.run(["replay", "last"]).succeeded();
}

#[test]
fn with_as_received_live_events_are_left_as_they_came() {
    let (hook, app) = (Hook::new().with_env("TWILIO_AUTH_TOKEN", TOKEN), twilio_app(|app| app.at("/sms")));
    let listen = hook.listen(["--forward-to", &app.at("/sms"), "--as-received"]);
    let url = listen.url();
    assert_eq!(send_twilio(&url, TOKEN).status, 403);
    let sent = app.request(1);
    assert_eq!(sent.header("x-twilio-signature"), Some(twilio(TOKEN, &url, &TWILIO_FIELDS)));
    assert!(!sent.headers.iter().any(|(name, _)| name.starts_with("hook-")), "{:?}", sent.headers);
}

#[test]
fn what_waited_too_long_is_signed_anew_and_a_forgery_is_not() {
    let clock = Clock::new();
    let (hook, app) = (knowing(SECRET).under(&clock), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url(), "--hold"]);
    send_stripe(&listen.url(), SECRET, now(), EVENT).assert_queued();
    let forged = stripe("whsec_of_somebody_else", now(), EVENT.as_bytes());
    let fields: [(&str, &[u8]); 1] = [("Stripe-Signature", forged.as_bytes())];
    request("POST", &listen.url(), &fields, EVENT).assert_queued();
    // It was old when it came: whoever sends old ones is not the provider.
    send_stripe(&listen.url(), SECRET, now() - 900, EVENT).assert_queued();
    // It was here before: whoever sends it once more may have kept it.
    send_stripe(&listen.url(), SECRET, now(), EVENT).assert_queued();
    clock.set("+20m");
    app.start();
    wait_until("all are forwarded", || app.count() == 4);
    let signature = |n| app.request(n).header("stripe-signature").unwrap();
    let at: u64 = signature(1)[2..].split(',').next().unwrap().parse().unwrap();
    assert!(at > now() + 1100, "{at}");
    assert_eq!(signature(1), stripe(SECRET, at, EVENT.as_bytes()));
    assert_eq!(signature(2), forged);
    let resigned: Vec<Value> =
        (1..=4).map(|n| hook.attempts(&n.to_string()).pop().unwrap()["resigned"].clone()).collect();
    assert_eq!(resigned, [true, false, false, false]);
}

#[test]
fn a_live_event_leaves_this_machine_only_when_it_is_said() {
    let (hook, app) = (knowing(SECRET), stripe_app(SECRET));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let live = EVENT.replace("\"livemode\":false", "\"livemode\":true");
    assert_eq!(send_stripe(&listen.url(), SECRET, now(), &live).status, 200);
    listen.attempt(1);
    hook.run(["replay", "1"]).succeeded();
    // This machine, under a name that does not say so.
    let elsewhere = format!("0.0.0.0:{}", app.port());
    let output = hook.run(["replay", "1", "--to", &elsewhere]).ended_with(1);
    assert!(output.stderr.contains("event 1 is LIVE, about real money or data"), "{}", output.stderr);
    let next = format!("next: hook replay 1 --to http://{elsewhere} --yes");
    assert!(output.stderr.contains(&next), "{}", output.stderr);
    assert_eq!(app.count(), 2);
    hook.run(["replay", "1", "--to", &elsewhere, "--yes"]).succeeded();
}

#[test]
fn an_event_that_a_change_makes_live_is_asked_about_too() {
    let (hook, app) = (knowing(SECRET), stripe_app(SECRET));
    let listen = hook.listen(["--forward-to", &app.url()]);
    assert_eq!(send_stripe(&listen.url(), SECRET, now(), EVENT).status, 200);
    listen.attempt(1);
    let elsewhere = format!("0.0.0.0:{}", app.port());
    let change = ["replay", "1", "--set", "livemode=true", "--to", &elsewhere];
    let output = hook.run(change).ended_with(1);
    assert!(output.stderr.contains("event 1 is LIVE, about real money or data"), "{}", output.stderr);
    assert_eq!((app.count(), hook.events().len()), (1, 1), "nothing was made or sent");
    hook.run(change.iter().chain(&["--yes"])).succeeded();
    // Where it stays here nobody is asked.
    hook.run(["replay", "1", "--set", "livemode=true"]).succeeded();
    assert_eq!(app.count(), 3);
}
