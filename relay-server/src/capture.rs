//! Takes in a whole body, within limits, before anything else happens to the event ("complete first").

use std::io;
use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout};

use crate::body::{Body, BodyWriter};
use crate::endpoint::Endpoint;
use crate::relay::Relay;

/// How much of a refused body is read and dropped, so that its sender sees the refusal and not a reset connection.
const LINGER_BYTES: usize = 64 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(5);

/// Fields behind a body.
const MAX_TRAILERS: usize = 64;

pub struct Received {
    pub body: Body,
    pub trailers: HeaderMap,
}

/// Why there is no event.
#[derive(Debug)]
pub enum Uncaptured {
    TooLarge { limit: u64 },
    Slow,
    Broken,
    Disk(io::Error),
}

pub async fn body(relay: &Relay, endpoint: &Endpoint, parts: &Parts, body: Incoming) -> Result<Received, Uncaptured> {
    let asked = endpoint.settings().max_body;
    let limit = if asked == 0 { relay.config.max_body } else { asked.min(relay.config.max_body) };
    if body.size_hint().exact().is_some_and(|size| size > limit) {
        unread(parts, body);
        return Err(Uncaptured::TooLarge { limit });
    }
    let mut writer = BodyWriter::new(relay.config.spool.clone(), relay.arriving.clone());
    writer.announce(body.size_hint().lower());
    read(writer, body, limit).await
}

async fn read(mut writer: BodyWriter, mut body: Incoming, limit: u64) -> Result<Received, Uncaptured> {
    let mut trailers = HeaderMap::new();
    let mut pace = Pace::default();
    loop {
        let begun = Instant::now();
        let frame = match timeout(pace.patience(), body.frame()).await {
            Err(_) if pace.kept_up() => continue,
            Err(_) => {
                linger(body);
                return Err(Uncaptured::Slow);
            }
            Ok(Some(Err(_))) => return Err(Uncaptured::Broken),
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
        };
        match frame.into_data() {
            Ok(data) => {
                pace.came(data.len() as u64, begun.elapsed());
                if writer.len() + data.len() as u64 > limit {
                    linger(body);
                    return Err(Uncaptured::TooLarge { limit });
                }
                writer.push(data).await.map_err(Uncaptured::Disk)?;
            }
            Err(frame) => {
                if let Ok(fields) = frame.into_trailers() {
                    if fields.len() > MAX_TRAILERS {
                        return Err(Uncaptured::Broken);
                    }
                    trailers = fields;
                }
            }
        }
    }
    Ok(Received { body: writer.finish().await.map_err(Uncaptured::Disk)?, trailers })
}

/// Whether a sender keeps up: for each stretch that it is waited for, it must have sent so much.
#[derive(Default)]
struct Pace {
    waited: Duration,
    came: u64,
}

impl Pace {
    const STRETCH: Duration = Duration::from_secs(10);
    const BYTES: u64 = 5_000;

    /// How long to wait for more.
    fn patience(&self) -> Duration {
        Self::STRETCH.saturating_sub(self.waited)
    }

    fn came(&mut self, bytes: u64, after: Duration) {
        self.waited += after;
        self.came += bytes;
    }

    /// A stretch is over: did it bring enough? Begins the next one.
    fn kept_up(&mut self) -> bool {
        std::mem::take(self).came >= Self::BYTES
    }
}

/// Deals with the body of a request that was refused for its head.
pub fn unread(parts: &Parts, body: Incoming) {
    // A sender that waits for "100 Continue" sends nothing after a refusal.
    if !parts.headers.contains_key(http::header::EXPECT) && !body.is_end_stream() {
        linger(body);
    }
}

/// Reads on in the background while the refusal is sent. HTTP/2 would reset the stream, and some clients then forget the reply.
fn linger(mut body: Incoming) {
    tokio::spawn(timeout(LINGER, async move {
        let mut left = LINGER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, bytes::Bytes::len));
            if left == 0 {
                return;
            }
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a body that comes in `count` pieces of this size, each after a pause, is taken in.
    fn is_taken(count: usize, piece: u64, pause: Duration) -> bool {
        let mut pace = Pace::default();
        (0..count).all(|_| {
            let mut left = pause;
            while let patience = pace.patience()
                && left > patience
            {
                left -= patience;
                if !pace.kept_up() {
                    return false;
                }
            }
            pace.came(piece, left);
            true
        })
    }

    #[test]
    fn a_sender_may_be_slow_but_not_for_ever() {
        let second = Duration::from_secs(1);
        assert!(is_taken(1000, 600, second), "600 B/s is enough");
        assert!(is_taken(9, 1, second), "a short body has its time");
        assert!(is_taken(20, 1_000_000, 9 * second), "pauses are no fault");
        assert!(!is_taken(1000, 400, second));
        assert!(!is_taken(1000, 1, second / 2), "a byte now and then holds nothing open");
        assert!(!is_taken(1, 1_000_000, 11 * second), "nor does silence");
    }
}
