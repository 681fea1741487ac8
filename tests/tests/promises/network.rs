//! The network between CLI and relay breaks in every way, and the CLI sleeps: nothing is lost, and a dead link is noticed.

use std::time::{Duration, Instant};

use hook_tests::{Answer, App, Chaos, End, Gate, Heard, Hook, Listen, Load, Relay, Sender, Storm, post, wait_at_most};

/// A dead link is given up 13 s after something was sent; a machine under load may take its time.
const NOTICED: Duration = Duration::from_secs(120);

struct Stage {
    chaos: Chaos,
    listen: Listen,
    hook: Hook,
    app: App,
    relay: Relay,
}

fn stage() -> Stage {
    stage_with(&[])
}

fn stage_with(more: &[&str]) -> Stage {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let chaos = Chaos::before(&relay.url());
    let args = ["--relay", &chaos.url(), "--name", "shop", "--forward-to", &app.url()];
    let listen = hook.listen([args.as_slice(), more].concat());
    listen.ready();
    Stage { chaos, listen, hook, app, relay }
}

impl Stage {
    fn url(&self) -> String {
        self.relay.at("shop")
    }

    /// One whose attempt runs: its answer is what the CLI will say next.
    fn waiting_sender(&self, gate: &Gate) -> Sender {
        self.app.answers(Answer::ok("ok").after(gate));
        let mut sender = Sender::to(&self.url());
        sender.head("POST", "/waits", &[("Content-Length", b"2")]).send("{}");
        self.app.request(1);
        sender
    }

    #[track_caller]
    fn assert_live(&self) {
        wait_at_most(NOTICED, "an event is live again", || (post(&self.url(), "{}").text() == "ok").then_some(()));
    }

    fn reconnects(&self) -> usize {
        self.listen.of_type("tunnel").iter().filter(|t| t["state"] == "reconnecting").count()
    }
}

#[test]
fn a_storm_loses_nothing_and_sends_nothing_twice() {
    storm(Duration::from_secs(18), Duration::from_millis(700), Duration::from_secs(2));
}

#[test]
#[ignore = "minutes of bad weather"]
fn long_a_storm_of_minutes_loses_nothing() {
    storm(Duration::from_secs(150), Duration::from_secs(3), Duration::from_secs(30));
}

fn storm(lasts: Duration, gap: Duration, longest: Duration) {
    let stage = stage();
    let load = Load::paced(&stage.url(), 4, Duration::from_millis(15));
    let mut storm = Storm::new("storm", longest);
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        std::thread::sleep(storm.pause(gap));
        stage.chaos.suffer(storm.next_fault());
    }
    let heard = load.stop();
    wait_at_most(NOTICED, "the link is back and the inbox empty", || (stage.app.count() >= heard.len()).then_some(()));
    let unanswered: Vec<_> = heard.iter().filter(|h| h.status != Some(200) || h.cut).collect();
    assert!(unanswered.is_empty(), "a relay that runs answers everybody: {unanswered:?}");
    Heard::assert_promises_kept(&heard, &stage.hook, &stage.app);
    let mut ids: Vec<_> = stage.app.requests().iter().map(|r| r.event_id()).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "nothing crashed, so the app saw each event once");
    assert!(stage.reconnects() > 3, "the storm was felt {} times", stage.reconnects());
    stage.assert_live();
}

#[test]
fn a_link_that_passes_nothing_is_noticed_and_made_again() {
    let (stage, gate) = (stage(), Gate::closed());
    let mut sender = stage.waiting_sender(&gate);
    stage.chaos.blackhole();
    gate.open();
    wait_at_most(NOTICED, "the CLI gives the link up", || (stage.reconnects() > 0).then_some(()));
    let first = stage.listen.of_type("tunnel").into_iter().find(|t| t["state"] == "reconnecting").unwrap();
    assert_eq!(first["error"], "silent", "{first}");
    // New connections are taken and nobody speaks; the sender hears what the relay can promise.
    stage.chaos.heal();
    sender.patience(NOTICED);
    assert_eq!(sender.response().status, 200);
    stage.assert_live();
    assert_eq!(stage.app.requests().iter().filter(|r| r.target() == "/waits").count(), 1, "its attempt had ended");
}

#[test]
fn a_link_that_only_the_relay_knows_to_be_dead_is_noticed_by_the_cli() {
    let (stage, gate) = (stage(), Gate::closed());
    let mut sender = stage.waiting_sender(&gate);
    stage.chaos.half_open(End::Relay);
    sender.response().assert_queued();
    post(&format!("{}/meanwhile", stage.url()), "{}").assert_queued();
    // The answer goes nowhere, and that is what gives it away.
    gate.open();
    wait_at_most(NOTICED, "the CLI gives the link up", || (stage.reconnects() > 0).then_some(()));
    stage.assert_live();
    let count = |path| stage.app.requests().iter().filter(|r| r.target() == path).count();
    assert_eq!((count("/waits"), count("/meanwhile")), (1, 1));
}

#[test]
fn a_link_that_only_the_cli_knows_to_be_dead_is_replaced_at_once() {
    let (stage, gate) = (stage(), Gate::closed());
    let mut sender = stage.waiting_sender(&gate);
    stage.chaos.half_open(End::Cli);
    // The same run comes back, and that ends its old session.
    sender.response().assert_queued();
    gate.open();
    stage.assert_live();
    assert_eq!(stage.app.requests().iter().filter(|r| r.target() == "/waits").count(), 1);
}

#[test]
fn a_relay_that_refuses_for_a_while_is_tried_again_with_pauses_that_differ() {
    let stage = stage();
    stage.chaos.refuse();
    post(&format!("{}/away", stage.url()), "{}").assert_queued();
    let tries = stage.listen.wait_for_all("it tries again", 4, |t| t["state"] == "reconnecting");
    let waits: Vec<u64> = tries.iter().map(|t| t["retry_in_ms"].as_u64().unwrap()).collect();
    assert!(waits.iter().any(|w| *w != waits[0]), "jittered: {waits:?}");
    stage.chaos.heal();
    stage.assert_live();
    assert_eq!(stage.app.request(1).target(), "/away");
}

#[test]
fn a_slow_and_narrow_link_is_no_dead_one() {
    let stage = stage();
    stage.chaos.latency(Duration::from_millis(100));
    stage.chaos.bandwidth(200_000);
    let body = hook_tests::pattern(600_000);
    // Longer than a ping may stay unanswered when nothing comes at all.
    assert_eq!(hook_tests::request("POST", &stage.url(), &[], &body).status, 200);
    wait_at_most(NOTICED, "it arrives", || (stage.app.count() == 1).then_some(()));
    hook_tests::assert_same_bytes("the body", &stage.app.request(1).body, &body);
    assert_eq!(stage.reconnects(), 0);
}

#[test]
fn a_cli_that_sleeps_past_its_session_resumes() {
    sleep(|_| {});
}

#[test]
#[ignore = "minutes of sleep"]
fn long_a_cli_that_sleeps_for_minutes_resumes() {
    sleep(|_| std::thread::sleep(Duration::from_secs(120)));
}

/// Stops the CLI until the relay has given its session up.
fn sleep(meanwhile: impl Fn(&Stage)) {
    let stage = stage_with(&["--concurrency", "1"]);
    stage.listen.stop();
    for n in 0..3 {
        post(&format!("{}/{n}", stage.url()), "{}").assert_queued();
    }
    wait_at_most(NOTICED, "the relay ends the session", || (stage.chaos.live() == 0).then_some(()));
    meanwhile(&stage);
    post(&format!("{}/3", stage.url()), "{}").assert_queued();
    stage.listen.resume();
    stage.app.request(4);
    let targets: Vec<_> = stage.app.requests().iter().map(|r| r.target()).collect();
    assert_eq!(targets, ["/0", "/1", "/2", "/3"], "in order, each once");
    stage.listen.wait_for("it says so", |t| t["type"] == "tunnel" && t["state"] == "reconnecting");
    stage.listen.wait_for("and that it is back", |t| t["type"] == "tunnel" && t["state"] == "live");
    stage.assert_live();
}
