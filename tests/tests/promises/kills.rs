//! T2 to T4: `kill -9` from outside at random times, under load. What was answered 2xx is in the journal once and reaches the app.

use hook_tests::oracle::Report;
use hook_tests::{Hook, Relay, Trial};

/// How far a loop goes: both are reached.
#[derive(Clone, Copy)]
pub struct Until {
    pub kills: usize,
    pub promised: usize,
}

const QUICK: Until = Until { kills: 10, promised: 500 };
const LONG: Until = Until { kills: 200, promised: 100_000 };

const SENDERS: usize = 16;

/// Who is killed at one moment.
#[derive(Clone, Copy, Default)]
pub struct Who {
    relay: bool,
    cli: bool,
    app: bool,
}

const NOBODY: Who = Who { relay: false, cli: false, app: false };
const RELAY: Who = Who { relay: true, ..NOBODY };
pub const CLI: Who = Who { cli: true, ..NOBODY };
const APP: Who = Who { app: true, ..NOBODY };
const BOTH: Who = Who { app: false, ..ALL };
const ALL: Who = Who { relay: true, cli: true, app: true };

/// Kills one of these at each of many random moments, and starts it again at once or a while later.
pub fn again_and_again(trial: &mut Trial, until: Until, these: &[Who]) -> Report {
    trial.app_is_moody();
    trial.start_senders(SENDERS);
    while trial.kills() < until.kills || trial.load().promised() < until.promised {
        trial.random_moment();
        let who = these[trial.pick(these.len())];
        if who.app {
            trial.kill_app();
        }
        if who.relay {
            trial.kill_relay();
        }
        if who.cli {
            trial.kill_cli();
        }
        if trial.pick(2) == 0 {
            trial.random_moment();
        }
        if who.relay {
            trial.relay().restart();
        }
        if who.cli {
            // Not waited for, so that the next kill may come before it is ready.
            trial.launch_cli();
        }
        if who.app {
            trial.app.start();
        }
    }
    trial.until_ready();
    trial.judge()
}

/// The relay is killed while nobody listens, so that only its inbox knows of what was answered.
pub fn relay_alone(trial: &mut Trial, until: Until) -> Report {
    trial.stop_cli();
    trial.start_senders(SENDERS);
    while trial.kills() < until.kills || trial.load().promised() < until.promised {
        trial.random_moment();
        trial.kill_relay();
        trial.relay().restart();
    }
    trial.stop_senders();
    trial.start_cli();
    trial.judge()
}

fn at_relay(name: &'static str, args: &[&str]) -> Trial {
    Trial::at_relay(name, Relay::start(), Hook::new(), args)
}

#[test]
fn the_relay_is_killed_again_and_again() {
    again_and_again(&mut at_relay("relay killed", &[]), QUICK, &[RELAY]).assert_kept();
}

#[test]
#[ignore = "long: 200 kills, 100,000 events"]
fn long_the_relay_is_killed_again_and_again() {
    again_and_again(&mut at_relay("relay killed", &[]), LONG, &[RELAY]).assert_kept();
}

#[test]
fn the_relay_is_killed_while_nobody_listens() {
    relay_alone(&mut at_relay("relay killed alone", &[]), QUICK).assert_kept();
}

/// Behind what came while nobody listened a sender may wait for long, and those of a trial have not the time for it.
const PATIENCE: [&str; 2] = ["--reply-within", "5s"];

#[test]
fn the_cli_is_killed_again_and_again() {
    let mut trial = at_relay("cli killed", &PATIENCE);
    again_and_again(&mut trial, QUICK, &[CLI]).assert_kept();
    assert!(trial.ledger().iter().all(|h| h.status.is_some()), "a relay that runs answers everybody");
}

#[test]
#[ignore = "long: 200 kills, 100,000 events"]
fn long_the_cli_is_killed_again_and_again() {
    again_and_again(&mut at_relay("cli killed", &PATIENCE), LONG, &[CLI]).assert_kept();
}

#[test]
fn the_app_is_killed_again_and_again() {
    // Held, so that hook's own 2xx is heard while the app is down.
    again_and_again(&mut at_relay("app killed", &["--hold"]), QUICK, &[APP]).assert_kept();
}

#[test]
fn anything_is_killed_again_and_again() {
    again_and_again(&mut at_relay("anything killed", &["--hold"]), QUICK, &[RELAY, CLI, APP, BOTH, ALL]).assert_kept();
}

#[test]
#[ignore = "long: 200 kills, 100,000 events"]
fn long_anything_is_killed_again_and_again() {
    again_and_again(&mut at_relay("anything killed", &["--hold"]), LONG, &[RELAY, CLI, APP, BOTH, ALL]).assert_kept();
}

#[test]
fn one_at_a_time_keeps_its_order_whatever_is_killed() {
    let mut trial = at_relay("anything killed, in order", &["--hold", "--concurrency", "1"]);
    again_and_again(&mut trial, QUICK, &[RELAY, CLI, APP, BOTH, ALL]).assert_kept();
}

#[test]
fn with_the_embedded_relay_a_kill_loses_nothing_either() {
    let mut trial = Trial::embedded("embedded killed", Hook::new(), &["--hold"]);
    again_and_again(&mut trial, QUICK, &[CLI, CLI, APP, Who { relay: false, ..ALL }]).assert_kept();
}

#[test]
#[ignore = "long: 200 kills, 100,000 events"]
fn long_with_the_embedded_relay_a_kill_loses_nothing_either() {
    let mut trial = Trial::embedded("embedded killed", Hook::new(), &["--hold"]);
    again_and_again(&mut trial, LONG, &[CLI, CLI, APP, Who { relay: false, ..ALL }]).assert_kept();
}
