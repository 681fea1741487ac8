//! Where an event is sent.

use crate::config::ProjectFile;
use crate::failure::{Exit, Failure};
use crate::journal::{self, Journal, Listener};
use crate::sanitize::sanitize;
use crate::target::{ForwardTo, Target};

/// Where an event is sent, and how.
pub enum Place {
    /// Straight to an app, as an attempt of this process.
    App(Target),
    /// To a public URL, as a provider would; `Some` when a `hook listen` of this journal has the endpoint.
    Public(Target, Option<Listener>),
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

    /// Whose secrets come first.
    pub fn endpoint(&self) -> &str {
        match self {
            Self::Public(_, Some(listener)) => &listener.endpoint,
            _ => "",
        }
    }
}

/// The endpoints of this journal that are listened to now.
pub async fn listeners(journal: &Journal) -> Result<Vec<Listener>, Failure> {
    let path = journal.path().to_owned();
    Ok(journal.write(move |c| journal::living_listeners(c, &path)).await?.0)
}

/// A URL that a person gave: is it an endpoint of this journal?
pub async fn at(journal: &Journal, url: &Target) -> Result<Place, Failure> {
    let text = url.to_string();
    let is_at =
        |l: &Listener| text.strip_prefix(&l.url).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let listener = listeners(journal).await?.into_iter().find(is_at);
    Ok(Place::Public(url.clone(), listener))
}

/// The endpoint of this project that is running; of several the one that is named, or that hook.toml says is the provider's.
pub async fn running(
    journal: &Journal,
    project: &std::path::Path,
    provider: &str,
    name: Option<&str>,
) -> Result<Place, Failure> {
    let mut all = listeners(journal).await?;
    let shown = project.display().to_string();
    all.retain(|l| l.project == shown && name.is_none_or(|name| l.endpoint == name));
    if all.len() > 1
        && let Some(file) = ProjectFile::read(project)?
    {
        let is_of = |l: &Listener| {
            let of_provider = |e: &&crate::config::EndpointEntry| e.provider.as_deref() == Some(provider);
            file.endpoints().iter().filter(of_provider).any(|e| e.name.as_deref() == Some(l.endpoint.as_str()))
        };
        if all.iter().any(is_of) {
            all.retain(is_of);
        }
    }
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
    let prefix = prefix(listener.target.as_deref().unwrap_or_default(), provider);
    let url = format!("{}{prefix}", listener.url);
    let target =
        url.parse().map_err(|e: crate::target::BadTarget| Failure::new(Exit::Local, "local", e.to_string()))?;
    Ok(Place::Public(target, Some(listener)))
}

/// Below which path of the endpoint an event of the provider reaches a target: none, when one target has all paths.
fn prefix(targets: &str, provider: &str) -> String {
    let routes: Vec<ForwardTo> = targets.lines().filter_map(|line| line.parse().ok()).collect();
    let named = routes.iter().find(|r| r.prefix.contains(provider));
    let any = routes.iter().find(|r| r.prefix.is_empty());
    named.or(any).or(routes.first()).map(|r| r.prefix.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_goes_where_a_target_is() {
        assert_eq!(prefix("", "stripe"), "");
        assert_eq!(prefix("localhost:3000/hooks", "stripe"), "");
        assert_eq!(prefix("/github=3001\n/stripe=3002", "stripe"), "/stripe");
        assert_eq!(prefix("/github=3001\n3002", "stripe"), "");
        assert_eq!(prefix("/a=3001\n/b=3002", "stripe"), "/a");
    }

    #[test]
    fn the_url_is_the_one_that_is_asked_for() {
        let app = |text: &str| Place::App(text.parse().unwrap()).url();
        assert_eq!(app("3000"), "http://localhost:3000/");
        assert_eq!(app("https://a.test/hooks?x=1"), "https://a.test/hooks?x=1");
    }
}
