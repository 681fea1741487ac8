//! The provider as a sender: how long it waits, what it takes for success, what it does after a failure. In words that promise
//! nothing that its recipe does not state, and say so where the recipe only has it from hearsay.

use std::time::Duration;

use hook_providers::{Fact, Outcome, Recipe};

use crate::activity::Heard;
use crate::journal::{Attempt, EventRow};
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

/// Judges an attempt. Only those whose sender waits for the answer, or did, are any business of the sender.
pub fn judge(recipe: Option<&Recipe>, row: &EventRow, attempt: &Attempt, heard: Heard) -> Judgement {
    if attempt.kind == "replay" || attempt.kind == "edit" {
        return Judgement::default();
    }
    if let Some(recipe) = recipe.filter(|_| row.is_question()) {
        return judge_question(recipe, attempt, heard);
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
    let took = attempt.ms.map(Duration::from_millis).unwrap_or_default();
    let late = live && recipe.sender.time_limit.as_ref().is_some_and(|limit| took > limit.value);
    let outcome = if late { Some(Outcome::Timeout) } else { got };
    let success = outcome.and_then(|outcome| success(recipe, outcome));
    let sends_again = match success {
        Some(true) => Some(false),
        _ => outcome.and_then(|outcome| sends_again(recipe, outcome)),
    };
    let answered = attempt.status.filter(|_| live);
    let takes = answered.filter(|status| !late && (200..300).contains(status)).and_then(|status| takes(recipe, status));
    let warning = match (&takes, answered) {
        (_, Some(_)) if late => too_late(recipe),
        (Some(statuses), Some(status)) => Some(not_taken(recipe, statuses, status)),
        _ => None,
    };
    let then = match (heard, got) {
        _ if late && attempt.status.is_some() || success == Some(true) => None,
        (Heard::Queued, _) if !is_good(attempt) => then_queued(recipe),
        (Heard::App, Some(got)) if !is_good(attempt) => Some(then_got(recipe, got, "")),
        (Heard::BadGateway, Some(got)) => Some(then_got(recipe, got, " got 502")),
        _ => None,
    };
    let redirects = attempt.status.filter(|status| (300..400).contains(status)).and_then(|_| redirects(recipe));
    Judgement { success, late, sends_again, warning, takes, then, redirects }
}

/// A question is asked until it is answered, or not again; what is known of retries is about events.
fn judge_question(recipe: &Recipe, attempt: &Attempt, heard: Heard) -> Judgement {
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

fn is_good(attempt: &Attempt) -> bool {
    attempt.error.is_none() && attempt.status.is_some_and(|s| (200..300).contains(&s))
}

fn success(recipe: &Recipe, outcome: Outcome) -> Option<bool> {
    match outcome {
        Outcome::NoConnection | Outcome::Timeout => Some(false),
        Outcome::Status(status) => recipe.sender.is_success(status),
    }
}

/// Recipes list failures that are retried. Of a 2xx that is none to its provider, and of statuses that no list has, they say nothing.
fn sends_again(recipe: &Recipe, outcome: Outcome) -> Option<bool> {
    let again = recipe.sender.sends_again(outcome)?;
    let never = recipe.sender.retries.as_ref().is_some_and(|fact| fact.value.says == "never");
    let listed = !matches!(outcome, Outcome::Status(status) if !(300..600).contains(&status));
    (again || never || listed).then_some(again)
}

/// What it takes as received, when this 2xx is not among it.
fn takes(recipe: &Recipe, status: u16) -> Option<String> {
    let fact = recipe.sender.success.as_ref().filter(|_| recipe.sender.is_success(status) == Some(false))?;
    Some(fact.value.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "))
}

fn not_taken(recipe: &Recipe, statuses: &str, status: u16) -> String {
    let confirmed = recipe.sender.success.as_ref().is_some_and(|fact| fact.confirmed);
    and_then(recipe, &format!("takes only {statuses} as received"), confirmed, Outcome::Status(status))
}

fn too_late(recipe: &Recipe) -> Option<String> {
    let limit = recipe.sender.time_limit.as_ref()?;
    let what = format!("gives up at {}", text::span(limit.value));
    Some(and_then(recipe, &what, limit.confirmed, Outcome::Timeout))
}

/// What a provider does, and whether it sends again.
fn and_then(recipe: &Recipe, what: &str, confirmed: bool, outcome: Outcome) -> String {
    let (again, sure) = match (&recipe.sender.retries, sends_again(recipe, outcome)) {
        (Some(retries), Some(true)) => (" and sends again", retries.confirmed),
        (Some(retries), Some(false)) => (" and does not send again", retries.confirmed),
        _ => ("", true),
    };
    format!("{} {what}{again}{}", recipe.slug, hedge(confirmed && sure))
}

/// What it does after this answer. `before` is what else is said of it.
fn then_got(recipe: &Recipe, got: Outcome, before: &str) -> String {
    let name = &recipe.slug;
    let and = if before.is_empty() { "" } else { " and" };
    let known = recipe.sender.retries.as_ref().zip(sends_again(recipe, got));
    match known {
        Some((retries, again)) => format!("{name}{before}{and} {}", again_words(retries, again, got)),
        None if before.is_empty() => format!("whether {name} tries again is not known"),
        None => format!("{name}{before}; whether it tries again is not known"),
    }
}

fn again_words(retries: &Fact<hook_providers::Retries>, again: bool, got: Outcome) -> String {
    let says = sanitize(&retries.value.says);
    let hedge = hedge(retries.confirmed);
    match (again, got) {
        // The phrase is about several kinds of events, and some of them are not sent again.
        (true, _) if says.contains("never") => format!("may send it again: {says}{hedge}"),
        (true, _) => format!("will send it again {says}{hedge}"),
        (false, Outcome::Status(status)) if says != "never" => format!("will not send it again after {status}{hedge}"),
        (false, _) => format!("will not send it again{hedge}"),
    }
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
