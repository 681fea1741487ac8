//! 1 KiB events that the app answers at once: over kept connections, and over a new one each.

use super::{Bench, Case};
use crate::round::Bound::{AtLeast, AtMost};
use crate::round::Target;
use crate::system::System;
use crate::{Result, stats};

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
    Target {
        case: "keep-alive/64",
        what: "the most that the CLI held under load",
        unit: " MiB",
        bound: AtMost(20.0),
        figure: |r| Some(r.of("hook", "peak")? / 1024.0),
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
        figure: |r| r.over("hook", "bore", "cpu"),
    },
];

pub fn keep_alive(bench: &mut Bench) -> Result<()> {
    for connections in [1, 64, 256] {
        bench.side_by_side(&Case {
            name: &format!("keep-alive/{connections}"),
            systems: &System::ALL,
            connections,
            fresh: false,
            body: BODY,
        })?;
    }
    Ok(())
}

pub fn fresh(bench: &mut Bench) -> Result<()> {
    for connections in [1, 64] {
        bench.side_by_side(&Case {
            name: &format!("fresh/{connections}"),
            systems: &System::ALL,
            connections,
            fresh: true,
            body: BODY,
        })?;
    }
    Ok(())
}
