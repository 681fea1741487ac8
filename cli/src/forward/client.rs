//! Connections to one target: both loopback addresses tried, TLS where asked, a small pool that is last in, first out.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::body::OutBody;
use crate::target::Target;
use crate::tls::{self, Broken};

/// A connection that idles longer may be closed by the app just as it is used again, so it is not used again.
const MAX_IDLE: Duration = Duration::from_secs(1);
const MAX_POOLED: usize = 64;
/// Of an answer; each request sets aside room for so many.
const MAX_FIELDS: usize = 256;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

pub struct Client {
    pub target: Target,
    tls: Option<TlsConnector>,
    pool: Mutex<Vec<(SendRequest<OutBody>, Instant)>>,
    /// The address that answered last.
    good: Mutex<Option<SocketAddr>>,
}

pub struct Connection {
    pub sender: SendRequest<OutBody>,
    /// Taken from the pool: the app may have closed it meanwhile.
    pub reused: bool,
}

/// Nothing was sent: the event stays owed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("connection refused on {}", .0.join(" and "))]
    Refused(Vec<String>),
    #[error("no host named {0}")]
    NoHost(String),
    #[error("no connection to {0} within 10 s")]
    Timeout(String),
    #[error("{0} speaks plain HTTP, not HTTPS")]
    PlainHttp(String),
    #[error("the certificate of {0} is refused: {1}")]
    Certificate(String, &'static str),
    #[error("TLS to {0} failed: {1}")]
    Tls(String, String),
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
}

impl ConnectError {
    /// For a stranger, who need not know where the app would be.
    pub fn in_short(&self) -> &'static str {
        match self {
            Self::Refused(_) => "the app is down (connection refused)",
            Self::Timeout(_) | Self::Unreachable(..) | Self::NoHost(_) => "the app cannot be reached",
            Self::PlainHttp(_) | Self::Certificate(..) | Self::Tls(..) => "no TLS connection to the app",
        }
    }

    /// Its word in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "connection_refused",
            Self::NoHost(_) => "no_host",
            Self::Timeout(_) => "connect_timeout",
            Self::PlainHttp(_) => "plain_http",
            Self::Certificate(..) => "certificate",
            Self::Tls(..) => "tls",
            Self::Unreachable(..) => "unreachable",
        }
    }
}

impl Client {
    pub fn new(target: Target, tls: Option<Arc<rustls::ClientConfig>>) -> Self {
        Self { target, tls: tls.map(TlsConnector::from), pool: Mutex::default(), good: Mutex::default() }
    }

    /// A connection that can take a request now.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        if let Some(sender) = self.pooled() {
            return Ok(Connection { sender, reused: true });
        }
        self.fresh().await
    }

    pub async fn fresh(&self) -> Result<Connection, ConnectError> {
        let stream = self.tcp().await?;
        let name = self.target.host_port();
        let Some(tls) = self.tls.as_ref().filter(|_| self.target.tls) else {
            return handshake(stream, &name).await;
        };
        let server = ServerName::try_from(self.target.host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| ConnectError::Tls(name.clone(), "its host is no name for a certificate".into()))?;
        match tokio::time::timeout(CONNECT_WITHIN, tls.connect(server, stream)).await {
            Err(_) => Err(ConnectError::Timeout(name)),
            Ok(Ok(stream)) => handshake(stream, &name).await,
            Ok(Err(error)) => Err(match tls::broken(&error) {
                Broken::Plain => ConnectError::PlainHttp(name),
                Broken::Certificate(why) => ConnectError::Certificate(name, why),
                Broken::Other(why) => ConnectError::Tls(name, why),
            }),
        }
    }

    /// Whether the app is there, TLS included; sends nothing.
    pub async fn look(&self) -> Result<Duration, ConnectError> {
        let begun = Instant::now();
        if self.target.tls { self.fresh().await.map(|_| begun.elapsed()) } else { self.probe().await }
    }

    /// Whether something listens; sends nothing.
    pub async fn probe(&self) -> Result<Duration, ConnectError> {
        let begun = Instant::now();
        self.tcp().await.map(|_| begun.elapsed())
    }

    /// Keeps a connection for the next attempt once its answer was read to the end.
    pub async fn give_back(&self, mut sender: SendRequest<OutBody>) {
        let ready = tokio::time::timeout(Duration::from_millis(100), sender.ready()).await;
        if let Ok(Ok(())) = ready {
            let mut pool = lock(&self.pool);
            if pool.len() < MAX_POOLED {
                pool.push((sender, Instant::now()));
            }
        }
    }

    fn pooled(&self) -> Option<SendRequest<OutBody>> {
        let mut pool = lock(&self.pool);
        while let Some((sender, since)) = pool.pop() {
            if since.elapsed() > MAX_IDLE {
                // All below are older.
                pool.clear();
                return None;
            }
            if sender.is_ready() && !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    async fn tcp(&self) -> Result<TcpStream, ConnectError> {
        let addresses = self.addresses().await?;
        let mut refused = Vec::new();
        let mut other = None;
        for address in addresses {
            match tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    *lock(&self.good) = Some(address);
                    return Ok(stream);
                }
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    refused.push(address.to_string())
                }
                // A system without IPv6 has nobody to refuse there.
                Ok(Err(error)) if refused.is_empty() => {
                    other = Some(ConnectError::Unreachable(address.to_string(), error.to_string()));
                }
                Ok(Err(_)) => {}
                Err(_) => other = Some(ConnectError::Timeout(address.to_string())),
            }
        }
        Err(match other {
            Some(other) if refused.is_empty() => other,
            _ => ConnectError::Refused(refused),
        })
    }

    /// Whether its host has an address at all.
    pub async fn resolve(&self) -> Result<(), ConnectError> {
        self.addresses().await.map(|_| ())
    }

    /// Both loopback addresses for `localhost` and names below it, whichever its app took; the one that answered last comes first.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let port = self.target.port;
        let mut addresses: Vec<SocketAddr> = if self.target.is_localhost() {
            vec![([127, 0, 0, 1], port).into(), ([0, 0, 0, 0, 0, 0, 0, 1], port).into()]
        } else {
            let host = self.target.host.trim_matches(['[', ']']);
            let found = tokio::net::lookup_host((host, port)).await;
            found.map_err(|_| ConnectError::NoHost(host.to_owned()))?.collect()
        };
        if let Some(good) = *lock(&self.good)
            && let Some(at) = addresses.iter().position(|a| *a == good)
        {
            addresses.swap(0, at);
        }
        if addresses.is_empty() {
            return Err(ConnectError::NoHost(self.target.host.clone()));
        }
        Ok(addresses)
    }
}

async fn handshake<S>(stream: S, name: &str) -> Result<Connection, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_headers(MAX_FIELDS)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| ConnectError::Unreachable(name.to_owned(), e.to_string()))?;
    tokio::spawn(async move {
        // Its failure reaches whoever waits for the answer.
        let _ = connection.await;
    });
    Ok(Connection { sender, reused: false })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_of_this_machine_are_asked_of_nobody() {
        for name in ["localhost:3000", "app.localhost:3000", "a.b.localhost:3000"] {
            let client = Client::new(name.parse().unwrap(), None);
            let addresses: Vec<String> = client.addresses().await.unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(addresses, ["127.0.0.1:3000", "[::1]:3000"], "{name}");
        }
    }
}
