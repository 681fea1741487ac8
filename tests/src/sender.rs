//! Whoever sends a webhook: exact bytes out, and the answer as it was on the wire.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Deref;
use std::time::Duration;

use crate::LIVENESS;
use crate::http::Message;

#[derive(Debug, Clone)]
pub struct Response {
    pub message: Message,
    pub status: u16,
    /// The interim responses before it.
    pub interim: Vec<u16>,
}

impl Deref for Response {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl Response {
    /// The connection can carry another request.
    pub fn stays_open(&self) -> bool {
        let framed = self.header("content-length").is_some() || !self.chunks.is_empty();
        self.whole && framed && self.header("connection").is_none_or(|c| !c.eq_ignore_ascii_case("close"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// hook answered for itself that the event is kept and will reach the app.
    pub fn is_queued(&self) -> bool {
        self.header("hook-status").as_deref() == Some("queued")
    }

    #[track_caller]
    pub fn assert_queued(&self) {
        assert_eq!((self.status, self.is_queued(), self.text().as_str()), (200, true, ""), "a queued reply: {self:?}");
    }
}

/// One connection to a relay.
pub struct Sender {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    host: String,
    path: String,
    /// The last request's method was HEAD.
    head: bool,
}

impl Sender {
    /// Connects to where a public URL says.
    #[track_caller]
    pub fn to(url: &str) -> Self {
        Self::try_to(url).unwrap_or_else(|e| panic!("{url} cannot be reached: {e}"))
    }

    pub fn try_to(url: &str) -> io::Result<Self> {
        let rest = url.strip_prefix("http://").ok_or_else(|| io::Error::other(format!("{url} is no http:// URL")))?;
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIVENESS))?;
        stream.set_write_timeout(Some(LIVENESS))?;
        let reader = BufReader::with_capacity(64 * 1024, stream.try_clone()?);
        Ok(Self { stream, reader, host: host.to_owned(), path: path.to_owned(), head: false })
    }

    /// The port on this side.
    pub fn port(&self) -> u16 {
        self.stream.local_addr().unwrap().port()
    }

    /// The URL's path, where requests to its endpoint begin.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Sends these bytes and nothing else.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).expect("the relay takes what it is sent");
        self
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        (&self.stream).write_all(bytes.as_ref())
    }

    /// Sends a request's first line, its Host and these field lines. `behind` follows the URL's own path, raw.
    #[track_caller]
    pub fn head(&mut self, method: &str, behind: &str, fields: &[(&str, &[u8])]) -> &mut Self {
        self.try_head(method, behind, fields).expect("the relay takes a head");
        self
    }

    pub fn try_head(&mut self, method: &str, behind: &str, fields: &[(&str, &[u8])]) -> io::Result<()> {
        self.head = method == "HEAD";
        let mut out = format!("{method} {}{behind} HTTP/1.1\r\nHost: {}\r\n", self.path, self.host).into_bytes();
        for (name, value) in fields {
            out.extend([name.as_bytes(), b": ", *value, b"\r\n"].concat());
        }
        out.extend(b"\r\n");
        self.try_send(out)
    }

    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.try_response().unwrap_or_else(|e| panic!("no response: {e}"))
    }

    pub fn try_response(&mut self) -> io::Result<Response> {
        let mut interim = Vec::new();
        loop {
            let mut message = Message::read_head(&mut self.reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let status: u16 = message.word(1).parse().map_err(io::Error::other)?;
            if (100..200).contains(&status) {
                interim.push(status);
                continue;
            }
            let nothing = self.head || matches!(status, 204 | 304);
            // A body that breaks off is not whole, and what came of it is there.
            let _ = message.read_response_body(&mut self.reader, nothing);
            return Ok(Response { message, status, interim });
        }
    }

    /// Reads a response's head and leaves its body on the wire.
    #[track_caller]
    pub fn response_head(&mut self) -> Message {
        Message::read_head(&mut self.reader).expect("a response").expect("a response")
    }

    /// Reads exactly as many bytes as are wanted.
    #[track_caller]
    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).unwrap_or_else(|e| panic!("{count} bytes wanted: {e}"));
        bytes
    }

    /// Nothing came for this long.
    pub fn is_quiet_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let quiet = matches!(self.stream.peek(&mut [0]), Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        self.stream.set_read_timeout(Some(LIVENESS)).unwrap();
        quiet
    }

    /// How long to wait for an answer.
    pub fn patience(&mut self, time: Duration) {
        self.stream.set_read_timeout(Some(time)).unwrap();
    }

    /// Says that nothing more will be sent, and goes.
    pub fn leave(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Goes like a process that died.
    pub fn vanish(self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

/// Posts a body and gives the answer.
#[track_caller]
pub fn post(url: &str, body: impl AsRef<[u8]>) -> Response {
    request("POST", url, &[("Content-Type", b"application/json")], body)
}

/// Sends a request with a Content-Length and gives the answer.
#[track_caller]
pub fn request(method: &str, url: &str, fields: &[(&str, &[u8])], body: impl AsRef<[u8]>) -> Response {
    let length = body.as_ref().len().to_string();
    let fields = [fields, &[("Content-Length", length.as_bytes())]].concat();
    let mut sender = Sender::to(url);
    sender.head(method, "", &fields);
    sender.send(body);
    sender.response()
}
