//! What comes in over HTTP: checks on the request's form, the relay's own pages, and events.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hook_proto::HeadParts;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Request, StatusCode, Version, header};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::capture::{self, Uncaptured};
use crate::endpoint::Endpoint;
use crate::exchange;
use crate::inbox::StoredEvent;
use crate::own;
use crate::public_url::{self, Place};
use crate::relay::{Relay, now_ms};
use crate::reply::{SenderReply, refusal};

/// All header fields of a request together, names and values.
const MAX_HEAD: usize = 64 * 1024;
const MAX_FIELDS: usize = 256;

/// Whom a request is for, once its form is known to be sound.
enum For {
    Own,
    Endpoint { endpoint: Arc<Endpoint>, host: String, rest: String },
}

/// Serves one request.
pub async fn serve(relay: Arc<Relay>, peer: IpAddr, request: Request<Incoming>) -> SenderReply {
    match whom(&relay, &request) {
        Ok(For::Own) => own::serve(relay, request).await,
        Ok(For::Endpoint { endpoint, host, rest }) => event(relay, peer, request, &host, endpoint, rest).await,
        Err(refused) => {
            let (parts, body) = request.into_parts();
            capture::unread(&parts, body);
            *refused
        }
    }
}

fn whom(relay: &Relay, request: &Request<Incoming>) -> Result<For, Box<SenderReply>> {
    let refusal = |status, reason: &str, retry_after| Box::new(refusal(status, reason, retry_after));
    let host = checked_host(request).map_err(|reason| refusal(StatusCode::BAD_REQUEST, reason, None))?;
    let host = host.unwrap_or_else(|| relay.config.public_url.authority().to_owned());
    let head: usize = request.headers().iter().map(|(n, v)| n.as_str().len() + v.len() + 4).sum();
    if head + request.uri().path_and_query().map_or(0, |p| p.as_str().len()) > MAX_HEAD {
        let reason = "the header fields are longer than 64 KiB.";
        return Err(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason, None));
    }
    // hyper counts the fields of HTTP/1 only.
    if request.headers().len() > MAX_FIELDS {
        let reason = "there are more than 256 header fields.";
        return Err(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason, None));
    }
    if has_other_transfer_coding(request.headers()) {
        return Err(refusal(StatusCode::NOT_IMPLEMENTED, "no transfer coding but chunked is known.", None));
    }
    let not_found = || refusal(StatusCode::NOT_FOUND, "no endpoint has this URL.", None);
    let (name, rest) = match relay.config.public_url.place(&host.to_ascii_lowercase(), request.uri().path()) {
        Place::Own => return Ok(For::Own),
        Place::Nothing => return Err(not_found()),
        Place::Endpoint { name, rest } => (public_url::name(name).ok_or_else(not_found)?, rest.to_owned()),
    };
    let endpoint = relay.endpoint(&name).map_err(|error| {
        tracing::error!(%error, "the registry could not be read");
        refusal(StatusCode::SERVICE_UNAVAILABLE, "the relay cannot read its registry.", Some(30))
    })?;
    let endpoint = endpoint.ok_or_else(not_found)?;
    if request.method() == Method::CONNECT {
        return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, "this is not a proxy.", None));
    }
    if relay.is_stopping() || relay.inbox.broken() {
        return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "the relay restarts; send this again later.", Some(5)));
    }
    Ok(For::Endpoint { endpoint, host, rest })
}

async fn event(
    relay: Arc<Relay>,
    peer: IpAddr,
    request: Request<Incoming>,
    host: &str,
    endpoint: Arc<Endpoint>,
    rest: String,
) -> SenderReply {
    // From here on a restart waits for this sender.
    let guard = relay.begin_exchange();
    let (parts, body) = request.into_parts();
    let received = match capture::body(&relay, &endpoint, &parts, body).await {
        Ok(received) => received,
        Err(uncaptured) => return not_captured(&relay, &uncaptured),
    };
    let event = build(&relay, peer, &parts, host, &endpoint, &rest, received);
    let to_head = parts.method == Method::HEAD;
    drop(parts);
    let (to_sender, mut reply) = oneshot::channel();
    Lasting::new(async move {
        exchange::run(relay, endpoint, Arc::new(event), to_head, to_sender).await;
        drop(guard);
    })
    .await;
    reply
        .try_recv()
        .unwrap_or_else(|_| refusal(StatusCode::SERVICE_UNAVAILABLE, "the relay failed; send this again.", Some(5)))
}

/// What goes on in a task of its own when nobody waits for it any more: an event lives on when its sender leaves.
struct Lasting(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Lasting {
    fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl Future for Lasting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(work) = &mut self.0 {
            ready!(work.as_mut().poll(cx));
            self.0 = None;
        }
        Poll::Ready(())
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        // A runtime that ends takes its events along, as it would a task.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

fn build(
    relay: &Relay,
    peer: IpAddr,
    parts: &Parts,
    host: &str,
    endpoint: &Endpoint,
    rest: &str,
    received: capture::Received,
) -> StoredEvent {
    let trusted = relay.trusts(peer);
    let told = |name: &str| {
        let lines: Vec<&str> = parts.headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
        (trusted && !lines.is_empty()).then(|| lines.join(", "))
    };
    let public = &relay.config.public_url;
    let default_scheme = if host.eq_ignore_ascii_case(public.authority()) { public.scheme() } else { "http" };
    let proto = told("x-forwarded-proto").unwrap_or_else(|| default_scheme.to_owned());
    let public_host = told("x-forwarded-host").unwrap_or_else(|| host.to_owned());
    let forwarded_for = match told("x-forwarded-for") {
        Some(before) => format!("{before}, {peer}"),
        None => peer.to_string(),
    };
    let remote_ip = forwarded_for.split(',').next().unwrap_or_default().trim();
    let raw = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let id = relay.next_event_id();
    let head = HeadParts {
        id: &id.to_string(),
        received_at: now_ms(),
        method: parts.method.as_str(),
        url: &format!("{proto}://{public_host}{raw}"),
        path: rest,
        query: raw.split_once('?').map(|(_, query)| query),
        http_version: version(parts.version),
        remote_ip,
        forwarded: [&forwarded_for, &proto, &public_host],
        body_size: received.body.len(),
    };
    // HTTP/2 says :authority where HTTP/1 says Host; apps and signatures know the latter.
    let unnamed = parts.version == Version::HTTP_2 && !parts.headers.contains_key(header::HOST);
    let head = head.encode(fields(unnamed.then_some(host), &parts.headers), fields(None, &received.trailers));
    StoredEvent { endpoint: endpoint.name.clone(), id, head, body: received.body }
}

/// hyper takes off `chunked` alone and would leave another coding's bytes as if they were the body (RFC 9112 §6.1).
fn has_other_transfer_coding(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::TRANSFER_ENCODING).iter();
    let codings: Vec<&[u8]> = values.flat_map(|v| v.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii).collect();
    codings.len() > 1 || codings.iter().any(|coding| !coding.eq_ignore_ascii_case(b"chunked"))
}

/// The one host that a request names, or why it is refused (RFC 9112 §3.2). HTTP/1.0 may name none.
fn checked_host(request: &Request<Incoming>) -> Result<Option<String>, &'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let field = match hosts.next() {
        None => None,
        Some(value) => {
            let host = value.to_str().map_err(|_| "the Host field is not a host.")?;
            if !host.is_empty() && (host.contains('@') || host.parse::<Authority>().is_err()) {
                return Err("the Host field is not a host.");
            }
            Some(host)
        }
    };
    if hosts.next().is_some() {
        return Err("there are two Host fields.");
    }
    match (field, request.uri().authority()) {
        (Some(field), Some(authority)) if !field.eq_ignore_ascii_case(authority.as_str()) => {
            Err("the Host field and the URL name different hosts.")
        }
        (None, None) if request.version() == Version::HTTP_11 => Err("there is no Host field."),
        (Some(field), _) => Ok(Some(field.to_owned()).filter(|f| !f.is_empty())),
        (None, authority) => Ok(authority.map(|a| a.to_string())),
    }
}

/// The fields of a request as an app is to see them, after the host that HTTP/2 did not name in a field.
fn fields<'a>(host: Option<&'a str>, headers: &'a HeaderMap) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    let host = host.map(|host| ("host", host.as_bytes()));
    host.into_iter().chain(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

fn not_captured(relay: &Relay, uncaptured: &Uncaptured) -> SenderReply {
    match uncaptured {
        Uncaptured::TooLarge { limit } => {
            let reason = format!("the body is larger than {limit} bytes; nothing was kept.");
            refusal(StatusCode::PAYLOAD_TOO_LARGE, &reason, None)
        }
        Uncaptured::Slow => {
            refusal(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time; nothing was kept.", None)
        }
        Uncaptured::Broken => {
            refusal(StatusCode::BAD_REQUEST, "the body did not arrive whole; nothing was kept.", None)
        }
        Uncaptured::Disk(error) => {
            relay.refused(error);
            refusal(StatusCode::SERVICE_UNAVAILABLE, "the relay has no room for this body.", Some(30))
        }
    }
}
