//! What hook does with recipes: who sent an event, whether its signature is right, and with which secret.
//!
//! The recipes and their engine are the crate `hook-providers`, which does no I/O; what it is told comes from here.

pub mod args;
pub mod check;
mod live;
pub mod made;
mod params;
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
    /// Recipes of the person's own that cannot be read.
    pub left_out: Vec<LeftOut>,
    /// Recipes of the project that take the place of shipped ones: slug, and file.
    pub replaced: Vec<(String, PathBuf)>,
}

/// A recipe that cannot be read.
pub struct LeftOut {
    slug: String,
    /// The file, why, and what to do.
    why: String,
    /// Another of this name counts: the project's comes before the person's.
    has_another: bool,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

impl Providers {
    /// Those of the config directory come before the shipped ones, and the project's before both.
    pub fn load(project: &Path) -> Self {
        let mut providers = Self { catalog: Catalog::shipped(), left_out: Vec::new(), replaced: Vec::new() };
        let [own, projects] = own_dirs(project);
        providers.add_all(&own);
        for (slug, file) in providers.add_all(&projects) {
            // Whoever cloned the project may not know of it.
            if hook_providers::shipped_text(&slug).is_some() {
                providers.replaced.push((slug, file));
            }
        }
        providers
    }

    /// Gives those that were added.
    fn add_all(&mut self, dir: &Path) -> Vec<(String, PathBuf)> {
        let mut added = Vec::new();
        let Ok(entries) = std::fs::read_dir(dir) else { return added };
        let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|e| e == "toml"));
        files.sort();
        for file in files {
            let slug = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let shown = file.display();
            let read = std::fs::read_to_string(&file);
            let read = read.map_err(|error| format!("{shown} cannot be read: {}", crate::text::io(&error)));
            match read.and_then(|text| self.catalog.add(&slug, &text).map_err(|bad| format!("{shown} {bad}"))) {
                Err(why) => self.left_out.push(LeftOut { slug, why, has_another: false }),
                Ok(()) => {
                    self.left_out.iter_mut().filter(|bad| bad.slug == slug).for_each(|bad| bad.has_another = true);
                    added.push((slug, file));
                }
            }
        }
        added
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub fn get(&self, name: &str) -> Option<&Recipe> {
        self.catalog.get(&slug(name))
    }

    /// The recipe that a person named. Where they wrote one that cannot be read, no other is taken for it.
    pub fn named(&self, name: &str) -> Result<&Recipe, Failure> {
        let slug = slug(name);
        if let Some(bad) = self.left_out.iter().find(|bad| bad.slug == slug && !bad.has_another) {
            let what = crate::sanitize::sanitize(&format!("the recipe of {slug} was left out: {bad}.")).into_owned();
            return Err(Failure::usage(what).next("correct that file, then the same again"));
        }
        self.catalog.get(&slug).ok_or_else(|| {
            let near = self.near(name);
            // What does not look like the name of one may be a secret, which is not repeated.
            let shown = if is_name(name) { format!("\"{name}\"") } else { "of that name".to_owned() };
            let failure = Failure::usage(format!("hook knows no provider {shown}."));
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

fn slug(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, slug)| (*slug).to_owned())
}

/// Whether it looks like the name of a provider or of an endpoint, and not like a secret: those have capitals or many digits.
pub fn is_name(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let of_names = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=40).contains(&text.len()) && digits <= 4 && text.bytes().all(of_names)
}

/// What `hook trigger` takes to send an event of a provider: `stripe payment_intent.succeeded`.
pub fn example(recipe: &Recipe) -> String {
    match hook_providers::sample::types(recipe).into_iter().next() {
        Some(first) => format!("{} {}", recipe.slug, first.name),
        None => format!("{} --data @event.json", recipe.slug),
    }
}

/// Where a person's own recipes are.
pub fn own_dirs(project: &Path) -> [PathBuf; 2] {
    [platform::config_dir().join("providers"), project.join(".hook/providers")]
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "name = \"My own\"\n";

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Providers) {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join(".hook/providers");
        std::fs::create_dir_all(&own).unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(own.join(name), text).unwrap());
        let providers = Providers::load(dir.path());
        (dir, providers)
    }

    #[test]
    fn a_recipe_that_was_left_out_is_told_of_where_it_is_named() {
        let (_dir, providers) = project(&[("acme.toml", "name = 1\n"), ("stripe.toml", "nam = \"x\"\n")]);
        for name in ["acme", "Stripe"] {
            let said = providers.named(name).err().unwrap().to_string();
            let slug = name.to_lowercase();
            assert!(said.starts_with(&format!("hook: the recipe of {slug} was left out: ")), "{said}");
            assert!(said.contains(&format!("/.hook/providers/{slug}.toml line 1: ")), "{said}");
        }
        assert!(providers.named("github").is_ok());
    }

    #[test]
    fn a_projects_recipe_in_place_of_a_shipped_one_is_told() {
        let (dir, providers) = project(&[("stripe.toml", OWN), ("acme.toml", OWN)]);
        let file = dir.path().join(".hook/providers/stripe.toml");
        assert_eq!(providers.replaced, [("stripe".to_owned(), file)]);
        assert!(providers.named("stripe").is_ok_and(|recipe| recipe.name == "My own"));
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        let (_dir, providers) = project(&[]);
        let said = |name: &str| providers.named(name).err().unwrap().to_string();
        assert!(said("strpe").starts_with("hook: hook knows no provider \"strpe\".\nnext: "));
        for secret in ["whsec_abcdefgh", "0123456789abcdef0123456789abcdef", "Hush", "a b", &"x".repeat(41)] {
            assert!(!said(secret).contains(secret), "{secret}");
        }
    }
}
