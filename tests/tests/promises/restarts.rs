//! T20: the relay is restarted as an operator does it. Nothing is lost, and nobody is refused but by 503 with Retry-After, or by
//! the kernel while no process has the port.

use std::collections::HashSet;

use hook_tests::{Heard, Hook, Relay, Trial};

#[test]
fn the_relay_restarts_under_load() {
    restarts(5);
}

#[test]
#[ignore = "long: 50 restarts"]
fn long_the_relay_restarts_under_load() {
    restarts(50);
}

fn restarts(times: usize) {
    let mut trial = Trial::at_relay("relay restarted", Relay::start(), Hook::new(), &[]);
    trial.start_senders(8);
    for _ in 0..times {
        trial.load().until_promised(50);
        trial.random_moment();
        assert_eq!(trial.relay().terminate(), Some(0), "an orderly end");
        trial.relay().restart();
    }
    trial.load().until_promised(50);
    let report = trial.judge();
    report.assert_kept();
    let query = |event: &serde_json::Value| event["query"].as_str().map(str::to_owned);
    let kept: HashSet<String> = trial.hook.events().iter().filter_map(query).collect();
    let fair = |h: &&Heard| match h.status {
        Some(200) => !h.cut,
        Some(503) => h.retry_after.is_some(),
        Some(_) => false,
        // A connection that no process had taken, or an idle one that was closed just then: nobody read the request.
        None => !kept.contains(&h.key),
    };
    let unfair: Vec<&Heard> = trial.ledger().iter().filter(|h| !fair(h)).collect();
    assert!(unfair.is_empty(), "{} were let down, such as {:?}", unfair.len(), unfair[0]);
}
