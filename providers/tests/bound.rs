//! A signature that is right, by a secret that is known, and what it is bound to is not: that is said, and never that the secret is
//! another. And the older header beside the one that libraries look at.

use hook_providers::{Around, Catalog, Cause, Explanation, Known, Request, Secret, State, explain, sign};

const NOW: u64 = 1_780_000_000_000;
const KEY: &str = "sig_0123456789abcdefghij9fQ2";
const BODY: &str = r#"{"id":"1","status":"completed"}"#;
const URL: &str = "https://h.example/q";

/// The fields of a request that verifies.
fn signed(slug: &str, url: &str, params: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let catalog = Catalog::shipped();
    let fields: [(&str, &[u8]); 1] = [("content-type", b"application/json")];
    let request = Request::new("POST", url, &fields, BODY.as_bytes());
    let known = Known { secrets: &[Secret { label: slug, value: KEY }], params, ..Known::default() };
    sign(catalog.get(slug).expect("it is shipped"), &request, &known, NOW).expect("it can be signed").apply(&fields)
}

/// What is found when it comes by this URL with this body.
fn came(slug: &str, fields: &[(String, Vec<u8>)], url: &str, body: &str, params: &[(&str, &str)]) -> Explanation {
    let catalog = Catalog::shipped();
    let fields: Vec<(&str, &[u8])> = fields.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    let known = Known { secrets: &[Secret { label: slug, value: KEY }], params, ..Known::default() };
    let request = Request::new("POST", url, &fields, body.as_bytes());
    let around = Around { catalog: Some(&catalog), ..Around::default() };
    explain(catalog.get(slug).expect("it is shipped"), &request, &known, &around, NOW)
}

/// The verdict of a live event says it as well as the explanation does.
fn expect(found: &Explanation, cause: Cause, says: &str) {
    assert_eq!((found.cause, found.verdict.state), (cause, State::Invalid), "{}", found.says);
    assert_eq!((found.says.as_str(), found.verdict.reason.as_str()), (says, says));
    assert_eq!(found.verdict.secret, Some(0));
    assert!(found.next.is_some());
}

#[test]
fn a_token_for_another_url() {
    let fields = signed("qstash", URL, &[]);
    let found = came("qstash", &fields, "https://h.example/other/place", BODY, &[]);
    let says = "signed with qstash, but it is for https://h.example/q, and came by https://h.example/other/place";
    expect(&found, Cause::UrlPath, says);
    let found = came("messagebird", &signed("messagebird", URL, &[]), "https://h.example/other/place", BODY, &[]);
    let says =
        "signed with messagebird, but it is for another URL than https://h.example/other/place, by which it came";
    expect(&found, Cause::UrlOther, says);
    // What software does to a URL is told as such.
    let found = came("qstash", &fields, "https://h.example/q/", BODY, &[]);
    assert_eq!(found.cause, Cause::UrlSlash, "{}", found.says);
    let found = came("qstash", &fields, "https://else.example/x", "{}", &[]);
    let both = "signed with qstash, but it is for another body than the one that came; and it is for https://h.example/q, \
                and came by https://else.example/x";
    expect(&found, Cause::BodyOther, both);
}

#[test]
fn a_token_for_another_body() {
    for slug in ["qstash", "messagebird", "livekit", "vonage"] {
        let fields = signed(slug, URL, &[]);
        let says = format!("signed with {slug}, but it is for another body than the one that came");
        expect(&came(slug, &fields, URL, r#"{"id":"2"}"#, &[]), Cause::BodyOther, &says);
        // What was changed on the way is told as such, and so is what did not come.
        let spaced = came(slug, &fields, URL, r#"{"id": "1", "status": "completed"}"#, &[]);
        assert_eq!(spaced.cause, Cause::BodyReformatted, "{}", spaced.says);
        assert_eq!(came(slug, &fields, URL, "", &[]).cause, Cause::BodyMissing, "{slug}");
    }
    // The hash is in the URL, which is what is signed.
    let url = "https://h.example/q?bodySHA256=0694a7d147f4e75238a8ca97ff3450bc38a5abe508393a374172f07ecd6d4972";
    let found = came("twilio", &signed("twilio", url, &[]), url, r#"{"id":"2"}"#, &[]);
    expect(&found, Cause::BodyOther, "signed with twilio, but it is for another body than the one that came");
}

#[test]
fn a_token_of_another_issuer() {
    let fields = signed("livekit", URL, &[("api_key", "APImine")]);
    let found = came("livekit", &fields, URL, BODY, &[("api_key", "APIother")]);
    expect(&found, Cause::BoundOther, "signed with livekit, but its iss is APImine, not APIother");
    let found = came("pusher", &signed("pusher", URL, &[("key", "mine")]), URL, BODY, &[("key", "other")]);
    expect(&found, Cause::BoundOther, "signed with pusher, but its X-Pusher-Key header is mine, not other");
}

/// Where the secret is another, nothing of what is bound is worth telling.
#[test]
fn a_token_of_another_secret() {
    let mut fields = signed("qstash", URL, &[]);
    let token = &mut fields.last_mut().expect("it is signed").1;
    token.truncate(token.len() - 4);
    token.extend(b"AAAA");
    for (url, body) in [(URL, BODY), ("https://else.example/x", "{}")] {
        let found = came("qstash", &fields, url, body, &[]);
        assert_eq!((found.cause, found.verdict.secret), (Cause::Unknown, None), "{}", found.says);
        assert_eq!(found.verdict.reason, "no known secret made this token");
    }
}

#[test]
fn the_older_header_alone() {
    // HMAC-SHA1 of BODY with KEY, by openssl.
    let right = "sha1=9c0b110886f05d685fc340df2f5f4196b558b65d";
    let found = |value: &str| {
        let fields = [("X-GitHub-Event", "push"), ("X-Hub-Signature", value)];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let found = came("github", &fields, URL, BODY, &[]);
        assert_eq!(found.verdict.state, State::Unsigned);
        (found.cause, found.says)
    };
    let only = "no X-Hub-Signature-256 header, only the older X-Hub-Signature with SHA-1";
    assert_eq!(found(right), (Cause::OtherHash, format!("{only}, which verifies: signed with github")));
    let (cause, says) = found("sha1=0000000000000000000000000000000000000000");
    assert_eq!(cause, Cause::Unsigned);
    assert!(says.starts_with(&format!("{only}, and no known secret made it: anyone can send this")), "{says}");
}
