//! Frames: what is accepted survives another trip, costs no more than it weighs, and its body is a slice of it.

use bytes::Bytes;
use hook_proto::wire::{MAX_MESSAGE, ToCli, ToRelay, to_cli, to_relay};
use hook_proto::{EndpointName, EventId};

pub fn holds(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    let (from_cli, from_relay) = (ToRelay::from_frame(frame.clone()), ToCli::from_frame(frame.clone()));
    if data.len() > MAX_MESSAGE {
        assert!(from_cli.is_err() && from_relay.is_err());
        return;
    }
    if let Ok(Some(kind)) = from_cli {
        let again = ToRelay::to_frame(kind.clone());
        assert!(again.len() <= bound(data), "{} bytes became {}", data.len(), again.len());
        if let to_relay::Kind::Reply(reply) = &kind {
            assert_borrowed(&frame, &reply.body);
        }
        if let to_relay::Kind::Open(open) = &kind {
            names_are_plain(&open.name);
        }
        assert_eq!(ToRelay::from_frame(again), Ok(Some(kind)));
    }
    if let Ok(Some(kind)) = from_relay {
        let again = ToCli::to_frame(kind.clone());
        assert!(again.len() <= bound(data), "{} bytes became {}", data.len(), again.len());
        if let to_cli::Kind::Event(event) = &kind {
            assert_borrowed(&frame, &event.body);
            if let Some(Ok(id)) = event.head.as_ref().map(|head| head.id.parse::<EventId>()) {
                assert_eq!(Some(id.to_string()), event.head.as_ref().map(|head| head.id.clone()), "one spelling");
            }
        }
        assert_eq!(ToCli::from_frame(again), Ok(Some(kind)));
    }
}

/// An old peer may write a number or a list longer or shorter than we do.
fn bound(data: &[u8]) -> usize {
    2 * data.len() + 16
}

fn assert_borrowed(frame: &Bytes, body: &Bytes) {
    let inside = frame.as_ptr_range();
    assert!(body.is_empty() || inside.contains(&body.as_ptr()), "a body was copied");
}

/// A name that is taken can stand in a URL, in a path and on a screen as it is.
fn names_are_plain(name: &str) {
    if let Ok(taken) = name.parse::<EndpointName>() {
        assert_eq!(taken.as_str(), name);
        assert!(name.bytes().all(|b| b.is_ascii_lowercase()
            || b.is_ascii_digit()
            || b == b'-'
            || b == b'.'
            || b == b'_'));
    }
}
