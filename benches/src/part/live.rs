//! 1 KiB events that the app answers at once: over kept connections, and over a new one each.

use std::io::{self, Write};
use std::time::Duration;

use super::Bench;
use crate::round::Bound::{AtLeast, AtMost};
use crate::round::{Round, Target};
use crate::system::{Origin, System, Tunnel};
use crate::{Result, probe, stats};

const BODY: usize = 1024;
const PEERS: &[&str] = &["bore", "rathole"];

pub const KEEP_ALIVE: &[Target] = &[
    Target {
        case: "keep-alive/64",
        what: "rate with a relay over the better of bore and rathole",
        unit: " ×",
        bound: AtLeast(0.6),
        figure: |r| r.over_best("hook", PEERS, "rate"),
    },
    Target {
        case: "keep-alive/256",
        what: "rate with a relay over the better of bore and rathole",
        unit: " ×",
        bound: AtLeast(0.6),
        figure: |r| r.over_best("hook", PEERS, "rate"),
    },
    Target {
        case: "keep-alive/64",
        what: "rate embedded over the better of bore and rathole",
        unit: " ×",
        bound: AtLeast(0.8),
        figure: |r| r.over_best("embedded", PEERS, "rate"),
    },
    Target {
        case: "keep-alive/256",
        what: "rate embedded over the better of bore and rathole",
        unit: " ×",
        bound: AtLeast(0.8),
        figure: |r| r.over_best("embedded", PEERS, "rate"),
    },
    Target {
        case: "keep-alive/64",
        what: "rate with journal and inbox in memory over the better of bore and rathole",
        unit: " ×",
        bound: AtLeast(1.0),
        figure: |r| r.over_best("hook-memory", PEERS, "rate"),
    },
    Target {
        case: "keep-alive/256",
        what: "rate with journal and inbox in memory over the better of bore and rathole",
        unit: " ×",
        bound: AtLeast(1.0),
        figure: |r| r.over_best("hook-memory", PEERS, "rate"),
    },
    Target {
        case: "keep-alive/1",
        what: "p50 with a relay over bore's and 2.5 fdatasyncs",
        unit: " ×",
        bound: AtMost(1.0),
        figure: |r| stats::ratio(r.of("hook", "p50")?, r.of("bore", "p50")? + 2.5 * r.of("disk", "fdatasync")?),
    },
    Target {
        case: "keep-alive/1",
        what: "p50 embedded over bore's",
        unit: " ×",
        bound: AtMost(1.3),
        figure: |r| r.over("embedded", "bore", "p50"),
    },
    Target {
        case: "keep-alive/64",
        what: "CPU per request over bore's",
        unit: " ×",
        bound: AtMost(1.6),
        figure: |r| r.over("hook", "bore", "cpu"),
    },
];

pub const FRESH: &[Target] = &[
    Target {
        case: "fresh/64",
        what: "rate over the best of bore and rathole",
        unit: " ×",
        bound: AtLeast(2.0),
        figure: |r| r.over_best("hook", PEERS, "rate"),
    },
    Target {
        case: "fresh/64",
        what: "rate over nginx's",
        unit: " ×",
        bound: AtLeast(0.75),
        figure: |r| r.over("hook", "nginx", "rate"),
    },
    Target {
        case: "fresh/1",
        what: "p50 over rathole's",
        unit: " ×",
        bound: AtMost(0.9),
        figure: |r| r.over("hook", "rathole", "p50"),
    },
    Target {
        case: "fresh/1",
        what: "p50 over bore's",
        unit: " ×",
        bound: AtMost(0.6),
        figure: |r| r.over("hook", "bore", "p50"),
    },
    Target {
        case: "fresh/64",
        what: "CPU per request over bore's",
        unit: " ×",
        bound: AtMost(0.35),
        figure: |r: &Round<'_>| r.over("hook", "bore", "cpu"),
    },
];

pub fn keep_alive(bench: &mut Bench) -> Result<()> {
    for connections in [1, 64, 256] {
        side_by_side(bench, &Case { name: format!("keep-alive/{connections}"), connections, fresh: false })?;
    }
    Ok(())
}

pub fn fresh(bench: &mut Bench) -> Result<()> {
    for connections in [1, 64] {
        side_by_side(bench, &Case { name: format!("fresh/{connections}"), connections, fresh: true })?;
    }
    Ok(())
}

struct Case {
    name: String,
    connections: usize,
    fresh: bool,
}

fn side_by_side(bench: &mut Bench, case: &Case) -> Result<()> {
    if !bench.wants(&case.name) {
        return Ok(());
    }
    for round in 0..bench.rounds {
        for system in bench.systems(&System::ALL) {
            one(bench, case, round, system)?;
        }
        let sync = probe::fdatasync(&bench.place.disk)?;
        bench.samples.add(&case.name, round, "disk", &[("fdatasync", sync)]);
    }
    Ok(())
}

/// One timed run of one system.
fn one(bench: &mut Bench, case: &Case, round: usize, system: System) -> Result<()> {
    let origin = Origin::start(&bench.place)?;
    let (mut outcome, figures, counted) = bench.runtime.block_on(async {
        let tunnel = Tunnel::start(system, &bench.place, origin.address).await?;
        let load = tunnel.load(case.connections, case.fresh, BODY, Duration::from_millis(200), bench.time);
        let mut outcome = load.run(|| tunnel.cpu()).await;
        let mut figures = vec![("rate", outcome.rate()), ("p50", outcome.latency(0.5)), ("p99", outcome.latency(0.99))];
        if system != System::Direct {
            figures.push(("cpu", outcome.cpu_per_request()));
        }
        figures.extend(tunnel.peak().map(|peak| ("peak", peak)));
        let counted = tunnel.kill_and_count(std::mem::take(&mut outcome.heard))?;
        crate::Result::Ok((outcome, figures, counted))
    })?;
    bench.samples.add(&case.name, round, system.name(), &figures);
    let told: Vec<String> = figures.iter().map(|(name, value)| format!("{name} {value:.0}")).collect();
    let trouble = [("queued", outcome.queued), ("refused", outcome.refused), ("broken", outcome.broken)];
    let trouble: String = trouble.iter().filter(|t| t.1 > 0).map(|(what, n)| format!(" {n} {what}")).collect();
    let counted = if counted > 0 { format!(", {counted} counted") } else { String::new() };
    writeln!(io::stderr(), "{} #{round} {:<15} {}{counted}{trouble}", case.name, system.name(), told.join(", "))?;
    outcome.latencies.clear();
    Ok(())
}
