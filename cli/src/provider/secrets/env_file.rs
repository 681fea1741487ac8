//! One file of environment variables, as it was when it was last read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use super::change::{Change, compare};
use super::{Source, store};
use crate::platform;

#[derive(Clone)]
pub struct EnvFile {
    pub path: PathBuf,
    seen: Option<(SystemTime, u64)>,
    values: BTreeMap<String, String>,
}

impl EnvFile {
    /// One that is not there has nothing in it.
    pub fn read(path: PathBuf) -> Self {
        let mut file = Self { path, seen: None, values: BTreeMap::new() };
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

    /// Reads it again if it has changed.
    pub fn refresh(&mut self) -> Vec<Change> {
        let now = store::stamp(&self.path);
        if now == self.seen {
            return Vec::new();
        }
        self.seen = now;
        // A line that cannot be read is no reason to lose the others.
        let lines = now.and_then(|_| dotenvy::from_path_iter(&self.path).ok());
        let values = lines.map(|lines| lines.filter_map(Result::ok).collect()).unwrap_or_default();
        let before = std::mem::replace(&mut self.values, values);
        compare(&before, &self.values, |name| format!("{name} in {}", platform::shown(&self.path)))
    }
}
