//! What the journal remembers of a signature whose secret is not at hand any more.

use std::path::Path;

use super::Finding;
use crate::journal::EventRow;
use crate::platform;
use crate::provider::Case;
use crate::signature::Signature;
use crate::text::shell_word;

/// The secret that was right when an event came, where hook does not find it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    /// `whsec_…01bf from STRIPE_WEBHOOK_SECRET in ./.env.local`
    secret: String,
    /// What brings it back.
    pub next: String,
}

impl Recalled {
    /// `None` when it was not right then, or its secret is at hand.
    pub fn of(row: &EventRow, case: &Case<'_>) -> Option<Self> {
        let found = row.signature.as_deref().filter(|_| row.verdict.as_deref() == Some("valid"))?;
        let secret = found.secret.as_ref()?;
        if case.secrets.iter().chain(case.others).any(|s| s.shown() == *secret) {
            return None;
        }
        let usual = case.recipe.map_or(&[][..], |recipe| &recipe.secret.env);
        let slug = row.provider.as_deref().unwrap_or("PROVIDER");
        Some(Self { secret: from(secret, found), next: next(found, usual, slug) })
    }

    /// `it was valid when it came (whsec_…01bf from ./.env.local)`
    pub fn fact(&self) -> String {
        format!("it was valid when it came ({}), and hook does not find that secret now", self.secret)
    }

    /// Whatever other secrets say of it, a right one is not there to ask.
    pub fn put_into(&self, finding: &mut Finding) {
        let signature = &mut finding.signature;
        signature.verdict = Some("no_secret".to_owned());
        signature.reason = Some("no_secret".to_owned());
        signature.text = self.fact();
        finding.next = Some(self.next.clone());
    }
}

fn from(secret: &str, found: &Signature) -> String {
    match (&found.place, &found.source) {
        (Some(place), _) => match &place.file {
            Some(file) => format!("{secret} from {} in {}", place.variable, platform::shown(Path::new(file))),
            None => format!("{secret} from {}", place.variable),
        },
        (None, Some(source)) => format!("{secret}, {source}"),
        (None, None) => secret.to_owned(),
    }
}

fn next(found: &Signature, usual: &[String], slug: &str) -> String {
    let Some(place) = &found.place else { return format!("hook secret set {slug}") };
    // The usual ones need no naming.
    let named = if usual.contains(&place.variable) {
        String::new()
    } else {
        format!(" --secret-env {}", shell_word(&place.variable))
    };
    match &place.file {
        Some(file) if Path::new(file).is_file() => {
            let file = platform::shown(Path::new(file));
            format!("the same with --env-file {}{named}", shell_word(&file))
        }
        Some(file) => format!("hook secret set {slug}      ({} is gone)", platform::shown(Path::new(file))),
        None if named.is_empty() => format!("export {}=…, then the same again", place.variable),
        None => format!("export {}=…, then the same with{named}", place.variable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::Place;

    #[test]
    fn what_brings_a_secret_back() {
        // One that is there.
        let here = platform::here().join("Cargo.toml").display().to_string();
        let said = |variable: &str, file: Option<&str>| {
            let place = Some(Place { variable: variable.into(), file: file.map(str::to_owned) });
            let found = Signature { place, source: Some("as it was".into()), ..Signature::default() };
            format!("{} | {}", from("whsec_…01bf", &found), next(&found, &["USUAL".to_owned()], "stripe"))
        };
        let kept = Signature { source: Some("hook secret set".into()), ..Signature::default() };
        let all = [
            said("USUAL", Some(&here)),
            said("OTHER", Some(&here)),
            said("USUAL", Some("/srv/my shop/.env")),
            said("USUAL", None),
            said("OTHER", None),
            format!("{} | {}", from("whsec_…01bf", &kept), next(&kept, &[], "stripe")),
        ];
        assert_eq!(
            all,
            [
                "whsec_…01bf from USUAL in ./Cargo.toml | the same with --env-file ./Cargo.toml",
                "whsec_…01bf from OTHER in ./Cargo.toml | the same with --env-file ./Cargo.toml --secret-env OTHER",
                "whsec_…01bf from USUAL in /srv/my shop/.env | hook secret set stripe      (/srv/my shop/.env is gone)",
                "whsec_…01bf from USUAL | export USUAL=…, then the same again",
                "whsec_…01bf from OTHER | export OTHER=…, then the same with --secret-env OTHER",
                "whsec_…01bf, hook secret set | hook secret set stripe",
            ]
        );
    }
}
