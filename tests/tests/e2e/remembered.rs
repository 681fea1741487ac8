//! What a running `hook listen` was told about secrets, other commands need not be told again; and what it verified with is
//! remembered when it has ended.

use hook_tests::signing::{now, send_stripe, stripe};
use hook_tests::{Answer, App, Hook, Listen, Output, request};

const LOCAL: &str = "whsec_0123456789abcdef01bf";
const OTHER: &str = "whsec_ffffffffffffffffffff0000";
const PLACE: &str = "whsec_…01bf from STRIPE_WEBHOOK_SECRET in ./.env.local";
const TRIGGER: [&str; 3] = ["trigger", "stripe", "payment_intent.succeeded"];
const BODY: &str = r#"{"id":"evt_1","object":"event","type":"charge.failed"}"#;

fn with_file(variable: &str) -> Hook {
    let hook = Hook::new();
    std::fs::write(hook.project().join(".env.local"), format!("{variable}={LOCAL}\n")).unwrap();
    hook
}

/// Takes what is signed with one secret, as the official library does.
fn verifying(secret: &'static str) -> App {
    let app = App::new();
    app.answers_with(move |request| {
        let signature = request.header("stripe-signature").unwrap_or_default();
        let at = signature.strip_prefix("t=").and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0);
        match signature == stripe(secret, at, &request.body) {
            true => Answer::ok("ok"),
            false => Answer::status("400 Bad Request").body("no signatures found"),
        }
    });
    app
}

/// `hook listen` with a variable that no other process has.
fn listening(hook: &Hook, name: &str, args: &[&str]) -> Listen {
    let mut command = hook.command(["listen", "--output", "json"].iter().chain(args));
    command.env(name, LOCAL);
    let listen = Listen::running(&mut command);
    listen.ready();
    listen
}

fn kept(hook: &Hook) -> bool {
    hook.home().join("config/hook/secrets.toml").exists()
}

#[track_caller]
fn says(output: &Output, words: &[&str]) {
    let all = format!("{}{}", output.stdout, output.stderr);
    for word in words {
        assert!(all.contains(word), "no \"{word}\" in\n{all}");
    }
    assert!(!all.contains(LOCAL), "{all}");
}

#[test]
fn what_is_triggered_is_signed_with_what_the_listener_verifies_with() {
    let (hook, app) = (with_file("STRIPE_WEBHOOK_SECRET"), verifying(LOCAL));
    // The one in .env is known too, and comes behind.
    std::fs::write(hook.project().join(".env"), format!("STRIPE_WEBHOOK_SECRET={OTHER}\n")).unwrap();
    let listen = hook.listen(["--env-file", ".env.local", "--forward-to", &app.url()]);
    listen.ready();
    says(&hook.run(TRIGGER).succeeded(), &["200"]);
    says(&hook.run([&TRIGGER[..], &["--to", &app.url()]].concat()).succeeded(), &["200"]);
    assert!(!kept(&hook), "a second secret was made");
    assert_eq!(listen.event(1)["signature"]["source"], "STRIPE_WEBHOOK_SECRET in ./.env.local");
    // What a flag of its own says comes first.
    let own = hook.with_env("MINE", OTHER);
    own.run([&TRIGGER[..], &["--secret-env", "MINE"]].concat()).ended_with(1);
    assert_eq!(listen.event(2)["signature"]["source"], "STRIPE_WEBHOOK_SECRET in ./.env");
}

#[test]
fn a_variable_that_the_listener_was_told_of_is_looked_for_in_its_files() {
    let (hook, app) = (with_file("PAYMENTS"), verifying(LOCAL));
    let listen = hook.listen(["--env-file", ".env.local", "--secret-env", "PAYMENTS", "--forward-to", &app.url()]);
    listen.ready();
    hook.run(TRIGGER).succeeded();
    assert!(!kept(&hook));
    listen.bye();
    let said = hook.run(["verify"]).ended_with(1);
    says(
        &said,
        &["from PAYMENTS in ./.env.local", "next: the same with --env-file ./.env.local --secret-env PAYMENTS"],
    );
    hook.run(["verify", "--env-file", "./.env.local", "--secret-env", "PAYMENTS"]).succeeded();
}

#[test]
fn no_secret_is_made_when_only_the_listener_has_it() {
    let (hook, app) = (Hook::new(), verifying(LOCAL));
    let listen = listening(&hook, "STRIPE_WEBHOOK_SECRET", &["--forward-to", &app.url()]);
    let said = hook.run(TRIGGER).ended_with(1);
    says(
        &said,
        &[
            "has the secret of Stripe in its own environment (STRIPE_WEBHOOK_SECRET, whsec_…01bf), and this terminal has not",
            "Nothing was sent.",
            "--secret-env STRIPE_WEBHOOK_SECRET",
        ],
    );
    assert!(!kept(&hook) && app.count() == 0);
    says(
        &hook.run(["secret", "list"]).succeeded(),
        &["stripe  whsec_…01bf  STRIPE_WEBHOOK_SECRET, which only hook listen has"],
    );
    // Of another provider nothing is known, so one is made.
    says(&hook.run(["trigger", "github", "push", "--print"]).succeeded(), &["hook made one"]);
    send_stripe(&listen.url(), LOCAL, now(), BODY);
    says(
        &hook.run(["verify"]).ended_with(1),
        &[
            "it was valid when it came (whsec_…01bf from STRIPE_WEBHOOK_SECRET)",
            "next: export STRIPE_WEBHOOK_SECRET=…, then the same again",
        ],
    );
    let hook = hook.with_env("STRIPE_WEBHOOK_SECRET", LOCAL);
    hook.run(TRIGGER).succeeded();
    hook.run(["verify", "1"]).succeeded();
}

#[test]
fn what_verified_an_event_is_known_while_the_listener_runs_and_remembered_after() {
    let hook = with_file("STRIPE_WEBHOOK_SECRET");
    let listen = hook.listen(["--env-file", ".env.local", "--provider", "stripe"]);
    send_stripe(&listen.url(), LOCAL, now(), BODY);
    listen.event(1);
    says(&hook.run(["verify", "1"]).succeeded(), &["✓ valid", "(STRIPE_WEBHOOK_SECRET in ./.env.local)"]);
    says(&hook.run(["explain", "1"]).succeeded(), &["✓ valid"]);
    says(&hook.run(["secret", "list"]).succeeded(), &["stripe  whsec_…01bf  STRIPE_WEBHOOK_SECRET in ./.env.local"]);
    says(
        &hook.run_with_stdin(["secret", "set", "stripe"], OTHER.as_bytes()).succeeded(),
        &["Known before it: whsec_…01bf"],
    );
    listen.bye();

    let back = "the same with --env-file ./.env.local";
    let valid = format!("it was valid when it came ({PLACE}), and hook does not find that secret now");
    let anew = hook.run(["replay", "1", "--resign", "--to", "localhost:9"]).ended_with(1);
    says(&anew, &[&format!("#1: {valid}; it is sent with one of stripe whsec_…0000.")]);
    // With another secret at hand, and with none.
    for _ in 0..2 {
        says(&hook.run(["verify", "1"]).ended_with(1), &["– no secret  #1", &valid, &format!("next: {back}")]);
        says(&hook.run(["explain", "1"]).succeeded(), &[&valid, back]);
        hook.run(["secret", "remove", "stripe"]);
    }
    says(&hook.run(["replay", "1", "--resign", "--to", "localhost:9"]).ended_with(1), &[&valid, back]);
    let found = hook.run(["verify", "1", "--output", "json"]).ended_with(1).of_type("verdict").remove(0);
    assert_eq!((&found["verdict"], &found["reason"]), (&"no_secret".into(), &"no_secret".into()));
    hook.run(["verify", "1", "--env-file", "./.env.local"]).succeeded();
    // What was never right is not made right by it.
    let listen = hook.listen(["--env-file", ".env.local"]);
    let forged = stripe("whsec_of_nobody", now(), BODY.as_bytes());
    request("POST", &listen.url(), &[("Stripe-Signature", forged.as_bytes())], BODY);
    listen.event(1);
    listen.bye();
    let said = hook.run(["verify", "2"]).ended_with(1);
    assert!(!said.stdout.contains("it was valid"), "{said:?}");
}

#[test]
fn what_hook_made_nobody_sends_again() {
    let (hook, app) = (with_file("STRIPE_WEBHOOK_SECRET"), App::answering(Answer::status("500 Oops")));
    let listen = hook.listen(["--env-file", ".env.local", "--forward-to", &app.url()]);
    send_stripe(&listen.url(), LOCAL, now(), BODY);
    hook.run(TRIGGER).ended_with(1);
    let of = |n: usize| listen.attempt(n)["sender"].clone();
    assert_eq!((&of(1)["sends_again"], &of(2)["sends_again"]), (&true.into(), &false.into()));
    assert!(of(1)["text"].as_str().unwrap().starts_with("stripe will send it again"), "{}", of(1));
    assert_eq!(of(2)["text"], "hook trigger made it, so nobody sends it again");
    // The mark is hook's own, so the app does not get it.
    assert!(app.request(2).header("hook-trigger").is_none());
}

#[test]
fn a_probe_tries_the_other_secrets_that_are_known() {
    let (hook, app) = (Hook::new(), verifying(LOCAL));
    std::fs::write(hook.project().join(".env"), format!("STRIPE_WEBHOOK_SECRET={LOCAL}\n")).unwrap();
    hook.run_with_stdin(["secret", "set", "shop/stripe"], OTHER.as_bytes()).succeeded();
    let listen = hook.listen(["--name", "shop", "--forward-to", &app.url()]);
    send_stripe(&listen.url(), OTHER, now(), BODY);
    listen.attempt(1);
    let found = hook.run(["explain", "1", "--probe", "--output", "json"]).ended_with(1).of_type("probe").remove(0);
    assert_eq!(found["found"], "other_secret", "{found}");
    let says = "your app holds stripe whsec_…01bf (STRIPE_WEBHOOK_SECRET in ./.env), and not shop/stripe whsec_…0000";
    assert_eq!(found["text"], says);
}
