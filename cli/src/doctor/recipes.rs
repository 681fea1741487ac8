//! Recipes of one's own: those that cannot be read, and those of the project that take the place of shipped ones.

use std::path::Path;

use super::{Finding, Subject};
use crate::platform;
use crate::provider::Providers;

/// Says nothing where all is as anybody would expect.
pub fn check(subject: &Subject, tell: &mut dyn FnMut(Finding)) {
    let providers = Providers::load(&subject.project);
    providers.left_out.iter().for_each(|bad| tell(left_out(&bad.to_string())));
    providers.replaced.iter().for_each(|(slug, file)| tell(replaced(slug, file)));
}

fn left_out(bad: &str) -> Finding {
    Finding::doubt("recipes", format!("a recipe was left out: {bad}"), "correct that file, then hook providers")
}

fn replaced(slug: &str, file: &Path) -> Finding {
    let what = format!("{} takes the place of hook's own recipe of {slug}", platform::shown(file));
    Finding::doubt(
        "recipes",
        what,
        format!("hook providers {slug}      (remove or rename the file if it is not yours)"),
    )
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn all() -> Vec<Finding> {
        let bad = "/p/.hook/providers/acme.toml line 15: `split` is one character";
        vec![left_out(bad), replaced("stripe", Path::new("/p/.hook/providers/stripe.toml"))]
    }

    #[test]
    fn what_is_as_expected_is_not_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join(".hook/providers");
        let subject = Subject { journal: dir.path().join("journal.db"), project: dir.path().to_owned() };
        let told = || {
            let mut told = Vec::new();
            check(&subject, &mut |finding| told.push(finding));
            told.len()
        };
        assert_eq!(told(), 0);
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("mine.toml"), "name = \"Mine\"\n").unwrap();
        assert_eq!(told(), 0);
        std::fs::write(own.join("stripe.toml"), "name = \"Mine\"\n").unwrap();
        std::fs::write(own.join("acme.toml"), "nam = \"Mine\"\n").unwrap();
        assert_eq!(told(), 2);
    }
}
