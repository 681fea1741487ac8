//! What hook does with recipes: who sent an event, whether its signature is right, and with which secret.
//!
//! The recipes and their engine are the crate `hook-providers`, which does no I/O; what it is told comes from here.

pub mod args;
pub mod check;
mod live;
pub mod made;
pub mod resign;
pub mod secrets;
pub mod sender;
pub mod typed;

use std::path::{Path, PathBuf};

use hook_providers::{Catalog, Recipe};

pub use args::{ProviderArgs, SecretSources};
pub use check::{Asked, Case, Checker};
pub use resign::{Decision, Destination, Problem, Resigned, Rule};
pub use secrets::{Change, Given, Said, Secret, Secrets, Source};

pub use crate::signature::{Part, Signature};

use crate::failure::Failure;
use crate::platform;

/// What people call a scheme that has its own name.
const ALIASES: [(&str, &str); 1] = [("custom", "standard-webhooks")];

/// All recipes at hand: those that hook ships, and a person's own.
pub struct Providers {
    catalog: Catalog,
    /// Why a recipe of the person's own was left out: one text a file, with what to do.
    pub left_out: Vec<String>,
}

impl Providers {
    /// Those of the config directory come before the shipped ones, and the project's before both.
    pub fn load(project: &Path) -> Self {
        let mut providers = Self { catalog: Catalog::shipped(), left_out: Vec::new() };
        for dir in own_dirs(project) {
            providers.add_all(&dir);
        }
        providers
    }

    fn add_all(&mut self, dir: &Path) {
        let Ok(entries) = std::fs::read_dir(dir) else { return };
        let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|e| e == "toml"));
        files.sort();
        for file in files {
            let slug = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let shown = file.display();
            match std::fs::read_to_string(&file) {
                Err(error) => self.left_out.push(format!("{shown} cannot be read: {}", crate::text::io(&error))),
                Ok(text) => {
                    if let Err(bad) = self.catalog.add(&slug, &text) {
                        self.left_out.push(format!("{shown} {bad}"));
                    }
                }
            }
        }
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub fn get(&self, name: &str) -> Option<&Recipe> {
        let name = name.to_ascii_lowercase();
        let slug = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name.as_str(), |(_, slug)| slug);
        self.catalog.get(slug)
    }

    /// The recipe that a person named.
    pub fn named(&self, name: &str) -> Result<&Recipe, Failure> {
        self.get(name).ok_or_else(|| {
            let shown = crate::sanitize::sanitize(name);
            let near = self.near(name);
            let failure = Failure::usage(format!("hook knows no provider \"{shown}\"."));
            match near.is_empty() {
                true => failure.next("hook providers"),
                false => failure.next(format!("hook providers            near it: {}", near.join(", "))),
            }
        })
    }

    /// Slugs that share a beginning or a part with a name.
    fn near(&self, name: &str) -> Vec<&str> {
        let name = name.to_ascii_lowercase();
        let begins = |slug: &str| name.len() >= 2 && slug.get(..2) == name.get(..2);
        let near = |slug: &&str| slug.contains(name.as_str()) || name.contains(*slug) || begins(slug);
        self.catalog.iter().map(|r| r.slug.as_str()).filter(near).take(5).collect()
    }
}

/// Where a person's own recipes are.
pub fn own_dirs(project: &Path) -> [PathBuf; 2] {
    [platform::config_dir().join("providers"), project.join(".hook/providers")]
}
