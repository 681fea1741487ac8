//! Disks that are small, and files that fill them.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file system of its own, with so much room, in memory.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    #[track_caller]
    pub fn new(bytes: usize) -> Self {
        let dir = TempDir::with_prefix("hook-disk-").unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=0700"), "hook-test"]).arg(dir.path());
        assert!(mount.status().unwrap().success(), "a file system is mounted, which only root may do");
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// All the room there is, taken.
    pub fn fill(&self) -> Filler {
        let path = self.path().join("filler");
        let mut file = File::create(&path).unwrap();
        let mut block = vec![1; 256 * 1024];
        while !block.is_empty() {
            match file.write_all(&block) {
                Ok(()) => {}
                // Down to the last page.
                Err(_) => block.truncate(block.len() / 2),
            }
        }
        Filler(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Files that are still open keep it alive until they are closed.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// Another program's file, until it is dropped.
pub struct Filler(PathBuf);

impl Filler {
    /// Takes so many bytes of it.
    pub fn of(disk: &SmallDisk, bytes: usize) -> Self {
        let path = disk.path().join("filler");
        std::fs::write(&path, vec![1; bytes]).unwrap();
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
