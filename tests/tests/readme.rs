//! Every command block of the README, run: what a stranger pastes must work.

#![allow(clippy::unwrap_used, reason = "a README that cannot be run must fail the test")]

use std::path::Path;
use std::process::Command;

use hook_tests::{Answer, App, Hook, Relay, post};

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The blocks of one kind, each as its lines.
fn blocks(kind: &str) -> Vec<Vec<String>> {
    let text = readme();
    let mut blocks = Vec::new();
    let mut inside: Option<Vec<String>> = None;
    for line in text.lines() {
        match (&mut inside, line.strip_prefix("```")) {
            (None, Some(opened)) => inside = (opened == kind).then(Vec::new).or(Some(vec!["\0".into()])),
            (Some(_), Some(_)) => blocks.extend(inside.take()),
            (Some(lines), None) => lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    blocks.retain(|b| b.first().is_none_or(|l| l != "\0"));
    blocks
}

/// The words of a command line as a shell splits them; comments left out.
fn words(line: &str) -> Vec<String> {
    let output = Command::new("sh").args(["-c", &format!("printf '%s\\0' {line}")]).output().unwrap();
    assert!(output.status.success(), "{line}");
    String::from_utf8(output.stdout).unwrap().split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn the_first_command_serves_the_curl_below_it_and_the_demo_shows_itself() {
    let commands: Vec<String> = blocks("sh").concat();
    let listen: Vec<&String> = commands.iter().filter(|c| c.starts_with("cargo run --release -- listen")).collect();
    assert_eq!(listen.len(), 2, "{commands:?}");
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("the app's own answer")));
    let target = app.at("/webhooks/stripe");
    let args = words(listen[0].strip_prefix("cargo run --release -- ").unwrap());
    let args: Vec<&str> =
        args.iter().map(|a| if a == "localhost:3000/webhooks/stripe" { target.as_str() } else { a }).collect();
    let process = hook.spawn(&args);
    let screen = process.wait_for_stderr("curl -d");
    let url = screen.lines().find_map(|l| l.trim().strip_prefix("Public URL")).unwrap().trim();
    assert_eq!(post(url, r#"{"id":"evt_1","type":"payment_intent.succeeded"}"#).text(), "the app's own answer");
    process.interrupt();
    assert_eq!(process.exit_code(), Some(0));

    let demo = hook.spawn(words(listen[1].strip_prefix("cargo run --release -- ").unwrap()));
    demo.wait_for_stdout("#4");
    demo.wait_for_stderr("your app answered 500");
    demo.interrupt();
    assert_eq!(demo.exit_code(), Some(0));
}

#[test]
fn the_commands_that_look_and_send_again_do_so() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("500 Oops")));
    let listen = hook.listen(["--forward-to", &app.url()]);
    post(&listen.url(), r#"{"data":{"object":{"amount":4200}}}"#);
    listen.attempt(1);
    listen.bye();
    let down = App::stopped();
    let other = hook.listen(["--forward-to", &down.url()]);
    post(&other.url(), "{}");
    other.attempt(1);
    other.bye();
    down.start();
    let target = app.at("/webhooks");
    let lines: Vec<String> = blocks("sh").concat().into_iter().filter(|l| l.starts_with("hook ")).collect();
    assert!(lines.len() >= 8, "{lines:?}");
    for line in lines {
        // A pipe or a redirection is the shell's business.
        let args = words(line.split(" > ").next().unwrap().strip_prefix("hook ").unwrap());
        let args: Vec<&str> =
            args.iter().map(|a| if a == "localhost:4000/webhooks" { target.as_str() } else { a }).collect();
        let output = hook.run(&args);
        // The app fails on purpose, so a replay to it exits 1.
        assert!(matches!(output.code, Some(0 | 1)), "{line}: {output:?}");
        assert!(output.code == Some(0) || line.contains("replay"), "{line}: {output:?}");
    }
}

#[test]
fn a_relay_of_ones_own_works_as_written() {
    let commands = blocks("console").concat();
    let line = |starts: &str| {
        let line = commands.iter().find(|c| c.contains(starts)).unwrap_or_else(|| panic!("{starts} in {commands:?}"));
        words(line.split_once("$ hook ").unwrap().1)
    };
    assert_eq!(line("token create")[..3], ["relay", "token", "create"]);
    let flags: Vec<String> = line("hook relay --listen").into_iter().filter(|w| w.starts_with("--")).collect();
    assert_eq!(flags, ["--listen", "--public-url", "--trust-proxy"]);
    let relay = Relay::with(&["--public-url", "https://hooks.example.com", "--trust-proxy", "127.0.0.1"]);
    let created = relay.run(&["token", "create", &line("token create")[3]]).succeeded();
    let (hook, app) = (Hook::new(), App::new());
    let mut login = line("hook login");
    login[1] = relay.url();
    hook.run_with_stdin(&login, created.stdout.trim().as_bytes()).succeeded();
    let target = app.at("/webhooks/stripe");
    let mut args = line("hook listen");
    *args.last_mut().unwrap() = target;
    let listen = hook.listen(&args[1..]);
    assert_eq!(listen.ready()["public_url"], "https://hooks.example.com/shop");
    post(&relay.at("shop"), "{}");
    assert_eq!(app.request(1).target(), "/webhooks/stripe");
}

#[test]
fn the_hook_toml_is_one_that_hook_takes() {
    let file = blocks("toml").concat().join("\n").replace("https://hooks.example.com", "embedded");
    let hook = Hook::new();
    std::fs::write(hook.project().join("hook.toml"), file).unwrap();
    let listen = hook.listen(Vec::<&str>::new());
    let names: Vec<_> = listen.wait_for_type("ready", 2).iter().map(|r| r["endpoint"].clone()).collect();
    assert_eq!(names, ["shop", "try"]);
}

#[test]
fn the_scripts_that_are_named_are_there() {
    for script in ["install.sh", "tests/run"] {
        assert!(blocks("sh").concat().iter().any(|l| l.trim_start_matches("./") == script), "{script}");
        let checked = Command::new("bash").arg("-n").arg(root().join(script)).status().unwrap();
        assert!(checked.success(), "{script}");
    }
}

#[test]
fn every_document_that_is_named_is_there() {
    for part in readme().split("](").skip(1) {
        let link = part.split(')').next().unwrap();
        assert!(link.starts_with("http") || root().join(link).exists(), "{link}");
    }
}
