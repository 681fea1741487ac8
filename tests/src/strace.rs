//! A process under strace: killed at an exact system call, told that one failed, or written down call by call.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::strace_log::calls;

/// What changes files, what makes that durable, and what passes a socket. Plain `write` is not among them: neither
/// SQLite nor the HTTP stack uses it, and [`crate::Recording::assert_complete`] would tell.
const RECORDED: &str = "pwrite64,pwritev,pwritev2,ftruncate,fallocate,fsync,fdatasync,sync_file_range,unlink,unlinkat,\
                        rename,renameat,renameat2,sendto,sendmsg,writev,recvfrom";

/// How a process is traced, and the log of it.
pub struct Strace {
    dir: TempDir,
    options: Vec<OsString>,
}

impl Strace {
    fn new(options: &[&str]) -> Self {
        let dir = TempDir::with_prefix("hook-strace-").unwrap();
        Self { dir, options: options.iter().map(OsString::from).collect() }
    }

    /// Kills the process at the `n`th of these calls in any one thread, before the call does anything.
    pub fn killing(calls: &str, n: usize) -> Self {
        // With --seccomp-bpf no signal is injected.
        Self::new(&["-ttt", "-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:signal=KILL:when={n}")])
    }

    /// These calls fail: `when` is `3` for the third one of a thread, `3+` for all from there on.
    pub fn failing(calls: &str, error: &str, when: impl Display) -> Self {
        let inject = format!("inject={calls}:error={error}:when={when}");
        Self::new(&["--seccomp-bpf", "-e", &format!("trace={calls}"), "-e", &inject])
    }

    /// Writes down all that a power cut would ask about; see [`crate::Recording`].
    pub fn recording() -> Self {
        Self::new(&["--seccomp-bpf", "-yy", "-xx", "-s", "1100000", "-e", &format!("trace={RECORDED}")])
    }

    /// The same, and these calls fail.
    pub fn recording_failing(calls: &str, error: &str, when: impl Display) -> Self {
        let mut strace = Self::recording();
        strace.options.extend(["-e".into(), format!("inject={calls}:error={error}:when={when}").into()]);
        strace
    }

    /// Also writes down these calls.
    #[must_use]
    pub fn and_traces(mut self, calls: &str) -> Self {
        for option in &mut self.options {
            if option.to_string_lossy().starts_with("trace=") {
                option.push(",");
                option.push(calls);
            }
        }
        self
    }

    /// Counts only calls on this file.
    #[must_use]
    pub fn on_file(mut self, path: &Path) -> Self {
        self.options.extend(["-P".into(), path.into()]);
        self
    }

    /// On a disk where fsync does nothing.
    #[must_use]
    pub fn with_eatmydata(mut self) -> Self {
        self.options.extend(["-E".into(), "LD_PRELOAD=libeatmydata.so".into()]);
        self
    }

    /// The same command, traced. The process that this starts is the command's own: strace is its grandchild, follows its
    /// threads, and ends with it.
    pub fn wrap(&self, command: &Command) -> Command {
        let mut wrapped = Command::new("strace");
        wrapped.args(["-D", "-f", "-q", "-o"]).arg(self.log_path()).args(&self.options).arg("--");
        wrapped.arg(command.get_program()).args(command.get_args());
        // Commands of the harness inherit nothing.
        wrapped.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(dir) = command.get_current_dir() {
            wrapped.current_dir(dir);
        }
        wrapped
    }

    fn log_path(&self) -> std::path::PathBuf {
        self.dir.path().join("log")
    }

    /// When the process was killed, in milliseconds since 1970, and the names of its calls until then, in order.
    #[track_caller]
    pub fn death(&self) -> (u64, Vec<String>) {
        let log = self.log();
        let text = String::from_utf8_lossy(&log);
        let last = text.lines().rfind(|l| l.ends_with("+++ killed by SIGKILL +++")).expect("it was killed");
        let seconds: f64 = last.split_whitespace().nth(1).unwrap().parse().unwrap();
        ((seconds * 1000.0) as u64, calls(&log).into_iter().map(|c| c.name).collect())
    }

    /// What strace wrote. All of it is there once the process's end was waited for.
    #[track_caller]
    pub fn log(&self) -> Vec<u8> {
        std::fs::read(self.log_path()).expect("strace runs; it is the Debian package of that name")
    }
}

impl Drop for Strace {
    /// The log of a test that failed is kept.
    #[allow(clippy::print_stderr, reason = "who looks for a fault wants to know")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            eprintln!("the calls are in {}", self.log_path().display());
        }
    }
}
