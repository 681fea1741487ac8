//! Where an event is sent.

use hook_providers::Recipe;

use crate::activity::Trouble;
use crate::failure::{Exit, Failure};
use crate::journal::{Journal, Listener};
use crate::running;
use crate::sanitize::sanitize;
use crate::target::Target;

/// Where an event is sent, and how.
pub enum Place {
    /// Straight to an app, as an attempt of this process.
    App(Target),
    /// To a public URL, as a provider would; `Some` when a `hook listen` of this journal has the endpoint.
    Public(Target, Option<Box<Listener>>),
}

impl Place {
    pub fn target(&self) -> &Target {
        match self {
            Self::App(target) | Self::Public(target, _) => target,
        }
    }

    /// The URL that is asked for, as the provider would know it.
    pub fn url(&self) -> String {
        let target = self.target();
        // A path of its own never leaves itself.
        target.join("", None).map_or_else(|_| target.to_string(), |path| target.url(&path))
    }

    /// That whoever listens there takes it for an event of another provider, which was pinned.
    pub fn taken_for_another(&self, recipe: &Recipe) -> Option<Trouble> {
        let Self::Public(_, Some(listener)) = self else { return None };
        let pinned = listener.lookup.pinned.as_ref().filter(|pinned| **pinned != recipe.slug)?;
        let (name, slug) = (&listener.endpoint, &recipe.slug);
        Some(Trouble {
            code: "pinned",
            message: format!(
                "The endpoint {name} is pinned to {pinned}: this event of {} is taken for one of {pinned}'s, and its signature will not verify.",
                recipe.name
            ),
            next: Some(format!("hook listen --provider {slug} …      or without --provider, which tells them apart")),
            fatal: false,
        })
    }

    /// Whose secrets come first.
    pub fn endpoint(&self) -> &str {
        match self {
            Self::Public(_, Some(listener)) => &listener.endpoint,
            _ => "",
        }
    }
}

/// A URL that a person gave: is it an endpoint of this journal?
pub async fn at(journal: &Journal, url: &Target) -> Result<Place, Failure> {
    let text = url.to_string();
    let is_at =
        |l: &Listener| text.strip_prefix(&l.url).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let listener = running::all(journal).await?.into_iter().find(is_at);
    Ok(Place::Public(url.clone(), listener.map(Box::new)))
}

/// The endpoint of this project that is running; of several the one that is named, or that hook.toml says is the provider's.
pub async fn running(
    journal: &Journal,
    project: &std::path::Path,
    provider: &str,
    name: Option<&str>,
) -> Result<Place, Failure> {
    let mut all = running::of(journal, project, provider, name).await?;
    match all.len() {
        0 => Err(nothing_listens(name)),
        1 => public(all.remove(0), provider),
        _ => {
            let names: Vec<&str> = all.iter().map(|l| l.endpoint.as_str()).collect();
            let what = format!("{} endpoints of this project are running: {}.", all.len(), sanitize(&names.join(", ")));
            Err(Failure::usage(what).next(format!("hook trigger … --name {}", sanitize(names[0]))))
        }
    }
}

fn nothing_listens(name: Option<&str>) -> Failure {
    let what = match name {
        Some(name) => format!("no endpoint \"{}\" of this project is running. Nothing was sent.", sanitize(name)),
        None => "no endpoint of this project is running. Nothing was sent.".to_owned(),
    };
    Failure::failed(what)
        .next("hook listen --forward-to localhost:3000          in another terminal, then again")
        .next("hook trigger … --to localhost:3000               straight to your app")
}

fn public(listener: Listener, provider: &str) -> Result<Place, Failure> {
    let target = running::url_for(&listener, provider)
        .parse()
        .map_err(|e: crate::target::BadTarget| Failure::new(Exit::Local, "local", e.to_string()))?;
    Ok(Place::Public(target, Some(Box::new(listener))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_the_one_that_is_asked_for() {
        let app = |text: &str| Place::App(text.parse().unwrap()).url();
        assert_eq!(app("3000"), "http://localhost:3000/");
        assert_eq!(app("https://a.test/hooks?x=1"), "https://a.test/hooks?x=1");
    }
}
