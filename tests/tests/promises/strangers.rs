//! What anybody may do to a relay: refusals arrive, slow senders hold neither memory nor places.

use std::time::Duration;

use hook_tests::{App, Hook, Listen, Relay, Sender, assert_same_bytes, curl, pattern, post, wait_at_most};

fn listen(hook: &Hook, relay: &Relay, app: &App, more: &[&str]) -> Listen {
    let args = ["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()];
    let listen = hook.listen([args.as_slice(), more].concat());
    listen.ready();
    listen
}

#[test]
fn a_refusal_arrives_while_the_body_is_still_being_sent() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let _listen = listen(&hook, &relay, &app, &["--max-body", "100000"]);
    let body = hook.home().join("body");
    std::fs::write(&body, pattern(3_000_000)).unwrap();
    let data = format!("@{}", body.display());
    let many: Vec<&str> = std::iter::repeat_n(["-H", "a: 1"], 300).flatten().collect();
    let long = format!("a: {}", "x".repeat(70_000));
    let (shop, nowhere) = (relay.at("shop"), relay.at("nowhere"));
    for round in 0..8 {
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            for (url, fields, wanted) in [
                (&shop, &[][..], "413"),
                (&shop, &["-H", "Transfer-Encoding: chunked"][..], "413"),
                (&shop, &many[..], "431"),
                (&shop, &["-H", &long][..], "431"),
                (&shop, &["-H", "Host: a b"][..], "400"),
                (&nowhere, &[][..], "404"),
            ] {
                // So many fields of HTTP/1 are refused by the HTTP stack itself, which reads nothing more.
                if version == "--http1.1" && fields.len() > 2 {
                    continue;
                }
                // Neither leaves curl's own HTTP/2.
                if version != "--http1.1" && (fields.contains(&"Host: a b") || fields.contains(&long.as_str())) {
                    continue;
                }
                let args =
                    ["-o", "/dev/null", "-w", "%{http_code}", version, "-H", "Expect:", "--data-binary", &data, url];
                let said = curl(&[&args, fields].concat());
                assert_eq!(
                    (said.stdout.as_str(), said.code),
                    (wanted, Some(0)),
                    "{round} {version} {fields:.1?}: {}",
                    said.stderr
                );
            }
        }
    }
    assert_eq!(post(&shop, "{}").text(), "ok");
    assert_eq!((app.count(), hook.events().len()), (1, 1));
}

#[test]
fn slow_senders_do_not_fill_the_memory() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let listen = listen(&hook, &relay, &app, &[]);
    let body = pattern(1_000_000);
    let (most, last) = body.split_at(body.len() - 1);
    let mut senders: Vec<Sender> = (0..300)
        .map(|n| {
            let mut sender = Sender::to(&relay.at("shop"));
            sender.head("POST", &format!("/{n}"), &[("Content-Length", b"1000000")]).send(most);
            sender
        })
        .collect();
    // Somebody who comes later is served, and has waited behind everything before.
    assert_eq!(post(&format!("{}/quick", relay.at("shop")), "{}").text(), "ok");
    let used = memory(relay.pid());
    assert!(used < 200 * 1024, "the relay holds {used} KiB for 300 bodies that are not complete");
    for sender in &mut senders {
        sender.send(last);
        assert_eq!(sender.response().status, 200);
    }
    listen.wait_for_type("attempt", 301);
    let requests = app.requests();
    assert_eq!(requests.len(), 301);
    for request in requests.iter().filter(|r| r.target() != "/quick") {
        assert_same_bytes(&request.target(), &request.body, &body);
    }
}

/// KiB of a process in memory.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[test]
fn a_sender_that_dribbles_is_given_up_and_one_that_is_slow_is_not() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let _listen = listen(&hook, &relay, &app, &[]);
    let mut slow = Sender::to(&relay.at("shop"));
    slow.head("POST", "/slow", &[("Content-Length", b"200000")]);
    let mut dribbling = Sender::to(&relay.at("shop"));
    dribbling.head("POST", "/dribbles", &[("Content-Length", b"200000")]);
    // About 1 and 100,000 bytes in ten seconds; a machine under load makes both slower, the first one not slow enough.
    let piece = pattern(1_000);
    let mut sent = 0;
    let heard = wait_at_most(Duration::from_secs(120), "it is given up", || {
        if sent < 190_000 {
            slow.send(&piece);
            sent += piece.len();
        }
        let _ = dribbling.try_send("x");
        (!dribbling.is_quiet_for(Duration::from_millis(100))).then(|| dribbling.response())
    });
    assert_eq!(heard.status, 408, "{}", heard.text());
    slow.send(vec![b'x'; 200_000 - sent]);
    assert_eq!(slow.response().text(), "ok");
    assert_eq!((app.count(), app.request(1).target()), (1, "/slow".into()));
}

#[test]
fn a_thousand_senders_of_this_machine_are_served_side_by_side() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let listen = listen(&hook, &relay, &app, &[]);
    let mut senders: Vec<Sender> = (0..1000)
        .map(|n| {
            let mut sender = Sender::to(&relay.at("shop"));
            sender.head("POST", &format!("/{n}"), &[("Content-Length", b"2")]).send("{");
            sender
        })
        .collect();
    for sender in &mut senders {
        sender.send("}");
    }
    for sender in &mut senders {
        sender.patience(Duration::from_secs(120));
        assert_eq!(sender.response().status, 200);
    }
    wait_at_most(Duration::from_secs(120), "the app has them all", || (app.count() == 1000).then_some(()));
    assert!(listen.is_running());
}
