//! `hook listen --demo`: a small app and a few sample events, so that the whole thing is seen in ten seconds.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::failure::Failure;

/// Path, user agent, body.
const SAMPLES: [(&str, &str, &str); 3] = [
    (
        "/stripe",
        "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        r#"{"id":"evt_demo_1","type":"payment_intent.succeeded","data":{"object":{"id":"pi_demo_1","amount":4200,"currency":"eur"}}}"#,
    ),
    (
        "/github",
        "GitHub-Hookshot/demo",
        r#"{"ref":"refs/heads/main","commits":[{"id":"d3m0","message":"Fix the handler"}]}"#,
    ),
    (
        "/stripe",
        "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        r#"{"id":"evt_demo_2","type":"invoice.paid","data":{"object":null}}"#,
    ),
];

/// Starts the app; gives its address as a target.
pub async fn start_app() -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::local(format!("the demo app cannot start: {}.", crate::text::io(&e)));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer));
            tokio::spawn(connection);
        }
    });
    Ok(address.to_string())
}

/// A handler with the mistake that most handlers have once; by the time of a replay it is repaired.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let repaired = request.headers().contains_key("hook-replay");
    let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let event: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let broken = !repaired && event.pointer("/data/object").is_some_and(serde_json::Value::is_null);
    let (status, text) = if broken {
        (StatusCode::INTERNAL_SERVER_ERROR, r#"{"error":"Cannot read properties of null (reading 'id')"}"#)
    } else {
        (StatusCode::OK, r#"{"received":true}"#)
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Sends the samples to the public URL, one after the other, as a provider would.
pub async fn send_samples(public_url: String) {
    for (path, agent, body) in SAMPLES {
        // The demo shows its outcome on the screen; there is nobody else to tell.
        let _ = send(&format!("{public_url}{path}"), agent, body).await;
    }
}

async fn send(url: &str, agent: &str, body: &'static str) -> Option<()> {
    let uri: http::Uri = url.parse().ok()?;
    let authority = uri.authority()?.to_string();
    let stream = TcpStream::connect(&authority).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::post(uri.path())
        .header("host", authority)
        .header("user-agent", agent)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .ok()?;
    sender.send_request(request).await.ok()?.into_body().collect().await.ok()?;
    Some(())
}
