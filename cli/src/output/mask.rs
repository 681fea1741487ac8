//! Secrets that stand in an event itself, where its provider has a token in place of a signature: shown as secrets are.

use std::borrow::Cow;

use hook_proto::{Header, HeaderList};

use crate::form;
use crate::journal::EventRow;
use crate::json::{Kind, tokens, unescape};

/// Where the tokens of an event stand.
#[derive(Clone, Copy)]
pub struct Mask<'a>(&'a [String]);

impl<'a> Mask<'a> {
    pub fn of(row: &'a EventRow) -> Self {
        Self(row.signature.as_deref().map_or(&[][..], |signature| &signature.tokens[..]))
    }

    /// The names of one kind of place: `header`, `query`, `form`, `json`.
    fn names(self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |place| place.split_once(':').filter(|(k, _)| *k == kind).map(|(_, name)| name))
    }

    pub fn fields(self, fields: &HeaderList) -> Cow<'_, HeaderList> {
        let is_token = |field: &Header| self.names("header").any(|name| field.name.eq_ignore_ascii_case(name));
        if !fields.iter().any(is_token) {
            return Cow::Borrowed(fields);
        }
        let masked = fields.iter().map(|field| match is_token(field) {
            true => Header::new(field.name.clone(), value(&String::from_utf8_lossy(&field.value)).into_bytes()),
            false => field.clone(),
        });
        Cow::Owned(masked.collect())
    }

    /// Of a URL, a path or a query of its own.
    pub fn url(self, url: &str) -> Cow<'_, str> {
        self.names("query").fold(Cow::Borrowed(url), |url, name| {
            let field = |field: &str| match field.split_once('=') {
                Some((own, text)) if own == name => format!("{own}={}", value(text)),
                _ => field.to_owned(),
            };
            let (before, query) = url.split_once('?').map_or(("", &*url), |(before, query)| (before, query));
            if !query.split('&').any(|field| field.split_once('=').is_some_and(|(own, _)| own == name)) {
                return url;
            }
            let mark = if url.contains('?') { "?" } else { "" };
            let query: Vec<String> = query.split('&').map(field).collect();
            Cow::Owned(format!("{before}{mark}{}", query.join("&")))
        })
    }

    pub fn body(self, body: &[u8]) -> Cow<'_, [u8]> {
        let members: Vec<&str> = self.names("json").collect();
        let masked = if members.is_empty() { Cow::Borrowed(body) } else { json(body, &members) };
        self.names("form").fold(masked, |body, name| {
            let came = form_urlencoded::parse(&body).find(|(own, _)| own == name).map(|(_, text)| value(&text));
            match came.and_then(|shown| form::set(&body, name, &shown).ok()) {
                Some(masked) => Cow::Owned(masked),
                None => body,
            }
        })
    }
}

/// Texts that are members of these names, wherever they stand.
fn json<'a>(body: &'a [u8], names: &[&str]) -> Cow<'a, [u8]> {
    let (mut out, mut from, mut is_token) = (Vec::new(), 0, false);
    for token in tokens(body).map_while(Result::ok) {
        match token.kind {
            Kind::Key => {
                let key = unescape(token.text);
                is_token = names.iter().any(|name| *name == key);
            }
            Kind::Colon => {}
            Kind::String if is_token => {
                out.extend_from_slice(&body[from..token.start]);
                let shown = serde_json::Value::from(value(&unescape(token.text)));
                out.extend_from_slice(shown.to_string().as_bytes());
                (from, is_token) = (token.end(), false);
            }
            _ => is_token = false,
        }
    }
    if from == 0 {
        return Cow::Borrowed(body);
    }
    out.extend_from_slice(&body[from..]);
    Cow::Owned(out)
}

/// `Basic …3d==`: the word before it is no secret.
fn value(text: &str) -> String {
    let shown = |value: &str| hook_providers::Secret { label: "", value }.shown();
    match text.split_once(' ') {
        Some((word @ ("Basic" | "Bearer" | "basic" | "bearer"), secret)) => format!("{word} {}", shown(secret)),
        _ => shown(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "gl_0123456789abcdef";

    #[test]
    fn tokens_are_shown_as_secrets_are() {
        let places = ["header:x-token", "header:authorization", "query:key", "form:key", "json:clientState"];
        let places = places.map(str::to_owned);
        let mask = Mask(&places);
        let field = |name: &str, value: &str| Header::new(name, value.as_bytes().to_vec());
        let fields = vec![field("x-token", TOKEN), field("authorization", "Basic aG9vazpzZWNyZXQx"), field("x", TOKEN)];
        let shown: Vec<_> =
            mask.fields(&fields).iter().map(|f| String::from_utf8_lossy(&f.value).into_owned()).collect();
        assert_eq!(shown, ["gl_…cdef", "Basic …ZXQx", TOKEN]);
        assert_eq!(mask.url(&format!("http://h/a?x=1&key={TOKEN}")), "http://h/a?x=1&key=gl_…cdef");
        assert_eq!(mask.url(&format!("key={TOKEN}")), "key=gl_…cdef");
        assert_eq!(mask.url("http://h/a?x=1"), "http://h/a?x=1");
        let body = format!(r#"{{"value": [{{"clientState":"{TOKEN}"}}, {{"clientState" : "{TOKEN}", "x":1.0}}]}}"#);
        let masked = r#"{"value": [{"clientState":"gl_…cdef"}, {"clientState" : "gl_…cdef", "x":1.0}]}"#;
        assert_eq!(String::from_utf8_lossy(&mask.body(body.as_bytes())), masked);
        let form = mask.body(format!("a=1&key={TOKEN}").into_bytes().leak()).into_owned();
        assert_eq!(String::from_utf8(form).unwrap(), "a=1&key=gl_%E2%80%A6cdef");
        assert!(matches!(mask.body(b"{\"clientState\":7}"), Cow::Borrowed(_)));
        assert!(matches!(Mask(&[]).fields(&fields), Cow::Borrowed(_)));
    }
}
