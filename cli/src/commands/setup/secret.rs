//! The secret that the provider shows, taken by prompt.

use std::io::IsTerminal;
use std::path::Path;

use hook_providers::Recipe;

use crate::commands::Context;
use crate::failure::Failure;
use crate::provider::secrets::{From, Kept, Store};
use crate::provider::{Checker, Secret, Source, typed};
use crate::sanitize::sanitize;

/// Asks for it and keeps it for this endpoint; Enter leaves everything as it is. With nobody to ask, says how it is done.
pub fn take(
    context: &Context,
    project: &Path,
    endpoint: &str,
    checker: &Checker,
    recipe: &Recipe,
) -> Result<(), Failure> {
    let say = |line: &str| context.ui.status(&sanitize(line));
    let given: Vec<String> = checker.secrets().params(endpoint).iter().map(|(name, _)| (*name).to_owned()).collect();
    for param in recipe.params.iter().filter(|p| !given.contains(&p.name)) {
        say(&format!(
            "{} also needs {}, unless your hook listen has it: --param {}=…. {}",
            recipe.name, param.name, param.name, param.what
        ));
    }
    if !recipe.is_verifiable() {
        return Ok(());
    }
    let known = checker.secrets().of(endpoint, recipe).into_iter().next();
    if !(context.ui.stderr_is_terminal && std::io::stdin().is_terminal()) {
        match known {
            Some(secret) => say(&format!("Secret: {} ({}).", secret.shown(), secret.source)),
            None => say(&format!(
                "hook knows no secret of {} here. next: hook secret set {endpoint}/{}",
                recipe.name, recipe.slug
            )),
        }
        return Ok(());
    }
    if !recipe.secret.found.is_empty() {
        say(&format!("{}: {}", recipe.name, recipe.secret.found));
    }
    let otherwise =
        known.map_or_else(|| "Enter skips".to_owned(), |s| format!("Enter keeps {}, {}", s.shown(), s.source));
    let note = format!("is not shown; {otherwise}");
    let value = loop {
        let pasted = typed::ask(recipe, &note)?;
        let bare = typed::bare(&pasted);
        match typed::mistaken(recipe, bare) {
            Some(what) => say(&format!("{what} It was not kept.")),
            None => break bare.to_owned(),
        }
    };
    if value.is_empty() {
        return Ok(());
    }
    let kept = Kept {
        project: Some(project.to_owned()),
        endpoint: Some(endpoint.to_owned()),
        provider: recipe.slug.clone(),
        value: value.clone(),
        for_app: None,
        from: From::Person,
    };
    let name = kept.name();
    Store::keep(kept, false)?;
    let shown = Secret { label: name.clone(), value, source: Source::Kept }.shown();
    say(&format!("Kept {name} {shown} for this project ({}).", project.display()));
    Ok(())
}
