//! hook beside its peers: one interleaved run, ratios only. `benches/run` is the command; benches/README.md says what is measured.

#![forbid(unsafe_code)]

mod command;
mod http;
mod ledger;
mod load;
mod origin;
mod part;
mod payload;
mod probe;
mod process;
mod readme;
mod report;
mod round;
mod stats;
mod stores;
mod system;

use std::process::ExitCode;

/// A failure is told to the person who measures, and ends the run.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    command::main()
}
