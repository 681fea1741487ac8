use std::io::{IsTerminal, Read};
use std::path::Path;

use clap::Args;
use hook_providers::Recipe;

use super::{Place, scope};
use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::provider::secrets::{From, Kept, Store};
use crate::provider::{Providers, Secret, Source, typed};

/// Larger than any key in PEM.
const MOST: u64 = 64 * 1024;

/// Keep a signing secret, asked for or read from standard input
#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(flatten)]
    place: Place,
    /// Keep the old one too, while the provider rotates them
    #[arg(long)]
    add: bool,
    /// For every project, not only this directory's
    #[arg(long)]
    all: bool,
}

pub fn run(context: &Context, project: &Path, args: &SetArgs) -> Result<Exit, Failure> {
    let providers = Providers::load(project);
    let (endpoint, recipe) = args.place.find(&providers)?;
    let value = read(context, recipe)?;
    // It is kept all the same.
    for warning in typed::warnings(recipe, &value) {
        context.ui.status(&format!("warning: {warning}"));
    }
    let kept = Kept {
        project: (!args.all).then(|| project.to_owned()),
        endpoint,
        provider: recipe.slug.clone(),
        value: value.clone(),
        for_app: None,
        from: From::Person,
    };
    let (name, place) = (kept.name(), scope(kept.project.as_deref()));
    Store::keep(kept, args.add)?;
    let shown = Secret { label: recipe.slug.clone(), value, source: Source::Kept }.shown();
    context.ui.status(&format!("Kept {name} {shown} {place}. A hook listen that runs checks with it from now on."));
    Ok(Exit::Done)
}

fn read(context: &Context, recipe: &Recipe) -> Result<String, Failure> {
    let value = if std::io::stdin().is_terminal() {
        if !recipe.secret.found.is_empty() {
            context.ui.status(&format!("{}: {}", recipe.name, recipe.secret.found));
        }
        typed::ask(recipe, "is not shown")?
    } else {
        let mut text = String::new();
        std::io::stdin().take(MOST).read_to_string(&mut text).map_err(typed::unreadable)?;
        let without = text.strip_suffix('\n').unwrap_or(&text);
        without.strip_suffix('\r').unwrap_or(without).to_owned()
    };
    if value.trim().is_empty() {
        return Err(Failure::usage("there was no secret to keep; nothing was changed.")
            .next(format!("hook secret set {}                 (asks for it)", recipe.slug)));
    }
    Ok(value)
}
