//! Takes in a whole body, within limits, before anything else happens to the event ("complete first").

use std::io;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use crate::body::{Body, BodyWriter};
use crate::endpoint::Endpoint;
use crate::relay::Relay;

/// The longest pause within a body.
const PAUSE: Duration = Duration::from_secs(30);
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
        // A sender that waits for "100 Continue" sends nothing after a refusal.
        if !parts.headers.contains_key(http::header::EXPECT) {
            linger(body, parts.version);
        }
        return Err(Uncaptured::TooLarge { limit });
    }
    read(relay, body, parts.version, limit).await
}

async fn read(relay: &Relay, mut body: Incoming, version: Version, limit: u64) -> Result<Received, Uncaptured> {
    let mut writer = BodyWriter::new(relay.config.spool.clone());
    let mut trailers = HeaderMap::new();
    loop {
        let frame = match tokio::time::timeout(PAUSE, body.frame()).await {
            Err(_) => return Err(Uncaptured::Slow),
            Ok(Some(Err(_))) => return Err(Uncaptured::Broken),
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
        };
        match frame.into_data() {
            Ok(data) => {
                if writer.len() + data.len() as u64 > limit {
                    linger(body, version);
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

/// Reads on in the background while the refusal is sent. HTTP/2 resets just the stream and needs no such care.
fn linger(mut body: Incoming, version: Version) {
    if version == Version::HTTP_2 {
        return;
    }
    tokio::spawn(tokio::time::timeout(LINGER, async move {
        let mut left = LINGER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, bytes::Bytes::len));
            if left == 0 {
                return;
            }
        }
    }));
}
