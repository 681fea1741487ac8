//! Every message that can be built survives the wire.

use bytes::Bytes;
use hook_proto::wire::*;
use hook_proto::{Header, HeaderList};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Makes a strategy for one direction; a kind without one does not compile.
macro_rules! kinds {
    ($any:ident, $module:ident: $($kind:ident => $strategy:expr,)+) => {
        fn $any() -> impl Strategy<Value = $module::Kind> {
            let _every_kind = |kind: &$module::Kind| match kind { $($module::Kind::$kind(_) => (),)+ };
            proptest::strategy::Union::new([$($strategy.prop_map($module::Kind::$kind).boxed(),)+])
        }
    };
}

kinds! { to_relay_kind, to_relay:
    Hello => hello(),
    Open => open(),
    Ack => vec(number(), 0..20).prop_map(|streams| Ack { streams }),
    Reply => reply(),
    ReplyData => chunk(),
    ReplyBroken => stream(),
    Credit => credit(),
    Ping => beat(),
    Pong => beat(),
    Close => route(),
}

kinds! { to_cli_kind, to_cli:
    Welcome => (small(), text()).prop_map(|(version, software)| Welcome { version, software }),
    Refused => refused(),
    Opened => opened(),
    Event => event(),
    EventData => chunk(),
    SenderLeft => stream(),
    CaughtUp => route(),
    Superseded => (small(), text(), number()).prop_map(|(route, by, at)| Superseded { route, by, at }),
    GoAway => (text(), number()).prop_map(|(reason, retry_after)| GoAway { reason, retry_after }),
    Credit => credit(),
    Ping => beat(),
    Pong => beat(),
    ReplyUnwanted => stream(),
}

/// All lengths of a varint are equally likely.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(n, shift)| n >> shift)
}

fn small() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32u32).prop_map(|(n, shift)| n >> shift)
}

fn text() -> impl Strategy<Value = String> {
    any::<String>()
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

/// A number in an enumeration, also one that no version has.
fn enumeration() -> impl Strategy<Value = i32> {
    prop_oneof![4 => 0..4i32, 1 => any::<i32>()]
}

fn headers() -> impl Strategy<Value = HeaderList> {
    vec((text(), bytes()).prop_map(|(name, value)| Header { name, value }), 0..6)
}

fn hello() -> impl Strategy<Value = Hello> {
    (small(), text(), text(), text()).prop_map(|(version, software, instance, label)| Hello {
        version,
        software,
        instance,
        label,
    })
}

fn open() -> impl Strategy<Value = Open> {
    let settings = (small(), number()).prop_map(|(queued_status, max_body)| Settings { queued_status, max_body });
    (small(), text(), enumeration(), option::of(settings), number())
        .prop_map(|(route, name, mode, settings, held)| Open { route, name, mode, settings, held })
}

fn reply() -> impl Strategy<Value = Reply> {
    (number(), enumeration(), small(), headers(), bytes(), any::<bool>())
        .prop_map(|(stream, by, status, headers, body, more)| Reply { stream, by, status, headers, body, more })
}

fn chunk() -> impl Strategy<Value = Chunk> {
    (number(), bytes(), any::<bool>(), headers()).prop_map(|(stream, data, end, trailers)| Chunk {
        stream,
        data,
        end,
        trailers,
    })
}

fn stream() -> impl Strategy<Value = Stream> {
    number().prop_map(|stream| Stream { stream })
}

fn route() -> impl Strategy<Value = Route> {
    small().prop_map(|route| Route { route })
}

fn credit() -> impl Strategy<Value = Credit> {
    (number(), number()).prop_map(|(stream, bytes)| Credit { stream, bytes })
}

fn beat() -> impl Strategy<Value = Beat> {
    number().prop_map(|nonce| Beat { nonce })
}

fn refused() -> impl Strategy<Value = Refused> {
    (small(), text(), text(), small()).prop_map(|(route, code, message, version)| Refused {
        route,
        code,
        message,
        version,
    })
}

fn opened() -> impl Strategy<Value = Opened> {
    (small(), text(), text(), number(), number()).prop_map(|(route, name, public_url, epoch, waiting)| Opened {
        route,
        name,
        public_url,
        epoch,
        waiting,
    })
}

fn event() -> impl Strategy<Value = Event> {
    (small(), number(), number(), enumeration(), option::of(event_head()), bytes())
        .prop_map(|(route, epoch, stream, state, head, body)| Event { route, epoch, stream, state, head, body })
}

fn event_head() -> impl Strategy<Value = EventHead> {
    let forwarded = (text(), text(), text()).prop_map(|(r#for, proto, host)| Forwarded { r#for, proto, host });
    let request = (text(), text(), text(), option::of(text()), text());
    let fields = (headers(), headers());
    (text(), number(), request, fields, text(), option::of(forwarded), number()).prop_map(
        |(id, received_at, request, (headers, trailers), remote_ip, forwarded, body_size)| {
            let (method, url, path, query, http_version) = request;
            EventHead {
                id,
                received_at,
                method,
                url,
                path,
                query,
                http_version,
                headers,
                trailers,
                remote_ip,
                forwarded,
                body_size,
            }
        },
    )
}

proptest! {
    #[test]
    fn what_a_cli_says_arrives(kind in to_relay_kind()) {
        let frame = ToRelay::to_frame(kind.clone());
        prop_assert_eq!(ToRelay::from_frame(frame), Ok(Some(kind)));
    }

    #[test]
    fn what_a_relay_says_arrives(kind in to_cli_kind()) {
        let frame = ToCli::to_frame(kind.clone());
        prop_assert_eq!(ToCli::from_frame(frame), Ok(Some(kind)));
    }

    #[test]
    fn a_random_message_cut_short_is_refused(kind in to_cli_kind(), cut in any::<prop::sample::Index>()) {
        let frame = ToCli::to_frame(kind);
        let kept = 1 + cut.index(frame.len() - 1);
        let refused = matches!(ToCli::from_frame(frame.slice(..kept)), Err(BadMessage::Malformed(_)));
        prop_assert!(refused || kept == frame.len());
    }
}
