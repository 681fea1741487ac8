use std::io::{IsTerminal, Read};
use std::path::Path;

use clap::Args;
use hook_providers::Recipe;

use super::{Place, scope};
use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::provider::secrets::{From, Kept, Store};
use crate::provider::{Checker, Secret, Source, typed};
use crate::sanitize::sanitize;

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

pub fn run(context: &Context, project: &Path, checker: &Checker, args: &SetArgs) -> Result<Exit, Failure> {
    let (endpoint, recipe) = args.place.find(&checker.providers)?;
    let typed = read(context, recipe)?;
    let value = typed::bare(&typed).to_owned();
    // The newline at the end is the pipe's.
    if value != typed.trim_end_matches(['\r', '\n']) {
        context.ui.status("The spaces or quotes around it were left out.");
    }
    match typed::mistaken(recipe, &value) {
        Some(what) => ask_first(context, recipe, &args.place.of, &what)?,
        // It is kept all the same.
        None => _ = typed::warning(recipe, &value).map(|warning| context.ui.status(&format!("warning: {warning}"))),
    }
    let kept = Kept {
        project: (!args.all).then(|| project.to_owned()),
        endpoint,
        provider: recipe.slug.clone(),
        value: value.clone(),
        for_app: None,
        from: From::Person,
    };
    let (name, place, endpoint) = (kept.name(), scope(kept.project.as_deref()), kept.endpoint.clone());
    Store::keep(kept, args.add)?;
    let shown = Secret { label: recipe.slug.clone(), value: value.clone(), source: Source::Kept }.shown();
    context.ui.status(&format!("Kept {name} {shown} {place}. A hook listen that runs checks with it from now on."));
    checker.refresh();
    let all = checker.secrets().of(endpoint.as_deref().unwrap_or_default(), recipe);
    if let Some(line) = beside(&all, &value) {
        context.ui.status(&sanitize(&line));
        context.ui.status("next: hook secret list      in the order in which they are asked");
    }
    Ok(Exit::Done)
}

/// Which others are known, and which is asked first.
fn beside(all: &[Secret], value: &str) -> Option<String> {
    let own = all.iter().position(|s| s.value == value)?;
    let named = |s: &Secret| format!("{} ({})", s.shown(), s.source);
    let (before, after) = (&all[..own], &all[own + 1..]);
    let names = |some: &[Secret]| some.iter().map(named).collect::<Vec<_>>().join(", ");
    match (before, after) {
        ([], []) => None,
        ([], _) => Some(format!("Known too: {}. Events are checked with each; the one kept now signs.", names(after))),
        ([first, ..], _) => Some(format!(
            "Known before it: {}. Events are checked with each; {} signs, not the one kept now.",
            names(before),
            first.shown()
        )),
    }
}

/// Something that is known to be no signing secret is kept only if a person says so.
fn ask_first(context: &Context, recipe: &Recipe, of: &str, what: &str) -> Result<(), Failure> {
    let next = format!("hook secret set {of}                 (asks for it)");
    match context.ui.ask(&sanitize(&format!("{what} Keep it all the same?"))) {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::failed("nothing was kept.").next(next)),
        None => {
            // Who is asked was told where it is.
            let found = &recipe.secret.found;
            let look = if found.is_empty() { String::new() } else { format!(" Look here: {found}.") };
            Err(Failure::usage(format!("{what}{look} Nothing was kept.")).next(next))
        }
    }
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
        text
    };
    if typed::bare(&value).is_empty() {
        return Err(Failure::usage("there was no secret to keep; nothing was changed.")
            .next(format!("hook secret set {}                 (asks for it)", recipe.slug)));
    }
    Ok(value)
}
