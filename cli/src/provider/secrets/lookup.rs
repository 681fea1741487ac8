//! Where secrets are looked for, told to other commands and taken from a `hook listen` that runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hook_providers::Recipe;

use super::env_file::EnvFile;
use super::{Said, Secret, Secrets, Source};
use crate::lookup::{Lookup, Place};
use crate::param::{Param, Value};

impl Secrets {
    /// Where this process looks for the secrets of an endpoint. `usual`: variables in which recipes expect them.
    pub fn lookup<'a>(&self, endpoint: &str, usual: impl Iterator<Item = &'a String>) -> Lookup {
        let variables: Vec<String> = self.said(endpoint).flat_map(|said| said.variables.clone()).collect();
        let params = self.said(endpoint).flat_map(|said| &said.params).filter_map(|param| match &param.value {
            Value::Variable(variable) => Some((param.name.clone(), variable.clone())),
            // It may be a secret itself.
            Value::Given(_) => None,
        });
        let held = |name: &String| {
            let value = std::env::var(name).ok().filter(|value| !value.trim().is_empty())?;
            Some((name.clone(), shown(&value)))
        };
        let mut environment: BTreeMap<String, String> = usual.filter_map(held).collect();
        environment.extend(variables.iter().filter_map(held));
        Lookup {
            env_files: self.files.iter().filter_map(|file| Some(file.path.to_str()?.to_owned())).collect(),
            params: params.collect(),
            environment,
            variables,
            pinned: None,
        }
    }

    /// Looks where a `hook listen` looks for an endpoint too: after what this command was told, before `.env`.
    pub fn also_look(&mut self, endpoint: &str, there: &Lookup) {
        let mut at = self.given.env_files.len();
        for path in there.env_files.iter().map(PathBuf::from) {
            // One that is known already is looked in where the other looks in it.
            match self.files.iter().position(|file| file.path == path) {
                Some(known) if known < self.given.env_files.len() => {}
                Some(known) => {
                    let file = self.files.remove(known);
                    at -= usize::from(known < at);
                    self.files.insert(at, file);
                    at += 1;
                }
                None => {
                    self.files.insert(at, EnvFile::read(path));
                    at += 1;
                }
            }
        }
        // Who names no endpoint means any.
        for name in [endpoint, ""] {
            self.given.endpoints.entry(name.to_owned()).or_default().add(there);
        }
    }

    /// Those of an endpoint and provider that a `hook listen` knows too come first, behind those that flags name.
    pub fn shared_first(&self, mut secrets: Vec<Secret>, there: &Lookup) -> Vec<Secret> {
        let flags = &self.given.flags.variables;
        let is_named = |s: &Secret| s.source.place().is_some_and(|place| flags.contains(&place.variable));
        secrets.sort_by_key(|s| !is_named(s) && !there.finds(s));
        secrets
    }

    /// What only the environment of a `hook listen` holds: its name and how it may be shown. `None`: nothing, or a secret of
    /// a person's that it knows too is at hand here.
    pub fn out_of_reach<'a>(
        &self,
        endpoint: &str,
        recipe: &Recipe,
        there: &'a Lookup,
    ) -> Option<(&'a String, &'a String)> {
        let here = self.of(endpoint, recipe);
        let is_theirs = |s: &Secret| !matches!(s.source, Source::Made | Source::Handshake) && there.finds(s);
        if !self.given.flags.variables.is_empty() || here.iter().any(is_theirs) {
            return None;
        }
        let is_of = |name: &&String| recipe.secret.env.contains(name) || there.variables.contains(name);
        there.environment.iter().find(|(name, _)| is_of(name))
    }
}

impl Lookup {
    /// Whether a process that looks there finds this secret too.
    fn finds(&self, secret: &Secret) -> bool {
        match &secret.source {
            // Those are in a file that all read.
            Source::Kept | Source::Made | Source::Handshake => true,
            Source::EnvFile { file, .. } => self.env_files.iter().any(|path| Path::new(path) == file),
            Source::Named(name) | Source::Environment(name) => self.environment.get(name) == Some(&secret.shown()),
        }
    }
}

impl Said {
    fn add(&mut self, there: &Lookup) {
        let new = there.variables.iter().filter(|name| !self.variables.contains(name));
        let new: Vec<String> = new.cloned().collect();
        self.variables.extend(new);
        for (name, variable) in &there.params {
            if self.params.iter().all(|param| param.name != *name) {
                self.params.push(Param { name: name.clone(), value: Value::Variable(variable.clone()) });
            }
        }
    }
}

impl Source {
    /// The variable, and the file that sets it.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Named(variable) | Self::Environment(variable) => {
                Some(Place { variable: variable.clone(), file: None })
            }
            Self::EnvFile { variable, file } => {
                Some(Place { variable: variable.clone(), file: Some(file.to_str()?.to_owned()) })
            }
            Self::Kept | Self::Made | Self::Handshake => None,
        }
    }
}

fn shown(value: &str) -> String {
    hook_providers::Secret { label: "", value }.shown()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{Given, Providers};

    fn secrets(project: &Path, env_files: &[PathBuf]) -> Secrets {
        Secrets::load(project, Given { env_files: env_files.to_vec(), ..Given::default() }).unwrap()
    }

    fn values(secrets: &Secrets, recipe: &Recipe) -> Vec<String> {
        secrets.of("shop", recipe).into_iter().map(|s| s.value).collect()
    }

    #[test]
    fn the_files_of_a_listener_are_looked_in_before_env_and_after_ones_own() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, value: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("STRIPE_WEBHOOK_SECRET={value}\nMINE={value}\n")).unwrap();
            path
        };
        let [own, local, _] = [("own", "whsec_own"), (".env.local", "whsec_local"), (".env", "whsec_env")]
            .map(|(name, value)| write(name, value));
        let providers = Providers::load(dir.path());
        let stripe = providers.get("stripe").unwrap();
        let there = secrets(dir.path(), &[local]).lookup("shop", std::iter::empty());
        let there = Lookup::of_text(&there.to_text());
        assert!(!there.to_text().contains("whsec_"), "{there:?}");
        let mut here = secrets(dir.path(), &[own]);
        assert_eq!(values(&here, stripe), ["whsec_own", "whsec_env"]);
        here.also_look("shop", &there);
        assert_eq!(values(&here, stripe), ["whsec_own", "whsec_local", "whsec_env"]);
        // Twice is as good as once.
        here.also_look("shop", &there);
        assert_eq!(here.files.len(), there.env_files.len() + 1);
        // A variable that was named there counts here.
        let github = providers.get("github").unwrap();
        assert!(values(&here, github).is_empty());
        here.also_look("shop", &Lookup { variables: vec!["MINE".into()], ..Lookup::default() });
        assert_eq!(values(&here, github), ["whsec_own", "whsec_local", "whsec_env"]);
    }

    #[test]
    fn what_only_the_environment_of_a_listener_holds_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let providers = Providers::load(dir.path());
        let stripe = providers.get("stripe").unwrap();
        let name = "STRIPE_WEBHOOK_SECRET".to_owned();
        let shown = "whsec_…cdef".to_owned();
        let there = Lookup { environment: [(name.clone(), shown.clone())].into(), ..Lookup::default() };
        let here = secrets(dir.path(), &[]);
        assert_eq!(here.out_of_reach("shop", stripe, &there), Some((&name, &shown)));
        assert_eq!(here.out_of_reach("shop", providers.get("github").unwrap(), &there), None);
        // One of another value does not help, the same one in a file that both read does.
        let file = dir.path().join(".env");
        std::fs::write(&file, "STRIPE_WEBHOOK_SECRET=whsec_other\n").unwrap();
        let here = secrets(dir.path(), &[]);
        assert!(here.out_of_reach("shop", stripe, &there).is_some());
        let both = Lookup { env_files: vec![file.display().to_string()], ..there };
        assert_eq!(here.out_of_reach("shop", stripe, &both), None);
    }
}
