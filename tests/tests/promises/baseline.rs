//! T1: with no faults everybody is answered by the app, once.

use hook_tests::{Heard, Hook, Relay, Trial};

#[test]
fn without_faults_everything_arrives_once() {
    everything_arrives_once(3_000);
}

#[test]
#[ignore = "long: 100,000 events"]
fn long_without_faults_everything_arrives_once() {
    everything_arrives_once(100_000);
}

fn everything_arrives_once(events: usize) {
    let mut trial = Trial::at_relay("no faults", Relay::start(), Hook::new(), &[]);
    trial.start_senders(32).until_promised(events);
    let report = trial.judge();
    report.assert_kept();
    let unanswered: Vec<&Heard> = trial.ledger().iter().filter(|h| h.status != Some(200)).collect();
    assert!(unanswered.is_empty(), "everybody hears the app's 200: {unanswered:?}");
}
