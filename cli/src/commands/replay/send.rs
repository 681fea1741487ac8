//! One attempt: what is sent, and its rows in the journal.

use std::sync::Arc;

use bytes::Bytes;
use hook_proto::{EventHead, EventId, HandOver};
use hook_providers::State as Verdict;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::args::ReplayArgs;
use super::change::Changed;
use super::choose::{self, Job};
use super::draft::Resign;
use crate::autopsy::Recalled;
use crate::config::ProjectFile;
use crate::failure::Failure;
use crate::forward::attempt::{self, EventBody, Try};
use crate::forward::{Shape, url_seen};
use crate::journal::{self, Attempt, BodyKey, EventRow, Journal, Kind, NewAttempt, NewEvent, PART, Signing, State};
use crate::platform::now_ms;
use crate::provider::{Asked, Checker, Decision, Destination, Problem, Resigned, Rule};

/// What all attempts share.
pub struct Post {
    pub journal: Journal,
    pub checker: Checker,
    pub owner: String,
    pub shape: Shape,
    pub file: Option<ProjectFile>,
    pub args: ReplayArgs,
}

/// One request on its way.
struct Outgoing {
    head: EventHead,
    body: EventBody,
    path: String,
    signing: Option<Signing>,
    note: Option<Problem>,
}

/// An ended attempt.
pub struct Sent {
    pub row: Arc<EventRow>,
    pub attempt: Attempt,
    pub body: Vec<u8>,
    /// Why it had to be refused.
    pub note: Option<Problem>,
}

/// What a person is told before an event is sent.
pub enum Beforehand {
    Nothing,
    /// It is sent with another signature than the one that it came with, for this reason.
    Resigned {
        why: String,
        with: String,
    },
}

impl Post {
    pub async fn body(&self, row: &EventRow) -> Result<Bytes, Failure> {
        let seq = row.seq;
        Ok(self.journal.read(move |c| BodyKey::Event(seq).read(c, usize::MAX)).await?.into())
    }

    /// Whether it can be sent as it was asked for, before anything is.
    pub async fn look_ahead(&self, job: &Job) -> Result<Beforehand, Failure> {
        let signing = &self.args.signing;
        if !signing.resign && signing.tamper.is_none() {
            return Ok(Beforehand::Nothing);
        }
        let body = self.body(&job.row).await?;
        Ok(match self.decide(job, &job.row.head, &body, &Rule::Always)? {
            Decision::Resigned(resigned) if signing.resign && resigned.was == Verdict::Invalid => {
                let asked = self.asked(&job.row, &job.row.head, &body);
                let recalled = self.checker.look(asked, |case| Recalled::of(&job.row, case));
                let why = recalled.map_or("its own signature is not right".to_owned(), |recalled| recalled.fact());
                Beforehand::Resigned { why, with: resigned.with }
            }
            _ => Beforehand::Nothing,
        })
    }

    /// Whether an event, as it would be sent, is about real money or data.
    pub fn is_live(&self, row: &EventRow, head: &EventHead, body: &[u8]) -> bool {
        let recorded = row.signature.as_ref().and_then(|s| s.live) == Some(true);
        recorded || self.checker.look(self.asked(row, head, body), |case| case.event.live) == Some(true)
    }

    /// The secret that will sign a changed event, as it may be shown.
    pub async fn signer(&self, job: &Job) -> Result<Option<String>, Failure> {
        let body = self.body(&job.row).await?;
        let rule = self.edited(&job.row, &body);
        Ok(match self.decide(job, &job.row.head, &body, &rule)? {
            Decision::Resigned(resigned) => Some(resigned.with),
            _ => None,
        })
    }

    fn edited(&self, row: &EventRow, body: &[u8]) -> Rule {
        Rule::Edited(self.checker.signer(self.asked(row, &row.head, body)))
    }

    fn asked<'a>(&'a self, row: &'a EventRow, head: &'a EventHead, body: &'a [u8]) -> Asked<'a> {
        let pinned = self.args.signing.sender.provider.as_deref().or(row.provider.as_deref());
        Asked { endpoint: &row.endpoint, pinned, head, body }
    }

    fn shape(&self, row: &EventRow) -> Result<Shape, Failure> {
        let mut shape = self.shape.clone();
        if shape.app_url.is_none() {
            shape.app_url = choose::app_url(self.file.as_ref(), &row.endpoint)?;
        }
        Ok(shape)
    }

    fn decide(&self, job: &Job, head: &EventHead, body: &[u8], rule: &Rule) -> Result<Decision, Failure> {
        if self.args.signing.as_received {
            return Ok(Decision::AsItCame);
        }
        let url = url_seen(head, &job.client.target, &self.shape(&job.row)?, &job.path);
        let to = Destination { path: &job.path, url: &url };
        let asked = self.asked(&job.row, head, body);
        let fail =
            |problem: Problem| Failure::failed(format!("event {}: {}", job.row.seq, problem.fact)).next(problem.next);
        if let (Some(part), Rule::Always) = (self.args.signing.tamper, rule) {
            return self.checker.forge(asked, to, part, now_ms()).map(Decision::Resigned).map_err(fail);
        }
        match self.checker.resign(asked, to, rule, now_ms()) {
            Decision::Problem(problem) => match (self.recalled(&job.row, asked, problem), rule) {
                (problem, Rule::Always) => Err(fail(problem)),
                (problem, _) => Ok(Decision::Problem(problem)),
            },
            decision => Ok(decision),
        }
    }

    /// Where a secret is lacking that was there when the event came, what brings it back.
    fn recalled(&self, row: &EventRow, asked: Asked<'_>, problem: Problem) -> Problem {
        match self.checker.look(asked, |case| Recalled::of(row, case)) {
            Some(recalled) if problem.next.starts_with("hook secret set") => {
                let fact = format!("{}; {}.", problem.fact.trim_end_matches('.'), recalled.fact());
                Problem { fact, next: recalled.next }
            }
            _ => problem,
        }
    }

    async fn outgoing(&self, job: &Job) -> Result<Outgoing, Failure> {
        let (row, signing) = (&job.row, &self.args.signing);
        let mut outgoing = Outgoing {
            head: row.head.clone(),
            body: EventBody::Journal(BodyKey::Event(row.seq), Vec::new()),
            path: job.path.clone(),
            signing: job.signing.clone(),
            note: job.note.clone(),
        };
        let asked_for = signing.resign || signing.tamper.is_some();
        if signing.as_received || !asked_for && row.provider.is_none() && signing.sender.provider.is_none() {
            return Ok(outgoing);
        }
        let body = self.body(row).await?;
        match self.decide(job, &row.head, &body, if asked_for { &Rule::Always } else { &Rule::Again })? {
            Decision::AsItCame => {}
            Decision::Problem(problem) => outgoing.note = Some(problem),
            Decision::Resigned(resigned) => {
                let Resigned { head, body, path, signing, .. } = *resigned;
                outgoing.head = head;
                outgoing.signing = Some(signing);
                outgoing.body = body.map_or(outgoing.body, EventBody::Memory);
                outgoing.path = path.unwrap_or(outgoing.path);
            }
        }
        Ok(outgoing)
    }

    pub async fn send(&self, job: &Job) -> Result<Sent, Failure> {
        let Outgoing { head, body, path, signing, note } = self.outgoing(job).await?;
        let (seq, client) = (job.row.seq, &job.client);
        let new = NewAttempt {
            kind: job.kind,
            target: client.target.url(&path),
            owner: self.owner.clone(),
            started_at: now_ms(),
        };
        let kept = new.clone();
        let n = self.journal.write(move |c| journal::begin_attempt(c, seq, &kept)).await?.0;
        let begun = Instant::now();
        let forged = signing.as_ref().is_some_and(Signing::is_forged);
        let end = match client.connect().await {
            Err(error) => attempt::not_connected(&error, begun),
            Ok(connection) => {
                let this = Try {
                    seq,
                    n,
                    head: &head,
                    body,
                    path: &path,
                    replay: true,
                    only_2xx: false,
                    timeout: self.args.timeout,
                    shape: &self.shape,
                    signing,
                };
                attempt::run(&self.journal, client, connection, &this, None).await.end
            }
        };
        // Once its own app got it, nothing is owed any more; another target's answer settles nothing, nor does a forgery's.
        let settles = (self.args.to.is_none() || job.kind == Kind::Edit) && !forged;
        let state = (settles && end.ttfb_ms.is_some()).then_some(State::Ended);
        let (started, kept) = (new.clone(), end.clone());
        self.journal.write(move |c| journal::end_attempt(c, seq, n, &started, &kept, state)).await?;
        let body = end.body.clone();
        Ok(Sent { row: job.row.clone(), attempt: Attempt::ended(n, new, end), body, note })
    }

    /// Makes an event of its own of a changed one, signed as it will be sent.
    pub async fn record(&self, from: &Job, to: Job, changed: Changed, resign: Resign) -> Result<Job, Failure> {
        let origin = self.body(&from.row).await?;
        let rule = self.edited(&from.row, &origin);
        let decision = match resign {
            Resign::Yes => self.decide(&to, &changed.head, &changed.body, &rule)?,
            Resign::No => Decision::AsItCame,
        };
        let Changed { mut head, mut body } = changed;
        let (mut signing, mut note, mut path) = (None, None, to.path.clone());
        match decision {
            Decision::AsItCame => {}
            Decision::Problem(problem) => note = Some(problem),
            Decision::Resigned(resigned) => {
                head = resigned.head;
                body = resigned.body.unwrap_or(body);
                path = resigned.path.unwrap_or(path);
                if let Signing::AnewFor(url) = &resigned.signing {
                    head.url = format!("{}{}", url.split('?').next().unwrap_or_default(), query_of(&path));
                }
                signing = Some(resigned.signing);
            }
        }
        let now = now_ms();
        head.id = EventId::from_parts(now, rand::random()).to_string();
        head.received_at = now;
        head.remote_ip.clear();
        let Changed { head, body } = Changed { head, body }.fitted();
        let parent = &from.row;
        let checked = self.checker.check(self.asked(parent, &head, &body), now);
        let event = NewEvent {
            sha256: Sha256::digest(&body).into(),
            body: (body.len() <= PART).then(|| body.clone()),
            origin: "edited",
            parent: Some(parent.id.clone()),
            project: parent.project.clone(),
            relay: parent.relay.clone(),
            endpoint: parent.endpoint.clone(),
            target: Some(to.client.target.url(&path)),
            // It is nobody's but this command's to send.
            state: State::Undelivered,
            hand_over: HandOver::Awaited,
            dedupe: false,
            checked,
            head,
        };
        let recorded = self.journal.write(move |c| {
            if event.body.is_none() {
                for (part, data) in body.chunks(PART).enumerate() {
                    journal::event_part(c, &event.head.id, part as u32, data)?;
                }
            }
            journal::record(c, &event, None)
        });
        let seq = recorded.await?.0.seq;
        let row = self.journal.read(move |c| EventRow::by_seq(c, seq)).await?;
        let row = row.ok_or_else(|| Failure::local(format!("event {seq} was recorded and is gone.")))?;
        Ok(Job { row: Arc::new(row), path, kind: Kind::Edit, signing, note, ..to })
    }
}

fn query_of(path: &str) -> &str {
    path.find('?').map_or("", |at| &path[at..])
}
