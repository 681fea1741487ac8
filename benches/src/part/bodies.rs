//! Larger bodies: 64 KiB and 1 MiB on 8 connections, and 32 MiB one after the other.

use super::{Bench, Case};
use crate::Result;
use crate::round::Bound::{AtLeast, AtMost};
use crate::round::Target;
use crate::system::System;

const KIB: usize = 1024;
/// Case, connections, bytes.
const CASES: [(&str, usize, usize); 3] =
    [("bodies/64KiB", 8, 64 * KIB), ("bodies/1MiB", 8, KIB * KIB), ("bodies/32MiB", 1, 32 * KIB * KIB)];
const SYSTEMS: [System; 6] =
    [System::Direct, System::Nginx, System::Bore, System::Rathole, System::Hook, System::HookInMemory];

pub const TARGETS: &[Target] = &[
    Target {
        case: "bodies/64KiB",
        what: "rate over bore's",
        unit: " ×",
        bound: AtLeast(10.0),
        figure: |r| r.over("hook", "bore", "rate"),
    },
    Target {
        case: "bodies/1MiB",
        what: "rate over bore's",
        unit: " ×",
        bound: AtLeast(0.5),
        figure: |r| r.over("hook", "bore", "rate"),
    },
    Target {
        case: "bodies/32MiB",
        what: "time over bore's",
        unit: " ×",
        bound: AtMost(4.0),
        figure: |r| r.over("hook", "bore", "p50"),
    },
    Target {
        case: "bodies/64KiB",
        what: "rate in memory over bore's",
        unit: " ×",
        bound: AtLeast(40.0),
        figure: |r| r.over("hook-memory", "bore", "rate"),
    },
    Target {
        case: "bodies/1MiB",
        what: "rate in memory over bore's",
        unit: " ×",
        bound: AtLeast(2.0),
        figure: |r| r.over("hook-memory", "bore", "rate"),
    },
    Target {
        case: "bodies/32MiB",
        what: "time in memory over bore's",
        unit: " ×",
        bound: AtMost(1.0),
        figure: |r| r.over("hook-memory", "bore", "p50"),
    },
];

pub fn run(bench: &mut Bench) -> Result<()> {
    for (name, connections, body) in CASES {
        bench.side_by_side(&Case { name, systems: &SYSTEMS, connections, fresh: false, body })?;
    }
    Ok(())
}
