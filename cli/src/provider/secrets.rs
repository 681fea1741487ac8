//! The secrets at hand, and where each came from. They stay on this machine, and are never printed whole.

mod change;
mod env_file;
mod lookup;
mod store;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use hook_providers::Recipe;

pub use change::{Change, How};
use env_file::EnvFile;
pub use store::{From, Kept, Store};

use crate::failure::Failure;
use crate::param::{Param, Value};
use crate::platform;

/// A secret of an endpoint and provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// What it is called in explanations: `stripe`, `shop/stripe`.
    pub label: String,
    pub value: String,
    pub source: Source,
}

/// Where a secret came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `--secret-env`, or `secret-env` in hook.toml: this variable.
    Named(String),
    Environment(String),
    EnvFile {
        variable: String,
        file: PathBuf,
    },
    /// `hook secret set`.
    Kept,
    /// hook made it.
    Made,
    /// The provider handed it over.
    Handshake,
}

/// What a command was told about secrets.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// For every endpoint, by flags.
    pub flags: Said,
    /// Those of the flags are asked about, and every other secret is another one.
    pub alone: bool,
    /// For one endpoint, in hook.toml.
    pub endpoints: HashMap<String, Said>,
    /// Looked in before `.env`.
    pub env_files: Vec<PathBuf>,
}

/// What was said about secrets in one place.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Variables that hold secrets, whatever the provider.
    pub variables: Vec<String>,
    pub params: Vec<Param>,
}

/// All secrets that can be found for one project.
#[derive(Clone)]
pub struct Secrets {
    project: PathBuf,
    given: Given,
    store: Store,
    /// Its file could not be read when it had changed: what it held before still counts.
    unreadable: bool,
    files: Vec<EnvFile>,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(variable) | Self::Environment(variable) => write!(f, "{variable}"),
            Self::EnvFile { variable, file } => write!(f, "{variable} in {}", platform::shown(file)),
            Self::Kept => f.write_str("hook secret set"),
            Self::Made => f.write_str("made by hook"),
            Self::Handshake => f.write_str("handed over by the provider"),
        }
    }
}

/// Never the value.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({}, {}, {})", self.label, self.shown(), self.source)
    }
}

impl Secret {
    /// Its prefix and last four characters.
    pub fn shown(&self) -> String {
        hook_providers::Secret { label: &self.label, value: &self.value }.shown()
    }

    pub fn as_known(&self) -> hook_providers::Secret<'_> {
        hook_providers::Secret { label: &self.label, value: &self.value }
    }
}

impl Secrets {
    /// Fails when a flag names a variable that nothing sets.
    pub fn load(project: &Path, given: Given) -> Result<Self, Failure> {
        let here = platform::here();
        let mut paths = given.env_files.clone();
        for usual in [here.join(".env"), project.join(".env")] {
            if !paths.contains(&usual) {
                paths.push(usual);
            }
        }
        let files = paths.into_iter().map(EnvFile::read).collect();
        let store = Store::read()?;
        let secrets = Self { project: project.to_owned(), given, store, unreadable: false, files };
        let unset = |name: &&String| secrets.variable(name).next().is_none();
        if let Some(name) = secrets.given.flags.variables.iter().find(unset) {
            return Err(nothing_in(name, "secret").next("hook secret set PROVIDER"));
        }
        let in_variables = secrets.given.flags.params.iter().filter_map(|param| match &param.value {
            Value::Given(_) => None,
            Value::Variable(name) => Some(name),
        });
        match in_variables.into_iter().find(unset) {
            Some(name) => Err(nothing_in(name, "value for --param")),
            None => Ok(secrets),
        }
    }

    /// From now on this holds for an endpoint.
    pub fn tell(&mut self, endpoint: &str, said: Said) {
        self.given.endpoints.insert(endpoint.to_owned(), said);
    }

    /// The values of a variable: of the environment first, then of the files.
    fn variable(&self, name: &str) -> impl Iterator<Item = (String, Option<&EnvFile>)> {
        let environment = std::env::var(name).ok().map(|value| (value, None));
        let files = self.files.iter().filter_map(|file| Some((file.value(name)?.to_owned(), Some(file))));
        let has_value = |(value, _): &(String, Option<&EnvFile>)| !value.trim().is_empty();
        environment.into_iter().chain(files.collect::<Vec<_>>()).filter(has_value)
    }

    /// The secrets of an endpoint and provider, the most particular first: that one signs. An empty endpoint is any.
    pub fn of(&self, endpoint: &str, recipe: &Recipe) -> Vec<Secret> {
        if self.given.alone { self.named(&self.given.flags.variables, recipe) } else { self.all_of(endpoint, recipe) }
    }

    /// Those in variables that somebody named.
    fn named(&self, variables: &[String], recipe: &Recipe) -> Vec<Secret> {
        let secret = |variable: &String, value, file: Option<&EnvFile>| {
            let source = file.map_or_else(|| Source::Named(variable.clone()), |file| file.source(variable));
            Secret { label: recipe.slug.clone(), value, source }
        };
        variables
            .iter()
            .flat_map(|name| self.variable(name).map(move |(value, file)| secret(name, value, file)))
            .collect()
    }

    fn all_of(&self, endpoint: &str, recipe: &Recipe) -> Vec<Secret> {
        let slug = &recipe.slug;
        let mut found: Vec<Secret> = Vec::new();
        let mut add = |label: String, value: String, source: Source| {
            if !value.trim().is_empty() && !found.iter().any(|s| s.value == value) {
                found.push(Secret { label, value, source });
            }
        };
        for named in self.said(endpoint).flat_map(|said| self.named(&said.variables, recipe)) {
            add(named.label, named.value, named.source);
        }
        let kept = || self.store.of(&self.project, slug);
        let of_endpoint = |k: &&Kept| k.endpoint.as_deref() == Some(endpoint) && !endpoint.is_empty();
        for kept in kept().filter(|k| of_endpoint(k) && k.from != From::Handshake) {
            add(format!("{endpoint}/{slug}"), kept.value.clone(), kept.source());
        }
        for variable in &recipe.secret.env {
            for (value, file) in self.variable(variable) {
                let environment = || Source::Environment(variable.clone());
                add(slug.clone(), value, file.map_or_else(environment, |file| file.source(variable)));
            }
        }
        for kept in kept().filter(|k| k.endpoint.is_none()) {
            add(slug.clone(), kept.value.clone(), kept.source());
        }
        // Anybody can hand one over, so those count only where the person gave none.
        if found.iter().all(|s| s.source == Source::Made) {
            let handed = kept().filter(|k| of_endpoint(k) && k.from == From::Handshake);
            found.extend(handed.map(|k| Secret { label: k.name(), value: k.value.clone(), source: k.source() }));
        }
        found
    }

    /// Whether the person gave a secret for an endpoint and provider.
    pub fn is_given(&self, endpoint: &str, recipe: &Recipe) -> bool {
        let is_given = |s: &Secret| !matches!(s.source, Source::Made | Source::Handshake);
        self.all_of(endpoint, recipe).iter().any(is_given)
    }

    /// What was said about an endpoint, the most particular last.
    fn said<'a>(&'a self, endpoint: &str) -> impl Iterator<Item = &'a Said> {
        [Some(&self.given.flags), self.given.endpoints.get(endpoint)].into_iter().flatten()
    }

    /// Kept ones that belong to other endpoints, and those that are not asked about: for telling that one of those made a
    /// signature.
    pub fn others(&self, endpoint: &str, recipe: &Recipe) -> Vec<Secret> {
        let all = self.all_of(endpoint, recipe);
        let others = self.store.of(&self.project, &recipe.slug).filter_map(|kept| {
            let label = match kept.endpoint.as_deref()? {
                theirs if theirs != endpoint => kept.name(),
                // Handed over, where the person gave another.
                _ if all.iter().all(|s| s.value != kept.value) => kept.source().to_string(),
                _ => return None,
            };
            Some(Secret { label, value: kept.value.clone(), source: kept.source() })
        });
        let others: Vec<Secret> = others.collect();
        let asked = self.of(endpoint, recipe);
        let aside = all.into_iter().filter(|s| asked.iter().all(|a| a.value != s.value));
        others.into_iter().chain(aside.map(|s| Secret { label: s.source.to_string(), ..s })).collect()
    }

    /// Values of what a scheme needs besides the secret; one in a variable that nothing sets is lacking.
    pub fn params(&self, endpoint: &str) -> Vec<(&str, Cow<'_, str>)> {
        let mut found = Vec::new();
        for param in self.said(endpoint).flat_map(|said| &said.params) {
            match &param.value {
                Value::Given(text) => found.push((param.name.as_str(), Cow::Borrowed(text.as_str()))),
                Value::Variable(variable) => {
                    let value = self.variable(variable).next();
                    found.extend(value.map(|(value, _)| (param.name.as_str(), Cow::Owned(value))));
                }
            }
        }
        found
    }

    /// Whether the file of a path sets a variable.
    pub fn is_set_in(&self, path: &Path, variable: &str) -> bool {
        self.files.iter().any(|file| file.path == path && file.value(variable).is_some())
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How a secret would be kept that a provider hands over to an endpoint; `None` when it is known.
    pub fn handed(&self, endpoint: &str, recipe: &Recipe, value: &str) -> Option<Kept> {
        let kept = Kept {
            project: Some(self.project.clone()),
            endpoint: Some(endpoint.to_owned()),
            provider: recipe.slug.clone(),
            value: value.to_owned(),
            from: From::Handshake,
            for_app: None,
        };
        let known = self.all_of(endpoint, recipe).iter().any(|s| s.value == value);
        (!known && !self.store.all().contains(&kept)).then_some(kept)
    }

    /// Takes what the file of kept secrets holds now.
    pub fn take(&mut self, store: Store) {
        self.store = store;
    }

    /// Looks again at files that changed. Of variables only those that may hold a secret are told of.
    pub fn refresh(&mut self, holds_secrets: impl Fn(&str) -> bool) -> Vec<Change> {
        let said: Vec<&Said> = [&self.given.flags].into_iter().chain(self.given.endpoints.values()).collect();
        let is_told = |name: &str| holds_secrets(name) || said.iter().any(|s| s.variables.iter().any(|v| v == name));
        let mut changes: Vec<Change> = self.files.iter_mut().flat_map(EnvFile::refresh).collect();
        changes.retain(|change| is_told(&change.name));
        if self.store.has_changed() {
            match Store::read() {
                Ok(store) => {
                    changes.extend(self.store.changes(&store, &self.project));
                    self.store = store;
                    self.unreadable = false;
                }
                // What was read before still counts, which is said once.
                Err(_) if std::mem::replace(&mut self.unreadable, true) => {}
                Err(failure) => changes.push(Change::unreadable(&failure)),
            }
        }
        changes
    }
}

/// That a variable somebody named holds nothing. What does not look like the name of one may be the secret itself, which is
/// not repeated.
fn nothing_in(name: &str, what: &str) -> Failure {
    let is_name = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if is_name {
        return Failure::usage(format!("neither the environment nor .env has a {what} in {name}."))
            .next(format!("export {name}=…"));
    }
    Failure::usage(format!("neither the environment nor .env has a {what} in the variable that is named."))
        .next("export NAME=…, and give its NAME: what a variable holds is never an argument")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_the_secret_itself_is_not_repeated() {
        let said = |name| nothing_in(name, "secret").to_string();
        assert!(said("STRIPE_WEBHOOK_SECRET").contains("a secret in STRIPE_WEBHOOK_SECRET.\nnext: export STRIPE_"));
        for secret in ["whsec_0123456789abcdef", "0123456789abcdef", "hush hush"] {
            assert!(!said(secret).contains(secret), "{secret}");
        }
    }
}
