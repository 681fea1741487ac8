//! Text with places in it: `{ts}.{body}`, `[id:{query:data.id};]ts:{ts};`.
//!
//! `{place|filter|filter}` inserts a value, `{place?}` inserts nothing when the request lacks it, and `[ … ]` is left out
//! as a whole when a place inside is lacking. `{{ }} [[ ]]` are the characters themselves.

use std::borrow::Cow;
use std::fmt;

use super::filter::Filter;
use super::only::Only;
use super::selector::Selector;
use super::signature::Signature;
use crate::json::Value;
use crate::request::Request;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Value { place: Selector, filters: Vec<Filter>, optional: bool },
    Group(Vec<Part>),
}

/// What templates and selectors can see.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'x> {
    pub(crate) request: &'x Request<'x>,
    pub(crate) params: &'x [(&'x str, &'x str)],
    pub(crate) signature: Option<&'x Signature<'x>>,
    pub(crate) ts: Option<&'x [u8]>,
    pub(crate) secret: Option<&'x [u8]>,
    /// The name of the key, where a secret is a pair.
    pub(crate) secret_id: Option<&'x str>,
    pub(crate) item: Option<&'x Value<'x>>,
    /// The signature that was just made.
    pub(crate) made: Option<&'x [u8]>,
    /// What a value must look like to be signed with the secret.
    pub(crate) only: Option<&'x Only>,
}

/// The text in pieces, so that a body is not copied to be signed.
pub(crate) type Pieces<'x> = Vec<Cow<'x, [u8]>>;

/// A place that a template needs and the request lacks.
#[derive(Debug, PartialEq)]
pub(crate) struct Lacking<'x>(pub(crate) &'x Selector);

impl<'x> Scope<'x> {
    pub(crate) fn new(request: &'x Request<'x>, params: &'x [(&'x str, &'x str)]) -> Self {
        Scope {
            request,
            params,
            signature: None,
            ts: None,
            secret: None,
            secret_id: None,
            item: None,
            made: None,
            only: None,
        }
    }

    pub(crate) fn param(&self, name: &str) -> Option<&'x str> {
        self.params.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut chars = text.chars().peekable();
        let parts = parts(&mut chars, false)?;
        Ok(Template { parts })
    }

    /// One place, as it is.
    pub(crate) fn of(place: Selector) -> Self {
        Template { parts: vec![Part::Value { place, filters: Vec::new(), optional: false }] }
    }

    pub(crate) fn render<'x>(&'x self, scope: &Scope<'x>) -> Result<Pieces<'x>, Lacking<'x>> {
        let mut out = Pieces::new();
        render(&self.parts, scope, &mut out)?;
        Ok(out)
    }

    pub(crate) fn text<'x>(&'x self, scope: &Scope<'x>) -> Result<Vec<u8>, Lacking<'x>> {
        Ok(self.render(scope)?.concat())
    }

    /// Every place in it.
    pub(crate) fn places(&self) -> Vec<&Selector> {
        self.values().into_iter().map(|(place, _)| place).collect()
    }

    /// Every place in it, with what is done to its value.
    pub(crate) fn values(&self) -> Vec<(&Selector, &[Filter])> {
        fn walk<'t>(parts: &'t [Part], found: &mut Vec<(&'t Selector, &'t [Filter])>) {
            for part in parts {
                match part {
                    Part::Text(_) => {}
                    Part::Value { place, filters, .. } => found.push((place, filters)),
                    Part::Group(parts) => walk(parts, found),
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.parts, &mut found);
        found
    }

    /// The text before a place, when that place as it is ends the template and there is no other.
    pub(crate) fn before(&self, last: &Selector) -> Option<&str> {
        let is_last =
            |part: &Part| matches!(part, Part::Value { place, filters, .. } if place == last && filters.is_empty());
        match self.parts.as_slice() {
            [part] if is_last(part) => Some(""),
            [Part::Text(text), part] if is_last(part) => Some(text),
            _ => None,
        }
    }

    /// Places that the request must have, whatever else it has.
    pub(crate) fn needs(&self) -> impl Iterator<Item = &Selector> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value { place, optional: false, .. } => Some(place),
            _ => None,
        })
    }
}

impl fmt::Display for Lacking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Selector::Param(name) => write!(f, "{name} is not known"),
            place => write!(f, "no {place}"),
        }
    }
}

fn render<'x>(parts: &'x [Part], scope: &Scope<'x>, out: &mut Pieces<'x>) -> Result<(), Lacking<'x>> {
    for part in parts {
        match part {
            Part::Text(text) => out.push(Cow::Borrowed(text.as_bytes())),
            Part::Value { place, filters, optional } => {
                let found = place.find(scope);
                let value = found.and_then(|v| filters.iter().try_fold(v, |value, filter| filter.apply(value, scope)));
                match value {
                    Some(value) => out.push(value),
                    None if *optional => {}
                    None => return Err(Lacking(place)),
                }
            }
            Part::Group(parts) => {
                let before = out.len();
                if render(parts, scope, out).is_err() {
                    out.truncate(before);
                }
            }
        }
    }
    Ok(())
}

fn parts(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, inside: bool) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let flush = |text: &mut String, parts: &mut Vec<Part>| {
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(text)));
        }
    };
    while let Some(c) = chars.next() {
        if matches!(c, '{' | '}' | '[' | ']') && chars.next_if_eq(&c).is_some() {
            text.push(c);
            continue;
        }
        match c {
            '{' => {
                flush(&mut text, &mut parts);
                let mut inner = String::new();
                loop {
                    match chars.next() {
                        Some('}') => break,
                        Some(c) => inner.push(c),
                        None => return Err(format!("\"{{{inner}\" is not closed; a {{ of its own is written {{{{")),
                    }
                }
                parts.push(value(&inner)?);
            }
            '[' if inside => return Err("a [group] cannot hold another".to_owned()),
            '[' => {
                flush(&mut text, &mut parts);
                parts.push(Part::Group(self::parts(chars, true)?));
            }
            ']' if inside => {
                flush(&mut text, &mut parts);
                return Ok(parts);
            }
            '}' | ']' => return Err(format!("a {c} closes nothing; one of its own is written {c}{c}")),
            c => text.push(c),
        }
    }
    if inside {
        return Err("a [group] is not closed; a [ of its own is written [[".to_owned());
    }
    flush(&mut text, &mut parts);
    Ok(parts)
}

fn value(inner: &str) -> Result<Part, String> {
    let (inner, optional) = inner.strip_suffix('?').map_or((inner, false), |inner| (inner, true));
    let mut steps = inner.split('|');
    let place = Selector::parse(steps.next().unwrap_or_default())?;
    let filters = steps.map(Filter::parse).collect::<Result<_, _>>()?;
    Ok(Part::Value { place, filters, optional })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(template: &str) -> Result<String, String> {
        let headers = [("X-Id", &b"7"[..])];
        let request = Request::new("POST", "https://h/p?q=1", &headers, b"BODY");
        let template = Template::parse(template)?;
        let text = template.text(&Scope::new(&request, &[("key", "k")])).map_err(|lacking| lacking.to_string())?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn places_are_filled_in() {
        assert_eq!(
            rendered("{header:x-id}.{method}.{body|sha1|hex}").as_deref(),
            Ok("7.POST.c4c51eeb133480a8ab13e2aac716dc1c49511996")
        );
        assert_eq!(rendered("[a{query:q};][b{query:none};]c").as_deref(), Ok("a1;c"));
        assert_eq!(rendered("{{\"k\":[[{param:key}]]}}{query:none?}").as_deref(), Ok("{\"k\":[k]}"));
    }

    #[test]
    fn what_is_lacking_is_named() {
        assert_eq!(rendered("{header:x-other}"), Err("no X-Other header".to_owned()));
        assert_eq!(rendered("{param:webhook_id}"), Err("webhook_id is not known".to_owned()));
    }

    #[test]
    fn a_broken_template_says_what_is_wrong() {
        for (text, part) in [
            ("{body", "not closed"),
            ("a}", "closes nothing"),
            ("[a", "not closed"),
            ("[a[b]]", "another"),
            ("{body|sha2}", "not a filter"),
        ] {
            let error = rendered(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
