//! A relay of its own, as a team would run it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use tempfile::TempDir;

use crate::hook::query;
use crate::port::listen_on;
use crate::process::{Output, Process};
use crate::{Clock, Strace, binaries, wait_for};

/// Puts something into its data directory first.
type Fill<'a> = Box<dyn FnOnce(&Path) + 'a>;

/// How a relay is started.
#[derive(Default)]
struct Start<'a> {
    args: &'a [&'a str],
    fault: Option<&'static str>,
    environment: Vec<(String, String)>,
    strace: Option<&'a Strace>,
    fill: Option<Fill<'a>>,
}

pub struct Relay {
    data: TempDir,
    args: Vec<String>,
    fault: Option<&'static str>,
    environment: Vec<(String, String)>,
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
        Self::new(Start { args, ..Start::default() })
    }

    /// A relay that breaks a promise on purpose: what `HOOK_SABOTAGE` may name is where `sabotage::is` is asked.
    #[track_caller]
    pub fn sabotaged(fault: &'static str) -> Self {
        let environment = vec![("HOOK_SABOTAGE".to_owned(), fault.to_owned())];
        Self::new(Start { fault: Some(fault), environment, ..Start::default() })
    }

    /// With a clock of its own.
    #[track_caller]
    pub fn under(clock: &Clock) -> Self {
        Self::new(Start { environment: clock.environment(), ..Start::default() })
    }

    /// Under strace from its first call on, and perhaps with a fault.
    #[track_caller]
    pub fn traced(strace: &Strace, fault: Option<&'static str>) -> Self {
        let environment = fault.map(|fault| ("HOOK_SABOTAGE".to_owned(), fault.to_owned())).into_iter().collect();
        Self::new(Start { fault, environment, strace: Some(strace), ..Start::default() })
    }

    /// On data that somebody puts there first.
    #[track_caller]
    pub fn on_data(fill: impl FnOnce(&Path)) -> Self {
        Self::new(Start { fill: Some(Box::new(fill)), ..Start::default() })
    }

    #[track_caller]
    fn new(start: Start<'_>) -> Self {
        let data = TempDir::with_prefix("hook-relay-").unwrap();
        if let Some(fill) = start.fill {
            fill(&data.path().join("relay"));
        }
        let args: Vec<String> = start.args.iter().map(|a| (*a).to_owned()).collect();
        let free = listen_on([127, 0, 0, 1].into()).local_addr().unwrap();
        let (fault, environment) = (start.fault, start.environment);
        let process = spawn(&data, &free.to_string(), &args, fault, &environment, start.strace);
        let address = ready(&process);
        Self { data, args, fault, environment, address: Mutex::new(address), process: Mutex::new(process) }
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

    /// How many events its inbox holds, as its file says.
    #[track_caller]
    pub fn held(&self) -> usize {
        query(&self.data().join("inbox.db"), "SELECT count(*) FROM events")[0].try_into().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.process.lock().unwrap().pid()
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
        *process = spawn(&self.data, &address, &self.args, self.fault, &self.environment, None);
        assert_eq!(ready(&process), address, "the relay is where it was");
    }

    /// Starts it again in the same way under strace, which may well end it before it is ready.
    #[track_caller]
    pub fn restart_under(&self, strace: &Strace) {
        let mut process = self.process.lock().unwrap();
        process.kill9();
        process.assert_did_not_panic();
        let address = self.address.lock().unwrap().clone();
        *process = spawn(&self.data, &address, &self.args, self.fault, &self.environment, Some(strace));
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

fn spawn(
    data: &TempDir,
    listen: &str,
    args: &[String],
    fault: Option<&str>,
    environment: &[(String, String)],
    strace: Option<&Strace>,
) -> Process {
    let program = fault.map_or_else(|| binaries::hook_relay().to_owned(), |_| binaries::sabotaged().join("hook-relay"));
    let mut command = Command::new(program);
    command.args(["--listen", listen, "--data"]).arg(data.path().join("relay")).args(args);
    clean(&mut command, data);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
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
