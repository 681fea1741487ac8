//! Wall clocks jump, at the relay and at the CLI: order, timeouts and what is kept do not follow them.

use hook_tests::{Answer, App, Clock, Gate, Hook, Listen, Relay, Sender, post, wait_until};

fn listen(hook: &Hook, relay: &Relay, app: &App) -> Listen {
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
    listen.ready();
    listen
}

fn targets(app: &App, count: usize) -> Vec<String> {
    app.request(count);
    app.requests().iter().map(|r| r.target()).collect()
}

#[test]
fn events_come_in_the_order_of_their_arrival_whatever_the_relays_clock_says() {
    for jumps in [["-1h", "-2h", "-1d"], ["+10y", "+0", "-1h"], ["+1h", "+30s", "+0"]] {
        let clock = Clock::new();
        let (relay, hook, app) = (Relay::under(&clock), Hook::new(), App::new());
        listen(&hook, &relay, &app).bye();
        let mut sent = 0;
        let mut send = || {
            for _ in 0..3 {
                post(&format!("{}/{sent}", relay.at("shop")), "{}").assert_queued();
                sent += 1;
            }
        };
        send();
        for jump in jumps {
            clock.set(jump);
            send();
            // A new process knows of the old one's clock only what the inbox tells.
            relay.kill9();
            relay.restart();
            send();
        }
        let _listen = listen(&hook, &relay, &app);
        let wanted: Vec<_> = (0..sent).map(|n| format!("/{n}")).collect();
        assert_eq!(targets(&app, sent), wanted, "{jumps:?}");
        assert_eq!(post(&format!("{}/live", relay.at("shop")), "{}").text(), "ok");
    }
}

#[test]
fn what_is_held_goes_in_order_whatever_the_clis_clock_says() {
    let clock = Clock::new();
    let (hook, app) = (Hook::new().under(&clock), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url(), "--hold"]);
    for (n, jump) in ["+0", "-1h", "+10y", "+0"].into_iter().enumerate() {
        clock.set(jump);
        post(&format!("{}/{n}", listen.url()), "{}").assert_queued();
    }
    app.start();
    assert_eq!(targets(&app, 4), ["/0", "/1", "/2", "/3"]);
}

#[test]
fn no_time_limit_follows_the_wall_clock() {
    let (relay_clock, cli_clock, gate) = (Clock::new(), Clock::new(), Gate::closed());
    let (relay, hook, app) = (Relay::under(&relay_clock), Hook::new().under(&cli_clock), App::new());
    let slow = gate.clone();
    app.answers_with(move |r| if r.target() == "/slow" { Answer::ok("slow").after(&slow) } else { Answer::ok("ok") });
    let listen = listen(&hook, &relay, &app);
    for jump in ["+10y", "-1h", "+3d", "+0"] {
        let mut sender = Sender::to(&relay.at("shop"));
        sender.head("POST", "/slow", &[("Content-Length", b"2")]).send("{}");
        let before = app.count();
        wait_until("it is with the app", || app.requests().iter().filter(|r| r.target() == "/slow").count() > 0);
        relay_clock.set(jump);
        cli_clock.set(jump);
        // Both have looked at their clocks since.
        assert_eq!(post(&relay.at("shop"), "{}").text(), "ok");
        wait_until("and the one behind is through", || app.count() > before);
        gate.step();
        assert_eq!(sender.response().text(), "slow", "{jump}: the app's own answer and not queued");
    }
    let attempts = listen.wait_for_type("attempt", 8);
    let longest = attempts.iter().map(|a| a["ms"].as_u64().unwrap()).max().unwrap();
    assert!(longest < 600_000, "an attempt took {longest} ms");
    let said: Vec<_> = listen.of_type("tunnel").iter().map(|t| t["state"].clone()).collect();
    assert!(!said.iter().any(|s| s == "slept" || s == "reconnecting"), "{said:?}");
}

#[test]
fn a_cli_that_wakes_up_three_days_later_by_its_clock_goes_on() {
    let clock = Clock::new();
    let (relay, hook, app) = (Relay::start(), Hook::new().under(&clock), App::new());
    let listen = listen(&hook, &relay, &app);
    assert_eq!(post(&format!("{}/0", relay.at("shop")), "{}").text(), "ok");
    listen.stop();
    post(&format!("{}/1", relay.at("shop")), "{}").assert_queued();
    clock.set("+3d");
    listen.resume();
    assert_eq!(targets(&app, 2), ["/0", "/1"]);
    wait_until("the next one is live", || post(&format!("{}/2", relay.at("shop")), "{}").text() == "ok");
    assert_eq!(hook.event_state(2), "ended");
}

/// The events that are kept after a run that has looked for old ones, and what it said of its clock.
fn after_another_run(hook: &Hook, relay: &Relay, app: &App) -> (usize, bool) {
    let listen = listen(hook, relay, app);
    // Old ones are looked for at its start, before an event of this run can be recorded.
    post(&relay.at("shop"), "{}");
    listen.attempt(1);
    // What the relay still had would be handed over again, and be new to a journal that has forgotten it.
    wait_until("the relay let go of it", || relay.held() == 0);
    let jumped = |listen: &Listen| {
        listen.of_type("error").iter().any(|e| e["message"].as_str().unwrap_or_default().contains("clock has jumped"))
    };
    let said = jumped(&listen);
    listen.bye();
    (hook.events().len(), said || jumped(&listen))
}

#[test]
fn a_clock_that_has_jumped_deletes_nothing() {
    let clock = Clock::new();
    let (relay_clock, app) = (Clock::new(), App::new());
    let (relay, hook) = (Relay::under(&relay_clock), Hook::new().under(&clock));
    assert_eq!(after_another_run(&hook, &relay, &app), (1, false));
    assert_eq!(after_another_run(&hook, &relay, &app), (2, false));
    for (n, jump) in ["+10y", "-2h", "-10y"].into_iter().enumerate() {
        clock.set(jump);
        assert_eq!(after_another_run(&hook, &relay, &app), (3 + n, true), "{jump}");
    }
    // With the relay's clock wrong too, the newest event agrees with it, and those before it are fresh all the same.
    clock.set("+10y");
    relay_clock.set("+10y");
    assert_eq!(after_another_run(&hook, &relay, &app).0, 6);
    assert_eq!(after_another_run(&hook, &relay, &app), (7, true));
    clock.set("+0");
    relay_clock.set("+0");
    assert_eq!(after_another_run(&hook, &relay, &app).0, 8);
}

#[test]
fn what_is_old_by_a_clock_that_is_right_goes() {
    let clock = Clock::new();
    let (relay, hook, app) = (Relay::under(&clock), Hook::new().under(&clock), App::new());
    clock.set("-40d");
    assert_eq!(after_another_run(&hook, &relay, &app), (1, false));
    assert_eq!(after_another_run(&hook, &relay, &app), (2, false));
    clock.set("+0");
    let listen = listen(&hook, &relay, &app);
    // The newest stays, however old it is: its number must not be given again.
    wait_until("the old one goes", || hook.events().len() == 1);
    post(&relay.at("shop"), "{}");
    // Now the one before it is not the newest any more, and may go too.
    wait_until("the new one is there", || hook.events().iter().any(|e| e["seq"] == 3));
    let seqs: Vec<_> = hook.events().iter().map(|e| e["seq"].as_u64()).collect();
    assert!(seqs.iter().all(|seq| *seq > Some(1)), "numbers are not used twice: {seqs:?}");
    drop(listen);
}
