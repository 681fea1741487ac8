//! Sends an event over a connection and takes in the answer: to the sender while somebody waits, to the journal always.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use hook_proto::{EventHead, HeaderList};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::answer::{Answer, Taken, field};
use super::body::OutBody;
use super::client::{Client, ConnectError, Connection};
use super::request::{self, Marks, Shape};
use crate::journal::{AttemptEnd, BodyKey, Journal, Signing};
use crate::platform::now_ms;
use crate::session::Replier;

/// One try.
pub struct Try<'a> {
    pub seq: u64,
    pub n: u32,
    pub head: &'a EventHead,
    pub body: EventBody,
    /// What to ask the target for.
    pub path: &'a str,
    pub replay: bool,
    /// The sender hears no other answer of the app: whoever makes the try has a better one.
    pub only_2xx: bool,
    pub timeout: Duration,
    pub shape: &'a Shape,
    /// How it is signed, when not as the event came.
    pub signing: Option<Signing>,
}

/// Where an event's body is.
#[derive(Debug, Clone)]
pub enum EventBody {
    Memory(Bytes),
    /// The first parts may be here too.
    Journal(BodyKey, Vec<Bytes>),
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
        exchange(journal, client, connection, request, replier, this.only_2xx, &mut taken).await
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
    end.target = Some(client.target.url(this.path));
    end.signing.clone_from(&this.signing);
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

async fn exchange(
    journal: &Journal,
    client: &Client,
    mut connection: Connection,
    request: Request<OutBody>,
    replier: Option<&Replier>,
    only_2xx: bool,
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
    let replier = replier.filter(|_| !only_2xx || response.status().is_success());
    Answer { journal, replier, taken }.take(response).await?;
    client.give_back(connection.sender).await;
    Ok(())
}

fn build(journal: &Journal, this: &Try<'_>, fields: &HeaderList) -> Result<Request<OutBody>, http::Error> {
    let trailers = request::trailers(this.head);
    let trailers = (!trailers.is_empty()).then(|| header_map(&trailers)).transpose()?;
    let has_trailers = trailers.is_some();
    let body = match &this.body {
        EventBody::Memory(body) => OutBody::whole(body.clone(), trailers),
        EventBody::Journal(key, kept) => {
            OutBody::parts(read_parts(journal, key.clone(), kept.clone()), this.head.body_size, trailers)
        }
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

/// Streams a large body: its first parts from memory, the others out of the journal, a part ahead of the app.
fn read_parts(journal: &Journal, key: BodyKey, kept: Vec<Bytes>) -> mpsc::Receiver<io::Result<Bytes>> {
    let (tx, rx) = mpsc::channel(1);
    let journal = journal.clone();
    tokio::spawn(async move {
        let mut part = kept.len() as u32;
        for data in kept {
            if tx.send(Ok(data)).await.is_err() {
                return;
            }
        }
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

pub(super) fn header_map(fields: &HeaderList) -> Result<HeaderMap, http::Error> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for header in fields {
        map.append(
            HeaderName::from_bytes(header.name.as_bytes())?,
            HeaderValue::from_maybe_shared(header.value.clone())?,
        );
    }
    Ok(map)
}
