//! `hook relay`, which is also the `hook-relay` binary: arguments, start, and the tokens.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use ipnet::IpNet;
use tokio::net::TcpListener;

use crate::inbox::{Inbox, Limits, OpenError, SqliteInbox};
use crate::public_url::PublicUrl;
use crate::registry::{Registry, RegistryError};
use crate::relay::{Access, Config, Relay, now_ms};
use crate::server;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  hook relay                                                      on this machine only, no token needed
  hook relay --listen 0.0.0.0:8080 --public-url https://hooks.example.com
  hook relay token create laptop                                  another token; shown once"
)]
pub struct RelayArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: SocketAddr,
    /// How the outside reaches this relay; endpoint URLs begin with it [default: http://ADDR]
    #[arg(long, value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// Where the inbox and the tokens are kept [default: $XDG_DATA_HOME/hook-relay]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// Let anybody who can connect listen and claim names, without a token
    #[arg(long)]
    open: bool,
    /// Believe X-Forwarded-* fields of these peers: addresses or networks, separated by commas
    #[arg(long, value_name = "NET", value_delimiter = ',', value_parser = net)]
    trust_proxy: Vec<IpNet>,
    /// The largest body of any endpoint, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = Config::DEFAULT_MAX_BODY)]
    max_body: u64,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create, list and revoke the tokens that let a CLI listen
    #[command(subcommand)]
    Token(TokenAction),
    /// List the endpoints and their owners
    Names,
}

#[derive(Debug, Subcommand)]
enum TokenAction {
    /// Make a token and show it once
    Create {
        /// What to call it, e.g. the machine or person that will use it
        name: String,
    },
    /// List tokens, without their secrets
    List,
    /// Revoke a token; its sessions end within a second
    Revoke {
        /// Its name, or its number
        token: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("the address {address} cannot be listened on: {reason}.\nnext: hook relay --listen 127.0.0.1:0")]
    Listen { address: SocketAddr, reason: String },
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Registry(#[from] RegistryError),
    #[error("{what}: {reason}")]
    Io { what: String, reason: String },
    #[error("the inbox failed. What was accepted is kept; senders heard 503. Start the relay again.")]
    Broken,
}

/// Runs and gives the process's exit code: 0, 1 for a token that is not there, 3 for local trouble.
pub fn run_to_exit(args: RelayArgs) -> u8 {
    let result = run(args);
    match result {
        Ok(()) => 0,
        Err(error) => {
            say(&format!("hook: {error}"));
            match error {
                RelayError::Registry(RegistryError::NoSuchToken(..) | RegistryError::AmbiguousToken { .. }) => 1,
                _ => 3,
            }
        }
    }
}

fn run(args: RelayArgs) -> Result<(), RelayError> {
    let data = args.data.clone().unwrap_or_else(default_data);
    match args.action {
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| RelayError::Io { what: "no runtime".into(), reason: e.to_string() })?;
            start_log();
            runtime.block_on(serve(args, &data))
        }
        Some(Action::Token(action)) => token(&Registry::open(&data)?, action),
        Some(Action::Names) => names(&data),
    }
}

async fn serve(args: RelayArgs, data: &Path) -> Result<(), RelayError> {
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|e| RelayError::Listen { address: args.listen, reason: e.to_string() })?;
    let io = |e: std::io::Error| RelayError::Io { what: "no address".into(), reason: e.to_string() };
    let address = listener.local_addr().map_err(io)?;
    let public_url = match args.public_url {
        Some(url) => url,
        None => default_public_url(address),
    };
    let registry = Registry::open(data)?;
    let spool: Arc<Path> = data.join("spool").into();
    std::fs::create_dir_all(&spool)
        .map_err(|e| RelayError::Io { what: spool.display().to_string(), reason: e.to_string() })?;
    let inbox = Arc::new(SqliteInbox::open(data, spool.clone(), Limits::default())?);
    let local = address.ip().is_loopback() && public_url.is_loopback() && args.trust_proxy.is_empty();
    let access = if args.open || local { Access::Open } else { Access::Tokens };
    if args.open && !local {
        say("warning: --open lets anybody who reaches this relay listen and claim names.");
    }
    if matches!(access, Access::Tokens) && !registry.any_token()? {
        let token = registry.create_token("first", now_ms(), rand::random())?;
        say(&format!("First start: this relay made one token. On your machine:\n  hook login {public_url}"));
        say(&format!("  token (shown once): {}", token.secret));
    }
    let waiting = inbox.total();
    let config = Config {
        public_url: public_url.clone(),
        access,
        trusted_proxies: args.trust_proxy,
        max_body: args.max_body,
        spool,
        reply_cap: Config::DEFAULT_REPLY_CAP,
    };
    let relay = Arc::new(Relay::new(config, inbox.clone(), registry));
    if let Some(last) = inbox.youngest() {
        relay.ids_follow(last);
    }
    let mut interrupt = signal(tokio::signal::unix::SignalKind::interrupt())?;
    let mut terminate = signal(tokio::signal::unix::SignalKind::terminate())?;
    say(&format!("Relay ready: {public_url} (listening on {address}, {} events in the inbox)", waiting.events));
    server::run(listener, relay, async {
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        say("Stopping: running requests finish, what is in the inbox stays there.");
    })
    .await;
    if inbox.broken() { Err(RelayError::Broken) } else { Ok(()) }
}

fn token(registry: &Registry, action: TokenAction) -> Result<(), RelayError> {
    let mut out = std::io::stdout().lock();
    let written = match action {
        TokenAction::Create { name } => {
            let token = registry.create_token(&name, now_ms(), rand::random())?;
            say(&format!("Token {} \"{name}\", shown once:", token.id));
            writeln!(out, "{}", token.secret)
        }
        TokenAction::List => registry.list_tokens()?.iter().try_for_each(|t| {
            let state = if t.revoked_at.is_some() { "revoked" } else { "valid" };
            writeln!(out, "{:<4} {:<8} {}", t.id, state, t.name)
        }),
        TokenAction::Revoke { token } => {
            let token = registry.revoke_token(&token, now_ms())?;
            say(&format!("Revoked token {} \"{}\". Its endpoints keep their events.", token.id, token.name));
            Ok(())
        }
    };
    written.map_err(|e| RelayError::Io { what: "standard output".into(), reason: e.to_string() })
}

fn names(data: &Path) -> Result<(), RelayError> {
    let registry = Registry::open(data)?;
    let mut out = std::io::stdout().lock();
    for row in registry.list_endpoints()? {
        writeln!(out, "{:<32} token {:<4} taken {} times", row.name, row.owner, row.epoch)
            .map_err(|e| RelayError::Io { what: "standard output".into(), reason: e.to_string() })?;
    }
    Ok(())
}

fn default_public_url(address: SocketAddr) -> PublicUrl {
    let host =
        if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() };
    // An address is always a host; the fallback only satisfies the type.
    format!("http://{host}").parse().unwrap_or_else(|_| PublicUrl::localhost())
}

fn default_data() -> PathBuf {
    let set = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| ".".into())).join(".local/share");
    set.unwrap_or_else(home).join("hook-relay")
}

fn net(text: &str) -> Result<IpNet, String> {
    let one = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| one()).map_err(|_| format!("\"{text}\" is not an address or a network"))
}

fn signal(kind: tokio::signal::unix::SignalKind) -> Result<tokio::signal::unix::Signal, RelayError> {
    tokio::signal::unix::signal(kind).map_err(|e| RelayError::Io { what: "no signals".into(), reason: e.to_string() })
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("HOOK_LOG").unwrap_or_else(|_| "warn".into());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init();
}

fn say(line: &str) {
    // With standard error gone there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}
