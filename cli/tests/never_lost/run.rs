//! Plays many plans at once, each world in a thread of its own, and shrinks one that breaks the promise.

use std::cell::Cell;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::plan::{Rule, plans};
use crate::seen::Seen;
use crate::world;

/// Worlds spend most of their time waiting for a sync.
const AT_ONCE: u32 = 12;
/// Plans that failed once; each is played first, for ever.
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/never_lost/regressions.txt");

pub fn no_plan_breaks_the_promise(cases: u32) {
    let seed = seed();
    let threads: Vec<_> = (0..AT_ONCE).map(|n| std::thread::spawn(move || check(seed, n, cases / AT_ONCE))).collect();
    let mut seen = Seen::default();
    let mut failures = Vec::new();
    for thread in threads {
        match thread.join().unwrap() {
            Ok(more) => seen += more,
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "HOOK_TEST_SEED={seed}\n{}", failures.join("\n\n"));
    eprintln!("{cases} plans: {seen:?}");
    assert!(seen.is_enough(), "HOOK_TEST_SEED={seed}: too little happened: {seen:?}");
}

fn check(seed: u64, thread: u32, cases: u32) -> Result<Seen, String> {
    let config = Config {
        cases,
        max_shrink_iters: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng(seed, thread));
    let all = Cell::new(Seen::default());
    let result = runner.run(&plans(Rule::Right), |plan| {
        let mut seen = all.get();
        seen += world::play(&plan).map_err(TestCaseError::fail)?;
        all.set(seen);
        Ok(())
    });
    result.map(|()| all.get()).map_err(|error| {
        // At once: the other threads may go on for minutes.
        eprintln!("HOOK_TEST_SEED={seed}, thread {thread}: {error}");
        error.to_string()
    })
}

/// Looks for a plan that a broken rule does not survive.
pub fn some_plan_breaks_the_promise(rule: Rule, cases: u32) {
    let seed = seed();
    let found = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..AT_ONCE {
            let found = &found;
            scope.spawn(move || {
                let mut runner = TestRunner::new_with_rng(Config::default(), rng(seed, n));
                for _ in 0..cases / AT_ONCE {
                    if found.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    let plan = plans(rule).new_tree(&mut runner).unwrap().current();
                    // A broken rule breaks more than one thing; a lost event is what is looked for.
                    if world::play(&plan).is_err_and(|broken| broken.contains("never got it")) {
                        found.store(true, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(found.into_inner(), "HOOK_TEST_SEED={seed}: {cases} plans under {rule:?} lost nothing");
}

fn seed() -> u64 {
    let seed = std::env::var("HOOK_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("HOOK_TEST_SEED={seed}");
    seed
}

fn rng(seed: u64, thread: u32) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&thread.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}
