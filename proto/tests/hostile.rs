//! Bytes from a peer that is newer, broken or means harm.

mod common;

use std::sync::LazyLock;

use bytes::Bytes;
use hook_proto::wire::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Lengths that no message has. Nothing could allocate the last three, so an answer proves that nothing tried.
const ABSURD: [u64; 5] = [MAX_MESSAGE as u64 + 1, u32::MAX as u64, 1 << 47, 1 << 62, u64::MAX];

/// Decodes in both directions. What is accepted must survive another trip.
fn decode(frame: &[u8]) {
    if let Ok(Some(kind)) = ToRelay::from_frame(Bytes::copy_from_slice(frame)) {
        assert_eq!(ToRelay::from_frame(ToRelay::to_frame(kind.clone())), Ok(Some(kind)));
    }
    if let Ok(Some(kind)) = ToCli::from_frame(Bytes::copy_from_slice(frame)) {
        assert_eq!(ToCli::from_frame(ToCli::to_frame(kind.clone())), Ok(Some(kind)));
    }
}

fn to_relay(frame: impl AsRef<[u8]>) -> Result<Option<to_relay::Kind>, BadMessage> {
    ToRelay::from_frame(Bytes::copy_from_slice(frame.as_ref()))
}

fn to_cli(frame: impl AsRef<[u8]>) -> Result<Option<to_cli::Kind>, BadMessage> {
    ToCli::from_frame(Bytes::copy_from_slice(frame.as_ref()))
}

fn is_malformed<T>(result: &Result<T, BadMessage>) -> bool {
    matches!(result, Err(BadMessage::Malformed(_)))
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
    bytes
}

/// A field with a length before it: the true one, or the one given.
fn field(tag: u64, content: &[u8], declared: Option<u64>) -> Vec<u8> {
    let length = varint(declared.unwrap_or(content.len() as u64));
    [varint(tag << 3 | 2), length, content.to_vec()].concat()
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_refused(frame in vec(any::<u8>(), 0..1024)) {
        decode(&frame);
    }

    #[test]
    fn damaged_frames_are_a_message_or_refused(
        which in any::<Index>(),
        damage in vec((any::<Index>(), any::<u8>(), 0..3u8), 1..6),
    ) {
        static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| common::frames().into_values().collect());
        let mut frame = which.get(&FRAMES).clone();
        for (at, byte, how) in damage {
            let at = at.index(frame.len());
            match how {
                0 => frame[at] = byte,
                1 => frame.insert(at, byte),
                _ if frame.len() > 1 => _ = frame.remove(at),
                _ => {}
            }
        }
        decode(&frame);
    }
}

#[test]
fn a_frame_cut_short_anywhere_is_refused() {
    for (name, frame) in common::frames() {
        for kept in 1..frame.len() {
            let part = &frame[..kept];
            let refused =
                if name.starts_with("to_cli") { is_malformed(&to_cli(part)) } else { is_malformed(&to_relay(part)) };
            assert!(refused, "{name} cut to {kept} bytes");
        }
    }
    assert_eq!((to_relay([]), to_cli([])), (Ok(None), Ok(None)), "nothing at all is an empty message");
}

#[test]
fn a_length_beyond_the_message_is_refused_without_room_for_it() {
    for length in ABSURD {
        let length = Some(length);
        let head = |content: Vec<u8>| field(5, &field(8, &content, None), None);
        let frames = [
            ("a kind", field(4, b"x", length)),
            ("an unknown kind", field(99, b"x", length)),
            ("bytes in event 6", field(4, &field(6, b"x", length), None)),
            ("a message in event 5", field(4, &field(5, b"x", length), None)),
            ("a header in a head", field(4, &field(5, &field(8, b"x", length), None), None)),
            ("a header's name", field(4, &head(field(1, b"x", length)), None)),
            ("a header's value", field(4, &head(field(2, b"x", length)), None)),
            ("an unknown field", field(4, &field(99, b"x", length), None)),
        ];
        for (what, frame) in frames {
            assert!(is_malformed(&to_cli(&frame)), "{what} of {length:?} bytes");
        }
        assert!(is_malformed(&to_relay(field(3, &field(1, b"\x01", length), None))), "an ack of {length:?} bytes");
    }
}

#[test]
fn a_field_may_not_reach_beyond_its_message() {
    // The software of this hello ends inside the unknown field that follows the hello.
    let hello = field(1, &field(2, b"ho", Some(4)), None);
    assert!(is_malformed(&to_relay([hello, field(99, b"padding", None)].concat())));
    let streams = field(3, &field(1, b"\x80", None), None);
    assert!(is_malformed(&to_relay([streams, field(99, b"\x01", None)].concat())));
}

#[test]
fn a_message_has_max_message_bytes_at_most() {
    let chunk = |size: usize| {
        let data = Bytes::from(vec![7; size]);
        ToCli::to_frame(to_cli::Kind::EventData(Chunk { stream: 1, data, end: true, trailers: vec![] }))
    };
    let overhead = chunk(MAX_MESSAGE / 2).len() - MAX_MESSAGE / 2;
    let largest = chunk(MAX_MESSAGE - overhead);
    assert_eq!(largest.len(), MAX_MESSAGE);
    assert!(matches!(ToCli::from_frame(largest), Ok(Some(to_cli::Kind::EventData(_)))));
    let larger = chunk(MAX_MESSAGE - overhead + 1);
    assert_eq!(ToCli::from_frame(larger.clone()), Err(BadMessage::TooLong(MAX_MESSAGE + 1)));
    assert_eq!(ToRelay::from_frame(larger), Err(BadMessage::TooLong(MAX_MESSAGE + 1)));
}

#[test]
fn messages_of_a_later_version_are_skipped() {
    for tag in [11, 14, 99, 536_870_911] {
        assert_eq!(to_relay(field(tag, b"\x08\x01", None)), Ok(None));
    }
    assert_eq!(to_cli(field(14, b"not even protobuf", None)), Ok(None));
    assert_eq!(to_cli([varint(15 << 3), varint(1)].concat()), Ok(None), "a number as a kind");
}

#[test]
fn fields_of_a_later_version_are_skipped() {
    // A number, 64 bits, a string, a group with a number in it, 32 bits.
    let unknown = [
        varint(90 << 3),
        varint(300),
        varint(91 << 3 | 1),
        vec![1; 8],
        field(92, b"new", None),
        varint(93 << 3 | 3),
        vec![0x08, 0x01],
        varint(93 << 3 | 4),
        varint(94 << 3 | 5),
        vec![1; 4],
    ]
    .concat();
    for (name, frame) in common::frames() {
        let length = frame[1..].iter().position(|b| b & 0x80 == 0).expect("a length") + 1;
        let content = [&frame[1 + length..], &unknown].concat();
        let inner = field(u64::from(frame[0] >> 3), &content, None);
        let changed = [inner, unknown.clone()].concat();
        if name.starts_with("to_cli") {
            assert_eq!(to_cli(&changed), to_cli(&frame), "{name}");
        } else {
            assert_eq!(to_relay(&changed), to_relay(&frame), "{name}");
        }
    }
}

#[test]
fn what_is_not_protobuf_is_refused() {
    let ping = common::frames().remove("to_relay.ping").expect("a golden frame");
    let cases: [(&str, Vec<u8>); 8] = [
        ("tag 0", vec![0x02, 0x00]),
        ("wire type 7", vec![0x0f]),
        ("a kind that is a number", vec![0x08, 0x01]),
        ("a number that is a string", field(8, &field(1, b"1", None), None)),
        ("a name that is not UTF-8", field(1, &field(2, b"\xff", None), None)),
        ("a varint of eleven bytes", [vec![0x98, 0x06], vec![0xff; 10], vec![0x01]].concat()),
        ("an end without a group", [ping, vec![0x0c]].concat()),
        ("groups in groups without end", vec![0x63; MAX_MESSAGE]),
    ];
    for (what, frame) in cases {
        assert!(is_malformed(&to_relay(&frame)), "{what}");
    }
}

#[test]
fn of_two_kinds_in_one_message_the_last_counts() {
    let frames = common::frames();
    let two = [frames["to_relay.ping"].as_slice(), frames["to_relay.close"].as_slice()].concat();
    assert_eq!(to_relay(two), to_relay(&frames["to_relay.close"]));
}

#[test]
fn an_unknown_number_in_an_enumeration_is_seen_as_unknown() {
    let frame = field(4, &[0x08, 0x01, 0x10, 0x09], None);
    let Ok(Some(to_relay::Kind::Reply(reply))) = to_relay(frame) else { panic!("not a reply") };
    assert_eq!((reply.by, ReplyBy::try_from(reply.by).is_err()), (9, true));
}
