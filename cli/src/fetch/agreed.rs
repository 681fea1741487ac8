//! Whom hook may ask: said with a flag, or asked once for a host and remembered in the config directory.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::platform;

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    Key,
    Subscription,
}

/// The hosts that a person agreed to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Agreed {
    fetch_keys: Vec<String>,
    confirm_subscriptions: Vec<String>,
}

impl Purpose {
    pub fn flag(self) -> &'static str {
        match self {
            Self::Key => "--fetch-keys",
            Self::Subscription => "--confirm-subscriptions",
        }
    }

    /// For a person, once for a host.
    pub fn question(self, provider: &str, host: &str) -> String {
        match self {
            Self::Key => format!("{provider} publishes its key at {host}. May hook fetch it, now and later?"),
            Self::Subscription => {
                format!("{provider} asks to confirm a subscription at {host}. May hook do so, now and later?")
            }
        }
    }
}

impl Agreed {
    fn path() -> PathBuf {
        platform::config_dir().join("hosts.toml")
    }

    /// A file that cannot be read agrees to nothing.
    pub fn read() -> Self {
        Self::of(&Self::path())
    }

    fn of(path: &Path) -> Self {
        std::fs::read_to_string(path).ok().and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()
    }

    pub fn has(&self, purpose: Purpose, host: &str) -> bool {
        let hosts = match purpose {
            Purpose::Key => &self.fetch_keys,
            Purpose::Subscription => &self.confirm_subscriptions,
        };
        hosts.iter().any(|h| h == host)
    }

    pub fn remember(purpose: Purpose, host: &str) -> Result<(), Failure> {
        Self::remember_in(&Self::path(), purpose, host)
    }

    fn remember_in(path: &Path, purpose: Purpose, host: &str) -> Result<(), Failure> {
        let mut agreed = Self::of(path);
        if agreed.has(purpose, host) {
            return Ok(());
        }
        match purpose {
            Purpose::Key => agreed.fetch_keys.push(host.to_owned()),
            Purpose::Subscription => agreed.confirm_subscriptions.push(host.to_owned()),
        }
        let failed = |e: String| Failure::local(format!("{} cannot be written: {e}.", platform::shown(path)));
        let text = toml::to_string(&agreed).map_err(|e| failed(e.to_string()))?;
        platform::write_private(path, text.as_bytes()).map_err(|e| failed(crate::text::io(&e)))
    }
}

/// Whether hook may ask a host. `said`: with a flag or in hook.toml. `ask` asks the person, who may not be there.
pub fn agrees(
    purpose: Purpose,
    provider: &str,
    host: &str,
    said: bool,
    ask: impl FnOnce(&str) -> Option<bool>,
) -> Result<bool, Failure> {
    if said || Agreed::read().has(purpose, host) {
        return Ok(true);
    }
    let yes = ask(&purpose.question(provider, host)) == Some(true);
    if yes {
        Agreed::remember(purpose, host)?;
    }
    Ok(yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_agreed_to_for_one_purpose_and_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hosts.toml");
        let has = |purpose, host: &str| Agreed::of(&file).has(purpose, host);
        assert!(!has(Purpose::Key, "a.example"));
        Agreed::remember_in(&file, Purpose::Key, "a.example").unwrap();
        Agreed::remember_in(&file, Purpose::Subscription, "b.example").unwrap();
        assert!(has(Purpose::Key, "a.example") && has(Purpose::Subscription, "b.example"));
        assert!(!has(Purpose::Subscription, "a.example") && !has(Purpose::Key, "b.example"));
        assert!(platform::is_private(&file).unwrap());
        std::fs::write(&file, "not toml").unwrap();
        assert!(!has(Purpose::Key, "a.example"));
    }

    #[test]
    fn what_is_said_needs_no_question() {
        let host = "never-agreed-to.example";
        assert!(agrees(Purpose::Key, "x", host, true, |_| panic!("asked")).unwrap());
        assert!(!agrees(Purpose::Key, "x", host, false, |_| None).unwrap());
        assert!(!agrees(Purpose::Key, "x", host, false, |_| Some(false)).unwrap());
    }
}
