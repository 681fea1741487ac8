//! `hook providers`: whom hook knows, and what is known of each.

mod data;
mod page;

use clap::Args;
use hook_providers::Recipe;

use super::Context;
use crate::config::ProjectFile;
use crate::failure::{Exit, Failure};
use crate::output::Format;
use crate::output::json::line_of;
use crate::platform;
use crate::provider::{Checker, ProviderArgs};
use crate::sanitize::sanitize;
use crate::text;

/// List the providers that hook knows, or say what is known of one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook providers
  hook providers stripe
  hook providers --output json

Recipes of your own: NAME.toml in $XDG_CONFIG_HOME/hook/providers or in .hook/providers of the project.")]
pub struct ProvidersArgs {
    /// One of them
    name: Option<String>,
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    output: Format,
}

pub fn run(context: &Context, args: &ProvidersArgs) -> Result<Exit, Failure> {
    let project = platform::project_dir();
    let given = ProviderArgs::default().given(ProjectFile::read(&project)?.as_ref());
    let checker = Checker::load(&project, given)?;
    for problem in &checker.providers.left_out {
        context.ui.status(&sanitize(&format!("left out: {problem}")));
    }
    for (slug, file) in &checker.providers.replaced {
        context.ui.status(&sanitize(&format!("{slug}: {} takes the place of hook's own", platform::shown(file))));
    }
    let recipes: Vec<&Recipe> = match &args.name {
        Some(name) => vec![checker.providers.named(name)?],
        None => checker.providers.catalog().iter().collect(),
    };
    if args.output == Format::Json {
        for recipe in recipes {
            context.ui.data(&line_of(&data::of(recipe, &checker.secrets().of("", recipe))));
        }
        return Ok(Exit::Done);
    }
    if args.name.is_some() {
        for recipe in recipes {
            let lines = page::lines(recipe, &checker.secrets().of("", recipe), context.ui.out);
            lines.iter().for_each(|line| context.ui.text(line));
        }
        return Ok(Exit::Done);
    }
    list(context, &checker, &recipes);
    let count = text::count(recipes.len() as u64, "provider");
    context.ui.status(&format!("{count}. next: hook providers stripe"));
    Ok(Exit::Done)
}

fn list(context: &Context, checker: &Checker, recipes: &[&Recipe]) {
    let rows: Vec<[String; 4]> = recipes
        .iter()
        .map(|recipe| {
            let known = checker.secrets().of("", recipe);
            let secret = known.first().map_or_else(String::new, |s| format!("{} ({})", s.shown(), s.source));
            [recipe.slug.clone(), recipe.name.clone(), page::algorithms(recipe), secret]
                .map(|s| sanitize(&s).into_owned())
        })
        .collect();
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let (slugs, names, signatures) = (width(0), width(1), width(2));
    for [slug, name, signature, secret] in &rows {
        let line = format!("{slug:<slugs$}  {name:<names$}  {signature:<signatures$}  {secret}");
        context.ui.text(line.trim_end());
    }
}
