//! What is encoded for every event, by hand: straight from what it is made of, and once for the wire and the inbox. Tests hold
//! it against what [`crate::wire`] derives.

use bytes::Bytes;

use crate::wire::{HandOver, ToCli};

/// What an [`EventHead`](crate::EventHead) is made of, without its fields.
#[derive(Debug, Clone, Copy)]
pub struct HeadParts<'a> {
    pub id: &'a str,
    pub received_at: u64,
    pub method: &'a str,
    pub url: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub http_version: &'a str,
    pub remote_ip: &'a str,
    /// For, proto and host.
    pub forwarded: [&'a str; 3],
    pub body_size: u64,
}

impl HeadParts<'_> {
    /// The encoding of the [`EventHead`](crate::EventHead) with these header fields and trailers.
    pub fn encode<'f>(
        &self,
        headers: impl Iterator<Item = (&'f str, &'f [u8])>,
        trailers: impl Iterator<Item = (&'f str, &'f [u8])>,
    ) -> Bytes {
        /// Enough for the fields of most senders.
        const MORE: usize = 512;
        let [forwarded_for, proto, host] = self.forwarded;
        let mut head = Vec::with_capacity(2 * self.url.len() + 2 * forwarded_for.len() + MORE);
        field(&mut head, 1, self.id.as_bytes());
        number(&mut head, 2, self.received_at);
        field(&mut head, 3, self.method.as_bytes());
        field(&mut head, 4, self.url.as_bytes());
        field(&mut head, 5, self.path.as_bytes());
        if let Some(query) = self.query {
            key(&mut head, 6, query.len());
            head.extend_from_slice(query.as_bytes());
        }
        field(&mut head, 7, self.http_version.as_bytes());
        headers.for_each(|(name, value)| message(&mut head, 8, &[name.as_bytes(), value]));
        trailers.for_each(|(name, value)| message(&mut head, 9, &[name.as_bytes(), value]));
        field(&mut head, 10, self.remote_ip.as_bytes());
        message(&mut head, 11, &[forwarded_for.as_bytes(), proto.as_bytes(), host.as_bytes()]);
        number(&mut head, 12, self.body_size);
        head.into()
    }
}

impl ToCli {
    /// The frame of a [`wire::Event`](crate::wire::Event) whose head is encoded already.
    pub fn event_frame(route: u32, epoch: u64, stream: u64, state: HandOver, head: &[u8], body: &[u8]) -> Bytes {
        let numbers = [(1, u64::from(route)), (2, epoch), (3, stream), (4, state as u64)];
        let body_len = if body.is_empty() { 0 } else { 1 + varint_len(body.len() as u64) + body.len() };
        let len = numbers.iter().filter(|(_, n)| *n > 0).map(|(_, n)| 1 + varint_len(*n)).sum::<usize>()
            + 1
            + varint_len(head.len() as u64)
            + head.len()
            + body_len;
        let mut frame = Vec::with_capacity(1 + varint_len(len as u64) + len);
        key(&mut frame, 4, len);
        numbers.into_iter().for_each(|(tag, n)| number(&mut frame, tag, n));
        key(&mut frame, 5, head.len());
        frame.extend_from_slice(head);
        field(&mut frame, 6, body);
        frame.into()
    }
}

/// A message of texts or bytes with the tags 1, 2, ….
fn message(out: &mut Vec<u8>, tag: u8, fields: &[&[u8]]) {
    let lens = fields.iter().map(|f| if f.is_empty() { 0 } else { 1 + varint_len(f.len() as u64) + f.len() });
    key(out, tag, lens.sum());
    (1..).zip(fields).for_each(|(tag, bytes)| field(out, tag, bytes));
}

/// Texts and bytes; an empty one is left out.
fn field(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        key(out, tag, bytes.len());
        out.extend_from_slice(bytes);
    }
}

fn number(out: &mut Vec<u8>, tag: u8, number: u64) {
    if number > 0 {
        out.push(tag << 3);
        varint(out, number);
    }
}

/// The beginning of what has a length.
fn key(out: &mut Vec<u8>, tag: u8, len: usize) {
    out.push(tag << 3 | 2);
    varint(out, len as u64);
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint_len(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::wire::{Event, Forwarded, to_cli};
    use crate::{EventHead, Header};

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![2 => ".{0,20}", 1 => "[a-z]{120,300}"]
    }

    fn fields() -> impl Strategy<Value = Vec<Header>> {
        vec((text(), vec(any::<u8>(), 0..200)).prop_map(|(name, value)| Header::new(name, value)), 0..8)
    }

    prop_compose! {
        fn head()(
            (id, method, url, path) in (text(), text(), text(), text()),
            query in prop::option::of(text()),
            (http_version, remote_ip, r#for, proto, host) in (text(), text(), text(), text(), text()),
            (headers, trailers) in (fields(), fields()),
            (received_at, body_size) in (any::<u64>(), prop_oneof![Just(0), any::<u64>()]),
        ) -> EventHead {
            let forwarded = Some(Forwarded { r#for, proto, host });
            EventHead {
                id, received_at, method, url, path, query, http_version, headers, trailers, remote_ip, forwarded, body_size,
            }
        }
    }

    fn by_hand(head: &EventHead) -> Bytes {
        fn each(fields: &[Header]) -> impl Iterator<Item = (&str, &[u8])> {
            fields.iter().map(|f| (f.name.as_str(), f.value.as_ref()))
        }
        let forwarded = head.forwarded.as_ref().unwrap();
        let parts = HeadParts {
            id: &head.id,
            received_at: head.received_at,
            method: &head.method,
            url: &head.url,
            path: &head.path,
            query: head.query.as_deref(),
            http_version: &head.http_version,
            remote_ip: &head.remote_ip,
            forwarded: [&forwarded.r#for, &forwarded.proto, &forwarded.host],
            body_size: head.body_size,
        };
        parts.encode(each(&head.headers), each(&head.trailers))
    }

    proptest! {
        #[test]
        fn a_head_and_its_frame_are_what_the_wire_says(
            head in head(),
            (route, epoch, stream) in (any::<u32>(), any::<u64>(), any::<u64>()),
            state in prop::sample::select(vec![HandOver::Awaited, HandOver::Queued, HandOver::Given, HandOver::Copy]),
            body in vec(any::<u8>(), 0..3000),
        ) {
            let encoded = by_hand(&head);
            prop_assert_eq!(&encoded[..], &head.encode_to_vec()[..]);
            let frame = ToCli::event_frame(route, epoch, stream, state, &encoded, &body);
            let event = Event { route, epoch, stream, state: state.into(), head: Some(head), body: body.into() };
            prop_assert_eq!(frame, ToCli::to_frame(to_cli::Kind::Event(event)));
        }

        #[test]
        fn numbers_are_as_long_as_they_say(number in any::<u64>(), shift in 0..64_u32) {
            let mut out = Vec::new();
            varint(&mut out, number >> shift);
            prop_assert_eq!(out.len(), varint_len(number >> shift));
        }
    }
}
