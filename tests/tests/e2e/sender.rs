//! The sender misbehaves: it leaves, it dawdles, it breaks off.

use hook_tests::{Answer, App, Gate, Hook, Sender, post, wait_until};

/// What is under way and must leave nothing is followed by one that must arrive: all before it has then been dealt with.
#[track_caller]
fn assert_only_the_next_one_arrives(hook: &Hook, app: &App, url: &str) {
    assert_eq!(post(&format!("{url}/next"), "{}").status, 200);
    let targets: Vec<_> = app.requests().iter().map(|r| r.target()).collect();
    assert_eq!((targets, app.broken()), (vec!["/next".to_owned()], 0));
    let paths: Vec<_> = hook.events().iter().map(|e| e["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(paths, ["/next"]);
}

#[test]
fn a_sender_that_leaves_before_its_body_is_complete_leaves_nothing() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    let url = listen.url();
    for vanishes in [false, true] {
        for part in [b"".as_slice(), b"{", b"{\"a\": 12"] {
            let mut sender = Sender::to(&url);
            sender.head("POST", "", &[("Content-Length", b"10")]).send(part);
            if vanishes { sender.vanish() } else { sender.leave() }
        }
        for part in [b"".as_slice(), b"3\r\nabc\r\n", b"3\r\nabc\r\n0\r\n", b"3\r\nab"] {
            let mut sender = Sender::to(&url);
            sender.head("POST", "", &[("Transfer-Encoding", b"chunked")]).send(part);
            if vanishes { sender.vanish() } else { sender.leave() }
        }
    }
    let mut sender = Sender::to(&url);
    // Large enough to be spooled to disk meanwhile.
    sender.head("POST", "", &[("Content-Length", b"3000000")]).send(vec![b'x'; 2_000_000]);
    sender.leave();
    assert_only_the_next_one_arrives(&hook, &app, &url);
}

#[test]
fn a_sender_that_leaves_after_its_body_leaves_an_event() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("too late").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url()]);
    for (n, vanishes) in [false, true].into_iter().enumerate() {
        let mut sender = Sender::to(&listen.url());
        sender.head("POST", "", &[("Content-Length", b"2")]).send("{}");
        app.request(n + 1);
        if vanishes { sender.vanish() } else { sender.leave() }
    }
    gate.open();
    let attempts = listen.wait_for_type("attempt", 2);
    for attempt in &attempts {
        assert_eq!((attempt["status"].as_u64(), &attempt["error"]), (Some(200), &().into()), "the attempt goes on");
    }
    wait_until("both are settled", || hook.event_state(1) == "ended" && hook.event_state(2) == "ended");
    assert_eq!(app.count(), 2, "nothing is sent twice");
}

#[test]
fn a_slow_sender_is_seen_by_the_app_only_when_its_request_is_whole() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    let mut sender = Sender::to(&listen.url());
    let request = format!("POST {}/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nhello, world", sender.path());
    let (last, most) = request.as_bytes().split_last().unwrap();
    for byte in most {
        sender.send([*byte]);
    }
    // Another one overtakes it.
    assert_eq!(post(&listen.url(), "{}").status, 200);
    assert_eq!((app.count(), app.broken()), (1, 0));
    assert_eq!(sender.send([*last]).response().status, 200);
    let slow = app.request(2);
    assert_eq!((slow.target(), slow.body.as_slice()), ("/slow".into(), b"hello, world".as_slice()));
}

#[test]
fn many_requests_on_one_connection_are_many_events() {
    let (hook, app) = (Hook::new(), App::new());
    app.answers_with(|r| Answer::ok(r.target()));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let mut sender = Sender::to(&listen.url());
    for n in 0..20 {
        let reply = sender.head("POST", &format!("/{n}"), &[("Content-Length", b"2")]).send("{}").response();
        assert_eq!(reply.text(), format!("/{n}"));
    }
    // Pipelined, their answers come in order.
    for n in 20..25 {
        sender.head("POST", &format!("/{n}"), &[("Content-Length", b"2")]).send("{}");
    }
    for n in 20..25 {
        assert_eq!(sender.response().text(), format!("/{n}"));
    }
    assert_eq!(hook.events().len(), 25);
}

#[test]
fn requests_that_could_be_read_in_two_ways_are_refused() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    let url = listen.url();
    let path = Sender::to(&url).path().to_owned();
    for fields in [
        "Host: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n",
        "Host: x\r\nHost: y\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\n",
        "Host: x\r\nTransfer-Encoding: gzip\r\n",
        "Host: x\r\nContent-Length: +2\r\n",
        "Host : x\r\nContent-Length: 2\r\n",
        "Host: x\r\n folded\r\nContent-Length: 2\r\n",
    ] {
        let mut sender = Sender::to(&url);
        sender.send(format!("POST {path} HTTP/1.1\r\n{fields}\r\n{{}}"));
        // A refusal, or a closed connection; nothing that was accepted.
        let status = sender.try_response().map_or(400, |r| r.status);
        assert!((400..500).contains(&status), "{fields:?} got {status}");
    }
    assert_only_the_next_one_arrives(&hook, &app, &url);
}
