//! `--output json`: every line fits the published schema, and stderr stays empty (ux §1.8, T4).

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use hook_tests::{
    Answer, App, Gate, Hook, LIVENESS, Listen, Output, Process, Relay, Sender, post, request, wait_until,
};
use jsonschema::Validator;
use serde_json::{Value, json};

struct Schema(Validator);

impl Schema {
    /// As a user gets it.
    fn published(hook: &Hook) -> Self {
        let output = hook.run(["schema", "listen"]).succeeded();
        assert_eq!(output.stderr, "");
        let schema: Value = serde_json::from_str(&output.stdout).unwrap();
        Self(jsonschema::draft202012::new(&schema).expect("it is a schema"))
    }

    #[track_caller]
    fn fits(&self, line: &Value) {
        let errors: Vec<String> = self.0.iter_errors(line).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{line:#}\n{}", errors.join("\n"));
    }

    /// All lines of a finished run, and nothing else.
    #[track_caller]
    fn check(&self, output: &Output) -> Vec<Value> {
        assert_eq!(output.stderr, "", "stderr in JSON mode");
        assert!(output.stdout.is_empty() || output.stdout.ends_with('\n'), "a last line without its end");
        let lines = output.json();
        lines.iter().for_each(|line| self.fits(line));
        lines
    }

    /// A run that is interrupted now.
    #[track_caller]
    fn check_interrupted(&self, listen: &Listen) -> Vec<Value> {
        listen.interrupt();
        let lines = self.check(&listen.output());
        assert_eq!(lines.iter().filter(|l| l["type"] == "hello").count(), 1);
        assert_eq!(lines.last().unwrap()["type"], "bye");
        lines
    }
}

/// Everything that can happen between a sender and an app, in one run.
fn eventful(hook: &Hook) -> Listen {
    let (app, gate) = (App::new(), Gate::closed());
    let listen = hook.listen([
        "--forward-to",
        &format!("localhost:{}/hooks", app.port()),
        "--body",
        "--reply-within",
        "300ms",
        "--timeout",
        "1s",
    ]);
    let url = listen.url();
    let fields: [(&str, &[u8]); 3] = [("Content-Type", b"application/json"), ("X-Odd", b"\xff\xfe"), ("X-Twice", b"")];
    request("POST", &format!("{url}/a/b?x=1"), &fields, b"{\"type\":\"x\"}");
    request("PUT", &url, &[], b"\x00\xff\xfe");
    request("GET", &format!("{url}?"), &[], "");
    let answers = [
        Answer::status("204 No Content").bodiless(),
        Answer::status("500 Oops").header("Content-Type", "text/html").body("<title>Oops</title>"),
        Answer::status("302 Found").header("Location", "/x"),
        Answer::status("404 Not Found").header("X-Odd", b"\xff"),
        Answer::ok(vec![0, 0xff]).header("Content-Type", "image/png"),
        Answer::ok("").chunked(["a", "b"]).trailer("X-End", "1"),
        Answer::raw("garbage\r\n\r\n"),
        Answer::close(),
        Answer::reset(),
        Answer::close_midway(),
        Answer::status("999 Odd"),
    ];
    let mut count = 3;
    for answer in answers {
        app.answers(answer);
        post(&url, "{}");
        count += 1;
        listen.attempt(count);
    }
    // Chunks and trailers from the sender.
    app.answers(Answer::ok("ok"));
    let mut sender = Sender::to(&url);
    sender.head("POST", "", &[("Transfer-Encoding", b"chunked"), ("Trailer", b"X-End")]);
    sender.send("2\r\n{}\r\n0\r\nX-End: 1\r\n\r\n").response();
    // Out of the target's path.
    request("POST", &format!("{url}/../../admin"), &[], "{}");
    // Slow, and too slow.
    app.answers(Answer::ok("late").after(&gate));
    post(&url, "{}").assert_queued();
    listen.attempt(count + 2);
    let mut sender = Sender::to(&url);
    sender.head("POST", "", &[("Content-Length", b"2")]).send("{}");
    listen.wait_for_type("event", count + 4);
    sender.vanish();
    gate.open();
    listen.attempt(count + 3);
    // Down, and up again.
    app.answers(Answer::ok("ok"));
    app.stop();
    post(&url, "{}");
    listen.wait_for("it is down", |r| r["type"] == "app" && r["state"] == "down");
    app.start();
    listen.wait_for("it is up", |r| r["type"] == "app" && r["state"] == "up");
    listen
}

#[test]
fn every_line_of_an_eventful_run_fits() {
    let hook = Hook::new();
    let schema = Schema::published(&hook);
    let listen = eventful(&hook);
    let lines = schema.check_interrupted(&listen);
    let seen = |kind: &str, what: &str| lines.iter().any(|l| l["type"] == kind && l.to_string().contains(what));
    for (kind, what) in [
        ("ready", "\"up\""),
        ("event", "body_base64"),
        ("event", "base64\":"),
        ("event", "trailers"),
        ("event", "\"refused\""),
        ("attempt", "\"timeout\""),
        ("attempt", "\"answer_broken\""),
        ("attempt", "\"connection_refused\""),
        ("error", "\"slow\""),
        ("bye", "\"sigint\""),
    ] {
        assert!(seen(kind, what), "the run has no {kind} with {what}");
    }
    // The same objects, looked at later.
    for args in [
        vec!["events"],
        vec!["events", "--body"],
        vec!["events", "--undelivered"],
        vec!["show", "last"],
        vec!["show", "1"],
        vec!["show", "2"],
        vec!["explain", "1"],
        vec!["explain", "2"],
    ] {
        let output = hook.run([args.as_slice(), &["--output", "json"]].concat()).succeeded();
        assert!(!schema.check(&output).is_empty(), "{args:?}");
    }
    for args in [vec!["replay", "1..4"], vec!["replay", "last", "--bodies"]] {
        let output = hook.run([args.as_slice(), &["--output", "json", "--timeout", "1s"]].concat());
        let lines = schema.check(&output);
        assert!(lines.iter().all(|l| l["type"] == "attempt" && l["kind"] == "replay"), "{lines:?}");
    }
}

#[test]
fn what_the_schema_does_not_know_is_caught() {
    let hook = Hook::new();
    let schema = Schema::published(&hook);
    let app = App::stopped();
    let listen = hook.listen(["--forward-to", &app.url(), "--body"]);
    post(&listen.url(), "{}");
    listen.attempt(1);
    listen.wait_for("it is down", |r| r["type"] == "app");
    let mut lines = schema.check_interrupted(&listen);
    for command in ["doctor", "verify", "explain"] {
        lines.extend(hook.run([command, "--output", "json"]).json().into_iter().take(1));
    }
    // Kinds that this run has none of.
    let ts = lines[0]["ts"].clone();
    lines.push(json!({"v":1,"type":"error","ts":ts,"code":"slow","message":"m","next":null,"fatal":false}));
    lines.push(json!({"v":1,"type":"tunnel","ts":ts,"state":"live","attempt":0,"retry_in_ms":null,"error":null}));
    lines.push(
        json!({"v":1,"type":"sent","ts":ts,"provider":"p","event_type":"e","status":200,"queued":true,"ms":1,"response_size":0}),
    );
    let line = |kind: &str| lines.iter().find(|l| l["type"] == kind).unwrap_or_else(|| panic!("no {kind}")).clone();
    let kinds = [
        "hello",
        "ready",
        "app",
        "tunnel",
        "event",
        "attempt",
        "sent",
        "verdict",
        "explanation",
        "check",
        "error",
        "bye",
    ];
    for kind in kinds {
        let good = line(kind);
        schema.fits(&good);
        let mut more = good.clone();
        more["added_later"] = json!(true);
        schema.fits(&more);
        for name in good.as_object().unwrap().keys() {
            // What only --body shows, and what only some lines have.
            let optional = ["headers", "request_headers", "body", "detail", "meanwhile"].contains(&name.as_str());
            let mut less = good.clone();
            less.as_object_mut().unwrap().remove(name);
            assert_eq!(
                schema.0.is_valid(&less),
                optional && !(kind == "attempt" && name == "detail"),
                "{kind} without {name}"
            );
            let mut odd = good.clone();
            odd[name] = json!({"not": "what it is"});
            // This takes an object of any kind.
            assert!(!schema.0.is_valid(&odd) || name == "facts", "{kind} with an odd {name}");
        }
    }
    for (kind, path) in [
        ("hello", "/type"),
        ("app", "/state"),
        ("app", "/error"),
        ("ready", "/app"),
        ("tunnel", "/state"),
        ("tunnel", "/error"),
        ("event", "/state"),
        ("event", "/origin"),
        ("event", "/signature/verdict"),
        ("event", "/sha256"),
        ("event", "/ts"),
        ("attempt", "/kind"),
        ("attempt", "/error"),
        ("verdict", "/verdict"),
        ("verdict", "/reason"),
        ("explanation", "/verdict"),
        ("explanation", "/app/error"),
        ("check", "/check"),
        ("check", "/state"),
        ("error", "/code"),
        ("bye", "/reason"),
    ] {
        let mut mangled = line(kind);
        *mangled.pointer_mut(path).unwrap() = json!("no_such_word");
        assert!(!schema.0.is_valid(&mangled), "{kind} with an unknown word at {path}");
    }
    let mut older = line("event");
    older["v"] = json!(2);
    assert!(!schema.0.is_valid(&older), "another version");
}

#[test]
fn a_relay_that_comes_and_goes_fits() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let schema = Schema::published(&hook);
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
    listen.ready();
    assert_eq!(relay.terminate(), Some(0));
    listen.wait_for("it is lost", |r| r["type"] == "tunnel" && r["state"] == "reconnecting");
    relay.restart();
    listen.wait_for("it is back", |r| r["type"] == "tunnel" && r["state"] == "live");
    let another = Hook::new();
    let other = another.listen(["--relay", &relay.url(), "--name", "shop"]);
    other.ready();
    let lines = schema.check(&listen.output().ended_with(4));
    assert!(lines.iter().any(|l| l["type"] == "error" && l["code"] == "superseded" && l["fatal"] == true));
    assert_eq!(lines.last().unwrap()["type"], "bye");
    schema.check_interrupted(&other);
}

#[test]
fn what_the_doctor_finds_fits() {
    let hook = Hook::on_disk();
    let schema = Schema::published(&hook);
    let listen = hook.listen([] as [&str; 0]);
    post(&listen.url(), "{}");
    listen.event(1);
    let doctor = |hook: &Hook, code| {
        let lines = schema.check(&hook.run(["doctor", "--output", "json"]).ended_with(code));
        lines.iter().map(|l| l["check"].as_str().unwrap_or("error").to_owned()).collect::<Vec<_>>()
    };
    assert!(doctor(&hook, 0).contains(&"port".to_owned()));
    let relay = Relay::with(&["--public-url", "https://hooks.example.com", "--open"]);
    let hook = hook.with_env("HOOK_RELAY", &relay.url());
    assert!(doctor(&hook, 0).contains(&"public".to_owned()));
    drop(relay);
    assert_eq!(doctor(&hook, 1).last().unwrap(), "error");
}

#[test]
fn what_keeps_listen_from_starting_fits() {
    let hook = Hook::new();
    let schema = Schema::published(&hook);
    let relay = Relay::with(&["--public-url", "https://hooks.example.com"]);
    let url = relay.url();
    let app = App::answering(Answer::status("404 No"));
    let no_relay = app.url();
    for (args, code, word) in [
        (vec!["--forward-to", "ftp://x"], 2, "usage"),
        (vec!["--filter", "statsu:200"], 2, "usage"),
        (vec!["--relay", &url, "--name", "shop"], 4, "token"),
        (vec!["--relay", &no_relay], 4, "not_a_relay"),
        (vec!["--journal", "/dev/null/x"], 3, "journal"),
    ] {
        let output = hook.run([&["listen", "--output", "json"], args.as_slice()].concat());
        let lines = schema.check(&output);
        let error = lines.iter().find(|l| l["type"] == "error").unwrap_or_else(|| panic!("{args:?}: {output:?}"));
        assert_eq!((error["code"].as_str(), error["fatal"].as_bool()), (Some(word), Some(true)), "{args:?}");
        assert!(output.code == Some(code), "{args:?}: {output:?}");
    }
}

#[test]
fn until_fits() {
    let hook = Hook::new();
    let schema = Schema::published(&hook);
    let lines = schema.check(
        &hook.run(["listen", "--output", "json", "--until", "path:/x", "--timeout-after", "300ms"]).ended_with(1),
    );
    assert_eq!(lines.last().unwrap()["reason"], "timeout");
    let listen = hook.listen(["--until", "path:/x"]);
    post(&format!("{}/x", listen.url()), "{}");
    let lines = schema.check(&listen.output().succeeded());
    assert_eq!(lines.last().unwrap()["reason"], "until");
}

#[test]
fn owed_events_fit() {
    let (hook, app) = (Hook::new(), App::stopped());
    let schema = Schema::published(&hook);
    let listen = hook.listen(["--forward-to", &app.url(), "--hold", "--filter", "path:/a"]);
    post(&format!("{}/a", listen.url()), "{}").assert_queued();
    post(&format!("{}/b", listen.url()), "{}");
    listen.event(2);
    app.start();
    listen.wait_for("it is forwarded", |r| r["type"] == "attempt" && r["status"] == 200);
    let lines = schema.check_interrupted(&listen);
    assert!(lines.iter().any(|l| l["type"] == "event" && l["state"] == "filtered"));
}

/// How a program ends whose reader has left: exit code (or 128 and its signal) and stderr.
#[track_caller]
fn end_of(mut child: Child) -> (i32, String) {
    let by = Instant::now() + LIVENESS;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > by {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it goes on although its reader has left");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let done = child.wait_with_output().unwrap();
    let code = done.status.code().or(done.status.signal().map(|s| 128 + s)).unwrap();
    (code, String::from_utf8_lossy(&done.stderr).into_owned())
}

/// 200 events with bodies that no pipe holds.
fn many_events() -> Hook {
    let hook = Hook::new();
    let listen = hook.listen([] as [&str; 0]);
    let mut sender = Sender::to(&listen.url());
    let body = "x".repeat(4000);
    for _ in 0..200 {
        sender.head("POST", "", &[("Content-Length", b"4000")]).send(&body).response();
    }
    wait_until("all are kept", || listen.of_type("event").len() == 200);
    listen.bye();
    hook
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let hook = many_events();
    for args in [
        vec!["events", "--limit", "1000", "--output", "json"],
        vec!["events", "--limit", "1000", "--output", "json", "--body"],
        vec!["events", "--limit", "1000", "--body"],
        vec!["show", "last", "--output", "json"],
        vec!["schema", "listen"],
        vec!["listen", "--help"],
        vec!["completions", "bash"],
    ] {
        let mut command = hook.command(&args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        // `head -1`: one line, and gone.
        out.read_line(&mut first).unwrap();
        drop(out);
        let (code, stderr) = end_of(child);
        assert!(matches!(code, 0 | 141), "{args:?} ended with {code}");
        assert_eq!(stderr, "", "{args:?}");
        assert!(!first.is_empty());
    }
    let shell = "\"$0\" events --limit 1000 --output json | head -1";
    let program = hook.command([] as [&str; 0]);
    let mut command = std::process::Command::new("bash");
    command.args(["-o", "pipefail", "-c", shell]).arg(program.get_program());
    command.env_clear().envs(program.get_envs().filter_map(|(n, v)| Some((n, v?)))).current_dir(hook.project());
    let output = Process::start(&mut command, b"").output();
    assert!(matches!(output.code, Some(0 | 141)), "{output:?}");
    assert_eq!((output.json().len(), output.stderr.as_str()), (1, ""));
}

#[test]
fn a_listener_whose_reader_left_ends() {
    let hook = Hook::new();
    let mut command = hook.command(["listen", "--output", "json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let url = loop {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let record: Value = serde_json::from_str(&line).unwrap();
        if record["type"] == "ready" {
            break record["public_url"].as_str().unwrap().to_owned();
        }
    };
    drop(out);
    post(&url, "{}");
    let (code, stderr) = end_of(child);
    assert!(matches!(code, 0 | 141), "{code}");
    assert_eq!(stderr, "");
    assert_eq!(hook.events().len(), 1, "what was accepted is kept");
}

#[test]
fn a_trigger_tells_of_the_event_and_of_a_secret_that_it_made() {
    let (hook, app, relay) = (Hook::new(), App::new(), Relay::start());
    let schema = Schema::published(&hook);
    let trigger = |to: &[&str]| {
        let args = [&["trigger", "stripe", "invoice.paid", "--output", "json", "--body"], to].concat();
        let lines = schema.check(&hook.run(args).succeeded());
        lines.iter().map(|l| l["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(trigger(&["--to", &app.url()]), ["error", "event", "attempt"]);
    assert_eq!(trigger(&["--to", &app.url()]), ["event", "attempt"]);
    let elsewhere = Hook::new();
    let listen = elsewhere.listen(["--relay", &relay.url(), "--name", "shop"]);
    listen.ready();
    assert_eq!(trigger(&["--url", &relay.at("shop")]), ["sent"]);
}
