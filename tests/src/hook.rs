//! A person at a terminal: a home, a project directory, and nothing inherited.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Output, Process};
use crate::{Clock, LIVENESS, Listen, binaries};

pub struct Hook {
    home: TempDir,
    project: PathBuf,
    environment: Vec<(String, String)>,
    program: PathBuf,
}

impl Default for Hook {
    fn default() -> Self {
        Self::new()
    }
}

impl Hook {
    pub fn new() -> Self {
        Self::at(TempDir::with_prefix("hook-e2e-").unwrap())
    }

    /// At home where the build is, on a disk even if `/tmp` is in memory.
    pub fn on_disk() -> Self {
        Self::at(TempDir::with_prefix_in("hook-e2e-", binaries::target()).unwrap())
    }

    fn at(home: TempDir) -> Self {
        let project = home.path().join("project");
        std::fs::create_dir(&project).unwrap();
        Self { home, project, environment: Vec::new(), program: binaries::hook().to_owned() }
    }

    /// A `hook` that breaks a promise on purpose: what `HOOK_SABOTAGE` may name is where `sabotage::is` is asked.
    pub fn sabotaged(fault: &str) -> Self {
        let program = binaries::sabotaged().join("hook");
        Self { program, ..Self::new() }.with_env("HOOK_SABOTAGE", fault)
    }

    /// From now on every command sees this variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// From now on every command reads this clock.
    #[must_use]
    pub fn under(mut self, clock: &Clock) -> Self {
        self.environment.extend(clock.environment());
        self
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn project(&self) -> &Path {
        &self.project
    }

    /// Where its journal is.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data/hook")
    }

    pub fn journal(&self) -> PathBuf {
        self.data().join("journal.db")
    }

    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.program);
        let home = self.home.path();
        command.args(args).current_dir(&self.project).env_clear().env("HOME", home).env("LANG", "C.UTF-8");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        for (name, dir) in [("DATA", "data"), ("CONFIG", "config"), ("STATE", "state"), ("CACHE", "cache")] {
            command.env(format!("XDG_{name}_HOME"), home.join(dir));
        }
        command.envs(self.environment.iter().map(|(n, v)| (n, v)));
        command
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        self.run_with_stdin(args, b"")
    }

    #[track_caller]
    pub fn run_with_stdin(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, stdin: &[u8]) -> Output {
        self.spawn_with_stdin(args, stdin).output()
    }

    /// Starts a command and leaves it running.
    pub fn spawn(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Process {
        self.spawn_with_stdin(args, b"")
    }

    fn spawn_with_stdin(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, stdin: &[u8]) -> Process {
        Process::start(&mut self.command(args), stdin)
    }

    /// `hook listen --output json …`, running.
    pub fn listen(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Listen {
        let mut command = self.command(["listen", "--output", "json"]);
        command.args(args);
        Listen::new(Process::start(&mut command, b""))
    }

    /// Every event that the journal has, as `hook events` tells it, oldest first.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        // However many there are: how long that takes is no matter of these tests.
        let mut command = self.command(["events", "--all", "--limit", "1000000", "--output", "json"]);
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "hook events: {}", output.status);
        let lines = output.stdout.split(|b| *b == b'\n').filter(|line| line.starts_with(br#"{"v":1,"type":"event","#));
        let mut events: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        events.sort_by_key(|e| e["seq"].as_u64());
        events
    }

    /// How many events of the journal are not settled, as its file says.
    #[track_caller]
    pub fn owed(&self) -> usize {
        let owed = "SELECT count(*) FROM events WHERE state IN ('owed', 'retrying')";
        query(&self.journal(), owed)[0].try_into().unwrap()
    }

    /// The events that have an attempt that ended without a response, as the journal's file says.
    #[track_caller]
    pub fn broke_off(&self) -> HashSet<u64> {
        let broke_off = "SELECT event FROM attempts WHERE ended_at NOT NULL AND status IS NULL";
        query(&self.journal(), broke_off).into_iter().collect()
    }

    /// Every attempt of an event, as `hook show` tells it.
    #[track_caller]
    pub fn attempts(&self, event: &str) -> Vec<serde_json::Value> {
        self.run(["show", event, "--output", "json"]).succeeded().of_type("attempt")
    }

    /// What became of an event, in a word of the journal.
    #[track_caller]
    pub fn event_state(&self, seq: u64) -> String {
        let event = self.run(["show", &seq.to_string(), "--output", "json"]).succeeded().of_type("event").remove(0);
        event["state"].as_str().unwrap_or_else(|| panic!("no state in {event}")).to_owned()
    }
}

/// Asks a database, which another process may have open, for numbers.
#[track_caller]
pub fn query(database: &Path, sql: &str) -> Vec<u64> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.busy_timeout(LIVENESS).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
