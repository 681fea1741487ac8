//! What of an event goes to the app: as it came, or signed anew where the app would refuse it.

use std::borrow::Cow;

use hook_proto::EventHead;

use super::check::LARGE;
use super::{Endpoint, Lane};
use crate::forward::attempt::EventBody;
use crate::forward::url_seen;
use crate::journal::{self, EventRow, Kind, Signing};
use crate::platform::now_ms;
use crate::provider::{Asked, Decision, Destination, Rule};

/// A live event that had to wait for longer may be too old by now.
const PROMPT_MS: u64 = 10_000;

pub struct Outgoing<'a> {
    pub head: Cow<'a, EventHead>,
    pub body: EventBody,
    pub path: Cow<'a, str>,
    pub signing: Option<Signing>,
}

impl<'a> Outgoing<'a> {
    pub async fn of(
        lane: &Lane,
        endpoint: &Endpoint,
        row: &'a EventRow,
        body: &EventBody,
        path: &'a str,
        kind: Kind,
    ) -> Self {
        let as_it_came =
            Self { head: Cow::Borrowed(&row.head), body: body.clone(), path: Cow::Borrowed(path), signing: None };
        let (shape, checker) = (&endpoint.options.shape, &lane.engine.checker);
        let recipe = row.provider.as_deref().and_then(|name| checker.providers.get(name));
        let now = now_ms();
        let may = match (row.verdict.as_deref(), kind) {
            (Some("valid"), Kind::Live) => {
                recipe.is_some_and(hook_providers::Recipe::signs_url)
                    || now.saturating_sub(row.head.received_at) > PROMPT_MS
            }
            // It may have been wrong for want of a secret.
            (Some("valid" | "stale" | "invalid" | "no_secret"), Kind::Backlog | Kind::Retry) => recipe.is_some(),
            _ => false,
        };
        if shape.as_received || !may {
            return as_it_came;
        }
        // When one of these came is the relay's word. Of one that was here before it may be wrong: somebody sends it once more.
        if matches!(kind, Kind::Backlog | Kind::Retry) {
            let event = row.clone();
            let came_before = lane.engine.journal.read(move |c| journal::came_before(c, &event)).await;
            if came_before.unwrap_or(true) {
                return as_it_came;
            }
        }
        let bytes = match body {
            EventBody::Memory(bytes) => bytes.clone(),
            EventBody::Journal(key, _) => {
                let key = key.clone();
                match lane.engine.journal.read(move |c| key.read(c, usize::MAX)).await {
                    Ok(bytes) => bytes.into(),
                    Err(_) => return as_it_came,
                }
            }
        };
        let url = url_seen(&row.head, &lane.client.target, shape, path);
        let look = {
            let (checker, endpoint, provider) = (checker.clone(), endpoint.name.clone(), row.provider.clone());
            let (head, bytes, path) = (row.head.clone(), bytes.clone(), path.to_owned());
            move || {
                let asked = Asked { endpoint: &endpoint, pinned: provider.as_deref(), head: &head, body: &bytes };
                checker.resign(asked, Destination { path: &path, url: &url }, &Rule::Itself, now)
            }
        };
        let decision = if bytes.len() > LARGE {
            tokio::task::spawn_blocking(look).await.unwrap_or(Decision::AsItCame)
        } else {
            look()
        };
        match decision {
            Decision::Resigned(resigned) => Self {
                head: Cow::Owned(resigned.head),
                body: resigned.body.map_or(as_it_came.body, EventBody::Memory),
                path: resigned.path.map_or(as_it_came.path, Cow::Owned),
                signing: Some(resigned.signing),
            },
            Decision::AsItCame | Decision::Problem(_) => as_it_came,
        }
    }
}
