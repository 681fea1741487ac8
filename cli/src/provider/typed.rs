//! A secret as a person types or pastes it.

use hook_providers::Recipe;

use crate::failure::Failure;
use crate::sanitize::sanitize;

/// Asks for it at the terminal, where it is not shown.
pub fn ask(recipe: &Recipe, note: &str) -> Result<String, Failure> {
    let question = format!("{} {} ({note}): ", recipe.name, called(recipe));
    rpassword::prompt_password(sanitize(&question)).map_err(unreadable)
}

fn called(recipe: &Recipe) -> &str {
    if recipe.secret.called.is_empty() { "signing secret" } else { &recipe.secret.called }
}

pub fn unreadable(error: std::io::Error) -> Failure {
    Failure::local(format!("the secret could not be read: {}.", crate::text::io(&error)))
}

/// Without what was pasted along with it: white space, and quotes around it.
pub fn bare(value: &str) -> &str {
    let value = value.trim();
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    quoted('"').or_else(|| quoted('\'')).map_or(value, str::trim)
}

/// Why it is no signing secret. It is another string of the same dashboard (`sk_… is an API key, not a signing secret.`), or
/// has not the form of a key. Of nothing there is nothing to say.
pub fn mistaken(recipe: &Recipe, value: &str) -> Option<String> {
    if let Some((beginning, what)) = recipe.secret.mistaken.iter().find(|(beginning, _)| value.starts_with(beginning)) {
        return Some(format!("{beginning}… is {what}."));
    }
    let why = recipe.unfit(value).filter(|_| !value.is_empty())?;
    Some(format!("that cannot be the {} of {}: {why}.", called(recipe), recipe.name))
}

/// What looks wrong about it. The form of secrets is the provider's to change, so it may be right all the same.
pub fn warning(recipe: &Recipe, value: &str) -> Option<String> {
    let prefix = recipe.secret.prefix.as_ref().filter(|prefix| !value.starts_with(prefix.as_str()))?;
    Some(format!("those of {} begin with {prefix}, and this one does not.", recipe.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pasted_along_is_left_out() {
        for text in ["a'b", " a'b\r\n", "\"a'b\"", "' a'b '"] {
            assert_eq!(bare(text), "a'b", "{text:?}");
        }
        // What stands on one side only belongs to it.
        assert_eq!([bare("a'"), bare("\""), bare("'a\"")], ["a'", "\"", "'a\""]);
    }

    #[test]
    fn what_looks_wrong_is_named_without_the_value() {
        let catalog = hook_providers::Catalog::shipped();
        let stripe = catalog.get("stripe").unwrap();
        let said = |value: &str| warning(stripe, value).unwrap_or_default();
        assert_eq!(said("whsec_0123456789abcdef"), "");
        assert_eq!(said("0123456789"), "those of Stripe begin with whsec_, and this one does not.");
        assert_eq!(mistaken(stripe, "sk_live_0123456789").unwrap(), "sk_… is an API key, not a signing secret.");
        assert_eq!((mistaken(stripe, "whsec_0123456789"), mistaken(stripe, "")), (None, None));
        let discord = catalog.get("discord").unwrap();
        let hex = "that cannot be the public key of Discord: it is no Ed25519 key in hexadecimal, base64 or PEM.";
        assert_eq!((mistaken(discord, "nothex").as_deref(), mistaken(discord, "")), (Some(hex), None));
    }
}
