//! The secret is another one, or not written as it should be.

use super::{Case, Cause, Found};
use crate::known::{Known, Secret};
use crate::scheme::Scheme;
use crate::scheme::key::KeyForm;
use crate::verdict::Verdict;

pub(super) fn none(case: &Case<'_>, verdict: &Verdict) -> Found {
    let written = || written_otherwise(case).or_else(|| mistaken(case));
    let found = (!case.known.secrets.is_empty()).then(written).flatten();
    found.unwrap_or_else(|| Found::new(Cause::NoSecret, verdict.reason.clone()).next(case.copy_secret()))
}

/// Made with a secret of another endpoint or mode.
pub(super) fn of_another(case: &Case<'_>) -> Option<Found> {
    let others = Known { secrets: case.around.other_secrets, ..*case.known };
    let found = others.secrets.get(case.right(case.request, &others)?)?;
    let mine: Vec<&str> = case.known.secrets.iter().map(|secret| secret.label).collect();
    let says = format!("signed with the secret of \"{}\", not of \"{}\"", found.label, mine.join("\" or \""));
    Some(Found::new(Cause::OtherSecret, says).next(case.set_secret()))
}

/// Right once the secret is cleaned, or read in another way.
pub(super) fn written_otherwise(case: &Case<'_>) -> Option<Found> {
    for secret in case.known.secrets.iter().take(8) {
        for (cause, what, value) in spellings(secret.value) {
            let cleaned = [Secret { label: secret.label, value: &value }];
            if case.right(case.request, &Known { secrets: &cleaned, ..*case.known }).is_some() {
                let says = format!("the secret {} {what}", secret.label);
                return Some(Found::new(cause, says).next(case.set_secret()));
            }
        }
        if let Some(found) = read_otherwise(case, secret) {
            return Some(found);
        }
    }
    None
}

/// It is a string of another kind, by how it begins.
pub(super) fn mistaken(case: &Case<'_>) -> Option<Found> {
    let facts = &case.recipe.secret;
    let wrong = |secret: &Secret<'_>| facts.mistaken.iter().find(|(begins, _)| secret.value.trim().starts_with(begins));
    // As long as one of them may be the right kind, the others say nothing.
    let first = case.known.secrets.iter().map(wrong).collect::<Option<Vec<_>>>()?;
    let (begins, what) = first.first()?;
    Some(Found::new(Cause::SecretMistaken, format!("{begins}… is {what}")).next(case.copy_secret()))
}

/// The secret as it may have been meant, and what is wrong with how it is.
fn spellings(value: &str) -> Vec<(Cause, &'static str, String)> {
    let mut found = Vec::new();
    let mut add = |cause, what, text: &str| {
        if text != value && !text.is_empty() {
            found.push((cause, what, text.to_owned()));
        }
    };
    let trimmed = value.trim();
    let what = if value.ends_with(['\n', '\r']) {
        "has a newline at its end"
    } else if value.ends_with(char::is_whitespace) {
        "has a space at its end"
    } else {
        "has a space at its beginning"
    };
    add(Cause::SecretWhitespace, what, trimmed);
    add(Cause::SecretWhitespace, "has \\n at its end, as two characters", trimmed.trim_end_matches("\\n"));
    let inner: String = trimmed.split_whitespace().collect();
    add(Cause::SecretWhitespace, "has white space inside", &inner);
    add(
        Cause::SecretWhitespace,
        "has a byte order mark or an invisible character",
        trimmed.trim_matches(['\u{feff}', '\u{200b}', '\u{a0}']),
    );
    for quote in ['"', '\'', '`', '“', '‘'] {
        let close = match quote {
            '“' => '”',
            '‘' => '’',
            same => same,
        };
        if let Some(text) = trimmed.strip_prefix(quote).map(|t| t.strip_suffix(close).unwrap_or(t)) {
            add(Cause::SecretQuoted, "has quotes around it", text.trim());
        }
    }
    if let Some((name, text)) = trimmed.split_once('=') {
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if is_name {
            add(Cause::SecretPrefixed, "has the name of its variable before it", text.trim().trim_matches(['"', '\'']));
        }
    }
    for before in ["Bearer ", "bearer ", "export "] {
        if let Some(text) = trimmed.strip_prefix(before) {
            add(Cause::SecretPrefixed, "has a word before it", text.trim());
        }
    }
    add(Cause::SecretCase, "is in capitals, but should not be", &trimmed.to_lowercase());
    add(Cause::SecretCase, "should be in capitals", &trimmed.to_uppercase());
    found
}

/// Text taken for base64 or hexadecimal, or the other way round.
fn read_otherwise(case: &Case<'_>, secret: &Secret<'_>) -> Option<Found> {
    let scheme = case.scheme?;
    let says = |form| match form {
        KeyForm::Text => "was decoded, but its text itself is the key here",
        KeyForm::Hex => "is hexadecimal, and has to be decoded to be the key here",
        _ => "is base64, and has to be decoded to be the key here",
    };
    for form in [KeyForm::Text, KeyForm::Whsec, KeyForm::Base64, KeyForm::Hex] {
        if form == scheme.key {
            continue;
        }
        let read = Scheme { key: form, ..scheme.clone() };
        let bare = secret.value.trim();
        let without = bare.split_once('_').map_or(bare, |(_, text)| text);
        for value in [bare, without] {
            let one = [Secret { label: secret.label, value }];
            if case.right_by(&read, case.request, &Known { secrets: &one, ..*case.known }).is_some() {
                let says = format!("the secret {} {}", secret.label, says(form));
                return Some(Found::new(Cause::SecretEncoding, says).next(case.copy_secret()));
            }
        }
    }
    // Or a prefix that belongs to the key was left out.
    let prefix = case.recipe.secret.prefix.as_ref()?;
    let whole = format!("{prefix}{}", secret.value.trim());
    let one = [Secret { label: secret.label, value: &whole }];
    case.right(case.request, &Known { secrets: &one, ..*case.known })?;
    let says = format!("the secret {} lacks {prefix} at its beginning", secret.label);
    Some(Found::new(Cause::SecretEncoding, says).next(case.set_secret()))
}
