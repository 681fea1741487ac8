//! `kill -9`, under load: what a sender heard 2xx for is in the journal once and reaches the app.

use hook_tests::{Answer, App, Gate, Heard, Hook, Load, Relay, Sender, post, wait_until};

/// Rounds of each kill.
const ROUNDS: usize = 5;

fn at_relay<'a>(relay: &'a str, app: &'a str) -> [&'a str; 6] {
    ["--relay", relay, "--name", "shop", "--forward-to", app]
}

#[test]
fn the_cli_is_killed_again_and_again() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let (relay_url, app_url) = (relay.url(), app.url());
    let args = at_relay(&relay_url, &app_url);
    let mut listen = hook.listen(args);
    listen.ready();
    let load = Load::start(&relay.at("shop"), 8);
    for _ in 0..ROUNDS {
        load.until_promised(120);
        listen.kill9();
        load.until_promised(5);
        listen = hook.listen(args);
        listen.ready();
    }
    load.until_promised(120);
    let heard = load.stop();
    let unanswered: Vec<_> = heard.iter().filter(|h| h.status != Some(200)).collect();
    assert!(unanswered.is_empty(), "a relay that runs answers everybody: {unanswered:?}");
    Heard::assert_promises_kept(&heard, &hook, &app);
}

#[test]
fn the_relay_is_killed_again_and_again() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let (relay_url, app_url) = (relay.url(), app.url());
    let listen = hook.listen(at_relay(&relay_url, &app_url));
    listen.ready();
    let load = Load::start(&relay.at("shop"), 8);
    for _ in 0..ROUNDS {
        load.until_promised(120);
        relay.kill9();
        load.until_sent(5);
        relay.restart();
    }
    load.until_promised(120);
    Heard::assert_promises_kept(&load.stop(), &hook, &app);
    assert!(listen.is_running());
}

#[test]
fn the_app_is_killed_again_and_again() {
    // Held, so that hook's own 2xx is heard while the app is down.
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let (relay_url, app_url) = (relay.url(), app.url());
    let listen = hook.listen([&at_relay(&relay_url, &app_url), ["--hold"].as_slice()].concat());
    listen.ready();
    let load = Load::start(&relay.at("shop"), 8);
    for _ in 0..ROUNDS {
        load.until_promised(120);
        app.stop();
        load.until_promised(5);
        app.start();
    }
    load.until_promised(120);
    Heard::assert_promises_kept(&load.stop(), &hook, &app);
    assert!(listen.is_running());
}

#[test]
fn everything_is_killed() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let (relay_url, app_url) = (relay.url(), app.url());
    let args = [&at_relay(&relay_url, &app_url), ["--hold"].as_slice()].concat();
    let mut listen = hook.listen(&args);
    listen.ready();
    let load = Load::start(&relay.at("shop"), 8);
    for round in 0..ROUNDS {
        load.until_promised(20);
        match round % 3 {
            0 => {
                relay.kill9();
                listen.kill9();
                relay.restart();
            }
            1 => {
                listen.kill9();
                app.stop();
                load.until_promised(5);
                relay.kill9();
                app.start();
                relay.restart();
            }
            _ => {
                app.stop();
                relay.kill9();
                listen.kill9();
                relay.restart();
                app.start();
            }
        }
        listen = hook.listen(&args);
        listen.ready();
    }
    load.until_promised(20);
    Heard::assert_promises_kept(&load.stop(), &hook, &app);
}

#[test]
fn with_the_embedded_relay_a_kill_loses_nothing_either() {
    let (hook, app) = (Hook::new(), App::new());
    let app_url = app.url();
    let args = ["--forward-to", &app_url, "--hold"];
    let mut listen = hook.listen(args);
    let url = listen.url();
    let load = Load::start(&url, 8);
    for round in 0..ROUNDS {
        load.until_promised(120);
        if round % 2 == 1 {
            app.stop();
            load.until_promised(5);
        }
        listen.kill9();
        if round % 2 == 1 {
            app.start();
        }
        listen = hook.listen(args);
        assert_eq!(listen.url(), url, "name and port are remembered");
    }
    load.until_promised(120);
    Heard::assert_promises_kept(&load.stop(), &hook, &app);
}

#[test]
fn what_was_answered_at_once_is_owed_after_a_restart() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("never mind").after(&gate)));
    let app_url = app.url();
    let args = ["--forward-to", &app_url, "--respond", "202", "--concurrency", "1"];
    let listen = hook.listen(args);
    for n in 1..=3 {
        assert_eq!(post(&format!("{}/{n}", listen.url()), "{}").status, 202);
    }
    let first = app.request(1);
    listen.kill9();
    gate.open();

    let again = hook.listen(args);
    let requests: Vec<_> = (2..=4).map(|n| app.request(n)).collect();
    assert_eq!(
        requests.iter().map(|r| (r.target(), r.attempt())).collect::<Vec<_>>(),
        [("/1".to_owned(), 2), ("/2".to_owned(), 1), ("/3".to_owned(), 1)]
    );
    assert_eq!(requests[0].event_id(), first.event_id());
    again.attempt(3);
    wait_until("all are settled", || (1..=3).all(|seq| hook.event_state(seq) == "ended"));
    assert_eq!(app.count(), 4);
}

#[test]
fn what_was_held_is_owed_after_a_restart() {
    let (hook, app) = (Hook::new(), App::stopped());
    let app_url = app.url();
    let listen = hook.listen(["--forward-to", &app_url, "--hold"]);
    for n in 1..=3 {
        post(&format!("{}/{n}", listen.url()), "{}").assert_queued();
    }
    listen.kill9();
    app.start();
    let _again = hook.listen(["--forward-to", &app_url]);
    let targets: Vec<_> = (1..=3).map(|n| app.request(n).target()).collect();
    assert_eq!(targets, ["/1", "/2", "/3"], "owed is owed, --hold or not");
}

#[test]
fn a_kill_after_the_queued_reply_sends_it_again() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("late").after(&gate)));
    let app_url = app.url();
    let args = ["--forward-to", &app_url, "--reply-within", "100ms"];
    let listen = hook.listen(args);
    post(&listen.url(), "{}").assert_queued();
    let first = app.request(1);
    listen.kill9();
    gate.open();
    let again = hook.listen(args);
    let second = app.request(2);
    assert_eq!((second.event_id(), second.attempt()), (first.event_id(), 2));
    again.attempt(1);
    assert_eq!(hook.events().len(), 1);
}

#[test]
fn a_replay_of_an_event_that_listen_holds_is_no_second_delivery_of_it() {
    let (hook, app, elsewhere) = (Hook::new(), App::stopped(), App::new());
    let listen = hook.listen(["--forward-to", &app.url(), "--hold"]);
    post(&listen.url(), "{}").assert_queued();
    hook.run(["replay", "1", "--to", &elsewhere.url()]).succeeded();
    assert_eq!(elsewhere.request(1).header("hook-replay").as_deref(), Some("1"));
    app.start();
    // It is still owed to its own target, or an ended attempt settled it; what counts is that it is one event with attempts
    // that never share a number.
    post(&format!("{}/next", listen.url()), "{}");
    wait_until("the next one arrives", || app.requests().iter().any(|r| r.target() == "/next"));
    let numbers: Vec<_> = hook.attempts("1").iter().map(|a| a["attempt"].as_u64().unwrap()).collect();
    let mut unique = numbers.clone();
    unique.dedup();
    assert_eq!(numbers, unique);
}

#[test]
fn an_orderly_stop_ends_what_is_running() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("done").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let mut sender = Sender::to(&listen.url());
    sender.head("POST", "", &[("Content-Length", b"2")]).send("{}");
    app.request(1);
    listen.interrupt();
    gate.open();
    assert_eq!(sender.response().text(), "done");
    assert_eq!(listen.exit_code(), Some(0));
    assert_eq!(listen.attempt(1)["status"], 200);
}

#[test]
fn a_second_interrupt_stops_now() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("done").after(&gate)));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let mut sender = Sender::to(&listen.url());
    sender.head("POST", "", &[("Content-Length", b"2")]).send("{}");
    app.request(1);
    listen.interrupt();
    // The first was heard when the listener takes no more.
    wait_until("it stops", || {
        listen.interrupt();
        !listen.is_running()
    });
    assert_eq!(listen.exit_code(), Some(130));
}
