//! Who made an attempt, and whether that process still lives.
//!
//! A process holds a lock on a file of its own beside the journal for as long as it lives; the kernel lets go of it however the
//! process ends. That says what pid, start time and boot id would say together, on every system, and no pid is taken for another's.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::platform;

/// This process, as the journal knows it.
#[derive(Debug)]
pub struct Owner {
    pub id: String,
    file: File,
    path: PathBuf,
}

impl Owner {
    pub fn register(journal: &Path) -> io::Result<Self> {
        let dir = dir(journal);
        platform::private_dir(&dir)?;
        let id = hook_proto::EventId::from_parts(platform::now_ms(), rand::random()).to_string();
        let path = dir.join(&id);
        let file = platform::private_file(&path)?;
        file.lock()?;
        Ok(Self { id, file, path })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

/// Whether the process that registered under this id still runs. A file left behind by a dead one is removed.
pub fn is_alive(journal: &Path, id: &str) -> bool {
    // The id comes from the database; it names a file in our directory only if it is one of ours.
    if id.parse::<hook_proto::EventId>().is_err() {
        return false;
    }
    let path = dir(journal).join(id);
    let Ok(file) = File::open(&path) else { return false };
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = std::fs::remove_file(&path);
            false
        }
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(_)) => false,
    }
}

fn dir(journal: &Path) -> PathBuf {
    let mut name = journal.file_name().unwrap_or_default().to_owned();
    name.push(".owners");
    journal.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_lives_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal.db");
        let owner = Owner::register(&journal).unwrap();
        let id = owner.id.clone();
        assert!(is_alive(&journal, &id));
        drop(owner);
        assert!(!is_alive(&journal, &id));
        assert!(!is_alive(&journal, "../../etc/passwd"));
    }
}
