//! Which events are meant, and where each goes.

use std::collections::HashMap;
use std::sync::Arc;

use super::args::ReplayArgs;
use crate::config::ProjectFile;
use crate::event_ref;
use crate::failure::Failure;
use crate::forward::Client;
use crate::journal::{self, Condition, EventRow, Journal, Kind, Listener, Order, Signing, State};
use crate::provider::Problem;
use crate::session::tls_config;
use crate::subject;
use crate::target::{self, ForwardTo, LeavesTarget, Target};

/// One event and where it goes.
pub struct Job {
    pub row: Arc<EventRow>,
    pub client: Arc<Client>,
    pub path: String,
    pub kind: Kind,
    /// How an edited event was signed when it was made, and why that may not do.
    pub signing: Option<Signing>,
    pub note: Option<Problem>,
}

pub async fn rows(journal: &Journal, args: &ReplayArgs) -> Result<Vec<EventRow>, Failure> {
    let scope = event_ref::scope(journal, args.all).await?;
    let filter = |query: &str| event_ref::filter(query);
    if args.undelivered {
        let waits = vec![Condition::new(journal::UNDELIVERED, Vec::new())];
        let mut rows =
            event_ref::matching(journal, &scope, Order::OldestFirst, &filter("")?, waits, usize::MAX).await?;
        // What is owed where somebody listens is forwarded there, and must not be sent twice.
        let path = journal.path().to_owned();
        let listeners = journal.write(move |c| journal::living_listeners(c, &path)).await?.0;
        let listens = |row: &EventRow| listeners.iter().any(|l| l.relay == row.relay && l.endpoint == row.endpoint);
        rows.retain(|row| row.state != State::Owed || !listens(row));
        return if rows.is_empty() { Err(nothing("no event waits to be delivered.")) } else { Ok(rows) };
    }
    match args.events.as_slice() {
        [] => Err(Failure::usage("which event?").next("hook replay last")),
        names if names.iter().any(|n| event_ref::is_filter(n)) => {
            let filter = filter(&names.join(" "))?;
            let rows =
                event_ref::matching(journal, &scope, Order::OldestFirst, &filter, Default::default(), usize::MAX)
                    .await?;
            if rows.is_empty() { Err(nothing("no event matches.")) } else { Ok(rows) }
        }
        names => {
            let mut rows = event_ref::many(journal, &scope, names).await?;
            let mut seen = std::collections::HashSet::new();
            rows.retain(|row| seen.insert(row.seq));
            Ok(rows)
        }
    }
}

fn nothing(what: &str) -> Failure {
    Failure::failed(what).next("hook events")
}

/// Finds the targets of events.
pub struct Aim<'a> {
    args: &'a ReplayArgs,
    listeners: Vec<Listener>,
    clients: HashMap<Target, Arc<Client>>,
}

impl<'a> Aim<'a> {
    pub async fn new(journal: &Journal, args: &'a ReplayArgs) -> Result<Self, Failure> {
        let path = journal.path().to_owned();
        let listeners = journal.write(move |c| journal::living_listeners(c, &path)).await?.0;
        Ok(Self { args, listeners, clients: HashMap::new() })
    }

    /// Where an event goes: `--to`, else where its endpoint forwards to now, else where it went before.
    pub fn job(&mut self, row: EventRow) -> Result<Job, Failure> {
        let (target, path) = place(self.args, &row, &self.listeners)?;
        let client = match self.clients.get(&target) {
            Some(client) => client.clone(),
            None => {
                let tls = target.tls.then(|| tls_config(self.args.insecure)).transpose();
                let tls = tls.map_err(|e| Failure::local(format!("no TLS: {e}.")))?;
                let client = Arc::new(Client::new(target.clone(), tls));
                self.clients.insert(target, client.clone());
                client
            }
        };
        Ok(Job { row: Arc::new(row), client, path, kind: Kind::Replay, signing: None, note: None })
    }
}

fn place(args: &ReplayArgs, row: &EventRow, listeners: &[Listener]) -> Result<(Target, String), Failure> {
    let join = |target: Target| {
        let path = target.join(&row.head.path, row.head.query.as_deref()).map_err(|leaves| left(row, leaves))?;
        Ok((target, path))
    };
    if let Some(to) = &args.to {
        return join(to.clone());
    }
    // Whoever listens now says where it goes now: a wrong target was corrected there.
    let now = listeners.iter().find(|l| l.relay == row.relay && l.endpoint == row.endpoint);
    let routes: Vec<ForwardTo> =
        now.and_then(|l| l.target.as_deref()).unwrap_or_default().lines().filter_map(|l| l.parse().ok()).collect();
    if let Some((target, rest)) = target::route(&routes, &row.head.path) {
        let path = target.join(rest, row.head.query.as_deref()).map_err(|leaves| left(row, leaves))?;
        return Ok((target.clone(), path));
    }
    if let Some(whole) = &row.target
        && let Ok(target) = whole.parse::<Target>()
    {
        // The URL that was computed when it came is asked for as it is.
        let origin = target.origin();
        let path = whole.strip_prefix(&origin).filter(|p| p.starts_with('/')).unwrap_or("/").to_owned();
        return Ok((target, path));
    }
    Err(Failure::failed(format!("event {} has no target: nothing was forwarded when it came.", row.seq))
        .next(format!("hook replay {} --to localhost:3000", row.seq)))
}

fn left(row: &EventRow, leaves: LeavesTarget) -> Failure {
    Failure::failed(format!("event {}: {leaves}. It was not sent.", row.seq)).next(format!("hook show {}", row.seq))
}

/// The target of an event whose path was changed, from the one that it had: what stood in front of the path stays.
pub fn moved(row: &EventRow, from: &hook_proto::EventHead) -> Option<String> {
    let (old, new) = (subject::path(from), subject::path(&row.head));
    let whole = row.target.as_deref()?;
    if old == new {
        return Some(whole.to_owned());
    }
    let before = whole.strip_suffix(old.as_str()).or_else(|| whole.strip_suffix(old.trim_start_matches('/')))?;
    Some(format!("{}{new}", before.trim_end_matches('/')))
}

/// The URL that hook.toml says the app of an endpoint has.
pub fn app_url(file: Option<&ProjectFile>, endpoint: &str) -> Result<Option<Target>, Failure> {
    let entries = file.map(ProjectFile::endpoints).unwrap_or_default();
    let named = entries.iter().find(|e| e.name.as_deref() == Some(endpoint));
    let entry = named.or(entries.first().filter(|e| entries.len() == 1 && e.name.is_none()));
    entry.and_then(|e| e.app_url.as_deref()).map(target::app_url).transpose()
}
