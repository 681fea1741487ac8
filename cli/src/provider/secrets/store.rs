//! The file of kept secrets: 0600, in the config directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::Source;
use super::change::{Change, compare};
use crate::failure::Failure;
use crate::platform;

/// Handed over by a provider, for one place.
const HANDED: usize = 8;

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

#[derive(Default, Serialize, Deserialize)]
struct File {
    #[serde(default)]
    secret: Vec<Kept>,
}

/// What the file held when it was read.
#[derive(Clone, Default)]
pub struct Store {
    kept: Vec<Kept>,
    seen: Option<(SystemTime, u64)>,
}

/// When a file was written, and its size.
pub fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let data = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((data.modified().ok()?, data.len()))
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
        let seen = stamp(&path);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Failure::local(format!("{} cannot be read: {}", path.display(), crate::text::io(&error))));
            }
        };
        // The parser's error would quote the file, and the file holds secrets.
        let file: File = toml::from_str(&text).map_err(|_| {
            Failure::local(format!("{} is not what hook secret writes.", path.display()))
                .next(format!("mend or remove {}", path.display()))
        })?;
        Ok(Self { kept: file.secret, seen })
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
        stamp(&Self::path()) != self.seen
    }

    /// What a later look found to be different.
    pub fn changes(&self, later: &Self) -> Vec<Change> {
        let values = |store: &Self| {
            let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
            store.kept.iter().for_each(|k| of.entry(k.name()).or_default().push(k.value.clone()));
            of
        };
        compare(&values(self), &values(later), |name| format!("the kept secret of {name}"))
    }

    /// Keeps a secret: in place of those of the same place, or beside them.
    pub fn keep(new: Kept, beside: bool) -> Result<(), Failure> {
        Self::change(|kept| {
            kept.retain(|k| k.place() != new.place() || beside && k.value != new.value);
            kept.insert(0, new);
        })
    }

    /// Keeps one that a provider handed over, beside the others, of which only the newest stay: whoever sends can hand one over.
    pub fn keep_handed(new: Kept) -> Result<(), Failure> {
        Self::change(|kept| {
            let handed = |k: &Kept| k.from == From::Handshake && k.place() == new.place();
            let mut older = 0;
            kept.retain(|k| {
                older += usize::from(handed(k));
                k.place() != new.place() || k.value != new.value && (!handed(k) || older < HANDED)
            });
            kept.insert(0, new);
        })
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
        turn.lock().map_err(|e| failed(&e))?;
        let mut file = File { secret: Self::read()?.kept };
        change(&mut file.secret);
        let text = toml::to_string(&file).map_err(|_| failed(&"a value is not text"))?;
        platform::write_private(&path, text.as_bytes()).map_err(|e| failed(&e))
    }
}
