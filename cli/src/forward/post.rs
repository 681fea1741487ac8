//! A request of hook's own to a public URL, as a provider would make it: nobody's attempt, and kept by whoever gets it.

use std::time::Duration;

use bytes::Bytes;
use hook_proto::HeaderList;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Limited};
use tokio::time::Instant;

use super::attempt::header_map;
use super::body::OutBody;
use super::client::{Client, ConnectError};

/// More of an answer than this is not read.
const MOST: usize = 1024 * 1024;

/// What a sender heard.
#[derive(Debug)]
pub struct Posted {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub ms: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("no answer within {}", crate::text::span(*.0))]
    Timeout(Duration),
    #[error("this event cannot be written as an HTTP/1.1 request")]
    Unsendable(#[from] http::Error),
    #[error("the connection broke: {0}")]
    Broke(#[from] hyper::Error),
}

/// `path` is what to ask for, with the query.
pub async fn post(
    client: &Client,
    method: &str,
    path: &str,
    fields: &HeaderList,
    body: Bytes,
    timeout: Duration,
) -> Result<Posted, PostError> {
    let begun = Instant::now();
    let mut request = Request::new(OutBody::whole(body, None));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(http::Error::from)?;
    *request.uri_mut() = path.parse().map_err(http::Error::from)?;
    *request.headers_mut() = header_map(fields)?;
    let work = async {
        let mut connection = client.connect().await?;
        let (head, body) = connection.sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MOST).collect().await.map(|b| b.to_bytes()).unwrap_or_default();
        Ok::<_, PostError>(Posted {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            ms: begun.elapsed().as_millis() as u64,
        })
    };
    tokio::time::timeout(timeout, work).await.map_err(|_| PostError::Timeout(timeout))?
}
