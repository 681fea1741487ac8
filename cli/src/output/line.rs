//! The line log: one line an event on standard output, everything else on standard error (ux §1).

mod banner;
mod repeats;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::advice::{self, Advice};
use super::detail::{self, Extent};
use super::row;
use super::signature::Notes;
use crate::activity::{Activity, App, Tried};
use crate::journal::{EventRow, Signing, State};
use crate::sanitize::sanitize;
use crate::text;
use crate::ui::Ui;
use repeats::Same;

pub struct LineLog {
    ui: Arc<Ui>,
    /// 0: one line. 1: with request and answer, shortened. 2: in full.
    verbose: u8,
    columns_passing: usize,
    same: Option<Same>,
    was_ready: bool,
    shown_urls: Vec<String>,
    bodies: HashMap<u64, bytes::Bytes>,
    notes: Notes,
    said_resigned: bool,
}

impl LineLog {
    pub fn new(ui: Arc<Ui>, verbose: u8) -> Self {
        Self {
            ui,
            verbose,
            columns_passing: 0,
            same: None,
            was_ready: false,
            shown_urls: Vec::new(),
            bodies: HashMap::new(),
            notes: Notes::default(),
            said_resigned: false,
        }
    }

    pub fn show(&mut self, activity: &Activity) {
        if !matches!(activity, Activity::Attempt(_) | Activity::Event(_)) {
            self.end_row();
        }
        match activity {
            Activity::Started(started) => self.banner(started),
            Activity::Connecting { relay } => {
                let line = format!("Connecting to {} {}", sanitize(relay), self.ui.err.sign("…"));
                self.columns_passing = line.chars().count();
                self.ui.passing(&line);
            }
            Activity::Ready { endpoints, after } => self.ready(endpoints, *after),
            Activity::Reconnecting { attempt: 1, retry_in, detail, .. } => {
                self.clear_passing();
                let dots = self.ui.err.sign("…");
                let what = if self.was_ready { "Connection lost" } else { "Not connected yet" };
                self.status(&format!("{what} ({}). Retrying in {} {dots}", sanitize(detail), text::span(*retry_in)));
                if !self.was_ready {
                    self.status("next: check the relay's URL, or hook doctor");
                }
            }
            Activity::Reconnecting { attempt, retry_in, detail, .. } => {
                // One line per change: later tries are said as they grow rare.
                if attempt.is_power_of_two() {
                    let line = format!(
                        "Still not connected ({}), try {attempt}. Retrying in {}{}",
                        sanitize(detail),
                        text::span(*retry_in),
                        if self.was_ready { "; events wait at the relay." } else { "." }
                    );
                    self.status(&line);
                }
            }
            Activity::Reconnected { after, meanwhile } => {
                let came = match meanwhile {
                    0 => "Nothing came meanwhile.".to_owned(),
                    n => format!(
                        "{} came meanwhile and {} delivered now.",
                        text::count(*n, "event"),
                        if *n == 1 { "is" } else { "are" }
                    ),
                };
                self.status(&format!("Connected again after {}. {came}", text::span(*after)));
            }
            Activity::Slept { for_ } => {
                self.status(&format!("Computer slept {}. Reconnecting if needed.", text::span(*for_)))
            }
            Activity::App(app) => self.app(app),
            Activity::Secrets(changes) => {
                let changes: Vec<String> = changes.iter().map(|c| sanitize(&c.to_string()).into_owned()).collect();
                self.status(&format!("Secrets were read again: {}.", changes.join(", ")));
            }
            Activity::Event(seen) => {
                if self.verbose > 0
                    && let Some(body) = &seen.body
                {
                    self.bodies.insert(seen.row.seq, body.clone());
                }
                if seen.settled {
                    self.settled(&seen.row, seen.no_route.as_deref());
                }
            }
            Activity::Attempt(tried) => self.attempt(tried),
            Activity::Slow { event, after, limit, handshake } => {
                self.status(&row::name(event, crate::platform::now_ms(), self.ui.err));
                self.advice(&advice::slow(event.seq, *after, limit.as_deref(), *handshake));
            }
            Activity::Handshake { event, what } => {
                self.status(&row::name(event, crate::platform::now_ms(), self.ui.err));
                self.advice(&advice::on_handshake(event, what));
            }
            Activity::SenderLeft { event } => {
                self.status(&format!("#{} the sender left before its reply.", event.seq));
            }
            Activity::Backlog { endpoint, waiting, held } => {
                self.status(&format!(
                    "{} beyond --max-backlog of \"{endpoint}\" held; {waiting} wait.",
                    if *held == 1 { "1 event is".to_owned() } else { format!("{held} events are") }
                ));
                self.next("hook replay --undelivered");
            }
            Activity::Trouble(trouble) => {
                self.clear_passing();
                self.status(&format!("hook: {}", sanitize(&trouble.message)));
                if let Some(next) = &trouble.next {
                    self.status(&format!("next: {}", sanitize(next)));
                }
            }
            Activity::Stopped(stopped) => self.stopped(stopped),
        }
    }

    fn app(&mut self, app: &App) {
        let target = sanitize(&app.target);
        let now = text::clock(crate::platform::now_ms());
        if !app.up {
            if app.owed > 0 {
                let wait = text::count(app.owed, "event");
                self.status(&format!(
                    "{now}  app is down: {target}. {wait} wait{} for it.",
                    if app.owed == 1 { "s" } else { "" }
                ));
            }
            return;
        }
        let after = text::span(Duration::from_secs(app.after.as_secs().max(1)));
        let line = format!("{now}  app is up: {target} (after {after}).");
        if app.owed > 0 {
            return self.status(&format!(
                "{line} {} {} forwarded now.",
                text::count(app.owed, "event"),
                if app.owed == 1 { "is" } else { "are" }
            ));
        }
        if app.undelivered > 0 {
            let n = app.undelivered;
            self.status(&format!("{line} {} wait{}.", text::count(n, "event"), if n == 1 { "s" } else { "" }));
            return self.next("hook replay --undelivered");
        }
        self.status(&line);
    }

    fn settled(&mut self, row: &EventRow, no_route: Option<&str>) {
        self.end_row();
        let marks = row::marks(row, None, self.ui.out);
        self.ui.text(&format!("{}{marks}", row::settled_line(row, self.ui.out)));
        if self.verbose > 0 {
            let body = self.take_body(row.seq);
            self.block(&detail::request(row, &body, self.extent(), self.ui.out));
        }
        let mut said = Vec::new();
        if let Some(routes) = no_route {
            let path = if row.head.path.is_empty() { "/" } else { &row.head.path };
            let (path, routes) = (sanitize(path), sanitize(routes));
            let fact = format!("no target for {path} (there are {routes}). The sender got 200; the event is kept.");
            // The event brings its own path.
            said.push(Advice::new(fact, format!("hook replay {} --to localhost:3000", row.seq)));
        }
        if row.state == State::Refused {
            let fact = "its path leaves the target's own path. The sender got 400; the event is kept.";
            said.push(Advice::new(fact, format!("hook show {}", row.seq)));
        }
        said.extend(self.notes.on(row));
        self.tell(&said, None);
    }

    fn attempt(&mut self, tried: &Tried) {
        if let (Some(Signing::AnewFor(url)), false) = (&tried.attempt.signing, self.said_resigned) {
            self.said_resigned = true;
            let provider = sanitize(tried.row.provider.as_deref().unwrap_or("its sender"));
            self.status(&format!(
                "re-signed for {}: {provider} signs the URL that it calls. (--app-url says another, --as-received leaves it)",
                sanitize(url)
            ));
        }
        let judgement = &tried.judgement;
        let advice = advice::on(&tried.row, &tried.attempt, &tried.body, tried.heard, judgement);
        if !self.goes_on(advice.as_ref().map(|a| a.fact.as_str())) {
            self.end_row();
        }
        let marks = row::marks(&tried.row, judgement.warning.as_deref(), self.ui.out);
        self.ui.text(&format!("{}{marks}", row::attempt_line(&tried.row, &tried.attempt, self.ui.out)));
        if self.verbose > 0 {
            let request = self.take_body(tried.row.seq);
            self.block(&detail::request(&tried.row, &request, self.extent(), self.ui.out));
            self.block(&detail::response(&tried.attempt, &tried.body, self.extent(), self.ui.out));
        }
        let failure = advice.filter(|advice| self.is_said(&advice.fact, tried.row.seq, tried.attempt.status));
        // What is to be done about it is said once.
        let done = failure.as_ref().map(|failure| failure.next.clone());
        let notes = self.notes.on(&tried.row).into_iter().filter(|note| done.as_ref() != Some(&note.next));
        let said: Vec<Advice> = failure.into_iter().chain(notes).collect();
        self.tell(&said, advice::on_warning(tried.row.seq, &tried.attempt, tried.heard, judgement));
    }

    fn advice(&self, advice: &Advice) {
        self.tell(std::slice::from_ref(advice), None);
    }

    /// All facts, and one thing to do.
    fn tell(&self, said: &[Advice], first: Option<String>) {
        let bar = self.ui.err.sign("│");
        for fact in said.iter().flat_map(|advice| advice.fact.lines().chain(advice.then.as_deref())) {
            self.status(&format!("          {bar} {fact}"));
        }
        if let Some(next) = first.as_deref().or(advice::next(said)) {
            self.next(next);
        }
    }

    fn next(&self, next: &str) {
        self.status(&format!("          {} next: {next}", self.ui.err.sign("└")));
    }

    fn block(&self, text: &str) {
        for line in text.lines() {
            self.ui.text(&format!("    {line}"));
        }
    }

    fn take_body(&mut self, seq: u64) -> bytes::Bytes {
        self.bodies.remove(&seq).unwrap_or_default()
    }

    fn extent(&self) -> Extent {
        if self.verbose > 1 { Extent::All } else { Extent::Some }
    }

    fn clear_passing(&mut self) {
        let columns = std::mem::take(&mut self.columns_passing);
        if columns > 0 {
            self.ui.clear_passing(columns);
        }
    }

    fn status(&self, line: &str) {
        self.ui.status(line);
    }
}
