//! Bodies that software changed on the way.

use serde_json::Value;

use super::senders::{OF_BODIES, form, signed};
use super::software::{Software, edited, is_there, piped};
use super::{Case, NOW, URL};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A body as a sender may write it; one that is written irregularly cannot be had back once it was parsed.
struct Body {
    name: &'static str,
    text: &'static str,
    regular: bool,
}

const fn regular(name: &'static str, text: &'static str) -> Body {
    Body { name, text, regular: true }
}

const fn irregular(name: &'static str, text: &'static str) -> Body {
    Body { name, text, regular: false }
}

const JSON_BODIES: [Body; 11] = [
    regular(
        "compact",
        r#"{"id":"evt_1","object":"event","amount":2000,"url":"https://example.com/a?b=1&c=2","note":"naïve café 🎉","list":[],"nested":{"z":[1,2,{"b":null}],"ok":true}}"#,
    ),
    regular(
        "indented",
        "{\n  \"id\": \"evt_1\",\n  \"object\": \"event\",\n  \"note\": \"café\",\n  \"data\": {\n    \"amount\": 2000,\n    \"lines\": [\n      1,\n      2\n    ]\n  }\n}",
    ),
    regular(
        "indented by 4, ended",
        "{\n    \"id\": \"evt_1\",\n    \"amount\": 2000,\n    \"a\": {\n        \"b\": null\n    }\n}\n",
    ),
    regular(
        "Python's",
        r#"{"id": "evt_1", "amount": 2000, "name": "caf\u00e9 \ud83c\udf89", "a": [1, 2, {"b": true}]}"#,
    ),
    regular("PHP's", r#"{"id":"evt_1","amount":2000,"name":"caf\u00e9","url":"https:\/\/example.com\/a"}"#),
    regular("Rails'", r#"{"id":"evt_1","amount":2000,"html":"\u003cb\u003eé \u0026 co\u003c/b\u003e"}"#),
    regular("compact, ended", "{\"id\":\"evt_1\",\"amount\":2000,\"note\":\"plain\"}\n"),
    regular("numbers", r#"{"id":"evt_1","amount":2000,"rate":1.0,"large":12345678901234567890,"e":1E3,"zero":-0.0}"#),
    regular("number-like keys", r#"{"id":"evt_1","amount":2000,"lines":{"10":"a","9":"b","x":"c"}}"#),
    irregular("by hand", "{\"id\": \"evt_1\",\"amount\":2000,\n \"note\" : \"caf\\u00e9 é\", \"url\":\"a\\/b/c\"}"),
    irregular("twice the same key", r#"{"id":"evt_1","amount":2000,"note":"a","note":"b"}"#),
];

const FORMS: [Body; 5] = [
    regular("Python's form", "command=%2Fdeploy&text=to+production%21&user=caf%C3%A9&marks=%2A.~_-&amount=2000"),
    regular("a browser's form", "command=%2Fdeploy&text=to+production%21&user=caf%C3%A9&marks=*.%7E_-&amount=2000"),
    regular("JavaScript's form", "command=%2Fdeploy&text=to%20production!&user=caf%C3%A9&marks=*.~_-&amount=2000"),
    regular(".NET's form", "command=%2fdeploy&text=to+production&user=caf%c3%a9&amount=2000"),
    irregular("a form by hand", "command=%2fdeploy%2F&text=to+pro%20duction&user=caf%C3%A9&amount=2000"),
];

/// What a change does to a body.
#[derive(Clone, Copy)]
enum Does {
    /// Parses it and writes it again: to be had back when nothing was lost, and the sender wrote regularly.
    Rewrites,
    /// This, whatever the body is.
    Is(&'static str),
    /// This when it has more than one line; otherwise only its end changes.
    Lines,
    /// Loses for good what was signed.
    Loses,
}

type Change<'a> = (&'static str, Does, Box<dyn Fn(&[u8]) -> Vec<u8> + 'a>);

pub fn cases(software: &Software) -> Vec<Case> {
    let mut cases = Vec::new();
    let json: Vec<_> = changes(software, JSON).into_iter().chain(changes_of_json(software)).collect();
    for (n, body) in JSON_BODIES.iter().enumerate() {
        for (m, change) in json.iter().enumerate() {
            // Each change of each body happens to some of the providers, and every one has all of both.
            let providers = OF_BODIES.iter().enumerate().filter(|(i, _)| (i + n + m).is_multiple_of(5));
            cases.extend(of_change(JSON, body, change, providers.map(|(_, provider)| *provider)));
        }
    }
    let forms: Vec<_> = changes(software, FORM).into_iter().chain(changes_of_forms(software)).collect();
    for body in &FORMS {
        for change in &forms {
            let providers = OF_BODIES.into_iter().filter(|(name, _)| matches!(*name, "slack" | "github"));
            cases.extend(of_change(FORM, body, change, providers));
        }
    }
    cases
}

fn of_change(
    kind: &str,
    body: &Body,
    (name, does, run): &Change<'_>,
    providers: impl Iterator<Item = (&'static str, &'static str)>,
) -> Vec<Case> {
    let changed = run(body.text.as_bytes());
    let Some(causes) = causes(body, &changed, *does, kind) else { return Vec::new() };
    let case = |(provider, secret): (&'static str, &str)| Case {
        name: format!("{provider}, {}, {name}", body.name),
        provider,
        secret: secret.to_owned(),
        method: "POST",
        url: URL.to_owned(),
        fields: signed(provider, secret, URL, kind, body.text.as_bytes()),
        body: changed.clone(),
        at: NOW,
        causes,
    };
    providers.map(case).collect()
}

/// The cause of a change; `None` when it changed nothing.
fn causes(body: &Body, changed: &[u8], does: Does, kind: &str) -> Option<&'static [&'static str]> {
    let original = body.text.as_bytes();
    if original == changed {
        return None;
    }
    let only_its_end = original.trim_ascii_end() == changed.trim_ascii_end();
    Some(match does {
        Does::Loses => &["unknown"],
        Does::Rewrites if only_its_end => &["trailing_newline"],
        // Of a single line that is both.
        Does::Lines if only_its_end => &["trailing_newline", "line_endings"],
        Does::Lines => &["line_endings"],
        Does::Rewrites if !body.regular => &["unknown"],
        Does::Rewrites if kind == FORM => {
            let pairs = form(original);
            let kept = if changed.starts_with(b"{") { json_pairs(changed) == pairs } else { form(changed) == pairs };
            if kept { &["form_reencoded"] } else { &["unknown"] }
        }
        Does::Rewrites if tokens(original) == tokens(changed) => &["body_reformatted"],
        Does::Rewrites => &["unknown"],
        Does::Is("charset") => &["charset"],
        Does::Is("compression") => &["compression"],
        Does::Is("byte_order_mark") => &["byte_order_mark"],
        Does::Is("body_wrapped") => &["body_wrapped"],
        Does::Is(other) => panic!("{other} is no cause here"),
    })
}

/// What happens to any text.
fn changes<'a>(software: &'a Software, kind: &'static str) -> Vec<Change<'a>> {
    vec![
        ("read as Latin-1 by Node", Does::Is("charset"), Box::new(move |b| software.express("latin1", kind, b))),
        ("read as Latin-1 by Python", Does::Is("charset"), Box::new(move |b| software.flask("latin1", kind, b))),
        ("through iconv", Does::Is("charset"), Box::new(|b| piped(&["iconv", "-f", "latin1", "-t", "utf8"], b))),
        ("as a JSON string", Does::Is("body_wrapped"), Box::new(move |b| software.express("stringify-text", kind, b))),
        ("as a gateway's base64", Does::Is("body_wrapped"), Box::new(move |b| software.express("base64", kind, b))),
        ("with a byte order mark", Does::Is("byte_order_mark"), Box::new(move |b| software.flask("bom", kind, b))),
        ("through gzip", Does::Is("compression"), Box::new(|b| piped(&["gzip", "-nc"], b))),
        ("saved by ed", Does::Lines, Box::new(|b| edited("w\nq\n", b))),
        ("saved by ed with CRLF", Does::Lines, Box::new(|b| edited(",s/$/\r/\nw\nq\n", b))),
        ("through sed with CRLF", Does::Lines, Box::new(|b| piped(&["sed", "s/$/\\r/"], b))),
        ("through a shell's echo", Does::Lines, Box::new(|b| piped(&["bash", "-c", "echo \"$(cat)\""], b))),
        ("through a shell's $(cat)", Does::Lines, Box::new(|b| piped(&["bash", "-c", "printf %s \"$(cat)\""], b))),
        ("sent with curl -d", Does::Rewrites, Box::new(move |b| software.curl(kind, b))),
        ("with another amount", Does::Loses, Box::new(|b| piped(&["sed", "s/2000/2001/"], b))),
        ("cut by head", Does::Loses, Box::new(|b| piped(&["head", "-c", "24"], b))),
    ]
}

fn changes_of_json(software: &Software) -> Vec<Change<'_>> {
    let mut changes: Vec<Change<'_>> = vec![
        ("JSON.stringify", Does::Rewrites, Box::new(|b| software.express("stringify", JSON, b))),
        ("JSON.stringify, 2", Does::Rewrites, Box::new(|b| software.express("stringify-indented", JSON, b))),
        ("json.dumps", Does::Rewrites, Box::new(|b| software.flask("dumps", JSON, b))),
        ("json.dumps, compact", Does::Rewrites, Box::new(|b| software.flask("dumps-compact", JSON, b))),
        ("json.dumps, 4", Does::Rewrites, Box::new(|b| software.flask("dumps-indented", JSON, b))),
        ("json.dumps, sorted", Does::Rewrites, Box::new(|b| software.flask("dumps-sorted", JSON, b))),
        ("Flask's jsonify", Does::Rewrites, Box::new(|b| software.flask("flask", JSON, b))),
        ("jq", Does::Rewrites, Box::new(|b| piped(&["jq", "."], b))),
        ("jq -c", Does::Rewrites, Box::new(|b| piped(&["jq", "-c", "."], b))),
        ("jq -S", Does::Rewrites, Box::new(|b| piped(&["jq", "-S", "."], b))),
    ];
    if is_there("php") {
        let code = "echo json_encode(json_decode(file_get_contents('php://stdin')));";
        changes.push(("json_encode", Does::Rewrites, Box::new(move |b| piped(&["php", "-r", code], b))));
    }
    changes
}

fn changes_of_forms(software: &Software) -> Vec<Change<'_>> {
    vec![
        ("URLSearchParams", Does::Rewrites, Box::new(|b| software.express("form", FORM, b))),
        ("encodeURIComponent", Does::Rewrites, Box::new(|b| software.express("form-components", FORM, b))),
        ("express.urlencoded as JSON", Does::Rewrites, Box::new(|b| software.express("form-as-json", FORM, b))),
        ("urlencode", Does::Rewrites, Box::new(|b| software.flask("form", FORM, b))),
        ("urlencode with quote", Does::Rewrites, Box::new(|b| software.flask("form-spaces", FORM, b))),
        ("Flask's form as JSON", Does::Rewrites, Box::new(|b| software.flask("form-as-json", FORM, b))),
    ]
}

/// The tokens of JSON: numbers as written, strings by what they mean. Two texts with the same ones say the same, and
/// differ only in white space and escapes.
fn tokens(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' => {
                let mut escaped = false;
                let close = rest[1..].find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                close.map_or(rest.len(), |at| at + 2)
            }
            '{' | '}' | '[' | ']' | ',' | ':' => 1,
            _ => rest.find(['}', ']', ',', ' ', '\n', '\r']).unwrap_or(rest.len()),
        };
        let token = &rest[..end];
        let decoded = serde_json::from_str::<Value>(token).ok().filter(Value::is_string);
        found.push(decoded.map_or_else(|| token.to_owned(), |text| format!("text {text}")));
        rest = rest[end..].trim_start();
    }
    found
}

fn json_pairs(text: &[u8]) -> Vec<(String, String)> {
    let value: Value = serde_json::from_slice(text).unwrap();
    let object = value.as_object().unwrap();
    object.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}
