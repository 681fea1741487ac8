//! What the app saw of an event and answered, and what that tells about why.

use std::sync::OnceLock;

use hook_providers::{Recipe, Request, Rewriting, State, answer_handshake, rewritings, verify};
use serde::Deserialize;

use super::answer::{first_line, is_csrf, is_host_check};
use super::finding::{Finding, named};
use super::framework::{self, Framework};
use super::meaning::{Answer, Meaning, Telling, meaning, took_forged, took_wrong};
use crate::journal::{Attempt, Signing};
use crate::provider::{Case, sender};
use crate::sanitize::sanitize;

/// The attempt that is looked at, and what it tells.
pub struct Seen {
    pub attempt: Attempt,
    /// The first text of the answer.
    pub first_line: String,
    pub framework: Option<&'static Framework>,
    /// The app's answer is a refusal, as of a signature.
    pub refused: bool,
    pub meaning: Meaning,
    /// What the other attempts tell.
    pub besides: Vec<String>,
    /// What it may have been, what was computed first.
    pub causes: Vec<Cause>,
    /// What its sender does with such an app.
    pub sender: Vec<String>,
}

/// Why the app answered as it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub code: String,
    pub says: String,
    /// It was computed or said by the app; otherwise it is what it usually is.
    pub certain: bool,
    pub fix: Fix,
}

/// What of a framework's knowledge mends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fix {
    /// The bytes as they came.
    Bytes,
    /// The URL as the sender called it.
    Proxy,
    /// The fields of the body, where those are what is signed.
    Fields,
    /// A route that is left out of the check of forms.
    Csrf,
    Nothing,
}

/// The code of what libraries say of a timestamp.
const STALE: &str = "stale";
/// Only this much of an answer is read.
const READ: usize = 64 * 1024;

/// One of `answers.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    words: Vec<String>,
    code: String,
    says: String,
}

#[derive(Deserialize)]
struct File {
    answer: Vec<Known>,
}

fn known_answers() -> &'static [Known] {
    static ALL: OnceLock<Vec<Known>> = OnceLock::new();
    ALL.get_or_init(|| toml::from_str::<File>(include_str!("answers.toml")).map(|f| f.answer).unwrap_or_default())
}

/// Whether an answer is a refusal, as of a signature: by its status, or by the words of a library that verifies.
pub fn is_refusal(status: u16, answer: &[u8]) -> bool {
    matches!(status, 400 | 401 | 403) || status >= 400 && known_answer(answer).is_some()
}

/// Whether a library says that it found the timestamp too old, or ahead.
pub fn is_stale(answer: &[u8]) -> bool {
    known_answer(answer).is_some_and(|known| known.code == STALE)
}

fn known_answer(answer: &[u8]) -> Option<&'static Known> {
    let text = String::from_utf8_lossy(&answer[..answer.len().min(READ)]);
    known_answers().iter().find(|known| known.words.iter().any(|word| text.contains(word.as_str())))
}

impl Seen {
    /// `finding` is about the event as it came; the answers are those of the last attempt, and of a forged one.
    pub fn of(case: &Case<'_>, finding: &Finding, telling: Telling, answer: &[u8], to_forged: &[u8]) -> Self {
        let attempt = telling.last;
        // What is known of retries is about events, not about questions.
        let is_event = |recipe: &&Recipe| answer_handshake(recipe, case.request, &case.known, 0).is_none();
        let mut seen = Self {
            first_line: first_line(&attempt, answer),
            framework: framework::of_answer(&attempt, answer),
            refused: false,
            meaning: Meaning::Nothing,
            besides: Vec::new(),
            causes: Vec::new(),
            sender: case
                .recipe
                .filter(is_event)
                .map(|recipe| sender::ways(recipe, case.event.once, &attempt))
                .unwrap_or_default(),
            attempt,
        };
        match seen.apart_from_signatures(answer) {
            Some(cause) => seen.causes.push(cause),
            None => seen.judge(case, finding, answer),
        }
        if let Some((came, status)) = telling.as_it_came.and_then(|came| came.status.map(|status| (came, status))) {
            seen.besides.push(format!("as it came it got {status} (attempt {})", came.n));
            if meaning(finding.verdict(), None, Answer::of(&came, b"")) == Meaning::TookWrong {
                seen.causes.push(taken(finding, finding.verdict()));
            }
        }
        if let Some(forged) = telling.forged {
            let n = forged.n;
            match meaning(finding.verdict(), forged.signing.as_ref(), Answer::of(&forged, to_forged)) {
                Meaning::TookForged(part) => {
                    let says = format!("{} (attempt {n})", took_forged(part));
                    seen.causes.push(cause("taken_forged", says, true, Fix::Nothing));
                }
                Meaning::RefusedForged => {
                    seen.besides.push(format!("attempt {n} was forged, and your app refused it, as it should"));
                }
                _ => {}
            }
        }
        seen
    }

    /// What the answer tells of what was sent.
    fn judge(&mut self, case: &Case<'_>, finding: &Finding, answer: &[u8]) {
        let status = self.attempt.status.unwrap_or_default();
        let got = Answer::of(&self.attempt, answer);
        let verdict = sent(case, finding, &self.attempt);
        self.refused = got == Answer::Refused;
        self.meaning = meaning(&verdict, self.attempt.signing.as_ref(), got);
        if got == Answer::Other {
            let says = format!("your app answered {status}, which says nothing of the signature");
            self.causes.push(cause("app_error", says, true, Fix::Nothing));
        }
        let said = known_answer(answer).filter(|_| self.refused && self.meaning != Meaning::RefusedForged);
        if let Some(said) = said {
            let fix = if said.code == "body_parsed" { Fix::Bytes } else { Fix::Nothing };
            self.causes.push(cause(&said.code, said.says.clone(), true, fix));
        }
        match self.meaning {
            // A question needs no signature.
            Meaning::TookWrong if verdict == "unsigned" && is_question(case, self.attempt.started_at) => {}
            Meaning::TookWrong => self.causes.push(taken(finding, &verdict)),
            Meaning::TookForged(part) => {
                self.causes.push(cause("taken_forged", took_forged(part), true, Fix::Nothing));
            }
            // It was right when it came, and too old when it was sent.
            Meaning::RefusedWrong if finding.is_valid() => self.causes.extend(as_sent(case, &self.attempt)),
            // Of a signature that it finds too old neither the bytes nor the secret are wrong.
            Meaning::RefusedRight | Meaning::RefusedAnew if said.is_none_or(|said| said.code != STALE) => {
                self.refused_though_valid(case, finding);
            }
            _ => {}
        }
    }

    /// The answers that have their cause whatever the signature.
    fn apart_from_signatures(&self, answer: &[u8]) -> Option<Cause> {
        let target = &self.attempt.target;
        if let Some(error) = &self.attempt.error {
            let detail = self.attempt.detail.as_deref().unwrap_or(error);
            return Some(cause(error, format!("your app gave no answer: {detail}"), true, Fix::Nothing));
        }
        let Some(status) = self.attempt.status else {
            return Some(cause("running", "the attempt has not ended", true, Fix::Nothing));
        };
        let found = match status {
            300..=399 => cause("redirect", "your app redirects, and providers do not follow", true, Fix::Nothing),
            401 | 403 | 419 if is_csrf(&self.attempt, answer) => {
                cause("csrf", "your app refused it as a browser form (CSRF check)", true, Fix::Csrf)
            }
            400 | 403 if is_host_check(answer) => {
                cause("host_check", "your dev server refuses the Host header", true, Fix::Nothing)
            }
            404 | 405 => cause("no_route", format!("your app has no such route: {target}"), true, Fix::Nothing),
            413 => cause("too_large", "the body is too large for your app", true, Fix::Nothing),
            415 => cause("content_type", "your app does not take this content type here", true, Fix::Nothing),
            _ => return None,
        };
        Some(found)
    }

    fn refused_though_valid(&mut self, case: &Case<'_>, finding: &Finding) {
        // What hook signed is right where it was sent to.
        let came = (self.attempt.signing.is_none()).then(|| as_sent(case, &self.attempt)).flatten();
        if let Some(other) = came {
            self.causes.push(other);
            return;
        }
        if self.causes.iter().any(|c| matches!(c.code.as_str(), "body_parsed" | "header_missing" | "secret_unset")) {
            return;
        }
        let secrets: Vec<String> = case.secrets.iter().map(named).collect();
        let mut other = format!("the app holds another secret than {}", secrets.join(", "));
        if let Some(Signing::AnewFor(url)) = &self.attempt.signing {
            let says = format!(
                "your app verifies for another URL than {}, for which hook signed it anew: hook listen … --app-url URL says which",
                sanitize(url)
            );
            self.causes.push(cause("url_differs", says, false, Fix::Nothing));
        }
        if finding.signature.fields {
            return self.causes.push(cause("other_secret", other, false, Fix::Nothing));
        }
        match parsed_first(case, self.framework) {
            Ok(says) => self.causes.push(cause("body_parsed", says, false, Fix::Bytes)),
            Err(not) => other.push_str(&format!(" ({not})")),
        }
        self.causes.push(cause("other_secret", other, false, Fix::Nothing));
    }
}

fn cause(code: &str, says: impl Into<String>, certain: bool, fix: Fix) -> Cause {
    Cause { code: code.to_owned(), says: says.into(), certain, fix }
}

fn taken(finding: &Finding, verdict: &str) -> Cause {
    let follows = took_wrong(verdict, finding.signature.reason.as_deref());
    cause("taken_unverified", format!("your app took it as it came all the same: {follows}"), true, Fix::Nothing)
}

/// The verdict on the signature that came, when an attempt was made with it: meanwhile it may have grown old.
fn sent(case: &Case<'_>, finding: &Finding, attempt: &Attempt) -> String {
    let then = case.recipe.filter(|_| finding.is_valid());
    let then = then.map(|recipe| verify(recipe, case.request, &case.known, attempt.started_at).state);
    let is_stale = then == Some(State::Stale);
    if is_stale { State::Stale.word().to_owned() } else { finding.verdict().to_owned() }
}

fn is_question(case: &Case<'_>, now_ms: u64) -> bool {
    case.recipe.is_some_and(|recipe| answer_handshake(recipe, case.request, &case.known, now_ms).is_some())
}

/// Whether what was sent to the app verifies there: at its own URL, with the fields that it got, at that time.
fn as_sent(case: &Case<'_>, attempt: &Attempt) -> Option<Cause> {
    let recipe = case.recipe.filter(|_| !attempt.request.is_empty())?;
    let headers: Vec<(&str, &[u8])> = attempt.request.iter().map(|h| (h.name.as_str(), &*h.value)).collect();
    let request = Request::new(case.request.method, &attempt.target, &headers, case.request.body);
    let verdict = verify(recipe, &request, &case.known, attempt.started_at);
    match verdict.state {
        State::Stale => {
            Some(cause(STALE, format!("when it was sent to your app, {}", verdict.reason), true, Fix::Nothing))
        }
        State::Unsigned | State::Malformed => {
            Some(cause("header_missing", format!("what your app got has {}", verdict.reason), true, Fix::Nothing))
        }
        State::Invalid if recipe.signs_url() => {
            let says = format!(
                "the URL is signed: it verifies for {}, but your app sees {}",
                case.request.url, attempt.target
            );
            Some(cause("url_differs", says, true, Fix::Proxy))
        }
        _ => None,
    }
}

/// That a handler which parses first, and verifies what it writes again, would refuse this body; or why it would not.
fn parsed_first(case: &Case<'_>, framework: Option<&Framework>) -> Result<String, String> {
    let always = Ok("the body was parsed before verifying".to_owned());
    let is_json = case.request.body.trim_ascii_start().starts_with(b"{");
    let by = match (framework.map(|f| f.language.as_str()), is_json) {
        (Some("javascript"), true) => "JSON.stringify",
        (Some("python"), true) => "json.dumps of Python",
        (Some("php"), true) => "json_encode of PHP",
        (Some("ruby"), true) => "to_json of Rails",
        (Some("go"), true) => "json.Marshal of Go",
        (Some("javascript"), false) => "as browsers write it",
        (Some("python" | "php"), false) => "as Python and PHP write it",
        _ => return always,
    };
    let is_form = case.request.headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("content-type") && value.starts_with(b"application/x-www-form-urlencoded")
    });
    if !is_json && !is_form {
        return always;
    }
    let writer = if is_json { by } else { "the form writer of its language" };
    let written: Vec<Rewriting> = rewritings(case.request);
    match written.iter().find(|w| w.by == by) {
        None => Err(format!("it is not the parsing: {writer} would write this very body again")),
        Some(other) => {
            let (new, old) = (other.body.len(), case.request.body.len());
            let sizes = if new == old { String::new() } else { format!(" ({new}, not the {old} that came)") };
            Ok(format!("the body was parsed before verifying: {writer} would write other bytes{sizes}"))
        }
    }
}
