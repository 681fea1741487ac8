//! The relay inside `hook listen`: loopback only, a memory inbox, name and port remembered per project (DESIGN §4).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hook_proto::{EndpointName, Settings};
use hook_relay_server::inbox::{Limits, MemoryInbox};
use hook_relay_server::registry::{Registry, Run, TokenId};
use hook_relay_server::{Access, Config, Relay as RelayServer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::journal::{self, Journal, Listener, Remembered};
use crate::platform;
use crate::session::{Relay, Scheme};

/// The key of its events in the journal.
pub const KEY: &str = "embedded";

pub struct Embedded {
    pub relay: Relay,
    pub public_url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// The remembered name of an endpoint, or a new one; and the port of last time.
pub async fn remembered(
    journal: &Journal,
    project: &str,
    relay_key: &str,
    asked: Option<&EndpointName>,
    place: usize,
) -> Result<(EndpointName, Option<u16>), Failure> {
    let (project, key) = (project.to_owned(), key(relay_key, asked, place));
    let known = journal.read(move |c| journal::remembered(c, &project, &key)).await?;
    let port = known.as_ref().map(|k| k.port).filter(|p| *p != 0);
    let name = match asked {
        Some(name) => name.clone(),
        None => known.and_then(|k| k.endpoint.parse().ok()).unwrap_or_else(|| EndpointName::generated(rand::random())),
    };
    Ok((name, port))
}

pub async fn remember(
    journal: &Journal,
    project: &str,
    relay_key: &str,
    (asked, place): (Option<&EndpointName>, usize),
    name: &EndpointName,
    port: u16,
) -> Result<(), Failure> {
    let (project, key) = (project.to_owned(), key(relay_key, asked, place));
    let what = Remembered { endpoint: name.to_string(), port };
    journal.write(move |c| journal::remember(c, &project, &key, &what)).await?;
    Ok(())
}

/// `place` tells the unnamed endpoints of one hook.toml apart.
fn key(relay_key: &str, asked: Option<&EndpointName>, place: usize) -> String {
    match asked {
        Some(name) => format!("{relay_key} {name}"),
        None => format!("{relay_key} #{place}"),
    }
}

/// Another process of this directory that holds the same endpoint of its own embedded relay.
pub async fn other(journal: &Journal, project: &str, name: &EndpointName) -> Result<Option<Listener>, Failure> {
    let path = journal.path().to_owned();
    let living = journal.write(move |c| journal::living_listeners(c, &path)).await?.0;
    Ok(living.into_iter().find(|l| l.relay == KEY && l.project == project && l.endpoint == name.as_str()))
}

/// Starts the relay on the remembered port, or on a free one when another program has taken that.
pub async fn start(port: Option<u16>, names: &[EndpointName]) -> Result<(Embedded, u16), Failure> {
    let taken = |e: std::io::Error| {
        Failure::local(format!("no port of 127.0.0.1 can be listened on: {}.", crate::text::io(&e)))
    };
    let listener = match port {
        Some(port) => match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            Ok(listener) => listener,
            Err(_) => on_a_new_port().await.map_err(taken)?,
        },
        None => on_a_new_port().await.map_err(taken)?,
    };
    let address = listener.local_addr().map_err(taken)?;
    let spool = platform::data_dir().join("spool");
    platform::private_dir(&spool)
        .map_err(|e| Failure::local(format!("{} cannot be made: {}.", spool.display(), crate::text::io(&e))))?;
    let secret: Arc<str> = format!("{:032x}", rand::random::<u128>()).into();
    let public_url = format!("http://{address}");
    let config = Config {
        public_url: public_url.parse().map_err(|e| Failure::local(format!("{e}")))?,
        access: Access::Secret(secret.clone()),
        trusted_proxies: Vec::new(),
        max_body: Config::DEFAULT_MAX_BODY,
        spool: spool.into(),
        reply_cap: Config::DEFAULT_REPLY_CAP,
    };
    let registry = Registry::in_memory().map_err(|e| Failure::local(e.to_string()))?;
    // The URLs are there before they are shown; the session takes them a moment later.
    for name in names {
        let claimed = registry.claim(name, TokenId::LOCAL, Settings::default(), Run::default(), platform::now_ms());
        claimed.map_err(|e| Failure::local(e.to_string()))?;
    }
    let server = Arc::new(RelayServer::new(config, Arc::new(MemoryInbox::new(Limits::default())), registry));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(hook_relay_server::run(listener, server.clone(), async {
        let _ = stopped.await;
    }));
    let relay = Relay { scheme: Scheme::Http, authority: address.to_string(), token: Some(secret), own: Some(server) };
    Ok((Embedded { relay, public_url, stop, task }, address.port()))
}

/// Listens on a port that can be had again next time: those that systems choose, they also give to outgoing connections.
async fn on_a_new_port() -> std::io::Result<TcpListener> {
    for _ in 0..100 {
        let port = rand::random_range(20_000..30_000);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return Ok(listener);
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

impl Embedded {
    /// Lets running answers out and ends.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(Duration::from_secs(2), self.task).await;
    }
}
