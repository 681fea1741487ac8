use std::path::{Path, PathBuf};

use clap::Args;

use super::Place;
use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::platform;
use crate::provider::{Checker, Secret, Source, made};

/// Make a secret in a provider's form, and keep it for this project
#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[command(flatten)]
    place: Place,
    /// Write it into this file as the variable that apps read, unless it is set there
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
}

pub fn run(context: &Context, project: &Path, checker: &Checker, args: &GenerateArgs) -> Result<Exit, Failure> {
    let (endpoint, recipe) = args.place.find(&checker.providers)?;
    let variable = made::usual_variable(recipe);
    let file = args.env_file.as_ref().map(|file| platform::here().join(file));
    if let Some(file) = &file
        && checker.secrets().is_set_in(file, &variable)
    {
        let what = format!("{variable} is set in {} already. Nothing was made.", platform::shown(file));
        return Err(Failure::failed(what).next(format!("hook secret list                 (hook uses {variable} too)")));
    }
    let before = checker.secrets().of(endpoint.as_deref().unwrap_or_default(), recipe);
    let kept = made::make(project, endpoint.as_deref(), recipe)?;
    let shown = Secret { label: kept.name(), value: kept.value.clone(), source: Source::Made }.shown();
    context.ui.status(&format!("Made {} {shown}, kept for this project ({}).", kept.name(), project.display()));
    if let Some(other) = before.iter().find(|s| s.source != Source::Made) {
        context.ui.status(&format!("{} of {} is known too, and signs before it.", other.shown(), other.source));
    }
    match &file {
        Some(file) if made::write(file, &variable, kept.for_app())? => {
            context.ui.status(&format!("Written for your app: {variable} in {}.", platform::shown(file)));
            if let Some(warning) = made::unignored(file) {
                context.ui.status(&format!("warning: {warning}"));
            }
            context.ui.status("next: start your app anew, so that it reads it");
        }
        _ => {
            let name = kept.name();
            context.ui.status(&format!(
                "next: give it to your app as {variable}: hook secret show {name} --reveal, or generate it with --env-file .env"
            ));
        }
    }
    Ok(Exit::Done)
}
