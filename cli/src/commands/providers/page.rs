//! What is known of one provider, for people. Each fact about its behaviour names the page that says so.

use hook_providers::{Covers, Fact, Recipe, SignatureFacts};

use crate::provider::Secret;
use crate::sanitize::sanitize;
use crate::text;
use crate::ui::{Ink, Paint};

/// The page, and the sources that it has named so far.
struct Page {
    lines: Vec<String>,
    sources: Vec<String>,
    paint: Paint,
}

const LABEL: usize = 14;
const NOT_KNOWN: &str = "not known";

pub fn lines(recipe: &Recipe, known: &[Secret], paint: Paint) -> Vec<String> {
    let mut page = Page { lines: Vec::new(), sources: Vec::new(), paint };
    page.lines.push(paint.ink(Ink::Bold, sanitize(&format!("{} ({})", recipe.name, recipe.slug))));
    page.say("Docs", &recipe.docs);
    let headers = recipe.headers();
    page.say("Recognised by", &if headers.is_empty() { "its body".to_owned() } else { headers.join(", ") });
    signatures(&mut page, recipe);
    secret(&mut page, recipe, known);
    sender(&mut page, recipe);
    if recipe.has_handshake() {
        page.say("Handshake", "it asks an endpoint questions; hook answers them when your app does not");
    }
    if let Some(dashboard) = &recipe.setup.dashboard {
        page.say("Dashboard", dashboard);
    }
    let sources = std::mem::take(&mut page.sources);
    for (n, source) in sources.iter().enumerate() {
        page.say(if n == 0 { "Sources" } else { "" }, &format!("[{}] {source}", n + 1));
    }
    page.lines
}

impl Page {
    fn say(&mut self, label: &str, text: &str) {
        let label = self.paint.ink(Ink::Dim, format!("{label:<LABEL$}"));
        self.lines.push(format!("  {label} {}", sanitize(text)).trim_end().to_owned());
    }

    /// A fact with its source, and whether that was read.
    fn fact<T>(&mut self, label: &str, fact: Option<&Fact<T>>, words: impl Fn(&T) -> String) {
        let Some(fact) = fact else { return self.say(label, NOT_KNOWN) };
        let n = match self.sources.iter().position(|s| *s == fact.source) {
            Some(at) => at + 1,
            None => {
                self.sources.push(fact.source.clone());
                self.sources.len()
            }
        };
        let hedge = if fact.confirmed { "" } else { ", not confirmed" };
        let words = format!("{} [{n}{hedge}]", words(&fact.value));
        self.say(label, &words);
    }
}

/// `hmac-sha256`, or several.
pub fn algorithms(recipe: &Recipe) -> String {
    let mut all: Vec<&str> = recipe.signatures().map(|s| algorithm(&s)).collect();
    all.dedup();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// Recipes have words of their own for what is no algorithm.
fn algorithm(signature: &SignatureFacts) -> &'static str {
    match signature.algorithm {
        "equals" => "a token as it is",
        "basic" => "user and password",
        other => other,
    }
}

fn signatures(page: &mut Page, recipe: &Recipe) {
    let all: Vec<SignatureFacts> = recipe.signatures().collect();
    if all.is_empty() {
        return page.say("Signature", "none: anyone can send what it sends");
    }
    for (n, signature) in all.iter().enumerate() {
        page.say(if n == 0 { "Signature" } else { "" }, &words(signature));
    }
    let evidence = if recipe.confirmed {
        "confirmed: an official SDK decided each of its test cases the same way"
    } else {
        "not confirmed: made from its documentation, no official SDK was asked"
    };
    page.say("", evidence);
}

fn words(signature: &SignatureFacts) -> String {
    let mut words = vec![format!("{}: {}", signature.at, algorithm(signature))];
    if let Some(id) = &signature.id {
        words[0] = format!("{id}: {}", words[0]);
    }
    words.push(
        match signature.covers {
            Covers::Body => "covers the body",
            Covers::PartOfBody => "covers a part of the body only",
            Covers::Nothing => "does not cover the body",
        }
        .to_owned(),
    );
    if signature.url {
        words.push("covers the URL, so that it verifies for the public URL only".to_owned());
    }
    words.push(match signature.tolerance {
        Some(tolerance) => format!("refused when older than {}", text::span(tolerance)),
        None if signature.expires => "refused once it has expired: the token says when".to_owned(),
        None => "its age is not looked at".to_owned(),
    });
    if signature.fetched_key {
        words.push("checked with a key that it publishes".to_owned());
    }
    words.join("; ")
}

fn secret(page: &mut Page, recipe: &Recipe, known: &[Secret]) {
    let facts = &recipe.secret;
    if recipe.is_verifiable() {
        let form = facts.prefix.as_ref().map_or_else(String::new, |prefix| format!(" ({prefix}…)"));
        let found = if facts.found.is_empty() { NOT_KNOWN } else { &facts.found };
        page.say("Secret", &format!("{}{form}: {found}", facts.called));
        if !facts.env.is_empty() {
            page.say("", &format!("read from {}", facts.env.join(", ")));
        }
        let published = recipe.signatures().all(|s| s.fetched_key);
        match known.first() {
            Some(secret) => page.say("", &format!("known: {} ({})", secret.shown(), secret.source)),
            None if published => {}
            None => page.say("", &format!("none is known here. next: hook secret set {}", recipe.slug)),
        }
    }
    for param in &recipe.params {
        page.say("Also needs", &format!("--param {}=…: {}", param.name, param.what));
    }
}

fn sender(page: &mut Page, recipe: &Recipe) {
    let sender = &recipe.sender;
    page.fact("Waits", sender.time_limit.as_ref(), |limit| text::span(*limit));
    page.fact("Success", sender.success.as_ref(), |classes| {
        classes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    });
    page.fact("Sends again", sender.retries.as_ref(), |retries| {
        let mut words = retries.says.clone();
        if !retries.after.is_empty() {
            let waits: Vec<String> = retries.after.iter().map(|wait| text::span(*wait)).collect();
            words.push_str(&format!("; waits {}", waits.join(", ")));
        }
        if !retries.on.is_empty() {
            let on: Vec<String> = retries.on.iter().map(ToString::to_string).collect();
            words.push_str(&format!("; after {}", on.join(", ")));
        }
        if let Some(once) = &retries.once {
            words.push_str(&format!("; {once} never"));
        }
        words
    });
    page.fact("Gives up", sender.gives_up.as_ref(), Clone::clone);
    page.fact("Redirects", sender.redirects.as_ref(), |followed| {
        if *followed { "followed" } else { "not followed: one counts as an answer" }.to_owned()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(slug: &str) -> String {
        let catalog = hook_providers::Catalog::shipped();
        lines(catalog.get(slug).unwrap(), &[], Paint::PLAIN).join("\n")
    }

    #[test]
    fn a_page_says_what_is_known_and_where_it_is_from() {
        insta::assert_snapshot!(["stripe", "paypal", "twilio", "gitlab", "vonage"].map(page).join("\n\n"));
    }

    #[test]
    fn every_fact_of_every_page_has_a_source() {
        let catalog = hook_providers::Catalog::shipped();
        assert!(catalog.iter().len() >= 66);
        for recipe in catalog.iter() {
            let page = page(&recipe.slug);
            let named = page.lines().filter(|l| l.contains("[1")).count();
            let sender = &recipe.sender;
            let any = sender.time_limit.is_some() || sender.success.is_some() || sender.retries.is_some();
            assert_eq!(named > 0, any || sender.gives_up.is_some() || sender.redirects.is_some(), "{page}");
            assert!(page.contains("Signature ") && page.contains("https://"), "{page}");
        }
    }
}
