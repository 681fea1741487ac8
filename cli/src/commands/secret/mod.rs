//! `hook secret`: signing secrets that are kept on this machine. Their values come by prompt or standard input and are never
//! printed, except to a terminal that asks for one.

mod generate;
mod list;
mod set;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use hook_proto::EndpointName;
use hook_providers::Recipe;

use super::Context;
use crate::config::ProjectFile;
use crate::failure::{Exit, Failure};
use crate::journal::Listener;
use crate::output::Format;
use crate::provider::{Checker, Providers, SecretSources, is_name};
use crate::{platform, running};

/// Keep signing secrets on this machine
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook secret set stripe                         asks for it
  pass show stripe/webhook | hook secret set shop/stripe
  hook secret list
  hook secret generate github --env-file .env    makes one, for an app that has no account

Secrets are also found in the environment and in .env, in the variables that a provider's apps use: hook providers stripe")]
pub struct SecretArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Set(set::SetArgs),
    List(list::ListArgs),
    Show(list::ShowArgs),
    Remove(list::RemoveArgs),
    Generate(generate::GenerateArgs),
}

/// Whose secret is meant.
#[derive(Debug, Args)]
struct Place {
    /// Whose: stripe, or shop/stripe for one endpoint only
    #[arg(value_name = "[ENDPOINT/]PROVIDER")]
    of: String,
    /// Nobody means to type a secret here, and who does must not see it repeated.
    #[arg(hide = true, num_args = 0..)]
    more: Vec<String>,
}

pub async fn run(context: &Context, args: SecretArgs) -> Result<Exit, Failure> {
    let project = platform::project_dir();
    let env_file = if let Action::Generate(args) = &args.action { args.env_file.as_ref() } else { None };
    let (checker, listeners) = known(context, &project, env_file).await?;
    match args.action {
        Action::Set(args) => set::run(context, &project, &checker, &args),
        Action::List(args) => {
            list::run(context, &project, (&checker, &listeners), &args);
            Ok(Exit::Done)
        }
        Action::Show(args) => list::show(context, &checker, &args),
        Action::Remove(args) => list::remove(context, &project, &checker, &args),
        Action::Generate(args) => generate::run(context, &project, &checker, &args),
    }
}

impl Place {
    /// The endpoint, if only one is meant, and the provider.
    fn find<'p>(&self, providers: &'p Providers) -> Result<(Option<String>, &'p Recipe), Failure> {
        if !self.more.is_empty() {
            let what = "a secret is never an argument: it would stay in the shell's history. Nothing was done.";
            return Err(Failure::usage(what).next("hook secret set stripe                 (asks for it)"));
        }
        let (endpoint, provider) = match self.of.rsplit_once('/') {
            Some((endpoint, provider)) => (Some(endpoint), provider),
            None => (None, self.of.as_str()),
        };
        let name = endpoint.map(|e| e.parse::<EndpointName>()).transpose().map_err(|bad| {
            // What does not look like a name may be a secret, which is not repeated.
            let shown =
                endpoint.filter(|e| is_name(e)).map_or("that is no endpoint's name".into(), |e| format!("\"{e}\""));
            let provider = Some(provider).filter(|name| is_name(name)).unwrap_or("PROVIDER");
            Failure::usage(format!("{shown}: {bad}.")).next(format!("hook secret set {provider}"))
        })?;
        Ok((name.map(|n| n.to_string()), providers.named(provider)?))
    }
}

/// All that is known for this project, and who listens for it.
async fn known(
    context: &Context,
    project: &Path,
    env_file: Option<&PathBuf>,
) -> Result<(Checker, Vec<Listener>), Failure> {
    let args = SecretSources { env_file: env_file.into_iter().cloned().collect(), ..SecretSources::default() };
    let checker = Checker::load(project, args.given(ProjectFile::read(project)?.as_ref()))?;
    // Where there is no journal nobody listens, and one that cannot be read is none of this command's business.
    let journal = context.journal_path().exists().then(|| context.journal().ok()).flatten();
    let listeners = match journal {
        Some(journal) => running::hear(&journal, project, &checker).await.unwrap_or_default(),
        None => Vec::new(),
    };
    Ok((checker, listeners))
}

/// `for this project (/home/u/shop)`
fn scope(project: Option<&Path>) -> String {
    project.map_or_else(|| "for every project".to_owned(), |p| format!("for this project ({})", p.display()))
}
