//! What the sender gets is what the app answered.

use hook_tests::{Answer, Sender, request};

use crate::fidelity::{end_to_end, owned, tunnel};

#[test]
fn the_answer_arrives_as_the_app_gave_it() {
    let (_hook, app, _listen, url) = tunnel();
    let fields: [(&str, &[u8]); 6] = [
        ("Set-Cookie", b"a=1"),
        ("X-Latin", b"\xe9\xff"),
        ("Set-Cookie", b"b=2; Path=/"),
        ("Content-Encoding", b"gzip"),
        ("ETag", b"W/\"1\""),
        ("set-cookie", b""),
    ];
    for status in ["200 OK", "202 Accepted", "299 Odd", "302 Found", "400 Bad", "418 Teapot", "500 Oops", "599 Own"] {
        let mut answer = Answer::status(status)
            .body(b"\x1f\x8b\x00\xff".as_slice())
            .header("Connection", "X-Hop")
            .header("X-Hop", "1");
        for (name, value) in fields {
            answer = answer.header(name, value);
        }
        app.answers(answer);
        let reply = request("POST", &url, &[], "{}");
        assert_eq!(
            (reply.status.to_string(), reply.body.as_slice()),
            (status[..3].to_owned(), b"\x1f\x8b\x00\xff".as_slice())
        );
        let kept: Vec<_> = reply
            .headers
            .iter()
            .filter(|(n, _)| !["date", "hook-event-id"].contains(&n.to_ascii_lowercase().as_str()))
            .collect();
        assert_eq!(end_to_end(kept), end_to_end(&owned(&fields)), "{status}");
    }
}

#[test]
fn answers_without_a_body_stay_without_one() {
    let (_hook, app, _listen, url) = tunnel();
    app.answers(Answer::status("204 No Content").bodiless());
    let reply = request("DELETE", &url, &[], "");
    assert_eq!((reply.status, reply.header("content-length"), reply.header("transfer-encoding")), (204, None, None));

    app.answers(Answer::status("304 Not Modified").header("ETag", "\"x\"").bodiless());
    let reply = request("GET", &url, &[("If-None-Match", b"\"x\"")], "");
    assert_eq!(
        (reply.status, reply.header("etag").as_deref(), reply.header("transfer-encoding")),
        (304, Some("\"x\""), None)
    );

    app.answers(Answer::ok("twelve bytes").header("X-Head", "1"));
    let mut sender = Sender::to(&url);
    let reply = sender.head("HEAD", "/a", &[]).response();
    assert_eq!((reply.status, reply.header("x-head").as_deref()), (200, Some("1")));
    assert_eq!(reply.header("content-length").as_deref(), Some("12"), "as a GET would have it");
    // Nothing of a body is on the wire: the next answer on this connection is readable.
    let reply = sender.head("GET", "/b", &[]).response();
    assert_eq!((reply.status, reply.text().as_str()), (200, "twelve bytes"));
    assert_eq!(app.requests().last().unwrap().target(), "/b");
}

#[test]
fn an_answer_in_chunks_has_its_trailers() {
    let (_hook, app, _listen, url) = tunnel();
    app.answers(Answer::status("200 OK").header("Trailer", "X-Sum").chunked(["ab", "cd"]).trailer("X-Sum", "4"));
    let reply = Sender::to(&url).head("POST", "", &[("Content-Length", b"0"), ("TE", b"trailers")]).response();
    assert_eq!((reply.text().as_str(), reply.whole), ("abcd", true));
    assert_eq!(reply.trailers, [("x-sum".to_owned(), b"4".to_vec())]);
}
