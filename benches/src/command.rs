//! The command line: which parts, how long, and where.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::part::{self, Bench};
use crate::round::Samples;
use crate::system::{Place, System};
use crate::{Result, origin, readme, report};

/// Measures hook beside bore, rathole and nginx, and says which targets hold
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    hidden: Option<Hidden>,
    /// What to measure: parts, or single cases such as keep-alive/64 [default: all parts]
    #[arg(value_name = "PART", value_parser = known)]
    what: Vec<String>,
    /// How often each case is measured, in turns; with 0 only what earlier runs have measured is told
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// How long a timed run takes
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Only these, e.g. hook,bore; a target that needs another is not judged
    #[arg(long, value_delimiter = ',', value_parser = system)]
    systems: Vec<System>,
    /// Where hook writes during the runs; it is removed [default: bench-work in the target directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where hook writes "in memory"; a directory is made in it and removed
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    memory: PathBuf,
    /// Where bore and rathole are [default: peers/bin in the target directory]
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// Where every sample goes; what it has of cases that are not measured now stays [default: bench.json in the target directory]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the result into the generated section of benches/README.md
    #[arg(long)]
    write_readme: bool,
    /// Fail when a target does not hold in what was measured
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Subcommand)]
enum Hidden {
    /// The app behind what is measured; started by the benchmark itself
    #[command(hide = true)]
    Origin,
}

fn known(text: &str) -> std::result::Result<String, String> {
    let names: Vec<&str> = part::ALL.iter().map(|p| p.name).collect();
    // Every case has a target.
    let is_case = || part::ALL.iter().flat_map(|p| p.targets).any(|target| target.case == text);
    if names.contains(&text) || is_case() {
        return Ok(text.to_owned());
    }
    let part = part::ALL.iter().find(|p| text.split_once('/').is_some_and(|(name, _)| name == p.name));
    let mut cases: Vec<&str> = part.map(|p| p.targets.iter().map(|t| t.case).collect()).unwrap_or_default();
    cases.dedup();
    Err(if cases.is_empty() {
        format!("the parts are {}", names.join(", "))
    } else {
        format!("the cases are {}", cases.join(", "))
    })
}

fn system(text: &str) -> std::result::Result<System, String> {
    let names = System::ALL.map(System::name).join(", ");
    System::named(text).ok_or_else(|| format!("the systems are {names}"))
}

pub fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.hidden {
        Some(Hidden::Origin) => origin::run().map(|()| true).map_err(Into::into),
        None => measure(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr(), "hook-bench: {error}");
            ExitCode::from(3)
        }
    }
}

/// Runs what was asked for and tells; false when `--check` finds a target that does not hold.
fn measure(args: &Args) -> Result<bool> {
    let program = std::env::current_exe()?;
    let programs = program.parent().ok_or("a program without a directory")?;
    let target = programs.parent().unwrap_or(programs);
    let work = args.dir.clone().unwrap_or_else(|| target.join("bench-work"));
    let peers = args.peers.clone().unwrap_or_else(|| target.join("peers/bin"));
    let memory = args.memory.join(format!("hook-bench-{}", std::process::id()));
    let place = Place {
        hook: programs.join("hook"),
        bore: peers.join("bore"),
        rathole: peers.join("rathole"),
        nginx: "nginx".into(),
        disk: work.clone(),
        memory: memory.clone(),
    };
    let _emptied = Emptied([work.clone(), memory]);
    let systems = if args.systems.is_empty() { System::ALL.to_vec() } else { args.systems.clone() };
    // The relay and the CLI inherit it: a thousand sessions are two thousand sockets.
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let limit = rustix::process::Rlimit { current: most, maximum: most };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?;

    let machine = report::machine(&work, &args.memory);
    writeln!(io::stdout(), "{machine}")?;
    let mut bench = Bench {
        place,
        systems,
        rounds: args.rounds,
        time: Duration::from_secs_f64(args.seconds),
        what: args.what.clone(),
        samples: Samples::default(),
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
    };
    for part in part::ALL {
        if bench.wants_part(part.name) {
            (part.run)(&mut bench)?;
        }
    }
    let mut samples = bench.samples;
    let measured = samples.cases().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let json = args.json.clone().unwrap_or_else(|| target.join("bench.json"));
    samples.keep(earlier(&json, &machine));
    let findings = report::findings(&samples);
    std::fs::write(&json, report::json(&machine, &samples, &findings))?;
    let text = format!("{}\n{}", report::ratios(&samples), report::targets(&findings));
    writeln!(io::stdout(), "\n{text}\nEvery sample: {}", json.display())?;
    if args.write_readme {
        readme::write(&machine, &text)?;
    }
    let failed =
        findings.iter().any(|(t, found)| measured.iter().any(|case| case == t.case) && found.holds == Some(false));
    Ok(!args.check || !failed)
}

/// What an earlier run on this machine has measured.
fn earlier(json: &Path, machine: &str) -> Samples {
    let text = std::fs::read(json).unwrap_or_default();
    let run: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    if run["machine"] == machine { Samples::from_json(&run["samples"]) } else { Samples::default() }
}

/// Directories that are gone when this is.
struct Emptied([PathBuf; 2]);

impl Drop for Emptied {
    fn drop(&mut self) {
        for dir in &self.0 {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}
