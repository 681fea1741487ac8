//! One HTTP request as its sender made it, and the views that recipes look through.

use std::borrow::Cow;

use crate::json::{self, Value};

/// A header field: its name in any case, and its value bytes.
pub type Header<'a> = (&'a str, &'a [u8]);

/// A form or query with more fields is not looked into.
const MAX_FIELDS: usize = 1 << 16;

/// One request, borrowed. Its body is parsed once, when it is made, so make one for all questions about a request.
///
/// `url` is the absolute URL that the sender used, scheme and host included: several providers sign it.
pub struct Request<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub headers: &'a [Header<'a>],
    pub body: &'a [u8],
    json: Option<Value<'a>>,
    form: Option<Vec<Field<'a>>>,
}

pub(crate) type Field<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

impl<'a> Request<'a> {
    pub fn new(method: &'a str, url: &'a str, headers: &'a [Header<'a>], body: &'a [u8]) -> Self {
        let mut request = Request { method, url, headers, body, json: None, form: None };
        let kind = request.header("content-type").unwrap_or_default();
        let form = b"application/x-www-form-urlencoded";
        if kind.get(..form.len()).is_some_and(|k| k.eq_ignore_ascii_case(form)) {
            request.form = fields(body);
        } else if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
            request.json = json::parse(body);
        }
        request
    }

    /// The value of a header; several fields of one name are joined by `, `, as Node, Go's and Python's servers do.
    pub(crate) fn header(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let mut values = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim_ascii());
        let first = values.next()?;
        Some(values.fold(Cow::Borrowed(first), |mut all, value| {
            let joined = all.to_mut();
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(value);
            all
        }))
    }

    pub(crate) fn header_count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).count()
    }

    pub(crate) fn json(&self) -> Option<&Value<'a>> {
        self.json.as_ref()
    }

    /// The fields of a form body, decoded, in order; `None` when the body is not a form.
    pub(crate) fn form(&self) -> Option<&[Field<'a>]> {
        self.form.as_deref()
    }

    pub(crate) fn form_field(&self, name: &str) -> Option<&[u8]> {
        let fields = self.form()?;
        fields.iter().find(|(key, _)| **key == *name.as_bytes()).map(|(_, value)| &**value)
    }

    pub(crate) fn query_field(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let query = Url::of(self.url).query?;
        let mut pairs = query.as_bytes().split(|b| *b == b'&').map(pair);
        pairs.find(|(key, _)| **key == *name.as_bytes()).map(|(_, value)| value)
    }
}

/// The parts of a URL, as text; nothing is normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    pub(crate) scheme: &'a str,
    /// Host and port, without a user.
    pub(crate) authority: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
}

impl<'a> Url<'a> {
    pub(crate) fn of(url: &'a str) -> Self {
        let url = url.split_once('#').map_or(url, |(before, _)| before);
        let (before, query) = url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
        let (scheme, rest) = before.split_once("://").unwrap_or(("", before));
        let slash = if scheme.is_empty() { 0 } else { rest.find('/').unwrap_or(rest.len()) };
        let (authority, path) = rest.split_at(slash);
        Url { scheme, authority, path, query }
    }

    pub(crate) fn host(&self) -> &'a str {
        self.split_port().0
    }

    pub(crate) fn port(&self) -> Option<&'a str> {
        self.split_port().1
    }

    pub(crate) fn default_port(&self) -> &'static str {
        if self.scheme.eq_ignore_ascii_case("http") { "80" } else { "443" }
    }

    /// Path and query, as on the request line.
    pub(crate) fn target(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { self.path };
        self.query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
    }

    fn split_port(&self) -> (&'a str, Option<&'a str>) {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
            _ => (self.authority, None),
        }
    }
}

/// Writes the parts together again.
impl std::fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}://", self.scheme)?;
        }
        write!(f, "{}{}", self.authority, self.path)?;
        self.query.map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

/// The decoded fields of a form or query; `None` beyond the bound.
pub(crate) fn fields(text: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    for part in text.split(|b| *b == b'&').filter(|part| !part.is_empty()) {
        if fields.len() == MAX_FIELDS {
            return None;
        }
        fields.push(pair(part));
    }
    Some(fields)
}

fn pair(part: &[u8]) -> Field<'_> {
    match part.iter().position(|b| *b == b'=') {
        Some(at) => (decoded(&part[..at]), decoded(&part[at + 1..])),
        None => (decoded(part), Cow::Borrowed(b"")),
    }
}

/// `%XX` and `+` of a form decoded; a broken escape stays as it is.
pub(crate) fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|b| matches!(b, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let hex = |i: usize| text.get(i).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_put_together_unchanged() {
        let url = Url::of("https://h.example:8443/a/b?x=1&y=?2");
        assert_eq!((url.scheme, url.host(), url.port()), ("https", "h.example", Some("8443")));
        assert_eq!((url.path, url.query), ("/a/b", Some("x=1&y=?2")));
        for text in ["https://h.example:8443/a/b?x=1", "http://h", "/only/path?q", "https://[::1]:80/", "", "?", "://"]
        {
            let whole = Url::of(text).to_string();
            assert!(whole == text || text == "://", "{text} became {whole}");
        }
        assert_eq!(Url::of("https://h").target(), "/");
    }

    #[test]
    fn fields_are_decoded_in_order_and_broken_escapes_stay() {
        let fields = fields(b"a=1+2&b=%2B%zz&&c&a=%").expect("few fields");
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let shown: Vec<_> = fields.iter().map(|(k, v)| format!("{}:{}", text(k), text(v))).collect();
        assert_eq!(shown, ["a:1 2", "b:+%zz", "c:", "a:%"]);
    }

    #[test]
    fn repeated_headers_are_joined_and_trimmed() {
        let headers: [Header<'_>; 2] = [("X-Sig", b" a "), ("x-sig", b"b")];
        let request = Request::new("POST", "https://h/", &headers, b"");
        assert_eq!(request.header("X-SIG").as_deref(), Some(&b"a, b"[..]));
        assert_eq!(request.header_count("x-Sig"), 2);
        assert!(request.header("other").is_none() && request.form().is_none());
    }
}
