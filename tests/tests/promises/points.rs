//! `kill -9` at exact system calls, under load: at a sync, at a write to a store, at a send.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;

use hook_proto::EventId;
use hook_tests::{App, Dice, Heard, Hook, Listen, Load, Relay, Strace, wait_until};

use crate::stores::{copied, in_inbox, in_journal};

const SYNC: &str = "fsync,fdatasync";
const WRITE: &str = "pwrite64";
const SEND: &str = "sendto,sendmsg,writev";
/// The CLI's, by the HTTP stack and by the websocket.
const TO_APP: &str = "writev";
const TO_RELAY: &str = "sendto";

/// At the `n`th of these calls in one thread.
#[derive(Debug)]
pub struct Point {
    calls: &'static str,
    n: usize,
    /// Only calls on this file count.
    file: Option<&'static str>,
}

impl Point {
    fn at(calls: &'static str, n: usize) -> Self {
        Self { calls, n, file: None }
    }

    /// In the middle of a checkpoint: only those write to the database itself.
    pub fn in_checkpoint(database: &'static str, n: usize) -> Self {
        Self { calls: WRITE, n, file: Some(database) }
    }

    fn strace(&self, dir: &Path) -> Strace {
        let strace = Strace::killing(self.calls, self.n);
        self.file.into_iter().fold(strace, |strace, file| strace.on_file(&dir.join(file)))
    }
}

/// Early ones, which are nearest to what a start and a first event do, and some by chance.
fn some(early: usize, further: usize) -> Vec<Point> {
    let mut dice = Dice::new("kill points");
    let mut points = Vec::new();
    for calls in [SYNC, WRITE, SEND] {
        points.extend((1..=early).map(|n| Point::at(calls, n)));
        let far = if calls == SYNC { 20 } else { 90 };
        points.extend((0..further).map(|_| Point::at(calls, early + 1 + dice.below(far))));
    }
    points
}

fn all(calls: &'static str, last: usize) -> Vec<Point> {
    (1..=last).map(|n| Point::at(calls, n)).collect()
}

fn listen_command(hook: &Hook, relay: &Relay, app: &App) -> Command {
    let (relay, app) = (relay.url(), app.url());
    hook.command(["listen", "--output", "json", "--relay", &relay, "--name", "shop", "--forward-to", &app])
}

fn is_ready(listen: &Listen) -> bool {
    !listen.of_type("ready").is_empty()
}

/// How often a kill hit what its name says.
#[derive(Debug, Default)]
pub struct Windows(HashMap<&'static str, usize>);

impl Windows {
    fn hit(&mut self, window: &'static str, times: usize) {
        *self.0.entry(window).or_default() += times;
    }

    /// Without these hits the test would not have tested what it is for.
    #[track_caller]
    fn assert_each(&self, windows: &[&str], times: usize) {
        for window in windows {
            let hits = self.0.get(window).copied().unwrap_or(0);
            assert!(hits >= times, "\"{window}\" was hit {hits} times, so it was not tested: {:?}", self.0);
        }
    }
}

const BEFORE_COMMIT: &str = "before the inbox's commit";
const BEFORE_REPLY: &str = "between the inbox's commit and the reply";

pub fn kill_the_relay_at(points: &[Point]) -> Windows {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let start = || Listen::running(&mut listen_command(&hook, &relay, &app));
    let mut listen = start();
    listen.ready();
    let load = Load::plain(&relay.at("shop"), 3);
    load.until_promised(5);
    let mut kept = Vec::new();
    for point in points {
        load.pause();
        listen.kill9();
        let strace = point.strace(&relay.data());
        relay.restart_under(&strace);
        listen = start();
        // Many die before anybody listens.
        wait_until("a CLI listens, or the relay is dead", || is_ready(&listen) || !relay.is_running());
        load.resume();
        assert_eq!(relay.exit_code(), None, "the relay is killed at {point:?}");
        kept.push(in_inbox(copied(&relay.data()).path()).unwrap());
    }
    listen.kill9();
    relay.restart();
    let listen = start();
    listen.ready();
    load.until_promised(20);
    let heard = load.stop();
    Heard::assert_promises_kept(&heard, &hook, &app);

    let mut windows = Windows::default();
    for reset in heard.iter().filter(|h| h.status.is_none() && h.port.is_some()) {
        let committed = kept.iter().any(|keys| keys.contains(&reset.key));
        windows.hit(if committed { BEFORE_REPLY } else { BEFORE_COMMIT }, 1);
    }
    windows
}

const RECEIVED: &str = "between frame receipt and the journal's commit";
const COMMITTED: &str = "between commit and attempt";
const ATTEMPTED: &str = "between attempt and its end";
const SYNCED: &str = "between sync and ack";

/// One kill of the CLI.
struct Death {
    ready_at: u64,
    at: u64,
    journaled: HashSet<String>,
    calls: Vec<String>,
}

pub fn kill_the_cli_at(points: &[Point]) -> Windows {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let command = || listen_command(&hook, &relay, &app);
    Listen::running(&mut command()).ready();
    let load = Load::plain(&relay.at("shop"), 3);
    let mut deaths = Vec::new();
    for point in points {
        load.pause();
        let strace = point.strace(&hook.data()).and_traces(SYNC);
        let listen = Listen::running(&mut strace.wrap(&command()));
        wait_until("the CLI is ready, or dead", || is_ready(&listen) || !listen.is_running());
        let ready_at = now_ms();
        load.resume();
        assert_eq!(listen.exit_code(), None, "the CLI is killed at {point:?}");
        let journaled = in_journal(copied(&hook.data()).path()).unwrap();
        let (at, calls) = strace.death();
        deaths.push(Death { ready_at, at, journaled, calls });
    }
    let listen = Listen::running(&mut command());
    listen.ready();
    load.until_promised(20);
    let heard = load.stop();
    let unanswered: Vec<_> = heard.iter().filter(|h| h.status != Some(200)).collect();
    assert!(unanswered.is_empty(), "a relay that runs answers everybody: {unanswered:?}");
    Heard::assert_promises_kept(&heard, &hook, &app);
    windows_of(&deaths, &hook, &app)
}

/// Each request waits until the last one is acked, so that a send is to the app, an answer, or an ack, in turn.
fn kill_the_cli_at_one_of_these_sends(sends: RangeInclusive<usize>) -> Windows {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let command = || listen_command(&hook, &relay, &app);
    Listen::running(&mut command()).ready();
    let (mut heard, mut deaths) = (Vec::new(), Vec::new());
    for n in sends {
        let strace = Strace::killing(SEND, n).and_traces(SYNC);
        let listen = Listen::running(&mut strace.wrap(&command()));
        wait_until("the CLI is ready, or dead", || is_ready(&listen) || !listen.is_running());
        let ready_at = now_ms();
        while listen.is_running() {
            heard.push(Heard::one(&relay.at("shop"), heard.len()));
            let acked = || in_inbox(&relay.data()).unwrap().is_empty();
            wait_until("it is acked, or the CLI dead", || acked() || !listen.is_running());
        }
        assert_eq!(listen.exit_code(), None, "the CLI is killed at send {n}");
        let (at, calls) = strace.death();
        deaths.push(Death { ready_at, at, journaled: in_journal(copied(&hook.data()).path()).unwrap(), calls });
    }
    let last = Listen::running(&mut command());
    last.ready();
    Heard::assert_promises_kept(&heard, &hook, &app);
    windows_of(&deaths, &hook, &app)
}

fn windows_of(deaths: &[Death], hook: &Hook, app: &App) -> Windows {
    let mut windows = Windows::default();
    let events: Vec<(String, u64)> = hook
        .events()
        .iter()
        .map(|e| {
            let id: EventId = e["id"].as_str().unwrap().parse().unwrap();
            (e["query"].as_str().unwrap().to_owned(), id.millis())
        })
        .collect();
    for death in deaths {
        let handed_over = events.iter().filter(|(_, ms)| death.ready_at < *ms && *ms < death.at);
        windows.hit(RECEIVED, handed_over.filter(|(key, _)| !death.journaled.contains(key)).count());
        let [.., sync, last] = death.calls.as_slice() else { continue };
        windows.hit(SYNCED, usize::from(SYNC.contains(sync.as_str()) && SEND.contains(last.as_str())));
    }
    let mut seen: HashMap<String, Vec<u32>> = HashMap::new();
    for request in app.requests() {
        seen.entry(request.event_id()).or_default().push(request.attempt());
    }
    for attempts in seen.values() {
        // A number that the app never saw was given to an attempt that sent nothing.
        windows.hit(COMMITTED, attempts.iter().max().map_or(0, |max| *max as usize - attempts.len()));
        windows.hit(ATTEMPTED, attempts.len() - 1);
    }
    windows
}

fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

#[test]
fn the_relay_is_killed_at_chosen_calls() {
    kill_the_relay_at(&some(3, 7)).assert_each(&[BEFORE_COMMIT, BEFORE_REPLY], 2);
}

#[test]
fn the_cli_is_killed_at_chosen_calls() {
    kill_the_cli_at(&some(3, 7)).assert_each(&[RECEIVED, COMMITTED, ATTEMPTED], 3);
}

#[test]
fn the_cli_is_killed_between_sync_and_ack() {
    kill_the_cli_at_one_of_these_sends(3..=10).assert_each(&[SYNCED], 2);
}

#[test]
#[ignore = "a hundred kills"]
fn long_the_relay_is_killed_at_every_sync() {
    kill_the_relay_at(&all(SYNC, 100)).assert_each(&[BEFORE_COMMIT], 5);
}

#[test]
#[ignore = "a hundred kills"]
fn long_the_relay_is_killed_at_every_write() {
    kill_the_relay_at(&all(WRITE, 100)).assert_each(&[BEFORE_COMMIT], 5);
}

#[test]
#[ignore = "a hundred kills"]
fn long_the_relay_is_killed_at_every_send() {
    kill_the_relay_at(&all(SEND, 100)).assert_each(&[BEFORE_REPLY], 5);
}

/// The journal is synced a few times a second at most.
#[test]
#[ignore = "forty kills"]
fn long_the_cli_is_killed_at_every_sync() {
    kill_the_cli_at(&all(SYNC, 40)).assert_each(&[RECEIVED, ATTEMPTED], 5);
}

#[test]
#[ignore = "a hundred kills"]
fn long_the_cli_is_killed_at_every_write() {
    kill_the_cli_at(&all(WRITE, 100)).assert_each(&[RECEIVED, ATTEMPTED], 5);
}

/// strace counts each kind of call by itself, and requests to the app are more than frames to the relay: each has its turn.
#[test]
#[ignore = "a hundred kills"]
fn long_the_cli_is_killed_at_every_send() {
    kill_the_cli_at(&all(TO_APP, 50)).assert_each(&[COMMITTED], 5);
    kill_the_cli_at(&all(TO_RELAY, 50)).assert_each(&[ATTEMPTED], 5);
}
