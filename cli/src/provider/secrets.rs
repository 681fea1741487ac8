//! The secrets at hand, and where each came from. They stay on this machine, and are never printed whole.

mod store;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hook_providers::Recipe;

pub use store::{From, Kept, Store};

use crate::failure::Failure;

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
    /// Variables that hold secrets, whatever the provider.
    pub variables: Vec<String>,
    /// Params of schemes: `webhook_id=…`.
    pub params: Vec<(String, String)>,
    /// In place of `.env` in the project.
    pub env_files: Vec<PathBuf>,
}

/// All secrets that can be found for one project.
pub struct Secrets {
    project: PathBuf,
    given: Given,
    store: Store,
    files: Vec<EnvFile>,
}

/// One `.env`, as it was when it was last read.
struct EnvFile {
    path: PathBuf,
    seen: Option<(SystemTime, u64)>,
    values: HashMap<String, String>,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(variable) | Self::Environment(variable) => write!(f, "{variable}"),
            Self::EnvFile { variable, file } => write!(f, "{variable} in {}", file.display()),
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
    pub fn load(project: &Path, given: Given) -> Result<Self, Failure> {
        for variable in &given.variables {
            if std::env::var(variable).map_or(true, |v| v.trim().is_empty()) {
                let shown = crate::sanitize::sanitize(variable);
                return Err(Failure::usage(format!("the environment has no secret in {shown}."))
                    .next(format!("export {shown}=…, or hook secret set PROVIDER")));
            }
        }
        let paths = if given.env_files.is_empty() { vec![PathBuf::from(".env")] } else { given.env_files.clone() };
        let files = paths.iter().map(|path| EnvFile::new(project.join(path))).collect();
        let mut secrets = Self { project: project.to_owned(), given, store: Store::read()?, files };
        secrets.refresh();
        Ok(secrets)
    }

    /// The secrets of an endpoint and provider, the most particular first: that one signs. An empty endpoint is any.
    pub fn of(&self, endpoint: &str, recipe: &Recipe) -> Vec<Secret> {
        let mut found = Vec::new();
        let mut add = |label: String, value: &str, source: Source| {
            let known = |s: &Secret| s.value == value;
            if !value.trim().is_empty() && !found.iter().any(known) {
                found.push(Secret { label, value: value.to_owned(), source });
            }
        };
        let slug = &recipe.slug;
        for variable in &self.given.variables {
            if let Ok(value) = std::env::var(variable) {
                add(slug.clone(), &value, Source::Named(variable.clone()));
            }
        }
        let kept = || self.store.of(&self.project, slug);
        // Anybody can hand one over, so those come after what the person gave.
        let of_endpoint = |k: &&Kept| k.endpoint.as_deref() == Some(endpoint) && !endpoint.is_empty();
        for kept in kept().filter(|k| of_endpoint(k) && k.from != From::Handshake) {
            add(format!("{endpoint}/{slug}"), &kept.value, kept.source());
        }
        for variable in &recipe.secret.env {
            if let Ok(value) = std::env::var(variable) {
                add(slug.clone(), &value, Source::Environment(variable.clone()));
            }
        }
        for file in &self.files {
            for variable in &recipe.secret.env {
                if let Some(value) = file.values.get(variable) {
                    let file =
                        file.path.strip_prefix(&self.project).map_or(file.path.clone(), |p| Path::new(".").join(p));
                    add(slug.clone(), value, Source::EnvFile { variable: variable.clone(), file });
                }
            }
        }
        for kept in kept().filter(|k| k.endpoint.is_none()) {
            add(slug.clone(), &kept.value, kept.source());
        }
        for kept in kept().filter(|k| of_endpoint(k) && k.from == From::Handshake) {
            add(format!("{endpoint}/{slug}"), &kept.value, kept.source());
        }
        found
    }

    /// Kept ones that belong to other endpoints: for telling that one of those made a signature.
    pub fn others(&self, endpoint: &str, recipe: &Recipe) -> Vec<Secret> {
        let slug = &recipe.slug;
        let others = self.store.of(&self.project, slug).filter_map(|kept| {
            let theirs = kept.endpoint.as_deref().filter(|e| *e != endpoint)?;
            Some(Secret { label: format!("{theirs}/{slug}"), value: kept.value.clone(), source: kept.source() })
        });
        others.collect()
    }

    /// Values of what a scheme needs besides the secret.
    pub fn params(&self) -> &[(String, String)] {
        &self.given.params
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How a secret would be kept that a provider hands over to an endpoint; `None` when it is known.
    pub fn handed(&self, endpoint: &str, recipe: &Recipe, value: &str) -> Option<Kept> {
        let known = self.of(endpoint, recipe).iter().any(|s| s.value == value);
        (!known).then(|| Kept {
            project: Some(self.project.clone()),
            endpoint: Some(endpoint.to_owned()),
            provider: recipe.slug.clone(),
            value: value.to_owned(),
            from: From::Handshake,
        })
    }

    /// Takes what the file of kept secrets holds now.
    pub fn take(&mut self, store: Store) {
        self.store = store;
    }

    /// Looks again at files that changed. Each text says what is new, without a value.
    pub fn refresh(&mut self) -> Vec<String> {
        let mut said: Vec<String> = self.files.iter_mut().filter_map(EnvFile::refresh).collect();
        if self.store.has_changed()
            && let Ok(store) = Store::read()
        {
            self.store = store;
            said.push("the kept secrets were read again".to_owned());
        }
        said
    }
}

impl EnvFile {
    fn new(path: PathBuf) -> Self {
        Self { path, seen: None, values: HashMap::new() }
    }

    fn refresh(&mut self) -> Option<String> {
        let now = store::stamp(&self.path);
        if now == self.seen {
            return None;
        }
        self.seen = now;
        // A line that cannot be read is no reason to lose the others.
        let values = dotenvy::from_path_iter(&self.path).map(|lines| lines.filter_map(Result::ok).collect());
        self.values = values.unwrap_or_default();
        Some(format!("{} was read again", self.path.display()))
    }
}
