//! Whose events are checked at an endpoint and with what, and the secret that hook hands to the app when nobody has one.

use std::path::{Path, PathBuf};

use hook_providers::Recipe;
use hook_providers::sample::types;

use crate::activity::{Sender, Shown};
use crate::engine::Endpoint;
use crate::failure::Failure;
use crate::platform;
use crate::provider::secrets::From;
use crate::provider::{Checker, Secret, Source, example, made};

/// The pinned provider, else all whose secrets are known.
pub fn senders(checker: &Checker, endpoint: &Endpoint) -> Vec<Sender> {
    let secrets = checker.secrets();
    let of = |recipe: &Recipe| secrets.of(&endpoint.name, recipe);
    if let Some(recipe) = endpoint.options.provider.as_deref().and_then(|name| checker.providers.get(name)) {
        let given = secrets.params(&endpoint.name);
        let lacking = recipe.params.iter().find(|param| given.iter().all(|(name, _)| *name != param.name));
        let note = if !recipe.is_verifiable() {
            Some("signs nothing".to_owned())
        } else {
            lacking.map(|param| format!("also needs --param {}=…", param.name))
        };
        return vec![Sender { provider: recipe.slug.clone(), secrets: of(recipe).iter().map(shown).collect(), note }];
    }
    let all = checker.providers.catalog().iter().filter_map(|recipe| {
        // What a flag names is tried for everybody, which says nothing about who sends.
        let own: Vec<Shown> = of(recipe).iter().filter(|s| !matches!(s.source, Source::Named(_))).map(shown).collect();
        (!own.is_empty()).then(|| Sender { provider: recipe.slug.clone(), secrets: own, note: None })
    });
    all.collect()
}

fn shown(secret: &Secret) -> Shown {
    Shown { secret: secret.shown(), source: secret.source.to_string() }
}

/// The provider that a target's path or an endpoint's name speaks of.
pub fn likely(checker: &Checker, endpoint: &Endpoint) -> Option<String> {
    if let Some(pinned) = &endpoint.options.provider {
        return Some(pinned.clone());
    }
    let paths = endpoint.options.routes.iter().flat_map(|r| [r.target.path.as_str(), r.prefix.as_str()]);
    let words = paths.flat_map(|path| path.split(|c: char| !c.is_ascii_alphanumeric() && c != '-'));
    words.chain([endpoint.name.as_str()]).find_map(|word| Some(checker.providers.get(word)?.slug.clone()))
}

/// What `hook trigger` sends here: of the provider that is pinned, or the only one whose secret is known, or the one of
/// those that seems to be meant.
pub fn sample(checker: &Checker, endpoint: &Endpoint) -> Option<String> {
    let senders = senders(checker, endpoint);
    let likely = likely(checker, endpoint);
    let sender = match senders.as_slice() {
        [one] => one,
        many => many.iter().find(|sender| likely.as_ref() == Some(&sender.provider))?,
    };
    let recipe = checker.providers.get(&sender.provider)?;
    // Without what else they need, or the key that only the provider has, events of it do not verify.
    let needs_param = recipe.params.iter().any(|param| recipe.signs_param(&param.name));
    let is_possible = !needs_param && (recipe.can_sign() || !recipe.is_verifiable());
    (is_possible && !types(recipe).is_empty()).then(|| example(recipe))
}

/// Writes the secrets that hook made into the file that `--env-file` names, so that the app has them; makes one for a pinned
/// provider that has none. Gives what was written, for people.
pub fn hand_over(
    checker: &Checker,
    endpoint: &Endpoint,
    project: &Path,
    file: Option<&PathBuf>,
) -> Result<Vec<String>, Failure> {
    let Some(file) = file else { return Ok(Vec::new()) };
    if let Some(recipe) = endpoint.options.provider.as_deref().and_then(|name| checker.providers.get(name))
        && checker.secrets().of(&endpoint.name, recipe).is_empty()
        && recipe.can_sign()
    {
        made::make(project, None, recipe)?;
        checker.refresh();
    }
    let mut written = Vec::new();
    for recipe in checker.providers.catalog().iter() {
        let secrets = checker.secrets();
        // The one that signs, when hook made it.
        let signs = secrets.of(&endpoint.name, recipe).into_iter().next().filter(|s| s.source == Source::Made);
        let kept = signs.and_then(|s| {
            secrets.store().of(project, &recipe.slug).find(|k| k.from == From::Made && k.value == s.value)
        });
        let Some(kept) = kept else { continue };
        let variable = made::usual_variable(recipe);
        if made::write(file, &variable, kept.for_app())? {
            let ignored = if made::unignored(file).is_some() { " (which git does not ignore)" } else { "" };
            written.push(format!("{variable} in {}{ignored}", platform::shown(file)));
        }
    }
    checker.refresh();
    Ok(written)
}
