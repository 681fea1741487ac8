//! The endpoints that are listened to now, by any `hook listen` of this journal.

use std::path::Path;

use crate::config::{EndpointEntry, ProjectFile};
use crate::failure::Failure;
use crate::journal::{self, EventRow, Journal, Listener};
use crate::provider::Checker;
use crate::target::ForwardTo;

pub async fn all(journal: &Journal) -> Result<Vec<Listener>, Failure> {
    let path = journal.path().to_owned();
    Ok(journal.write(move |c| journal::living_listeners(c, &path)).await?.0)
}

/// Lets a command find the secrets that those know who listen for a project.
pub async fn hear(journal: &Journal, project: &Path, checker: &Checker) -> Result<Vec<Listener>, Failure> {
    let mut found = all(journal).await?;
    let shown = project.display().to_string();
    found.retain(|l| l.project == shown);
    found.iter().for_each(|l| checker.also_look(l));
    Ok(found)
}

/// The same for whoever listens where an event came.
pub async fn hear_at(journal: &Journal, row: &EventRow, checker: &Checker) -> Result<(), Failure> {
    let there = all(journal).await?.into_iter().filter(|l| l.relay == row.relay && l.endpoint == row.endpoint);
    there.for_each(|l| checker.also_look(&l));
    Ok(())
}

/// Those of a project; of several the one that is named, or that hook.toml says is the provider's.
pub async fn of(
    journal: &Journal,
    project: &Path,
    provider: &str,
    name: Option<&str>,
) -> Result<Vec<Listener>, Failure> {
    let mut found = all(journal).await?;
    let shown = project.display().to_string();
    found.retain(|l| l.project == shown && name.is_none_or(|name| l.endpoint == name));
    if found.len() > 1
        && let Some(file) = ProjectFile::read(project)?
    {
        let is_of = |l: &Listener| {
            let of_provider = |e: &&EndpointEntry| e.provider.as_deref() == Some(provider);
            file.endpoints().iter().filter(of_provider).any(|e| e.name.as_deref() == Some(l.endpoint.as_str()))
        };
        if found.iter().any(is_of) {
            found.retain(is_of);
        }
    }
    Ok(found)
}

/// Where a provider sends to, so that its events reach a target.
pub fn url_for(listener: &Listener, provider: &str) -> String {
    format!("{}{}", listener.url, prefix(listener.target.as_deref().unwrap_or_default(), provider))
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
}
