//! A secret as a person types or pastes it.

use hook_providers::Recipe;

use crate::failure::Failure;
use crate::sanitize::sanitize;

/// Asks for it at the terminal, where it is not shown.
pub fn ask(recipe: &Recipe, note: &str) -> Result<String, Failure> {
    let called = if recipe.secret.called.is_empty() { "signing secret" } else { &recipe.secret.called };
    let question = format!("{} {called} ({note}): ", recipe.name);
    rpassword::prompt_password(sanitize(&question)).map_err(unreadable)
}

pub fn unreadable(error: std::io::Error) -> Failure {
    Failure::local(format!("the secret could not be read: {}.", crate::text::io(&error)))
}

/// Without what was pasted along with it.
pub fn bare(value: &str) -> &str {
    value.trim().trim_matches(['"', '\''])
}

/// What it is, when it is another string of the same dashboard: `sk_… is an API key, not a signing secret.`
pub fn mistaken(recipe: &Recipe, value: &str) -> Option<String> {
    let (beginning, what) = recipe.secret.mistaken.iter().find(|(beginning, _)| value.starts_with(beginning))?;
    Some(format!("{beginning}… is {what}."))
}

/// What looks wrong about it. The form of secrets is the provider's to change, so it may be right all the same.
pub fn warnings(recipe: &Recipe, value: &str) -> Vec<String> {
    let (secret, bare) = (&recipe.secret, bare(value));
    let mut found = Vec::new();
    if bare != value {
        found.push("it has spaces, a newline or quotes around it, which would be part of the key.".to_owned());
    }
    let another = secret.prefix.as_ref().filter(|prefix| !bare.starts_with(prefix.as_str()));
    match mistaken(recipe, bare) {
        Some(what) if secret.found.is_empty() => found.push(what),
        Some(what) => found.push(format!("{what} Look here: {}.", secret.found)),
        None => found.extend(
            another.map(|prefix| format!("those of {} begin with {prefix}, and this one does not.", recipe.name)),
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
        assert_eq!((mistaken(stripe, "whsec_0123456789"), mistaken(stripe, "")), (None, None));
    }
}
