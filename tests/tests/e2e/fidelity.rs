//! What the app gets is what was sent. property.rs says the same of everything that can be sent.

use std::collections::BTreeMap;

use hook_tests::{App, Hook, Listen, Request, Sender, assert_same_bytes, pattern, request};

/// What hook adds towards the app.
pub(crate) const ADDED: [&str; 5] =
    ["hook-event-id", "hook-attempt", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
/// What stays on its hop, or is the target's instead of the sender's.
pub(crate) const HOP: [&str; 8] =
    ["host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "content-length", "expect"];

pub(crate) fn tunnel() -> (Hook, App, Listen, String) {
    tunnel_with(&[])
}

pub(crate) fn tunnel_with(args: &[&str]) -> (Hook, App, Listen, String) {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen([&["--forward-to", &app.url()], args].concat());
    let url = listen.url();
    (hook, app, listen, url)
}

/// Sends bytes behind `METHOD PATH` and `Host`, and gives what arrived.
pub(crate) fn through(
    app: &App,
    url: &str,
    method: &str,
    behind: &str,
    fields: &[(&str, &[u8])],
    body: &[u8],
) -> Request {
    let before = app.count();
    let mut sender = Sender::to(url);
    sender.head(method, behind, fields).send(body);
    let response = sender.response();
    assert_eq!(response.status, 200, "{method} {behind}: {}", response.text());
    app.request(before + 1)
}

/// The values of each field by its name, in order, less what hook adds and what belongs to the hop.
pub(crate) fn end_to_end<'a>(
    headers: impl IntoIterator<Item = &'a (String, Vec<u8>)>,
) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut by_name: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        if !ADDED.contains(&name.as_str()) && !HOP.contains(&name.as_str()) {
            by_name.entry(name).or_default().push(value.clone());
        }
    }
    by_name
}

pub(crate) fn owned(fields: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(n, v)| ((*n).to_owned(), v.to_vec())).collect()
}

#[test]
fn paths_and_queries_arrive_as_they_were_sent() {
    let (_hook, app, listen, url) = tunnel();
    let behind = [
        "/plain",
        "/a%2Fb%20c%E2%82%AC/",
        "//double//slash//",
        "/a/../b/./c",
        "/%2e%2e/x",
        "/semi;colon=1,2:3@4&5=6+7$8!9*(0)'~_-.",
        "/a?",
        "?",
        "/a?b=c&b=d&e=%26+%20&f",
        "/a?next=http://x/y?z=1&u=/../..",
        "/pipe|brace{}caret^back\\slash\"quote",
        "/?q={}|`'json=[1]",
        "/br[ac]kets",
        "/ünï?cödé",
        "/long",
    ];
    for behind in behind {
        let arrived = through(&app, &url, "POST", behind, &[("Content-Length", b"0")], b"");
        let wanted = if behind.starts_with('?') { format!("/{behind}") } else { behind.to_owned() };
        assert_eq!(arrived.target(), wanted);
        let event = listen.event(app.count());
        let (path, query) = wanted.split_once('?').unwrap_or((&wanted, ""));
        assert_eq!((event["path"].as_str(), event["query"].as_str()), (Some(path), Some(query)));
        assert_eq!(event["url"], format!("{url}{behind}"));
    }
}

#[test]
fn what_no_http_stack_takes_in_a_url_is_refused_and_never_changed() {
    let (hook, app, _listen, url) = tunnel();
    for bad in [b"/<x".as_slice(), b"/x>", b"/`", b"/\xc3", b"/\x01", b"?<", b"?>", b"?\"", b"?\xff", b"/a b"] {
        let mut sender = Sender::to(&url);
        let line =
            [b"POST ", sender.path().as_bytes(), bad, b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"].concat();
        assert_eq!(sender.send(line).response().status, 400, "{}", bad.escape_ascii());
    }
    assert_eq!((app.count(), hook.events().len()), (0, 0));
}

#[test]
fn a_path_that_leaves_the_targets_own_is_refused_and_kept() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.at("/hooks")]);
    let url = listen.url();
    for (n, behind) in ["/../admin", "/a/../../admin", "/%2e%2e/admin", "/..%2fadmin"].iter().enumerate() {
        let mut sender = Sender::to(&url);
        let reply = sender.head("POST", behind, &[("Content-Length", b"0")]).response();
        assert_eq!(reply.status, 400, "{behind}: {}", reply.text());
        assert!(!reply.text().is_empty(), "it says why");
        listen.event(n + 1);
        assert_eq!(hook.event_state(n as u64 + 1), "refused", "{behind}");
    }
    assert_eq!((app.count(), app.broken()), (0, 0));
    // What comes back to the target's path stays on it, raw.
    let reply = Sender::to(&url).head("POST", "/a/../b", &[("Content-Length", b"0")]).response();
    assert_eq!((reply.status, app.request(1).target()), (200, "/hooks/a/../b".into()));
}

#[test]
fn any_method_arrives() {
    let (_hook, app, listen, url) = tunnel();
    let methods = [
        "GET",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "PROPFIND",
        "M-SEARCH",
        "purge",
        "X!#$%&'*+.^_`|~9",
    ];
    for method in methods {
        let arrived = through(&app, &url, method, "", &[("Content-Length", b"4")], b"body");
        assert_eq!((arrived.method().as_str(), arrived.body.as_slice()), (method, b"body".as_slice()));
        assert_eq!(listen.event(app.count())["method"], method);
    }
}

#[test]
fn two_hundred_headers_arrive_in_order() {
    let (_hook, app, _listen, url) = tunnel();
    let names: Vec<(String, Vec<u8>)> =
        (0..200).map(|n| (format!("X-Field-{}", n % 80), format!("value {n}").into_bytes())).collect();
    let mut fields: Vec<(&str, &[u8])> = names.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    fields.push(("Content-Length", b"2"));
    let arrived = through(&app, &url, "POST", "", &fields, b"{}");
    assert_eq!(end_to_end(&arrived.headers), end_to_end(&names));
}

#[test]
fn header_values_are_bytes() {
    let (_hook, app, listen, url) = tunnel_with(&["--body"]);
    let fields: [(&str, &[u8]); 8] = [
        ("X-Latin", b"caf\xe9 \xff\x80"),
        ("X-Empty", b""),
        ("X-Same", b"one"),
        ("x-same", b""),
        ("X-SAME", b"two,  three"),
        ("Cookie", b"a=b; c=\"d\""),
        ("X-Tab", b"a\tb"),
        ("Content-Length", b"0"),
    ];
    let arrived = through(&app, &url, "POST", "", &fields, b"");
    assert_eq!(end_to_end(&arrived.headers), end_to_end(&owned(&fields)));
    let headers = listen.event(1)["headers"].clone();
    let latin = headers.as_array().unwrap().iter().find(|h| h[0] == "x-latin").unwrap();
    assert_eq!(latin[1]["base64"], "Y2Fm6SD/gA==", "{headers}");
}

#[test]
fn what_belongs_to_a_hop_stays_on_it_and_hooks_own_fields_cannot_be_forged() {
    let (_hook, app, _listen, url) = tunnel();
    let fields: [(&str, &[u8]); 9] = [
        ("Connection", b"keep-alive, X-Hop"),
        ("X-Hop", b"1"),
        ("Keep-Alive", b"timeout=5"),
        ("TE", b"trailers"),
        ("Hook-Event-Id", b"forged"),
        ("Hook-Replay", b"1"),
        ("X-Forwarded-For", b"6.6.6.6"),
        ("X-Forwarded-Proto", b"gopher"),
        ("Content-Length", b"0"),
    ];
    let arrived = through(&app, &url, "POST", "", &fields, b"");
    assert_eq!(end_to_end(&arrived.headers), BTreeMap::new());
    assert_ne!(arrived.event_id(), "forged");
    assert_eq!((arrived.header("hook-replay"), arrived.values("x-forwarded-for")), (None, vec![b"127.0.0.1".to_vec()]));
    assert_eq!(arrived.values("x-forwarded-proto"), vec![b"http".to_vec()]);
}

#[test]
fn bodies_arrive_byte_for_byte() {
    let (hook, app, _listen, url) = tunnel();
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xabV*I-.Q\xb2R*.)\xca\xccKW\xaa\x05\x00\x9b\x1d\xd0\xb3\x12\x00\x00\x00";
    let not_json: &[u8] = b"{ \"a\" : 1.0 , \"a\":\"\\/\" }\r\n\xff\xfe\x00";
    for (kind, encoding, body) in [
        ("application/json", "", not_json),
        ("application/json", "gzip", gzip),
        ("application/x-www-form-urlencoded", "", b"a=b&a=%20+&=&"),
        ("multipart/form-data; boundary=x", "", b"--x\r\n\r\na\n--x--"),
        ("nonsense", "", b""),
    ] {
        let length = body.len().to_string();
        let mut fields = vec![("Content-Type", kind.as_bytes()), ("Content-Length", length.as_bytes())];
        if !encoding.is_empty() {
            fields.push(("Content-Encoding", encoding.as_bytes()));
        }
        let arrived = through(&app, &url, "POST", "", &fields, body);
        assert_eq!((arrived.body.as_slice(), arrived.header("content-length")), (body, Some(length.clone())), "{kind}");
        assert_eq!(end_to_end(&arrived.headers), end_to_end(&owned(&fields)));
        assert_eq!(hook.run(["show", "last", "--raw"]).succeeded().raw_stdout, body);
    }
}

#[test]
fn chunked_bodies_and_their_trailers_arrive() {
    let (_hook, app, listen, url) = tunnel();
    let fields: [(&str, &[u8]); 2] = [("Transfer-Encoding", b"chunked"), ("Trailer", b"X-Sum, X-Odd")];
    let body = b"3;ext=1\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\nX-Odd: \xe9\r\nX-Sum: again\r\n\r\n";
    let arrived = through(&app, &url, "POST", "", &fields, body);
    assert_eq!(arrived.body, b"abcdefg");
    assert_eq!(listen.event(1)["size"], 7);
    let trailers: Vec<_> = arrived.trailers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.clone())).collect();
    let (sums, odd): (Vec<_>, Vec<_>) = trailers.into_iter().partition(|(n, _)| n == "x-sum");
    assert_eq!(sums.iter().map(|(_, v)| v.as_slice()).collect::<Vec<_>>(), [b"7".as_slice(), b"again"]);
    assert_eq!(odd, [("x-odd".to_owned(), b"\xe9".to_vec())]);
}

#[test]
fn a_body_is_no_matter_of_the_method() {
    let (_hook, app, _listen, url) = tunnel();
    let chunks = b"3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n";
    for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
        for body in [b"3\r\nabc\r\n0\r\n\r\n".as_slice(), chunks] {
            let arrived = through(&app, &url, method, "", &[("Transfer-Encoding", b"chunked")], body);
            assert_eq!(arrived.body, b"abc", "{method} with {}", body.escape_ascii());
            assert_eq!(arrived.trailers.len(), usize::from(body == chunks), "{method}");
        }
    }
}

#[test]
fn thirty_two_mebibytes_arrive_and_are_kept() {
    let (hook, app, listen, url) = tunnel();
    let body = pattern(32 * 1024 * 1024);
    let reply = request("PUT", &url, &[], &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_same_bytes("the body at the app", &app.request(1).body, &body);
    assert_same_bytes("the body in the journal", &hook.run(["show", "last", "--raw"]).succeeded().raw_stdout, &body);
    assert_eq!(listen.event(1)["size"], body.len());
    hook.run(["replay", "last"]).succeeded();
    assert_same_bytes("the body of the replay", &app.request(2).body, &body);
}

#[test]
fn a_body_above_the_limit_is_refused_before_it_is_read() {
    let (hook, app, _listen, url) = tunnel_with(&["--max-body", "100000"]);
    // Not a byte of these is sent: the answer must not wait for them.
    for fields in [
        vec![("Content-Length", b"100001".as_slice())],
        vec![("Content-Length", b"99999999999"), ("Expect", b"100-continue")],
    ] {
        let reply = Sender::to(&url).head("POST", "", &fields).response();
        assert_eq!((reply.status, reply.interim), (413, vec![]), "{fields:?}");
    }
    let mut sender = Sender::to(&url);
    sender.head("POST", "", &[("Transfer-Encoding", b"chunked")]);
    let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
    for _ in 0..7 {
        sender.send(&chunk);
    }
    assert_eq!(sender.response().status, 413, "its end was never sent");
    assert_eq!(request("POST", &url, &[], vec![b'x'; 100_000]).status, 200, "the limit itself is allowed");
    assert_eq!((app.count(), hook.events().len()), (1, 1));
}

#[test]
fn expect_100_continue_is_answered() {
    let (_hook, app, _listen, url) = tunnel();
    let mut sender = Sender::to(&url);
    sender.head("POST", "", &[("Content-Length", b"5"), ("Expect", b"100-continue")]);
    let interim = sender.response_head();
    assert_eq!(interim.word(1), "100");
    assert_eq!((app.count(), app.broken()), (0, 0), "the app sees only complete requests");
    assert_eq!(sender.send("hello").response().status, 200);
    assert_eq!(app.request(1).body, b"hello");
}
