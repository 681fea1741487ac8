//! What hook costs while nothing happens, and how soon it is there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::sessions::Session;
use super::{Bench, Figures};
use crate::round::Bound::{AtMost, Stated};
use crate::round::Target;
use crate::system::{Relay, environment};
use crate::{Result, stats, stores};

const SESSIONS: usize = 1000;
/// Longer than the heartbeat of a silent session.
const STILL: Duration = Duration::from_secs(25);
const ENDPOINTS: usize = 10_000;
/// A session can hold this many.
const AT_ONCE: usize = 1000;
const STARTS: usize = 15;

pub const TARGETS: &[Target] = &[
    Target {
        case: "idle/sessions",
        what: "memory of the relay for a session, of 1,000",
        unit: " KiB",
        bound: AtMost(25.0),
        figure: |r| r.of("hook", "memory"),
    },
    Target {
        case: "idle/sessions",
        what: "CPU of the relay for 1,000 sessions, of one core",
        unit: " %",
        bound: AtMost(0.3),
        figure: |r| r.of("hook", "cpu"),
    },
    Target {
        case: "idle/endpoints",
        what: "memory of a restarted relay for an endpoint without a session, of 10,000",
        unit: " KiB",
        bound: AtMost(0.1),
        figure: |r| r.of("hook", "memory"),
    },
    Target {
        case: "idle/endpoints",
        what: "disk for an endpoint",
        unit: " KiB",
        bound: Stated,
        figure: |r| r.of("hook", "disk"),
    },
    Target {
        case: "idle/start",
        what: "start of the embedded relay to `ready`, less `hook --version`",
        unit: " ms",
        bound: AtMost(30.0),
        figure: |r| Some(r.of("hook", "ready")? - r.of("hook", "version")?),
    },
    Target {
        case: "idle/start",
        what: "the same where nothing was kept before",
        unit: " ms",
        bound: Stated,
        figure: |r| Some(r.of("hook", "first")? - r.of("hook", "version")?),
    },
];

pub fn run(bench: &mut Bench) -> Result<()> {
    bench.alone(
        &[("idle/sessions", sessions), ("idle/endpoints", endpoints), ("idle/start", start)],
        bench.rounds.min(1),
    )
}

fn sessions(bench: &Bench) -> Result<Figures> {
    let relay = Relay::start(&bench.place, &bench.place.fresh(false)?)?;
    let before = relay.process.memory("VmRSS").ok_or("no memory to read")?;
    bench.runtime.block_on(async {
        let mut staying = tokio::task::JoinSet::new();
        for n in 0..SESSIONS {
            let session = Session::open(relay.address, &format!("instance-{n}"), &[format!("idle-{n}")]).await?;
            staying.spawn(session.stay());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let used = relay.process.cpu();
        tokio::time::sleep(STILL).await;
        let used = relay.process.cpu().saturating_sub(used);
        let after = relay.process.memory("VmRSS").ok_or("no memory to read")?;
        // A session that ended is cheap indeed.
        if staying.try_join_next().is_some() {
            return Err("a session did not stay".into());
        }
        let cpu = 100.0 * used.as_secs_f64() / STILL.as_secs_f64();
        Ok(vec![("memory", (after - before) / SESSIONS as f64), ("cpu", cpu)])
    })
}

/// Compares a relay that starts with so many endpoints with one that starts with a single one.
fn endpoints(bench: &Bench) -> Result<Figures> {
    let started = |wanted: usize| -> Result<(f64, f64)> {
        let dir = bench.place.fresh(false)?;
        let mut relay = Relay::start(&bench.place, &dir)?;
        bench.runtime.block_on(async {
            let names: Vec<String> = (0..wanted).map(|n| format!("idle-{n}")).collect();
            for some in names.chunks(AT_ONCE) {
                Session::open(relay.address, "instance", some).await?;
            }
            Result::Ok(())
        })?;
        relay.process.kill9();
        let relay = Relay::start(&bench.place, &dir)?;
        let memory = relay.process.memory("VmRSS").ok_or("no memory to read")?;
        Ok((memory, stores::size(&dir.join("relay/relay.db"))?))
    };
    let (one, many) = (started(1)?, started(ENDPOINTS)?);
    let each = |one: f64, many: f64| (many - one) / ENDPOINTS as f64;
    Ok(vec![("memory", each(one.0, many.0)), ("disk", each(one.1, many.1))])
}

/// In turns, and the median of each, in milliseconds.
fn start(bench: &Bench) -> Result<Figures> {
    let dir = bench.place.fresh(false)?;
    let hook = |args: &[&str]| {
        let mut command = Command::new(&bench.place.hook);
        command.args(args).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
        command
    };
    let listen = ["listen", "--relay", "embedded", "--forward-to", "localhost:9", "--output", "json"];
    let (mut version, mut ready, mut first) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..STARTS {
        let home = dir.join(n.to_string());
        fs::create_dir(&home)?;
        version.push(until(environment(&mut hook(&["--version"]), &dir), "hook")?);
        first.push(until(environment(&mut hook(&listen), &home), "\"type\":\"ready\"")?);
        ready.push(until(environment(&mut hook(&listen), &home), "\"type\":\"ready\"")?);
    }
    let median = |times: &[f64]| stats::median(times).ok_or("nothing was started");
    Ok(vec![("version", median(&version)?), ("ready", median(&ready)?), ("first", median(&first)?)])
}

/// Starts it, and takes the time until it says a line with this; it is killed then.
fn until(command: &mut Command, mark: &str) -> Result<f64> {
    let begin = Instant::now();
    let mut child = command.spawn()?;
    let out = child.stdout.take().ok_or("no standard output")?;
    let said = BufReader::new(out).lines().map_while(std::result::Result::ok).any(|line| line.contains(mark));
    let time = begin.elapsed();
    let _ = child.kill();
    child.wait()?;
    if said { Ok(time.as_secs_f64() * 1000.0) } else { Err(format!("it never said {mark}").into()) }
}
