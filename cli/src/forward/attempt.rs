//! Sends an event over a connection and takes in the answer: to the sender while somebody waits, to the journal always.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use hook_proto::wire::MAX_CHUNK;
use hook_proto::{EventHead, Header, HeaderList, ReplyBy};
use hook_relay_server::is_hop_by_hop;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::body::OutBody;
use super::client::{Client, ConnectError, Connection};
use super::request::{self, Marks, Shape};
use crate::journal::{AttemptEnd, BodyKey, Journal, attempt_part};
use crate::platform::now_ms;
use crate::session::{Head, Replier};

/// What of an answer is kept in the attempt's row; more goes into parts.
const FIRST_PART: usize = 1024 * 1024;
/// What of an answer is kept at all. All of it reaches the sender.
pub const KEEP: u64 = 32 * 1024 * 1024;
/// A body that is whole by then travels with its head, so that a lost session cannot cut the answer in two. One whose length
/// is known and small is worth waiting for; one of unknown length may be a stream that somebody watches.
const GATHER: Duration = Duration::from_millis(2);
const GATHER_SMALL: Duration = Duration::from_millis(200);

/// One try.
pub struct Try<'a> {
    pub seq: u64,
    pub n: u32,
    pub head: &'a EventHead,
    pub body: EventBody,
    /// What to ask the target for.
    pub path: &'a str,
    pub replay: bool,
    pub timeout: Duration,
    pub shape: &'a Shape,
}

/// Where an event's body is.
#[derive(Debug, Clone)]
pub enum EventBody {
    Memory(Bytes),
    Journal(BodyKey),
}

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    pub end: AttemptEnd,
    /// The sender has the app's own answer, or its beginning.
    pub answered_sender: bool,
    /// Nothing was sent: the app went away between connecting and sending.
    pub not_connected: Option<ConnectError>,
}

/// Makes the try. `replier` is the sender that waits.
pub async fn run(
    journal: &Journal,
    client: &Client,
    connection: Connection,
    this: &Try<'_>,
    replier: Option<&Replier>,
) -> Outcome {
    let marks = Marks { event_id: &this.head.id, attempt: this.n, replay: this.replay };
    let fields = request::fields(this.head, &client.target, this.shape, &marks);
    let begun = Instant::now();
    let mut taken = Taken::new(begun, this);
    let result = tokio::time::timeout(this.timeout, async {
        let request = build(journal, this, &fields).map_err(|_| Broke::Unsendable)?;
        exchange(journal, client, connection, request, replier, &mut taken).await
    })
    .await;
    let broke = match result {
        Ok(Ok(())) => None,
        Ok(Err(broke)) => Some(broke),
        Err(_) => Some(Broke::Timeout),
    };
    taken.flush(journal).await;
    if let (Some(_), true, Some(replier)) = (&broke, taken.streaming, replier) {
        replier.broken();
    }
    let mut not_connected = None;
    if let Some(broke) = broke {
        taken.end.error = Some(broke.code(taken.end.status.is_some()));
        taken.end.detail = Some(broke.words(this.timeout));
        if let Broke::NotConnected(error) = broke {
            not_connected = Some(error);
        }
    }
    let Taken { mut end, answered_sender, .. } = taken;
    end.request = fields;
    end.ended_at = now_ms();
    end.ms = begun.elapsed().as_millis() as u64;
    Outcome { end, answered_sender, not_connected }
}

/// The end of an attempt that never got a connection.
pub fn not_connected(error: &ConnectError, begun: Instant) -> AttemptEnd {
    AttemptEnd {
        ended_at: now_ms(),
        error: Some(error.code()),
        detail: Some(error.to_string()),
        ms: begun.elapsed().as_millis() as u64,
        ..AttemptEnd::default()
    }
}

/// Why an attempt ended without a whole answer.
enum Broke {
    Timeout,
    Closed,
    Reset,
    Garbage(String),
    Unsendable,
    NotConnected(ConnectError),
    Other(String),
}

impl Broke {
    fn code(&self, answering: bool) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed | Self::Reset if answering => "answer_broken",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Garbage(_) => "bad_answer",
            Self::Unsendable => "unsendable",
            Self::NotConnected(error) => error.code(),
            Self::Other(_) => "failed",
        }
    }

    fn words(&self, timeout: Duration) -> String {
        match self {
            Self::Timeout => format!("no whole answer within {}", crate::text::span(timeout)),
            Self::Closed => "your app closed the connection".to_owned(),
            Self::Reset => "your app reset the connection".to_owned(),
            Self::Garbage(what) => format!("your app's answer is not HTTP: {what}"),
            Self::Unsendable => "this event cannot be written as an HTTP/1.1 request".to_owned(),
            Self::NotConnected(error) => error.to_string(),
            Self::Other(what) => what.clone(),
        }
    }
}

impl From<hyper::Error> for Broke {
    fn from(error: hyper::Error) -> Self {
        use std::error::Error;
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            return Self::Closed;
        }
        if error.is_parse() {
            return Self::Garbage(error.to_string());
        }
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(io) = cause.downcast_ref::<io::Error>() {
                return match io.kind() {
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                        Self::Reset
                    }
                    io::ErrorKind::UnexpectedEof => Self::Closed,
                    _ => Self::Other(io.to_string()),
                };
            }
            source = cause.source();
        }
        Self::Other(error.to_string())
    }
}

/// What an attempt has so far; it outlives the exchange, which a timeout ends anywhere.
struct Taken {
    begun: Instant,
    end: AttemptEnd,
    answered_sender: bool,
    /// The sender has the head of an answer whose body is on its way.
    streaming: bool,
    seq: u64,
    n: u32,
    part: u32,
    buffer: Vec<u8>,
}

impl Taken {
    fn new(begun: Instant, this: &Try<'_>) -> Self {
        Self {
            begun,
            end: AttemptEnd::default(),
            answered_sender: false,
            streaming: false,
            seq: this.seq,
            n: this.n,
            part: 1,
            buffer: Vec::new(),
        }
    }

    async fn keep(&mut self, journal: &Journal, data: &[u8]) {
        self.end.size += data.len() as u64;
        let room = usize::try_from(KEEP - self.end.kept).unwrap_or(usize::MAX).min(data.len());
        self.end.kept += room as u64;
        let first = room.min(FIRST_PART - self.end.body.len());
        self.end.body.extend_from_slice(&data[..first]);
        self.buffer.extend_from_slice(&data[first..room]);
        if self.buffer.len() >= FIRST_PART {
            self.flush(journal).await;
        }
    }

    async fn flush(&mut self, journal: &Journal) {
        if self.buffer.is_empty() {
            return;
        }
        let (seq, n, part, data) = (self.seq, self.n, self.part, std::mem::take(&mut self.buffer));
        self.part += 1;
        // A failing journal is reported by whoever ends the attempt.
        let _ = journal.write(move |c| attempt_part(c, seq, n, part, &data)).await;
    }
}

async fn exchange(
    journal: &Journal,
    client: &Client,
    mut connection: Connection,
    request: Request<OutBody>,
    replier: Option<&Replier>,
    taken: &mut Taken,
) -> Result<(), Broke> {
    let response = match connection.sender.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            // The app closed the connection before anything was written to it: a fresh one takes the same request.
            let Some(request) = error.take_message() else { return Err(error.into_error().into()) };
            connection = client.fresh().await.map_err(Broke::NotConnected)?;
            connection.sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
                Some(_) => {
                    let what = "it closes connections before anything is sent".to_owned();
                    Broke::NotConnected(ConnectError::Unreachable(client.target.host_port(), what))
                }
                None => error.into_error().into(),
            })?
        }
    };
    if response.status().is_informational() {
        return Err(Broke::Garbage(format!("it answered {}, which is no answer to a webhook", response.status())));
    }
    taken.end.ttfb_ms = Some(taken.begun.elapsed().as_millis() as u64);
    taken.end.status = Some(response.status().as_u16());
    taken.end.response = response.headers().iter().map(|(n, v)| field(n, v)).collect();
    Answer { journal, replier, taken }.take(response).await?;
    client.give_back(connection.sender).await;
    Ok(())
}

/// An answer on its way to the sender and into the journal.
struct Answer<'a> {
    journal: &'a Journal,
    replier: Option<&'a Replier>,
    taken: &'a mut Taken,
}

impl Answer<'_> {
    async fn take(&mut self, response: Response<Incoming>) -> Result<(), Broke> {
        let (head, mut body) = response.into_parts();
        let headers = end_to_end(&self.taken.end.response);
        let mut gathered = Vec::new();
        let mut size = 0;
        let small = body.size_hint().exact().is_some_and(|size| size <= MAX_CHUNK as u64);
        let by = Instant::now() + if small { GATHER_SMALL } else { GATHER };
        let mut trailers = HeaderList::new();
        let whole = loop {
            let Ok(frame) = tokio::time::timeout_at(by, body.frame()).await else { break false };
            let Some(frame) = frame else { break true };
            let data = self.frame(frame?, &mut trailers).await;
            size += data.len();
            gathered.push(data);
            if size > MAX_CHUNK {
                break false;
            }
        };
        let Some(replier) = self.replier.filter(|r| r.claim()) else {
            return self.rest(body, &mut trailers, None).await;
        };
        self.taken.answered_sender = true;
        let reply = Head { by: ReplyBy::App, status: head.status.as_u16(), headers };
        if whole && trailers.is_empty() {
            let body = if gathered.len() == 1 { gathered.remove(0) } else { gathered.concat().into() };
            replier.whole(reply, body).await;
            return Ok(());
        }
        self.taken.streaming = true;
        replier.begin(reply).await;
        let mut reader = Some(replier);
        for data in gathered {
            if !replier.data(data).await {
                reader = None;
            }
        }
        if !whole {
            self.rest(body, &mut trailers, reader).await?;
        }
        replier.end(end_to_end(&trailers)).await;
        self.taken.streaming = false;
        Ok(())
    }

    /// Takes in what is left; a sender that stopped reading does not stop the journal.
    async fn rest(
        &mut self,
        mut body: Incoming,
        trailers: &mut HeaderList,
        mut reader: Option<&Replier>,
    ) -> Result<(), Broke> {
        while let Some(frame) = body.frame().await {
            let data = self.frame(frame?, trailers).await;
            if let Some(replier) = reader
                && !data.is_empty()
                && !replier.data(data).await
            {
                reader = None;
            }
        }
        Ok(())
    }

    async fn frame(&mut self, frame: hyper::body::Frame<Bytes>, trailers: &mut HeaderList) -> Bytes {
        match frame.into_data() {
            Ok(data) => {
                self.taken.keep(self.journal, &data).await;
                data
            }
            Err(frame) => {
                if let Ok(fields) = frame.into_trailers() {
                    trailers.extend(fields.iter().map(|(n, v)| field(n, v)));
                }
                Bytes::new()
            }
        }
    }
}

fn build(journal: &Journal, this: &Try<'_>, fields: &HeaderList) -> Result<Request<OutBody>, http::Error> {
    let trailers = request::trailers(this.head);
    let trailers = (!trailers.is_empty()).then(|| header_map(&trailers)).transpose()?;
    let has_trailers = trailers.is_some();
    let body = match &this.body {
        EventBody::Memory(body) => OutBody::whole(body.clone(), trailers),
        EventBody::Journal(key) => OutBody::parts(read_parts(journal, key.clone()), this.head.body_size, trailers),
    };
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(this.head.method.as_bytes())?;
    *request.uri_mut() = this.path.parse::<Uri>()?;
    let mut headers = header_map(fields)?;
    let said_empty = this.head.body_size == 0 && this.head.headers.iter().any(|h| h.name == "content-length");
    if said_empty && !has_trailers {
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if has_trailers {
        // Without it hyper takes a GET for one without a body.
        headers.insert(http::header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    *request.headers_mut() = headers;
    Ok(request)
}

/// Streams a large body out of the journal, a part ahead of the app.
fn read_parts(journal: &Journal, key: BodyKey) -> mpsc::Receiver<io::Result<Bytes>> {
    let (tx, rx) = mpsc::channel(1);
    let journal = journal.clone();
    tokio::spawn(async move {
        let mut part = 0;
        loop {
            let key = key.clone();
            let read = journal.read(move |c| key.part(c, part)).await;
            let data = match read {
                Ok(None) => return,
                Ok(Some(data)) => Ok(Bytes::from(data)),
                Err(error) => Err(io::Error::other(error)),
            };
            let failed = data.is_err();
            if tx.send(data).await.is_err() || failed {
                return;
            }
            part += 1;
        }
    });
    rx
}

fn header_map(fields: &HeaderList) -> Result<HeaderMap, http::Error> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for header in fields {
        map.append(
            HeaderName::from_bytes(header.name.as_bytes())?,
            HeaderValue::from_maybe_shared(header.value.clone())?,
        );
    }
    Ok(map)
}

fn field(name: &HeaderName, value: &HeaderValue) -> Header {
    Header::new(name.as_str(), Bytes::copy_from_slice(value.as_bytes()))
}

/// What of an answer goes on to the sender: not what belongs to the hop between hook and the app.
fn end_to_end(fields: &HeaderList) -> HeaderList {
    let named: Vec<String> = fields
        .iter()
        .filter(|h| h.name == "connection")
        .flat_map(|h| {
            String::from_utf8_lossy(&h.value).split(',').map(|n| n.trim().to_ascii_lowercase()).collect::<Vec<_>>()
        })
        .collect();
    // `Trailer` lets the relay's HTTP stack write the trailers.
    let stays = |name: &str| name != "trailer" && (is_hop_by_hop(name) || named.iter().any(|n| n == name));
    fields.iter().filter(|h| !stays(&h.name)).cloned().collect()
}
