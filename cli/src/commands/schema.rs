use clap::{Args, ValueEnum};

use super::Context;
use crate::failure::{Exit, Failure};

/// The JSON Schema of what is printed with --output json
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hook schema listen > listen.schema.json")]
pub struct SchemaArgs {
    /// Which output
    #[arg(value_enum)]
    of: Of,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Of {
    /// The lines of listen, events, show, replay, verify, explain and doctor
    Listen,
}

const LISTEN: &str = include_str!("../../schema/listen.json");

pub fn run(context: &Context, args: &SchemaArgs) -> Result<Exit, Failure> {
    match args.of {
        Of::Listen => context.ui.data(LISTEN.trim_end()),
    }
    Ok(Exit::Done)
}
