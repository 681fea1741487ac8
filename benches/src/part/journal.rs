//! A journal of a thousand events and one of a million: what a person waits for.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::Bench;
use crate::round::Bound::{AtMost, Stated};
use crate::round::{Round, Target};
use crate::system::{Origin, System, Tunnel, environment, journal};
use crate::{Result, payload, stats, stores};

const SMALL: usize = 1000;
const LARGE: usize = 1_000_000;
/// So often in a round, or less often once it has taken this long; the median counts.
const TIMES: usize = 5;
const ENOUGH: Duration = Duration::from_secs(3);

/// A case, and what is typed.
const QUERIES: &[(&str, &[&str])] = &[
    ("journal/events", &["events", "-n", "10"]),
    ("journal/show", &["show", "last"]),
    ("journal/show-number", &["show", "500"]),
    ("journal/status", &["events", "-n", "10", "status:500"]),
    ("journal/status-rare", &["events", "-n", "10", "status:418"]),
    ("journal/provider", &["events", "-n", "10", "provider:github"]),
    ("journal/provider-rare", &["events", "-n", "10", "provider:rare"]),
    ("journal/type", &["events", "-n", "10", "type:push"]),
    ("journal/type-rare", &["events", "-n", "10", "type:rare"]),
    ("journal/verdict", &["events", "-n", "10", "sig:invalid"]),
    ("journal/verdict-rare", &["events", "-n", "10", "sig:malformed"]),
    ("journal/time", &["events", "-n", "10", "since:10m"]),
    ("journal/time-before", &["events", "-n", "10", "before:10m"]),
];

/// What has to look at every event, once in a round.
const SCANS: &[(&str, &[&str])] = &[
    ("journal/text", &["events", "-n", "10", "body:nowhere-to-be-found"]),
    ("journal/header", &["events", "-n", "10", "header.user-agent:nowhere-to-be-found"]),
    ("journal/json", &["events", "-n", "10", "json:.key=nowhere-to-be-found"]),
];

pub const TARGETS: &[Target] = &[
    at_most_twice("journal/events", "`hook events`"),
    at_most_twice("journal/show", "`hook show last`"),
    at_most_twice("journal/show-number", "`hook show 500`"),
    at_most_twice("journal/status", "status, one in a hundred"),
    at_most_twice("journal/status-rare", "status, the ten oldest"),
    at_most_twice("journal/provider", "provider, one in a hundred"),
    at_most_twice("journal/provider-rare", "provider, the ten oldest"),
    at_most_twice("journal/type", "type, one in a hundred"),
    at_most_twice("journal/type-rare", "type, the ten oldest"),
    at_most_twice("journal/verdict", "verdict, one in a hundred"),
    at_most_twice("journal/verdict-rare", "verdict, the ten oldest"),
    at_most_twice("journal/time", "the last ten minutes"),
    at_most_twice("journal/time-before", "what is older than ten minutes"),
    stated("journal/text", "text that no body has, 1,000,000 events"),
    stated("journal/header", "a header field that no event has, 1,000,000 events"),
    stated("journal/json", "a JSON value that no body has, 1,000,000 events"),
];

const fn at_most_twice(case: &'static str, what: &'static str) -> Target {
    Target { case, what, unit: " ×", bound: AtMost(2.0), figure: large_over_small }
}

const fn stated(case: &'static str, what: &'static str) -> Target {
    Target { case, what, unit: " s", bound: Stated, figure: seconds }
}

fn large_over_small(round: &Round<'_>) -> Option<f64> {
    round.over("1,000,000", "1,000", "ms")
}

fn seconds(round: &Round<'_>) -> Option<f64> {
    Some(round.of("1,000,000", "ms")? / 1000.0)
}

pub fn run(bench: &mut Bench) -> Result<()> {
    if bench.rounds == 0 || bench.systems(&[System::Embedded]).is_empty() {
        return Ok(());
    }
    let homes = bench.place.disk.join("journals");
    let _ = fs::remove_dir_all(&homes);
    let journals = ["1,000", "1,000,000"].map(|name| (name, homes.join(name)));
    make(bench, &journals.each_ref().map(|(_, home)| home.as_path()))?;
    // Whole seconds differ less than milliseconds, so two rounds tell as much as more would.
    for round in 0..bench.rounds.min(2) {
        for ((case, args), times) in QUERIES.iter().map(|q| (q, TIMES)).chain(SCANS.iter().map(|q| (q, 1))) {
            if !bench.wants(case) {
                continue;
            }
            let mut taken = [Vec::new(), Vec::new()];
            let begin = Instant::now();
            while taken[0].is_empty() || taken[0].len() < times && begin.elapsed() < ENOUGH {
                for (times, (_, home)) in taken.iter_mut().zip(&journals) {
                    let mut command = Command::new(&bench.place.hook);
                    command.args(*args);
                    times.push(time(environment(&mut command, home))?);
                }
            }
            for (times, (name, _)) in taken.iter().zip(&journals) {
                let figures = [("ms", stats::median(times).ok_or("no time was taken")?)];
                bench.samples.add(case, round, name, &figures);
                bench.say(case, round, name, &figures, "")?;
            }
        }
    }
    Ok(fs::remove_dir_all(homes)?)
}

/// Events that hook itself has recorded; and the same a thousand times.
fn make(bench: &Bench, homes: &[&std::path::Path; 2]) -> Result<()> {
    let origin = Origin::start(&bench.place)?;
    let recorded = bench.runtime.block_on(async {
        let tunnel = Tunnel::start(System::Embedded, &bench.place, origin.address).await?;
        let mut heard = Vec::new();
        while heard.len() < SMALL {
            let load = tunnel.load(16, false, payload::SMALLEST, Duration::ZERO, Duration::from_millis(100));
            heard.extend(load.run(|| Duration::ZERO).await.heard);
        }
        tunnel.kill_and_keep(heard)
    })?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis() as i64;
    for home in homes {
        let path = journal(home);
        fs::create_dir_all(path.parent().ok_or("a journal without a directory")?)?;
        stores::copy(&recorded, &path)?;
        stores::cut(&path, SMALL, &home.canonicalize()?, now)?;
    }
    bench.place.fresh(false)?;
    stores::grow(&journal(homes[1]), SMALL, LARGE, now)
}

/// From its start to its end, in milliseconds; it must succeed.
fn time(command: &mut Command) -> Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let status = command.status()?;
    let taken = begin.elapsed();
    if status.success() { Ok(taken.as_secs_f64() * 1000.0) } else { Err(format!("{command:?} failed").into()) }
}
