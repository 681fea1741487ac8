//! The power is cut: what was promised before that is in what the disk kept.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hook_tests::{Dice, Loss, Recording, Sender, pattern};
use tempfile::TempDir;

use crate::stores::key;

pub type Cut = (usize, Loss);
pub type Kept = Result<HashSet<String>, String>;

/// What a process wrote, and where it promised each event: from there on the event must survive.
pub struct Promises {
    pub recording: Recording,
    pub made: HashMap<String, usize>,
}

impl Promises {
    /// The keys that are promised when the power is cut there.
    pub fn due(&self, cut: usize) -> HashSet<&String> {
        self.made.iter().filter(|(_, at)| **at < cut).map(|(key, _)| key).collect()
    }

    /// Places to cut at: half of them right after a promise began to leave, the others anywhere.
    pub fn cuts(&self, count: usize, dice: &mut Dice) -> Vec<Cut> {
        let mut promises: Vec<usize> = self.made.values().copied().collect();
        promises.sort_unstable();
        (0..count)
            .map(|n| {
                let cut = if n % 2 == 0 { dice.pick(&promises) + 1 } else { dice.below(self.recording.lines() + 1) };
                (cut, if n % 4 < 2 { Loss::All } else { Loss::Some(dice.pick(&[1, 4, 7])) })
            })
            .collect()
    }

    /// The promises that these cuts break, when `kept` tells what is in the files that are left.
    pub fn broken(&self, cuts: &[Cut], dice: &mut Dice, kept: impl Fn(&Path) -> Kept) -> Vec<String> {
        let mut broken = Vec::new();
        for (cut, loss) in cuts {
            let dir = TempDir::with_prefix("hook-cut-").unwrap();
            self.recording.rebuild(*cut, *loss, dice, dir.path());
            match kept(dir.path()) {
                Ok(kept) => {
                    let lost = self.due(*cut).into_iter().filter(|key| !kept.contains(*key));
                    broken.extend(lost.map(|key| format!("{key} is lost by a cut at {cut} ({loss:?})")));
                }
                Err(fault) => broken.push(format!("a cut at {cut} ({loss:?}): {fault}")),
            }
        }
        broken
    }
}

/// What the request with this number carries: every 20th is large.
pub fn body(n: usize) -> Vec<u8> {
    pattern(if n % 20 == 19 { 1_200_000 + n } else { 100 + n })
}

/// The body that belongs to a key.
pub fn body_of(key: &str) -> Vec<u8> {
    body(key.trim_start_matches("n=").parse().unwrap())
}

/// Sends these requests from several senders at once; all must hear 200. Gives the port that each came from.
pub fn send(url: &str, numbers: Range<usize>) -> HashMap<String, u16> {
    let ports = Arc::new(Mutex::new(HashMap::new()));
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (url, ports, next, end) = (url.to_owned(), ports.clone(), next.clone(), numbers.end);
            thread::spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= end {
                        return;
                    }
                    let (key, body) = (key(n), body(n));
                    let mut sender = Sender::to(&format!("{url}?{key}"));
                    sender.head("POST", "", &[("Content-Length", body.len().to_string().as_bytes())]).send(body);
                    assert_eq!(sender.response().status, 200, "{key}");
                    ports.lock().unwrap().insert(key, sender.port());
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    Arc::into_inner(ports).unwrap().into_inner().unwrap()
}
