//! The parts of a run. Each file has what it measures and the targets that its figures are held against.

mod away;
mod bodies;
mod idle;
mod journal;
mod live;
mod sessions;

use std::io::{self, Write};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::load::Outcome;
use crate::round::{Samples, Target};
use crate::system::{Origin, Place, System, Tunnel};
use crate::{Result, probe};

const WARM_UP: Duration = Duration::from_millis(200);

pub struct Part {
    pub name: &'static str,
    pub targets: &'static [Target],
    pub run: fn(&mut Bench) -> Result<()>,
}

pub const ALL: &[Part] = &[
    Part { name: "keep-alive", targets: live::KEEP_ALIVE, run: live::keep_alive },
    Part { name: "fresh", targets: live::FRESH, run: live::fresh },
    Part { name: "bodies", targets: bodies::TARGETS, run: bodies::run },
    Part { name: "away", targets: away::TARGETS, run: away::run },
    Part { name: "idle", targets: idle::TARGETS, run: idle::run },
    Part { name: "journal", targets: journal::TARGETS, run: journal::run },
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

    /// Measures a case in turns: every system in each round.
    fn side_by_side(&mut self, case: &Case<'_>) -> Result<()> {
        if !self.wants(case.name) {
            return Ok(());
        }
        for round in 0..self.rounds {
            for system in self.systems(case.systems) {
                self.timed(case, round, system)?;
            }
        }
        Ok(())
    }

    /// One timed run of one system, up to its end and the count.
    fn timed(&mut self, case: &Case<'_>, round: usize, system: System) -> Result<()> {
        let origin = Origin::start(&self.place)?;
        if system == System::Hook {
            // The disk is asked when it matters, since others may use it too.
            let sync = probe::fdatasync(&self.place.disk)?;
            self.samples.add(case.name, round, "disk", &[("fdatasync", sync)]);
        }
        let (outcome, figures, counted) = self.runtime.block_on(async {
            let tunnel = Tunnel::start(system, &self.place, origin.address).await?;
            let load = tunnel.load(case.connections, case.fresh, case.body, WARM_UP, self.time);
            let mut outcome = load.run(|| tunnel.cpu()).await;
            if outcome.queued > 0 {
                return Err(format!("void: {} replies of a live run were hook's own", outcome.queued).into());
            }
            let mut figures =
                vec![("rate", outcome.rate()), ("p50", outcome.latency(0.5)), ("p99", outcome.latency(0.99))];
            if system != System::Direct {
                figures.push(("cpu", outcome.cpu_per_request()));
            }
            figures.extend(tunnel.peak().map(|peak| ("peak", peak)));
            let counted = tunnel.kill_and_count(std::mem::take(&mut outcome.heard))?;
            Result::Ok((outcome, figures, counted))
        })?;
        self.samples.add(case.name, round, system.name(), &figures);
        self.say(case.name, round, system.name(), &figures, &format!("{}{}", count(counted), trouble(&outcome)))
    }

    /// Measures cases that only hook is in.
    fn alone(&mut self, cases: &[(&str, Measure)], rounds: usize) -> Result<()> {
        let name = System::Hook.name();
        for (case, measure) in cases {
            if !self.wants(case) || !self.systems.contains(&System::Hook) {
                continue;
            }
            for round in 0..rounds {
                let figures = measure(self)?;
                self.samples.add(case, round, name, &figures);
                self.say(case, round, name, &figures, "")?;
            }
        }
        Ok(())
    }

    /// How far it is, on standard error; what is compared is told at the end.
    fn say(&self, case: &str, round: usize, what: &str, figures: &[(&str, f64)], more: &str) -> Result<()> {
        let figures: Vec<String> = figures.iter().map(|(name, value)| format!("{name} {value:.1}")).collect();
        Ok(writeln!(io::stderr(), "{case} #{round} {what:<15} {}{more}", figures.join(", "))?)
    }
}

/// What one measurement of hook alone gives: names and values.
type Figures = Vec<(&'static str, f64)>;
type Measure = fn(&Bench) -> Result<Figures>;

/// What is measured side by side.
struct Case<'a> {
    name: &'a str,
    systems: &'a [System],
    connections: usize,
    fresh: bool,
    body: usize,
}

fn count(counted: usize) -> String {
    if counted > 0 { format!("; {counted} counted") } else { String::new() }
}

fn trouble(outcome: &Outcome) -> String {
    let kinds = [("refused", outcome.refused), ("broken", outcome.broken)];
    kinds.iter().filter(|kind| kind.1 > 0).map(|(what, n)| format!("; {n} {what}")).collect()
}
