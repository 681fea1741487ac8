//! What is measured side by side: each way from a sender to the origin, started, killed, and asked what it used.

mod hook;
mod peers;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use hook::{Cli, Relay, Stores, environment, journal};

use crate::Result;
use crate::ledger::{self, Heard};
use crate::load::Load;
use crate::process::{LIVENESS, Process, command};

/// A way from the sender to the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// No way at all: what the generator and the origin can do.
    Direct,
    /// One hop.
    Nginx,
    Bore,
    Rathole,
    /// A relay of its own and the CLI, inbox and journal on disk.
    Hook,
    /// The same with both in memory: on a tmpfs.
    HookInMemory,
    /// `hook listen` alone.
    Embedded,
    EmbeddedInMemory,
}

impl System {
    pub const ALL: [Self; 8] = [
        Self::Direct,
        Self::Nginx,
        Self::Bore,
        Self::Rathole,
        Self::Hook,
        Self::HookInMemory,
        Self::Embedded,
        Self::EmbeddedInMemory,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Bore => "bore",
            Self::Rathole => "rathole",
            Self::Hook => "hook",
            Self::HookInMemory => "hook-memory",
            Self::Embedded => "embedded",
            Self::EmbeddedInMemory => "embedded-memory",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    pub fn in_memory(self) -> bool {
        matches!(self, Self::HookInMemory | Self::EmbeddedInMemory)
    }
}

/// The programs and directories of a run.
pub struct Place {
    pub hook: PathBuf,
    pub bore: PathBuf,
    pub rathole: PathBuf,
    pub nginx: PathBuf,
    /// On the disk that is measured, and on a tmpfs; both are emptied.
    pub disk: PathBuf,
    pub memory: PathBuf,
}

impl Place {
    /// An empty directory for one start of a system.
    pub fn fresh(&self, in_memory: bool) -> Result<PathBuf> {
        let base = if in_memory { &self.memory } else { &self.disk };
        let dir = base.join("run");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }
}

/// The app behind a system, in a process of its own.
pub struct Origin {
    pub address: SocketAddr,
    _process: Process,
}

impl Origin {
    pub fn start(place: &Place) -> Result<Self> {
        let dir = place.memory.join("origin");
        fs::create_dir_all(&dir)?;
        let mut command = command(std::env::current_exe()?);
        let mut process = Process::start(command.arg("origin"), &dir, "origin")?;
        let address = process.wait_for("origin at ")?.parse()?;
        Ok(Self { address, _process: process })
    }
}

/// A system that runs.
pub struct Tunnel {
    pub system: System,
    pub to: SocketAddr,
    pub path: String,
    /// The relay's side first, the one on the person's machine last.
    processes: Vec<Process>,
    stores: Option<Stores>,
    dir: PathBuf,
    heard: Vec<Heard>,
}

impl Tunnel {
    /// Starts it in front of the origin and waits until a request has come through.
    pub async fn start(system: System, place: &Place, origin: SocketAddr) -> Result<Self> {
        let dir = place.fresh(system.in_memory())?;
        let (mut to, mut path, mut stores) = (origin, "/hooks".to_owned(), None);
        let processes = match system {
            System::Direct => Vec::new(),
            System::Nginx => peers::nginx(place, &dir, origin, &mut to)?,
            System::Bore => peers::bore(place, &dir, origin, &mut to)?,
            System::Rathole => peers::rathole(place, &dir, origin, &mut to)?,
            System::Hook | System::HookInMemory => {
                let relay = Relay::start(place, &dir)?;
                let cli = Cli::listen(place, &dir, Some(relay.address), origin, &[])?;
                to = relay.address;
                path = cli.path.clone();
                stores = Some(Stores { journal: cli.journal, inbox: Some(relay.inbox) });
                vec![relay.process, cli.process]
            }
            System::Embedded | System::EmbeddedInMemory => {
                let cli = Cli::listen(place, &dir, None, origin, &[])?;
                to = cli.address;
                path = cli.path.clone();
                stores = Some(Stores { journal: cli.journal, inbox: None });
                vec![cli.process]
            }
        };
        let mut tunnel = Self { system, to, path, processes, stores, dir, heard: Vec::new() };
        tunnel.wait_until_it_answers().await?;
        Ok(tunnel)
    }

    async fn wait_until_it_answers(&mut self) -> Result<()> {
        let by = Instant::now() + LIVENESS;
        let load = self.load(1, false, 1024, Duration::ZERO, Duration::ZERO);
        loop {
            let answer = load.once().await;
            if let Ok((response, heard)) = &answer
                && response.is_2xx()
            {
                self.heard.push(*heard);
                if !response.queued {
                    return Ok(());
                }
            }
            if Instant::now() > by {
                let said: Vec<String> = self.processes.iter().map(Process::said).collect();
                return Err(format!("{} does not answer ({answer:?}): {said:?}", self.system.name()).into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The CLI is killed; done once the relay answers in its place.
    pub async fn leave(&mut self) -> Result<()> {
        if let Some(mut cli) = self.processes.pop() {
            cli.kill9();
        }
        let load = self.load(1, false, 1024, Duration::ZERO, Duration::ZERO);
        let by = Instant::now() + LIVENESS;
        while Instant::now() < by {
            let (response, heard) = load.once().await?;
            if response.is_2xx() {
                self.heard.push(heard);
            }
            if response.queued {
                return Ok(());
            }
        }
        Err("the relay does not notice that its CLI is gone".into())
    }

    /// A CLI listens again, with the journal of the one before, perhaps for another app.
    pub fn come_back(&mut self, place: &Place, origin: SocketAddr, more: &[&str]) -> Result<()> {
        let cli = Cli::listen(place, &self.dir, Some(self.to), origin, more)?;
        self.processes.push(cli.process);
        Ok(())
    }

    pub fn load(&self, connections: usize, fresh: bool, body: usize, warm_up: Duration, time: Duration) -> Load {
        Load { to: self.to, path: self.path.clone(), connections, fresh, body, warm_up, time }
    }

    /// Of its processes together.
    pub fn cpu(&self) -> Duration {
        self.processes.iter().map(Process::cpu).sum()
    }

    /// The most that its last process, which is the one on the person's machine, has held so far; in KiB.
    pub fn peak(&self) -> Option<f64> {
        self.processes.last()?.memory("VmHWM")
    }

    /// Ends the run: `kill -9` of everything, then the count of what was heard. Gives how many events were counted.
    pub fn kill_and_count(mut self, heard: Vec<Heard>) -> Result<usize> {
        let counted = self.end(heard)?;
        // What nobody needs shall not be written back while the next one is measured.
        fs::remove_dir_all(&self.dir)?;
        Ok(counted)
    }

    /// The same, and gives the journal.
    pub fn kill_and_keep(mut self, heard: Vec<Heard>) -> Result<PathBuf> {
        self.end(heard)?;
        Ok(self.stores.ok_or("a system without a journal")?.journal)
    }

    fn end(&mut self, heard: Vec<Heard>) -> Result<usize> {
        self.heard.extend(heard);
        self.processes.iter_mut().for_each(Process::kill9);
        match &self.stores {
            Some(stores) => Ok(ledger::check(&self.heard, &stores.kept()?)?),
            None => Ok(0),
        }
    }
}

/// A port that is free now; whoever gets it binds it at once.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The kind of file system that a directory is on.
pub fn file_system_of(dir: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let of = |line: &str| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let holds = mounts.lines().filter_map(of).filter(|(at, _)| dir.starts_with(at));
    holds.max_by_key(|(at, _)| at.len()).map_or_else(|| "unknown".to_owned(), |(_, kind)| kind)
}
