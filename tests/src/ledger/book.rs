//! The ledger on disk: what was sent and what was heard, a line each, fsynced, so that it outlives the test that failed.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

pub struct Book {
    lines: Sender<String>,
    thread: JoinHandle<()>,
}

impl Book {
    pub fn open(path: &Path) -> Self {
        let mut file = File::create(path).unwrap();
        let (lines, waiting) = channel::<String>();
        let thread = std::thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let text: String = std::iter::once(first).chain(waiting.try_iter()).collect();
                file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).expect("the ledger is written");
            }
        });
        Self { lines, thread }
    }

    pub fn lines(&self) -> Sender<String> {
        self.lines.clone()
    }

    /// Everything is on disk after this, once every sender of lines is gone.
    pub fn close(self) {
        drop(self.lines);
        self.thread.join().expect("the ledger is written");
    }
}
