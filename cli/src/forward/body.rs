//! The body of a request to the app: from memory, or in parts out of the journal.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// An event's body on its way to the app.
pub struct OutBody {
    source: Source,
    /// `None` makes the body chunked, which trailers need.
    size: Option<u64>,
    trailers: Option<HeaderMap>,
}

enum Source {
    Whole(Option<Bytes>),
    Parts(mpsc::Receiver<io::Result<Bytes>>),
}

impl OutBody {
    pub fn whole(body: Bytes, trailers: Option<HeaderMap>) -> Self {
        let size = trailers.is_none().then_some(body.len() as u64);
        Self { source: Source::Whole(Some(body).filter(|b| !b.is_empty())), size, trailers }
    }

    pub fn parts(parts: mpsc::Receiver<io::Result<Bytes>>, size: u64, trailers: Option<HeaderMap>) -> Self {
        let size = trailers.is_none().then_some(size);
        Self { source: Source::Parts(parts), size, trailers }
    }
}

impl Body for OutBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let data = match &mut self.source {
            Source::Whole(body) => body.take().map(Ok),
            Source::Parts(parts) => match parts.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(part) => part,
            },
        };
        Poll::Ready(match data {
            Some(data) => Some(data.map(Frame::data)),
            None => self.trailers.take().map(|t| Ok(Frame::trailers(t))),
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Whole(None)) && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
