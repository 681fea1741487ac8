//! The relay: it gives out public URLs, keeps what is sent to them until it is safe, and hands it to the CLI that listens.
//!
//! A letter box: it knows no provider, sees no secret and never reads a body. The path of a request is
//! `ingress` → `capture` → `exchange` (with `ledger` and `inbox`) → `session` → `reply`.

pub mod blob;
pub mod body;
mod capture;
pub mod command;
mod database;
mod drain;
mod endpoint;
mod exchange;
pub mod inbox;
mod ingress;
mod ledger;
pub mod link;
mod own;
mod peers;
pub mod public_url;
pub mod registry;
mod relay;
mod reply;
#[cfg(hook_sabotage)]
pub mod sabotage;
mod server;
mod session;
mod signals;
pub mod wal;

pub use relay::{Access, Config, Relay};
pub use reply::is_hop_by_hop;
pub use server::run;
pub use session::serve as serve_session;
