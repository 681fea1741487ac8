//! What goes wrong before anything runs: what happened, with the value, and one thing to do (ux §1.5).

use hook_tests::{App, Hook, Relay, post};
use insta::assert_snapshot;

use crate::plain::Plain;
use crate::screen::{Screen, golden, run};

/// Several mistakes on one page.
#[track_caller]
fn all(hook: &Hook, lines: &[&[&str]]) -> String {
    let plain = Plain::of(hook);
    lines.iter().map(|args| run(hook, &plain, args)).collect::<Vec<_>>().join("\n")
}

#[test]
fn bad_targets() {
    let hook = Hook::new();
    assert_snapshot!(all(
        &hook,
        &[
            &["listen", "--forward-to", "ftp://localhost:3000"],
            &["listen", "--forward-to", "localhost:99999"],
            &["listen", "--forward-to", "local host:3000"],
            &["listen", "--forward-to", "http://u:p@localhost:3000"],
            &["listen", "--forward-to", "/stripe=localhost:port"],
        ]
    ));
}

#[test]
fn an_unknown_host() {
    let hook = Hook::new();
    // That it is shown as it was typed is in wanted.rs.
    let plain = Plain::of(&hook).with("\"(http://)?locahost", "\"locahost");
    assert_snapshot!(run(&hook, &plain, &["listen", "--forward-to", "locahost:3000/webhooks"]));
}

#[test]
fn two_targets_for_one_path() {
    let hook = Hook::new();
    assert_snapshot!(all(
        &hook,
        &[
            &["listen", "--forward-to", "3000", "--forward-to", "4000"],
            &["listen", "--forward-to", "/stripe=3000", "--forward-to", "/stripe/=4000/x"],
        ]
    ));
}

#[test]
fn dashes_of_word_processors() {
    let hook = Hook::new();
    assert_snapshot!(all(
        &hook,
        &[&["listen", "–forward-to", "3000"], &["listen", "—forward-to", "3000", "−-name", "shop"]]
    ));
}

#[test]
fn what_is_no_command_or_argument() {
    let hook = Hook::new();
    assert_snapshot!(all(
        &hook,
        &[
            &["lisen"],
            &["listen", "3000"],
            &["listen", "--forward", "3000"],
            &["listen", "--forward-to"],
            &["listen", "--respond", "999"],
            &["listen", "--timeout", "soon"],
            &["listen", "--name", "Not A Name"],
            &["listen", "--output", "xml"],
            &["listen", "--demo", "--forward-to", "3000"],
            &["listen", "--mirror", "--name", "shop"],
            &["replay"],
        ]
    ));
}

#[test]
fn nothing_typed() {
    let hook = Hook::new();
    assert_snapshot!(run(&hook, &Plain::of(&hook), &[]));
}

#[test]
fn what_does_not_exist() {
    let hook = Hook::new();
    assert_snapshot!(all(
        &hook,
        &[&["events"], &["show"], &["show", "7"], &["replay", "last"], &["replay", "--undelivered"]]
    ));
}

#[test]
fn a_file_with_a_mistake() {
    let hook = Hook::new();
    std::fs::write(hook.project().join("hook.toml"), "[[endpoint]]\nname = \"shop\"\nforwardto = 3000\n").unwrap();
    // All that may stand there instead is no golden text.
    let plain = Plain::of(&hook).with("expected one of .*", "expected one of …");
    assert_snapshot!(run(&hook, &plain, &["listen"]));
}

#[test]
fn a_journal_that_cannot_be_used() {
    let hook = Hook::new();
    let plain = Plain::of(&hook);
    std::fs::create_dir_all(hook.journal().parent().unwrap()).unwrap();
    std::fs::write(hook.journal(), "this is a letter, and no database of any kind, ".repeat(100)).unwrap();
    assert_snapshot!(run(&hook, &plain, &["events"]));
}

#[test]
fn the_embedded_endpoint_is_taken() {
    let (hook, app) = (Hook::new(), App::new());
    let first = Screen::stripe(&hook, &app, &[]);
    first.url();
    // Its row is there once another process sees it.
    hook_tests::wait_until("it is listed", || hook.run(["status"]).stdout.contains("live in"));
    let args = ["listen", "--forward-to", &format!("localhost:{}/webhooks/stripe", app.port())];
    assert_snapshot!(run(&hook, &Plain::of(&hook).app(&app), &args));
}

#[test]
fn tokens() {
    let (hook, relay) = (Hook::new(), Relay::with(&["--public-url", "https://hooks.example.com"]));
    let plain = Plain::of(&hook).relay(&relay);
    let url = relay.url();
    let listen = ["listen", "--relay", &url, "--name", "shop", "--forward-to", "1"];
    let none = run(&hook, &plain, &listen);
    let wrong = Hook::new().with_env("HOOK_TOKEN", "hk_wrong");
    let wrong = run(&wrong, &Plain::of(&wrong).relay(&relay), &listen);
    let login = |token: &str| {
        let output = hook.run_with_stdin(["login", &url], token.as_bytes());
        golden(&plain, &format!("hook login {url}   < TOKEN"), &output)
    };
    let all = [none, wrong, login("hk_wrong\n"), login("not a token\n"), login(&relay.first_token())];
    assert_snapshot!(all.join("\n"));
}

#[test]
fn somebody_elses_name() {
    let relay = Relay::with(&["--public-url", "https://hooks.example.com"]);
    let mut hooks = ["one", "two"].map(|name| {
        let token = relay.run(&["token", "create", name]).succeeded().stdout;
        let token = token.split_whitespace().find(|w| w.starts_with("hk_")).expect("a token on stdout").to_owned();
        Hook::new().with_env("HOOK_TOKEN", &token)
    });
    let args = ["--relay", &relay.url(), "--name", "shop"];
    let first = Screen::listen(&hooks[0], Plain::of(&hooks[0]).relay(&relay), &args);
    let second = Screen::start(&hooks[1], Plain::of(&hooks[1]).relay(&relay), &args);
    assert_snapshot!(second.ended());
    assert!(first.process().is_running());
    hooks.reverse();
}

#[test]
fn what_is_no_relay() {
    let (hook, app, nowhere) = (Hook::new(), App::answering(hook_tests::Answer::status("404 No")), App::stopped());
    let plain = Plain::of(&hook).app(&app).port(nowhere.port(), 8080);
    let all = [
        run(&hook, &plain, &["listen", "--relay", &app.url()]),
        run(&hook, &plain, &["listen", "--relay", "hooks.example.com"]),
        golden(
            &plain,
            "hook login http://127.0.0.1:8080   < TOKEN",
            &hook.run_with_stdin(["login", &nowhere.url()], b"hk_x"),
        ),
    ];
    assert_snapshot!(all.join("\n"));
}

#[test]
fn a_replay_without_a_target() {
    let hook = Hook::new();
    let screen = Screen::listen(&hook, Plain::of(&hook), &[]);
    post(&screen.url(), "{}");
    screen.line(1);
    screen.interrupted();
    assert_snapshot!(run(&hook, &Plain::of(&hook), &["replay", "last"]));
}
