//! `hook setup`: a webhook is registered with its provider, step by step, until its first event verifies.

mod guide;
mod report;
mod secret;
mod wait;

use std::path::Path;
use std::time::Duration;

use clap::Args;
use hook_providers::Recipe;

use super::Context;
use crate::config::ProjectFile;
use crate::failure::{Exit, Failure};
use crate::journal::{EventRow, Journal, Listener, Scope};
use crate::provider::{Checker, ProviderArgs};
use crate::sanitize::sanitize;
use crate::{platform, running, units};

/// For how long a program waits; a person has Ctrl-C.
const UNATTENDED: Duration = Duration::from_secs(300);

/// Register a webhook with a provider, step by step, until its first event verifies
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook listen --forward-to localhost:3000/webhooks/stripe --provider stripe      in one terminal
  hook setup stripe                                                              in another
  hook setup github --name shop --timeout-after 10m

The exit code is 0 when the first event of the provider is recognised, signed and valid, and 1 otherwise.")]
pub struct SetupArgs {
    /// Who will send, e.g. stripe
    #[arg(value_name = "PROVIDER")]
    provider: String,
    /// Which endpoint, when several are running
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Wait no longer than this for the first event [default: for ever on a terminal, else 5m]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout_after: Option<Duration>,
}

pub async fn run(context: &Context, args: SetupArgs) -> Result<Exit, Failure> {
    let project = platform::project_dir();
    let file = ProjectFile::read(&project)?;
    let checker = Checker::load(&project, ProviderArgs::default().given(file.as_ref()))?;
    let recipe = checker.providers.named(&args.provider)?;
    let journal = context.journal()?;
    let listener = endpoint(&journal, &project, recipe, args.name.as_deref()).await?;
    checker.also_look(&listener);
    // Before the steps are shown: many providers send something while they are followed.
    let after = journal.read(|c| EventRow::nth_newest(c, &Scope::All, 0)).await?.unwrap_or(0);

    let url = running::url_for(&listener, &recipe.slug);
    let lines = [guide::out_of_reach(recipe, &listener), guide::steps(recipe, &url)].concat();
    lines.iter().for_each(|line| context.ui.text(line));
    secret::take(context, &project, &listener.endpoint, &checker, recipe)?;

    let limit = args.timeout_after.or((!context.ui.stderr_is_terminal).then_some(UNATTENDED));
    wait::Wait { context, journal: &journal, checker: &checker, recipe, listener: &listener, after }.run(limit).await
}

/// The one endpoint whose URL the provider is given.
async fn endpoint(journal: &Journal, project: &Path, recipe: &Recipe, name: Option<&str>) -> Result<Listener, Failure> {
    let slug = &recipe.slug;
    let mut found = running::of(journal, project, slug, name).await?;
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|l| l.endpoint.as_str()).collect();
        let what = format!("{} endpoints of this project are running: {}.", found.len(), sanitize(&names.join(", ")));
        return Err(Failure::usage(what).next(format!("hook setup {slug} --name {}", sanitize(names[0]))));
    }
    found.pop().ok_or_else(|| {
        let (which, named) = match name {
            Some(name) => (format!("no endpoint \"{}\"", sanitize(name)), format!(" --name {}", sanitize(name))),
            None => ("no endpoint".to_owned(), String::new()),
        };
        let listen = format!("hook listen --forward-to localhost:3000/webhooks/{slug} --provider {slug}{named}");
        Failure::failed(format!("{which} of this project is running, so there is no URL to give to {}.", recipe.name))
            .next(format!("{listen}     in another terminal"))
            .next(format!("hook setup {slug}{named}"))
    })
}
