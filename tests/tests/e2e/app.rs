//! The app misbehaves: what its sender hears, what is kept, and what is said about it.

use std::time::Duration;

use hook_tests::{Answer, App, Gate, Hook, Response, Sender, assert_same_bytes, pattern, post, request, wait_until};

/// The words of a 502: what happened, and that the event is kept.
#[track_caller]
fn assert_bad_gateway(reply: &Response, words: &str) {
    let text = reply.text();
    assert_eq!(reply.status, 502, "{text}");
    assert_eq!(reply.header("content-type").as_deref(), Some("text/plain; charset=utf-8"));
    assert!(text.contains(words) && text.contains("kept"), "{text}");
}

#[test]
fn an_app_that_is_down_is_a_502_and_the_event_is_never_sent_by_itself() {
    let (hook, app) = (Hook::new(), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url()]);
    assert_eq!(listen.ready()["app"], "down");
    let url = listen.url();
    assert_bad_gateway(&post(&url, "{\"n\":1}"), "refused");
    let attempt = listen.attempt(1);
    assert_eq!((&attempt["status"], &attempt["error"]), (&().into(), &"connection_refused".into()));
    assert_eq!(hook.event_state(1), "undelivered");

    app.start();
    listen.wait_for("the app comes up", |r| r["type"] == "app" && r["state"] == "up");
    assert_eq!(post(&url, "{\"n\":2}").status, 200);
    assert_eq!(app.request(1).body, b"{\"n\":2}", "only the new one arrives");

    let undelivered = hook.run(["events", "--undelivered", "--output", "json"]).succeeded().of_type("event");
    assert_eq!(undelivered.iter().map(|e| e["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1]);
    hook.run(["replay", "--undelivered"]).succeeded();
    let replayed = app.request(2);
    assert_eq!((&replayed.body, replayed.attempt()), (&b"{\"n\":1}".to_vec(), 2));
    assert_eq!(hook.run(["events", "--undelivered", "--output", "json"]).succeeded().of_type("event").len(), 0);
    assert_eq!(app.count(), 2);
}

#[test]
fn a_person_is_told_once_that_the_app_is_down_and_once_that_it_is_up() {
    let (hook, app) = (Hook::new(), App::stopped());
    let listen = hook.spawn(["listen", "--forward-to", &app.at("/webhooks/stripe")]);
    let banner = listen.wait_for_stderr("Ready in ");
    let port = app.port();
    assert!(banner.contains(&format!("✗ nothing listens on port {port}")), "{banner}");
    assert!(banner.contains("Start your app; hook sees it by itself."), "{banner}");
    let url = banner.lines().find_map(|l| l.trim().strip_prefix("Public URL")).unwrap().trim();
    post(url, "{}");
    post(url, "{}");
    let hints = listen.wait_for_stderr("next: start your app, then hook replay 2");
    assert!(hints.contains(&format!("not delivered: connection refused on 127.0.0.1:{port}")), "{hints}");
    app.start();
    let told = listen.wait_for_stderr("next: hook replay --undelivered");
    let up = format!("app is up: http://127.0.0.1:{port}");
    assert!(told.contains(&up) && told.contains("2 events wait"), "{told}");
    // Nobody has to wait for the absence of a second line: the end of the process ends the text.
    listen.interrupt();
    let output = listen.output().ended_with(0);
    assert_eq!(output.stderr.matches("app is up: ").count(), 1, "{}", output.stderr);
    assert!(output.stderr.contains("2 not delivered"), "{}", output.stderr);
    assert_eq!(output.stdout.lines().filter(|l| l.contains("refused")).count(), 2, "{}", output.stdout);
}

/// What `hook replay` delivered meanwhile is delivered.
#[test]
fn the_last_line_counts_what_was_sent_again_meanwhile() {
    let (hook, app) = (Hook::new(), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url()]);
    for n in 1..=3 {
        post(&listen.url(), "{}");
        listen.attempt(n);
    }
    app.start();
    hook.run(["replay", "1"]).succeeded();
    app.answers(Answer::status("500 Oops"));
    hook.run(["replay", "2"]).ended_with(1);
    listen.interrupt();
    let bye = listen.bye();
    assert_eq!((&bye["ok"], &bye["failed"], &bye["undelivered"]), (&1.into(), &1.into(), &1.into()), "{bye}");
}

/// Below one line there is one thing to do.
#[test]
fn a_failed_event_has_one_next_step() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("500 Oops")));
    let listen = hook.spawn(["listen", "--forward-to", &app.url()]);
    let banner = listen.wait_for_stderr("Ready in ");
    let url = banner.lines().find_map(|l| l.trim().strip_prefix("Public URL")).unwrap().trim();
    let fields: [(&str, &[u8]); 2] = [("X-GitHub-Event", b"push"), ("X-Hub-Signature-256", b"sha256=00")];
    request("POST", url, &fields, "{}");
    let told = listen.wait_for_stderr("next: hook secret set github");
    listen.interrupt();
    let output = listen.output().ended_with(0);
    assert!(told.contains("your app answered 500") && told.contains("no secret of github"), "{told}");
    let under = output.stderr.split("your app answered 500").nth(1).unwrap();
    assert_eq!(under.matches("next: ").count(), 1, "{}", output.stderr);
}

#[test]
fn with_hold_the_sender_hears_queued_and_the_app_gets_it_when_it_is_up() {
    let (hook, app) = (Hook::new(), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url(), "--hold"]);
    for n in 1..=3 {
        post(&format!("{}/{n}", listen.url()), "{}").assert_queued();
    }
    assert_eq!(hook.event_state(1), "owed");
    app.start();
    let targets: Vec<_> = (1..=3).map(|n| app.request(n).target()).collect();
    assert_eq!(targets, ["/1", "/2", "/3"], "in order of arrival");
    assert_eq!(app.request(1).header("hook-replay"), None);
    wait_until("all three are settled", || (1..=3).all(|seq| hook.event_state(seq) == "ended"));
}

#[test]
fn a_slow_app_is_queued_at_the_deadline_and_its_attempt_goes_on() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("late").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url(), "--reply-within", "300ms"]);
    post(&listen.url(), "{}").assert_queued();
    assert_eq!(listen.of_type("attempt"), [] as [serde_json::Value; 0], "it has not ended");
    gate.open();
    let attempt = listen.attempt(1);
    assert_eq!((&attempt["status"], &attempt["attempt"]), (&200.into(), &1.into()));
    assert_eq!(hook.event_state(1), "ended");
    assert_eq!(app.count(), 1, "a queued event is not sent again when its attempt ended");
    let shown = hook.run(["show", "1"]).succeeded().stdout;
    assert!(shown.contains("late"), "{shown}");
}

#[test]
fn an_attempt_ends_at_its_timeout() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("never").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url(), "--timeout", "300ms"]);
    assert_bad_gateway(&post(&listen.url(), "{}"), "no whole answer within");
    assert_eq!(listen.attempt(1)["error"], "timeout");
    assert_eq!(hook.event_state(1), "ended", "bytes were sent, so the attempt counts");
    drop(app);
}

#[test]
fn an_app_that_closes_or_resets_before_its_answer_is_a_502() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    for (n, (answer, code)) in [(Answer::close(), "closed"), (Answer::reset(), "reset")].into_iter().enumerate() {
        app.answers(answer);
        assert_bad_gateway(&post(&listen.url(), "{}"), "your app");
        let attempt = listen.attempt(n + 1);
        assert_eq!((&attempt["status"], attempt["error"].as_str()), (&().into(), Some(code)));
        assert_eq!(hook.event_state(n as u64 + 1), "ended");
    }
    // What it may have acted upon is not sent again by itself.
    assert_eq!(app.count(), 2);
}

#[test]
fn an_app_that_closes_midway_is_no_whole_answer() {
    let (hook, app) = (Hook::new(), App::answering(Answer::close_midway()));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let reply = post(&listen.url(), "{}");
    // Depending on what came first, the sender has its beginning or hook's 502; never something that looks complete.
    assert!(reply.status == 502 || !reply.whole, "{reply:?}");
    let attempt = listen.attempt(1);
    assert_eq!((&attempt["status"], &attempt["error"]), (&200.into(), &"answer_broken".into()));
    assert_eq!(attempt["response_size"], 5);

    // The same with a beginning that has surely reached the sender.
    let gate = Gate::closed();
    app.answers(Answer::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n").after(&gate));
    gate.open();
    let reply = post(&listen.url(), "{}");
    assert!(reply.status == 502 || !reply.whole, "{reply:?}");
}

#[test]
fn garbage_is_no_answer() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    let garbage: [&[u8]; 4] = [
        b"\x16\x03\x01 not http at all\r\n\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"\0\0\0\0",
    ];
    for (n, bytes) in garbage.into_iter().enumerate() {
        app.answers(Answer::raw(bytes));
        assert_bad_gateway(&post(&listen.url(), "{}"), "your app");
        let attempt = listen.attempt(n + 1);
        assert!(attempt["status"].is_null() && attempt["error"].is_string(), "{attempt}");
    }
}

#[test]
fn an_app_that_switches_protocols_harms_nobody_else() {
    let (hook, app) = (Hook::new(), App::new());
    app.answers_with(|r| {
        let odd = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
        if r.target() == "/odd" { Answer::raw(odd) } else { Answer::ok("ok") }
    });
    let listen = hook.listen(["--forward-to", &app.url()]);
    assert_bad_gateway(&post(&format!("{}/odd", listen.url()), "{}"), "your app");
    assert_eq!(post(&listen.url(), "{}").text(), "ok");
    assert_eq!(
        listen.of_type("tunnel").iter().filter(|t| t["state"] == "reconnecting").count(),
        0,
        "the session goes on"
    );
}

#[test]
fn an_answer_streams_to_its_sender_as_it_comes() {
    let each = Gate::closed();
    let chunks: Vec<String> = (0..10).map(|n| format!("data: {n}\n\n")).collect();
    let answer = Answer::status("200 OK").header("Content-Type", "text/event-stream").streamed(chunks.clone(), &each);
    let (hook, app) = (Hook::new(), App::answering(answer));
    let listen = hook.listen(["--forward-to", &app.url(), "--reply-within", "300ms"]);
    let mut sender = Sender::to(&listen.url());
    sender.head("POST", "", &[("Content-Length", b"0")]);
    let head = sender.response_head();
    assert_eq!((head.word(1), head.header("content-type").as_deref()), ("200".into(), Some("text/event-stream")));
    for (n, chunk) in chunks.iter().enumerate() {
        if n == 5 {
            // The reply began in time; that its deadline passes meanwhile must change nothing.
            std::thread::sleep(Duration::from_millis(400));
        }
        each.step();
        let framed = format!("{:x}\r\n{chunk}\r\n", chunk.len());
        let read = String::from_utf8(sender.read(framed.len())).unwrap();
        assert_eq!(read.to_ascii_lowercase(), framed, "chunk {n} comes before the next one is made");
    }
    assert_eq!(listen.of_type("attempt").len(), 0, "it goes on");
    each.step();
    assert_eq!(sender.read(5), b"0\r\n\r\n");
    assert_eq!(listen.attempt(1)["response_size"], chunks.concat().len());
}

#[test]
fn a_hundred_megabytes_arrive_whole() {
    let body = pattern(100_000_000);
    let (hook, app) = (Hook::new(), App::answering(Answer::ok(body.clone())));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let mut sender = Sender::to(&listen.url());
    sender.head("GET", "", &[]);
    let reply = sender.response();
    assert_eq!((reply.status, reply.whole), (200, true));
    assert_same_bytes("the answer", &reply.body, &body);
    assert_eq!(listen.attempt(1)["response_size"], body.len());
}

#[test]
fn redirects_are_given_back_and_not_followed() {
    let elsewhere = App::new();
    let answer = Answer::status("307 Temporary Redirect").header("Location", elsewhere.at("/x"));
    let (hook, app) = (Hook::new(), App::answering(answer));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let reply = post(&listen.url(), "{}");
    assert_eq!((reply.status, reply.header("location")), (307, Some(elsewhere.at("/x"))));
    assert_eq!((listen.attempt(1)["status"].as_u64(), elsewhere.connections()), (Some(307), 0));
}

#[test]
fn localhost_is_found_where_it_listens() {
    let (hook, app) = (Hook::new(), App::on_ipv6());
    let listen = hook.listen(["--forward-to", &format!("localhost:{}", app.port())]);
    assert_eq!(listen.ready()["app"], "up");
    assert_eq!(post(&listen.url(), "{}").status, 200);
    assert_eq!(app.request(1).header("host"), Some(format!("localhost:{}", app.port())));
}

#[test]
fn one_slow_request_does_not_hold_up_the_others() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::new());
    let slow = gate.clone();
    app.answers_with(
        move |r| if r.target() == "/slow" { Answer::ok("slow").after(&slow) } else { Answer::ok("quick") },
    );
    let listen = hook.listen(["--forward-to", &app.url()]);
    let mut first = Sender::to(&listen.url());
    first.head("POST", "/slow", &[("Content-Length", b"0")]);
    app.request(1);
    for _ in 0..20 {
        assert_eq!(post(&listen.url(), "{}").text(), "quick");
    }
    gate.open();
    assert_eq!(first.response().text(), "slow");
}

#[test]
fn an_app_that_comes_up_gets_what_was_held_before_what_comes_then() {
    let (hook, app) = (Hook::new(), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url(), "--hold"]);
    for n in 1..=3 {
        post(&format!("{}/{n}", listen.url()), "{}").assert_queued();
    }
    app.start();
    // It finds the app up before hook has looked for it.
    assert_eq!(post(&format!("{}/4", listen.url()), "{}").text(), "ok");
    let targets: Vec<_> = app.requests().iter().map(|r| r.target()).collect();
    assert_eq!(targets, ["/1", "/2", "/3", "/4"]);
}
