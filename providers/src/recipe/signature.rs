//! Taking a signature header apart: `t=1,v1=ab,v1=cd`, `v1,ab v1,cd`, `sha256=ab`.

use std::borrow::Cow;

use super::selector::Selector;
use super::template::Scope;
use crate::bytes::Encoding;

/// More signatures than this in one header are not looked at.
const MAX_PARTS: usize = 64;

/// How a recipe says where signatures stand, and how they are written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SignatureForm {
    /// All of these that exist hold candidates: Box's two keys, DocuSign's hundred.
    pub(crate) at: Vec<Selector>,
    pub(crate) split: Option<String>,
    pub(crate) key_mark: Option<String>,
    /// Keys whose values are signatures; with none, all keys are.
    pub(crate) keys: Vec<String>,
    /// Parts at the front that are no signatures.
    pub(crate) skip: usize,
    /// Text before the signature that is not part of it: `Bearer `.
    pub(crate) strip: String,
    pub(crate) encoding: Encoding,
    pub(crate) any_case: bool,
}

#[derive(Debug)]
pub(crate) struct Signature<'x> {
    pub(crate) parts: Vec<Part<'x>>,
    form: &'x SignatureForm,
}

#[derive(Debug)]
pub(crate) struct Part<'x> {
    pub(crate) key: Option<&'x str>,
    pub(crate) text: &'x [u8],
    /// It stands where a signature stands, and under a key of signatures.
    pub(crate) candidate: bool,
}

impl SignatureForm {
    /// The values of all places that exist, to be kept while [`Self::read`] looks at them.
    pub(crate) fn values<'x>(&'x self, scope: &Scope<'x>) -> Vec<Cow<'x, [u8]>> {
        self.at.iter().filter_map(|place| place.find(scope)).take(MAX_PARTS).collect()
    }

    pub(crate) fn read<'x>(&'x self, values: &'x [Cow<'x, [u8]>]) -> Signature<'x> {
        let mut parts = Vec::new();
        for value in values {
            let value = value.strip_prefix(self.strip.as_bytes()).unwrap_or(value);
            for (n, text) in pieces(value, self.split.as_deref()).enumerate() {
                if parts.len() == MAX_PARTS {
                    break;
                }
                let mut part = self.part(text);
                part.candidate &= n >= self.skip;
                parts.push(part);
            }
        }
        Signature { parts, form: self }
    }

    fn part<'x>(&self, text: &'x [u8]) -> Part<'x> {
        let Some(mark) = &self.key_mark else { return Part { key: None, text, candidate: !text.is_empty() } };
        let Some(at) = text.windows(mark.len().max(1)).position(|w| w == mark.as_bytes()) else {
            return Part { key: None, text, candidate: false };
        };
        let (key, value) = (str::from_utf8(&text[..at]).unwrap_or_default().trim(), &text[at + mark.len()..]);
        let candidate = !value.is_empty() && (self.keys.is_empty() || self.keys.iter().any(|k| k == key));
        Part { key: Some(key), text: value, candidate }
    }
}

impl<'x> Signature<'x> {
    pub(crate) fn named(&self, key: &str) -> Option<&'x [u8]> {
        self.parts.iter().find(|part| part.key == Some(key)).map(|part| part.text)
    }

    /// What may be the signature, as its sender wrote it.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = (Option<&'x str>, Cow<'x, [u8]>)> {
        let any_case = self.form.any_case;
        self.parts.iter().filter(|part| part.candidate).map(move |part| {
            let text = if any_case { Cow::Owned(part.text.to_ascii_lowercase()) } else { Cow::Borrowed(part.text) };
            (part.key, text)
        })
    }
}

fn pieces<'x>(value: &'x [u8], split: Option<&str>) -> Box<dyn Iterator<Item = &'x [u8]> + 'x> {
    match split.and_then(|s| s.bytes().next()) {
        Some(mark) => Box::new(value.split(move |b| *b == mark).map(<[u8]>::trim_ascii).filter(|p| !p.is_empty())),
        None => Box::new(std::iter::once(value.trim_ascii())),
    }
}
