//! What is shown of attempts that were not signed as their events came.

use hook_tests::signing::{now, send_stripe, send_twilio};
use hook_tests::{Answer, App, Hook};
use insta::assert_snapshot;

use crate::plain::Plain;
use crate::screen::{Screen, run};

const EVENT: &str =
    r#"{"id":"evt_1","object":"event","type":"charge.failed","data":{"object":{"amount":2000}},"livemode":true}"#;
const SECRET: &str = "whsec_test_8hFq2LwZ0aPn4Rk1";

#[test]
fn again_changed_and_forged() {
    let (hook, app) = (Hook::new().with_env("STRIPE_WEBHOOK_SECRET", SECRET), App::new());
    let screen = Screen::stripe(&hook, &app, &[]);
    send_stripe(&screen.url(), SECRET, now() - 900, EVENT);
    screen.line(1);
    screen.interrupted();
    let plain = Plain::of(&hook).app(&app);
    let mut all = vec![
        run(&hook, &plain, &["replay", "1"]),
        run(&hook, &plain, &["replay", "1", "--set", "data.object.amount=4200"]),
        run(&hook, &plain, &["replay", "1", "--set", "data.object.amuont=4200"]),
        run(&hook, &plain, &["replay", "1", "--tamper", "signature"]),
        run(&hook, &plain, &["replay", "1", "--to", "https://staging.example"]),
        run(&hook, &plain, &["replay", "1", "--tamper", "body", "--resign"]),
    ];
    app.answers(Answer::status("400 Bad Request"));
    all.push(run(&hook, &plain, &["replay", "1", "--tamper", "timestamp", "--times", "2"]));
    // Nobody else has the secret any more.
    let hook = hook.with_env("STRIPE_WEBHOOK_SECRET", "");
    all.push(run(&hook, &plain, &["replay", "1"]));
    all.push(run(&hook, &plain, &["replay", "1", "--resign"]));
    assert_snapshot!(all.join("\n"));
}

#[test]
fn live_for_the_url_that_the_app_has() {
    let token = "a3f1c2d4e5b60718293a4b5c6d7e8f90";
    let (hook, app) = (Hook::new().with_env("TWILIO_AUTH_TOKEN", token), App::new());
    let target = format!("localhost:{}/sms", app.port());
    let screen = Screen::listen(&hook, Plain::of(&hook).app(&app), &["--forward-to", &target]);
    send_twilio(&screen.url(), token);
    screen.line(1);
    send_twilio(&screen.url(), token);
    screen.line(2);
    let shown = screen.interrupted();
    let plain = Plain::of(&hook).app(&app);
    assert_snapshot!([shown, run(&hook, &plain, &["show", "1"])].join("\n"));
}
