//! Dials a relay: TCP, TLS where its URL says so, and the websocket upgrade; and asks it who we are.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hook_proto::wire::CONNECT_PATH;
use hook_relay_server::link::websocket_config;
use hook_relay_server::registry::TokenId;
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};

use crate::failure::{Exit, Failure};
use crate::tls::{self, Broken};

/// Bytes read from a relay at once.
const READS: usize = 32 * 1024;
/// What may be under way to a relay in this process, each way.
const BETWEEN: usize = 256 * 1024;
const WITHIN: Duration = Duration::from_secs(15);

/// A relay, and the token that it knows us by.
#[derive(Clone)]
pub struct Relay {
    pub scheme: Scheme,
    pub authority: String,
    pub token: Option<Arc<str>>,
    /// It runs in this process, so no socket lies between.
    pub own: Option<Arc<hook_relay_server::Relay>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a relay's URL: it is https:// (or http://) and a host")]
pub struct BadRelay(String);

impl FromStr for Relay {
    type Err = BadRelay;

    fn from_str(text: &str) -> Result<Self, BadRelay> {
        let bad = || BadRelay(text.to_owned());
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            _ => return Err(bad()),
        };
        let authority: Authority = rest.trim_end_matches('/').parse().map_err(|_| bad())?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(bad());
        }
        Ok(Self { scheme, authority: authority.as_str().to_ascii_lowercase(), token: None, own: None })
    }
}

impl Relay {
    pub fn url(&self) -> String {
        let scheme = if self.scheme == Scheme::Https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    fn host_and_port(&self) -> (String, u16) {
        let default = if self.scheme == Scheme::Https { 443 } else { 80 };
        let parsed = self.authority.parse::<Authority>().ok();
        let port = parsed.as_ref().and_then(Authority::port_u16).unwrap_or(default);
        let host = parsed.as_ref().map_or(self.authority.as_str(), Authority::host);
        (host.trim_matches(['[', ']']).to_owned(), port)
    }

    pub fn is_loopback(&self) -> bool {
        let (host, _) = self.host_and_port();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

pub enum DialError {
    /// Trying again later may work.
    Unreachable { error: &'static str, detail: String, wait: Option<Duration> },
    /// It will not.
    Refused(Failure),
}

impl DialError {
    fn unreachable(error: &'static str, detail: impl ToString) -> Self {
        Self::Unreachable { error, detail: detail.to_string(), wait: None }
    }

    pub fn into_failure(self, relay: &Relay) -> Failure {
        match self {
            Self::Refused(failure) => failure,
            Self::Unreachable { detail, .. } => {
                let what = format!("{} cannot be reached ({detail}).", relay.url());
                Failure::new(Exit::Unreachable, "relay_unreachable", what).next("hook doctor")
            }
        }
    }
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
pub type Socket = WebSocketStream<Box<dyn Stream>>;

pub async fn dial(relay: &Relay) -> Result<Socket, DialError> {
    if let Some(own) = &relay.own {
        let (ours, theirs) = tokio::io::duplex(BETWEEN);
        tokio::spawn(hook_relay_server::serve_session(own.clone(), TokenId::LOCAL, theirs));
        return Ok(Socket::from_raw_socket(Box::new(ours), Role::Client, Some(websocket_config(READS))).await);
    }
    let late = |_| DialError::unreachable("timeout", "no answer within 15 s");
    tokio::time::timeout(WITHIN, upgrade(relay)).await.map_err(late)?
}

async fn upgrade(relay: &Relay) -> Result<Socket, DialError> {
    let stream = stream(relay).await?;
    let url = format!("{}{CONNECT_PATH}", relay.url().replacen("http", "ws", 1));
    let mut request = url.into_client_request().map_err(|e| DialError::unreachable("bad_url", e))?;
    if let Some(value) = authorization(relay) {
        request.headers_mut().insert(http::header::AUTHORIZATION, value);
    }
    match tokio_tungstenite::client_async_with_config(request, stream, Some(websocket_config(READS))).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => {
            let retry = response.headers().get(http::header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
            Err(answered(relay, response.status(), retry))
        }
        Err(tungstenite::Error::Io(error)) => Err(DialError::unreachable("closed", crate::text::io(&error))),
        Err(_) => Err(DialError::unreachable("no_websocket", "it does not answer as a hook relay does")),
    }
}

/// What an HTTP answer that is no session means.
pub fn answered(relay: &Relay, status: StatusCode, retry_after: Option<u64>) -> DialError {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let what = if relay.token.is_some() {
                format!("{} does not know this token (it may have been revoked).", relay.authority)
            } else {
                format!("{} wants a token.", relay.authority)
            };
            DialError::Refused(Failure::new(Exit::Refused, "token", what).next(
                if std::env::var_os("HOOK_TOKEN").is_some() {
                    format!("hook login {} (and unset HOOK_TOKEN, which stands above it)", relay.url())
                } else {
                    format!("hook login {}", relay.url())
                },
            ))
        }
        StatusCode::NOT_FOUND | StatusCode::UPGRADE_REQUIRED | StatusCode::METHOD_NOT_ALLOWED => {
            let what = format!("{} is not a hook relay (it answered {status}).", relay.url());
            DialError::Refused(
                Failure::new(Exit::Refused, "not_a_relay", what)
                    .next("check the URL; a relay answers at /_hook/health"),
            )
        }
        _ => DialError::Unreachable {
            error: "relay_error",
            detail: format!("it answered {status}"),
            wait: retry_after.map(|s| Duration::from_secs(s.min(300)).mul_f64(1.0 + 0.2 * rand::random::<f64>())),
        },
    }
}

async fn stream(relay: &Relay) -> Result<Box<dyn Stream>, DialError> {
    let (host, port) = relay.host_and_port();
    let tcp = TcpStream::connect((host.as_str(), port))
        .await
        .map_err(|e| DialError::unreachable(word(&e), words(&e, &host)))?;
    let _ = tcp.set_nodelay(true);
    if relay.scheme == Scheme::Http {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(host).map_err(|e| DialError::unreachable("tls", e))?;
    let config = tls_config(false).map_err(|e| DialError::unreachable("tls", e))?;
    let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(|e| match tls::broken(&e) {
        Broken::Plain => DialError::unreachable("tls", "it speaks plain HTTP, not HTTPS"),
        Broken::Certificate(why) => DialError::unreachable("tls", format!("its certificate is refused: {why}")),
        Broken::Other(why) => DialError::unreachable("tls", why),
    })?;
    Ok(Box::new(tls))
}

/// The words for a broken network that the JSON schema lists.
fn word(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection_refused",
        std::io::ErrorKind::NetworkUnreachable | std::io::ErrorKind::HostUnreachable => "network_unreachable",
        std::io::ErrorKind::TimedOut => "timeout",
        _ => "no_host",
    }
}

fn words(error: &std::io::Error, host: &str) -> String {
    match word(error) {
        "connection_refused" => "nothing listens there".to_owned(),
        "network_unreachable" => "the network is unreachable".to_owned(),
        "timeout" => "no answer".to_owned(),
        _ => format!("no host named {host}"),
    }
}

fn authorization(relay: &Relay) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", relay.token.as_ref()?)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Asks one of the relay's own pages with our token.
pub async fn ask(relay: &Relay, path: &str) -> Result<String, DialError> {
    let response = get(relay, path).await?;
    if response.status() != StatusCode::OK {
        return Err(answered(relay, response.status(), None));
    }
    Ok(response.into_body())
}

/// The same, whatever it answers, with the fields of its head.
pub async fn get(relay: &Relay, path: &str) -> Result<Response<String>, DialError> {
    let work = async {
        let stream = stream(relay).await?;
        let failed = |e: hyper::Error| DialError::unreachable("relay_error", e);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(connection);
        let mut request = Request::get(path).header(http::header::HOST, &relay.authority);
        if let Some(value) = authorization(relay) {
            request = request.header(http::header::AUTHORIZATION, value);
        }
        let request = request.body(Empty::<bytes::Bytes>::new()).map_err(|e| DialError::unreachable("bad_url", e))?;
        let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
        let body = Limited::new(body, 64 * 1024).collect().await;
        let text = match body {
            Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            // Only what a relay says itself must be whole.
            Err(_) if head.status != StatusCode::OK => String::new(),
            Err(error) => return Err(DialError::unreachable("relay_error", error)),
        };
        Ok(Response::from_parts(head, text))
    };
    tokio::time::timeout(WITHIN, work).await.map_err(|_| DialError::unreachable("timeout", "no answer within 15 s"))?
}

/// TLS with the system's roots; `insecure` takes any certificate, for targets on a developer's machine.
pub fn tls_config(insecure: bool) -> Result<Arc<rustls::ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    if insecure {
        let verifier = Arc::new(insecure::AnyCertificate(provider));
        return Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()));
    }
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

mod insecure {
    use std::sync::Arc;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    /// `--insecure`: who the app is does not matter, that the handshake is sound does.
    #[derive(Debug)]
    pub struct AnyCertificate(pub Arc<CryptoProvider>);

    impl ServerCertVerifier for AnyCertificate {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
