//! The file of kept secrets: 0600, in the config directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::Source;
use super::change::{Change, compare};
use crate::failure::Failure;
use crate::platform;

/// Handed over by a provider, for one place.
const HANDED: usize = 8;
/// The format of the file.
const FORMAT: u32 = 1;
/// For how long another process may be at it.
const TURN: Duration = Duration::from_secs(5);

/// One kept secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Absent: for every project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<PathBuf>,
    /// Absent: for every endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    pub provider: String,
    pub value: String,
    /// What the app is given, where that is another text: the public half of a key pair that hook made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_app: Option<String>,
    #[serde(default)]
    pub from: From,
}

/// How it came to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    #[default]
    Person,
    Made,
    Handshake,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Absent: from before there was a number.
    #[serde(default = "first")]
    v: u32,
    #[serde(default)]
    secret: Vec<Kept>,
}

/// All that is read of a file before it is known which format it has.
#[derive(Deserialize)]
struct Format {
    #[serde(default = "first")]
    v: u32,
}

fn first() -> u32 {
    1
}

/// What the file held when it was read.
#[derive(Clone, Default)]
pub struct Store {
    kept: Vec<Kept>,
    seen: Option<Stamp>,
}

/// When a file was written, and its size.
pub type Stamp = (SystemTime, u64);

/// The stamp of a file; `None` when there is none.
pub fn stamp(path: &Path) -> std::io::Result<Option<Stamp>> {
    match std::fs::metadata(path) {
        Ok(data) if data.is_file() => Ok(Some((data.modified()?, data.len()))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a file holds.
fn parse(text: &str, path: &Path) -> Result<Vec<Kept>, Failure> {
    let shown = path.display();
    // The parser's error would quote the file, and the file holds secrets.
    let other = |_| {
        Failure::local(format!("{shown} is not what hook secret writes. It was not touched."))
            .next(format!("mend {shown}"))
    };
    let Format { v } = toml::from_str(text).map_err(other)?;
    if v > FORMAT {
        let what =
            format!("{shown} was written by a newer hook (format {v}, this one knows {FORMAT}). It was not touched.");
        return Err(Failure::local(what).next("use that newer hook"));
    }
    toml::from_str(text).map(|file: File| file.secret).map_err(other)
}

impl Kept {
    pub fn source(&self) -> Source {
        match self.from {
            From::Person => Source::Kept,
            From::Made => Source::Made,
            From::Handshake => Source::Handshake,
        }
    }

    fn is_for(&self, project: &Path) -> bool {
        self.project.as_deref().is_none_or(|p| p == project)
    }

    /// `stripe`, `shop/stripe`
    pub fn name(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("{endpoint}/{}", self.provider),
            None => self.provider.clone(),
        }
    }

    /// The place that one secret has: another value takes it.
    fn place(&self) -> (Option<&Path>, Option<&str>, &str) {
        (self.project.as_deref(), self.endpoint.as_deref(), &self.provider)
    }
}

impl Store {
    pub fn path() -> PathBuf {
        platform::config_dir().join("secrets.toml")
    }

    pub fn read() -> Result<Self, Failure> {
        let path = Self::path();
        let seen = stamp(&path).ok().flatten();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Failure::local(format!("{} cannot be read: {}", path.display(), crate::text::io(&error))));
            }
        };
        Ok(Self { kept: parse(&text, &path)?, seen })
    }

    pub fn all(&self) -> &[Kept] {
        &self.kept
    }

    /// A person's own before those that hook made, so that the real one signs.
    pub fn of<'a>(&'a self, project: &'a Path, provider: &'a str) -> impl Iterator<Item = &'a Kept> {
        let mut of: Vec<&Kept> = self.kept.iter().filter(|k| k.provider == provider && k.is_for(project)).collect();
        of.sort_by_key(|kept| kept.from == From::Made);
        of.into_iter()
    }

    pub fn has_changed(&self) -> bool {
        stamp(&Self::path()).ok() != Some(self.seen)
    }

    /// What a later look found to be different for a project: of its own secrets, and of those for every project.
    pub fn changes(&self, later: &Self, project: &Path) -> Vec<Change> {
        let of = |place: Option<&Path>, what: &str| {
            let values = |store: &Self| {
                let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
                let kept = store.kept.iter().filter(|k| k.project.as_deref() == place);
                kept.for_each(|k| of.entry(k.name()).or_default().push(k.value.clone()));
                of
            };
            compare(&values(self), &values(later), |name| format!("the kept secret of {name}{what}"))
        };
        let mut changes = of(Some(project), "");
        changes.extend(of(None, " for every project"));
        changes
    }

    /// Keeps a secret: in place of those of the same place, or beside them.
    pub fn keep(new: Kept, beside: bool) -> Result<(), Failure> {
        Self::change(|kept| {
            kept.retain(|k| k.place() != new.place() || beside && k.value != new.value);
            kept.insert(0, new);
        })
    }

    /// Keeps one that a provider handed over, behind those that are there. Whoever sends can hand one over, so none of them
    /// makes room for it. `false`: there was no room.
    pub fn keep_handed(new: Kept) -> Result<bool, Failure> {
        let mut has_room = true;
        Self::change(|kept| has_room = add_handed(kept, new))?;
        Ok(has_room)
    }

    /// Forgets all that match, and says how many.
    pub fn forget(matches: impl Fn(&Kept) -> bool) -> Result<usize, Failure> {
        let mut gone = 0;
        Self::change(|kept| {
            let before = kept.len();
            kept.retain(|k| !matches(k));
            gone = before - kept.len();
        })?;
        Ok(gone)
    }

    fn change(change: impl FnOnce(&mut Vec<Kept>)) -> Result<(), Failure> {
        let path = Self::path();
        let failed = |e: &dyn std::fmt::Display| Failure::local(format!("{} cannot be written: {e}", path.display()));
        let dir = path.parent().unwrap_or(Path::new("."));
        platform::private_dir(dir).map_err(|e| failed(&e))?;
        // Two commands at once take turns, so that neither undoes the other.
        let turn = platform::private_file(&path.with_extension("lock")).map_err(|e| failed(&e))?;
        take_turn(&turn).map_err(|e| failed(&e))?;
        let before = Self::read()?.kept;
        let mut file = File { v: FORMAT, secret: before.clone() };
        change(&mut file.secret);
        if file.secret == before {
            return Ok(());
        }
        let text = toml::to_string(&file).map_err(|_| failed(&"a value is not text"))?;
        // Through a link to the file itself: replacing the link would cut it off.
        let path = path.canonicalize().unwrap_or_else(|_| path.clone());
        platform::write_private(&path, text.as_bytes()).map_err(|e| failed(&e))
    }
}

fn take_turn(turn: &std::fs::File) -> std::io::Result<()> {
    let since = Instant::now();
    loop {
        match turn.try_lock() {
            Ok(()) => return Ok(()),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
            Err(std::fs::TryLockError::WouldBlock) if since.elapsed() >= TURN => {
                return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "another hook is at it"));
            }
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Whether there was room for it, or it was there.
fn add_handed(kept: &mut Vec<Kept>, new: Kept) -> bool {
    let of_place = |k: &&Kept| k.place() == new.place();
    if kept.iter().filter(of_place).any(|k| k.value == new.value) {
        return true;
    }
    let has_room = kept.iter().filter(of_place).filter(|k| k.from == From::Handshake).count() < HANDED;
    if has_room {
        kept.push(new);
    }
    has_room
}

#[cfg(test)]
mod tests;
