//! Waiting for the provider's first event.

use std::time::Duration;

use hook_providers::{Recipe, State, answer_handshake};

use super::guide;
use super::report::Report;
use crate::autopsy::Finding;
use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::journal::{BodyKey, Condition, EventRow, Journal, Listener, Order, Scope};
use crate::mark;
use crate::platform;
use crate::provider::{Asked, Checker, example};
use crate::sanitize::sanitize;
use crate::text;

/// Events of others beyond this many are not told of one by one.
const TOLD: usize = 3;

pub struct Wait<'a> {
    pub context: &'a Context,
    pub journal: &'a Journal,
    pub checker: &'a Checker,
    pub recipe: &'a Recipe,
    pub listener: &'a Listener,
    /// Only what is newer counts.
    pub after: u64,
}

/// What one event was.
enum Met {
    First(Report),
    Handshake,
    /// Not a call of the provider, with the reason.
    Other(String),
}

impl Wait<'_> {
    pub async fn run(mut self, limit: Option<Duration>) -> Result<Exit, Failure> {
        let ui = &self.context.ui;
        let failed = |e: std::io::Error| Failure::local(format!("no signals: {}.", text::io(&e)));
        let mut signals = platform::Signals::new().map_err(failed)?;
        let deadline = limit.map(|limit| tokio::time::Instant::now() + limit);
        let stops = if ui.stderr_is_terminal { " Ctrl-C stops." } else { "" };
        ui.status(&format!(
            "Waiting for the first event of {} at {} …{stops}",
            self.recipe.name, self.listener.endpoint
        ));
        let mut version = -1;
        let mut others: Vec<u64> = Vec::new();
        loop {
            let now: i64 = self.journal.read(|c| c.query_row("PRAGMA data_version", [], |r| r.get(0))).await?;
            let rows = if std::mem::replace(&mut version, now) == now { Vec::new() } else { self.newer().await? };
            for row in rows {
                self.after = row.seq;
                match self.meet(&row).await? {
                    Met::First(report) => return self.tell(&report),
                    Met::Handshake => ui.status(&format!(
                        "#{} is {} asking whether the URL is yours (a handshake). Its first event is still to come.",
                        row.seq, self.recipe.name
                    )),
                    Met::Other(why) => {
                        others.push(row.seq);
                        if others.len() <= TOLD {
                            ui.status(&sanitize(&format!("#{} {why}", row.seq)));
                        }
                    }
                }
            }
            tokio::select! {
                _ = signals.next() => {
                    ui.after_interrupt();
                    ui.status("Stopped. What was kept stays.");
                    return Ok(Exit::Failed);
                }
                () = sleep_until(deadline) => return Err(self.too_late(limit.unwrap_or_default(), &others)),
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    }

    async fn newer(&self) -> Result<Vec<EventRow>, Failure> {
        let Listener { project, relay, endpoint, .. } = self.listener.clone();
        let after = self.after;
        let here = Condition {
            sql: "relay = ? AND endpoint = ? AND origin = 'captured'".into(),
            values: vec![relay.into(), endpoint.into()],
            indexed: false,
        };
        let scope = Scope::Project(project);
        let read = move |c: &_| EventRow::page(c, &scope, Order::OldestFirst, Some(after), &[here], 100);
        Ok(self.journal.read(read).await?)
    }

    async fn meet(&self, row: &EventRow) -> Result<Met, Failure> {
        let (name, slug) = (&self.recipe.name, &self.recipe.slug);
        if mark::is_made(&row.head) {
            return Ok(Met::Other(format!(
                "is hook's own, of hook trigger: {name} did not call yet; waiting goes on."
            )));
        }
        let also = row.signature.as_deref().is_some_and(|s| s.also.contains(slug));
        if row.provider.as_ref() != Some(slug) && !also {
            return Ok(Met::Other(self.of_another(row)));
        }
        let seq = row.seq;
        let body = self.journal.read(move |c| BodyKey::Event(seq).read(c, usize::MAX)).await?;
        // A secret may have been set in another terminal meanwhile.
        self.checker.refresh();
        let asked = Asked { endpoint: &row.endpoint, pinned: Some(slug), head: &row.head, body: &body };
        let at = row.head.received_at;
        Ok(self.checker.look(asked, |case| {
            if answer_handshake(self.recipe, case.request, &case.known, at).is_some() {
                return Met::Handshake;
            }
            let finding = Finding::of(case, &[], at);
            // Anybody can send what has no signature, so it says nothing about how the provider was set up.
            if self.recipe.is_verifiable() && finding.verdict() == State::Unsigned.word() {
                let why = &finding.signature.text;
                return Met::Other(format!("is unsigned: {why}; waiting goes on."));
            }
            Met::First(Report::of(row, self.recipe, &finding))
        }))
    }

    fn tell(&self, report: &Report) -> Result<Exit, Failure> {
        let (ui, name) = (&self.context.ui, &self.recipe.name);
        report.lines(ui.out).iter().for_each(|line| ui.text(line));
        if report.is_right() {
            ui.status(&format!("{name} is set up."));
            return Ok(Exit::Done);
        }
        let next = report.next.clone().unwrap_or_default();
        Err(Failure::failed(format!("the first event of {name} is not right yet.")).next(sanitize(&next)))
    }

    fn of_another(&self, row: &EventRow) -> String {
        let (name, slug) = (&self.recipe.name, &self.recipe.slug);
        let what =
            row.provider.as_ref().map_or("of no provider that hook knows".to_owned(), |other| format!("of {other}"));
        format!("is {what}, not of {name}; waiting goes on. If it is: hook listen … --provider {slug}")
    }

    fn too_late(&self, limit: Duration, others: &[u64]) -> Failure {
        let (name, slug) = (&self.recipe.name, &self.recipe.slug);
        let what = format!("no event of {name} came within {}.", text::span(limit));
        let failure = Failure::failed(what);
        match others.first() {
            Some(seq) => failure
                .next(format!("hook show {seq}     ({} of others came)", text::count(others.len() as u64, "event"))),
            None if guide::is_loopback(&self.listener.url) => failure.next(format!(
                "hook trigger {}     (from this machine; {name} needs a URL that it reaches)",
                example(self.recipe)
            )),
            None => failure.next(format!("send a test event from {name}'s page, while hook setup {slug} waits again")),
        }
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
