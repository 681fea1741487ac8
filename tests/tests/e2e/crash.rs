//! What is owed after `kill -9`, and how a run ends. Kills under load are in `promises`.

use hook_tests::{Answer, App, Gate, Hook, Sender, post, wait_until};

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
