//! The power is cut at the relay. A 2xx is a promise.

use hook_tests::{App, Dice, Hook, Recording, Relay, Strace, promises, wait_until};

use crate::power::{Cut, Promises, body_of, send};
use crate::stores::{in_inbox, in_journal};

/// A CLI takes in the first requests and is killed; the inbox is all there is for the others. Among them are large ones,
/// enough of them to make the relay checkpoint.
fn record(strace: &Strace, fault: Option<&'static str>) -> Promises {
    let (relay, hook, app) = (Relay::traced(strace, fault), Hook::new(), App::new());
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
    listen.ready();
    let mut ports = send(&relay.at("shop"), 0..40);
    listen.kill9();
    ports.extend(send(&relay.at("shop"), 40..100));
    relay.kill9();
    assert_eq!(relay.exit_code(), None);

    let recording = Recording::of(strace, &relay.data());
    recording.assert_complete();
    let places = promises(&recording);
    // What a CLI has in its journal may be gone from the inbox.
    let journaled = in_journal(&hook.data()).unwrap();
    let made = ports.into_iter().filter(|(key, _)| !journaled.contains(key));
    let made = made.map(|(key, port)| (key, *places.get(&port).expect("every 2xx that was heard is in the log")));
    let promises = Promises { made: made.collect(), recording };
    assert!(promises.made.len() >= 60, "the inbox alone has what came after the CLI was killed");
    promises
}

/// A relay starts on what is left, and hands everything that was promised to a CLI that knows nothing.
fn assert_relay_recovers(promises: &Promises, (cut, loss): Cut, dice: &mut Dice) {
    let relay = Relay::on_data(|data| promises.recording.rebuild(cut, loss, dice, data));
    let (hook, app) = (Hook::new(), App::new());
    let _listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
    let due = promises.due(cut);
    let arrived = |key: &String| app.requests().into_iter().find(|r| r.target().ends_with(key.as_str()));
    let what = format!("the app gets all {} that were promised before {cut} ({loss:?})", due.len());
    wait_until(&what, || due.iter().all(|key| arrived(key).is_some()));
    for key in due {
        assert_eq!(arrived(key).unwrap().body, body_of(key), "the body of {key}");
    }
}

fn check(cuts: usize, restarts: usize) {
    let strace = Strace::recording();
    let promises = record(&strace, None);
    let mut dice = Dice::new("power cuts at the relay");
    let cuts = promises.cuts(cuts, &mut dice);
    assert_eq!(promises.broken(&cuts, &mut dice, in_inbox), [""; 0]);
    for cut in cuts.into_iter().take(restarts) {
        assert_relay_recovers(&promises, cut, &mut dice);
    }
}

#[test]
fn a_power_cut_at_the_relay_breaks_no_promise() {
    check(20, 3);
}

#[test]
#[ignore = "five hundred cuts"]
fn long_power_cuts_at_the_relay_break_no_promise() {
    check(500, 30);
}

/// The controls: the same check sees the loss.
#[track_caller]
fn assert_caught(strace: &Strace, fault: Option<&'static str>) {
    let promises = record(strace, fault);
    let mut dice = Dice::new("power cuts that must break promises");
    let cuts = promises.cuts(20, &mut dice);
    assert!(!promises.broken(&cuts, &mut dice, in_inbox).is_empty(), "nothing was lost, so this check sees nothing");
}

#[test]
fn a_relay_on_a_disk_that_does_not_sync_is_caught() {
    assert_caught(&Strace::recording().with_eatmydata(), None);
}

#[test]
fn a_relay_that_commits_without_a_sync_is_caught() {
    assert_caught(&Strace::recording(), Some("sync-normal"));
}

#[test]
fn a_relay_that_promises_before_its_commit_is_caught() {
    assert_caught(&Strace::recording(), Some("early-2xx"));
}
