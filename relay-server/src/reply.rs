//! What a sender hears, as an HTTP body: whole, or streamed from the CLI under credit.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hook_proto::wire::{self, WINDOW, to_cli};
use hook_proto::{EventId, Header, HeaderList};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::link::Outbox;

/// The body of every response that the relay sends.
pub enum ReplyBody {
    Whole(Option<Bytes>),
    Streamed(Streamed),
}

pub struct Streamed {
    parts: mpsc::UnboundedReceiver<Part>,
    stream: u64,
    outbox: Outbox,
    under_way: Arc<AtomicU64>,
    finished: bool,
}

enum Part {
    Data(Bytes),
    End(HeaderList),
}

/// Where the session puts what comes from the CLI. Dropped before [`Feed::end`], it breaks the body off, and the sender sees that.
pub struct Feed {
    parts: mpsc::UnboundedSender<Part>,
    under_way: Arc<AtomicU64>,
}

pub fn streamed(stream: u64, outbox: Outbox) -> (Feed, ReplyBody) {
    let (tx, rx) = mpsc::unbounded_channel();
    let under_way = Arc::new(AtomicU64::new(0));
    let body = Streamed { parts: rx, stream, outbox, under_way: under_way.clone(), finished: false };
    (Feed { parts: tx, under_way }, ReplyBody::Streamed(body))
}

impl Feed {
    /// Takes a chunk. `false`: nobody reads it any more, or the CLI sent more than its credit.
    #[must_use]
    pub fn data(&self, data: Bytes) -> bool {
        let size = data.len() as u64;
        self.under_way.fetch_add(size, Ordering::AcqRel) + size <= WINDOW && self.parts.send(Part::Data(data)).is_ok()
    }

    pub fn end(self, trailers: HeaderList) {
        let _ = self.parts.send(Part::End(trailers));
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(data) => Poll::Ready(data.take().filter(|d| !d.is_empty()).map(|d| Ok(Frame::data(d)))),
            Self::Streamed(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(data) => data.as_ref().is_none_or(Bytes::is_empty),
            Self::Streamed(body) => body.finished,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(data) => SizeHint::with_exact(data.as_ref().map_or(0, |d| d.len() as u64)),
            Self::Streamed(_) => SizeHint::default(),
        }
    }
}

impl Streamed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        match self.parts.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Part::Data(data))) => {
                let bytes = data.len() as u64;
                self.under_way.fetch_sub(bytes, Ordering::AcqRel);
                let credit = wire::Credit { stream: self.stream, bytes };
                let _ = self.outbox.urgent(wire::ToCli::to_frame(to_cli::Kind::Credit(credit)));
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Part::End(trailers))) => {
                self.finished = true;
                let fields = header_map(&trailers);
                Poll::Ready((!fields.is_empty()).then(|| Ok(Frame::trailers(fields))))
            }
            Poll::Ready(None) => {
                self.finished = true;
                Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::ConnectionReset, "the reply broke off"))))
            }
        }
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        if !self.finished {
            let unwanted = wire::Stream { stream: self.stream };
            let _ = self.outbox.urgent(wire::ToCli::to_frame(to_cli::Kind::ReplyUnwanted(unwanted)));
        }
    }
}

/// Fields of one hop only (RFC 9110 §7.6.1); hyper frames each hop by itself.
pub fn is_hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.contains(&name)
}

/// Header fields that hyper takes; what is no header is left out, as no peer that means well sends it.
pub fn header_map(fields: &[Header]) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(field.name.as_bytes()), HeaderValue::from_maybe_shared(field.value.clone()))
        {
            map.append(name, value);
        }
    }
    map
}

/// Leaves a `Content-Length` only where it is true, or speaks of a body that is not sent (HEAD, 304): hyper believes it, and a
/// wrong one would let the end of one reply be read as the beginning of the next.
pub fn true_length(response: &mut Response<ReplyBody>, to_head: bool) {
    let whole = match response.body() {
        ReplyBody::Whole(body) => Some(body.as_ref().map_or(0, Bytes::len)),
        ReplyBody::Streamed(_) => None,
    };
    let bodiless = to_head || response.status() == StatusCode::NOT_MODIFIED;
    let said: Vec<Option<u64>> = response
        .headers()
        .get_all(header::CONTENT_LENGTH)
        .iter()
        .map(|v| v.to_str().ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit())).and_then(|t| t.parse().ok()))
        .collect();
    let one = matches!(said.as_slice(), [Some(_)]);
    let stays = one && if bodiless { whole.is_none_or(|n| n == 0) } else { whole.is_none() };
    if !said.is_empty() && !stays {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
}

/// A reply in the relay's own words: a status, a reason for people, and whether to come again.
pub fn refusal(status: StatusCode, reason: &str, retry_after: Option<u32>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(Some(Bytes::from(format!("hook: {reason}\n")))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The relay's own 2xx: the event is on disk and will reach the app.
pub fn queued(status: StatusCode, id: EventId) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(None));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("hook-status", HeaderValue::from_static("queued"));
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert("hook-event-id", id);
    }
    response
}

/// JSON or plain text of the relay's own pages.
pub fn page(status: StatusCode, content_type: &'static str, body: String) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(Some(Bytes::from(body))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub type SenderReply = Response<ReplyBody>;

#[cfg(test)]
mod tests {
    use super::*;

    fn length(said: &[&str], body: &'static str, status: u16, to_head: bool) -> Option<String> {
        let mut response = Response::new(ReplyBody::Whole(Some(Bytes::from_static(body.as_bytes()))));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for value in said {
            response.headers_mut().append(header::CONTENT_LENGTH, HeaderValue::from_str(value).unwrap());
        }
        true_length(&mut response, to_head);
        response.headers().get(header::CONTENT_LENGTH).map(|v| v.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_length_that_could_be_wrong_is_left_to_the_http_stack() {
        assert_eq!(length(&["3"], "abcHTTP/1.1 200 OK", 200, false), None);
        assert_eq!(length(&["300"], "abc", 200, false), None);
        assert_eq!(length(&["3", "4"], "abc", 200, true), None);
        assert_eq!(length(&["abc"], "", 200, true), None);
        assert_eq!(length(&["3"], "", 200, true), Some("3".into()), "of the body that HEAD does not get");
        assert_eq!(length(&["3"], "", 304, false), Some("3".into()));
        assert_eq!(length(&["3"], "x", 304, false), None);
    }
}
