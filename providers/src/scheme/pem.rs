//! Telling kinds of PEM apart.

/// The text, when it is PEM with this label.
pub(super) fn labelled<'t>(text: &'t [u8], label: &str) -> Option<&'t str> {
    let text = str::from_utf8(text).ok()?;
    let rest = text.trim_start().strip_prefix("-----BEGIN ")?;
    rest.starts_with(label).then_some(text)
}
