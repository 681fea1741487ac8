//! Accepts connections until told to stop.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

use crate::ingress;
use crate::peers::{Peers, Place};
use crate::relay::Relay;
use crate::reply::is_hop_by_hop;

const MAX_HEADERS: usize = 256;
/// How long a connection may say nothing at its beginning.
const FIRST_BYTES: Duration = Duration::from_secs(10);

/// Serves on the listener until `shutdown` completes; then lets running exchanges finish and returns.
pub async fn run(listener: TcpListener, relay: Arc<Relay>, shutdown: impl Future<Output = ()>) {
    let server = server();
    let peers = Arc::new(Peers::default());
    let graceful = GracefulShutdown::new();
    let mut second = tokio::time::interval(Duration::from_millis(500));
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    let peer = peer.ip().to_canonical();
                    match peers.admit(peer, relay.trusts(peer)) {
                        Some(place) => accept(&server, &graceful, relay.clone(), socket, peer, place),
                        None => turn_away(&socket),
                    }
                }
                Err(error) => {
                    // Out of file descriptors, most likely: those in use come back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            _ = second.tick() => {
                if let Err(error) = relay.end_revoked() {
                    tracing::error!(%error, "the registry could not be read");
                }
                if relay.inbox.broken() {
                    tracing::error!("the inbox failed; the relay stops so that it can be started again");
                    break;
                }
            }
            () = &mut shutdown => break,
        }
    }
    drop(listener);
    relay.stop().await;
    let _ = tokio::time::timeout(Duration::from_secs(2), graceful.shutdown()).await;
}

fn server() -> Builder<TokioExecutor> {
    let mut server = Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .max_headers(MAX_HEADERS)
        .max_buf_size(256 * 1024)
        .keep_alive(true);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(64 * 1024)
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    server
}

fn accept(
    server: &Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
    relay: Arc<Relay>,
    socket: TcpStream,
    peer: IpAddr,
    place: Place,
) {
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request| {
        let relay = relay.clone();
        async move {
            let mut response = ingress::serve(relay, peer, request).await;
            if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
                strip_hop_by_hop(response.headers_mut());
            }
            Ok::<_, Infallible>(response)
        }
    });
    let (server, watcher) = (server.clone(), graceful.watcher());
    tokio::spawn(async move {
        // The HTTP stack sets its time limits only once it knows the version.
        if tokio::time::timeout(FIRST_BYTES, first_bytes(&socket)).await.is_err() {
            return;
        }
        let connection = server.serve_connection_with_upgrades(TokioIo::new(socket), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(error, "a connection failed");
        }
        drop(place);
    });
}

/// Tells whoever has too many connections why this one ends, without waiting for anything.
fn turn_away(socket: &TcpStream) {
    let reply = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let _ = socket.try_write(reply);
}

/// Waits until it can be told which version of HTTP is spoken.
async fn first_bytes(socket: &TcpStream) {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut bytes = [0; 24];
    while let Ok(n) = socket.peek(&mut bytes).await {
        if n == 0 || n == bytes.len() || !PREFACE.starts_with(&bytes[..n]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a reply says of the hop between app and CLI stays there.
fn strip_hop_by_hop(headers: &mut http::HeaderMap) {
    let named: Vec<String> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let gone: Vec<_> = headers
        .keys()
        .filter(|n| is_hop_by_hop(n.as_str()) || named.iter().any(|m| m == n.as_str()))
        .cloned()
        .collect();
    for name in gone {
        // `Trailer` announces what hyper must let through behind a chunked body.
        if name != http::header::TRAILER {
            headers.remove(name);
        }
    }
}
