//! The main job, whole: a webhook arrives at the app byte for byte, is printed with its answer, is kept, is sent again.

use hook_tests::{Answer, App, Hook, curl, post, request, wait_until};

const BODY: &str = r#"{"id":"evt_1","type":"payment_intent.succeeded"}"#;

#[test]
fn a_webhook_reaches_the_app_and_its_sender_gets_the_apps_answer() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("201 Created").header("X-App", "mine").body("made")));
    let listen = hook.listen(["--forward-to", &app.at("/webhooks/stripe")]);
    let url = listen.url();

    let curl = curl(&["-i", "-d", BODY, "-H", "Content-Type: application/json", &url]).succeeded();
    assert!(curl.stdout.starts_with("HTTP/1.1 201 Created\r\n"), "{}", curl.stdout);
    assert!(curl.stdout.contains("\r\nx-app: mine\r\n") && curl.stdout.ends_with("\r\n\r\nmade"), "{}", curl.stdout);

    let request = app.request(1);
    assert_eq!((request.method(), request.target()), ("POST".into(), "/webhooks/stripe".into()));
    assert_eq!(request.body, BODY.as_bytes());
    assert_eq!(request.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(request.header("host"), Some(format!("127.0.0.1:{}", app.port())));
    assert_eq!(request.attempt(), 1);
    assert_eq!(request.header("hook-replay"), None);
    assert_eq!(request.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto").as_deref(), Some("http"));
    assert!(url.contains(&request.header("x-forwarded-host").unwrap()), "the host of {url}");

    let event = listen.event(1);
    assert_eq!(event["id"], request.event_id());
    assert_eq!((&event["seq"], &event["method"], &event["size"]), (&1.into(), &"POST".into(), &BODY.len().into()));
    assert_eq!((&event["path"], &event["query"], &event["queued"]), (&"/".into(), &"".into(), &false.into()));
    assert_eq!((&event["origin"], &event["signature"]["verdict"]), (&"captured".into(), &"unchecked".into()));
    assert_eq!(event["url"].as_str(), Some(url.as_str()));
    let attempt = listen.attempt(1);
    assert_eq!((&attempt["event_seq"], &attempt["attempt"], &attempt["kind"]), (&1.into(), &1.into(), &"live".into()));
    assert_eq!(
        (&attempt["status"], &attempt["error"], &attempt["response_size"]),
        (&201.into(), &().into(), &4.into())
    );

    let kept = hook.events();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["id"], event["id"]);
    assert_eq!(kept[0]["sha256"], event["sha256"]);
}

#[test]
fn the_records_come_in_the_order_of_what_happened() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    post(&listen.url(), BODY);
    listen.attempt(1);
    let bye = listen.bye();
    assert_eq!(
        (&bye["events"], &bye["ok"], &bye["failed"], &bye["undelivered"]),
        (&1.into(), &1.into(), &0.into(), &0.into())
    );
    assert_eq!(bye["reason"], "sigint");
    assert_eq!(listen.exit_code(), Some(0));
    let mut types: Vec<String> = listen.records().iter().map(|r| r["type"].as_str().unwrap().to_owned()).collect();
    types.retain(|t| t != "tunnel");
    assert_eq!(types, ["hello", "ready", "event", "attempt", "bye"]);
    assert_eq!(listen.stderr.text(), "", "with --output json stderr stays empty");
    let hello = &listen.records()[0];
    assert_eq!(hello["pid"], listen.pid());
    assert_eq!(hello["journal"].as_str(), hook.journal().to_str());
    let ready = listen.ready();
    assert_eq!((&ready["app"], ready["forward_to"].as_str()), (&"up".into(), Some(app.url().as_str())));
}

#[test]
fn events_are_listed_newest_first_and_shown_whole() {
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("fine").header("X-App", "mine")));
    let listen = hook.listen(["--forward-to", &app.url()]);
    for n in 1..=3 {
        post(&format!("{}/n/{n}?q={n}", listen.url()), format!("{{\"n\": {n}.0, \"n\": 12345678901234567890}}"));
    }
    listen.attempt(3);

    let seqs = |args: &[&str]| -> Vec<u64> {
        let output = hook.run([&["events", "--output", "json"], args].concat()).succeeded();
        output.of_type("event").iter().map(|e| e["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(seqs(&[]), [3, 2, 1]);
    assert_eq!(seqs(&["--limit", "2"]), [3, 2]);
    assert_eq!(seqs(&["path:/n/2"]), [2]);
    assert_eq!(seqs(&["status:5xx"]), [0u64; 0]);
    assert_eq!(seqs(&["--since", "1h"]), [3, 2, 1]);

    let list = hook.run(["events"]).succeeded();
    let lines: Vec<&str> = list.stdout.lines().filter(|l| l.contains('#')).collect();
    assert!(lines.len() == 3 && lines[0].contains("#3") && lines[0].contains("200"), "{}", list.stdout);

    let shown = hook.run(["show", "last"]).succeeded().stdout;
    for part in [
        "#3",
        "POST",
        "/n/3?q=3",
        "content-type",
        "application/json",
        "12345678901234567890",
        "3.0",
        "200",
        "fine",
        "x-app",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    assert_eq!(shown.matches("\"n\"").count(), 2, "duplicate keys stay:\n{shown}");

    let id = hook.events()[0]["id"].as_str().unwrap().to_owned();
    for name in ["1", "last~2", &id, &id[..20]] {
        let shown = hook.run(["show", name, "--output", "json"]).succeeded();
        // A prefix of the time alone may name several.
        if name.len() != 20 {
            assert_eq!(shown.of_type("event")[0]["seq"], 1, "{name}");
            assert_eq!(shown.of_type("attempt").len(), 1, "{name}");
        }
    }
}

#[test]
fn show_raw_writes_the_exact_body() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    let body = b"\x00\xff{\r\n\x1b[31m \"a\" : 1 }\n\n";
    request("POST", &listen.url(), &[("Content-Type", b"application/json")], body);
    listen.event(1);
    assert_eq!(hook.run(["show", "last", "--raw"]).succeeded().raw_stdout, body);
}

#[test]
fn a_replay_is_another_attempt_of_the_same_event() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("500 Oops").body("bug")));
    let listen = hook.listen(["--forward-to", &app.at("/hooks")]);
    assert_eq!(post(&format!("{}/a?b=c", listen.url()), BODY).status, 500);
    listen.attempt(1);

    hook.run(["replay", "last"]).ended_with(1);
    app.answers(Answer::ok("fixed"));
    let again = hook.run(["replay", "last", "--output", "json"]).succeeded();
    let attempt = &again.of_type("attempt")[0];
    assert_eq!((&attempt["attempt"], &attempt["kind"], &attempt["status"]), (&3.into(), &"replay".into(), &200.into()));

    let (first, third) = (app.request(1), app.request(3));
    assert_eq!((third.target(), &third.body), ("/hooks/a?b=c".into(), &BODY.as_bytes().to_vec()));
    assert_eq!(third.event_id(), first.event_id());
    assert_eq!((third.attempt(), third.header("hook-replay").as_deref()), (3, Some("1")));

    let statuses: Vec<_> = hook.attempts("1").iter().map(|a| a["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(500), Some(500), Some(200)], "attempts are appended, never overwritten");
    assert_eq!(hook.events().len(), 1);
}

#[test]
fn a_replay_takes_many_events_another_target_and_times() {
    let (hook, app, other) = (Hook::new(), App::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    for n in 1..=5 {
        post(&format!("{}/{n}", listen.url()), "{}");
    }
    listen.attempt(5);
    let paths = |from: usize| -> Vec<String> { other.requests()[from..].iter().map(|r| r.target()).collect() };

    hook.run(["replay", "1", "3..4", "--to", &other.at("/new")]).succeeded();
    assert_eq!(paths(0), ["/new/1", "/new/3", "/new/4"]);
    hook.run(["replay", "path:/2", "--to", &other.url(), "--times", "3"]).succeeded();
    assert_eq!(paths(3), ["/2", "/2", "/2"]);
    assert_eq!(other.requests()[3..].iter().map(|r| r.attempt()).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(app.count(), 5, "--to goes nowhere else");
    // Nothing is named twice by accident: what does not exist is an error, and nothing is sent.
    hook.run(["replay", "99"]).ended_with(1);
    assert_eq!(other.count(), 6);
}

#[test]
fn the_line_log_prints_events_on_stdout_and_everything_else_on_stderr() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("500 Oops").body("{\"error\":\"no such thing\"}")));
    let listen = hook.spawn(["listen", "--forward-to", &app.at("/webhooks/stripe")]);
    let banner = listen.wait_for_stderr("Ready in ");
    assert!(banner.contains(&format!("http://127.0.0.1:{}/webhooks/stripe", app.port())), "{banner}");
    let url = banner.lines().find_map(|l| l.trim().strip_prefix("Public URL")).expect("a public URL").trim();
    assert_eq!(post(url, BODY).status, 500);
    let hint = listen.wait_for_stderr("next: fix, then hook replay 1");
    assert!(hint.contains("│ your app answered 500: {\"error\":\"no such thing\"}"), "{hint}");
    listen.interrupt();
    let output = listen.output().ended_with(0);
    assert!(output.stderr.contains("Stopped. 1 event"), "{}", output.stderr);
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(lines.len() == 1 && lines[0].contains("#1   500 "), "one line for each event, and nothing else: {lines:?}");
    assert!(!output.stdout.contains('\x1b') && !output.stderr.contains('\x1b'), "no escape sequences in a pipe");
}

#[test]
fn without_a_target_events_are_captured() {
    let hook = Hook::new();
    let listen = hook.listen([] as [&str; 0]);
    let reply = post(&listen.url(), BODY);
    assert_eq!((reply.status, reply.text().as_str()), (200, ""));
    let event = listen.event(1);
    assert_eq!((&listen.ready()["forward_to"], &event["seq"]), (&().into(), &1.into()));
    assert_eq!(hook.attempts("1"), [] as [serde_json::Value; 0]);

    // Once there is a handler, it gets what was captured.
    let app = App::new();
    hook.run(["replay", "1", "--to", &app.url()]).succeeded();
    assert_eq!(app.request(1).body, BODY.as_bytes());
}

#[test]
fn the_demo_needs_no_app() {
    let hook = Hook::new();
    let listen = hook.listen(["--demo"]);
    let attempts = listen.wait_for_type("attempt", 1);
    assert!(attempts[0]["status"].is_u64(), "{}", attempts[0]);
    assert!(!hook.events().is_empty());
}

#[test]
fn the_url_of_a_project_stays() {
    let (hook, app) = (Hook::new(), App::new());
    let url = {
        let listen = hook.listen(["--forward-to", &app.url()]);
        let url = listen.url();
        listen.bye();
        url
    };
    let name = url.rsplit('/').next().unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && name.len() >= 20, "{url} cannot be guessed");
    let listen = hook.listen(["--forward-to", &app.url()]);
    assert_eq!(listen.url(), url);
    post(&url, BODY);
    wait_until("the app gets it", || app.count() == 1);
}

#[test]
fn http2_without_tls_works_too() {
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("hi")));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let url = format!("{}/a?b=1", listen.url());
    let curl =
        curl(&["--http2-prior-knowledge", "-d", BODY, "-H", "X-One: 1", "-w", " %{http_version}", &url]).succeeded();
    assert_eq!(curl.stdout, "hi 2");
    let request = app.request(1);
    assert_eq!((request.target(), &request.body), ("/a?b=1".into(), &BODY.as_bytes().to_vec()));
    assert_eq!(request.header("x-one").as_deref(), Some("1"));
    assert_eq!(listen.event(1)["url"].as_str(), Some(url.as_str()));
}

#[test]
fn the_port_of_a_url_is_none_that_the_system_gives_to_outgoing_connections() {
    let hook = Hook::new();
    let url = hook.listen(["--until", "path:/never"]).url();
    let port: u16 = url.rsplit(':').next().and_then(|rest| rest.split('/').next()).unwrap().parse().unwrap();
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or("49152 65535".into());
    let range: Vec<u16> = range.split_whitespace().map(|n| n.parse().unwrap()).collect();
    assert!(!(range[0]..=range[1]).contains(&port), "{port} may be taken when {url} is wanted again");
}
