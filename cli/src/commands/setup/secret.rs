//! The secret that the provider shows, taken by prompt.

use std::io::IsTerminal;
use std::path::Path;

use hook_providers::Recipe;

use crate::commands::Context;
use crate::failure::Failure;
use crate::provider::secrets::{From, Kept, Store};
use crate::provider::{Checker, Secret, Source};
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
            "{} also needs {}, {}: hook listen … --param {}=…",
            recipe.name, param.name, param.what, param.name
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
    let called = if recipe.secret.called.is_empty() { "signing secret" } else { &recipe.secret.called };
    let question = format!("{} {called} (is not shown; {otherwise}): ", recipe.name);
    let value = loop {
        let typed = rpassword::prompt_password(sanitize(&question))
            .map_err(|e| Failure::local(format!("the secret could not be read: {}.", crate::text::io(&e))))?;
        let typed = typed.trim().trim_matches(['"', '\'']).to_owned();
        match mistaken(recipe, &typed) {
            Some(what) => say(&format!("{what} It was not kept.")),
            None => break typed,
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

/// What was pasted, when it is another string of the same dashboard.
fn mistaken(recipe: &Recipe, value: &str) -> Option<String> {
    let (beginning, what) = recipe.secret.mistaken.iter().find(|(beginning, _)| value.starts_with(beginning))?;
    Some(format!("{beginning}… is {what}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_key_is_told_from_a_secret_without_its_value() {
        let catalog = hook_providers::Catalog::shipped();
        let stripe = catalog.get("stripe").unwrap();
        assert_eq!(mistaken(stripe, "sk_test_0123456789").unwrap(), "sk_… is an API key, not a signing secret.");
        assert_eq!((mistaken(stripe, "whsec_0123456789"), mistaken(stripe, "")), (None, None));
    }
}
