//! One file of environment variables, as it was when it was last read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Source;
use super::change::{Change, compare};
use super::store::{self, Stamp};
use crate::platform;

#[derive(Clone)]
pub struct EnvFile {
    pub path: PathBuf,
    seen: Option<Stamp>,
    /// It was not there at the last look: a program that writes it anew may have moved it away for a moment.
    missing: bool,
    values: BTreeMap<String, String>,
}

impl EnvFile {
    /// One that is not there has nothing in it.
    pub fn read(path: PathBuf) -> Self {
        let mut file = Self { path, seen: None, missing: false, values: BTreeMap::new() };
        file.refresh();
        file
    }

    /// What a variable holds, unless that is nothing.
    pub fn value(&self, variable: &str) -> Option<&str> {
        self.values.get(variable).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    pub fn source(&self, variable: &str) -> Source {
        Source::EnvFile { variable: variable.to_owned(), file: self.path.clone() }
    }

    /// Reads it again if it has changed. One that cannot be read now keeps its values and is looked at again.
    pub fn refresh(&mut self) -> Vec<Change> {
        let Ok(now) = store::stamp(&self.path) else { return Vec::new() };
        let was_missing = std::mem::replace(&mut self.missing, now.is_none());
        if now == self.seen || now.is_none() && !was_missing {
            return Vec::new();
        }
        let Some(values) = (if now.is_some() { lines(&self.path) } else { Some(BTreeMap::new()) }) else {
            return Vec::new();
        };
        self.seen = now;
        let before = std::mem::replace(&mut self.values, values);
        compare(&before, &self.values, |name| format!("{name} in {}", platform::shown(&self.path)))
    }
}

/// A line that says nothing is no reason to lose the others; `None` when the file cannot be read to its end.
fn lines(path: &Path) -> Option<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for line in dotenvy::from_path_iter(path).ok()? {
        match line {
            Ok((name, value)) => _ = values.insert(name, value),
            Err(dotenvy::Error::Io(error)) if error.kind() != std::io::ErrorKind::InvalidData => return None,
            Err(_) => {}
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_away_for_a_moment_keeps_its_values() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join(".env"), dir.path().join("aside"));
        std::fs::write(&path, "A=1\n").unwrap();
        let mut file = EnvFile::read(path.clone());
        std::fs::rename(&path, &aside).unwrap();
        assert_eq!((file.refresh(), file.value("A")), (vec![], Some("1")));
        std::fs::write(&path, "A=22\n").unwrap();
        assert_eq!((file.refresh().len(), file.value("A")), (1, Some("22")));
        // Away at two looks, it is gone.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.refresh(), vec![]);
        assert_eq!((file.refresh().len(), file.value("A")), (1, None));
    }

    #[test]
    fn a_file_that_cannot_be_read_keeps_its_values_and_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        let path = inside.join(".env");
        std::fs::write(&path, "A=1\n").unwrap();
        let mut file = EnvFile::read(path.clone());
        // No administrator gets through this either: a directory that is a file.
        std::fs::rename(&inside, dir.path().join("aside")).unwrap();
        std::fs::write(&inside, "").unwrap();
        for _ in 0..3 {
            assert_eq!((file.refresh(), file.value("A")), (vec![], Some("1")));
        }
        std::fs::remove_file(&inside).unwrap();
        std::fs::create_dir(&inside).unwrap();
        // A line that is no text is none of the others' business.
        std::fs::write(&path, b"B=\xff\xfe\nA=22\n").unwrap();
        assert_eq!((file.refresh().len(), file.value("A")), (1, Some("22")));
    }
}
