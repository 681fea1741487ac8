//! The relay as a whole: its configuration, its endpoints and sessions, and who may do what.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hook_proto::wire::{self, ToCli, to_cli};
use hook_proto::{EndpointName, EventId, Mode, Settings};
use ipnet::IpNet;

use crate::body::Budget;
use crate::endpoint::Endpoint;
use crate::inbox::Inbox;
use crate::public_url::PublicUrl;
use crate::registry::{ClaimError, Registry, RegistryError, Run, TokenId};
use crate::session::Session;

/// Bytes of memory for all bodies that are on their way in.
const ARRIVING: usize = 64 * 1024 * 1024;
/// How often the log says that events are refused.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// What a relay is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// How the outside reaches this relay; endpoint URLs begin with it.
    pub public_url: PublicUrl,
    pub access: Access,
    /// Peers whose `X-Forwarded-*` fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The largest body of any endpoint, in bytes.
    pub max_body: u64,
    /// Where large bodies are spooled while they arrive.
    pub spool: Arc<Path>,
    /// The longest that a sender is kept waiting.
    pub reply_cap: Duration,
}

/// Who may listen.
#[derive(Clone)]
pub enum Access {
    /// Whoever holds a token of the registry.
    Tokens,
    /// Anybody who can connect.
    Open,
    /// The process that this relay is embedded in.
    Secret(Arc<str>),
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tokens => "Tokens",
            Self::Open => "Open",
            Self::Secret(_) => "Secret(…)",
        })
    }
}

impl Config {
    pub const DEFAULT_MAX_BODY: u64 = 32 * 1024 * 1024;
    pub const DEFAULT_REPLY_CAP: Duration = Duration::from_secs(600);

    pub fn url_of(&self, name: &EndpointName) -> String {
        format!("{}/{name}", self.public_url)
    }
}

pub struct Relay {
    pub config: Config,
    pub inbox: Arc<dyn Inbox>,
    pub registry: Registry,
    /// Memory for bodies that are not complete yet.
    pub arriving: Budget,
    endpoints: Mutex<HashMap<EndpointName, Arc<Endpoint>>>,
    sessions: Mutex<HashMap<u64, Arc<Session>>>,
    last_id: Mutex<EventId>,
    streams: AtomicU64,
    /// Senders that wait for a reply.
    exchanges: AtomicU64,
    stopping: AtomicBool,
    refusals: Mutex<Refusals>,
}

/// Events that were refused since the log said so.
#[derive(Default)]
struct Refusals {
    said: Option<Instant>,
    since: u64,
}

pub struct ClaimedEndpoint {
    pub endpoint: Arc<Endpoint>,
    pub epoch: u64,
}

impl Relay {
    pub fn new(config: Config, inbox: Arc<dyn Inbox>, registry: Registry) -> Self {
        Self {
            config,
            inbox,
            registry,
            arriving: Budget::new(ARRIVING),
            endpoints: Mutex::default(),
            sessions: Mutex::default(),
            last_id: Mutex::new(EventId::from_parts(0, 0)),
            streams: AtomicU64::new(1),
            exchanges: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            refusals: Mutex::default(),
        }
    }

    /// A number that this process never gave before.
    pub fn next_stream(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed)
    }

    /// A new event id. Ids rise in the order of these calls, also within a millisecond and when the clock steps back.
    pub fn next_event_id(&self) -> EventId {
        let mut last = lock(&self.last_id);
        let now = now_ms();
        let fresh = EventId::from_parts(now, rand::random::<u128>() >> 49);
        let id = if now > last.millis() { fresh } else { last.successor().unwrap_or(fresh) };
        *last = id;
        id
    }

    /// Whether this peer speaks for others, as a proxy does.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.config.trusted_proxies.iter().any(|net| net.contains(&peer))
    }

    /// Ids go on from here, whatever the clock says: a restart may find it set back.
    pub fn ids_follow(&self, last: EventId) {
        *lock(&self.last_id) = last;
    }

    /// Finds an endpoint that exists, attended or not.
    pub fn endpoint(&self, name: &EndpointName) -> Result<Option<Arc<Endpoint>>, RegistryError> {
        if let Some(endpoint) = lock(&self.endpoints).get(name) {
            return Ok(Some(endpoint.clone()));
        }
        let Some(row) = self.registry.endpoint(name)? else { return Ok(None) };
        Ok(Some(self.keep(name, row.settings)))
    }

    /// Gives an endpoint to a session of its owner; creates it when the name is free.
    pub fn claim(
        &self,
        name: &EndpointName,
        session: &Session,
        held: u64,
        mode: Mode,
        settings: Settings,
    ) -> Result<ClaimedEndpoint, ClaimError> {
        let owner = session.owner;
        if mode == Mode::Mirror {
            let row = self.registry.endpoint(name)?.filter(|row| row.owner == owner);
            let row = row.ok_or(ClaimError::OwnedByAnother)?;
            return Ok(ClaimedEndpoint { endpoint: self.keep(name, row.settings), epoch: row.epoch });
        }
        let run = Run { instance: &session.instance, label: &session.label, held };
        let claimed = self.registry.claim(name, owner, settings, run, now_ms())?;
        let endpoint = self.keep(name, settings);
        endpoint.set_settings(settings);
        Ok(ClaimedEndpoint { endpoint, epoch: claimed.epoch })
    }

    fn keep(&self, name: &EndpointName, settings: Settings) -> Arc<Endpoint> {
        lock(&self.endpoints)
            .entry(name.clone())
            .or_insert_with(|| Arc::new(Endpoint::new(name.clone(), settings)))
            .clone()
    }

    /// Who the bearer of this token is.
    pub fn authenticate(&self, token: Option<&str>) -> Result<Option<TokenId>, RegistryError> {
        match &self.config.access {
            Access::Open => Ok(Some(TokenId::LOCAL)),
            Access::Secret(secret) => {
                let right =
                    token.is_some_and(|t| subtle::ConstantTimeEq::ct_eq(t.as_bytes(), secret.as_bytes()).into());
                Ok(right.then_some(TokenId::LOCAL))
            }
            Access::Tokens => token.map_or(Ok(None), |t| self.registry.authenticate(t)),
        }
    }

    pub fn session_began(&self, session: &Arc<Session>) {
        lock(&self.sessions).insert(session.id, session.clone());
        if self.is_stopping() {
            go_away(session);
        }
    }

    pub fn session_ended(&self, session: &Session) {
        lock(&self.sessions).remove(&session.id);
    }

    /// Ends the sessions of tokens that were revoked.
    pub fn end_revoked(&self) -> Result<(), RegistryError> {
        if !matches!(self.config.access, Access::Tokens) || !self.registry.changed()? {
            return Ok(());
        }
        let valid: Vec<TokenId> =
            self.registry.list_tokens()?.into_iter().filter(|t| t.revoked_at.is_none()).map(|t| t.id).collect();
        for session in lock(&self.sessions).values().filter(|s| !valid.contains(&s.owner)) {
            session.end.notify_one();
        }
        Ok(())
    }

    /// Logs that an event was refused, once a minute however many there are.
    pub fn refused(&self, why: &dyn std::fmt::Display) {
        let mut refusals = lock(&self.refusals);
        refusals.since += 1;
        if refusals.said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
            tracing::warn!(%why, count = refusals.since, "events are refused");
            *refusals = Refusals { said: Some(Instant::now()), since: 0 };
        }
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Counts a sender in for as long as the guard lives.
    pub fn begin_exchange(self: &Arc<Self>) -> ExchangeGuard {
        self.exchanges.fetch_add(1, Ordering::AcqRel);
        ExchangeGuard(self.clone())
    }

    /// Tells every session to come back later, lets running exchanges finish for a moment, then ends the sessions.
    pub async fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        lock(&self.sessions).values().for_each(|s| go_away(s));
        self.wait_for_exchanges(Duration::from_secs(3)).await;
        lock(&self.sessions).values().for_each(|s| s.end.notify_one());
        // Senders that still wait hear queued now, because their session is gone.
        self.wait_for_exchanges(Duration::from_secs(3)).await;
    }

    async fn wait_for_exchanges(&self, at_most: Duration) {
        let end = tokio::time::Instant::now() + at_most;
        while self.exchanges.load(Ordering::Acquire) > 0 && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

pub struct ExchangeGuard(Arc<Relay>);

impl Drop for ExchangeGuard {
    fn drop(&mut self) {
        self.0.exchanges.fetch_sub(1, Ordering::AcqRel);
    }
}

fn go_away(session: &Session) {
    let frame = wire::GoAway { reason: "the relay restarts".into(), retry_after: 500 + rand::random::<u64>() % 1500 };
    let _ = session.outbox.urgent(ToCli::to_frame(to_cli::Kind::GoAway(frame)));
}

pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
