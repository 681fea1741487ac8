//! Two listeners of one endpoint: one answers, and nobody is in doubt which.

use hook_tests::{Answer, App, Gate, Hook, Listen, Relay, Sender, post, wait_until};

fn listen(hook: &Hook, relay: &Relay, app: &App, args: &[&str]) -> Listen {
    let listen = hook.listen([&["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()], args].concat());
    listen.ready();
    listen
}

#[test]
fn a_second_listener_takes_over_and_the_first_stops_and_says_so() {
    let (relay, one, two) = (Relay::start(), Hook::new(), Hook::new());
    let (first_app, second_app) = (App::new(), App::new());
    let first = listen(&one, &relay, &first_app, &[]);
    post(&relay.at("shop"), "1");
    let second = listen(&two, &relay, &second_app, &[]);
    assert_eq!(first.exit_code(), Some(4));
    let error = first.wait_for("its last words", |r| r["type"] == "error" && r["code"] == "superseded");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&format!("pid {}", second.pid())), "it says by whom: {message}");
    assert_eq!(post(&relay.at("shop"), "2").text(), "ok");
    assert_eq!((first_app.count(), second_app.count()), (1, 1));
    // And it does not come back.
    assert!(second.is_running());
}

#[test]
fn what_is_in_flight_at_a_takeover_and_back_is_never_lost() {
    let gate = Gate::closed();
    let (relay, one, two) = (Relay::start(), Hook::new(), Hook::new());
    let (slow, quick) = (App::answering(Answer::ok("slow").after(&gate)), App::new());
    let first = listen(&one, &relay, &slow, &[]);
    let mut sender = Sender::to(&relay.at("shop"));
    sender.head("POST", "/flight", &[("Content-Length", b"2")]).send("{}");
    let id = slow.request(1).event_id();
    let second = listen(&two, &relay, &quick, &[]);
    gate.open();
    // The app's own answer, or queued; both are promises.
    assert_eq!(sender.response().status, 200);
    assert_eq!(first.exit_code(), Some(4));
    let ended = one.attempts("1");
    assert_eq!(ended[0]["status"], 200, "the first ended what it was sending");
    wait_until("live at the second", || post(&format!("{}/live", relay.at("shop")), "{}").text() == "ok");
    assert!(quick.requests().iter().filter(|r| r.target() == "/flight").all(|r| r.event_id() == id));

    let back = listen(&one, &relay, &slow, &[]);
    assert_eq!(second.exit_code(), Some(4));
    assert_eq!(post(&format!("{}/back", relay.at("shop")), "{}").text(), "slow");
    assert_eq!(slow.requests().iter().filter(|r| r.target() == "/flight").count(), 1, "its attempt had ended");
    assert!(back.is_running());
}

#[test]
fn a_takeover_under_fire_loses_nothing() {
    let (relay, one, two) = (Relay::start(), Hook::new(), Hook::new());
    let app = App::new();
    let mut current = listen(&one, &relay, &app, &[]);
    let load = hook_tests::Load::start(&relay.at("shop"), 4);
    for round in 0..6 {
        load.until_promised(20);
        let next = listen(if round % 2 == 0 { &two } else { &one }, &relay, &app, &[]);
        assert_eq!(current.exit_code(), Some(4), "round {round}");
        current = next;
    }
    load.until_promised(20);
    let heard = load.stop();
    let unanswered: Vec<_> = heard.iter().filter(|h| h.status != Some(200)).collect();
    assert!(unanswered.is_empty(), "a takeover refuses nobody: {unanswered:?}");
    for one in heard.iter().filter(|h| h.was_promised()) {
        wait_until(&format!("{one:?} reaches the app"), || {
            app.requests().iter().any(|r| r.target().ends_with(&format!("?{}", one.key)))
        });
    }
}

#[test]
fn a_mirror_gets_copies_and_answers_nobody() {
    let (relay, one, two) = (Relay::start(), Hook::new(), Hook::new());
    let (app, copied) = (App::answering(Answer::ok("mine")), App::answering(Answer::status("500 Oops")));
    let responder = listen(&one, &relay, &app, &[]);
    post(&format!("{}/before", relay.at("shop")), "{}");
    let mirror = listen(&two, &relay, &copied, &["--mirror"]);
    assert_eq!(post(&format!("{}/both", relay.at("shop")), "{}").text(), "mine");
    assert_eq!(copied.request(1).target(), "/both", "no backlog");
    assert_eq!(copied.request(1).event_id(), app.request(2).event_id());
    mirror.attempt(1);
    mirror.bye();
    assert!(responder.is_running());
    assert_eq!(post(&relay.at("shop"), "{}").text(), "mine");
}

#[test]
fn a_second_process_for_the_same_embedded_endpoint_is_refused() {
    let (hook, app) = (Hook::new(), App::new());
    let first = hook.listen(["--forward-to", &app.url()]);
    let url = first.url();
    let second = hook.run(["listen", "--forward-to", &app.url()]).ended_with(3);
    assert!(second.stderr.contains(&first.pid().to_string()) && second.stderr.contains(&url), "{}", second.stderr);
    assert!(second.stderr.contains("next:") && second.stderr.contains("--name"), "{}", second.stderr);
    let other = hook.listen(["--forward-to", &app.url(), "--name", "other"]);
    assert!(other.url().ends_with("/other"));
    assert_eq!((post(&url, "{}").status, post(&other.url(), "{}").status), (200, 200));
}
