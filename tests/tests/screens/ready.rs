//! "Ready" means ready, and is said everywhere (ux §0.4, T3).

use hook_tests::{App, Hook, LyingRelay, Relay, post};

use crate::screen::public_url;
use crate::terminal::Terminal;

/// Terminal or pipe, colour or none, JSON or lines.
fn all_eight(mut check: impl FnMut(&dyn Fn(&Hook, &[&str]) -> Terminal, bool)) {
    for is_terminal in [false, true] {
        for color in ["always", "never"] {
            for json in [false, true] {
                let spawn = move |hook: &Hook, args: &[&str]| {
                    let how = ["--color", color, "--output", if json { "json" } else { "line" }];
                    let mut command = hook.command([&["listen"], args, &how].concat());
                    command.env("TERM", "xterm-256color");
                    if is_terminal { Terminal::pty(&command) } else { Terminal::pipe(&command) }
                };
                check(&spawn, json);
            }
        }
    }
}

fn word(json: bool) -> &'static str {
    if json { r#""type":"ready""# } else { "Ready in " }
}

#[test]
fn ready_is_said_everywhere_once_senders_get_through() {
    all_eight(|spawn, json| {
        let (hook, app) = (Hook::new(), App::new());
        let terminal = spawn(&hook, &["--forward-to", &app.url()]);
        let said = terminal.wait_for(word(json));
        let url = if json {
            let line = said.lines().find(|l| l.contains(word(json))).unwrap();
            serde_json::from_str::<serde_json::Value>(line.trim()).unwrap()["public_url"].as_str().unwrap().to_owned()
        } else {
            public_url(&said)
        };
        assert_eq!(post(&url, "{}").text(), "ok");
        terminal.interrupt();
        let (raw, code) = terminal.ended();
        assert_eq!((raw.matches(word(json)).count(), code), (1, 0), "once: {raw}");
    });
}

#[test]
fn ready_is_never_said_while_the_relay_refuses() {
    let relay = Relay::with(&["--public-url", "https://hooks.example.com"]);
    all_eight(|spawn, json| {
        let hook = Hook::new().with_env("HOOK_TOKEN", "hk_wrong");
        let terminal = spawn(&hook, &["--relay", &relay.url(), "--name", "shop"]);
        let (raw, code) = terminal.ended();
        assert_eq!(code, 4, "{raw}");
        assert!(raw.contains(if json { "\"code\":\"token\"" } else { "hook: " }), "{raw}");
        assert!(!raw.contains("Ready") && !raw.contains("\"ready\""), "{raw}");
    });
}

#[test]
fn ready_is_never_said_while_the_relay_is_away() {
    let nowhere = App::stopped();
    all_eight(|spawn, json| {
        let hook = Hook::new();
        let terminal = spawn(&hook, &["--relay", &nowhere.url(), "--name", "shop"]);
        // The second try has failed too.
        terminal.wait_for(if json { r#""attempt":2"# } else { "try 2" });
        terminal.interrupt();
        let (raw, _) = terminal.ended();
        assert!(!raw.contains("Ready") && !raw.contains("\"ready\""), "{raw}");
    });
}

#[test]
fn ready_waits_for_the_route_and_not_for_the_connection() {
    all_eight(|spawn, json| {
        let (hook, relay) = (Hook::new(), LyingRelay::new());
        let terminal = spawn(&hook, &["--relay", &relay.url(), "--name", "shop"]);
        let mut session = relay.session();
        session.welcome();
        // The CLI has asked for its endpoint and nothing was confirmed.
        let open = session.receive_until(|kind| match kind {
            hook_proto::wire::to_relay::Kind::Open(open) => Some(open),
            _ => None,
        });
        assert!(!terminal.raw().contains(word(json)), "{}", terminal.raw());
        let opened = hook_proto::wire::Opened {
            route: open.route,
            name: "shop".into(),
            public_url: format!("{}/shop", relay.url()),
            epoch: 1,
            waiting: 0,
        };
        session.say(hook_proto::wire::to_cli::Kind::Opened(opened));
        terminal.wait_for(word(json));
    });
}
