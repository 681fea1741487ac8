//! The software that breaks requests: two apps that are started once, and programs that are run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hook_tests::{Process, request, wait_for};

pub struct Software {
    express: (Process, u16),
    flask: (Process, u16),
}

impl Software {
    pub fn start() -> Self {
        let dir = installed();
        let mut node = Command::new("node");
        node.args(["--preserve-symlinks", "--preserve-symlinks-main"]).arg(dir.join("node/src/changers.mjs"));
        let mut python = Command::new(dir.join("python/bin/python"));
        python.arg(source().join("changers.py"));
        Self { express: listening(&mut node), flask: listening(&mut python) }
    }

    /// What an Express app makes of a body.
    pub fn express(&self, way: &str, kind: &str, body: &[u8]) -> Vec<u8> {
        ask(self.express.1, way, kind, body)
    }

    /// What a Flask app makes of it.
    pub fn flask(&self, way: &str, kind: &str, body: &[u8]) -> Vec<u8> {
        ask(self.flask.1, way, kind, body)
    }

    /// What arrives when curl is given it as text, as `-d` is.
    pub fn curl(&self, kind: &str, body: &[u8]) -> Vec<u8> {
        let url = format!("http://127.0.0.1:{}/bytes", self.flask.1);
        piped(&["curl", "-sS", "-d", "@-", "-H", &format!("Content-Type: {kind}"), &url], body)
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk")
}

/// Installs what is pinned in tests/sdk, once for all tests.
fn installed() -> PathBuf {
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let dir = target.join("sdk");
    let done = Command::new(source().join("install")).arg(&dir).status().expect("tests/sdk/install runs");
    assert!(done.success(), "tests/sdk/install: {done}");
    dir
}

/// Starts a server that says its port on its first line.
fn listening(command: &mut Command) -> (Process, u16) {
    let process = Process::start(command, b"");
    let port = wait_for("a server says its port", || {
        assert!(process.is_running(), "it ended: {}", process.stderr.text());
        process.stdout.text().split_once('\n').and_then(|(line, _)| line.parse().ok())
    });
    (process, port)
}

fn ask(port: u16, way: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let url = format!("http://127.0.0.1:{port}/{way}");
    let response = request("POST", &url, &[("Content-Type", kind.as_bytes()), ("Connection", b"close")], body);
    assert_eq!(response.status, 200, "{way}: {}", response.text());
    response.body.clone()
}

/// What a program writes when it reads this.
pub fn piped(command: &[&str], input: &[u8]) -> Vec<u8> {
    fed(Command::new(command[0]).args(&command[1..]), input)
}

pub fn fed(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    output.stdout
}

/// What an editor leaves of a file after these commands of ed.
pub fn edited(commands: &str, body: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), body).unwrap();
    piped(&["ed", "-s", file.path().to_str().unwrap()], commands.as_bytes());
    std::fs::read(file.path()).unwrap()
}

pub fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
