//! A person and signing secrets: what is pasted, what is known elsewhere, and what a provider cannot reach.

use hook_tests::signing::{now, send_stripe};
use hook_tests::{Answer, App, Hook};
use insta::assert_snapshot;

use crate::plain::{Plain, stripped};
use crate::screen::{Screen, run};
use crate::terminal::Place;

const LOCAL: &str = "whsec_0123456789abcdef01bf";
const EVENT: &str = r#"{"id":"evt_1","object":"event","type":"charge.failed"}"#;

/// What a terminal shows of a command, with a line typed at each question.
fn typed(hook: &Hook, args: &[&str], lines: &[(&str, &str)]) -> String {
    let terminal = Place::Pty.spawn(hook, args);
    for (question, line) in lines {
        terminal.wait_for(question);
        terminal.type_line(line);
    }
    let (raw, code) = terminal.ended();
    assert!(lines.iter().all(|(_, line)| line.len() < 9 || !raw.contains(line)), "a secret is shown:\n{raw}");
    format!("$ hook {}\n{}[exit {code}]\n", args.join(" "), Plain::of(hook).text(&stripped(&raw).replace('\r', "")))
}

#[test]
fn what_is_no_signing_secret_is_asked_about() {
    let hook = Hook::new();
    let set = |key: &'static str, answer: &'static str| {
        let lines = [("signing secret (is not shown): ", key), ("all the same? [y/N] ", answer)];
        typed(&hook, &["secret", "set", "stripe"], &lines[..if answer.is_empty() { 1 } else { 2 }])
    };
    let key = "sk_test_0123456789abcdef";
    let all = [set(key, "n"), set(key, "y"), set("  \"whsec_0123456789abcdef01bf\"  ", "")];
    assert_snapshot!(all.join("\n"));
}

#[test]
fn a_provider_that_cannot_call_is_told_before_the_steps() {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &[]);
    screen.url();
    let args = ["setup", "stripe", "--timeout-after", "50ms"];
    let said = typed(&hook, &args, &[("Enter skips): ", "")]);
    let plain = Plain::of(&hook).app(&app).with(r"Stripe at [0-9a-z]{20}\b", "Stripe at x7k2m");
    assert_snapshot!(plain.text(&said));
}

#[test]
fn what_verified_is_known_while_it_runs_and_remembered_after() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("400 Bad Request").body("no signatures found")));
    std::fs::write(hook.project().join(".env.local"), format!("STRIPE_WEBHOOK_SECRET={LOCAL}\n")).unwrap();
    let screen = Screen::stripe(&hook, &app, &["--env-file", ".env.local"]);
    send_stripe(&screen.url(), LOCAL, now(), EVENT);
    screen.line(1).nexts(1);
    let plain = Plain::of(&hook).app(&app).with(r"\d+ m?s ago", "1 s ago").with(r"in \d+ ms  \(", "in 1 ms  (");
    let again = |args: &[&str]| run(&hook, &plain, args);
    let mut all =
        vec![again(&["verify", "1"]), again(&["secret", "list"]), again(&["trigger", "stripe", "charge.failed"])];
    screen.line(2).nexts(2);
    all.push(screen.interrupted());
    all.extend([again(&["verify", "1"]), again(&["explain", "1"]), again(&["replay", "1", "--resign"])]);
    assert_snapshot!(all.join("\n"));
}
