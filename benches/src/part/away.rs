//! While nobody listens, and afterwards; and small events beside a large one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Bench, Figures, WARM_UP};
use crate::process::LIVENESS;
use crate::round::Bound::{AtLeast, AtMost, Stated};
use crate::round::Target;
use crate::system::{Origin, System, Tunnel};
use crate::{Result, origin};

const BODY: usize = 1024;
const LARGE: usize = 32 * 1024 * 1024;
/// As many as are waiting at least when the CLI comes back.
const WAITING: usize = 20_000;

pub const TARGETS: &[Target] = &[
    Target {
        case: "away/queued",
        what: "rate of 200 queued over the live rate, 64 connections",
        unit: " ×",
        bound: AtLeast(0.8),
        figure: |r| Some(r.of("hook", "queued")? / r.of("hook", "live")?),
    },
    Target {
        case: "away/drain",
        what: "drain at --concurrency 64, first to last at the app",
        unit: " events/s",
        bound: AtLeast(5000.0),
        figure: |r| r.of("hook", "drain"),
    },
    Target {
        case: "away/drain",
        what: "the same from the start of hook listen",
        unit: " events/s",
        bound: Stated,
        figure: |r| r.of("hook", "from_start"),
    },
    Target {
        case: "away/beside",
        what: "what 32 MiB bodies beside them add to the p99 of 1 KiB events",
        unit: " ms",
        bound: AtMost(10.0),
        figure: |r| Some((r.of("hook", "p99_beside")? - r.of("hook", "p99_alone")?) / 1000.0),
    },
];

pub fn run(bench: &mut Bench) -> Result<()> {
    bench.alone(&[("away/queued", queued), ("away/drain", drain), ("away/beside", beside)], bench.rounds)
}

/// The live rate and the rate of `200 queued`, each with its kill and count.
fn queued(bench: &Bench) -> Result<Figures> {
    let origin = Origin::start(&bench.place)?;
    bench.runtime.block_on(async {
        let mut figures = Vec::new();
        for away in [false, true] {
            let mut tunnel = Tunnel::start(System::Hook, &bench.place, origin.address).await?;
            if away {
                tunnel.leave().await?;
            }
            let mut outcome = tunnel.load(64, false, BODY, WARM_UP, bench.time).run(|| tunnel.cpu()).await;
            if away && outcome.queued != outcome.heard.len() {
                return Err("somebody else than the relay answered while the CLI was away".into());
            }
            figures.push((if away { "queued" } else { "live" }, outcome.rate()));
            tunnel.kill_and_count(std::mem::take(&mut outcome.heard))?;
        }
        Ok(figures)
    })
}

/// The rate at which a CLI that comes back brings the app what waited.
fn drain(bench: &Bench) -> Result<Figures> {
    let (before, after) = (Origin::start(&bench.place)?, Origin::start(&bench.place)?);
    bench.runtime.block_on(async {
        let mut tunnel = Tunnel::start(System::Hook, &bench.place, before.address).await?;
        tunnel.leave().await?;
        let mut heard = Vec::new();
        while heard.len() < WAITING {
            let load = tunnel.load(64, false, BODY, Duration::ZERO, Duration::from_millis(200));
            heard.extend(load.run(|| Duration::ZERO).await.heard);
        }
        let begin = Instant::now();
        tunnel.come_back(&bench.place, after.address, &["--concurrency", "64"])?;
        // One that waited while the session's end was being noticed is among them.
        let (seen, span) = all_seen(after.address, heard.len()).await?;
        let from_start = begin.elapsed();
        tunnel.kill_and_count(heard)?;
        Ok(vec![("drain", seen as f64 / span.as_secs_f64()), ("from_start", seen as f64 / from_start.as_secs_f64())])
    })
}

/// Waits until the app has seen so many; how many it has, and the time from the first to the last.
async fn all_seen(app: SocketAddr, wanted: usize) -> Result<(usize, Duration)> {
    let by = Instant::now() + LIVENESS;
    loop {
        let (seen, span) = origin::ask(app).await?;
        if seen >= wanted {
            return Ok((seen, span));
        }
        if Instant::now() > by {
            return Err(format!("of {wanted} events that waited the app has seen {seen}").into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The p99 of events on one connection, alone and beside large ones without a pause.
fn beside(bench: &Bench) -> Result<Figures> {
    let origin = Origin::start(&bench.place)?;
    bench.runtime.block_on(async {
        let mut figures = Vec::new();
        for name in ["p99_alone", "p99_beside"] {
            let tunnel = Tunnel::start(System::Hook, &bench.place, origin.address).await?;
            // Two timed runs long, for enough events above the 99th of a hundred.
            let small = tunnel.load(1, false, BODY, WARM_UP, bench.time * 2);
            let mut outcome = if name == "p99_beside" {
                let large = tunnel.load(1, false, LARGE, WARM_UP, bench.time * 2);
                let (mut small, large) = tokio::join!(small.run(|| tunnel.cpu()), large.run(|| tunnel.cpu()));
                if large.heard.is_empty() {
                    return Err("no large body went through beside the small ones".into());
                }
                small.heard.extend(large.heard);
                small
            } else {
                small.run(|| tunnel.cpu()).await
            };
            figures.push((name, outcome.latency(0.99)));
            tunnel.kill_and_count(std::mem::take(&mut outcome.heard))?;
        }
        Ok(figures)
    })
}
