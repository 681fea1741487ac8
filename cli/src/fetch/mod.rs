//! Requests of hook's own to what providers publish, for a person who agreed: the key of a signature, and the URL that confirms a
//! subscription. Which hosts those may have is in the recipes; an event cannot name another.

mod agreed;

use std::time::Duration;

use bytes::Bytes;
use hook_proto::Header;

pub use agreed::{Agreed, Purpose, Wish, agrees};

use crate::forward::{Client, PostError, post};
use crate::session::tls_config;
use crate::target::Target;

/// For all of it, from the name to the last byte.
const WITHIN: Duration = Duration::from_secs(10);
/// A key or a confirmation is much shorter.
const MOST: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("its URL is none that hook asks for")]
    Url,
    #[error("no TLS: {0}")]
    Tls(String),
    #[error("{0}")]
    Post(#[from] PostError),
    #[error("it redirects, and hook does not follow")]
    Redirect,
    #[error("it answered {0}")]
    Status(u16),
    #[error("its answer is empty or too long")]
    Length,
    #[error("its answer is no key")]
    NoKey,
}

/// The host of a URL that a recipe allowed, which has neither user nor port.
pub fn host(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    behind.split(['/', '?']).next().unwrap_or(behind)
}

/// A key, from where it is published.
pub async fn key(url: &str) -> Result<Bytes, FetchError> {
    get(url).await.and_then(as_key)
}

/// What may be a certificate or a key.
pub fn as_key(key: Bytes) -> Result<Bytes, FetchError> {
    let text = key.trim_ascii_start();
    if text.starts_with(b"-----BEGIN ") || text.starts_with(b"{") { Ok(key) } else { Err(FetchError::NoKey) }
}

/// Over TLS only, with the certificates that this system trusts.
pub async fn get(url: &str) -> Result<Bytes, FetchError> {
    let target: Target = url.parse().map_err(|_| FetchError::Url)?;
    let path = target.join("", None).map_err(|_| FetchError::Url)?;
    if !target.tls {
        return Err(FetchError::Url);
    }
    // It reads files.
    let tls = tokio::task::spawn_blocking(|| tls_config(false)).await.unwrap_or_else(|e| Err(e.to_string()));
    read(&Client::new(target, Some(tls.map_err(FetchError::Tls)?)), &path).await
}

async fn read(client: &Client, path: &str) -> Result<Bytes, FetchError> {
    let agent = concat!("hook/", env!("CARGO_PKG_VERSION"));
    let fields = vec![
        Header::new("host", client.target.authority().into_bytes()),
        Header::new("user-agent", agent.as_bytes().to_vec()),
        Header::new("accept", b"*/*".to_vec()),
    ];
    let answer = post(client, "GET", path, &fields, Bytes::new(), WITHIN).await?;
    match answer.status {
        200 if answer.body.is_empty() || answer.body.len() > MOST => Err(FetchError::Length),
        200 => Ok(answer.body),
        300..400 => Err(FetchError::Redirect),
        status => Err(FetchError::Status(status)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What is made of an answer, and how often it was asked.
    async fn fetched(answer: String) -> (Result<Bytes, FetchError>, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let mut asked = 0;
            while let Ok(Ok((mut stream, _))) =
                tokio::time::timeout(Duration::from_millis(500), listener.accept()).await
            {
                asked += 1;
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                assert!(
                    head[..read].starts_with(b"GET /a.pem?x=1 HTTP/1.1\r\n"),
                    "{}",
                    String::from_utf8_lossy(&head[..read])
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            asked
        });
        let client = Client::new(format!("http://{address}").parse().unwrap(), None);
        let found = read(&client, "/a.pem?x=1").await;
        (found, server.await.unwrap())
    }

    fn answer(status: u16, fields: &str, body: &str) -> String {
        format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{fields}\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn only_a_short_200_is_taken_and_nothing_is_followed() {
        assert_eq!(fetched(answer(200, "", "key")).await.0.unwrap(), "key");
        let (moved, asked) = fetched(answer(302, "location: /a.pem?x=1\r\n", "key")).await;
        assert!(matches!(moved, Err(FetchError::Redirect)) && asked == 1, "{moved:?}, asked {asked} times");
        for (answer, says) in [
            (answer(404, "", "key"), "it answered 404"),
            (answer(204, "", ""), "it answered 204"),
            (answer(200, "", ""), "its answer is empty or too long"),
            (answer(200, "", &"k".repeat(MOST + 1)), "its answer is empty or too long"),
            (answer(200, "", &"k".repeat(2 << 20)), "its answer is empty or too long"),
        ] {
            assert_eq!(fetched(answer).await.0.unwrap_err().to_string(), says);
        }
    }

    #[tokio::test]
    async fn only_https_is_asked() {
        for url in ["http://127.0.0.1:9/a.pem", "127.0.0.1:9/a.pem", "https://u@h.example/", "ftp://h.example/", ""] {
            assert!(matches!(get(url).await, Err(FetchError::Url)), "{url}");
        }
    }

    #[test]
    fn the_host_is_all_that_is_agreed_to() {
        assert_eq!(host("https://sns.us-east-1.amazonaws.com/?Action=Confirm"), "sns.us-east-1.amazonaws.com");
        assert_eq!(host("https://api.paypal.com?a=/b"), "api.paypal.com");
    }
}
