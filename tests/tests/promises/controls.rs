//! The negative controls: the loops of the other tests, with a promise broken on purpose. What the oracle does not see here it
//! would not see there.

use std::time::Duration;

use hook_tests::oracle::{Invariant, Report};
use hook_tests::{Hook, Relay, Trial};

use crate::drain::drain;
use crate::kills::{CLI, Until, again_and_again, relay_alone};

/// Runs until the violation is seen, at most four times with five kills.
#[track_caller]
fn is_seen(invariant: Invariant, run: impl Fn() -> Report) {
    assert!((0..4).any(|_| run().breaks(invariant)), "twenty kills, and nothing was seen");
}

const FIVE: Until = Until { kills: 5, promised: 0 };

/// C3.
#[test]
fn a_relay_that_replies_before_its_inbox_has_the_event_is_seen_to_lose_it() {
    is_seen(Invariant::I1, || {
        relay_alone(&mut Trial::at_relay("C3 early 2xx", Relay::sabotaged("early-2xx"), Hook::new(), &[]), FIVE)
    });
}

/// C4.
#[test]
fn a_cli_that_acks_before_its_journal_has_the_event_is_seen_to_lose_it() {
    is_seen(Invariant::I1, || {
        drain(&mut Trial::at_relay("C4 early ack", Relay::start(), Hook::sabotaged("early-ack"), &[]), 6_000, 5)
    });
}

/// C5.
#[test]
fn a_journal_that_takes_an_event_twice_is_seen_to_show_it_twice() {
    is_seen(Invariant::I2, || {
        let mut trial = Trial::at_relay("C5 no unique id", Relay::start(), Hook::sabotaged("no-unique"), &[]);
        // What is there twice may stay owed for ever.
        trial.patience = Duration::from_secs(2);
        again_and_again(&mut trial, FIVE, &[CLI])
    });
}

#[test]
fn a_trial_that_fails_keeps_its_databases_its_logs_and_the_ledger() {
    let mut trial = Trial::at_relay("failed on purpose", Relay::start(), Hook::new(), &[]);
    let dir = trial.artefacts();
    trial.start_senders(2).until_promised(10);
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        trial.stop_senders();
        trial.judge().breaks(Invariant::I1).then_some(()).expect("this one fails on purpose");
    }));
    assert!(failed.is_err());
    for file in ["hook/data/hook/journal.db", "hook.stdout", "relay/inbox.db", "relay.stderr", "ledger", "app"] {
        assert!(dir.join(file).is_file(), "{file} was not kept");
    }
    assert!(std::fs::read_to_string(dir.join("ledger")).unwrap().contains("\nheard 9 HTTP/1.1 200 OK\n"));
    std::fs::remove_dir_all(dir).unwrap();
}
