//! T18: ten thousand events wait at the relay, and the CLI is killed while it takes them over and forwards them.

use hook_tests::{Hook, Relay, Trial, oracle};

/// Sends while nobody listens; then the CLI comes, is killed at a random moment, and comes again.
pub fn drain(trial: &mut Trial, events: usize, kills: usize) -> oracle::Report {
    trial.stop_cli();
    trial.start_senders(32).until_promised(events);
    trial.stop_senders();
    while trial.kills() < kills {
        trial.launch_cli();
        trial.random_moment();
        trial.kill_cli();
    }
    trial.start_cli();
    trial.judge()
}

fn in_order(name: &'static str) -> Trial {
    Trial::at_relay(name, Relay::start(), Hook::new(), &["--concurrency", "1"])
}

#[test]
fn ten_thousand_owed_events_survive_kills_in_order() {
    drain(&mut in_order("10,000 owed, cli killed"), 10_000, 6).assert_kept();
}

#[test]
#[ignore = "long: 100 kills"]
fn long_fifty_thousand_owed_events_survive_kills_in_order() {
    drain(&mut in_order("50,000 owed, cli killed"), 50_000, 100).assert_kept();
}
