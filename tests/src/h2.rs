//! A sender that speaks HTTP/2 frame by frame, so that it can stop where it likes.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::LIVENESS;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: u32 = 8;

/// One HTTP/2 connection in the clear, by prior knowledge. Its requests are streams 1, 3, 5 …
pub struct H2Sender {
    stream: TcpStream,
    authority: String,
    path: String,
    last: u32,
    pings: u64,
}

impl H2Sender {
    /// Connects to where a public URL says.
    #[track_caller]
    pub fn to(url: &str) -> Self {
        let rest = url.strip_prefix("http://").expect("an http:// URL");
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let stream = TcpStream::connect(authority).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LIVENESS)).unwrap();
        let mut sender = Self { stream, authority: authority.to_owned(), path: path.to_owned(), last: 0, pings: 0 };
        sender.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        sender.frame(SETTINGS, 0, 0, &[]);
        sender
    }

    /// Begins a POST with these further fields, and gives its stream. `behind` follows the URL's own path.
    pub fn head(&mut self, behind: &str, fields: &[(&str, &str)]) -> u32 {
        self.last = if self.last == 0 { 1 } else { self.last + 2 };
        let path = format!("{}{behind}", self.path);
        let authority = self.authority.clone();
        let pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", &authority), (":path", &path)];
        let block: Vec<u8> = pseudo.iter().chain(fields).flat_map(|(name, value)| literal(name, value)).collect();
        self.frame(HEADERS, END_HEADERS, self.last, &block);
        self.last
    }

    pub fn data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        let pieces: Vec<&[u8]> = if bytes.is_empty() { vec![b""] } else { bytes.chunks(16_384).collect() };
        for (n, piece) in pieces.iter().enumerate() {
            let flags = if end && n + 1 == pieces.len() { END_STREAM } else { 0 };
            self.frame(DATA, flags, stream, piece);
        }
    }

    /// RST_STREAM: this request is not wanted any more.
    pub fn reset(&mut self, stream: u32) {
        self.frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
    }

    /// Waits until the peer has read all frames so far.
    #[track_caller]
    pub fn settle(&mut self) {
        self.pings += 1;
        let number = self.pings.to_be_bytes();
        self.frame(PING, 0, 0, &number);
        loop {
            let (kind, flags, _, payload) = self.read();
            if kind == PING && flags & ACK != 0 && payload == number {
                return;
            }
        }
    }

    /// The status of a response, as soon as it is here.
    #[track_caller]
    pub fn status(&mut self, stream: u32) -> u16 {
        loop {
            let (kind, _, of, payload) = self.read();
            assert!(kind != RST_STREAM || of != stream, "the stream was reset before its response");
            if kind == HEADERS && of == stream {
                return status(&payload);
            }
        }
    }

    #[track_caller]
    fn read(&mut self) -> (u8, u8, u32, Vec<u8>) {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).expect("the peer goes on");
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).expect("the peer goes on");
        if head[3] == SETTINGS && head[4] & ACK == 0 {
            self.frame(SETTINGS, ACK, 0, &[]);
        }
        (head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        out.extend([kind, flags]);
        out.extend(stream.to_be_bytes());
        out.extend(payload);
        self.stream.write_all(&out).expect("the peer takes frames");
    }
}

/// A field in HPACK's plainest form (RFC 7541 §6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    assert!(name.len() < 127 && value.len() < 127, "longer strings have longer lengths");
    [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

/// What the first field of a response's block says: `:status`, which comes first and is one of the static table's (RFC 7541,
/// appendix A), whole or by its name.
fn status(block: &[u8]) -> u16 {
    let known = [200, 204, 206, 304, 400, 404, 500];
    match block[0] {
        indexed @ 0x88..=0x8e => known[usize::from(indexed - 0x88)],
        0x08 | 0x18 | 0x48 => digits(&block[1..]),
        other => panic!("no :status in {other:#x}"),
    }
}

/// Three digits, plain or in the Huffman code, in which a digit is 5 or 6 bits long.
fn digits(string: &[u8]) -> u16 {
    let (huffman, len) = (string[0] & 0x80 != 0, usize::from(string[0] & 0x7f));
    let bytes = &string[1..=len];
    if !huffman {
        return std::str::from_utf8(bytes).unwrap().parse().unwrap();
    }
    let bits: u32 = bytes.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (32 - 8 * len);
    let (mut number, mut at) = (0, 0);
    for _ in 0..3 {
        let next = bits << at;
        let (digit, length) = match next >> 27 {
            short @ 0..=2 => (short, 5),
            _ => ((next >> 26) - 0x19 + 3, 6),
        };
        number = number * 10 + digit;
        at += length;
    }
    number as u16
}
