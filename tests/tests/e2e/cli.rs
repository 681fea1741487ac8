//! What a person types, and what it comes to: exit codes, errors that say what to do, and stdout that is data.

use hook_tests::{Answer, App, Hook, Relay, post};

/// `hook: what happened`, then `next: what to type`, and nothing else that programs like to print.
#[track_caller]
fn assert_plain_error(stderr: &str) {
    assert!(stderr.starts_with("hook: "), "{stderr}");
    assert!(stderr.lines().any(|l| l.starts_with("next: ")), "{stderr}");
    for noise in ["Usage:", "USAGE", "panicked", "RUST_BACKTRACE", "Error:", "error: "] {
        assert!(!stderr.contains(noise), "{noise} in {stderr}");
    }
}

#[test]
fn what_is_not_a_command_exits_2() {
    let hook = Hook::new();
    for args in [
        vec!["lisen"],
        vec!["listen", "--forward-too", "3000"],
        vec!["listen", "3000"],
        vec!["listen", "--forward-to", "locahost:port"],
        vec!["listen", "--respond", "999"],
        vec!["listen", "--reply-within", "soon"],
        vec!["listen", "--output", "xml"],
        vec!["listen", "--name", "Not A Name"],
        vec!["events", "statsu:500"],
        vec!["events", "--limit", "many"],
        vec!["show", "1", "2", "--nonsense"],
        vec!["status", "extra"],
        vec!["completions", "klingon"],
    ] {
        let output = hook.run(&args).ended_with(2);
        assert_plain_error(&output.stderr);
        assert_eq!(output.stdout, "", "{args:?}");
    }
    let filter = hook.run(["events", "statsu:500"]).stderr;
    assert!(filter.contains("status"), "the nearest key is named: {filter}");
    assert!(hook.run(["lisen"]).stderr.contains("listen"), "the nearest command is named");
}

#[test]
fn an_en_dash_is_named_with_the_command_that_was_meant() {
    let output = Hook::new().run(["listen", "–forward-to", "3000"]).ended_with(2);
    assert_plain_error(&output.stderr);
    assert!(
        output.stderr.contains("en dash") && output.stderr.contains("next: hook listen --forward-to 3000"),
        "{}",
        output.stderr
    );
}

#[test]
fn help_and_version_are_data() {
    let hook = Hook::new();
    for args in
        [vec!["--help"], vec!["listen", "--help"], vec!["replay", "--help"], vec!["relay", "--help"], vec!["--version"]]
    {
        let output = hook.run(&args).succeeded();
        assert!(output.stdout.contains("hook") && output.stderr.is_empty(), "{args:?}: {output:?}");
    }
    assert!(hook.run(["completions", "bash"]).succeeded().stdout.contains("listen"));
    let schema: serde_json::Value = serde_json::from_str(&hook.run(["schema", "listen"]).succeeded().stdout).unwrap();
    assert!(schema.to_string().contains("public_url"));
    assert!(!hook.journal().exists(), "none of these opens a journal");
}

#[test]
fn json_mode_writes_only_json_to_stdout() {
    let (hook, app) = (Hook::new(), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url(), "--reply-within", "100ms", "--body", "-v"]);
    let url = listen.url();
    post(&format!("{url}/down"), "{}");
    app.start();
    for answer in [
        Answer::ok("ok"),
        Answer::status("500 Oops").body("<html><title>Oops</title>"),
        Answer::status("302 Found").header("Location", "/x"),
        Answer::raw("garbage"),
        Answer::close(),
    ] {
        app.answers(answer);
        post(&url, "\x1b[31m{}");
    }
    listen.wait_for_type("attempt", 6);
    // Reading its records checks each line.
    listen.bye();
    listen.records();
    assert_eq!(listen.stderr.text(), "");
    for args in [vec!["events"], vec!["show", "last"], vec!["replay", "last"], vec!["status"]] {
        let output = hook.run([args.as_slice(), &["--output", "json"]].concat());
        assert!(!output.json().is_empty(), "{args:?}");
    }
}

#[test]
fn what_does_not_exist_exits_1() {
    let hook = Hook::new();
    for args in [vec!["show", "last"], vec!["replay", "last"], vec!["show", "7"], vec!["replay", "01K0000000"]] {
        let output = hook.run(&args).ended_with(1);
        assert_plain_error(&output.stderr);
    }
    assert_eq!(hook.run(["events", "--output", "json"]).succeeded().stdout, "");
    assert_eq!(hook.run(["events"]).succeeded().stdout, "", "data on stdout, hints elsewhere");
}

#[test]
fn a_replay_that_fails_exits_1() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("422 No").body("bad amount")));
    let listen = hook.listen(["--forward-to", &app.url()]);
    post(&listen.url(), "{}");
    listen.attempt(1);
    let failed = hook.run(["replay", "last"]).ended_with(1);
    assert!(failed.stdout.contains("422") && failed.stderr.contains("bad amount"), "{failed:?}");
    app.stop();
    let refused = hook.run(["replay", "last"]).ended_with(1);
    assert!(refused.stdout.contains("refused"), "{refused:?}");
    app.answers(Answer::ok("ok"));
    app.start();
    hook.run(["replay", "last"]).succeeded();
}

#[test]
fn a_relay_that_is_not_there_exits_5() {
    let (hook, nowhere) = (Hook::new(), App::stopped());
    let output = hook.run_with_stdin(["login", &nowhere.url()], b"hk_x\n").ended_with(5);
    assert_plain_error(&output.stderr);
    // What answers, but is no relay, is not one.
    let app = App::new();
    let output = hook.run_with_stdin(["login", &app.url()], b"hk_x\n");
    assert!(matches!(output.code, Some(4 | 5)), "what answers 200 to everything is no relay: {output:?}");
    assert_plain_error(&output.stderr);
}

#[test]
fn a_listener_waits_for_a_relay_that_is_not_there_yet() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    relay.kill9();
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
    listen.wait_for("it says so", |r| r["type"] == "tunnel" && r["state"] == "reconnecting");
    assert_eq!(listen.of_type("ready").len(), 0, "ready means ready");
    relay.restart();
    listen.ready();
    assert_eq!(post(&relay.at("shop"), "{}").text(), "ok");
}

#[test]
fn a_port_that_is_taken_is_said() {
    let (relay, taken) = (Relay::start(), App::new());
    let output = relay.run(&["--listen", &taken.url().replace("http://", "")]);
    assert_eq!(output.code, Some(3), "{output:?}");
    assert!(output.stderr.contains(&taken.port().to_string()) && output.stderr.contains("next:"), "{}", output.stderr);
}

#[test]
fn a_relay_that_the_outside_could_reach_wants_tokens() {
    for args in [vec!["--public-url", "https://hooks.example.com"], vec!["--trust-proxy", "127.0.0.1"]] {
        let relay = Relay::with(&args);
        assert!(relay.first_token().starts_with("hk_"), "{args:?}");
        assert_eq!(
            hook_tests::curl(&["-o", "/dev/null", "-w", "%{http_code}", &format!("{}/_hook/whoami", relay.url())])
                .stdout,
            "401"
        );
    }
    let open = Relay::with(&["--public-url", "https://hooks.example.com", "--open"]);
    assert!(
        open.stderr().to_lowercase().contains("warning") || open.stderr().to_lowercase().contains("anyone"),
        "{}",
        open.stderr()
    );
    assert_eq!(
        hook_tests::curl(&["-o", "/dev/null", "-w", "%{http_code}", &format!("{}/_hook/whoami", open.url())]).stdout,
        "200"
    );
}

#[test]
fn status_and_config_answer() {
    let (hook, app) = (Hook::new(), App::new());
    hook.run(["config"]).succeeded();
    let listen = hook.listen(["--forward-to", &app.url()]);
    let url = listen.url();
    let status = hook.run(["status"]).succeeded();
    assert!(status.stdout.contains(&url) && status.stdout.contains(&listen.pid().to_string()), "{}", status.stdout);
    listen.kill9();
    let status = hook.run(["status"]).succeeded();
    assert!(!status.stdout.contains(&url), "what is dead is not shown as running: {}", status.stdout);
}
