//! DESIGN §5 against the code itself: the real relay, inbox, session, engine and journal, in one thread, with every frame, fsync,
//! answer, crash, power cut and second of time in the hands of a plan that proptest makes up and shrinks.
//!
//! The steps are those of the model that the design was checked with, and more than one event, a second CLI on the same journal
//! that takes the endpoint over, and a mirror.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "what a test cannot do must fail it, with its seed"
)]

mod app;
mod cable;
mod cli;
mod journal;
mod plan;
mod program;
mod promise;
mod pulse;
mod relay;
mod run;
mod seen;
mod sender;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

use hook_proto::EndpointName;

use plan::{Plan, Rule, Sent, Setup, Step};

fn endpoint() -> EndpointName {
    "shop".parse().unwrap()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn whatever_happens_nothing_accepted_is_lost() {
    run::no_plan_breaks_the_promise(240);
}

#[test]
#[ignore = "minutes"]
fn long_whatever_happens_nothing_accepted_is_lost() {
    run::no_plan_breaks_the_promise(12_000);
}

/// Found by a random plan: the relay said queued, and both hand-overs of the event came together, with the app down.
#[test]
fn an_event_that_is_queued_while_its_live_attempt_fails_stays_owed() {
    let steps = [Step::Send(0), Step::Time(2_100), Step::AppDown, Step::Fsync, Step::Flow(true)];
    for _ in 0..5 {
        world::play(&Plan { setup: Setup::default(), steps: steps.to_vec() }).expect("the promise is kept");
    }
}

/// hook answered in the place of an app that was down, but the sender heard queued: the app is owed the event all the same.
#[test]
fn a_handshake_whose_sender_heard_queued_is_owed() {
    let setup = || Setup { sent: Sent::Handshakes, ..Setup::default() };
    // The relay said queued while the attempt failed.
    let meanwhile = [Step::Send(0), Step::Time(2_100), Step::AppDown, Step::Fsync, Step::Flow(true)];
    // The answer was lost with its session.
    let lost = [Step::Send(0), Step::Fsync, Step::AppDown, Step::ToCli(0), Step::SessionDrops(0), Step::Time(2_100)];
    for steps in [meanwhile.as_slice(), &lost] {
        for _ in 0..5 {
            world::play(&Plan { setup: setup(), steps: steps.to_vec() }).expect("the promise is kept");
        }
    }
}

/// The counterexample of the model: the app is down, its 502 comes after the relay said queued, and so does the ack.
#[test]
fn a_rule_that_lets_an_old_ack_count_loses_an_event() {
    let steps = [
        Step::Send(0),
        Step::Fsync,
        Step::AppDown,
        Step::ToCli(0),
        Step::JournalFsync,
        Step::Time(2_100),
        Step::ToRelay(0),
        Step::ToRelay(0),
        Step::AppUp,
    ];
    loses(Rule::Old, &steps);
}

/// The same for the other: hook itself said queued, the CLI's journal loses the event, and it is handed over as given.
#[test]
fn a_rule_that_takes_hooks_reply_for_the_apps_loses_an_event() {
    let steps = [Step::AppDown, Step::Send(0), Step::Fsync, Step::ToCli(0), Step::ToRelay(0), Step::PowerCut];
    loses(Rule::Given, &steps);
}

fn loses(rule: Rule, steps: &[Step]) {
    let setup = Setup { hold: rule == Rule::Given, ..Setup::default() };
    let with = |rule| Plan { setup: Setup { rule, ..setup.clone() }, steps: steps.to_vec() };
    let broken = world::play(&with(rule)).expect_err("the broken rule is seen");
    assert!(broken.contains("the app never got it"), "{broken}");
    world::play(&with(Rule::Right)).expect("the right rule keeps the promise under the same plan");
}

#[test]
#[ignore = "long: up to 4,000 plans; the scripted ones above show it in every run"]
fn long_plans_made_up_at_random_find_the_broken_rules_too() {
    for rule in [Rule::Old, Rule::Given] {
        run::some_plan_breaks_the_promise(rule, 4000);
    }
}
