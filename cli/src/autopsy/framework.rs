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
    token: String,
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
    /// The recipe's name of the event's own scheme, where it has several.
    pub scheme: Option<&'a str>,
    /// The route in the app.
    pub path: &'a str,
    /// The URL that the provider calls.
    pub public_url: &'a str,
}

impl Framework {
    /// A handler that verifies the bytes as they came.
    pub fn code(&self, place: Place<'_>) -> String {
        let verify = languages().get(&self.language).map(|l| self.verify(l, place)).unwrap_or_default();
        let mut out = String::new();
        for line in self.code.trim().lines() {
            let line = with_path(line, place.path);
            match line.split_once("{verify}") {
                Some((indent, _)) => out.extend(verify.lines().map(|v| format!("{indent}{v}\n"))),
                None => out.extend([line.as_str(), "\n"]),
            }
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// What leaves the route out of the check of forms.
    pub fn csrf_code(&self, path: &str) -> Option<String> {
        self.csrf.as_ref().map(|csrf| with_path(csrf, path))
    }

    /// The fix where the URL that the app sees has nothing of the one that was signed.
    pub fn for_url(&self, url: &str) -> String {
        let comment = languages().get(&self.language).map_or("//", |language| &language.comment);
        let url = in_code(url);
        format!("{comment} Verify for {url}, whatever URL the app sees: hand it to the library as a constant.")
    }

    /// The fix where the fields of the body are signed, and not its bytes.
    pub fn for_fields(&self, place: Place<'_>) -> String {
        let comment = languages().get(&self.language).map_or("//", |language| &language.comment);
        let name = &place.recipe.name;
        let url = place.recipe.signature(place.scheme).is_some_and(|facts| facts.url);
        let mut text =
            format!("{comment} {name} signs the fields of the body, not its bytes: parse it, and hand them to");
        text.push_str(&format!("\n{comment} {name}'s library."));
        if url {
            let url = in_code(place.public_url);
            text.push_str(&format!(" It signs the URL too: verify for\n{comment} {url}"));
        }
        text
    }

    fn verify(&self, language: &Language, place: Place<'_>) -> String {
        let recipe = place.recipe;
        let facts = recipe.signature(place.scheme);
        let at = facts.as_ref().map(|f| f.at.to_ascii_lowercase()).unwrap_or_default();
        let header = at.strip_suffix(" header").unwrap_or(&at).to_owned();
        let text = match &facts {
            _ if recipe.slug == "stripe" => language.stripe.clone(),
            _ if header == "webhook-signature" => language.standard.clone(),
            _ if header == "svix-signature" => language.svix.clone(),
            Some(facts) if facts.algorithm == "equals" && at.ends_with(" header") => language.token.clone(),
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
                in_code(place.public_url)
            ));
        }
        text
    }
}

fn with_path(code: &str, path: &str) -> String {
    let path = in_code(path);
    code.replace("{path}", &path).replace("{route}", path.trim_start_matches('/'))
}

/// A path or URL of the sender as it may stand in code that is copied, within quotes or a comment of any language: what could end
/// either is percent-encoded.
fn in_code(url: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!*+,;=:@&?".contains(&b);
    let mut out = String::with_capacity(url.len());
    for byte in url.bytes() {
        if safe(byte) { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    out
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
                let place = Place { recipe, scheme: None, path: "/hooks/in", public_url: "https://h.example/in" };
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
    fn a_token_is_compared_where_the_event_has_one() {
        let catalog = hook_providers::Catalog::shipped();
        let recipe = catalog.get("gitlab").unwrap();
        let mut shown = String::new();
        for framework in all() {
            let code =
                |scheme| framework.code(Place { recipe, scheme, path: "/in", public_url: "https://h.example/in" });
            assert!(!code(Some("signed")).to_ascii_lowercase().contains("x-gitlab-token"), "{}", framework.name);
            let token = code(Some("token"));
            assert!(token.to_ascii_lowercase().contains("x-gitlab-token"), "{token}");
            shown.push_str(&format!("--- {}\n{token}\n", framework.name));
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_path_of_the_sender_stays_within_the_quotes() {
        let catalog = hook_providers::Catalog::shipped();
        let recipe = catalog.get("twilio").unwrap();
        let path = "/a'\"`${x}#{y}\\\n<z>\u{e9}";
        let place = Place { recipe, scheme: None, path, public_url: path };
        for framework in all() {
            let fixes = [Some(framework.code(place)), framework.csrf_code(path), Some(framework.for_url(path))];
            let fixes = fixes.into_iter().flatten().collect::<Vec<_>>().join("\n");
            assert!(!fixes.contains("/a'") && !fixes.contains("${x}") && !fixes.contains("#{y}"), "{fixes}");
        }
        assert_eq!(in_code(path), "/a%27%22%60%24%7Bx%7D%23%7By%7D%5C%0A%3Cz%3E%C3%A9");
        assert_eq!(in_code("/hooks/%20:id?a=b"), "/hooks/%20:id?a=b");
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
