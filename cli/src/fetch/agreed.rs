//! Whom hook may ask for what: said with a flag, or asked once and remembered in the config directory.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::platform;
use crate::sanitize::sanitize;

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    Key,
    Subscription,
}

/// What a person agreed to: hosts for keys; for subscriptions their names, or their hosts where they have none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Agreed {
    fetch_keys: Vec<String>,
    confirm_subscriptions: Vec<String>,
}

/// What is asked of a host.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    pub purpose: Purpose,
    pub provider: &'a str,
    pub host: &'a str,
    /// What is subscribed to.
    pub about: Option<&'a str>,
}

impl<'a> Wish<'a> {
    /// What a yes holds for.
    pub fn subject(&self) -> &'a str {
        self.about.unwrap_or(self.host)
    }

    /// For a person, once for a subject.
    pub fn question(&self) -> String {
        let Self { provider, host, .. } = *self;
        let question = match (self.purpose, self.about) {
            (Purpose::Key, _) => format!("{provider} publishes its key at {host}. May hook fetch it, now and later?"),
            (Purpose::Subscription, Some(about)) => {
                format!(
                    "{provider} asks to confirm a subscription to {about} at {host}. May hook fetch its key there, and confirm?"
                )
            }
            (Purpose::Subscription, None) => {
                format!(
                    "{provider} asks to confirm a subscription at {host}. May hook fetch its key there, and confirm, now and later?"
                )
            }
        };
        sanitize(&question).into_owned()
    }
}

impl Purpose {
    pub fn flag(self) -> &'static str {
        match self {
            Self::Key => "--fetch-keys",
            Self::Subscription => "--confirm-subscriptions",
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

    pub fn has(&self, purpose: Purpose, subject: &str) -> bool {
        let subjects = match purpose {
            Purpose::Key => &self.fetch_keys,
            Purpose::Subscription => &self.confirm_subscriptions,
        };
        subjects.iter().any(|s| s == subject)
    }

    pub fn remember(purpose: Purpose, subject: &str) -> Result<(), Failure> {
        Self::remember_in(&Self::path(), purpose, subject)
    }

    fn remember_in(path: &Path, purpose: Purpose, subject: &str) -> Result<(), Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::local(format!("{} cannot be read: {error}.", platform::shown(path)))),
        };
        // What cannot be read is not written over: it holds the answers of before.
        let mut agreed: Self = toml::from_str(&text).map_err(|_| {
            Failure::local(format!("{} is not what hook writes. It was not touched.", platform::shown(path)))
                .next(format!("mend {}", platform::shown(path)))
        })?;
        if agreed.has(purpose, subject) {
            return Ok(());
        }
        match purpose {
            Purpose::Key => agreed.fetch_keys.push(subject.to_owned()),
            Purpose::Subscription => agreed.confirm_subscriptions.push(subject.to_owned()),
        }
        let failed = |e: String| Failure::local(format!("{} cannot be written: {e}.", platform::shown(path)));
        let text = toml::to_string(&agreed).map_err(|e| failed(e.to_string()))?;
        platform::write_private(path, text.as_bytes()).map_err(|e| failed(crate::text::io(&e)))
    }
}

/// Whether hook may do it. `said`: with a flag or in hook.toml. `ask` asks the person, who may not be there.
pub fn agrees(wish: Wish<'_>, said: bool, ask: impl FnOnce(&str) -> Option<bool>) -> Result<bool, Failure> {
    if said || Agreed::read().has(wish.purpose, wish.subject()) {
        return Ok(true);
    }
    let yes = ask(&wish.question()) == Some(true);
    if yes {
        Agreed::remember(wish.purpose, wish.subject())?;
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
        assert!(Agreed::remember_in(&file, Purpose::Key, "a.example").is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "not toml");
    }

    #[test]
    fn what_is_said_needs_no_question() {
        let wish = Wish { purpose: Purpose::Key, provider: "x", host: "never-agreed-to.example", about: None };
        assert!(agrees(wish, true, |_| panic!("asked")).unwrap());
        assert!(!agrees(wish, false, |_| None).unwrap());
        assert!(!agrees(wish, false, |_| Some(false)).unwrap());
    }

    #[test]
    fn a_question_says_what_about_and_draws_nothing() {
        let wish =
            Wish { purpose: Purpose::Subscription, provider: "a\u{1b}[2J", host: "h.example", about: Some("arn:x") };
        assert_eq!(wish.subject(), "arn:x");
        let question = wish.question();
        assert!(
            question.contains("a subscription to arn:x at h.example") && !question.contains('\u{1b}'),
            "{question}"
        );
    }
}
