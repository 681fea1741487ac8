//! hook as its README starts it: a relay of its own with a CLI, or `hook listen` alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Place;
use crate::ledger::Kept;
use crate::process::{Process, command};
use crate::{Result, stores};

/// The endpoint of every run with a relay.
const NAME: &str = "shop";

pub struct Relay {
    pub process: Process,
    pub address: SocketAddr,
    pub inbox: PathBuf,
}

impl Relay {
    /// On loopback, where no token is needed, with its data below `dir`.
    pub fn start(place: &Place, dir: &Path) -> Result<Self> {
        let data = dir.join("relay");
        let mut command = command(&place.hook);
        command.args(["relay", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        environment(&mut command, dir);
        let mut process = Process::start(&mut command, dir, "relay")?;
        let address = process.wait_for("listening on ")?.parse()?;
        Ok(Self { process, address, inbox: data.join("inbox.db") })
    }
}

/// A `hook listen` that has said its public URL.
pub struct Cli {
    pub process: Process,
    pub address: SocketAddr,
    pub path: String,
    pub journal: PathBuf,
}

impl Cli {
    /// Listens at a relay, or embedded without one.
    pub fn listen(
        place: &Place,
        dir: &Path,
        relay: Option<SocketAddr>,
        origin: SocketAddr,
        more: &[&str],
    ) -> Result<Self> {
        let mut command = command(&place.hook);
        command.args(["listen", "--forward-to", &format!("localhost:{}/hooks", origin.port())]).args(more);
        match relay {
            Some(relay) => command.args(["--name", NAME, "--relay", &format!("http://{relay}")]),
            None => command.args(["--relay", "embedded"]),
        };
        environment(&mut command, dir);
        let mut process = Process::start(&mut command, dir, "cli")?;
        let url = process.wait_for("Public URL")?;
        let rest = url.strip_prefix("http://").ok_or("a public URL without http")?;
        let (host, path) = rest.split_once('/').ok_or("a public URL without an endpoint")?;
        Ok(Self { process, address: host.parse()?, path: format!("/{path}"), journal: journal(dir) })
    }
}

/// Where a `hook` with this environment keeps its journal.
pub fn journal(dir: &Path) -> PathBuf {
    dir.join("data/hook/journal.db")
}

/// A home of its own, and nothing inherited.
pub fn environment<'a>(command: &'a mut Command, dir: &Path) -> &'a mut Command {
    command.env_clear().current_dir(dir).env("HOME", dir).env("LANG", "C.UTF-8");
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    for kind in ["DATA", "CONFIG", "STATE", "CACHE"] {
        command.env(format!("XDG_{kind}_HOME"), dir.join(kind.to_ascii_lowercase()));
    }
    command
}

/// The files of one run.
pub struct Stores {
    pub journal: PathBuf,
    /// The embedded relay's inbox is memory.
    pub inbox: Option<PathBuf>,
}

impl Stores {
    /// Every event of ours in either, after the processes were killed.
    pub fn kept(&self) -> Result<Vec<Kept>> {
        let mut kept = stores::journal(&self.journal)?;
        if let Some(inbox) = &self.inbox {
            kept.extend(stores::inbox(inbox)?);
        }
        Ok(kept)
    }
}
