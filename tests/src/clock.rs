//! A wall clock that a test sets at any time, for processes that are started with it. Other clocks of theirs go on as ever.

use std::process::Command;

use tempfile::TempDir;

/// By libfaketime.
pub struct Clock {
    dir: TempDir,
    library: String,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// The wrapper knows where its library is.
fn library() -> Option<String> {
    let output = Command::new("faketime").args(["-f", "+0", "env"]).output().expect("faketime is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|l| l.strip_prefix("LD_PRELOAD=").map(str::to_owned))
}

impl Clock {
    /// Right, at first.
    pub fn new() -> Self {
        // A wrapper that was killed leaves its number taken, and one that gets the same number fails.
        let library = (0..10).find_map(|_| library()).expect("faketime preloads its library");
        let clock = Self { dir: TempDir::with_prefix("hook-clock-").unwrap(), library };
        clock.set("+0");
        clock
    }

    /// `-1h`, `+3d`, `+10y`: off by so much from now on.
    pub fn set(&self, offset: &str) {
        let new = self.dir.path().join("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    /// What a process needs in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        let file = self.file().display().to_string();
        [
            ("LD_PRELOAD", self.library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("clock")
    }
}
