//! The flags of `hook listen`, each by what it changes.

use hook_tests::{Answer, App, Gate, Hook, Sender, post, request, wait_until};

#[test]
fn paths_are_routed_to_targets() {
    let (hook, stripe, github, rest) = (Hook::new(), App::new(), App::new(), App::new());
    let routes =
        [format!("/stripe={}", stripe.at("/webhooks/stripe")), format!("/github={}", github.url()), rest.url()];
    let listen = hook.listen(routes.iter().flat_map(|r| ["--forward-to", r]));
    for path in ["/stripe", "/stripe/x?y", "/github/a", "/stripes"] {
        assert_eq!(post(&format!("{}{path}", listen.url()), "{}").status, 200, "{path}");
    }
    let targets = |app: &App| app.requests().iter().map(|r| r.target()).collect::<Vec<_>>();
    assert_eq!(targets(&stripe), ["/webhooks/stripe", "/webhooks/stripe/x?y"]);
    assert_eq!((targets(&github), targets(&rest)), (vec!["/a".into()], vec!["/stripes".into()]));
}

#[test]
fn a_port_alone_is_a_target() {
    let (hook, app) = (Hook::new(), App::new());
    for text in [format!("{}", app.port()), format!(":{}", app.port()), format!("localhost:{}", app.port())] {
        let listen = hook.listen(["--forward-to", &text]);
        assert_eq!(post(&listen.url(), "{}").status, 200, "{text}");
        listen.bye();
    }
}

#[test]
fn headers_and_host_are_set_as_told() {
    let (hook, app) = (Hook::new(), App::new());
    let at = app.url();
    let seen = |args: &[&str]| {
        let listen = hook.listen([&["--forward-to", &at], args].concat());
        let before = app.count();
        request("POST", &listen.url(), &[("X-Key", b"theirs")], "{}");
        let seen = app.request(before + 1);
        let host = listen.url().split('/').nth(2).unwrap().to_owned();
        listen.bye();
        (seen, host)
    };
    let (plain, _) = seen(&[]);
    assert_eq!(
        (plain.header("host"), plain.header("x-key").as_deref()),
        (Some(format!("127.0.0.1:{}", app.port())), Some("theirs"))
    );
    let (set, _) = seen(&["--header", "X-Key: mine", "--header", "X-New: a:b"]);
    assert_eq!((set.values("x-key"), set.header("x-new").as_deref()), (vec![b"mine".to_vec()], Some("a:b")));
    let (kept, host) = seen(&["--preserve-host"]);
    assert_eq!(kept.header("host"), Some(host));
    let (given, _) = seen(&["--host-header", "shop.test"]);
    assert_eq!(given.header("host").as_deref(), Some("shop.test"));
}

#[test]
fn respond_answers_at_once_and_forwards_behind() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("slow").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url(), "--respond", "202"]);
    let reply = post(&listen.url(), "{}");
    assert_eq!((reply.status, reply.text().as_str()), (202, ""));
    app.request(1);
    gate.open();
    assert_eq!(listen.attempt(1)["status"], 200);
}

#[test]
fn what_the_filter_leaves_out_is_kept_and_marked() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url(), "--filter", "path:/paid* json:.amount>100"]);
    for (path, amount) in [("/paid", 100), ("/paid/x", 101), ("/refund", 500)] {
        let reply = post(&format!("{}{path}", listen.url()), format!("{{\"amount\": {amount}}}"));
        assert_eq!(reply.status, 200, "{path}");
    }
    listen.attempt(1);
    assert_eq!(app.requests().iter().map(|r| r.target()).collect::<Vec<_>>(), ["/paid/x"]);
    assert_eq!((hook.event_state(1), hook.event_state(3)), ("filtered".into(), "filtered".into()));
    hook.run(["replay", "3"]).succeeded();
    assert_eq!(app.request(2).target(), "/refund");
}

#[test]
fn until_ends_it_when_the_event_came() {
    let (hook, app) = (Hook::new(), App::new());
    let listen =
        hook.listen(["--forward-to", &app.url(), "--until", "path:/paid status:2xx", "--timeout-after", "20s"]);
    post(&format!("{}/other", listen.url()), "{}");
    post(&format!("{}/paid", listen.url()), "{}");
    assert_eq!(listen.exit_code(), Some(0));
    let timed_out = hook.run(["listen", "--until", "path:/paid", "--timeout-after", "300ms"]);
    assert_eq!(timed_out.code, Some(1), "{timed_out:?}");
}

#[test]
fn concurrency_one_keeps_the_order_whatever_the_app_does() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("ok").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url(), "--concurrency", "1"]);
    let mut senders: Vec<Sender> = (0..8)
        .map(|n| {
            let mut sender = Sender::to(&listen.url());
            sender.head("POST", &format!("/{n}"), &[("Content-Length", b"2")]).send("{}");
            // The order in which hook holds them complete.
            listen.event(n + 1);
            sender
        })
        .collect();
    assert_eq!(app.count(), 1);
    gate.open();
    senders.iter_mut().for_each(|s| assert_eq!(s.response().text(), "ok"));
    assert_eq!(
        app.requests().iter().map(|r| r.target()).collect::<Vec<_>>(),
        (0..8).map(|n| format!("/{n}")).collect::<Vec<_>>()
    );
}

#[test]
fn what_comes_at_once_reaches_the_app_in_the_order_of_the_journal() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url(), "--concurrency", "1"]);
    let mut senders: Vec<Sender> = (0..60).map(|_| Sender::to(&listen.url())).collect();
    for (n, sender) in senders.iter_mut().enumerate() {
        sender.head("POST", &format!("/{n}"), &[("Content-Length", b"2")]).send("{}");
    }
    senders.iter_mut().for_each(|s| assert_eq!(s.response().text(), "ok"));
    let kept: Vec<_> = hook.events().iter().map(|e| e["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(app.requests().iter().map(|r| r.target()).collect::<Vec<_>>(), kept);
}

#[test]
fn no_more_than_sixteen_run_at_once() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("ok").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let mut senders: Vec<Sender> = (0..20)
        .map(|_| {
            let mut sender = Sender::to(&listen.url());
            sender.head("POST", "", &[("Content-Length", b"2")]).send("{}");
            sender
        })
        .collect();
    listen.event(20);
    app.request(16);
    assert_eq!(app.count(), 16);
    gate.open();
    senders.iter_mut().for_each(|s| assert_eq!(s.response().text(), "ok"));
}

#[test]
fn a_backlog_beyond_the_limit_is_held_and_said() {
    let (hook, app) = (Hook::new(), App::stopped());
    let args = [format!("--forward-to={}", app.url()), "--hold".into(), "--max-backlog=2".into()];
    let listen = hook.listen(&args);
    for n in 1..=4 {
        post(&format!("{}/{n}", listen.url()), "{}").assert_queued();
    }
    wait_until("the newest are held", || hook.event_state(4) == "held" && hook.event_state(3) == "held");
    listen.wait_for("it says so", |r| r["type"] == "error" && r["code"] == "held");
    app.start();
    app.request(2);
    hook.run(["replay", "--undelivered"]).succeeded();
    assert_eq!(app.requests().iter().map(|r| r.target()).collect::<Vec<_>>(), ["/1", "/2", "/3", "/4"]);
}

#[test]
fn retry_tries_a_queued_event_again() {
    let (hook, app) = (Hook::new(), App::new());
    app.answers_with(|r| if r.attempt() < 3 { Answer::status("500 Oops") } else { Answer::ok("ok") });
    let listen = hook.listen(["--forward-to", &app.url(), "--respond", "200", "--retry", "5"]);
    post(&listen.url(), "{}");
    let third = app.request(3);
    assert_eq!(third.attempt(), 3);
    assert_eq!(listen.attempt(2)["kind"], "retry");
    wait_until("it is settled", || hook.event_state(1) == "ended");
}

#[test]
fn verbose_shows_request_and_response_in_full() {
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("{\"b\":[1,2]}").header("X-App", "mine")));
    let listen = hook.spawn(["listen", "--forward-to", &app.url(), "-v"]);
    let banner = listen.wait_for_stderr("Ready in ");
    let url = banner.lines().find_map(|l| l.trim().strip_prefix("Public URL")).unwrap().trim();
    request("POST", &format!("{url}/v?q"), &[("X-Mine", b"1"), ("Content-Type", b"application/json")], "{\"a\":1.0}");
    let shown = listen.wait_for_stdout("x-app");
    for part in ["POST /v?q", "x-mine", "\"a\": 1.0", "200", "#1"] {
        assert!(shown.contains(part), "no {part} in\n{shown}");
    }
}

#[test]
fn a_bare_listen_starts_all_endpoints_of_hook_toml() {
    let (hook, one, two) = (Hook::new(), App::new(), App::new());
    let toml = format!(
        "[endpoints.shop]\nforward-to = \"{}\"\n\n[endpoints.forge]\nforward-to = \"{}\"\n",
        one.at("/shop"),
        two.at("/forge")
    );
    std::fs::write(hook.project().join("hook.toml"), toml).unwrap();
    let listen = hook.listen([] as [&str; 0]);
    for ready in listen.wait_for_type("ready", 2) {
        assert_eq!(post(ready["public_url"].as_str().unwrap(), "{}").status, 200);
    }
    assert_eq!((one.request(1).target(), two.request(1).target()), ("/shop".into(), "/forge".into()));
}
