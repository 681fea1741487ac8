//! The app behind everything that is measured: 2 bytes for each request, on one thread of its own process.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::http;

const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// Where it tells what it has seen.
const SEEN: &str = "/_bench/seen";
const SMALL: usize = 16 * 1024;
const LARGE: usize = 256 * 1024;

/// What the origin has seen, in microseconds of its own clock.
#[derive(Default)]
struct Seen {
    requests: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

/// Serves until its process is killed; its address is the first line on standard output.
pub fn run() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut out = io::stdout();
        writeln!(out, "origin at {}", listener.local_addr()?)?;
        out.flush()?;
        let seen = Rc::new(RefCell::new(Seen::default()));
        loop {
            let (stream, _) = listener.accept().await?;
            let seen = Rc::clone(&seen);
            tokio::task::spawn_local(async move {
                // A sender that leaves is none of its business.
                let _ = serve(stream, &seen).await;
            });
        }
    })
}

/// How many requests an origin has seen, and the time between its first and its last.
pub async fn ask(origin: SocketAddr) -> io::Result<(usize, Duration)> {
    let mut stream = TcpStream::connect(origin).await?;
    stream.write_all(format!("GET {SEEN} HTTP/1.1\r\nhost: {origin}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let numbers = answer.rsplit_once("\r\n").and_then(|(_, body)| body.split_once(' '));
    let parsed = numbers.and_then(|(seen, span)| Some((seen.parse().ok()?, Duration::from_micros(span.parse().ok()?))));
    parsed.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, answer))
}

async fn serve(mut stream: TcpStream, seen: &RefCell<Seen>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(SMALL);
    loop {
        let head = loop {
            if let Some(n) = http::head_len(&buffer) {
                break n;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let asked = buffer.split(|b| *b == b' ').nth(1) == Some(SEEN.as_bytes());
        let body = http::length(&buffer[..head]);
        if body.is_none() && http::field(&buffer[..head], "transfer-encoding").is_some() {
            return stream
                .write_all(b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await;
        }
        let mut missing = head + body.unwrap_or(0);
        // The body is looked at by nobody, so it is dropped as it comes.
        while missing > buffer.len() {
            missing -= buffer.len();
            buffer.clear();
            if missing > SMALL {
                buffer.reserve(LARGE);
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.drain(..missing);
        if asked {
            let text = told(&seen.borrow());
            let length = text.len();
            let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}");
            return stream.write_all(answer.as_bytes()).await;
        }
        {
            let mut seen = seen.borrow_mut();
            let now = Instant::now();
            seen.requests += 1;
            seen.first.get_or_insert(now);
            seen.last = Some(now);
        }
        stream.write_all(REPLY).await?;
    }
}

/// Requests so far, and the microseconds between the first and the last.
fn told(seen: &Seen) -> String {
    let span = seen.first.zip(seen.last).map_or(0, |(first, last)| (last - first).as_micros());
    format!("{} {span}", seen.requests)
}
