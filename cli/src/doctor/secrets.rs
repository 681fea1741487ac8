//! Signing secrets: who could read them, whether they are about to be committed, and whether endpoints share one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hook_providers::Recipe;

use super::{Finding, Subject, tracked};
use crate::config::ProjectFile;
use crate::failure::Failure;
use crate::provider::secrets::Store;
use crate::provider::{Checker, ProviderArgs};
use crate::{platform, text};

pub fn check(subject: &Subject, tell: &mut dyn FnMut(Finding)) {
    let path = Store::path();
    // What is wrong with hook.toml is told by the check of the relay.
    let file = ProjectFile::read(&subject.project).ok().flatten();
    let checker = match Checker::load(&subject.project, ProviderArgs::default().given(file.as_ref())) {
        Ok(checker) => checker,
        Err(failure) => return tell(unusable(&failure, &path)),
    };
    tell(match platform::is_private(&path) {
        Ok(false) => readable(&path),
        _ => shared(kept(&checker), &by_endpoint(&checker, subject, file.as_ref())),
    });
    let scan = tracked::Scan::of(&subject.project, &tracked::wanted(&checker));
    let names = variables(&checker);
    for file in env_files(&subject.project).iter().filter(|file| holds(file, &names)) {
        if platform::is_git_ignored(file) == Some(false) {
            tell(not_ignored(file, scan.as_ref().is_some_and(|s| s.is_tracked(file))));
        }
    }
    if let Some(scan) = scan {
        tell(scan.judge());
    }
}

fn kept(checker: &Checker) -> u64 {
    checker.secrets().store().all().len() as u64
}

/// The secret that signs at each endpoint of this project, by value: all that has a name in hook.toml or among the kept ones.
fn by_endpoint(checker: &Checker, subject: &Subject, file: Option<&ProjectFile>) -> BTreeMap<String, Vec<String>> {
    let secrets = checker.secrets();
    let here = |kept: &&crate::provider::secrets::Kept| kept.project.as_ref().is_none_or(|p| *p == subject.project);
    let kept = secrets.store().all().iter().filter(here);
    let kept = kept.filter_map(|kept| Some((kept.endpoint.clone()?, kept.provider.clone())));
    let listed = file.into_iter().flat_map(ProjectFile::endpoints);
    let listed = listed.filter_map(|entry| Some((entry.name.clone()?, entry.provider.clone()?)));
    let mut all: Vec<(String, String)> = kept.chain(listed).collect();
    all.sort();
    all.dedup();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (endpoint, provider) in all {
        let signs = checker.providers.get(&provider).and_then(|r| secrets.of(&endpoint, r).into_iter().next());
        if let Some(secret) = signs {
            found.entry(secret.value).or_default().push(format!("{endpoint}/{provider}"));
        }
    }
    found
}

/// Every variable in which a secret usually is.
fn variables(checker: &Checker) -> Vec<String> {
    checker.providers.catalog().iter().flat_map(|recipe: &Recipe| recipe.secret.env.clone()).collect()
}

/// `.env`, `.env.local` and the like; those that are made to be committed have no secrets in them.
fn env_files(project: &Path) -> Vec<PathBuf> {
    let here = platform::here();
    let dirs = if here == project { vec![here] } else { vec![project.to_owned(), here] };
    let mut found: Vec<PathBuf> = dirs
        .iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .flatten()
        .filter_map(|e| Some(e.ok()?.path()))
        .collect();
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_example = ["example", "sample", "template", "dist"].iter().any(|end| name.ends_with(end));
        (name == ".env" || name.starts_with(".env.")) && !is_example && path.is_file()
    });
    found.sort();
    found
}

/// `.env` is for secrets, whatever is in it now; another file counts when it has one.
fn holds(file: &Path, variables: &[String]) -> bool {
    let is_env = file.file_name().is_some_and(|name| name == ".env");
    let sets = |(name, value): (String, String)| variables.contains(&name) && !value.trim().is_empty();
    is_env || dotenvy::from_path_iter(file).is_ok_and(|mut lines| lines.any(|l| l.is_ok_and(sets)))
}

fn readable(path: &Path) -> Finding {
    let next = format!("chmod 600 {}", text::shell_word(&path.display().to_string()));
    Finding::bad("secrets", format!("others on this machine can read your signing secrets in {}", path.display()), next)
        .fact("open_to_others", vec![path.display().to_string()])
}

fn unusable(failure: &Failure, path: &Path) -> Finding {
    let next = failure.next.first().cloned().unwrap_or_else(|| format!("look at {}", path.display()));
    Finding::bad("secrets", &failure.what, next)
}

fn shared(kept: u64, by_value: &BTreeMap<String, Vec<String>>) -> Finding {
    let groups: Vec<&Vec<String>> = by_value.values().filter(|names| names.len() > 1).collect();
    let Some(first) = groups.first() else {
        let words = if kept == 0 { "none kept".to_owned() } else { format!("{kept} kept") };
        return Finding::good("secrets", words).fact("kept", kept).fact("shared", Vec::<String>::new());
    };
    let more = match groups.len() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more such)"),
    };
    let words = format!("{} share a secret{more}: an event of one is valid at the other", first.join(" and "));
    let next =
        format!("hook secret set {}     (if its provider gives each endpoint one of its own)", first[first.len() - 1]);
    let all: Vec<String> = groups.iter().map(|names| names.join(" ")).collect();
    Finding::doubt("secrets", words, next).fact("kept", kept).fact("shared", all)
}

fn not_ignored(file: &Path, is_tracked: bool) -> Finding {
    let shown = file.display().to_string();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let list = file.with_file_name(".gitignore").display().to_string();
    let ignore = format!("echo {} >> {}", text::shell_word(&name), text::shell_word(&list));
    let dir = file.parent().unwrap_or(Path::new(".")).display().to_string();
    let forget = format!("git -C {} rm --cached -- {} && {ignore}", text::shell_word(&dir), text::shell_word(&name));
    let finding = if is_tracked {
        Finding::doubt("env-file", format!("git tracks {shown}, which is for secrets"), forget)
    } else {
        Finding::doubt("env-file", format!("git does not ignore {shown}: the next commit may take it along"), ignore)
    };
    finding.fact("file", shown).fact("tracked", is_tracked)
}

#[cfg(test)]
pub mod tests {
    use super::super::State;
    use super::*;

    fn groups(all: &[&[&str]]) -> BTreeMap<String, Vec<String>> {
        let value =
            |(i, names): (usize, &&[&str])| (format!("whsec_{i}"), names.iter().map(ToString::to_string).collect());
        all.iter().enumerate().map(value).collect()
    }

    pub fn all() -> Vec<Finding> {
        let file = Path::new("/home/u/my shop/.env");
        vec![
            shared(0, &groups(&[])),
            shared(2, &groups(&[&["shop/stripe"], &["test/stripe"]])),
            shared(2, &groups(&[&["shop/stripe", "test/stripe"], &["a/slack", "b/slack", "c/slack"]])),
            readable(Path::new("/home/u/.config/hook/secrets.toml")),
            not_ignored(file, false),
            not_ignored(file, true),
        ]
    }

    #[test]
    fn no_secret_is_told() {
        assert!(all().iter().all(|f| !format!("{f:?}").contains("whsec_")));
    }

    #[test]
    fn a_file_counts_when_it_is_for_secrets_or_has_one() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            (".env", ""),
            (".env.local", "A=1\nSTRIPE_WEBHOOK_SECRET=whsec_1\n"),
            (".env.test", "A=1\nSTRIPE_WEBHOOK_SECRET=\n"),
            (".env.example", "STRIPE_WEBHOOK_SECRET=whsec_1\n"),
            (".envrc", "STRIPE_WEBHOOK_SECRET=whsec_1\n"),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let names = ["STRIPE_WEBHOOK_SECRET".to_owned()];
        let found: Vec<_> = env_files(dir.path()).into_iter().filter(|f| f.starts_with(dir.path())).collect();
        let found: Vec<_> = found.iter().filter(|f| holds(f, &names)).map(|f| f.file_name().unwrap()).collect();
        assert_eq!(found, [".env", ".env.local"]);
    }

    #[test]
    fn one_secret_at_one_endpoint_is_well() {
        assert_eq!(all().iter().map(|f| f.state).collect::<Vec<_>>()[..3], [State::Good, State::Good, State::Doubt]);
    }
}
