//! Where in a request a value stands: `header:x-github-event`, `json:/data/id`, `form:From`.

use std::borrow::Cow;
use std::fmt;

use super::template::Scope;
use crate::bytes::from_base64;
use crate::json::{self, Value};
use crate::request::Url;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    Header(String),
    Query(String),
    Form(String),
    /// RFC 6901 pointer into the JSON body, as decoded steps.
    Json(Vec<String>),
    /// A pointer into JSON that is the value of a form field: Slack's `payload`.
    FormJson(String, Vec<String>),
    /// An element of base64-coded XML in a form field: Braintree's `bt_payload`.
    FormXml(String, String),
    /// A pointer into the current item of `each`.
    Item(Vec<String>),
    /// A named part of the signature header: `t` of `t=1,v1=…`.
    Sig(String),
    /// A part of the signature header by its place, from 0.
    SigAt(usize),
    /// Something that the person has to give besides the secret: PayPal's webhook id.
    Param(String),
    /// The first key of the object at the pointer that is not the named one: Telegram's event type.
    Keys(Vec<String>, String),
    Const(String),
    Body,
    Url,
    Method,
    /// Path and query.
    Target,
    /// The timestamp as it was written.
    Ts,
    Secret,
    /// The name of the key, where a secret is a pair: Braintree's public key.
    SecretId,
    /// The signature that was just made: for writing it where it belongs.
    Made,
    /// The form body as a whole.
    Fields,
}

/// Places by one word, and those that name something behind a colon.
const WORDS: &str = "body, url, method, target, ts, secret, secret_id, sig, form";
const KINDS: &str = "header:NAME, query:NAME, form:NAME, json:/POINTER, item:/POINTER, formjson:NAME#/POINTER, \
    formxml:NAME#ELEMENT, keys:/POINTER!EXCEPT, sig:KEY, param:NAME, const:TEXT";

impl Selector {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some((kind, rest)) = text.split_once(':') else {
            return Ok(match text {
                "body" => Selector::Body,
                "url" => Selector::Url,
                "method" => Selector::Method,
                "target" => Selector::Target,
                "ts" => Selector::Ts,
                "secret" => Selector::Secret,
                "secret_id" => Selector::SecretId,
                "sig" => Selector::Made,
                "form" => Selector::Fields,
                _ => return Err(format!("\"{text}\" is not a place in a request: those are {WORDS}, {KINDS}")),
            });
        };
        if rest.is_empty() {
            return Err(format!("\"{text}\" names nothing after the colon"));
        }
        let after = |mark: char| {
            rest.split_once(mark).ok_or_else(|| format!("\"{text}\" lacks the {mark} between its two halves"))
        };
        Ok(match kind {
            "header" => Selector::Header(rest.to_ascii_lowercase()),
            "query" => Selector::Query(rest.to_owned()),
            "form" => Selector::Form(rest.to_owned()),
            "json" => Selector::Json(pointer(rest)?),
            "item" => Selector::Item(pointer(rest)?),
            "formjson" => after('#').and_then(|(f, p)| Ok(Selector::FormJson(f.to_owned(), pointer(p)?)))?,
            "formxml" => after('#').map(|(f, e)| Selector::FormXml(f.to_owned(), e.to_owned()))?,
            "keys" => after('!').and_then(|(p, key)| Ok(Selector::Keys(pointer(p)?, key.to_owned())))?,
            "sig" => match rest.strip_prefix('#') {
                Some(n) => Selector::SigAt(n.parse().map_err(|_| format!("\"{n}\" is not the number of a part"))?),
                None => Selector::Sig(rest.to_owned()),
            },
            "param" => Selector::Param(rest.to_owned()),
            "const" => Selector::Const(rest.to_owned()),
            _ => return Err(format!("\"{kind}:\" is not a kind of place: those are {KINDS}")),
        })
    }

    /// Whether an array or an object is here: it exists, but there is no text to insert.
    pub(crate) fn is_branch(&self, scope: &Scope<'_>) -> bool {
        let Selector::Json(steps) = self else { return false };
        let value = scope.request.json().and_then(|json| json.at(steps));
        matches!(value, Some(Value::Array(_) | Value::Object(_)))
    }

    /// The value here, or `None` when the request does not have it.
    pub(crate) fn find<'x>(&'x self, scope: &Scope<'x>) -> Option<Cow<'x, [u8]>> {
        let request = scope.request;
        match self {
            Selector::Header(name) => request.header(name),
            Selector::Query(name) => request.query_field(name),
            Selector::Form(name) => request.form_field(name).map(Cow::Borrowed),
            Selector::Json(steps) => bytes(request.json()?.at(steps)?.text()?),
            Selector::FormJson(field, steps) => {
                let value = json::parse(request.form_field(field)?)?;
                bytes(value.at(steps)?.text()?)
            }
            Selector::FormXml(field, element) => xml_text(request.form_field(field)?, element).map(Cow::Owned),
            Selector::Item(steps) => bytes(scope.item?.at(steps)?.text()?),
            Selector::Sig(key) => scope.signature?.named(key).map(Cow::Borrowed),
            Selector::SigAt(n) => scope.signature?.parts.get(*n).map(|part| Cow::Borrowed(part.text)),
            Selector::Param(name) => scope.param(name).map(|value| Cow::Borrowed(value.as_bytes())),
            Selector::Keys(steps, except) => match request.json()?.at(steps)? {
                Value::Object(members) => {
                    members.iter().map(|(key, _)| key.decode()).find(|key| key != except).and_then(bytes)
                }
                _ => None,
            },
            Selector::Const(text) => Some(Cow::Borrowed(text.as_bytes())),
            Selector::Body => Some(Cow::Borrowed(request.body)),
            Selector::Url => Some(Cow::Borrowed(request.url.as_bytes())),
            Selector::Method => Some(Cow::Borrowed(request.method.as_bytes())),
            Selector::Target => Some(Cow::Owned(Url::of(request.url).target().into_bytes())),
            Selector::Ts => scope.ts.map(Cow::Borrowed),
            Selector::Secret => scope.secret.map(Cow::Borrowed),
            Selector::SecretId => scope.secret_id.map(|id| Cow::Borrowed(id.as_bytes())),
            Selector::Made => scope.made.map(Cow::Borrowed),
            Selector::Fields => request.form().map(|_| Cow::Borrowed(request.body)),
        }
    }
}

/// As a person reads it: `the X-Foo header`, `/data/id in the body`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |steps: &[String]| steps.iter().map(|s| format!("/{s}")).collect::<String>();
        match self {
            Selector::Header(name) => write!(f, "{} header", spelled(name)),
            Selector::Query(name) => write!(f, "\"{name}\" in the query"),
            Selector::Form(name) | Selector::FormXml(name, _) => write!(f, "form field \"{name}\""),
            Selector::Json(steps) | Selector::Item(steps) => write!(f, "{} in the body", path(steps)),
            Selector::FormJson(name, steps) => write!(f, "{} in form field \"{name}\"", path(steps)),
            Selector::Sig(key) => write!(f, "\"{key}\" in the signature header"),
            Selector::SigAt(n) => write!(f, "part {} of the signature header", n + 1),
            Selector::Param(name) => write!(f, "{name}"),
            Selector::Keys(..) => write!(f, "key in the body"),
            Selector::Const(text) => write!(f, "\"{text}\""),
            Selector::Body => write!(f, "body"),
            Selector::Url => write!(f, "URL"),
            Selector::Method => write!(f, "method"),
            Selector::Target => write!(f, "path"),
            Selector::Ts => write!(f, "timestamp"),
            Selector::Secret => write!(f, "secret"),
            Selector::SecretId => write!(f, "name of the key"),
            Selector::Made => write!(f, "signature"),
            Selector::Fields => write!(f, "form body"),
        }
    }
}

/// A header name as people write it: `X-Hub-Signature-256`.
pub(crate) fn spelled(name: &str) -> String {
    let capital = |part: &str| {
        let mut chars = part.chars();
        chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
    };
    name.split('-').map(capital).collect::<Vec<_>>().join("-")
}

pub(crate) fn pointer(text: &str) -> Result<Vec<String>, String> {
    if text == "/" {
        return Ok(Vec::new());
    }
    let steps = text.strip_prefix('/').ok_or_else(|| format!("\"{text}\" must begin with / (a JSON pointer)"))?;
    Ok(steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

fn bytes(text: Cow<'_, str>) -> Option<Cow<'_, [u8]>> {
    Some(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// The text of the first such element. Enough for a name; what is signed is never taken from here.
fn xml_text(base64: &[u8], element: &str) -> Option<Vec<u8>> {
    let lines: Vec<u8> = base64.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    let xml = String::from_utf8(from_base64(&lines)?).ok()?;
    let (_, rest) = xml.split_once(&format!("<{element}>"))?;
    let (text, _) = rest.split_once('<')?;
    Some(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_place_says_so() {
        for (text, part) in [
            ("heder:x", "not a kind of place"),
            ("header:", "nothing after the colon"),
            ("bdy", "not a place in a request"),
            ("json:a/b", "must begin with /"),
            ("formjson:payload", "lacks the #"),
            ("sig:#x", "not the number"),
        ] {
            let error = Selector::parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn places_are_named_for_people() {
        let shown = |text| Selector::parse(text).map(|s| s.to_string());
        assert_eq!(shown("header:x-hub-signature-256").as_deref(), Ok("X-Hub-Signature-256 header"));
        assert_eq!(shown("json:/data/a~1b").as_deref(), Ok("/data/a/b in the body"));
    }
}
