//! The provider as a sender: how long it waits, what it takes for success, what it does after a failure. In words that promise
//! nothing that its recipe does not state, and say so where the recipe only has it from hearsay.

use std::time::Duration;

use hook_providers::{Fact, Outcome, Recipe, Retries};

use crate::activity::Heard;
use crate::journal::{Attempt, EventRow};
use crate::mark;
use crate::sanitize::sanitize;
use crate::text;

/// How long a sender is kept waiting of whom nothing is known.
const PATIENCE: Duration = Duration::from_secs(25);
/// Behind what nobody has confirmed yet.
const HEDGE: &str = ", according to its documentation";

/// What the sender of a live event makes of how an attempt ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it takes that as received; `None`: not known.
    pub success: Option<bool>,
    /// The answer came after its time limit.
    pub late: bool,
    /// Whether it sends the event again; `None`: not known.
    pub sends_again: Option<bool>,
    /// What is wrong with an answer that looks right: `slack gives up at 3 s and sends again`.
    pub warning: Option<String>,
    /// The only answers that it takes as received, when the app gave another 2xx: `200 or 204`.
    pub takes: Option<String>,
    /// What it does after a failure: `stripe will send it again for up to 3 days`.
    pub then: Option<String>,
    /// Whether it follows redirects, after one.
    pub redirects: Option<String>,
}

/// The reply deadline: what the person asked for, else a tenth less than the provider waits.
pub fn reply_within(asked: Option<Duration>, recipe: Option<&Recipe>) -> Duration {
    let limit = recipe.and_then(|r| r.sender.time_limit.as_ref()).map(|fact| fact.value);
    asked.or(limit.map(|limit| limit - limit / 10)).unwrap_or(PATIENCE)
}

/// `slack gives up after 3 s`; `None` when it is not known when.
pub fn gives_up(recipe: Option<&Recipe>) -> Option<String> {
    let recipe = recipe?;
    let limit = recipe.sender.time_limit.as_ref()?;
    Some(format!("{} gives up after {}{}", recipe.slug, text::span(limit.value), hedge(limit.confirmed)))
}

/// The sender of one event, as far as it is known.
#[derive(Clone, Copy)]
struct Of<'a> {
    recipe: &'a Recipe,
    /// It is never sent again, whatever the answer.
    once: bool,
}

/// Judges an attempt at an event. Only those whose sender waits for the answer, or did, are any business of the sender.
pub fn judge(recipe: Option<&Recipe>, row: &EventRow, attempt: &Attempt, heard: Heard) -> Judgement {
    let judgement = match recipe.filter(|_| row.is_question()) {
        Some(recipe) => judge_question(recipe, attempt, heard),
        None => as_its_provider(recipe, row.is_sent_once(), attempt, heard),
    };
    if !mark::is_made(&row.head) {
        return judgement;
    }
    // The answer is judged all the same: it is what the provider would take it for.
    let then = match heard {
        // What hook answered is told.
        Heard::Handshake(_) => judgement.then,
        _ => judgement.then.map(|_| "hook trigger made it, so nobody sends it again".to_owned()),
    };
    let warning = judgement.warning.map(|w| w.replace(" and sends again", "").replace(" and does not send again", ""));
    let sends_again = judgement.sends_again.map(|_| false);
    Judgement { then, warning, sends_again, ..judgement }
}

/// `once`: the event is of a kind that is never sent again.
fn as_its_provider(recipe: Option<&Recipe>, once: bool, attempt: &Attempt, heard: Heard) -> Judgement {
    if attempt.kind == "replay" || attempt.kind == "edit" {
        return Judgement::default();
    }
    let live = attempt.kind == "live";
    let got = match heard {
        Heard::App => attempt.status.map(Outcome::Status),
        Heard::BadGateway => Some(Outcome::Status(502)),
        Heard::Handshake(status) => Some(Outcome::Status(status)),
        Heard::Queued | Heard::Nothing => None,
    };
    let Some(recipe) = recipe else {
        let then =
            (heard == Heard::BadGateway).then(|| "The sender got 502; whether it tries again is not known".into());
        return Judgement { then, ..Judgement::default() };
    };
    let of = Of { recipe, once };
    let late = live && is_late(recipe, attempt);
    let outcome = if late { Some(Outcome::Timeout) } else { got };
    let success = outcome.and_then(|outcome| success(recipe, outcome));
    let sends_again = match success {
        Some(true) => Some(false),
        // It had hook's answer before the app gave its own.
        _ if late && took(recipe, heard) => Some(false),
        _ => outcome.and_then(|outcome| of.sends_again(outcome)),
    };
    let answered = attempt.status.filter(|_| live);
    let takes = answered.filter(|status| !late && (200..300).contains(status)).and_then(|status| takes(recipe, status));
    let warning = match (&takes, answered) {
        (_, Some(_)) if late => of.too_late(),
        (Some(statuses), Some(status)) => Some(of.not_taken(statuses, status)),
        _ => None,
    };
    let then = match (heard, got) {
        _ if late && attempt.status.is_some() || success == Some(true) => None,
        (Heard::Queued, _) if !is_good(attempt) => then_queued(recipe),
        (Heard::App, Some(got)) if !is_good(attempt) => Some(of.then_got(got, "")),
        (Heard::BadGateway, Some(got)) => Some(of.then_got(got, " got 502")),
        _ => None,
    };
    let redirects = attempt.status.filter(|status| (300..400).contains(status)).and_then(|_| redirects(recipe));
    Judgement { success, late, sends_again, warning, takes, then, redirects }
}

/// A question is asked until it is answered, or not again; what is known of retries is about events.
fn judge_question(recipe: &Recipe, attempt: &Attempt, heard: Heard) -> Judgement {
    if attempt.kind == "replay" || attempt.kind == "edit" {
        return Judgement::default();
    }
    let name = &recipe.slug;
    let got = match heard {
        Heard::App => attempt.status,
        Heard::BadGateway => Some(502),
        Heard::Handshake(status) => Some(status),
        Heard::Queued | Heard::Nothing => None,
    };
    // hook's own answer is what was asked for: 401, when the signature is wrong on purpose.
    let by_hook = matches!(heard, Heard::Handshake(_));
    let success = got.map(|status| by_hook || (200..300).contains(&status));
    let then = match (heard, got) {
        _ if is_good(attempt) => None,
        (Heard::Handshake(status), _) => {
            Some(format!("{name} asked for a handshake, and got hook's answer ({status})"))
        }
        (Heard::BadGateway, _) => Some(format!("{name} asked for a handshake, and got 502")),
        _ => None,
    };
    Judgement { success, sends_again: success.filter(|success| *success).map(|_| false), then, ..Judgement::default() }
}

/// Whether it takes what it heard from hook as received.
fn took(recipe: &Recipe, heard: Heard) -> bool {
    let status = match heard {
        Heard::Queued => 200,
        Heard::Handshake(status) => status,
        Heard::App | Heard::BadGateway | Heard::Nothing => return false,
    };
    recipe.sender.is_success(status) == Some(true)
}

fn is_good(attempt: &Attempt) -> bool {
    attempt.error.is_none() && attempt.status.is_some_and(|s| (200..300).contains(&s))
}

fn success(recipe: &Recipe, outcome: Outcome) -> Option<bool> {
    match outcome {
        Outcome::NoConnection | Outcome::Timeout => Some(false),
        Outcome::Status(status) => recipe.sender.is_success(status),
    }
}

impl Of<'_> {
    /// Recipes list failures that are retried. Of a 2xx that is none to its provider, and of statuses that no list has, they say nothing.
    fn sends_again(self, outcome: Outcome) -> Option<bool> {
        let sender = &self.recipe.sender;
        if self.once {
            return Some(false);
        }
        let again = sender.sends_again(outcome)?;
        let never = sender.retries.as_ref().is_some_and(|fact| fact.value.says == "never");
        let listed = !matches!(outcome, Outcome::Status(status) if !(300..600).contains(&status));
        (again || never || listed).then_some(again)
    }

    fn not_taken(self, statuses: &str, status: u16) -> String {
        let confirmed = self.recipe.sender.success.as_ref().is_some_and(|fact| fact.confirmed);
        self.and_then(&format!("takes only {statuses} as received"), confirmed, Outcome::Status(status))
    }

    fn too_late(self) -> Option<String> {
        let limit = self.recipe.sender.time_limit.as_ref()?;
        let what = format!("gives up at {}", text::span(limit.value));
        Some(self.and_then(&what, limit.confirmed, Outcome::Timeout))
    }

    /// What a provider does, and whether it sends again.
    fn and_then(self, what: &str, confirmed: bool, outcome: Outcome) -> String {
        let (again, sure) = match (&self.recipe.sender.retries, self.sends_again(outcome)) {
            (Some(retries), Some(true)) => (" and sends again", retries.confirmed),
            (Some(retries), Some(false)) => (" and does not send again", retries.confirmed),
            _ => ("", true),
        };
        format!("{} {what}{again}{}", self.recipe.slug, hedge(confirmed && sure))
    }

    /// What it does after this answer. `before` is what else is said of it.
    fn then_got(self, got: Outcome, before: &str) -> String {
        let name = &self.recipe.slug;
        let and = if before.is_empty() { "" } else { " and" };
        match self.recipe.sender.retries.as_ref().zip(self.sends_again(got)) {
            Some((retries, again)) => format!(
                "{name}{before}{and} {}",
                self.again_words(retries, again, Some(got).filter(|_| before.is_empty()))
            ),
            None if before.is_empty() => format!("whether {name} tries again is not known"),
            None => format!("{name}{before}; whether it tries again is not known"),
        }
    }

    /// `got` where it has not been said.
    fn again_words(self, retries: &Fact<Retries>, again: bool, got: Option<Outcome>) -> String {
        let says = sanitize(&retries.value.says);
        let hedge = hedge(retries.confirmed);
        match (again, got) {
            (true, _) => format!("will send it again {says}{hedge}"),
            (false, Some(Outcome::Status(status))) if says != "never" && !self.once => {
                format!("will not send it again after {status}{hedge}")
            }
            (false, _) => format!("will not send it again{hedge}"),
        }
    }
}

/// What the sender does with an app that answers as in this attempt, of whatever kind: when it gives up, if that was sooner, and
/// what follows a failure.
pub fn ways(recipe: &Recipe, once: bool, attempt: &Attempt) -> Vec<String> {
    let late = is_late(recipe, attempt);
    let slow = attempt.ms.map(Duration::from_millis).filter(|_| late).zip(gives_up(Some(recipe)));
    let slow = slow
        .map(|(took, limit)| format!("{limit}; your app took {}: answer first, work later (queue)", text::span(took)));
    let (outcome, got) = match (late, attempt.status, attempt.error.as_deref()) {
        (true, ..) | (_, None, Some("timeout")) => (Outcome::Timeout, "without an answer in time".to_owned()),
        (_, Some(status), None) => (Outcome::Status(status), format!("after {status}")),
        (_, _, Some(_)) => {
            (Outcome::Status(502), "after a 502, which hook gives for an app that does not answer,".to_owned())
        }
        (_, None, None) => return Vec::new(),
    };
    let other = attempt.status.filter(|status| !late && (200..300).contains(status)).and_then(|s| takes(recipe, s));
    let other = other.map(|statuses| format!("{} takes only {statuses} as received", recipe.slug));
    let is_failure = late || !is_good(attempt) || other.is_some();
    let after = is_failure.then(|| Of { recipe, once }.after(outcome, &got));
    slow.into_iter().chain(other).chain(after).collect()
}

impl Of<'_> {
    /// `after 400 stripe sends an event again for up to 3 days`
    fn after(self, outcome: Outcome, got: &str) -> String {
        let name = &self.recipe.slug;
        let known = self.recipe.sender.retries.as_ref().zip(self.sends_again(outcome));
        let Some((retries, again)) = known else {
            return format!("whether {name} sends an event again {got} is not known");
        };
        let (says, hedge) = (sanitize(&retries.value.says), hedge(retries.confirmed));
        match &retries.value.once {
            _ if again => format!("{got} {name} sends an event again {says}{hedge}"),
            Some(what) if self.once => format!("{name} never sends {} again{hedge}", sanitize(what)),
            _ if says == "never" => format!("{name} never sends an event again{hedge}"),
            _ => format!("{got} {name} does not send an event again{hedge}"),
        }
    }
}

fn is_late(recipe: &Recipe, attempt: &Attempt) -> bool {
    let took = attempt.ms.map(Duration::from_millis).unwrap_or_default();
    recipe.sender.time_limit.as_ref().is_some_and(|limit| took > limit.value)
}

/// What it takes as received, when this 2xx is not among it.
fn takes(recipe: &Recipe, status: u16) -> Option<String> {
    let fact = recipe.sender.success.as_ref().filter(|_| recipe.sender.is_success(status) == Some(false))?;
    Some(fact.value.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "))
}

/// It has a 2xx of hook's own, so what the app says now does not reach it.
fn then_queued(recipe: &Recipe) -> Option<String> {
    let took_it = recipe.sender.is_success(200) == Some(true);
    took_it.then(|| format!("{} got 200 from hook, so it will not send it again", recipe.slug))
}

fn redirects(recipe: &Recipe) -> Option<String> {
    let fact = recipe.sender.redirects.as_ref()?;
    let does = if fact.value { "follows redirects; hook does not" } else { "does not follow redirects" };
    Some(format!("{} {does}{}", recipe.slug, hedge(fact.confirmed)))
}

fn hedge(confirmed: bool) -> &'static str {
    if confirmed { "" } else { HEDGE }
}

#[cfg(test)]
mod tests;
