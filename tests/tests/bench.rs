//! The benchmark itself: not what it measures, but that its count still reads what hook writes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use hook_tests::{Process, hook_bench};
use tempfile::TempDir;

#[test]
fn the_benchmark_finds_every_event_that_hook_has_promised() {
    let dir = TempDir::with_prefix("hook-bench-").unwrap();
    let memory = dir.path().join("memory");
    std::fs::create_dir(&memory).unwrap();
    let mut command = Command::new(hook_bench());
    // Small bodies, and large ones that both stores keep in parts; no peers.
    command.args(["keep-alive/1", "bodies/1MiB", "--systems", "hook,embedded", "--rounds", "1", "--seconds", "0.1"]);
    command.arg("--dir").arg(dir.path().join("disk")).arg("--memory").arg(&memory);
    command.arg("--json").arg(dir.path().join("bench.json"));
    let output = Process::start(&mut command, b"").output().succeeded();
    let counted: Vec<usize> = output
        .stderr
        .lines()
        .map(|line| line.rsplit_once("; ").and_then(|(_, n)| n.strip_suffix(" counted")?.parse().ok()).unwrap())
        .collect();
    assert_eq!(counted.len(), 3, "one line for each run:\n{}", output.stderr);
    assert!(counted.iter().all(|n| *n > 0), "every run counts something:\n{}", output.stderr);
    let left = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut left: Vec<String> = left.map(|name| name.into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["bench.json", "memory"], "it leaves its result and nothing else");
    assert_eq!(std::fs::read_dir(memory).unwrap().count(), 0);
}
