//! What frameworks make of a body when they parse it and write it again.

use crate::json::{self, Numbers, Style};
use crate::request::Request;

/// A body as some software would write it again. An app that verifies one of these has parsed the body first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewriting {
    /// What writes so: `JSON.stringify`.
    pub by: &'static str,
    pub body: Vec<u8>,
}

/// The body as common software writes it again, without those that change nothing. Empty for what is neither JSON nor a
/// form, and for what is beyond the bounds.
pub fn rewritings(request: &Request<'_>) -> Vec<Rewriting> {
    let mut found: Vec<Rewriting> = Vec::new();
    let mut add = |by, body: Vec<u8>| {
        if body != request.body && found.iter().all(|known| known.body != body) {
            found.push(Rewriting { by, body });
        }
    };
    if let Some(value) = request.json() {
        let python = Style {
            comma: ", ",
            colon: ": ",
            ascii: true,
            numbers: Numbers::Python,
            index_keys_first: false,
            ..Style::default()
        };
        let compact = Style { comma: ",", colon: ":", ..python };
        let php = Style { ascii: true, slash: true, index_keys_first: false, ..Style::default() };
        // Those that handlers use most come first.
        let styles = [
            ("JSON.stringify", Style::default()),
            ("json.dumps of Python", python),
            ("compact json.dumps of Python", compact),
            ("json_encode of PHP", php),
            ("json.Marshal of Go", Style { html: true, sorted: true, ..Style::default() }),
            ("to_json of Rails", Style { html: true, index_keys_first: false, ..Style::default() }),
            ("sorted json.dumps of Python", Style { sorted: true, ..python }),
            ("JSON.stringify with 2 spaces", Style { colon: ": ", indent: Some(2), ..Style::default() }),
            ("compact, sorted json.dumps of Python", Style { sorted: true, ..compact }),
            ("json.dumps of Python without escapes", Style { ascii: false, ..python }),
            ("compact json.dumps of Python without escapes", Style { ascii: false, ..compact }),
            ("json_encode of PHP with plain slashes", Style { slash: false, ..php }),
        ];
        for (by, style) in styles {
            if let Some(text) = json::write(value, style) {
                add(by, text.into_bytes());
            }
        }
    }
    if let Some(fields) = request.form() {
        for (by, body) in super::body::encodings(fields) {
            add(by, body);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_written_as_each_software_writes_it() {
        let body = r#"{"b": 1.0, "a": "é/<"}"#;
        let request = Request::new("POST", "https://h/", &[], body.as_bytes());
        let by = |name| rewritings(&request).into_iter().find(|r| r.by == name).map(|r| r.body);
        let text = |name| by(name).and_then(|body| String::from_utf8(body).ok());
        assert_eq!(text("JSON.stringify").as_deref(), Some(r#"{"b":1,"a":"é/<"}"#));
        assert_eq!(text("json.dumps of Python").as_deref(), Some(r#"{"b": 1.0, "a": "\u00e9/<"}"#));
        assert_eq!(text("compact json.dumps of Python").as_deref(), Some(r#"{"b":1.0,"a":"\u00e9/<"}"#));
        assert_eq!(text("sorted json.dumps of Python").as_deref(), Some(r#"{"a": "\u00e9/<", "b": 1.0}"#));
        assert_eq!(text("json_encode of PHP").as_deref(), Some(r#"{"b":1,"a":"\u00e9\/<"}"#));
        assert_eq!(text("json.Marshal of Go").as_deref(), Some(r#"{"a":"é/\u003c","b":1}"#));
        assert_eq!(by("json.dumps of Python without escapes"), None, "it is the body itself");
    }
}
