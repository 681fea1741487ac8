use std::collections::BTreeMap;
use std::sync::Arc;

use hook_proto::EventId;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Open, assert_same, event_of, id, name, wait};
use crate::inbox::{Inbox, InboxError, Limits, Pending, Usage};

const ENDPOINTS: [&str; 2] = ["shop", "other"];
/// What the limits below come from: a few events, and one large one.
const MOST_EVENTS: u64 = 6;
const MOST_BYTES: u64 = 1_400_000;
const LARGE: usize = 1_100_000;

#[derive(Debug, Clone)]
enum Step {
    Append { endpoint: usize, n: u64, size: usize },
    Delete { endpoint: usize, n: u64 },
    Next { endpoint: usize, after: usize, limit: usize },
    Load { n: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (endpoint, n) = (0..ENDPOINTS.len(), 0..12_u64);
    let size = prop_oneof![20 => 0..300_usize, 4 => 100_000..500_000_usize, 1 => Just(LARGE)];
    let step = prop_oneof![
        6 => (endpoint.clone(), n.clone(), size).prop_map(|(endpoint, n, size)| Step::Append { endpoint, n, size }),
        4 => (endpoint.clone(), n.clone()).prop_map(|(endpoint, n)| Step::Delete { endpoint, n }),
        1 => (endpoint, 0..20_usize, 0..5_usize).prop_map(|(endpoint, after, limit)| Step::Next { endpoint, after, limit }),
        1 => n.prop_map(|n| Step::Load { n }),
    ];
    prop::collection::vec(step, 1..60)
}

/// An inbox as one would write it down: events by the number of their append.
#[derive(Default)]
struct Model {
    appends: u64,
    held: BTreeMap<u64, Arc<crate::inbox::StoredEvent>>,
}

impl Model {
    fn at(&self, id: EventId) -> Option<u64> {
        self.held.iter().find(|(_, event)| event.id == id).map(|(at, _)| *at)
    }

    fn usage(&self, endpoint: Option<&str>) -> Usage {
        let counted = self.held.values().filter(|event| endpoint.is_none_or(|name| event.endpoint.as_str() == name));
        counted.fold(Usage::default(), |usage, event| Usage {
            events: usage.events + 1,
            bytes: usage.bytes + event.size(),
        })
    }

    /// The number of the append, unless it must be refused.
    fn append(&mut self, event: &Arc<crate::inbox::StoredEvent>) -> Option<u64> {
        if let Some(at) = self.at(event.id) {
            return Some(at);
        }
        let held = self.usage(Some(event.endpoint.as_str()));
        if held.events >= MOST_EVENTS || held.bytes + event.size() > MOST_BYTES {
            return None;
        }
        self.appends += 1;
        self.held.insert(self.appends, Arc::clone(event));
        Some(self.appends)
    }
}

/// Appends that are not awaited yet, with what the model says of them.
#[derive(Default)]
struct UnderWay {
    pending: Vec<(Option<u64>, Pending<u64>)>,
    /// Our numbers by the inbox's positions; both rise together.
    positions: BTreeMap<u64, u64>,
}

impl UnderWay {
    fn settle(&mut self) {
        for (expected, pending) in self.pending.drain(..) {
            match (expected, wait(pending)) {
                (Some(number), Ok(position)) => {
                    assert_eq!(*self.positions.entry(number).or_insert(position), position);
                }
                (None, Err(InboxError::Full(_))) => {}
                (expected, found) => panic!("expected {expected:?}, found {found:?}"),
            }
        }
        assert!(self.positions.values().is_sorted_by(|a, b| a < b), "{:?}", self.positions);
    }
}

pub(in crate::inbox) fn behaves_like_the_model(open: Open) {
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() });
    runner
        .run(&steps(), |steps| {
            run(open, &steps);
            Ok(())
        })
        .unwrap();
}

fn run(open: Open, steps: &[Step]) {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { endpoint: Usage { events: MOST_EVENTS, bytes: MOST_BYTES }, ..Limits::default() };
    let inbox = open(dir.path(), limits);
    let (mut model, mut under_way) = (Model::default(), UnderWay::default());
    for step in steps {
        match *step {
            Step::Append { endpoint, n, size } => {
                let event = event_of(dir.path(), ENDPOINTS[endpoint], n, size);
                let expected = model.append(&event);
                under_way.pending.push((expected, inbox.append(event)));
                // A large one may take its place after what came later, unless that waits for it.
                if size == LARGE {
                    under_way.settle();
                }
            }
            Step::Delete { endpoint, n } => {
                // It may make room at once, and so for what waits to be refused.
                if under_way.pending.iter().any(|(expected, _)| expected.is_none()) {
                    under_way.settle();
                }
                model.held.retain(|_, event| event.id != id(n) || event.endpoint.as_str() != ENDPOINTS[endpoint]);
                inbox.delete(&name(ENDPOINTS[endpoint]), id(n));
            }
            Step::Next { endpoint, after, limit } => {
                under_way.settle();
                assert_page(inbox.as_ref(), &model, &under_way, ENDPOINTS[endpoint], (after, limit));
            }
            Step::Load { n } => {
                under_way.settle();
                assert_loads(inbox.as_ref(), &model, n);
            }
        }
    }
    // The counts follow a delete when something behind it was answered.
    let last = event_of(dir.path(), "last", 99, 1);
    under_way.pending.push((model.append(&last), inbox.append(last)));
    under_way.settle();
    for endpoint in ENDPOINTS {
        assert_page(inbox.as_ref(), &model, &under_way, endpoint, (0, usize::MAX));
        assert_eq!(inbox.usage(&name(endpoint)), model.usage(Some(endpoint)));
    }
    assert_eq!(inbox.total(), model.usage(None));
    (0..12).for_each(|n| assert_loads(inbox.as_ref(), &model, n));
}

fn assert_page(inbox: &dyn Inbox, model: &Model, known: &UnderWay, endpoint: &str, (after, limit): (usize, usize)) {
    let after = known.positions.values().nth(after.wrapping_sub(1)).copied().unwrap_or_default();
    let expected: Vec<_> = model
        .held
        .iter()
        .filter(|(_, event)| event.endpoint.as_str() == endpoint)
        .map(|(number, event)| (known.positions[number], event.id))
        .filter(|(position, _)| *position > after)
        .take(limit)
        .collect();
    assert_eq!(wait(inbox.next(&name(endpoint), after, limit)).unwrap(), expected);
}

fn assert_loads(inbox: &dyn Inbox, model: &Model, n: u64) {
    let found = wait(inbox.load(id(n))).unwrap();
    let expected = model.at(id(n)).and_then(|at| model.held.get(&at));
    match (found, expected) {
        (Some(found), Some(expected)) => assert_same(&found, expected),
        (found, expected) => assert_eq!(found.is_some(), expected.is_some(), "event {n}"),
    }
}
