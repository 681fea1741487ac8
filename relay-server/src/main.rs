use std::process::ExitCode;

use clap::Parser;
use hook_relay_server::command::{self, RelayArgs};

/// Run a relay for hook: public URLs, and an inbox that keeps what is sent to them.
#[derive(Parser)]
#[command(name = "hook-relay", version)]
struct Args {
    #[command(flatten)]
    relay: RelayArgs,
}

fn main() -> ExitCode {
    ExitCode::from(command::run_to_exit(Args::parse().relay))
}
