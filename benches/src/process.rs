//! A child process: what it said, what it used. It dies with this one, however this one ends.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// Whatever is waited for has gone wrong when it takes this long.
pub const LIVENESS: Duration = Duration::from_secs(60);

/// A command that the kernel kills when its parent dies.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    if cfg!(target_os = "linux") {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

pub struct Process {
    child: Child,
    said: PathBuf,
}

impl Process {
    /// Starts it with both its outputs in one file, as a terminal would have them.
    pub fn start(command: &mut Command, dir: &Path, name: &str) -> Result<Self> {
        let said = dir.join(format!("{name}.log"));
        let file = File::create(&said)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .map_err(|e| format!("{name} does not start: {e}"))?;
        Ok(Self { child, said })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.said).unwrap_or_default()).into_owned()
    }

    /// Waits for the words behind `mark`, up to white space or a comma.
    pub fn wait_for(&mut self, mark: &str) -> Result<String> {
        let by = Instant::now() + LIVENESS;
        loop {
            let said = self.said();
            // What has no end of line yet may be half a word.
            let whole = &said[..said.rfind('\n').unwrap_or(0)];
            if let Some((_, rest)) = whole.split_once(mark) {
                let word = rest.split_whitespace().next().unwrap_or_default();
                return Ok(word.trim_end_matches([',', ')']).to_owned());
            }
            if self.child.try_wait()?.is_some() || Instant::now() > by {
                return Err(format!("{mark:?} was not said, but: {said}").into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn kill9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Processor time so far, in user and kernel mode.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        cpu_of(&stat, rustix::param::clock_ticks_per_second())
    }

    /// `VmRSS` or `VmHWM`, in KiB.
    pub fn memory(&self, what: &str) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix(what)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// Fields 14 and 15 of `/proc/PID/stat`; the name before them may hold anything.
fn cpu_of(stat: &str, ticks_per_second: u64) -> Duration {
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = behind_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_secs_f64(ticks as f64 / ticks_per_second.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_user_and_kernel_time() {
        let stat = "42 (a ) name) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_of(stat, 100), Duration::from_secs(2));
        assert_eq!(cpu_of("", 100), Duration::ZERO);
    }
}
