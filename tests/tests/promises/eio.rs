//! An fsync fails. Nobody knows then what is on disk, so the store takes no more, and its process ends with code 3.

use std::path::Path;

use hook_tests::{App, Dice, Heard, Hook, Listen, Load, Loss, Recording, Relay, Strace, promises, wait_until};

use crate::power::{Kept, Promises};
use crate::power_cli::acks;
use crate::stores::{in_inbox, in_journal};

/// The system believes from the failure on that all is written; a power cut shows what is.
#[track_caller]
fn assert_kept_over_a_power_cut(promises: &Promises, kept: impl Fn(&Path) -> Kept) {
    let end = promises.recording.lines();
    let mut dice = Dice::new("power cuts after a failed sync");
    let cuts = [(end, Loss::All), (end, Loss::Some(4)), (end, Loss::Some(7))];
    assert_eq!(promises.broken(&cuts, &mut dice, kept), [""; 0]);
}

/// 503 with a time to come back, or a broken connection; what else there is is a promise.
#[track_caller]
fn assert_honest(heard: &[Heard]) {
    for one in heard {
        let refused = one.status == Some(503) && one.retry_after.is_some();
        assert!(one.was_promised() || refused || one.status.is_none(), "{one:?}");
    }
    assert!(heard.iter().any(|h| h.status == Some(503)), "the senders of the failed commit hear 503");
}

/// A relay that runs answers everybody, whatever becomes of the CLI: itself, or with the CLI's word that it kept nothing.
#[track_caller]
pub fn assert_answered(heard: &[Heard]) {
    let unanswered: Vec<_> = heard.iter().filter(|h| !matches!(h.status, Some(200 | 503))).collect();
    assert!(unanswered.is_empty(), "{unanswered:?}");
}

/// With nobody there, or with a CLI that could give the app's own answer.
fn a_sync_of_the_relay_fails(when: &str, attended: bool) {
    let strace = Strace::recording_failing("fsync,fdatasync", "EIO", when);
    let (relay, hook, app) = (Relay::traced(&strace, None), Hook::new(), App::new());
    let args = ["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()];
    let listen = hook.listen(args);
    listen.ready();
    if !attended {
        listen.kill9();
    }
    let load = Load::plain(&relay.at("shop"), 4);
    assert_eq!(relay.exit_code(), Some(3), "{}", relay.stderr());
    load.pause();
    assert!(relay.stderr().contains("What was accepted is kept"), "{}", relay.stderr());

    let recording = Recording::of(&strace, &relay.data());
    let places = promises(&recording);
    let journaled = in_journal(&hook.data()).unwrap();
    let promised = load.heard().into_iter().filter(|h| h.was_promised() && !journaled.contains(&h.key));
    let made = promised.map(|h| (h.key, places[&h.port.unwrap()])).collect();
    assert_kept_over_a_power_cut(&Promises { recording, made }, in_inbox);

    relay.restart();
    let _listen = (!attended).then(|| {
        let listen = hook.listen(args);
        listen.ready();
        listen
    });
    load.resume();
    load.until_promised(20);
    let heard = load.stop();
    assert_honest(&heard);
    Heard::assert_promises_kept(&heard, &hook, &app);
}

#[test]
fn a_relay_whose_sync_fails_once_stops() {
    a_sync_of_the_relay_fails("30", false);
}

#[test]
fn a_relay_whose_syncs_fail_from_now_on_stops() {
    a_sync_of_the_relay_fails("40+", false);
}

#[test]
fn an_answer_of_the_app_is_no_promise_when_the_sync_fails() {
    a_sync_of_the_relay_fails("35", true);
}

fn a_sync_of_the_cli_fails(when: &str) {
    let strace = Strace::recording_failing("fsync,fdatasync", "EIO", when);
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let args = ["listen", "--output", "json", "--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()];
    let listen = Listen::running(&mut strace.wrap(&hook.command(args)));
    listen.ready();
    let load = Load::plain(&relay.at("shop"), 4);
    assert_eq!(listen.exit_code(), Some(3), "{}", listen.stdout.text());
    let said = listen.wait_for("`error`", |r| r["type"] == "error");
    assert!(said["message"].as_str().unwrap().contains("What was committed before is kept"), "{said}");

    let recording = Recording::of(&strace, &hook.data());
    let made = acks(&recording);
    assert!(!made.is_empty(), "acks left before the failure");
    assert_kept_over_a_power_cut(&Promises { recording, made }, in_journal);

    let again = hook.listen(&args[3..]);
    again.ready();
    load.until_promised(20);
    let heard = load.stop();
    assert_answered(&heard);
    Heard::assert_promises_kept(&heard, &hook, &app);
    wait_until("the inbox empties", || in_inbox(&relay.data()).unwrap().is_empty());
}

#[test]
fn a_cli_whose_sync_fails_once_stops() {
    a_sync_of_the_cli_fails("12");
}

#[test]
fn a_cli_whose_syncs_fail_from_now_on_stops() {
    a_sync_of_the_cli_fails("15+");
}
