//! An answer as it comes: to the sender while somebody waits, into the journal always.

use std::time::Duration;

use bytes::Bytes;
use hook_proto::wire::MAX_CHUNK;
use hook_proto::{Header, HeaderList, ReplyBy};
use hook_relay_server::is_hop_by_hop;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use super::attempt::Try;
use crate::journal::{AttemptEnd, Journal, attempt_part};
use crate::session::{Head, Replier};

/// What of an answer is kept in the attempt's row; more goes into parts.
const FIRST_PART: usize = 1024 * 1024;
/// What of an answer is kept at all. All of it reaches the sender.
pub const KEEP: u64 = 32 * 1024 * 1024;
/// A body that is whole by then travels with its head, so that a lost session cannot cut the answer in two. One whose length
/// is known and small is worth waiting for; one of unknown length may be a stream that somebody watches.
const GATHER: Duration = Duration::from_millis(2);
const GATHER_SMALL: Duration = Duration::from_millis(200);

/// What an attempt has so far; it outlives the exchange, which a timeout ends anywhere.
pub struct Taken {
    pub begun: Instant,
    pub end: AttemptEnd,
    pub answered_sender: bool,
    /// The sender has the head of an answer whose body is on its way.
    pub streaming: bool,
    pub seq: u64,
    pub n: u32,
    pub part: u32,
    pub buffer: Vec<u8>,
}

impl Taken {
    pub fn new(begun: Instant, this: &Try<'_>) -> Self {
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

    pub async fn flush(&mut self, journal: &Journal) {
        if self.buffer.is_empty() {
            return;
        }
        let (seq, n, part, data) = (self.seq, self.n, self.part, std::mem::take(&mut self.buffer));
        self.part += 1;
        // A failing journal is reported by whoever ends the attempt.
        let _ = journal.write(move |c| attempt_part(c, seq, n, part, &data)).await;
    }
}

/// An answer on its way to the sender and into the journal.
pub struct Answer<'a> {
    pub journal: &'a Journal,
    pub replier: Option<&'a Replier>,
    pub taken: &'a mut Taken,
}

impl Answer<'_> {
    pub async fn take(&mut self, response: Response<Incoming>) -> Result<(), hyper::Error> {
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
    ) -> Result<(), hyper::Error> {
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

/// What of an answer goes on to the sender: not what belongs to the hop between hook and the app.
pub fn end_to_end(fields: &HeaderList) -> HeaderList {
    let named: Vec<String> = fields
        .iter()
        .filter(|h| h.name == "connection")
        .flat_map(|h| {
            String::from_utf8_lossy(&h.value).split(',').map(|n| n.trim().to_ascii_lowercase()).collect::<Vec<_>>()
        })
        .collect();
    // `Trailer` lets the relay's HTTP stack write the trailers.
    // Beside a transfer coding a length means nothing (RFC 9112 §6.3).
    let chunked = fields.iter().any(|h| h.name == "transfer-encoding");
    let of_this_hop = |name: &str| {
        (chunked && name == "content-length")
            || name != "trailer" && (is_hop_by_hop(name) || named.iter().any(|n| n == name))
    };
    fields.iter().filter(|h| !of_this_hop(&h.name)).cloned().collect()
}

/// A field as it came.
pub fn field(name: &HeaderName, value: &HeaderValue) -> Header {
    Header::new(name.as_str(), Bytes::copy_from_slice(value.as_bytes()))
}
