//! Signing secrets in files that git tracks: file and line, never the value.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hook_providers::Recipe;

use super::{Finding, assigned};
use crate::provider::Checker;
use crate::text;

/// Files beyond these bounds are not looked into.
const MOST_FILES: usize = 50_000;
const LARGEST: u64 = 1 << 20;
const LONGEST: Duration = Duration::from_secs(5);
/// As git tells text from what is not.
const BINARY_BEFORE: usize = 8_000;
/// A shorter secret may stand anywhere by chance.
const SHORTEST: usize = 12;
/// What follows a prefix is a secret when it has this many characters, and hardly one that is expected.
const SHORTEST_TAIL: usize = 24;
const BITS: f64 = 3.4;

/// What is looked for.
pub struct Wanted {
    values: Vec<String>,
    prefixes: Vec<String>,
    /// Variables in which secrets usually are.
    names: HashSet<String>,
}

/// What was found in a project.
pub struct Scan {
    project: PathBuf,
    tracked: Vec<PathBuf>,
    looked_at: u64,
    /// `file:line`, of secrets that hook knows.
    known: Vec<String>,
    /// The same, of what looks like one.
    likely: Vec<String>,
}

/// The secrets that are known here. What verifies but cannot sign is a public key, and no secret.
pub fn wanted(checker: &Checker) -> Wanted {
    let secrets = checker.secrets();
    let has_pairs = |recipe: &Recipe| {
        let pair = |algorithm: &str| ["ed25519", "ecdsa", "rsa"].iter().any(|a| algorithm.starts_with(a));
        recipe.signatures().any(|s| pair(s.algorithm))
    };
    let is_public = |recipe: &Recipe, value: &str| has_pairs(recipe) && !value.contains("PRIVATE KEY");
    let mut values = Vec::new();
    for recipe in checker.providers.catalog().iter() {
        let kept =
            secrets.store().all().iter().filter(|kept| kept.provider == recipe.slug).map(|kept| kept.value.clone());
        let all = kept.chain(secrets.of("", recipe).into_iter().map(|secret| secret.value));
        values.extend(all.map(|v| v.trim().to_owned()).filter(|v| v.len() >= SHORTEST && !is_public(recipe, v)));
    }
    let mut prefixes: Vec<String> =
        checker.providers.catalog().iter().filter_map(|recipe| recipe.secret.prefix.clone()).collect();
    for all in [&mut values, &mut prefixes] {
        all.sort();
        all.dedup();
    }
    let named = checker.providers.catalog().iter().filter(|recipe| !has_pairs(recipe));
    let names = named.flat_map(|recipe| recipe.secret.env.iter().cloned()).collect();
    Wanted { values, prefixes, names }
}

impl Scan {
    /// `None` outside of a repository, without git, and where git tracks nothing.
    pub fn of(project: &Path, wanted: &Wanted) -> Option<Self> {
        let mut git = Command::new("git");
        // A repository may name a program to be run; this one asks for nothing that needs it.
        git.arg("-C").arg(project).args(["-c", "core.fsmonitor=false", "ls-files", "-z", "--cached"]);
        let output = git.stdin(Stdio::null()).stderr(Stdio::null()).output().ok().filter(|o| o.status.success())?;
        let names = output.stdout.split(|b| *b == 0).filter(|name| !name.is_empty());
        let tracked: Vec<PathBuf> =
            names.filter_map(|name| std::str::from_utf8(name).ok()).map(|n| project.join(n)).collect();
        if tracked.is_empty() {
            return None;
        }
        let mut scan =
            Self { project: project.to_owned(), tracked, looked_at: 0, known: Vec::new(), likely: Vec::new() };
        let begun = Instant::now();
        for file in scan.tracked.clone().iter().take(MOST_FILES) {
            if begun.elapsed() > LONGEST {
                break;
            }
            scan.look_at(file, wanted);
        }
        Some(scan)
    }

    pub fn is_tracked(&self, file: &Path) -> bool {
        self.tracked.iter().any(|tracked| tracked == file)
    }

    fn look_at(&mut self, file: &Path, wanted: &Wanted) {
        self.looked_at += 1;
        // Not through a link, and nothing that a read would wait for.
        let is_small_file = std::fs::symlink_metadata(file).is_ok_and(|data| data.is_file() && data.len() <= LARGEST);
        let Some(content) = is_small_file.then(|| std::fs::read(file).ok()).flatten() else { return };
        if content[..content.len().min(BINARY_BEFORE)].contains(&0) {
            return;
        }
        let text = String::from_utf8_lossy(&content);
        let name = file.strip_prefix(&self.project).unwrap_or(file).display();
        let place = |at: usize| format!("{name}:{}", 1 + text[..at].matches('\n').count());
        let known: Vec<usize> = wanted.values.iter().filter_map(|value| text.find(value.as_str())).collect();
        self.known.extend(known.iter().map(|at| place(*at)));
        let likely = wanted.prefixes.iter().filter_map(|prefix| likely(&text, prefix));
        let assigned = assigned::places(&text, &wanted.names, &wanted.prefixes);
        let mut likely: Vec<usize> = likely.chain(assigned).collect();
        likely.sort_unstable();
        let mut places: Vec<String> = likely.into_iter().map(place).filter(|p| !self.known.contains(p)).collect();
        places.dedup();
        self.likely.extend(places);
    }

    pub fn judge(&self) -> Finding {
        let count = |n: usize| text::count(n as u64, "file");
        let all = self.tracked.len();
        let files = if self.looked_at as usize == all {
            count(all)
        } else {
            format!("the first {} of {all} files", self.looked_at)
        };
        let which = |found: &[String]| match found {
            [one] => one.clone(),
            _ => format!("{} and {} more", found[0], found.len() - 1),
        };
        let finding = if !self.known.is_empty() {
            let mut words = format!("a signing secret of yours is in a file that git tracks: {}", which(&self.known));
            if !self.likely.is_empty() {
                words += &format!("; what looks like one: {}", which(&self.likely));
            }
            Finding::bad(
                "tracked",
                words,
                "roll it at its provider (git keeps what was committed), then hook secret set PROVIDER",
            )
        } else if !self.likely.is_empty() {
            let words =
                format!("what looks like a signing secret is in a file that git tracks: {}", which(&self.likely));
            Finding::doubt(
                "tracked",
                words,
                "if it is a real one, roll it at its provider: git keeps what was committed",
            )
        } else {
            Finding::good("tracked", format!("no signing secret in {files} that git tracks"))
        };
        finding.fact("files", self.looked_at).fact("known", self.known.clone()).fact("likely", self.likely.clone())
    }
}

/// Where something begins that has the form of a secret and is hardly an example.
fn likely(text: &str, prefix: &str) -> Option<usize> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(prefix).map(|(at, _)| at).find(|at| {
        let begins = !text[..*at].ends_with(is_word);
        let tail = text[at + prefix.len()..].split(|c: char| !c.is_ascii_alphanumeric() && !"+/=_-".contains(c)).next();
        begins && tail.is_some_and(is_random)
    })
}

/// Long, mixed, and without a pattern that people type.
fn is_random(tail: &str) -> bool {
    let digits = tail.bytes().filter(u8::is_ascii_digit).count();
    let letters = tail.bytes().filter(u8::is_ascii_alphabetic).count();
    let steps = tail.as_bytes().windows(2).filter(|w| w[1] == w[0] || w[1] == w[0].wrapping_add(1)).count();
    tail.len() >= SHORTEST_TAIL && digits >= 2 && letters >= 2 && steps < tail.len() / 4 && bits(tail) >= BITS
}

/// Shannon's entropy of one character.
fn bits(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    text.bytes().for_each(|b| counts[usize::from(b)] += 1);
    let all = text.len() as f64;
    let part = |n: &u32| f64::from(*n) / all;
    counts.iter().filter(|n| **n > 0).map(part).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn scan(known: &[&str], likely: &[&str], looked_at: u64) -> Scan {
        let own = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        let tracked = vec![PathBuf::new(); 214];
        Scan { project: PathBuf::new(), tracked, looked_at, known: own(known), likely: own(likely) }
    }

    pub fn all() -> Vec<Finding> {
        let (one, more) = (["src/pay.js:12"], ["src/pay.js:12", "a b.txt:1", "c:9"]);
        [scan(&[], &[], 214), scan(&[], &[], 100), scan(&[], &one, 214), scan(&more, &one, 214)]
            .iter()
            .map(Scan::judge)
            .collect()
    }

    #[test]
    fn what_looks_like_a_secret_is_told_from_an_example() {
        let at = |text: &str| likely(text, "whsec_");
        assert_eq!(at("key = 'whsec_q7Zk2mN4pR8sT1vX3yB6dF9hJ0lC5gW2'"), Some(7));
        assert_eq!(at("whsec_x whsec_5f1e9c3a7b2d8e4f6a0c1b9d3e7f5a2c"), Some(8));
        for example in [
            "whsec_",
            "whsec_…9fQ2",
            "whsec_0123456789abcdef0123456789abcdef",
            "whsec_your_signing_secret_goes_here",
            "whsec_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "whsec_abcdefghijklmnopqrstuvwxyz012345",
            "not_a_whsec_q7Zk2mN4pR8sT1vX3yB6dF9hJ0lC5gW2",
            "whsec_q7Zk2mN4pR8s",
        ] {
            assert_eq!(at(example), None, "{example}");
        }
    }

    #[test]
    fn a_file_is_looked_at_in_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let value = "s3cr3t-and-long-enough";
        let (prefixes, names) = (vec!["whsec_".to_owned()], ["HUSH_KEY".to_owned()].into());
        let wanted = Wanted { values: vec![value.to_owned()], prefixes, names };
        let mut scan = Scan { project: dir.path().to_owned(), ..scan(&[], &[], 0) };
        let mut look = |name: &str, content: &[u8]| {
            let file = dir.path().join(name);
            std::fs::write(&file, content).unwrap();
            scan.look_at(&file, &wanted);
            scan.known.clone()
        };
        assert!(look("binary", format!("\0{value}").as_bytes()).is_empty());
        let large = [value.as_bytes(), &vec![b' '; LARGEST as usize]].concat();
        assert!(look("large", &large).is_empty());
        assert_eq!(look("a.js", format!("\n\u{e9}\nlet s = '{value}'").as_bytes()), ["a.js:3"]);
        std::os::unix::fs::symlink(dir.path().join("a.js"), dir.path().join("link")).unwrap();
        scan.look_at(&dir.path().join("link"), &wanted);
        assert_eq!(scan.known.len(), 1);
        let file = dir.path().join("deploy.yml");
        std::fs::write(&file, format!("HUSH_KEY: \"{value}\"\nHUSH_KEY: q7Zk2mN4pR8s\nHUSH_KEY: '<key>'\n")).unwrap();
        scan.look_at(&file, &wanted);
        // A known one is told of once.
        assert_eq!(
            (scan.known.last().unwrap().as_str(), scan.likely),
            ("deploy.yml:1", vec!["deploy.yml:2".to_owned()])
        );
    }
}
