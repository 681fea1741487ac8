use clap::Args;

use super::Context;
use crate::doctor::{self, Finding, State, Subject};
use crate::failure::{Exit, Failure};
use crate::output::{Format, json};
use crate::{platform, text};

/// Check journal, disk, clock, relay and login; each problem comes with its next step
#[derive(Debug, Args)]
#[command(after_help = "\
A problem endangers what hook promises (docs/guarantees.md): the exit code is then 1. A warning is only worth knowing.")]
pub struct DoctorArgs {
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    output: Format,
}

pub async fn run(context: &Context, args: &DoctorArgs) -> Result<Exit, Failure> {
    let subject = Subject { journal: context.journal_path(), project: platform::project_dir() };
    let mut problems = 0;
    let mut tell = |finding: Finding| {
        problems += u64::from(finding.state == State::Bad);
        match args.output {
            Format::Json => context.ui.data(&json::line_of(&finding.json(text::rfc3339(platform::now_ms())))),
            Format::Line => finding.lines(context.ui.out).iter().for_each(|line| context.ui.text(line)),
        }
    };
    Box::pin(doctor::examine(&subject, &mut tell)).await;
    if problems == 0 {
        return Ok(Exit::Done);
    }
    Err(Failure::failed(format!("{} found.", text::count(problems, "problem"))))
}
