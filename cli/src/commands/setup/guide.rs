//! What a person does at the provider, with the URL filled in.

use hook_providers::Recipe;

use crate::journal::Listener;
use crate::provider::example;
use crate::sanitize::sanitize;
use crate::target::Target;

/// The page to open, and the steps there.
pub fn steps(recipe: &Recipe, url: &str) -> Vec<String> {
    let (name, setup, url) = (&recipe.name, &recipe.setup, sanitize(url));
    let mut lines = vec![format!("{name} is to send to"), String::new(), format!("  {url}"), String::new()];
    // Recipes of a person's own come from files.
    lines.extend(setup.dashboard.as_ref().map(|page| format!("  Open  {}", sanitize(page))));
    let step = |(i, step): (usize, &String)| {
        format!("  {:>4}  {}", format!("{}.", i + 1), sanitize(step).replace("{url}", &url))
    };
    lines.extend(setup.steps.iter().enumerate().map(step));
    if setup.steps.is_empty() {
        lines.push(format!("        How {name} is told of a URL is not known to hook."));
    }
    lines.extend((!recipe.docs.is_empty()).then(|| format!("  Docs  {}", sanitize(&recipe.docs))));
    lines.push(String::new());
    if !setup.steps.is_empty() && !setup.confirmed {
        lines.push("These steps were not confirmed in the documentation; where it differs, it is right.".to_owned());
        lines.push(String::new());
    }
    lines
}

/// Why the provider cannot reach this endpoint, and how it could. Nobody should follow the steps before they know.
pub fn out_of_reach(recipe: &Recipe, listener: &Listener) -> Vec<String> {
    if !is_loopback(&listener.url) {
        return Vec::new();
    }
    let (name, slug) = (&recipe.name, &recipe.slug);
    let targets = listener.target.as_deref().unwrap_or_default().lines();
    let forward: String = targets.map(|t| format!(" --forward-to {}", crate::text::shell_word(&sanitize(t)))).collect();
    vec![
        format!("{name} cannot call {}: only this machine reaches it.", sanitize(&listener.url)),
        format!("next: run a relay that the internet reaches (hook relay --help), and listen at it:"),
        format!("      hook listen --relay https://YOUR-RELAY{forward} --provider {slug}"),
        format!("      hook trigger {}     tries your app without {name}", example(recipe)),
        String::new(),
        "What follows is for the URL that you have then.".to_owned(),
        String::new(),
    ]
}

pub fn is_loopback(url: &str) -> bool {
    url.parse::<Target>().is_ok_and(|target| target.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_a_provider_cannot_call_is_said_with_what_helps() {
        let catalog = hook_providers::Catalog::shipped();
        let stripe = catalog.get("stripe").unwrap();
        let said = |url: &str| {
            let target = Some("localhost:3000/webhooks/stripe\n/a b=3001".to_owned());
            let listener = Listener { url: url.to_owned(), target, ..Listener::default() };
            out_of_reach(stripe, &listener).join("\n")
        };
        assert_eq!(said("https://x7k2m.hook.example"), "");
        insta::assert_snapshot!(said("http://127.0.0.1:4000/x7k2m"));
    }

    fn shown(slug: &str, url: &str) -> String {
        let catalog = hook_providers::Catalog::shipped();
        steps(catalog.get(slug).unwrap(), url).join("\n")
    }

    #[test]
    fn the_steps_have_the_url_in_them() {
        insta::assert_snapshot!(shown("stripe", "https://x7k2m.hook.example"));
    }

    #[test]
    fn every_recipe_has_steps_and_none_has_a_hole_left() {
        for recipe in hook_providers::Catalog::shipped().iter() {
            let text = steps(recipe, "https://x7k2m.hook.example").join("\n");
            assert!(text.contains("  1.  "), "{text}");
            assert_eq!(text.contains("  Open  https://"), recipe.setup.dashboard.is_some(), "{text}");
            assert!(!text.contains("{url}") && text.matches("https://x7k2m").count() >= 2, "{text}");
            assert_eq!(text.contains("not confirmed"), !recipe.setup.confirmed, "{text}");
        }
    }

    #[test]
    fn a_loopback_url_is_one_in_every_spelling() {
        for url in ["http://127.0.0.1:4000/a", "http://localhost:4000/a", "http://[::1]:4000/a", "http://a.localhost/"]
        {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["https://hooks.example.com/shop", "https://localhost.example.com", "http://10.0.0.7:8080/x"] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
