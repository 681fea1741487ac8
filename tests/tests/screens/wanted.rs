//! Screens that ux.md or DESIGN.md want and that hook did not show when these tests were written.
//! Each has the wanted words, and fails until they are there; then it belongs to its neighbours in the other files.

use hook_tests::{Answer, App, Hook, Relay, post, request, wait_until};

use crate::forms;
use crate::plain::Plain;
use crate::screen::Screen;
use crate::terminal::Place;

/// ux §1.1: "ASCII fallback when the locale is not UTF-8 or TERM=dumb".
#[test]
fn signs_have_words_in_the_line_log() {
    forms::in_ascii(forms::the_line_log);
}

#[test]
fn signs_have_words_while_the_app_is_down() {
    forms::in_ascii(forms::the_app_is_down_at_the_start);
}

#[test]
fn signs_have_words_in_full() {
    forms::in_ascii(forms::in_full);
}

#[test]
fn signs_have_words_in_errors_and_status() {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &[]);
    screen.url();
    wait_until("it is listed", || hook.run(["status"]).stdout.contains("live in"));
    for args in [["listen", "--mirror", "--name", "shop"].as_slice(), &["status"], &["listen"]] {
        let raw = Place::Dumb.spawn(&hook, args).ended().0;
        assert!(raw.is_ascii(), "{args:?}: {raw}");
    }
}

/// ux §1.2: the summary stands on a line of its own below the terminal's ^C.
#[test]
fn the_summary_begins_a_line() {
    let hook = Hook::new();
    let terminal = Place::Pty.spawn(&hook, &["listen"]);
    terminal.wait_for("Ready in ");
    terminal.interrupt();
    let raw = terminal.ended().0;
    assert!(raw.contains("^C\r\nStopped. "), "{raw}");
}

/// ux §1.5: "hook: "locahost:3000/webhooks" is not an address hook can forward to": the value as it was typed.
#[test]
fn an_unknown_host_is_shown_as_it_was_typed() {
    let stderr = Hook::new().run(["listen", "--forward-to", "locahost:3000/webhooks"]).ended_with(2).stderr;
    let wanted = "hook: \"locahost:3000/webhooks\" is not an address hook can forward to (no host named \"locahost\").\nnext: hook listen --forward-to localhost:3000/webhooks\n";
    assert_eq!(stderr, wanted);
}

/// ux §1.5: "Form of every error: `hook: <what happened>` newline `next: <one thing>`".
#[test]
fn every_error_has_a_next_line() {
    let hook = Hook::new();
    let listen = hook.listen([] as [&str; 0]);
    post(&listen.url(), "{}");
    listen.event(1);
    let mut without = Vec::new();
    for args in [
        vec!["show", "1..2"],
        vec!["events", "statsu:500"],
        vec!["replay", "status:"],
        vec!["listen", "--until", "statsu:500"],
        vec!["listen", "--filter", "statsu:500"],
        vec!["listen", "--header", "no colon"],
        vec!["listen", "--host-header", "a\nb"],
    ] {
        let output = hook.run(&args);
        assert!(output.code != Some(0) && output.stderr.starts_with("hook: "), "{args:?}: {output:?}");
        if !output.stderr.lines().any(|l| l.starts_with("next: ")) {
            without.push(format!("{args:?}: {}", output.stderr));
        }
    }
    std::fs::write(hook.project().join("hook.toml"), "[[endpoint]]\nname = \"Not A Name\"\n").unwrap();
    let output = hook.run(["listen"]);
    if !output.stderr.contains("\nnext: ") {
        without.push(format!("a bad name in hook.toml: {}", output.stderr));
    }
    assert!(without.is_empty(), "no next line:\n{}", without.join("\n"));
}

/// ux §1.5 and §6: "Connection lost (network is unreachable)", and never a library's or the system's own sentence.
#[test]
fn reasons_are_plain_words() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::stopped());
    let mut said = Vec::new();
    let screen = Screen::listen(&hook, Plain::of(&hook), &["--relay", &relay.url(), "--name", "shop"]);
    assert_eq!(relay.terminate(), Some(0));
    screen.err("Connection lost");
    // DESIGN §6: "a relay that restarts says so first".
    said.push(screen.process().stderr.text());
    let away = Screen::start(&hook, Plain::of(&hook), &["--relay", &relay.url(), "--name", "other"]);
    away.err("Not connected yet");
    said.push(away.process().stderr.text());
    said.push(hook.run_with_stdin(["login", &app.url()], b"hk_x").stderr);
    said.push(hook.run(["events", "--journal", "/dev/null/journal.db"]).stderr);
    for noise in ["os error", "WebSocket protocol error", "closing handshake"] {
        let bad: Vec<_> = said.iter().flat_map(|s| s.lines()).filter(|l| l.contains(noise)).collect();
        assert!(bad.is_empty(), "{noise:?} is said to a person: {bad:#?}");
    }
}

/// ux §1.5: "3 events came meanwhile": what came before, was answered and is in the journal, did not.
#[test]
fn what_was_answered_before_did_not_come_meanwhile() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let args = ["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()];
    let screen = Screen::listen(&hook, Plain::of(&hook), &args);
    // Its ack has not gone out yet when the relay goes.
    post(&relay.at("shop"), "{}");
    assert_eq!(relay.terminate(), Some(0));
    screen.err("Connection lost");
    relay.restart();
    screen.err("Connected again");
    let said = screen.interrupted();
    assert!(said.contains("Nothing came meanwhile."), "{said}");
}

/// A sender that heard 400 and an app that got nothing are no success.
#[test]
fn a_refused_path_is_not_counted_as_ok() {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &[]);
    assert_eq!(request("POST", &format!("{}/../../admin", screen.url()), &[], "{}").status, 400);
    screen.line(1);
    let said = screen.interrupted();
    assert!(said.contains("Stopped. 1 event in 12 min: 0 ok, 1 failed."), "{said}");
}

/// ux §1.3 has `hook events --undelivered` for an app that is down. An event that was answered 500 is not in that list.
#[test]
fn what_is_named_for_repeated_failures_finds_them() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("500 Oops").body("no database")));
    let screen = Screen::stripe(&hook, &app, &[]);
    for n in 1..=5 {
        post(&screen.url(), "{}");
        screen.line(n);
    }
    let said = screen.interrupted();
    let (_, command) = said.split_once("like #1 (hook ").expect(&said);
    let command = command.split_once(')').unwrap().0.replace('\'', "");
    let found = hook.run(command.split(' ')).succeeded().stdout;
    assert_eq!(found.lines().count(), 5, "hook {command} finds:\n{found}");
}

/// `hello` is the first thing that is said.
#[test]
fn hello_comes_before_the_state_of_the_app() {
    let (hook, app) = (Hook::new(), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url()]);
    listen.ready();
    let first = listen.records().remove(0);
    assert_eq!(first["type"], "hello", "{first}");
}

/// ux §1.1: "with --output json everything is a JSON line on stdout, and stderr stays empty".
#[test]
fn failures_are_json_lines_in_json_mode() {
    let hook = Hook::new();
    let mut silent = Vec::new();
    for args in [
        ["listen", "--until", "statsu:200"].as_slice(),
        &["events", "statsu:200"],
        &["show", "7"],
        &["replay", "7"],
        &["replay", "--undelivered"],
        &["events", "--journal", "/dev/null/x"],
    ] {
        let output = hook.run([args, &["--output", "json"]].concat());
        let lines: Vec<_> =
            output.stdout.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok()).collect();
        if !output.stderr.is_empty() || !lines.iter().any(|l| l["type"] == "error") {
            silent.push(format!("{args:?}: stdout {:?}, stderr {:?}", output.stdout, output.stderr));
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

/// ux §1.8: "Common: `v` (1), `type`, `ts`".
#[test]
fn status_has_the_common_fields() {
    let line = Hook::new().run(["status", "--output", "json"]).succeeded().json().remove(0);
    assert!(line["v"] == 1 && line["type"] == "status" && line["ts"].is_string(), "{line}");
}
