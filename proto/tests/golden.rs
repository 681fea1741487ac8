//! One message of each kind, whose bytes may never change: an old peer sends and expects exactly these.
//!
//! For a new kind add a value here and its frame in `testdata/v1`; the failing test prints the bytes.
//! A frame that is there is never changed: if it no longer fits, that is a new `VERSION`.

mod common;

use bytes::Bytes;
use hook_proto::wire::*;
use hook_proto::{EventId, Header};

/// Lists the golden values of one direction; a kind without one does not compile.
macro_rules! golden {
    ($list:ident, $module:ident: $($kind:ident { $($name:literal => $value:expr,)+ })+) => {
        fn $list() -> Vec<(&'static str, $module::Kind)> {
            let _every_kind = |kind: &$module::Kind| match kind { $($module::Kind::$kind(_) => (),)+ };
            vec![$($((concat!(stringify!($module), ".", $name), $module::Kind::$kind($value)),)+)+]
        }
    };
}

golden! { from_cli, to_relay:
    Hello { "hello" => Hello {
        version: 1,
        software: "hook 0.1.0".into(),
        instance: "01M3250H7GEYN5BK1K24H36H2N".into(),
        label: "user@studio ~/shop (pid 4711)".into(),
    }, }
    Open {
        "open" => Open {
            route: 1,
            name: "shop".into(),
            mode: Mode::Responder as i32,
            settings: Some(Settings { queued_status: 202, max_body: 5_242_880 }),
            held: 0,
        },
        "open.again" => Open { route: 1, name: "shop".into(), mode: Mode::Responder as i32, settings: None, held: 4 },
        "open.mirror" => Open { route: 2, name: "shop".into(), mode: Mode::Mirror as i32, settings: None, held: 0 },
    }
    Ack { "ack" => Ack { streams: vec![1, 2, 300] }, "ack.one" => Ack { streams: vec![1] }, }
    Reply {
        "reply" => Reply {
            stream: 1,
            by: ReplyBy::App as i32,
            status: 200,
            headers: vec![header("content-type", "application/json"), header("content-length", "17")],
            body: Bytes::from_static(b"{\"received\":true}"),
            more: false,
        },
        "reply.queued" => Reply {
            stream: 2,
            by: ReplyBy::Hook as i32,
            status: 202,
            headers: vec![header("hook-status", "queued")],
            body: Bytes::new(),
            more: false,
        },
        "reply.streamed" => Reply {
            stream: 300,
            by: ReplyBy::App as i32,
            status: 207,
            headers: vec![header("set-cookie", "a=1"), header("set-cookie", "b=2"), header("x-raw", b"caf\xe9\0")],
            body: Bytes::from_static(b"first"),
            more: true,
        },
    }
    ReplyData {
        "reply_data" => Chunk { stream: 300, data: Bytes::from_static(b", next"), end: false, trailers: vec![] },
        "reply_data.end" => Chunk {
            stream: 300,
            data: Bytes::from_static(b"\n"),
            end: true,
            trailers: vec![header("server-timing", "db;dur=53"), header("expires", "")],
        },
    }
    ReplyBroken { "reply_broken" => Stream { stream: 300 }, }
    Credit { "credit" => Credit { stream: 2, bytes: 65_536 }, }
    Ping { "ping" => Beat { nonce: 1 }, }
    Pong { "pong" => Beat { nonce: u64::MAX }, }
    Close { "close" => Route { route: 2 }, }
}

golden! { from_relay, to_cli:
    Welcome { "welcome" => Welcome { version: 1, software: "hook-relay 0.1.0".into() }, }
    Refused {
        "refused" => Refused {
            route: 2,
            code: "name".into(),
            message: "the name shop belongs to another token".into(),
            version: 1,
        },
        "refused.session" => Refused {
            route: 0,
            code: "version".into(),
            message: "this relay speaks version 2, the client version 1: update hook".into(),
            version: 2,
        },
    }
    Opened { "opened" => Opened {
        route: 1,
        name: "shop".into(),
        public_url: "https://relay.example/shop".into(),
        epoch: 4,
        waiting: 2,
    }, }
    Event {
        "event" => Event {
            route: 1,
            epoch: 4,
            stream: 1,
            state: HandOver::Awaited as i32,
            head: Some(head()),
            body: Bytes::from_static(b"{\"id\":\"evt_1S\",\"type\":\"charge.succeeded\"}"),
        },
        "event.large" => Event {
            route: 1,
            epoch: 4,
            stream: 2,
            state: HandOver::Queued as i32,
            head: Some(EventHead {
                id: "01M3250ZEQB8BW1ZZFPBWADXK7".into(),
                received_at: 1_790_000_004_567,
                method: "PUT".into(),
                url: "https://shop.relay.example//a%2Fb/../c?".into(),
                path: "//a%2Fb/../c".into(),
                query: Some(String::new()),
                http_version: "HTTP/2".into(),
                headers: vec![header("x-twice", "1"), header("x-raw", b"caf\xe9"), header("x-twice", "")],
                trailers: vec![header("x-checksum", "9f86d081")],
                remote_ip: "2001:db8::17".into(),
                forwarded: Some(Forwarded {
                    r#for: "2001:db8::17".into(),
                    proto: "https".into(),
                    host: "shop.relay.example".into(),
                }),
                body_size: 70_000,
            }),
            body: Bytes::new(),
        },
        "event.given" => Event { stream: 3, state: HandOver::Given as i32, ..plain() },
        "event.copy" => Event { route: 2, state: HandOver::Copy as i32, ..plain() },
    }
    EventData {
        "event_data" => Chunk { stream: 2, data: Bytes::from_static(&[0, 1, 0xfe, 0xff]), end: false, trailers: vec![] },
        "event_data.end" => Chunk { stream: 2, data: Bytes::from_static(b"end"), end: true, trailers: vec![] },
    }
    SenderLeft { "sender_left" => Stream { stream: 1 }, }
    CaughtUp { "caught_up" => Route { route: 1 }, }
    Superseded { "superseded" => Superseded {
        route: 1,
        by: "user@laptop ~/shop (pid 99)".into(),
        at: 1_790_000_009_001,
    }, }
    GoAway { "go_away" => GoAway { reason: "the relay restarts".into(), retry_after: 1_500 }, }
    Credit { "credit" => Credit { stream: 300, bytes: 1_048_576 }, }
    Ping { "ping" => Beat { nonce: 2 }, }
    Pong { "pong" => Beat { nonce: 1 }, }
    ReplyUnwanted { "reply_unwanted" => Stream { stream: 300 }, }
}

fn header(name: &str, value: impl AsRef<[u8]>) -> Header {
    Header { name: name.into(), value: Bytes::copy_from_slice(value.as_ref()) }
}

fn head() -> EventHead {
    EventHead {
        id: "01M3250V3VB8BW1ZZFPBWADS8B".into(),
        received_at: 1_790_000_000_123,
        method: "POST".into(),
        url: "https://relay.example/shop/stripe?try=1".into(),
        path: "/stripe".into(),
        query: Some("try=1".into()),
        http_version: "HTTP/1.1".into(),
        headers: vec![
            header("host", "relay.example"),
            header("content-type", "application/json"),
            header("content-length", "41"),
            header("stripe-signature", "t=1790000000,v1=5257a869"),
        ],
        trailers: vec![],
        remote_ip: "192.0.2.17".into(),
        forwarded: Some(Forwarded { r#for: "192.0.2.17".into(), proto: "https".into(), host: "relay.example".into() }),
        body_size: 41,
    }
}

/// The smallest request there is.
fn plain() -> Event {
    Event {
        route: 1,
        epoch: 5,
        stream: 1,
        state: 0,
        head: Some(EventHead {
            id: "01M32515RCB8BW1ZZFPBWAE3WW".into(),
            received_at: 1_790_000_011_020,
            method: "GET".into(),
            url: "http://127.0.0.1:4000/shop".into(),
            path: String::new(),
            query: None,
            http_version: "HTTP/1.0".into(),
            headers: vec![],
            trailers: vec![],
            remote_ip: "127.0.0.1".into(),
            forwarded: None,
            body_size: 0,
        }),
        body: Bytes::new(),
    }
}

/// Checks both ways: these bytes are this value, and this value is these bytes.
fn check<K: PartialEq + std::fmt::Debug>(
    name: &str,
    kind: &K,
    encoded: &Bytes,
    decode: fn(Bytes) -> Result<Option<K>, BadMessage>,
) {
    let hex: String =
        encoded.chunks(32).map(|line| line.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n").collect();
    let Some(golden) = common::frames().remove(name) else { panic!("no golden frame; {name}.hex would be\n{hex}") };
    assert_eq!(decode(golden.clone().into()).expect(name).as_ref(), Some(kind), "{name}");
    assert_eq!(encoded, &golden, "{name} is now\n{hex}");
}

#[test]
fn what_a_cli_says_has_the_bytes_of_version_1() {
    for (name, kind) in from_cli() {
        check(name, &kind, &ToRelay::to_frame(kind.clone()), ToRelay::from_frame);
    }
}

#[test]
fn what_a_relay_says_has_the_bytes_of_version_1() {
    for (name, kind) in from_relay() {
        check(name, &kind, &ToCli::to_frame(kind.clone()), ToCli::from_frame);
    }
}

#[test]
fn every_golden_frame_is_checked() {
    let mut files = common::frames();
    let listed = from_cli().into_iter().map(|(name, _)| name).chain(from_relay().into_iter().map(|(name, _)| name));
    listed.for_each(|name| _ = files.remove(name));
    assert!(files.is_empty(), "no value for {:?}", files.keys());
}

#[test]
fn the_golden_events_are_events() {
    for (name, kind) in from_relay() {
        let to_cli::Kind::Event(Event { head: Some(head), body, .. }) = kind else { continue };
        assert_eq!(head.id.parse().map(EventId::millis), Ok(head.received_at), "{name}");
        let inline = head.body_size <= MAX_CHUNK as u64;
        assert_eq!(body.len() as u64, if inline { head.body_size } else { 0 }, "{name}");
    }
}

#[test]
fn bodies_and_header_values_are_slices_of_the_frame() {
    let frame = Bytes::from(common::frames().remove("to_cli.event").expect("a golden frame"));
    let range = frame.as_ptr_range();
    let Ok(Some(to_cli::Kind::Event(event))) = ToCli::from_frame(frame) else { panic!("not an event") };
    assert!(range.contains(&event.body.as_ptr()), "the body was copied");
    let head = event.head.expect("a head");
    assert!(head.headers.iter().all(|header| range.contains(&header.value.as_ptr())), "a value was copied");
}
