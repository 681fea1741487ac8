//! A relay that lies: the CLI connects to its target and to nothing else, and never panics.

use bytes::Bytes;
use hook_proto::wire::{self, HandOver, ToCli, VERSION, to_cli, to_relay};
use hook_tests::{App, Hook, Listen, LyingRelay, LyingSession};

struct Stage {
    relay: LyingRelay,
    app: App,
    /// Nobody may ever connect here.
    trap: App,
    listen: Listen,
    hook: Hook,
}

fn stage(path: &str) -> (Stage, LyingSession) {
    let (hook, relay, app, trap) = (Hook::new(), LyingRelay::new(), App::new(), App::new());
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.at(path)]);
    let session = relay.opened();
    listen.ready();
    (Stage { relay, app, trap, listen, hook }, session)
}

impl Stage {
    /// An honest event is served as ever, on this session or the next one.
    #[track_caller]
    fn assert_still_works(&self, session: LyingSession, stream: u64) {
        let mut session = session;
        session.say(to_cli::Kind::Event(session.event(stream)));
        let reply = session.reply(stream);
        assert_eq!((reply.status, reply.by), (200, wire::ReplyBy::App.into()));
        self.assert_unharmed();
    }

    /// It hung up on the liar and comes back for an honest session.
    #[track_caller]
    fn assert_comes_back(&self, stream: u64) {
        self.assert_still_works(self.relay.opened(), stream);
    }

    #[track_caller]
    fn assert_unharmed(&self) {
        assert_eq!(self.trap.connections(), 0, "it connected to where the relay said");
        assert!(self.listen.is_running());
        self.listen.assert_did_not_panic();
    }
}

fn head(event: &mut wire::Event) -> &mut wire::EventHead {
    event.head.as_mut().unwrap()
}

#[test]
fn absolute_uris_and_foreign_hosts_lead_nowhere() {
    let (stage, mut session) = stage("/hooks");
    let trap = stage.trap.url();
    let authority = trap.trim_start_matches("http://").to_owned();
    let paths = [
        trap.clone(),
        format!("{trap}/x"),
        format!("//{authority}/x"),
        format!("@{authority}/x"),
        format!("/@{authority}/"),
        format!(":80@{authority}"),
        format!("/\\{authority}"),
        "/../admin".into(),
        "/..%2f..%2fadmin".into(),
        "relative".into(),
        " HTTP/1.1\r\nHost: evil\r\n\r\nGET /second".into(),
        "/a b".into(),
        "/\0\u{7f}".into(),
        "/ünï".into(),
        "?query=in path".into(),
        "*".into(),
    ];
    for (n, path) in paths.iter().enumerate() {
        let stream = n as u64 + 1;
        let mut event = session.event(stream);
        head(&mut event).path.clone_from(path);
        head(&mut event).url = format!("{trap}/url");
        head(&mut event).headers.push(hook_proto::Header::new("host", authority.clone().into_bytes()));
        session.say(to_cli::Kind::Event(event));
        let reply = session.reply(stream);
        assert!(reply.status == 200 || (400..600).contains(&reply.status), "{path:?}: {}", reply.status);
    }
    for request in stage.app.requests() {
        assert!(request.target().starts_with("/hooks"), "origin-form below the target's path: {}", request.target());
        assert_eq!(request.values("host"), [format!("127.0.0.1:{}", stage.app.port()).into_bytes()]);
    }
    stage.assert_still_works(session, 1000);
}

#[test]
fn what_is_no_http_is_not_sent() {
    let (stage, mut session) = stage("");
    let spoil: [fn(&mut wire::EventHead); 9] = [
        |h| h.method = "GET / HTTP/1.1\r\nX: y\r\n\r\nPOST".into(),
        |h| h.method = String::new(),
        |h| h.method = "CONNECT".into(),
        |h| h.query = Some("a b\r\nX-Injected: 1".into()),
        |h| h.headers.push(hook_proto::Header::new("x-a\r\nx-injected", "1")),
        |h| h.headers.push(hook_proto::Header::new("x-a", "1\r\nX-Injected: 1")),
        |h| h.headers.push(hook_proto::Header::new("", "1")),
        |h| h.headers.push(hook_proto::Header::new("content-length", "99")),
        |h| h.trailers.push(hook_proto::Header::new("x-t", "1\r\nX-Injected: 1")),
    ];
    for (n, spoil) in spoil.iter().enumerate() {
        let stream = n as u64 + 1;
        let mut event = session.event(stream);
        spoil(head(&mut event));
        session.say(to_cli::Kind::Event(event));
        let reply = session.reply(stream);
        assert!(reply.status >= 200, "case {n}: {}", reply.status);
    }
    for request in stage.app.requests() {
        assert_eq!(request.header("x-injected"), None, "{request:?}");
        assert_eq!(request.body, b"{}");
    }
    assert_eq!(stage.app.broken(), 0);
    stage.assert_still_works(session, 1000);
}

#[test]
fn numbers_that_mean_nothing_do_no_harm() {
    let (stage, mut session) = stage("");
    let chunk = |stream, end| wire::Chunk { stream, data: Bytes::from_static(b"x"), end, trailers: Vec::new() };
    for stream in [0, 7, 1 << 40, u64::MAX] {
        session.say(to_cli::Kind::EventData(chunk(stream, false)));
        session.say(to_cli::Kind::EventData(chunk(stream, true)));
        session.say(to_cli::Kind::SenderLeft(wire::Stream { stream }));
        session.say(to_cli::Kind::ReplyUnwanted(wire::Stream { stream }));
        session.say(to_cli::Kind::Pong(wire::Beat { nonce: stream }));
        session.say(to_cli::Kind::CaughtUp(wire::Route { route: stream as u32 }));
    }
    // An event for a route that was never opened, and one without a head.
    let mut lost = session.event(1);
    lost.route = 99;
    session.say(to_cli::Kind::Event(lost));
    stage.assert_still_works(session, 1000);
    assert_eq!(stage.app.count(), 1);
}

#[test]
fn an_event_of_an_old_epoch_is_dropped_without_an_ack() {
    let (stage, mut session) = stage("");
    for (stream, epoch) in [(1, 0), (2, session.epoch + 1), (3, u64::MAX)] {
        let mut event = session.event(stream);
        event.epoch = epoch;
        session.say(to_cli::Kind::Event(event));
    }
    session.say(to_cli::Kind::Event(session.event(4)));
    // Everything up to the ack of the honest one; none of the others is named.
    session.receive_until(|kind| match kind {
        to_relay::Kind::Ack(ack) => {
            assert_eq!(ack.streams, [4]);
            Some(())
        }
        _ => None,
    });
    assert_eq!((stage.app.count(), stage.hook.events().len()), (1, 1));
    stage.assert_unharmed();
}

#[test]
fn huge_lengths_take_no_memory_and_no_time() {
    for size in [u64::MAX, 1 << 62, 1 << 40] {
        let (stage, mut session) = stage("");
        let mut event = session.event(1);
        event.body = Bytes::new();
        head(&mut event).body_size = size;
        session.say(to_cli::Kind::Event(event));
        // Less than it said, and then an end that lies about it.
        let chunk = wire::Chunk { stream: 1, data: Bytes::from(vec![0; 1000]), end: true, trailers: Vec::new() };
        session.say(to_cli::Kind::EventData(chunk));
        // It may hang up or skip it; it must not keep what is not whole.
        session.say(to_cli::Kind::Event(session.event(2)));
        drop(session);
        stage.assert_comes_back(3);
        assert!(stage.app.requests().iter().all(|r| r.body == b"{}"), "only what is whole reaches the app");
        let memory = std::fs::read_to_string(format!("/proc/{}/status", stage.listen.pid())).unwrap_or_default();
        let rss = memory
            .lines()
            .find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        assert!(rss.is_none_or(|kib| kib < 200_000), "{rss:?} KiB");
    }
}

#[test]
fn more_than_was_said_or_allowed_is_not_taken() {
    let (stage, mut session) = stage("");
    let mut event = session.event(1);
    event.body = Bytes::new();
    head(&mut event).body_size = 100_000;
    session.say(to_cli::Kind::Event(event));
    for _ in 0..100 {
        let chunk = wire::Chunk { stream: 1, data: Bytes::from(vec![0; 60_000]), end: false, trailers: Vec::new() };
        session.say(to_cli::Kind::EventData(chunk));
    }
    drop(session);
    stage.assert_comes_back(2);
    assert_eq!(stage.app.count(), 1);
}

#[test]
fn a_body_that_is_not_as_long_as_it_said_is_no_event() {
    let (stage, mut session) = stage("");
    let mut event = session.event(1);
    head(&mut event).body_size = 5;
    session.say(to_cli::Kind::Event(event));
    drop(session);
    stage.assert_comes_back(2);
    assert!(stage.app.requests().iter().all(|r| r.body == b"{}"));
}

#[test]
fn bad_ids_and_states_do_no_harm() {
    let (stage, mut session) = stage("");
    let long = "9".repeat(100_000);
    let ids = [
        "",
        "nonsense",
        "../../etc/passwd",
        "\x1b[31m",
        "01k00000000000000000000000",
        "ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
        long.as_str(),
    ];
    for (n, id) in ids.iter().enumerate() {
        let mut event = session.event(n as u64 + 1);
        head(&mut event).id = (*id).to_owned();
        session.say(to_cli::Kind::Event(event));
    }
    let mut event = session.event(100);
    event.state = 77;
    session.say(to_cli::Kind::Event(event));
    let mut copy = session.event(101);
    copy.state = HandOver::Copy.into();
    session.say(to_cli::Kind::Event(copy));
    drop(session);
    stage.assert_comes_back(1000);
    assert!(!stage.listen.stdout.text().contains('\x1b'));
}

#[test]
fn frames_that_are_none_do_no_harm() {
    let frames: [Vec<u8>; 6] = [
        vec![],
        vec![0xff; 100],
        vec![0x22, 0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![0x0a; 50],
        vec![0; 600 * 1024],
        ToCli::to_frame(to_cli::Kind::Welcome(wire::Welcome { version: VERSION, software: "again".into() })).to_vec(),
    ];
    let (stage, mut session) = stage("");
    for (n, frame) in frames.iter().enumerate() {
        session.say_bytes(frame.clone());
        session.say_text("words");
        drop(session);
        session = stage.relay.opened();
        session.say(to_cli::Kind::Event(session.event(n as u64 + 1)));
        session.reply(n as u64 + 1);
    }
    stage.assert_unharmed();
}

#[test]
fn another_version_is_a_clear_refusal() {
    let (hook, relay) = (Hook::new(), LyingRelay::new());
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop"]);
    let mut session = relay.session();
    assert_eq!(session.hello.version, VERSION);
    session.say(to_cli::Kind::Refused(wire::Refused {
        route: 0,
        code: "version".into(),
        message: "this relay speaks version 2\x1b]0;pwned\x07".into(),
        version: 2,
    }));
    assert_eq!(listen.exit_code(), Some(4));
    let error = listen.wait_for("an error", |r| r["type"] == "error");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains('1') && message.contains('2'), "it names both versions: {message}");
}
