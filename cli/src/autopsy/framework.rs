//! The frameworks that apps are written with: by which marks each is known, and how it hands over the bytes as they came.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use hook_providers::{BodyMac, Recipe};
use serde::Deserialize;

use crate::journal::Attempt;

/// One of `frameworks.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    pub name: String,
    /// A table of `languages.toml`.
    pub language: String,
    marks: Vec<Marks>,
    /// The fix in one line.
    pub gist: String,
    raw: String,
    header: String,
    headers: String,
    secret: String,
    /// How it takes scheme and host from `X-Forwarded-*`.
    pub proxy: String,
    /// How a route is left out of the check of forms, where it has one.
    pub csrf: Option<String>,
    code: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Marks {
    headers: BTreeMap<String, String>,
    body: Vec<String>,
}

/// How one language checks a signature.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Language {
    stripe: String,
    standard: String,
    svix: String,
    hex: String,
    base64: String,
    hmac: String,
    comment: String,
}

#[derive(Deserialize)]
struct File {
    framework: Vec<Framework>,
}

/// Only this much of an answer is searched for marks.
const SEARCHED: usize = 64 * 1024;

/// All of them, in the order in which marks are looked for.
pub fn all() -> &'static [Framework] {
    static ALL: OnceLock<Vec<Framework>> = OnceLock::new();
    ALL.get_or_init(|| toml::from_str::<File>(include_str!("frameworks.toml")).map(|f| f.framework).unwrap_or_default())
}

fn languages() -> &'static BTreeMap<String, Language> {
    static ALL: OnceLock<BTreeMap<String, Language>> = OnceLock::new();
    ALL.get_or_init(|| toml::from_str(include_str!("languages.toml")).unwrap_or_default())
}

/// The one that a person named: `next`, `Next.js`, `nextjs`.
pub fn named(name: &str) -> Option<&'static Framework> {
    let plain = |text: &str| -> String {
        let letters = text.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        letters.strip_suffix("js").map_or(letters.clone(), str::to_owned)
    };
    let wanted = plain(name);
    all().iter().find(|f| plain(&f.name) == wanted)
}

/// The one that an answer bears the marks of.
pub fn of_answer(attempt: &Attempt, body: &[u8]) -> Option<&'static Framework> {
    let text = String::from_utf8_lossy(&body[..body.len().min(SEARCHED)]);
    let has_header = |(name, begins): (&String, &String)| {
        attempt.response.iter().any(|h| h.name == *name && h.value.starts_with(begins.as_bytes()))
    };
    let fits = |marks: &Marks| {
        marks.headers.iter().all(has_header) && marks.body.iter().all(|words| text.contains(words.as_str()))
    };
    all().iter().find(|framework| framework.marks.iter().any(fits))
}

/// What the code is written for.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub recipe: &'a Recipe,
    /// The route in the app.
    pub path: &'a str,
    /// The URL that the provider calls.
    pub public_url: &'a str,
}

impl Framework {
    /// A handler that verifies the bytes as they came.
    pub fn code(&self, place: Place<'_>) -> String {
        let verify = languages().get(&self.language).map(|l| self.verify(l, place)).unwrap_or_default();
        let route = place.path.trim_start_matches('/');
        let mut out = String::new();
        for line in self.code.trim().lines() {
            let line = line.replace("{path}", place.path).replace("{route}", route);
            match line.split_once("{verify}") {
                Some((indent, _)) => out.extend(verify.lines().map(|v| format!("{indent}{v}\n"))),
                None => out.extend([line.as_str(), "\n"]),
            }
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// The fix where the URL that the app sees has nothing of the one that was signed.
    pub fn for_url(&self, url: &str) -> String {
        let comment = languages().get(&self.language).map_or("//", |language| &language.comment);
        format!("{comment} Verify for {url}, whatever URL the app sees: hand it to the library as a constant.")
    }

    fn verify(&self, language: &Language, place: Place<'_>) -> String {
        let recipe = place.recipe;
        let facts = recipe.signatures().next();
        let at = facts.as_ref().map(|f| f.at.to_ascii_lowercase()).unwrap_or_default();
        let header = at.strip_suffix(" header").unwrap_or(&at).to_owned();
        let text = match &facts {
            _ if recipe.slug == "stripe" => language.stripe.clone(),
            _ if header == "webhook-signature" => language.standard.clone(),
            _ if header == "svix-signature" => language.svix.clone(),
            Some(facts) => match &facts.body_mac {
                Some(mac) => with_mac(language, mac),
                None => self.in_words(language, place, facts.url),
            },
            None => self.in_words(language, place, false),
        };
        let variable = recipe.secret.env.first().map_or("WEBHOOK_SECRET", String::as_str);
        text.trim()
            .replace("{raw}", &self.raw)
            .replace("{headers}", &self.headers)
            .replace("{header}", &self.header.replace("{name}", &header))
            .replace("{secret}", &self.secret.replace("{name}", variable))
    }

    /// Where a few lines would not be exact.
    fn in_words(&self, language: &Language, place: Place<'_>, url: bool) -> String {
        let (comment, name) = (&language.comment, &place.recipe.name);
        let raw = self.raw.trim_start_matches('&');
        let mut text = format!("{comment} Verify {raw} with {name}'s library here, and parse it only then.");
        if url {
            text.push_str(&format!(
                "\n{comment} {name} signs the URL too: verify for {}, whatever URL the app sees.",
                place.public_url
            ));
        }
        text
    }
}

fn with_mac(language: &Language, mac: &BodyMac) -> String {
    let (small, large) = (mac.hash.to_owned(), mac.hash.to_ascii_uppercase());
    let title = format!("{}{}", &large[..1], &small[1..]);
    let made = if mac.hex { &language.hex } else { &language.base64 };
    let text = language.hmac.replace("{mac}", made).replace("{before}", &mac.before);
    text.replace("{hash}", &small).replace("{HASH}", &large).replace("{Hash}", &title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_framework_has_code_for_every_kind_of_provider() {
        let catalog = hook_providers::Catalog::shipped();
        assert_eq!(all().len(), 11);
        let mut shown = String::new();
        for framework in all() {
            for slug in ["stripe", "standard-webhooks", "svix", "github", "shopify", "twilio", "slack"] {
                let recipe = catalog.get(slug).unwrap();
                let place = Place { recipe, path: "/hooks/in", public_url: "https://h.example/in" };
                let code = framework.code(place);
                let holes =
                    ["{path}", "{route}", "{verify}", "{raw}", "{header", "{secret}", "{name}", "{mac}", "{hash"];
                assert!(!holes.iter().any(|hole| code.to_ascii_lowercase().contains(hole)), "{code}");
                assert!(code.contains("hooks/in"), "{code}");
                if matches!(slug, "stripe" | "github") {
                    shown.push_str(&format!("--- {} {slug}\n{code}\n", framework.name));
                }
            }
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_framework_is_known_by_any_usual_spelling() {
        for (typed, name) in
            [("express", "Express"), ("nextjs", "Next.js"), ("Next", "Next.js"), ("FASTAPI", "FastAPI")]
        {
            assert_eq!(named(typed).map(|f| f.name.as_str()), Some(name));
        }
        assert!(named("cobol").is_none());
    }
}
