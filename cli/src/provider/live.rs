//! Keys that providers publish, as they were fetched: kept for a day in the data directory, so that one fetch is enough.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::platform;

/// A key that is older is fetched again: providers take theirs back.
const FRESH: Duration = Duration::from_secs(24 * 3600);
/// Senders name the URLs, within what a recipe allows, so there may be many.
const MOST: usize = 64;
/// As much as is ever fetched, and the URL.
const LONGEST: u64 = 128 * 1024;

/// One key and where it is published.
#[derive(Clone)]
struct LiveKey {
    url: String,
    key: Bytes,
    fetched: SystemTime,
}

#[derive(Clone)]
pub struct LiveKeys {
    dir: PathBuf,
    keys: Vec<LiveKey>,
}

impl LiveKeys {
    /// What is kept of them.
    pub fn read() -> Self {
        Self::of(platform::data_dir().join("keys"))
    }

    pub fn of(dir: PathBuf) -> Self {
        let files = std::fs::read_dir(&dir).into_iter().flatten();
        let keys = files.filter_map(|entry| LiveKey::read(&entry.ok()?.path()));
        Self { keys: keys.filter(LiveKey::is_fresh).take(MOST).collect(), dir }
    }

    /// With one more, in place of an older one.
    pub fn with(&self, url: &str, key: Bytes) -> Self {
        let new = LiveKey { url: url.to_owned(), key, fetched: SystemTime::now() };
        let others = self.keys.iter().filter(|k| k.url != url && k.is_fresh()).take(MOST - 1).cloned();
        Self { keys: std::iter::once(new).chain(others).collect(), dir: self.dir.clone() }
    }

    /// Keeps a key of these for other runs, and lets go of the old ones and of the oldest of too many.
    pub fn keep(&self, url: &str) -> io::Result<()> {
        let Some(kept) = self.keys.iter().find(|key| key.url == url) else { return Ok(()) };
        platform::write_private(&self.dir.join(name(url)), &[url.as_bytes(), b"\n", &kept.key].concat())?;
        let aged = |entry: std::fs::DirEntry| {
            let age = entry.metadata().and_then(|data| data.modified()).ok()?.elapsed().unwrap_or_default();
            Some((age, entry.path()))
        };
        let mut files: Vec<_> = std::fs::read_dir(&self.dir)?.filter_map(|entry| aged(entry.ok()?)).collect();
        files.sort();
        let gone = files.iter().enumerate().filter(|(n, (age, _))| *n >= MOST || *age >= FRESH);
        gone.for_each(|(_, (_, path))| drop(std::fs::remove_file(path)));
        Ok(())
    }

    /// Those that may be used.
    pub fn known(&self) -> Vec<hook_providers::LiveKey<'_>> {
        let fresh = self.keys.iter().filter(|key| key.is_fresh());
        fresh.map(|k| hook_providers::LiveKey { url: &k.url, key: &k.key }).collect()
    }
}

impl LiveKey {
    /// The URL is the first line; the file is as old as the key.
    fn read(path: &Path) -> Option<Self> {
        let data = std::fs::metadata(path).ok().filter(|data| data.is_file() && data.len() <= LONGEST)?;
        let text = Bytes::from(std::fs::read(path).ok()?);
        let end = text.iter().position(|b| *b == b'\n')?;
        let url = String::from_utf8(text[..end].to_vec()).ok()?;
        Some(Self { url, key: text.slice(end + 1..), fetched: data.modified().ok()? })
    }

    fn is_fresh(&self) -> bool {
        // A time that lies ahead is none to go by.
        self.fetched.elapsed().is_ok_and(|age| age < FRESH)
    }
}

/// A file of each URL, whatever is in it.
fn name(url: &str) -> String {
    Sha256::digest(url).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn known(keys: &LiveKeys) -> Vec<(String, Vec<u8>)> {
        let mut all: Vec<_> = keys.known().iter().map(|k| (k.url.to_owned(), k.key.to_vec())).collect();
        all.sort();
        all
    }

    #[test]
    fn keys_are_kept_for_a_day_where_nobody_else_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("keys");
        assert_eq!(known(&LiveKeys::of(dir.clone())), []);
        let keep = |url: &str, key: &'static [u8]| {
            LiveKeys::of(dir.clone()).with(url, Bytes::from_static(key)).keep(url).unwrap();
        };
        keep("https://a.example/1.pem", b"one\nline");
        keep("https://a.example/2.pem", b"two");
        let one = ("https://a.example/1.pem".to_owned(), b"one\nline".to_vec());
        let two = ("https://a.example/2.pem".to_owned(), b"two".to_vec());
        assert_eq!(known(&LiveKeys::of(dir.clone())), [one, two.clone()]);
        let file = dir.join(name("https://a.example/1.pem"));
        assert!(platform::is_private(&file).unwrap() && platform::is_private(&dir).unwrap());
        let old = SystemTime::now() - FRESH - Duration::from_secs(1);
        File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        assert_eq!(known(&LiveKeys::of(dir.clone())), [two]);
        keep("https://a.example/3.pem", b"three");
        assert!(!file.exists(), "an old one goes");
        (0..2 * MOST).for_each(|n| keep(&format!("https://a.example/n{n}.pem"), b"n"));
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), MOST, "the oldest go");
    }

    #[test]
    fn a_key_takes_the_place_of_an_older_one_and_there_are_not_many() {
        let none = LiveKeys::of(PathBuf::new());
        let keys = none.with("a", Bytes::from_static(b"1")).with("a", Bytes::from_static(b"2"));
        assert_eq!(known(&keys), [("a".to_owned(), b"2".to_vec())]);
        let many = (0..200).fold(none, |keys, n| keys.with(&n.to_string(), Bytes::new()));
        assert_eq!(many.known().len(), MOST);
    }
}
