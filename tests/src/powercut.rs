//! What a power cut would have left of a process's files, rebuilt from the log of its system calls.
//!
//! A write is on disk for certain once an fsync of its file that began after it has ended; before that a disk may have kept
//! all of it, none, or any of its sectors. After a failed fsync the system believes that all is written, so what was waiting
//! for it is never certain. The names in a directory follow the same rule with an fsync of the directory, except that new
//! ones count as kept at once.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::strace::Strace;
use crate::strace_log::{Call, calls};
use crate::{Dice, assert_same_bytes};

/// What a disk writes whole.
const SECTOR: usize = 512;

/// What becomes of that which was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Gone, all of it.
    All,
    /// Each sector kept or not by chance, so many times out of eight.
    Some(usize),
    /// Nothing is lost, as when only the process dies.
    None,
}

/// A process's changes to the files below one directory, and what it said to others, in order. Places in it are lines of the log.
pub struct Recording {
    root: PathBuf,
    changes: Vec<Change>,
    said: Vec<Said>,
    lines: usize,
}

struct Change {
    file: PathBuf,
    begun: usize,
    /// The process did not die in it.
    ended: bool,
    /// Where it is certain to be on disk; behind the end, when that never happened.
    certain: usize,
    what: What,
}

enum What {
    Write { at: usize, data: Vec<u8> },
    Truncate(usize),
    Remove,
}

/// Bytes that passed a socket.
pub struct Said {
    /// Where they began to leave, or where they were there.
    pub at: usize,
    /// They were heard, not said.
    pub heard: bool,
    /// As strace names it: `TCP:[127.0.0.1:8080->127.0.0.1:40000]`.
    pub socket: String,
    pub data: Vec<u8>,
}

impl Said {
    /// The port of the other side.
    pub fn peer(&self) -> Option<u16> {
        self.socket.strip_suffix(']')?.rsplit(':').next()?.parse().ok()
    }
}

struct Sync {
    file: PathBuf,
    begun: usize,
    ended: usize,
    ok: bool,
}

impl Recording {
    /// Reads the log of a process that has ended, for the files in `root`, which were not there before it.
    #[track_caller]
    pub fn of(strace: &Strace, root: &Path) -> Self {
        let log = strace.log();
        let root = &root.canonicalize().unwrap();
        let lines = log.iter().filter(|b| **b == b'\n').count();
        let (mut changes, mut syncs, mut said) = (Vec::new(), Vec::new(), Vec::new());
        // When a change was over, which is what a sync must not have begun before.
        let mut over = Vec::new();
        for call in calls(&log) {
            let below = call.path().filter(|p| p.starts_with(root));
            match (call.name.as_str(), below) {
                ("sendto" | "sendmsg" | "writev", _) if !call.failed() => {
                    let mut data = call.bytes();
                    data.truncate(call.result.unwrap_or(i64::MAX) as usize);
                    said.push(Said { at: call.begun, heard: false, socket: call.file().unwrap_or_default(), data });
                }
                ("recvfrom", _) if !call.peeked() => {
                    let at = call.ended.unwrap_or(usize::MAX);
                    said.push(Said { at, heard: true, socket: call.file().unwrap_or_default(), data: call.bytes() });
                }
                ("fsync" | "fdatasync", Some(file)) => {
                    let (ok, ended) = (call.succeeded(), call.ended.unwrap_or(usize::MAX));
                    syncs.push(Sync { file, begun: call.begun, ended, ok });
                }
                (_, Some(file)) if !call.failed() => {
                    let what = What::of(&call);
                    over.push(call.ended.unwrap_or(usize::MAX));
                    let ended = call.ended.is_some();
                    changes.push(Change { file, begun: call.begun, ended, certain: usize::MAX, what });
                }
                _ => {}
            }
        }
        for (change, over) in changes.iter_mut().zip(over) {
            change.certain = certain(change, over, &syncs);
        }
        Self { root: root.to_owned(), changes, said, lines }
    }

    /// How many places there are.
    pub fn lines(&self) -> usize {
        self.lines
    }

    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// Puts the files into `into` as a power cut just before the call at `cut` might have left them.
    pub fn rebuild(&self, cut: usize, loss: Loss, dice: &mut Dice, into: &Path) {
        for (file, bytes) in self.files(cut, loss, dice) {
            let file = into.join(file.strip_prefix(&self.root).unwrap());
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, bytes).unwrap();
        }
    }

    /// Nothing was overlooked: all changes together make the databases and logs that are there. What was under way when the
    /// process died may have happened or not, so nothing is said of its file.
    #[track_caller]
    pub fn assert_complete(&self) {
        let files = self.files(self.lines, Loss::None, &mut Dice::fixed());
        let is_store = |p: &&PathBuf| p.to_string_lossy().ends_with(".db") || p.to_string_lossy().ends_with(".db-wal");
        let is_sure = |p: &&PathBuf| !self.changes.iter().any(|c| c.file == **p && !c.ended);
        let stores: Vec<_> = files.keys().filter(is_store).collect();
        assert!(!stores.is_empty(), "no database was written in {}", self.root.display());
        for store in stores.into_iter().filter(is_sure) {
            let found = std::fs::read(store).unwrap_or_default();
            assert_same_bytes(&format!("{}, rebuilt from the log", store.display()), &files[store], &found);
        }
    }

    fn files(&self, cut: usize, loss: Loss, dice: &mut Dice) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        for change in self.changes.iter().take_while(|c| c.begun < cut) {
            let eighths = match loss {
                _ if change.certain < cut => 8,
                Loss::All => 0,
                Loss::Some(eighths) => eighths,
                Loss::None => 8,
            };
            let file = files.entry(change.file.clone()).or_default();
            match &change.what {
                What::Write { at, data } => write(file, *at, data, eighths, dice),
                What::Truncate(len) if dice.chance(eighths, 8) => file.resize(*len, 0),
                What::Remove if dice.chance(eighths, 8) => drop(files.remove(&change.file)),
                What::Truncate(_) | What::Remove => {}
            }
        }
        // A wal-index is memory that only looks like a file; nothing survives in it.
        files.retain(|name, _| !name.to_string_lossy().ends_with("-shm"));
        files
    }
}

impl What {
    fn of(call: &Call) -> Self {
        match call.name.as_str() {
            "pwrite64" | "pwritev" => {
                let mut data = call.bytes();
                data.truncate(call.result.unwrap_or(i64::MAX) as usize);
                Self::Write { at: call.last_number(), data }
            }
            "ftruncate" => Self::Truncate(call.last_number()),
            "unlink" | "unlinkat" => Self::Remove,
            other => panic!("{other} on {:?}: what a power cut makes of that is not known here", call.path()),
        }
    }
}

fn certain(change: &Change, over: usize, syncs: &[Sync]) -> usize {
    let what = match change.what {
        What::Remove => change.file.parent().unwrap(),
        _ => &change.file,
    };
    // Two threads may sync at once, and the one that began later may be done first.
    let after = syncs.iter().filter(|s| s.file == what && s.begun >= over);
    after.take_while(|s| s.ok).map(|s| s.ended).min().unwrap_or(usize::MAX)
}

fn write(file: &mut Vec<u8>, at: usize, data: &[u8], eighths: usize, dice: &mut Dice) {
    let mut from = 0;
    while from < data.len() {
        let to = data.len().min(from + SECTOR - (at + from) % SECTOR);
        if eighths == 8 || (eighths > 0 && dice.chance(eighths, 8)) {
            if file.len() < at + to {
                file.resize(at + to, 0);
            }
            file[at + from..at + to].copy_from_slice(&data[from..to]);
        }
        from = to;
    }
}

/// The ports that promises went to, and where each promise began to leave: `HTTP/1.1 2…` to a sender.
pub fn promises(recording: &Recording) -> HashMap<u16, usize> {
    let promised = recording.said().iter().filter(|s| !s.heard && s.data.starts_with(b"HTTP/1.1 2"));
    let mut ports = HashMap::new();
    for said in promised {
        let peer = said.peer().unwrap_or_else(|| panic!("who is behind {}?", said.socket));
        ports.entry(peer).or_insert(said.at);
    }
    ports
}
