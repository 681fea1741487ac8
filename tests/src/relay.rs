//! A relay of its own, as a team would run it.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use tempfile::TempDir;

use crate::process::{Output, Process};
use crate::{Strace, app, binaries, wait_for};

pub struct Relay {
    data: TempDir,
    args: Vec<String>,
    fault: Option<&'static str>,
    address: Mutex<String>,
    process: Mutex<Process>,
}

impl Default for Relay {
    fn default() -> Self {
        Self::start()
    }
}

impl Relay {
    /// On loopback, where no token is needed.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With further arguments, such as a public URL that makes tokens necessary.
    #[track_caller]
    pub fn with(args: &[&str]) -> Self {
        Self::new(args, None, None, |_| ())
    }

    /// A relay that breaks a promise on purpose: what `HOOK_SABOTAGE` may name is where `sabotage::is` is asked.
    #[track_caller]
    pub fn sabotaged(fault: &'static str) -> Self {
        Self::new(&[], Some(fault), None, |_| ())
    }

    /// Under strace from its first call on, and perhaps with a fault.
    #[track_caller]
    pub fn under(strace: &Strace, fault: Option<&'static str>) -> Self {
        Self::new(&[], fault, Some(strace), |_| ())
    }

    /// On data that somebody puts there first.
    #[track_caller]
    pub fn on_data(fill: impl FnOnce(&Path)) -> Self {
        Self::new(&[], None, None, fill)
    }

    #[track_caller]
    fn new(args: &[&str], fault: Option<&'static str>, strace: Option<&Strace>, fill: impl FnOnce(&Path)) -> Self {
        let data = TempDir::with_prefix("hook-relay-").unwrap();
        fill(&data.path().join("relay"));
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let place = app::listen_on(Ipv4Addr::LOCALHOST.into()).local_addr().unwrap().to_string();
        let process = spawn(&data, &place, &args, fault, strace);
        let address = ready(&process);
        Self { data, args, fault, address: Mutex::new(address), process: Mutex::new(process) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address.lock().unwrap())
    }

    /// Where an endpoint is reached.
    pub fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.url())
    }

    pub fn data(&self) -> PathBuf {
        self.data.path().join("relay")
    }

    pub fn kill9(&self) {
        self.process.lock().unwrap().kill9();
    }

    /// Stops it as an operator does, and gives its exit code.
    #[track_caller]
    pub fn terminate(&self) -> Option<i32> {
        let process = self.process.lock().unwrap();
        process.terminate();
        process.exit_code()
    }

    /// Starts it again with the same data on the same port.
    #[track_caller]
    pub fn restart(&self) {
        let mut process = self.process.lock().unwrap();
        process.kill9();
        process.assert_did_not_panic();
        let address = self.address.lock().unwrap().clone();
        *process = spawn(&self.data, &address, &self.args, self.fault, None);
        assert_eq!(ready(&process), address, "the relay is where it was");
    }

    /// Starts it again in the same way under strace, which may well end it before it is ready.
    #[track_caller]
    pub fn restart_under(&self, strace: &Strace) {
        let mut process = self.process.lock().unwrap();
        process.kill9();
        process.assert_did_not_panic();
        *process = spawn(&self.data, &self.address.lock().unwrap().clone(), &self.args, self.fault, Some(strace));
    }

    pub fn is_running(&self) -> bool {
        self.process.lock().unwrap().is_running()
    }

    /// Waits for its end, and for strace's.
    #[track_caller]
    pub fn exit_code(&self) -> Option<i32> {
        self.process.lock().unwrap().exit_code()
    }

    pub fn stderr(&self) -> String {
        self.process.lock().unwrap().stderr.text()
    }

    /// The token in the `hook login` line of the first start.
    #[track_caller]
    pub fn first_token(&self) -> String {
        wait_for("the first start prints a token", || {
            let all = self.stderr();
            let token = all.split_whitespace().find(|w| w.starts_with("hk_"))?;
            assert_eq!(all.lines().filter(|l| l.contains("hook login")).count(), 1, "one login line: {all}");
            Some(token.to_owned())
        })
    }

    /// `hook-relay …` or `hook relay …` on the same data, for its tokens.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(binaries::hook());
        command.arg("relay").args(args).arg("--data").arg(self.data());
        clean(&mut command, &self.data);
        Process::start(&mut command, b"").output()
    }
}

fn spawn(data: &TempDir, listen: &str, args: &[String], fault: Option<&str>, strace: Option<&Strace>) -> Process {
    let program = fault.map_or_else(|| binaries::hook_relay().to_owned(), |_| binaries::sabotaged().join("hook-relay"));
    let mut command = Command::new(program);
    command.args(["--listen", listen, "--data"]).arg(data.path().join("relay")).args(args);
    clean(&mut command, data);
    command.envs(fault.map(|fault| ("HOOK_SABOTAGE", fault)));
    match strace {
        Some(strace) => Process::start(&mut strace.wrap(&command), b""),
        None => Process::start(&mut command, b""),
    }
}

fn clean(command: &mut Command, data: &TempDir) {
    command.current_dir(data.path()).env_clear().env("HOME", data.path()).env("LANG", "C.UTF-8");
}

#[track_caller]
fn ready(process: &Process) -> String {
    let text = wait_for("the relay is ready", || {
        let text = process.stderr.text();
        if !process.is_running() {
            process.exit_code();
            panic!("the relay ended: {}", process.stderr.text());
        }
        text.lines().find(|l| l.starts_with("Relay ready: ")).map(str::to_owned)
    });
    // Its public URL may be somewhere else.
    let (_, rest) = text.split_once("listening on ").unwrap_or_else(|| panic!("where does it listen? {text}"));
    rest.split([',', ')', ' ']).next().unwrap().to_owned()
}

/// Another program's HTTP, for what [`crate::Sender`] does not speak, such as HTTP/2 without TLS.
#[track_caller]
pub fn curl(args: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20"]).args(args);
    Process::start(&mut command, b"").output()
}
