//! A child process: its output as it comes, its signals, its end. It never outlives its test.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::{LIVENESS, wait_for};

/// What a process has written to one of its streams so far.
#[derive(Clone, Default)]
pub struct Stream(Arc<Mutex<Vec<u8>>>);

impl Stream {
    fn collect(mut from: impl Read + Send + 'static) -> (Self, std::thread::JoinHandle<()>) {
        let stream = Self::default();
        let into = stream.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                into.0.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        (stream, thread)
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    /// What came from `offset` on.
    pub fn since(&self, offset: usize) -> Vec<u8> {
        self.0.lock().unwrap()[offset..].to_vec()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}

/// What a finished process left.
#[derive(Debug, Clone)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub raw_stdout: Vec<u8>,
    /// `None` when a signal ended it.
    pub code: Option<i32>,
}

impl Output {
    /// The objects on stdout. Fails when anything else is there.
    #[track_caller]
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| parse(line).unwrap_or_else(|| panic!("not JSON on stdout: {line}"))).collect()
    }

    /// Those of one type.
    #[track_caller]
    pub fn of_type(&self, wanted: &str) -> Vec<serde_json::Value> {
        self.json().into_iter().filter(|v| v["type"] == wanted).collect()
    }

    #[track_caller]
    pub fn succeeded(self) -> Self {
        self.ended_with(0)
    }

    #[track_caller]
    pub fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "the exit code; stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

pub fn parse(line: &str) -> Option<serde_json::Value> {
    serde_json::from_str(line).ok().filter(serde_json::Value::is_object)
}

pub struct Process {
    child: Mutex<Child>,
    pid: u32,
    readers: Mutex<Vec<std::thread::JoinHandle<()>>>,
    pub stdout: Stream,
    pub stderr: Stream,
}

impl Process {
    /// Starts it with `input` on its stdin.
    pub fn start(command: &mut Command, input: &[u8]) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
        let mut stdin = child.stdin.take().unwrap();
        // A process that does not read its input is no failure.
        let _ = stdin.write_all(input);
        drop(stdin);
        let (stdout, out) = Stream::collect(child.stdout.take().unwrap());
        let (stderr, err) = Stream::collect(child.stderr.take().unwrap());
        Self { pid: child.id(), child: Mutex::new(child), readers: Mutex::new(vec![out, err]), stdout, stderr }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn kill9(&self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }

    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let mut child = self.child.lock().unwrap();
        // A pid is this child's for as long as nobody has waited for it.
        if child.try_wait().unwrap().is_none() {
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
    }

    pub fn is_running(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn exit_code(&self) -> Option<i32> {
        let by = Instant::now() + LIVENESS;
        let status = loop {
            if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                break status;
            }
            if Instant::now() > by {
                panic!(
                    "it did not end within {LIVENESS:?}; stdout:\n{}\nstderr:\n{}",
                    self.stdout.text(),
                    self.stderr.text()
                );
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        // All that it wrote is there once its streams are at their end.
        self.readers.lock().unwrap().drain(..).for_each(|r| r.join().unwrap());
        self.assert_did_not_panic();
        status.code()
    }

    #[track_caller]
    pub fn output(&self) -> Output {
        let code = self.exit_code();
        Output { stdout: self.stdout.text(), stderr: self.stderr.text(), raw_stdout: self.stdout.bytes(), code }
    }

    /// Waits for text on stderr.
    #[track_caller]
    pub fn wait_for_stderr(&self, what: &str) -> String {
        self.wait_for_text("stderr", &self.stderr, what)
    }

    /// Waits for text on stdout.
    #[track_caller]
    pub fn wait_for_stdout(&self, what: &str) -> String {
        self.wait_for_text("stdout", &self.stdout, what)
    }

    #[track_caller]
    fn wait_for_text(&self, name: &str, stream: &Stream, what: &str) -> String {
        let by = Instant::now() + LIVENESS;
        wait_for(&format!("{what:?} on {name}"), || {
            let text = stream.text();
            if text.contains(what) {
                return Some(text);
            }
            if Instant::now() > by - std::time::Duration::from_secs(1) {
                panic!(
                    "{what:?} did not come on {name}; stdout:\n{}\nstderr:\n{}",
                    self.stdout.text(),
                    self.stderr.text()
                );
            }
            None
        })
    }

    #[track_caller]
    pub fn assert_did_not_panic(&self) {
        let stderr = self.stderr.text();
        assert!(!stderr.contains("panicked at"), "the process panicked:\n{stderr}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        if !std::thread::panicking() {
            self.assert_did_not_panic();
        }
    }
}
