//! The relay's own pages below `/_hook/`: health, who am I, and the upgrade to a session.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::registry::TokenId;
use crate::relay::Relay;
use crate::reply::{ReplyBody, SenderReply, page, refusal};
use crate::session;

pub async fn serve(relay: Arc<Relay>, request: Request<Incoming>) -> SenderReply {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/_hook/health") => page(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".into()),
        (&Method::GET, "/_hook/ready") => ready(&relay),
        (&Method::GET, "/_hook/whoami") => match caller(&relay, request.headers()) {
            Ok(_) => page(StatusCode::OK, "application/json", whoami(&relay)),
            Err(refusal) => *refusal,
        },
        (&Method::GET, hook_proto::wire::CONNECT_PATH) => connect(relay, request),
        _ => refusal(StatusCode::NOT_FOUND, "the relay has no such page.", None),
    }
}

fn ready(relay: &Relay) -> SenderReply {
    if relay.is_stopping() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping.", Some(5));
    }
    if relay.inbox.broken() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the inbox failed; restart the relay.", Some(30));
    }
    if relay.inbox.full() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the disk is full; new events are refused.", Some(30));
    }
    page(StatusCode::OK, "text/plain; charset=utf-8", "ready\n".into())
}

fn whoami(relay: &Relay) -> String {
    format!(
        "{{\"relay\":\"hook {}\",\"protocol\":{},\"public_url\":\"{}\"}}\n",
        env!("CARGO_PKG_VERSION"),
        hook_proto::wire::VERSION,
        relay.config.public_url
    )
}

fn caller(relay: &Relay, headers: &HeaderMap) -> Result<TokenId, Box<SenderReply>> {
    let field = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let token = field.and_then(|v| v.strip_prefix("Bearer ")).map(str::trim);
    match relay.authenticate(token) {
        Ok(Some(owner)) => Ok(owner),
        Ok(None) => {
            let mut response = refusal(StatusCode::UNAUTHORIZED, "this relay does not know that token.", None);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            Err(Box::new(response))
        }
        Err(error) => {
            tracing::error!(%error, "the registry could not be read");
            Err(Box::new(refusal(StatusCode::SERVICE_UNAVAILABLE, "the relay cannot read its registry.", Some(30))))
        }
    }
}

/// The websocket upgrade (RFC 6455 §4.2). A page in a browser is refused: no CLI sends an Origin.
fn connect(relay: Arc<Relay>, mut request: Request<Incoming>) -> SenderReply {
    if request.headers().contains_key(header::ORIGIN) {
        return refusal(StatusCode::FORBIDDEN, "sessions are not for browsers.", None);
    }
    let owner = match caller(&relay, request.headers()) {
        Ok(owner) => owner,
        Err(refusal) => return *refusal,
    };
    if relay.is_stopping() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the relay restarts.", Some(1));
    }
    let is = |name: header::HeaderName, wanted: &str| {
        let values = request.headers().get_all(name).iter().filter_map(|v| v.to_str().ok());
        values.flat_map(|v| v.split(',')).any(|v| v.trim().eq_ignore_ascii_case(wanted))
    };
    let asked = is(header::UPGRADE, "websocket") && is(header::CONNECTION, "upgrade");
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map(|k| derive_accept_key(k.as_bytes()));
    let (Some(key), true, true) = (key, asked, is(header::SEC_WEBSOCKET_VERSION, "13")) else {
        let mut response = refusal(StatusCode::UPGRADE_REQUIRED, "sessions begin with a websocket upgrade.", None);
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return response;
    };
    let Ok(accept) = HeaderValue::from_str(&key) else {
        return refusal(StatusCode::BAD_REQUEST, "not a websocket key.", None);
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        session::serve(relay, owner, TokioIo::new(upgraded)).await;
    });
    let mut response = Response::new(ReplyBody::Whole(None));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}
