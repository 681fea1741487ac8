//! A running `hook listen --output json` and what it has said.

use std::ops::Deref;
use std::sync::Mutex;

use serde_json::Value;

use crate::process::{Process, parse};
use crate::{LIVENESS, wait_for};

pub struct Listen {
    process: Process,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    parsed: usize,
    records: Vec<Value>,
}

impl Deref for Listen {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Listen {
    /// A `hook listen --output json` that was put together by hand.
    pub fn running(command: &mut std::process::Command) -> Self {
        Self::new(Process::start(command, b""))
    }

    pub(crate) fn new(process: Process) -> Self {
        Self { process, said: Mutex::default() }
    }

    /// All records so far, in order. Anything else on stdout fails the test.
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        let mut said = self.said.lock().unwrap();
        let new = self.process.stdout.since(said.parsed);
        let Some(end) = new.iter().rposition(|b| *b == b'\n') else { return said.records.clone() };
        said.parsed += end + 1;
        for line in new[..end].split(|b| *b == b'\n') {
            let line = std::str::from_utf8(line).expect("JSON is UTF-8");
            let record = parse(line).unwrap_or_else(|| panic!("not JSON on stdout: {line}"));
            assert_eq!(record["v"], 1, "the version of {line}");
            assert!(record["ts"].is_string(), "the time of {line}");
            said.records.push(record);
        }
        said.records.clone()
    }

    /// Waits for the first record that matches.
    #[track_caller]
    pub fn wait_for(&self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        self.wait_for_all(what, 1, matches).remove(0)
    }

    /// Waits until `count` records match, and gives them.
    #[track_caller]
    pub fn wait_for_all(&self, what: &str, count: usize, matches: impl Fn(&Value) -> bool) -> Vec<Value> {
        let by = std::time::Instant::now() + LIVENESS;
        wait_for(what, || {
            let found: Vec<Value> = self.records().into_iter().filter(&matches).collect();
            if found.len() >= count {
                return Some(found);
            }
            let late = std::time::Instant::now() > by - std::time::Duration::from_secs(1);
            if late || !self.is_running() && self.drained() {
                let found: Vec<Value> = self.records().into_iter().filter(&matches).collect();
                if found.len() >= count {
                    return Some(found);
                }
                let ended = if self.is_running() { "running" } else { "ended" };
                panic!("{ended}, and no {what}; stdout:\n{}\nstderr:\n{}", self.stdout.text(), self.stderr.text());
            }
            None
        })
    }

    /// Everything that an ended process wrote has arrived.
    fn drained(&self) -> bool {
        self.process.exit_code();
        true
    }

    /// Waits until its endpoint is reachable.
    #[track_caller]
    pub fn ready(&self) -> Value {
        self.wait_for("`ready`", |r| r["type"] == "ready")
    }

    /// The public URL, once it is reachable.
    #[track_caller]
    pub fn url(&self) -> String {
        let ready = self.ready();
        ready["public_url"].as_str().unwrap_or_else(|| panic!("no public_url in {ready}")).to_owned()
    }

    #[track_caller]
    pub fn of_type(&self, wanted: &str) -> Vec<Value> {
        self.records().into_iter().filter(|r| r["type"] == wanted).collect()
    }

    #[track_caller]
    pub fn wait_for_type(&self, wanted: &str, count: usize) -> Vec<Value> {
        self.wait_for_all(&format!("{count} × `{wanted}`"), count, |r| r["type"] == wanted)
    }

    /// The event that came `n`th in this run, from 1.
    #[track_caller]
    pub fn event(&self, n: usize) -> Value {
        self.wait_for_type("event", n).remove(n - 1)
    }

    /// The attempt that ended `n`th in this run, from 1.
    #[track_caller]
    pub fn attempt(&self, n: usize) -> Value {
        self.wait_for_type("attempt", n).remove(n - 1)
    }

    /// Interrupts it and gives its `bye`, which every orderly end has.
    #[track_caller]
    pub fn bye(&self) -> Value {
        self.interrupt();
        self.exit_code();
        self.wait_for("`bye`", |r| r["type"] == "bye")
    }
}
