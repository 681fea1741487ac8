use bytes::Bytes;
use hook_proto::{EventHead, Header};
use proptest::prelude::*;

use super::change::Changed;
use super::choose;
use super::draft::{Bad, Draft, Resign, Saved, grafted};
use crate::journal::EventRow;
use crate::json::tokens;

fn event(kind: &str, body: &[u8]) -> Changed {
    let headers = [("host", "pub"), ("content-type", kind), ("x-odd", "\u{7f}"), ("stripe-signature", "t=1,v1=aa")];
    let head = EventHead {
        method: "POST".into(),
        path: "/in".into(),
        headers: headers.iter().map(|(n, v)| Header::new(*n, v.as_bytes().to_vec())).collect(),
        ..EventHead::default()
    };
    Changed { head, body: Bytes::copy_from_slice(body) }.fitted()
}

const JSON: &[u8] = br#"{"id":"evt_1","amount":1.10,"items":[1,2]}"#;

/// What comes back when a text of the draft is replaced.
fn saved(from: &Changed, with: Option<&str>, old: &str, new: &str) -> Result<Saved, Bad> {
    let draft = Draft::new(40, from.clone(), with);
    assert!(draft.text.contains(old), "{}", draft.text);
    draft.read(&draft.text.replacen(old, new, 1))
}

#[track_caller]
fn changed(saved: Result<Saved, Bad>) -> (Changed, Resign) {
    match saved {
        Ok(Saved::Changed(changed, resign)) => (*changed, resign),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_draft_is_readable_and_says_how_it_will_be_signed() {
    let drafts = [
        Draft::new(40, event("application/json", JSON), Some("stripe whsec_…9fQ2")).text,
        Draft::new(40, event("application/json", JSON), None).text,
        Draft::new(40, event("image/png", b"\0\x01\xff"), None).text,
    ];
    insta::assert_snapshot!(drafts.join("-----\n"));
}

#[test]
fn nothing_is_sent_when_nothing_was_changed() {
    for from in
        [event("application/json", JSON), event("text/plain", b"a\n"), event("x/y", b"\0\xff"), event("a/b", b"")]
    {
        for with in [None, Some("stripe …")] {
            let draft = Draft::new(1, from.clone(), with);
            assert_eq!(draft.read(&draft.text), Ok(Saved::Unchanged));
            assert_eq!(draft.read(&format!("# a note\n{}", draft.text)), Ok(Saved::Unchanged));
            assert_eq!(draft.read("  \n\n"), Ok(Saved::Nothing));
        }
    }
}

#[test]
fn what_was_changed_is_changed_and_nothing_else() {
    let from = event("application/json", JSON);
    let (amount, resign) = changed(saved(&from, Some("stripe …"), "1.10", "4200.00"));
    assert_eq!((&amount.body[..], resign), (&br#"{"id":"evt_1","amount":4200.00,"items":[1,2]}"#[..], Resign::Yes));
    let draft = Draft::new(40, from.clone(), Some("stripe …"));
    let text = draft.text.replacen("yes (stripe …)", "no", 1);
    assert_eq!(draft.read(&text), Ok(Saved::Unchanged));
    let (header, resign) = changed(draft.read(&text.replacen("v1=aa", "v1=bb", 1)));
    assert_eq!((&header.body, resign), (&from.body, Resign::No));
    let (header, _) = changed(saved(&from, None, "stripe-signature: t=1,v1=aa\n", "x-new: 1\n"));
    let names: Vec<&str> = header.head.headers.iter().map(|h| h.name.as_str()).collect();
    assert_eq!((names, &header.body), (vec!["host", "x-odd", "content-type", "x-new"], &from.body));
    let (line, _) = changed(saved(&from, None, "POST /in ", "PUT /other?x=1 "));
    assert_eq!(
        (line.head.method.as_str(), line.head.path.as_str(), line.head.query.as_deref()),
        ("PUT", "/other", Some("x=1"))
    );
    let text = event("text/plain", b"no end of line");
    assert_eq!(&changed(saved(&text, None, "no end", "an end")).0.body[..], b"an end of line");
    let binary = event("x/y", b"\0\xff");
    assert_eq!(changed(saved(&binary, None, "x/y", "x/z")).0.body, binary.body);
}

#[test]
fn what_cannot_be_sent_says_where() {
    let from = event("application/json", JSON);
    let Err(Bad::Json { line, what, anyway, .. }) = saved(&from, Some("s"), "1.10,", "1.10,,") else { panic!() };
    // Three lines of head, two of notes, an empty one, and the third of the body.
    assert_eq!((line, what.as_str()), (9, "expected a key in double quotes"));
    assert!(std::str::from_utf8(&anyway.body).unwrap().contains("1.10,,"));
    for (old, new, at) in [
        ("POST /in", "POST in", 2),
        ("POST", "P{T", 2),
        ("content-type:", "content type:", 3),
        ("content-type: application/json", "host: x", 3),
    ] {
        assert!(matches!(saved(&from, None, old, new), Err(Bad::Head { line, .. }) if line == at), "{new}");
    }
}

#[test]
fn a_path_that_was_changed_goes_below_the_same_target() {
    let moved = |target: &str, from: &str, to: &str| {
        let old = EventRow::for_test(1, "POST", from);
        let row = EventRow { target: Some(target.into()), ..EventRow::for_test(1, "POST", to) };
        choose::moved(&row, &old.head)
    };
    assert_eq!(moved("http://localhost:3000/hooks/a", "/a", "/b").as_deref(), Some("http://localhost:3000/hooks/b"));
    assert_eq!(moved("http://localhost:3000/hooks", "", "/b").as_deref(), Some("http://localhost:3000/hooks/b"));
    assert_eq!(moved("http://localhost:3000/", "", "/b").as_deref(), Some("http://localhost:3000/b"));
    assert_eq!(moved("http://localhost:3000/x", "/a", "/b"), None);
}

fn json() -> impl Strategy<Value = String> {
    let scalar =
        prop_oneof![Just("1.0".to_owned()), Just("2".to_owned()), Just("\"a b\"".to_owned()), Just("null".to_owned())];
    scalar.prop_recursive(3, 20, 4, |inner| {
        let space = "[ \n]{0,2}";
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), space)
                .prop_map(|(items, s)| format!("[{s}{}{s}]", items.join(&format!(",{s}")))),
            (prop::collection::vec(inner, 0..4), space).prop_map(|(values, s)| {
                let members: Vec<String> =
                    values.iter().enumerate().map(|(n, v)| format!("\"k{n}\"{s}:{s}{v}")).collect();
                format!("{{{s}{}{s}}}", members.join(&format!("{s},")))
            }),
        ]
    })
}

proptest! {
    /// The saved document's tokens, and around what differs the old document's bytes.
    #[test]
    fn a_graft_means_what_was_saved(old in json(), new in json()) {
        let made = grafted(old.as_bytes(), new.as_bytes());
        let texts = |bytes: &[u8]| tokens(bytes).map(|t| t.unwrap().text.to_owned()).collect::<Vec<_>>();
        prop_assert_eq!(texts(&made), texts(new.as_bytes()));
        prop_assert_eq!(grafted(old.as_bytes(), crate::json::pretty(old.as_bytes()).unwrap().as_bytes()), old.as_bytes());
    }
}
