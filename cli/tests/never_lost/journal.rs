//! The file of the journal over crashes and power cuts.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::Cli;

pub struct JournalFile {
    dir: PathBuf,
    number: usize,
    /// What a power cut leaves, and the last sync of each living CLI that is in it.
    durable: usize,
    known: Vec<(usize, u64)>,
}

impl JournalFile {
    pub fn new(dir: &Path) -> Self {
        let file = Self { dir: dir.to_owned(), number: 0, durable: 0, known: Vec::new() };
        fs::create_dir(file.copies()).unwrap();
        file
    }

    pub fn path(&self) -> PathBuf {
        self.dir.join(format!("journal-{}.db", self.number))
    }

    /// Notes what is on disk now, if anybody synced since the last time. Nothing is being written.
    pub fn note<'a>(&mut self, clis: impl Iterator<Item = (usize, &'a Cli)>) {
        let now: Vec<(usize, u64)> = clis.map(|(place, cli)| (place, cli.synced())).filter(|(_, n)| *n > 0).collect();
        if now.iter().any(|seen| !self.known.contains(seen)) {
            self.durable += 1;
            copy(&self.path(), &self.copy());
        }
        self.known = now;
    }

    /// The place is taken by a process that has synced nothing yet.
    pub fn forget(&mut self, place: usize) {
        self.known.retain(|(known, _)| *known != place);
    }

    /// How often the power failed.
    pub fn cuts(&self) -> usize {
        self.number
    }

    /// The power is back, and the file is as old as it may be. Nobody has it open.
    pub fn cut(&mut self) {
        self.number += 1;
        self.known.clear();
        if self.durable > 0 {
            copy(&self.copy(), &self.path());
        }
    }

    fn copies(&self) -> PathBuf {
        self.dir.join("durable")
    }

    fn copy(&self) -> PathBuf {
        self.copies().join(format!("{}.db", self.durable))
    }
}

/// The file and its log; SQLite makes the rest anew.
fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
    let log = |path: &Path| path.with_extension("db-wal");
    if log(from).exists() {
        fs::copy(log(from), log(to)).unwrap();
    }
}
