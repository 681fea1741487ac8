use std::io::{IsTerminal, Read};
use std::path::Path;

use clap::Args;
use hook_providers::Recipe;

use super::{Place, scope};
use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::provider::secrets::{From, Kept, Store};
use crate::provider::{Providers, Secret, Source};

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
    for warning in warnings(recipe, &value) {
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
    let failed = |e: std::io::Error| Failure::local(format!("the secret could not be read: {}.", crate::text::io(&e)));
    let called = if recipe.secret.called.is_empty() { "signing secret" } else { &recipe.secret.called };
    let value = if std::io::stdin().is_terminal() {
        if !recipe.secret.found.is_empty() {
            context.ui.status(&format!("{}: {}", recipe.name, recipe.secret.found));
        }
        rpassword::prompt_password(format!("{} {called} (is not shown): ", recipe.name)).map_err(failed)?
    } else {
        let mut text = String::new();
        std::io::stdin().take(MOST).read_to_string(&mut text).map_err(failed)?;
        let without = text.strip_suffix('\n').unwrap_or(&text);
        without.strip_suffix('\r').unwrap_or(without).to_owned()
    };
    if value.trim().is_empty() {
        return Err(Failure::usage("there was no secret to keep; nothing was changed.")
            .next(format!("hook secret set {}                 (asks for it)", recipe.slug)));
    }
    Ok(value)
}

/// What looks wrong about it. It is kept all the same: the form of secrets is the provider's to change.
fn warnings(recipe: &Recipe, value: &str) -> Vec<String> {
    let secret = &recipe.secret;
    let bare = value.trim().trim_matches(['"', '\'']);
    let mut found = Vec::new();
    if bare != value {
        found.push("it has spaces, a newline or quotes around it, which would be part of the key.".to_owned());
    }
    match secret.mistaken.iter().find(|(beginning, _)| bare.starts_with(beginning)) {
        Some((beginning, what)) => {
            let place = if secret.found.is_empty() { String::new() } else { format!(" Look here: {}.", secret.found) };
            found.push(format!("{beginning}… is {what}.{place}"));
        }
        None => found.extend(
            secret
                .prefix
                .as_ref()
                .filter(|prefix| !bare.starts_with(prefix.as_str()))
                .map(|prefix| format!("those of {} begin with {prefix}, and this one does not.", recipe.name)),
        ),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_wrong_is_named_without_the_value() {
        let catalog = hook_providers::Catalog::shipped();
        let stripe = catalog.get("stripe").unwrap();
        let said = |value: &str| warnings(stripe, value).join(" | ");
        assert_eq!(said("whsec_0123456789abcdef"), "");
        assert!(said("sk_live_0123456789").starts_with("sk_… is an API key, not a signing secret. Look here: "));
        assert_eq!(said("0123456789"), "those of Stripe begin with whsec_, and this one does not.");
        assert!(said("\"whsec_0123\"").starts_with("it has spaces, a newline or quotes around it"));
        assert!(!said("sk_live_0123456789").contains("0123456789"));
    }
}
