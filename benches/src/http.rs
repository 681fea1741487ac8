//! As much of HTTP/1.1 as the load generator and the origin need, at little cost.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// The length of a head with its empty line, once it is there whole.
pub fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

/// The value of a field, without the white space around it.
pub fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|b| *b == b'\n').skip(1).find_map(|line| {
        let colon = line.iter().position(|b| *b == b':')?;
        line[..colon].eq_ignore_ascii_case(name.as_bytes()).then(|| line[colon + 1..].trim_ascii())
    })
}

pub fn length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(field(head, "content-length")?).ok()?.parse().ok()
}

/// What a sender makes of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// It is hook's own: the event is in the inbox and the app has not answered.
    pub queued: bool,
    /// The connection ends with it.
    pub closes: bool,
}

impl Response {
    pub fn is_2xx(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Reads one response to its end; what was read beyond it stays in `buffer`.
pub async fn response(from: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> io::Result<Response> {
    let head = loop {
        if let Some(n) = head_len(buffer) {
            break n;
        }
        more(from, buffer).await?;
    };
    let text = &buffer[..head];
    let status = text.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let status: u16 = status.ok_or_else(|| invalid("no status"))?;
    let response = Response {
        status,
        queued: field(text, "hook-status").is_some(),
        closes: field(text, "connection").is_some_and(|v| v.eq_ignore_ascii_case(b"close")),
    };
    let body = match length(text) {
        Some(n) => n,
        None if status == 204 => 0,
        None if field(text, "transfer-encoding").is_some() => {
            // Replies are small, so the end of the chunks is looked for from the beginning.
            loop {
                if let Some(at) = buffer[head..].windows(5).position(|w| w == b"0\r\n\r\n") {
                    break at + 5;
                }
                more(from, buffer).await?;
            }
        }
        None => return Err(invalid("a response without a length")),
    };
    while buffer.len() < head + body {
        more(from, buffer).await?;
    }
    buffer.drain(..head + body);
    Ok(response)
}

async fn more(from: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> io::Result<()> {
    if from.read_buf(buffer).await? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> (io::Result<Response>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut buffer = Vec::with_capacity(8);
        let response = runtime.block_on(response(&mut bytes, &mut buffer));
        buffer.extend_from_slice(bytes);
        (response, buffer)
    }

    #[test]
    fn a_response_is_read_to_its_end_and_no_further() {
        let (response, rest) = read(b"HTTP/1.1 200 OK\r\nContent-Length:  2\r\n\r\nokHTTP");
        assert_eq!(response.unwrap(), Response { status: 200, queued: false, closes: false });
        assert_eq!(rest, b"HTTP");
        let (response, rest) = read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nrest");
        assert_eq!((response.unwrap().status, rest.as_slice()), (200, &b"rest"[..]));
        let (response, _) =
            read(b"HTTP/1.1 200 OK\r\nhook-status: queued\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(response.unwrap(), Response { status: 200, queued: true, closes: true });
    }

    #[test]
    fn half_a_response_is_none() {
        assert!(read(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok").0.is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\n").0.is_err());
        assert!(read(b"").0.is_err());
    }
}
