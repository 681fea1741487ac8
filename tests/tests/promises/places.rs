//! One responder at a time: a run that was cut off neither answers, acks nor comes back; a mirror has everything.

use std::time::Duration;

use hook_tests::{
    Answer, App, Chaos, Gate, Hook, Listen, Load, Process, Relay, Sender, post, wait_at_most, wait_until,
};

const NOTICED: Duration = Duration::from_secs(120);

fn listen(hook: &Hook, relay: &str, app: &App, more: &[&str]) -> Listen {
    let args = ["--relay", relay, "--name", "shop", "--forward-to", &app.url()];
    let listen = hook.listen([args.as_slice(), more].concat());
    listen.ready();
    listen
}

/// It ends and says who has its place.
#[track_caller]
fn assert_superseded(old: &Listen, by: &Process) {
    wait_at_most(NOTICED, "the old run ends", || (!old.is_running()).then_some(()));
    assert_eq!(old.exit_code(), Some(4));
    let error = old.wait_for("its last words", |r| r["type"] == "error" && r["code"] == "superseded");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&format!("pid {}", by.pid())), "it says by whom: {message}");
}

#[test]
fn late_answers_and_acks_of_a_run_that_was_cut_off_count_for_nothing() {
    cut_off_and_back(1);
}

#[test]
#[ignore = "many rounds"]
fn long_late_answers_and_acks_count_for_nothing_again_and_again() {
    cut_off_and_back(15);
}

fn cut_off_and_back(rounds: usize) {
    for _ in 0..rounds {
        let (relay, one, two) = (Relay::start(), Hook::new(), Hook::new());
        let chaos = Chaos::before(&relay.url());
        let (late, gate) = (Gate::closed(), Gate::closed());
        let first_app = App::answering(Answer::ok("late").after(&late));
        let second_app = App::answering(Answer::ok("second").after(&gate));
        let first = listen(&one, &chaos.url(), &first_app, &[]);
        let mut early: Vec<Sender> = (0..4).map(|n| begin(&relay, n)).collect();
        first_app.request(4);
        chaos.blackhole();
        // These are on their way into the dark.
        early.extend((4..8).map(|n| begin(&relay, n)));

        let second = listen(&two, &relay.url(), &second_app, &["--concurrency", "8"]);
        early.iter_mut().for_each(|sender| sender.response().assert_queued());
        second_app.request(8);
        // Live at the second while the first one's words arrive.
        let mut live = begin(&relay, 8);
        late.open();
        chaos.heal();
        assert_superseded(&first, &second);
        gate.open();
        let reply = live.response();
        assert!(reply.is_queued() || reply.text() == "second", "{reply:?}");
        let mut targets: Vec<_> = (1..=9).map(|n| second_app.request(n).target()).collect();
        targets.sort();
        assert_eq!(targets, (0..9).map(|n| format!("/{n}")).collect::<Vec<_>>(), "the second has them all, once");
        assert_eq!(post(&relay.at("shop"), "{}").text(), "second");
        assert!(first_app.count() <= 8 && second_app.count() == 10);
    }
}

fn begin(relay: &Relay, n: usize) -> Sender {
    let mut sender = Sender::to(&relay.at("shop"));
    sender.head("POST", &format!("/{n}"), &[("Content-Length", b"2")]).send("{}");
    sender
}

#[test]
fn an_ack_of_a_run_that_was_cut_off_does_not_let_go_of_what_the_next_one_has_not() {
    let (relay, one, two) = (Relay::start(), Hook::new(), Hook::new());
    let chaos = Chaos::before(&relay.url());
    let (app, gate) = (App::new(), Gate::closed());
    app.answers(Answer::ok("late").after(&gate));
    let first = listen(&one, &chaos.url(), &app, &[]);
    chaos.blackhole();
    let mut senders: Vec<Sender> = (0..3).map(|n| begin(&relay, n)).collect();
    let second_app = App::stopped();
    let second = listen(&two, &relay.url(), &second_app, &["--hold"]);
    senders.iter_mut().for_each(|sender| sender.response().assert_queued());
    // Nobody acks what comes now, except the one whose acks mean nothing.
    second.stop();
    post(&format!("{}/3", relay.at("shop")), "{}").assert_queued();
    gate.open();
    chaos.heal();
    assert_superseded(&first, &second);
    second.kill9();
    second_app.start();
    let _third = listen(&two, &relay.url(), &second_app, &[]);
    let mut targets: Vec<_> = (1..=4).map(|n| second_app.request(n).target()).collect();
    targets.sort();
    assert_eq!(targets, ["/0", "/1", "/2", "/3"]);
}

#[test]
fn a_run_that_was_cut_off_stays_out_after_a_restart_of_the_relay() {
    let (relay, one, two) = (Relay::start(), Hook::new(), Hook::new());
    let chaos = Chaos::before(&relay.url());
    let (first_app, second_app) = (App::answering(Answer::ok("first")), App::answering(Answer::ok("second")));
    let first = listen(&one, &chaos.url(), &first_app, &[]);
    assert_eq!(post(&relay.at("shop"), "{}").text(), "first");
    chaos.blackhole();
    let second = listen(&two, &relay.url(), &second_app, &[]);
    relay.kill9();
    relay.restart();
    second.wait_for("the second is back", |t| t["type"] == "tunnel" && t["state"] == "live");
    chaos.reset();
    chaos.heal();
    assert_superseded(&first, &second);
    assert_eq!(post(&relay.at("shop"), "{}").text(), "second");
    // A person who starts it again takes the endpoint back.
    let _again = listen(&one, &chaos.url(), &first_app, &[]);
    assert_eq!(second.exit_code(), Some(4));
    assert_eq!(post(&relay.at("shop"), "{}").text(), "first");
}

#[test]
fn a_run_whose_relay_restarts_keeps_its_place() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let listen = listen(&hook, &relay.url(), &app, &[]);
    for round in 1..=3 {
        relay.kill9();
        relay.restart();
        listen.wait_for_all("it is back", round, |t| t["type"] == "tunnel" && t["state"] == "live");
        assert_eq!(post(&relay.at("shop"), "{}").text(), "ok");
    }
}

#[test]
fn a_mirror_has_every_live_event_once() {
    let (relay, one, two) = (Relay::start(), Hook::new(), Hook::new());
    let (app, copied) = (App::new(), App::new());
    let _responder = listen(&one, &relay.url(), &app, &[]);
    let mirror = listen(&two, &relay.url(), &copied, &["--mirror"]);
    let load = Load::start(&relay.at("shop"), 4);
    load.until_promised(300);
    let heard = load.stop();
    assert!(heard.iter().all(|h| h.status == Some(200)));
    wait_until("the mirror has as many", || copied.count() >= heard.len());
    let sorted = |app: &App| {
        let mut all: Vec<_> = app.requests().iter().map(|r| (r.event_id(), r.target())).collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&copied), sorted(&app));
    mirror.wait_for_type("event", heard.len());
    assert_eq!(mirror.of_type("event").len(), heard.len());
    assert_eq!(two.events().len(), heard.len());
}
