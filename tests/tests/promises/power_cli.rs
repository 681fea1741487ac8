//! The power is cut at the CLI. An ack is a promise: the inbox may let go of the event.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use hook_proto::wire::{ToCli, ToRelay, to_cli, to_relay};
use hook_tests::{App, Dice, Hook, Listen, Recording, Relay, Said, Strace, wait_until};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use crate::power::{Cut, Promises, body_of, send};
use crate::stores::{in_inbox, in_journal, open_sound};

struct Story {
    /// Still running, with nothing in its inbox.
    relay: Relay,
    promises: Promises,
}

/// Everything that is sent is acked; then the CLI is killed.
fn record(strace: &Strace, hook: &Hook) -> Story {
    let (relay, app) = (Relay::start(), App::new());
    let args = ["listen", "--output", "json", "--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()];
    let listen = Listen::running(&mut strace.wrap(&hook.command(args)));
    listen.ready();
    let sent = send(&relay.at("shop"), 0..80);
    wait_until("everything is acked", || in_inbox(&relay.data()).unwrap().is_empty());
    listen.kill9();
    assert_eq!(listen.exit_code(), None);

    let recording = Recording::of(strace, &hook.data());
    recording.assert_complete();
    let made = acks(&recording);
    assert!(sent.keys().all(|key| made.contains_key(key)), "every ack is in the log: {}", made.len());
    Story { relay, promises: Promises { recording, made } }
}

/// The key of each acked event, and where its first ack began to leave.
pub fn acks(recording: &Recording) -> HashMap<String, usize> {
    let mut acked = HashMap::new();
    let sessions: Vec<&str> = recording.said().iter().filter(|s| is_upgrade(s)).map(|s| s.socket.as_str()).collect();
    for socket in sessions {
        let (mut to_relay, mut to_cli) = (Frames::new(Role::Server), Frames::new(Role::Client));
        let mut handed_over = HashMap::new();
        for said in recording.said().iter().filter(|s| s.socket == socket) {
            if said.heard {
                for kind in to_cli.more(&said.data).filter_map(|bytes| ToCli::from_frame(bytes.into()).unwrap()) {
                    if let to_cli::Kind::Event(event) = kind {
                        handed_over.insert(event.stream, event.head.unwrap().query.unwrap());
                    }
                }
                continue;
            }
            for kind in to_relay.more(&said.data).filter_map(|bytes| ToRelay::from_frame(bytes.into()).unwrap()) {
                if let to_relay::Kind::Ack(ack) = kind {
                    for stream in ack.streams {
                        acked.entry(handed_over[&stream].clone()).or_insert(said.at);
                    }
                }
            }
        }
    }
    acked
}

fn is_upgrade(said: &Said) -> bool {
    !said.heard && said.data.starts_with(b"GET /_hook/connect")
}

/// One direction of a websocket, read as its receiver reads it.
struct Frames {
    socket: WebSocket<Fed>,
    /// What came before the end of the handshake.
    head: Option<Vec<u8>>,
}

impl Frames {
    fn new(role: Role) -> Self {
        Self { socket: WebSocket::from_raw_socket(Fed::default(), role, None), head: Some(Vec::new()) }
    }

    /// The messages that are whole with these bytes.
    fn more(&mut self, bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        self.socket.get_mut().0.extend(bytes);
        if let Some(head) = &mut self.head {
            head.append(&mut self.socket.get_mut().0);
            if let Some(end) = head.windows(4).position(|w| w == b"\r\n\r\n") {
                self.socket.get_mut().0 = head.split_off(end + 4);
                self.head = None;
            }
        }
        let mut messages = Vec::new();
        while let Ok(message) = self.socket.read() {
            if let Message::Binary(bytes) = message {
                messages.push(bytes.to_vec());
            }
        }
        messages.into_iter()
    }
}

/// A socket that has what it was given, and never closes.
#[derive(Default)]
struct Fed(Vec<u8>);

impl Read for Fed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = into.len().min(self.0.len());
        into[..count].copy_from_slice(&self.0[..count]);
        self.0.drain(..count);
        Ok(count)
    }
}

impl Write for Fed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A CLI starts on what is left, shows every acked event once, and forwards those of which no attempt has ended.
fn assert_cli_recovers(story: &Story, (cut, loss): Cut, dice: &mut Dice) {
    let hook = Hook::new();
    story.promises.recording.rebuild(cut, loss, dice, &hook.data());
    let settled: Vec<String> = open_sound(&hook.journal()).unwrap().map_or_else(Vec::new, |db| {
        let mut ids = db.prepare("SELECT id FROM events WHERE state = 'ended'").unwrap();
        ids.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    });
    let shown = hook.events();
    let app = App::new();
    let args = ["--relay", &story.relay.url(), "--name", "shop", "--forward-to", &app.url()];
    let listen = hook.listen(args);
    listen.ready();
    for key in story.promises.due(cut) {
        let event: Vec<_> = shown.iter().filter(|e| e["query"] == **key).collect();
        assert_eq!(event.len(), 1, "{key} is shown once");
        if settled.iter().any(|id| event[0]["id"] == **id) {
            continue;
        }
        let arrived = || app.requests().into_iter().find(|r| r.target().ends_with(key.as_str()));
        wait_until("what is owed is forwarded", || arrived().is_some());
        assert_eq!(arrived().unwrap().body, body_of(key), "the body of {key}");
    }
}

fn check(cuts: usize, restarts: usize) {
    let strace = Strace::recording();
    let story = record(&strace, &Hook::new());
    let mut dice = Dice::new("power cuts at the CLI");
    let cuts = story.promises.cuts(cuts, &mut dice);
    assert_eq!(story.promises.broken(&cuts, &mut dice, in_journal), [""; 0]);
    for cut in cuts.into_iter().take(restarts) {
        assert_cli_recovers(&story, cut, &mut dice);
    }
}

#[test]
fn a_power_cut_at_the_cli_breaks_no_ack() {
    check(20, 3);
}

#[test]
#[ignore = "five hundred cuts"]
fn long_power_cuts_at_the_cli_break_no_ack() {
    check(500, 30);
}

/// The controls: the same check sees the loss.
#[track_caller]
fn assert_caught(strace: &Strace, hook: &Hook) {
    let promises = record(strace, hook).promises;
    let mut dice = Dice::new("power cuts that must break acks");
    let cuts = promises.cuts(20, &mut dice);
    assert!(!promises.broken(&cuts, &mut dice, in_journal).is_empty(), "nothing was lost, so this check sees nothing");
}

#[test]
fn a_cli_on_a_disk_that_does_not_sync_is_caught() {
    assert_caught(&Strace::recording().with_eatmydata(), &Hook::new());
}

#[test]
fn a_cli_that_acks_without_a_sync_is_caught() {
    assert_caught(&Strace::recording(), &Hook::sabotaged("sync-normal"));
}

#[test]
fn a_cli_that_acks_before_its_commit_is_caught() {
    assert_caught(&Strace::recording(), &Hook::sabotaged("early-ack"));
}
