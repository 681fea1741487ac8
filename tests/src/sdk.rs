//! Apps in tests/sdk that stand on official software: Express, Flask, and the SDKs of providers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::binaries::target;
use crate::{Process, wait_at_most};

/// One that runs, until this is dropped.
pub struct Sdk {
    _process: Process,
    pub port: u16,
}

impl Sdk {
    pub fn node(script: &str, environment: &[(&str, &str)]) -> Self {
        let mut node = Command::new("node");
        node.args(["--preserve-symlinks", "--preserve-symlinks-main"]).arg(installed().join("node/src").join(script));
        Self::start(&mut node, environment)
    }

    pub fn python(script: &str, environment: &[(&str, &str)]) -> Self {
        let mut python = Command::new(installed().join("python/bin/python"));
        python.arg(source().join(script));
        Self::start(&mut python, environment)
    }

    /// Where the packages for Node are, in `node_modules`, and `src`, which is tests/sdk.
    pub fn directory() -> PathBuf {
        installed().join("node")
    }

    /// It says its port on its first line.
    fn start(command: &mut Command, environment: &[(&str, &str)]) -> Self {
        let process = Process::start(command.envs(environment.iter().copied()), b"");
        // Much is loaded first, and tests share two cores.
        let port = wait_at_most(Duration::from_secs(60), "an app on official software says its port", || {
            assert!(process.is_running(), "it ended: {}", process.stderr.text());
            process.stdout.text().split_once('\n').and_then(|(line, _)| line.parse().ok())
        });
        Self { _process: process, port }
    }

    /// `http://127.0.0.1:PORT/path`.
    pub fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk")
}

/// Installs what is pinned in tests/sdk, once for all tests: `target/sdk`, where tests/run does, too.
fn installed() -> PathBuf {
    let dir = target().join("sdk");
    let done = Command::new(source().join("install")).arg(&dir).status().expect("tests/sdk/install runs");
    assert!(done.success(), "tests/sdk/install: {done}");
    dir
}
