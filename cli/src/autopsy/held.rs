//! Which of the secrets that are known does an app hold? Asked when it refuses what the one signed that should be right.

use bytes::Bytes;

use super::finding::named;
use super::probe::Sent;
use crate::provider::{Asked, Checker, Decision, Destination, Resigned, Rule, Secret};

/// So many more versions are sent at most.
const MOST: usize = 4;

/// An event, signed with one of them.
pub struct Candidate {
    pub secret: Secret,
    pub sent: Sent,
}

/// The event, signed with each other secret of its provider that is known: of this endpoint, and of others.
pub fn candidates(
    checker: &Checker,
    asked: Asked<'_>,
    to: Destination<'_>,
    tried: Option<&Secret>,
    now_ms: u64,
) -> Vec<Candidate> {
    let mut secrets: Vec<Secret> =
        checker.look(asked, |case| case.secrets.iter().chain(case.others).cloned().collect());
    let mut seen: Vec<String> = tried.iter().map(|s| s.value.clone()).collect();
    secrets.retain(|s| {
        !seen.contains(&s.value) && {
            seen.push(s.value.clone());
            true
        }
    });
    let signed = |secret: Secret| match checker.resign(asked, to, &Rule::With(secret.clone()), now_ms) {
        Decision::Resigned(it) => {
            let Resigned { head, body, path, .. } = *it;
            let body = body.unwrap_or_else(|| Bytes::copy_from_slice(asked.body));
            let path = path.unwrap_or_else(|| to.path.to_owned());
            Some(Candidate { secret, sent: Sent { head, body, path } })
        }
        _ => None,
    };
    secrets.into_iter().filter_map(signed).take(MOST).collect()
}

/// That it holds this one, and not the one that was tried first.
pub fn says(held: &Secret, tried: Option<&Secret>) -> String {
    let not = tried.map_or_else(String::new, |tried| format!(", and not {}", named(tried)));
    format!("your app holds {} ({}){not}", named(held), held.source)
}

pub const NEXT: &str = "give hook and the app the same secret: hook secret list shows those of hook";
