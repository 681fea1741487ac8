//! Fidelity as a property: whatever request is sent, the app gets it, less the differences that docs/fidelity.md lists.

use hook_tests::Message;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::fidelity::{ADDED, HOP, end_to_end, through, tunnel};

/// One request as anybody might send it.
#[derive(Debug, Clone)]
struct Sent {
    method: String,
    behind: String,
    fields: Vec<(String, Vec<u8>)>,
    /// As one body with a length, or in chunks.
    body: Vec<Vec<u8>>,
    chunked: bool,
    trailers: Vec<(String, Vec<u8>)>,
}

fn field() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name = prop_oneof![
        "[Xx]-[A-Za-z0-9!#$%&'*+.^_`|~-]{0,6}",
        prop::sample::select(
            &["Content-Type", "Authorization", "Cookie", "Accept", "User-Agent", "Stripe-Signature", "Date"][..]
        )
        .prop_map(str::to_owned),
    ];
    let byte = prop_oneof![8 => 0x20..=0x7eu8, 1 => Just(b'\t'), 2 => 0x80..=0xffu8];
    // Space around a value is not part of it (RFC 9110 §5.5).
    (name, vec(byte, 0..24).prop_map(|v| v.trim_ascii().to_vec()))
}

fn sent() -> impl Strategy<Value = Sent> {
    let piece = "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}|/){0,12}";
    let method = prop_oneof![
        Just("POST".to_owned()),
        Just("GET".to_owned()),
        "[A-Z]{3,9}".prop_filter("HEAD and CONNECT are others", |m| m != "HEAD" && m != "CONNECT")
    ];
    let query = prop::option::of("([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,16}");
    let body = vec(vec(any::<u8>(), 1..400), 0..4);
    let trailers = vec(field().prop_map(|(n, v)| (format!("x-t{}", n.len()), v)), 0..3);
    (method, piece, query, vec(field(), 0..12), body, any::<bool>(), trailers).prop_map(
        |(method, path, query, fields, body, chunked, trailers)| {
            let query = query.map_or(String::new(), |q| format!("?{q}"));
            Sent { method, behind: format!("/{path}{query}"), fields, body, chunked, trailers }
        },
    )
}

impl Sent {
    fn bytes(&self) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
        let mut fields = self.fields.clone();
        if !self.chunked {
            let body = self.body.concat();
            fields.push(("Content-Length".into(), body.len().to_string().into_bytes()));
            return (fields, body);
        }
        fields.push(("Transfer-Encoding".into(), b"chunked".to_vec()));
        let mut body = Vec::new();
        for chunk in &self.body {
            body.extend([format!("{:X}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        body.extend(b"0\r\n");
        for (name, value) in &self.trailers {
            body.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        body.extend(b"\r\n");
        (fields, body)
    }

    fn assert_is(&self, arrived: &Message) {
        assert_eq!((arrived.word(0), arrived.word(1)), (self.method.clone(), self.behind.clone()));
        assert_eq!(end_to_end(&arrived.headers), end_to_end(&self.fields));
        assert_eq!(arrived.body, self.body.concat());
        let trailers: &[_] = if self.chunked { &self.trailers } else { &[] };
        assert_eq!(end_to_end(&arrived.trailers), end_to_end(trailers));
    }
}

#[test]
fn whatever_is_sent_arrives() {
    let (hook, app, listen, url) = tunnel();
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&sent(), |sent| {
        let (fields, body) = sent.bytes();
        let fields: Vec<(&str, &[u8])> = fields.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        let arrived = through(&app, &url, &sent.method, &sent.behind, &fields, &body);
        sent.assert_is(&arrived);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // And again, out of the journal.
    let last = app.requests().pop().unwrap();
    listen.attempt(app.count());
    hook.run(["replay", "last"]).succeeded();
    let again = app.requests().pop().unwrap();
    assert_eq!((again.target(), &again.body), (last.target(), &last.body));
    let unmarked = |headers: &[(String, Vec<u8>)]| {
        let mut fields = end_to_end(headers);
        fields.remove("hook-replay");
        fields
    };
    assert_eq!(unmarked(&again.headers), unmarked(&last.headers));
}

#[test]
fn the_list_of_differences_names_each_one() {
    let list =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/fidelity.md")).expect("docs/fidelity.md");
    let list = list.to_ascii_lowercase();
    for name in ADDED.iter().chain(&HOP).chain(&["hook-replay", "proxy-authorization", "upgrade"]) {
        assert!(list.contains(&format!("`{name}`")), "docs/fidelity.md does not name `{name}`");
    }
    // What resign.rs tries: when a signature is not the sender's.
    for word in ["--as-received", "--app-url", "--resign", "re-signed", "resigned", "--hold", "--set", "--edit"] {
        assert!(list.contains(&format!("`{word}`")), "docs/fidelity.md does not name `{word}`");
    }
}
