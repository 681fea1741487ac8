//! A relay of its own, and a CLI that is away: nothing that a sender heard 2xx for is lost.

use hook_tests::{
    Answer, App, Gate, Hook, Listen, Relay, Sender, assert_same_bytes, curl, pattern, post, request, wait_until,
};

fn listen(hook: &Hook, relay: &Relay, app: &App, args: &[&str]) -> Listen {
    let listen = hook.listen([&["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()], args].concat());
    listen.ready();
    listen
}

/// Makes the endpoint known at the relay, and leaves.
fn claim(hook: &Hook, relay: &Relay, app: &App, args: &[&str]) {
    let listen = listen(hook, relay, app, args);
    listen.bye();
}

#[test]
fn a_relay_of_its_own_serves_a_listener() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    assert_eq!(curl(&[&format!("{}/_hook/health", relay.url())]).stdout, "ok\n");
    assert_eq!(post(&relay.at("shop"), "{}").status, 404, "nobody has claimed it");
    let listen = listen(&hook, &relay, &app, &[]);
    assert_eq!((listen.url(), &listen.ready()["endpoint"]), (relay.at("shop"), &"shop".into()));
    assert_eq!(post(&format!("{}/a?b", relay.at("shop")), "{}").text(), "ok");
    assert_eq!(app.request(1).target(), "/a?b");
    assert_eq!(listen.event(1)["queued"], false);
    listen.bye();
    assert_eq!(relay.terminate(), Some(0));
}

#[test]
fn what_comes_while_the_cli_is_away_is_queued_and_delivered_in_order() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    claim(&hook, &relay, &app, &[]);
    for n in 0..30 {
        post(&format!("{}/{n}", relay.at("shop")), format!("{n}")).assert_queued();
    }
    let large = pattern(3_000_000);
    request("POST", &format!("{}/large", relay.at("shop")), &[], &large).assert_queued();

    let listen = listen(&hook, &relay, &app, &[]);
    app.request(31);
    let targets: Vec<_> = app.requests().iter().map(|r| r.target()).collect();
    let mut wanted: Vec<_> = (0..30).map(|n| format!("/{n}")).collect();
    wanted.push("/large".to_owned());
    let kept: Vec<_> = hook.events().iter().map(|e| e["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(targets, wanted, "in order of arrival, each once; the journal has them as {kept:?}");
    assert_same_bytes("the large one", &app.request(31).body, &large);
    let attempts = listen.wait_for_type("attempt", 31);
    assert!(attempts.iter().all(|a| a["kind"] == "backlog" && a["attempt"] == 1), "{}", attempts[0]);
    assert!(listen.of_type("event").iter().all(|e| e["queued"] == true));
}

#[test]
fn the_backlog_is_in_the_inbox_and_not_in_memory() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    claim(&hook, &relay, &app, &["--queued-status", "202"]);
    for n in 0..5 {
        let reply = post(&format!("{}/{n}", relay.at("shop")), "{}");
        assert_eq!((reply.status, reply.is_queued()), (202, true), "as the endpoint asked");
        relay.kill9();
        relay.restart();
    }
    let _listen = listen(&hook, &relay, &app, &[]);
    app.request(5);
    let targets: Vec<_> = app.requests().iter().map(|r| r.target()).collect();
    assert_eq!(targets, ["/0", "/1", "/2", "/3", "/4"]);
}

#[test]
fn a_listener_that_dies_with_an_attempt_running_leaves_a_queued_event_that_is_sent_again() {
    let gate = Gate::closed();
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::answering(Answer::ok("slow").after(&gate)));
    let first = listen(&hook, &relay, &app, &[]);
    let mut sender = Sender::to(&relay.at("shop"));
    sender.head("POST", "/one", &[("Content-Length", b"2")]).send("{}");
    let before = app.request(1);
    first.kill9();
    sender.response().assert_queued();
    gate.open();

    let second = listen(&hook, &relay, &app, &[]);
    let after = app.request(2);
    assert_eq!((after.event_id(), after.attempt()), (before.event_id(), before.attempt() + 1));
    assert_eq!(after.header("hook-replay"), None, "it is no replay");
    second.attempt(1);
    assert_eq!(hook.events().len(), 1);
}

#[test]
fn a_session_that_is_lost_with_an_attempt_running_does_not_send_it_twice() {
    let gate = Gate::closed();
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let slow = gate.clone();
    app.answers_with(move |r| if r.target() == "/one" { Answer::ok("slow").after(&slow) } else { Answer::ok("ok") });
    let listen = listen(&hook, &relay, &app, &[]);
    let mut sender = Sender::to(&relay.at("shop"));
    sender.head("POST", "/one", &[("Content-Length", b"2")]).send("{}");
    app.request(1);
    relay.kill9();
    assert!(sender.try_response().is_err(), "nobody promised anything");
    relay.restart();
    listen.wait_for("the session is back", |r| r["type"] == "tunnel" && r["state"] == "live");
    gate.open();
    listen.attempt(1);
    // Whatever the relay handed over again came before this one.
    wait_until("the next one is answered by the app", || {
        post(&format!("{}/two", relay.at("shop")), "{}").text() == "ok"
    });
    let ones = app.requests().iter().filter(|r| r.target() == "/one").count();
    assert_eq!(ones, 1, "its attempt never ended badly, so there is no second one");
    assert_eq!(hook.event_state(1), "ended");
}

#[test]
fn a_relay_that_restarts_is_found_again() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let listen = listen(&hook, &relay, &app, &[]);
    assert_eq!(post(&relay.at("shop"), "{}").text(), "ok");
    for round in 1..=3 {
        if round == 2 {
            relay.kill9()
        } else {
            assert_eq!(relay.terminate(), Some(0))
        }
        listen.wait_for_all("it says so", round, |r| r["type"] == "tunnel" && r["state"] == "reconnecting");
        relay.restart();
        listen.wait_for_all("it is back", round, |r| r["type"] == "tunnel" && r["state"] == "live");
        assert_eq!(post(&relay.at("shop"), "{}").text(), "ok", "live again, round {round}");
    }
    assert_eq!(hook.events().len(), 4);
    assert_eq!(listen.of_type("ready").len(), 1, "ready is said once");
}

#[test]
fn a_relay_that_stops_lets_what_is_under_way_finish() {
    let gate = Gate::closed();
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::answering(Answer::ok("done").after(&gate)));
    let listen = listen(&hook, &relay, &app, &[]);
    let mut sender = Sender::to(&relay.at("shop"));
    sender.head("POST", "", &[("Content-Length", b"2")]).send("{}");
    app.request(1);
    let code = std::thread::scope(|scope| {
        let stopping = scope.spawn(|| relay.terminate());
        // It has heard the signal once it takes no more; only then may the app answer.
        wait_until("the relay stops", || {
            Sender::try_to(&relay.at("_hook/ready"))
                .and_then(|mut s| {
                    s.try_head("GET", "", &[])?;
                    s.try_response()
                })
                .map_or(true, |r| r.status == 503)
        });
        gate.open();
        stopping.join().unwrap()
    });
    assert_eq!((code, sender.response().text().as_str()), (Some(0), "done"));
    assert_eq!(listen.attempt(1)["status"], 200);
}

#[test]
fn a_listener_that_sleeps_is_away_until_it_wakes() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let listen = listen(&hook, &relay, &app, &[]);
    listen.stop();
    // Its socket is still there, but no ack comes.
    post(&format!("{}/asleep", relay.at("shop")), "{}").assert_queued();
    listen.resume();
    assert_eq!(app.request(1).target(), "/asleep");
    wait_until("the next one is live", || post(&relay.at("shop"), "{}").text() == "ok");
    assert_eq!(app.requests().iter().filter(|r| r.target() == "/asleep").count(), 1);
}
