//! Requests that could be read in two ways, or that name no host or two: refused, and nothing of them is kept.

use hook_tests::{App, H2Sender, Hook, Listen, Sender, post};

struct Stage {
    url: String,
    path: String,
    host: String,
    hook: Hook,
    app: App,
    _listen: Listen,
}

fn stage() -> Stage {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    let url = listen.url();
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    Stage { host: host.to_owned(), path: format!("/{path}"), url, hook, app, _listen: listen }
}

impl Stage {
    /// The status, or `None` when the connection closed without one; and whether another request may follow.
    fn say(&self, request: &str) -> (Option<u16>, bool) {
        let request = request.replace("PATH", &self.path).replace("HOST", &self.host);
        let mut sender = Sender::to(&self.url);
        sender.send(request);
        let Ok(response) = sender.try_response() else { return (None, false) };
        let next = sender
            .try_head("POST", "/next", &[("Content-Length", b"0")])
            .and_then(|()| sender.try_response())
            .is_ok_and(|response| response.status == 200);
        (Some(response.status), next)
    }

    #[track_caller]
    fn assert_kept(&self, wanted: &[&str]) {
        // What followed a request on its connection was sent by `say`.
        let seen: Vec<_> = self.app.requests().iter().map(|r| r.target()).filter(|t| t != "/next").collect();
        assert_eq!((seen.iter().map(String::as_str).collect::<Vec<_>>(), self.app.broken()), (wanted.to_vec(), 0));
        let kept: Vec<_> = self
            .hook
            .events()
            .iter()
            .map(|e| e["path"].as_str().unwrap().to_owned())
            .filter(|p| p != "/next")
            .collect();
        assert_eq!(kept, wanted);
    }
}

const BODY: &str = "5\r\nhello\r\n0\r\n\r\n";

#[test]
fn bad_framing_is_refused_and_leaves_nothing() {
    let stage = stage();
    for head in [
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2, 3",
        "Content-Length: +2",
        "Content-Length: 0x2",
        "Content-Length: -2",
        "Content-Length: 2 2",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding : chunked",
        "Content-Length : 2",
        "X: 1\r\n folded: 2\r\nContent-Length: 2",
        " X: 1\r\nContent-Length: 2",
        "X: a\rb\r\nContent-Length: 2",
        "X: a\0b\r\nContent-Length: 2",
        "X y: 1\r\nContent-Length: 2",
        ": 1\r\nContent-Length: 2",
        "no colon\r\nContent-Length: 2",
    ] {
        let (status, next) = stage.say(&format!("POST PATH HTTP/1.1\r\nHost: HOST\r\n{head}\r\n\r\n{BODY}"));
        // 501 is for a coding that is not known; where its end is known, another request may follow.
        assert!(status.is_none_or(|s| s == 400) && !next || status == Some(501), "{head:?}: {status:?}");
    }
    for chunks in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "5;x\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "zz\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
    ] {
        let head = "POST PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (status, next) = stage.say(&format!("{head}{chunks}"));
        assert!(status.is_none_or(|s| s == 400) && !next, "{chunks:?}: {status:?}");
    }
    for start in [
        "POST PATH HTTP/1.0\r\nTransfer-Encoding: chunked",
        "POST PATH HTTP/2.0\r\nHost: HOST",
        "POST PATH HTTP/1.2\r\nHost: HOST",
        "POST  PATH HTTP/1.1\r\nHost: HOST",
        "POST PATH\tx HTTP/1.1\r\nHost: HOST",
        "POST PATH/a b HTTP/1.1\r\nHost: HOST",
        "POST PATH\r\nHost: HOST",
        "PO(ST PATH HTTP/1.1\r\nHost: HOST",
        "\0POST PATH HTTP/1.1\r\nHost: HOST",
    ] {
        let (status, next) = stage.say(&format!("{start}\r\n\r\n{BODY}"));
        assert!(status.is_none_or(|s| (400..600).contains(&s)) && !next, "{start:?}: {status:?}");
    }
    assert_eq!(post(&format!("{}/last", stage.url), "{}").status, 200);
    stage.assert_kept(&["/last"]);
}

#[test]
fn a_length_beside_chunks_means_nothing_and_ends_the_connection() {
    let stage = stage();
    for (n, fields) in
        ["Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3"]
            .into_iter()
            .enumerate()
    {
        // As hyper does (RFC 9112 §6.3): the chunks are the body, and nothing that follows is read as a request.
        let request = format!("POST PATH/{n} HTTP/1.1\r\nHost: HOST\r\n{fields}\r\n\r\n{BODY}");
        assert_eq!(stage.say(&request), (Some(200), false), "{fields:?}");
        let request = stage.app.request(n + 1);
        assert_eq!(
            (request.body.as_slice(), request.header("content-length")),
            (b"hello".as_slice(), Some("5".into()))
        );
        assert_eq!(request.header("transfer-encoding"), None, "framed anew");
    }
    stage.assert_kept(&["/0", "/1"]);
}

#[test]
fn lines_that_end_in_a_bare_newline_are_framed_anew() {
    let stage = stage();
    // As hyper does (RFC 9112 §2.2 allows it); what goes to the app has its lines as they should be.
    let (status, _) = stage.say("POST PATH/lf HTTP/1.1\nHost: HOST\nX-A: 1\nContent-Length: 2\n\n{}");
    assert_eq!(status, Some(200));
    let request = stage.app.request(1);
    assert_eq!((request.target(), request.body.as_slice()), ("/lf".into(), b"{}".as_slice()));
    assert_eq!(request.header("x-a").as_deref(), Some("1"));
}

#[test]
fn a_request_names_one_host() {
    let stage = stage();
    for (line, hosts) in [
        ("PATH", ""),
        ("PATH", "Host: HOST\r\nHost: HOST\r\n"),
        ("PATH", "Host: HOST\r\nHost: other.test\r\n"),
        ("PATH", "Host: HOST, other.test\r\n"),
        ("PATH", "Host: HOST/x\r\n"),
        ("PATH", "Host: user@HOST\r\n"),
        ("PATH", "Host: a b\r\n"),
        ("PATH", "Host: HOST:port\r\n"),
        ("PATH", "Host: \u{e9}\r\n"),
        ("http://other.testPATH", "Host: HOST\r\n"),
        ("http://HOSTPATH", "Host: other.test\r\n"),
        ("http://HOSTPATH", "Host: \r\n"),
        ("http://HOST:1PATH", "Host: HOST\r\n"),
        ("http://user@HOSTPATH", "Host: HOST\r\n"),
        ("http://HOSTPATH", "Host: HOST\r\nHost: HOST\r\n"),
    ] {
        let (status, _) =
            stage.say(&format!("POST {line} HTTP/1.1\r\n{hosts}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}"));
        assert_eq!(status, Some(400), "{line} {hosts:?}");
    }
    let mut sender = H2Sender::to(&stage.url);
    let stream = sender.head("/h2", &[("host", "other.test")]);
    sender.data(stream, b"{}", true);
    assert_eq!(sender.status(stream), 400, ":authority and Host differ");
    assert_eq!(post(&format!("{}/last", stage.url), "{}").status, 200);
    stage.assert_kept(&["/last"]);
}

#[test]
fn every_honest_form_of_a_url_is_understood() {
    let stage = stage();
    let forms = [
        ("PATH/origin", "Host: HOST\r\n", "HTTP/1.1"),
        ("http://HOSTPATH/absolute", "Host: HOST\r\n", "HTTP/1.1"),
        ("HTTP://HOSTPATH/upper", "Host: HOST\r\n", "HTTP/1.1"),
        ("PATH/named", "Host: LOCALHOST\r\n", "HTTP/1.1"),
        ("PATH/ported", "Host: localhost:1\r\n", "HTTP/1.1"),
        ("PATH/old", "", "HTTP/1.0"),
        ("PATH/old-named", "Host: HOST\r\n", "HTTP/1.0"),
    ];
    for (line, host, version) in forms {
        let (status, _) = stage.say(&format!("POST {line} {version}\r\n{host}Content-Length: 2\r\n\r\n{{}}"));
        assert_eq!(status, Some(200), "{line} {host:?}");
    }
    // The connection that was kept open brought another one each.
    let targets: Vec<_> = stage.app.requests().iter().map(|r| r.target()).filter(|t| t != "/next").collect();
    assert_eq!(targets, ["/origin", "/absolute", "/upper", "/named", "/ported", "/old", "/old-named"]);
    for request in stage.app.requests() {
        assert_eq!(request.values("host").len(), 1);
        assert_eq!(request.header("host"), Some(format!("127.0.0.1:{}", stage.app.port())), "the target's");
    }
    for (line, wanted) in [("CONNECT HOST", 400..500), ("OPTIONS *", 400..500), ("CONNECT PATH", 400..500)] {
        let (status, _) = stage.say(&format!("{line} HTTP/1.1\r\nHost: HOST\r\n\r\n"));
        assert!(status.is_none_or(|s| wanted.contains(&s)), "{line}: {status:?}");
    }
}
