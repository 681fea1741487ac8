use std::io::IsTerminal;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::{Format, Place};
use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::journal::Listener;
use crate::output::json::line_of;
use crate::platform;
use crate::provider::secrets::{Kept, Store};
use crate::provider::{Checker, Secret, Source};
use crate::sanitize::sanitize;
use crate::text;

/// List the secrets that hook finds, as prefix and last four
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Those kept for other projects too
    #[arg(long)]
    all: bool,
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    output: Format,
}

/// Show a secret as prefix and last four
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    place: Place,
    /// Print the whole value, to a terminal only
    #[arg(long)]
    reveal: bool,
}

/// Forget a kept secret
#[derive(Debug, Args)]
pub struct RemoveArgs {
    #[command(flatten)]
    place: Place,
    /// Of every project, not only this directory's
    #[arg(long)]
    all: bool,
}

struct Row {
    name: String,
    shown: String,
    from: String,
    project: Option<String>,
}

pub fn run(context: &Context, project: &Path, (checker, listeners): (&Checker, &[Listener]), args: &ListArgs) {
    let mut rows = rows(checker, project, args.all);
    let more = out_of_reach(checker, listeners);
    rows.extend(more);
    if args.output == Format::Json {
        for row in rows {
            let (endpoint, provider) = match row.name.split_once('/') {
                Some((endpoint, provider)) => (Some(endpoint), provider),
                None => (None, row.name.as_str()),
            };
            context.ui.data(&line_of(&json!({
                "v": 1, "type": "secret", "ts": text::rfc3339(platform::now_ms()), "provider": provider, "endpoint": endpoint,
                "secret": row.shown, "source": row.from, "project": row.project,
            })));
        }
        return;
    }
    if rows.is_empty() {
        context.ui.status("No signing secret is known here.");
        context.ui.status("next: hook secret set stripe");
    }
    let width = |of: fn(&Row) -> &str| rows.iter().map(|r| of(r).chars().count()).max().unwrap_or(0);
    let (names, shown) = (width(|r| &r.name), width(|r| &r.shown));
    for row in &rows {
        let project = row.project.as_ref().map_or_else(String::new, |p| format!(", {p}"));
        let line = format!("{:<names$}  {:<shown$}  {}{project}", row.name, row.shown, row.from);
        context.ui.text(&sanitize(&line));
    }
}

/// In the order in which they are tried, by provider.
fn rows(checker: &Checker, project: &Path, all: bool) -> Vec<Row> {
    let secrets = checker.secrets();
    let mut rows = Vec::new();
    for recipe in checker.providers.catalog().iter() {
        let own = secrets.of("", recipe).into_iter().map(|s| row(&recipe.slug, &s, None));
        rows.extend(own);
    }
    let elsewhere = |kept: &&Kept| kept.project.as_deref().is_some_and(|p| p != project);
    for kept in secrets.store().all().iter().filter(|k| if elsewhere(k) { all } else { k.endpoint.is_some() }) {
        let secret = Secret { label: kept.name(), value: kept.value.clone(), source: kept.source() };
        let project = kept.project.as_ref().filter(|_| elsewhere(&kept)).map(|p| p.display().to_string());
        rows.push(row(&kept.name(), &secret, project));
    }
    rows
}

/// What only the environment of a `hook listen` holds.
fn out_of_reach(checker: &Checker, listeners: &[Listener]) -> Vec<Row> {
    let secrets = checker.secrets();
    let of = |listener: &Listener| {
        let missing = checker.providers.catalog().iter().filter_map(|recipe| {
            let (variable, shown) = secrets.out_of_reach(&listener.endpoint, recipe, &listener.lookup)?;
            // What was named there is tried for everybody, which says nothing about whose it is.
            recipe.secret.env.contains(variable).then(|| Row {
                name: recipe.slug.clone(),
                shown: shown.clone(),
                from: format!("{variable}, which only hook listen has (pid {})", listener.pid),
                project: None,
            })
        });
        missing.collect::<Vec<_>>()
    };
    listeners.iter().flat_map(of).collect()
}

fn row(name: &str, secret: &Secret, project: Option<String>) -> Row {
    Row { name: name.to_owned(), shown: secret.shown(), from: secret.source.to_string(), project }
}

pub fn show(context: &Context, checker: &Checker, args: &ShowArgs) -> Result<Exit, Failure> {
    let (endpoint, recipe) = args.place.find(&checker.providers)?;
    let secrets = checker.secrets();
    let found = secrets.of(endpoint.as_deref().unwrap_or_default(), recipe);
    let Some(secret) = found.first() else {
        return Err(Failure::failed(format!("no secret of {} is known here.", recipe.slug))
            .next(format!("hook secret set {}", sanitize(&args.place.of))));
    };
    if !args.reveal {
        context.ui.text(&format!("{}  {}", secret.shown(), sanitize(&secret.source.to_string())));
        return Ok(Exit::Done);
    }
    if !std::io::stdout().is_terminal() {
        return Err(Failure::usage("a secret is printed to a terminal only: in a pipe or a file it would stay.")
            .next("run it in a terminal, without | and >"));
    }
    let kept = secrets.store().all().iter().find(|k| secret.source == Source::Made && k.value == secret.value);
    if kept.is_some_and(|k| k.for_app.is_some()) {
        context.ui.status("This is the public key, for your app; hook signs with the private one.");
    }
    context.ui.data(&sanitize(kept.map_or(&secret.value, Kept::for_app)));
    Ok(Exit::Done)
}

pub fn remove(context: &Context, project: &Path, checker: &Checker, args: &RemoveArgs) -> Result<Exit, Failure> {
    let (endpoint, recipe) = args.place.find(&checker.providers)?;
    let gone = Store::forget(|kept| {
        let here = args.all || kept.project.as_deref() == Some(project);
        here && kept.provider == recipe.slug && kept.endpoint == endpoint
    })?;
    let name = sanitize(&args.place.of);
    if gone == 0 {
        let what = format!("no secret of {name} is kept for this project.");
        return Err(Failure::failed(what).next("hook secret list"));
    }
    context.ui.status(&format!("Forgot {} of {name}.", text::count(gone as u64, "secret")));
    checker.refresh();
    if let Some(left) = checker.secrets().of(endpoint.as_deref().unwrap_or_default(), recipe).first() {
        let (shown, source) = (left.shown(), left.source.to_string());
        context.ui.status(&format!("{shown} is still known, from: {}.", sanitize(&source)));
    }
    Ok(Exit::Done)
}
