//! The software that breaks requests: two apps that are started once, and programs that are run.

use std::io::Write;
use std::process::{Command, Stdio};

use hook_tests::{Sdk, request};

pub struct Software {
    express: Sdk,
    flask: Sdk,
}

impl Software {
    pub fn start() -> Self {
        Self { express: Sdk::node("changers.mjs", &[]), flask: Sdk::python("changers.py", &[]) }
    }

    /// What an Express app makes of a body.
    pub fn express(&self, way: &str, kind: &str, body: &[u8]) -> Vec<u8> {
        ask(self.express.port, way, kind, body)
    }

    /// What a Flask app makes of it.
    pub fn flask(&self, way: &str, kind: &str, body: &[u8]) -> Vec<u8> {
        ask(self.flask.port, way, kind, body)
    }

    /// What arrives when curl is given it as text, as `-d` is.
    pub fn curl(&self, kind: &str, body: &[u8]) -> Vec<u8> {
        let url = format!("http://127.0.0.1:{}/bytes", self.flask.port);
        piped(&["curl", "-sS", "-d", "@-", "-H", &format!("Content-Type: {kind}"), &url], body)
    }
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
