//! Sending an event, to a public URL as its provider would, or straight to an app; and what became of it.

use std::time::Duration;

use hook_proto::{EventHead, EventId, HandOver};
use rusqlite::types::Value;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::event::Event;
use super::place::Place;
use crate::failure::{Exit, Failure};
use crate::forward::attempt::{self, EventBody, Try};
use crate::forward::{self, Client, PostError, Shape};
use crate::journal::{
    self, Attempt, BodyKey, Condition, EventRow, Journal, Kind, NewAttempt, NewEvent, Order, Owner, PART, Scope, State,
};
use crate::mark;
use crate::platform::now_ms;
use crate::provider::{Asked, Checker};
use crate::session::tls_config;

/// How long an event that was answered may take to be in the journal with its attempt.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);

/// What became of one event.
pub struct Sent {
    /// What the sender heard; `None` when there was no answer.
    pub status: Option<u16>,
    pub ms: u64,
    /// The answer is hook's own: the app gets the event later, or there is none.
    pub by_hook: bool,
    /// The event, once it is in the journal.
    pub row: Option<EventRow>,
    /// The last attempt at it, and what the app answered.
    pub attempt: Option<(Attempt, Vec<u8>)>,
    /// What the sender was answered.
    pub answer: Vec<u8>,
}

/// What every event of a command is sent with.
pub struct Sender<'a> {
    pub journal: &'a Journal,
    pub checker: &'a Checker,
    pub place: &'a Place,
    pub client: &'a Client,
    /// The provider, by its slug.
    pub provider: &'a str,
    pub project: &'a str,
    pub timeout: Duration,
}

/// A client for where events go.
pub fn client(place: &Place, insecure: bool) -> Result<Client, Failure> {
    let target = place.target().clone();
    let tls = target.tls.then(|| tls_config(insecure)).transpose();
    Ok(Client::new(target, tls.map_err(|e| Failure::local(format!("no TLS: {e}.")))?))
}

impl Sender<'_> {
    pub async fn send(&self, event: &Event) -> Result<Sent, Failure> {
        match self.place {
            Place::App(_) => self.straight(event).await,
            Place::Public(_, listener) => self.publicly(event, listener.is_some()).await,
        }
    }

    /// The path and query of its URL, which may have grown while it was signed.
    fn path<'e>(&self, event: &'e Event) -> &'e str {
        event.url.strip_prefix(&self.client.target.origin()).filter(|path| path.starts_with('/')).unwrap_or("/")
    }

    async fn publicly(&self, event: &Event, is_ours: bool) -> Result<Sent, Failure> {
        let before = self.journal.read(newest).await?;
        let mut fields = event.fields()?;
        fields.insert(0, hook_proto::Header::new("host", self.client.target.authority().into_bytes()));
        fields.push(mark::field());
        let path = self.path(event);
        let posted = forward::post(self.client, &event.method, path, &fields, event.body.clone(), self.timeout).await;
        let posted = posted.map_err(|error| not_posted(&event.url, &error))?;
        let mut sent = Sent {
            status: Some(posted.status),
            ms: posted.ms,
            by_hook: posted.headers.contains_key("hook-status"),
            row: None,
            attempt: None,
            answer: posted.body.to_vec(),
        };
        if is_ours {
            self.find(&mut sent, before, &event.body).await?;
        }
        Ok(sent)
    }

    /// Waits for the event to be in the journal, and for the end of its attempt.
    async fn find(&self, sent: &mut Sent, before: u64, body: &[u8]) -> Result<(), Failure> {
        let hash = Sha256::digest(body).to_vec();
        let by = Instant::now() + SETTLES_WITHIN;
        loop {
            let same = Condition {
                sql: "sha256 = ? AND mirror = 0".into(),
                values: vec![Value::Blob(hash.clone())],
                indexed: false,
            };
            let page = move |c: &rusqlite::Connection| {
                EventRow::page(c, &Scope::All, Order::OldestFirst, Some(before), &[same], 1)
            };
            sent.row = self.journal.read(page).await?.into_iter().next();
            if let Some(row) = &sent.row {
                let seq = row.seq;
                let last = self.journal.read(move |c| journal::attempts_of(c, seq)).await?.pop();
                let ended = last.filter(|a| a.ended_at.is_some());
                if let Some(attempt) = ended {
                    let key = BodyKey::Attempt(seq, attempt.n);
                    let answer = self.journal.read(move |c| key.read(c, PART)).await?;
                    sent.attempt = Some((attempt, answer));
                    return Ok(());
                }
                if !matches!(row.state, State::Owed | State::Retrying) {
                    return Ok(());
                }
            }
            if Instant::now() >= by {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Records the event as one that was sent, and makes its attempt.
    async fn straight(&self, event: &Event) -> Result<Sent, Failure> {
        let path = self.journal.path();
        let owner = Owner::register(path).map_err(|e| {
            Failure::local(format!("{} cannot be written beside: {}.", path.display(), crate::text::io(&e)))
        })?;
        let head = self.head(event)?;
        let asked = Asked { endpoint: "", pinned: Some(self.provider), head: &head, body: &event.body };
        let checked = self.checker.check(asked, head.received_at);
        let small = event.body.len() <= PART;
        if !small {
            for (part, data) in event.body.chunks(PART).enumerate() {
                let (id, data) = (head.id.clone(), event.body.slice_ref(data));
                self.journal.write(move |c| journal::event_part(c, &id, part as u32, &data)).await?;
            }
        }
        let new = NewEvent {
            head: head.clone(),
            body: small.then(|| event.body.clone()),
            sha256: Sha256::digest(&event.body).into(),
            origin: "sent",
            parent: None,
            project: self.project.to_owned(),
            relay: String::new(),
            endpoint: String::new(),
            target: Some(event.url.clone()),
            state: State::Owed,
            hand_over: HandOver::Awaited,
            dedupe: false,
            checked,
        };
        let begun =
            NewAttempt { kind: Kind::Live, target: event.url.clone(), owner: owner.id.clone(), started_at: now_ms() };
        let kept = begun.clone();
        let seq = self.journal.write(move |c| journal::record(c, &new, Some(&kept))).await?.0.seq;
        let began = Instant::now();
        let (end, state) = match self.client.connect().await {
            Err(error) => (attempt::not_connected(&error, began), State::Undelivered),
            Ok(connection) => {
                let shape = Shape::default();
                let this = Try {
                    seq,
                    n: 1,
                    head: &head,
                    body: EventBody::Memory(event.body.clone()),
                    path: self.path(event),
                    replay: false,
                    only_2xx: false,
                    timeout: self.timeout,
                    shape: &shape,
                    signing: None,
                };
                let outcome = attempt::run(self.journal, self.client, connection, &this, None).await;
                let state = if outcome.not_connected.is_some() { State::Undelivered } else { State::Ended };
                (outcome.end, state)
            }
        };
        let (kept, ended) = (begun.clone(), end.clone());
        self.journal.write(move |c| journal::end_attempt(c, seq, 1, &kept, &ended, Some(state))).await?;
        let row = self.journal.read(move |c| EventRow::by_seq(c, seq)).await?;
        let status = end.status.filter(|_| end.error.is_none());
        let (ms, answer) = (end.ms, end.body.clone());
        let attempt = Some((Attempt::ended(1, begun, end), answer.clone()));
        Ok(Sent { status, ms, by_hook: false, row, attempt, answer })
    }

    fn head(&self, event: &Event) -> Result<EventHead, Failure> {
        let now = now_ms();
        // What its own target has, another target of a replay has not.
        let own = self.client.target.query.as_deref();
        let query = event.url.split_once('?').map(|(_, query)| query);
        let query = match (query, own) {
            (Some(query), Some(own)) => {
                query.strip_prefix(own).map(|rest| rest.trim_start_matches('&')).filter(|q| !q.is_empty())
            }
            (query, _) => query,
        };
        Ok(EventHead {
            id: EventId::from_parts(now, rand::random()).to_string(),
            received_at: now,
            method: event.method.clone(),
            url: event.url.clone(),
            path: String::new(),
            query: query.map(str::to_owned),
            http_version: "HTTP/1.1".into(),
            headers: event.fields()?,
            body_size: event.body.len() as u64,
            ..EventHead::default()
        })
    }
}

fn newest(connection: &rusqlite::Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |r| r.get(0))
}

fn not_posted(url: &str, error: &PostError) -> Failure {
    let url = crate::sanitize::sanitize(url);
    match error {
        PostError::Connect(_) => {
            let what = format!("{url} cannot be reached: {error}. Nothing was sent.");
            Failure::new(Exit::Unreachable, "relay_unreachable", what).next("hook status              what listens")
        }
        PostError::Timeout(_) => Failure::failed(format!("{url}: {error}.")).next("hook events"),
        PostError::Unsendable(_) => {
            Failure::failed(format!("{error}. Nothing was sent.")).next("hook trigger … --print")
        }
        PostError::Broke(_) => Failure::failed(format!("{url}: {error}.")).next("hook events"),
    }
}
