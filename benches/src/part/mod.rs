//! The parts of a run. Each file has what it measures and the targets that its figures are held against.

mod live;

use std::time::Duration;

use tokio::runtime::Runtime;

use crate::Result;
use crate::round::{Samples, Target};
use crate::system::{Place, System};

pub struct Part {
    pub name: &'static str,
    pub targets: &'static [Target],
    pub run: fn(&mut Bench) -> Result<()>,
}

pub const ALL: &[Part] = &[
    Part { name: "keep-alive", targets: live::KEEP_ALIVE, run: live::keep_alive },
    Part { name: "fresh", targets: live::FRESH, run: live::fresh },
];

/// A run under way.
pub struct Bench {
    pub place: Place,
    pub systems: Vec<System>,
    pub rounds: usize,
    pub time: Duration,
    pub what: Vec<String>,
    pub samples: Samples,
    pub runtime: Runtime,
}

impl Bench {
    pub fn wants_part(&self, part: &str) -> bool {
        let named = |what: &String| what.split_once('/').map_or(what.as_str(), |(part, _)| part) == part;
        self.what.is_empty() || self.what.iter().any(named)
    }

    pub fn wants(&self, case: &str) -> bool {
        let part = case.split_once('/').map_or(case, |(part, _)| part);
        self.what.is_empty() || self.what.iter().any(|what| what == part || what == case)
    }

    /// Those of these systems that were asked for.
    pub fn systems(&self, of: &[System]) -> Vec<System> {
        of.iter().copied().filter(|s| self.systems.contains(s)).collect()
    }
}
