//! What an ended attempt means and what to do next, in the words of ux §1.3 and §1.5.

mod signature;

use std::time::Duration;

use crate::activity::{Handshake, Heard};
use crate::autopsy::answer::{first_line, header, is_csrf, is_host_check, path_of, resolve};
use crate::autopsy::app::is_refusal;
use crate::journal::{Attempt, EventRow, Signing, State};
use crate::provider::check::Handed;
use crate::provider::sender::Judgement;
use crate::sanitize::sanitize;
use crate::target::Target;
use crate::text;

/// One fact, what the sender does now, and exactly one thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    pub fact: String,
    pub then: Option<String>,
    pub next: String,
    /// The next step is one that can always be taken: whatever else is said about the event has a better one.
    pub general: bool,
}

impl Advice {
    pub fn new(fact: impl Into<String>, next: impl Into<String>) -> Self {
        Self { fact: fact.into(), then: None, next: next.into(), general: false }
    }
}

/// The one thing to do about an event of which all this is said.
pub fn next(all: &[Advice]) -> Option<&str> {
    all.iter().find(|advice| !advice.general).or(all.first()).map(|advice| advice.next.as_str())
}

fn is_good(attempt: &Attempt) -> bool {
    attempt.status.is_some_and(|status| (200..300).contains(&status))
}

/// `None` for an answer that looks like success to what is signed right, and for a forged event that was refused.
pub fn on(row: &EventRow, attempt: &Attempt, body: &[u8], heard: Heard, judgement: &Judgement) -> Option<Advice> {
    let seq = row.seq;
    let then = || judgement.then.as_ref().map(|then| format!("{then}."));
    let advice = |fact: String, next: String| Some(Advice { then: then(), ..Advice::new(fact, next) });
    let detail = attempt.detail.as_deref().unwrap_or("no answer");
    match attempt.error.as_deref() {
        None => {}
        // hook answered in the app's place, which is all that the sender wanted.
        Some("connection_refused" | "unreachable" | "connect_timeout" | "no_host" | "tls")
            if row.state == State::Handshake =>
        {
            return None;
        }
        Some("connection_refused" | "unreachable" | "connect_timeout" | "no_host" | "tls") => {
            let then = match heard {
                Heard::Queued => "The sender got 200 from hook; it is forwarded when your app is up.".to_owned(),
                _ => then().unwrap_or_default(),
            };
            let next = match heard {
                Heard::Queued => "start your app; hook sees it by itself".to_owned(),
                _ => format!("start your app, then hook replay {seq}"),
            };
            let fact = format!("not delivered: {detail}. {then}").trim_end().to_owned();
            return Some(Advice::new(fact, next));
        }
        Some("certificate") => {
            return advice(
                format!("not delivered: {detail}."),
                format!("hook listen … --insecure (for an app of your own), then hook replay {seq}"),
            );
        }
        Some("plain_http") => {
            let target = attempt.target.replacen("https://", "http://", 1);
            return advice(format!("{detail}."), format!("hook listen --forward-to {}", shown_url(&target)));
        }
        Some("closed" | "reset") => {
            return advice(
                "your app closed the connection before answering (did it crash or reload?)".into(),
                format!("look at your app's log, then hook replay {seq}"),
            );
        }
        Some("answer_broken") => {
            let what =
                format!("your app broke its answer off after {} (did it crash or reload?)", text::size(attempt.size));
            return advice(what, format!("look at your app's log, then hook replay {seq}"));
        }
        Some("timeout") => {
            return advice(format!("{detail} (--timeout)."), "answer first, work later (queue)".into());
        }
        Some(_) => return advice(format!("{}.", sanitize(detail)), format!("hook show {seq}")),
    }
    match on_status(row, attempt, body, judgement) {
        Some((fact, next)) => advice(fact, next),
        None if is_good(attempt) => signature::on_taken(row, attempt, body),
        None => on_failure(row, attempt, body, judgement).map(|failure| Advice { then: then(), ..failure }),
    }
}

/// The answers that have a meaning of their own.
fn on_status(row: &EventRow, attempt: &Attempt, body: &[u8], judgement: &Judgement) -> Option<(String, String)> {
    let seq = row.seq;
    let status = attempt.status?;
    let path = path_of(&attempt.target);
    Some(match status {
        200..=299 => return None,
        301 | 302 | 303 | 307 | 308 => {
            let location = header(attempt, "location").unwrap_or_default();
            let url = resolve(&attempt.target, &location);
            let follows = judgement.redirects.as_deref().unwrap_or("Providers do not follow redirects");
            match url.is_empty() {
                true => (format!("your app redirects, and does not say where. {follows}."), format!("hook show {seq}")),
                false => (
                    format!("your app redirects to {}. {follows}.", sanitize(&url)),
                    format!("hook listen --forward-to {}", shown_url(&url)),
                ),
            }
        }
        401 | 403 if is_csrf(attempt, body) => (
            "your app refused it as a browser form (CSRF check).".to_owned(),
            format!("exempt this route from the CSRF check, then hook replay {seq}"),
        ),
        400 | 403 if is_host_check(body) => (
            "your dev server refuses the Host header.".to_owned(),
            format!("hook listen … --host-header {}", host_of(&attempt.target)),
        ),
        404 | 405 => {
            let fact = format!("no {} route {} in your app.", sanitize(&row.head.method), sanitize(&path));
            (fact, format!("check the path: hook listen --forward-to {}/<path>", host_of(&attempt.target)))
        }
        413 => (
            format!("body too large for your app ({})", text::size(row.size)),
            format!("raise your app's body limit, then hook replay {seq}"),
        ),
        415 => {
            let kind = row.content_type.as_deref().unwrap_or("a body without Content-Type");
            (
                format!("your app does not take {} here", sanitize(kind)),
                format!("add a parser for it, then hook replay {seq}"),
            )
        }
        _ => return signature::on_refusal(row, attempt, body),
    })
}

/// Any other answer that is no success.
fn on_failure(row: &EventRow, attempt: &Attempt, body: &[u8], judgement: &Judgement) -> Option<Advice> {
    let (seq, status) = (row.seq, attempt.status?);
    let is_forged = attempt.signing.as_ref().is_some_and(Signing::is_forged);
    if is_forged && is_refusal(status, body) {
        return None;
    }
    let next = match status {
        // Nobody else will send it again.
        _ if judgement.then.is_some() && judgement.sends_again == Some(false) => format!("hook replay {seq}"),
        ..500 => format!("hook show {seq}"),
        _ => format!("fix, then hook replay {seq}"),
    };
    Some(Advice { general: true, ..Advice::new(answered(status, &first_line(attempt, body)), next) })
}

/// What is said when the reply deadline passes. `limit` is when the provider gives up.
pub fn slow(seq: u64, after: Duration, limit: Option<&str>, handshake: bool) -> Advice {
    let got = if handshake { "got hook's answer to its handshake" } else { "got 200 from hook" };
    let then = limit.map_or(format!("The sender {got}"), |limit| format!("{limit}; it {got}"));
    let fact = format!("your app has not answered in {}. {then}, the attempt goes on.", text::span(after));
    Advice::new(fact, answer_first(seq))
}

/// What is said of a handshake besides how its attempt ended.
pub fn on_handshake(row: &EventRow, what: &Handshake) -> Advice {
    let provider = sanitize(row.provider.as_deref().unwrap_or("the sender"));
    let endpoint = sanitize(&row.endpoint);
    let (fact, next) = match what {
        Handshake::Unanswerable { why, param } => (
            format!("{provider} asks for a handshake. If your app does not answer it, hook cannot: {}.", sanitize(why)),
            // Something else may be lacking, or the question is not as its provider asks it.
            if let Some(param) = param {
                format!("hook listen … --provider {provider} --param {}=…", sanitize(param))
            } else if row.verdict.as_deref() == Some("no_secret") || why == "no secret is known" {
                format!("hook secret set {provider}")
            } else {
                format!("hook show {}, then hook providers {provider}", row.seq)
            },
        ),
        Handshake::Secret(handed) => {
            let said = |shown: &str, what: &str| format!("{provider} handed over a secret ({}){what}", sanitize(shown));
            let set = format!(
                "hook secret set {endpoint}/{provider}      (if you registered it just now: hook show {} has it)",
                row.seq
            );
            match handed {
                Handed::Known => {
                    (format!("{provider} handed over a secret that was known."), "hook secret list".to_owned())
                }
                Handed::Kept { shown } => (
                    said(shown, &format!(". It is kept for \"{endpoint}\".")),
                    format!("if you registered nothing just now: hook secret remove {endpoint}/{provider}"),
                ),
                Handed::Unasked { shown } => (said(shown, ". Anybody can send one, so it is not kept."), set),
                Handed::Given { shown } => (said(shown, ". You gave another, so it is not kept."), set),
                Handed::Full { shown } => (
                    said(shown, ". It is not kept: too many came before it."),
                    format!("hook secret remove {endpoint}/{provider}, then register again"),
                ),
            }
        }
        Handshake::SecretLost(why) => (
            format!("{provider} handed over a secret, and it could not be kept: {}", sanitize(why)),
            format!("hook show {}", row.seq),
        ),
    };
    Advice::new(fact, next)
}

/// What to do about an answer that looks like success, and is none to this sender. Of a slow one it was said before.
pub fn on_warning(seq: u64, attempt: &Attempt, heard: Heard, judgement: &Judgement) -> Option<String> {
    judgement.warning.as_ref().filter(|_| is_good(attempt) && heard == Heard::App)?;
    Some(match &judgement.takes {
        Some(statuses) => format!("answer {statuses}, then hook replay {seq}"),
        None => answer_first(seq),
    })
}

/// Whether the app took an event that came without a signature, and that is no question.
pub fn is_unsigned(row: &EventRow, attempt: &Attempt) -> bool {
    let is_unsigned = row.verdict.as_deref() == Some("unsigned") && row.state != State::Handshake;
    is_unsigned && is_good(attempt) && attempt.signing.is_none()
}

fn answer_first(seq: u64) -> String {
    format!("answer first, work later (queue). hook explain {seq}")
}

fn answered(status: u16, said: &str) -> String {
    if said.is_empty() { format!("your app answered {status}.") } else { format!("your app answered {status}: {said}") }
}

fn host_of(url: &str) -> String {
    url.parse::<Target>().map_or_else(|_| url.to_owned(), |t| t.authority())
}

/// A URL as an argument: without `http://`, which is what a person would type; quoted where a shell would read it.
fn shown_url(url: &str) -> String {
    text::shell_word(&sanitize(url.strip_prefix("http://").unwrap_or(url))).into_owned()
}

#[cfg(test)]
mod tests {
    use hook_proto::Header;

    use super::*;

    fn attempt(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Attempt {
        Attempt {
            n: 1,
            kind: "live".into(),
            target: "http://localhost:3000/webhooks/stripe".into(),
            owner: String::new(),
            started_at: 0,
            ended_at: Some(1),
            signing: None,
            request: Vec::new(),
            status: Some(status),
            error: None,
            detail: None,
            ttfb_ms: None,
            ms: Some(1),
            response: headers.iter().map(|(n, v)| Header::new(*n, v.as_bytes().to_vec())).collect(),
            size: body.len() as u64,
            kept: body.len() as u64,
        }
    }

    fn said(status: u16, headers: &[(&str, &str)], body: &str) -> String {
        let row = crate::journal::EventRow::for_test(4, "POST", "/webhooks/stripe");
        match on(&row, &attempt(status, headers, body.as_bytes()), body.as_bytes(), Heard::App, &Judgement::default()) {
            None => "nothing".into(),
            Some(a) => format!("{} | {}", a.fact, a.next),
        }
    }

    #[test]
    fn every_answer_of_the_table_has_its_words() {
        let all = [
            said(200, &[], "ok"),
            said(500, &[], "{\"error\":\"x\"}"),
            said(500, &[("content-type", "text/html")], "<html><title>Oops\x1b[2J</title>"),
            said(302, &[("location", "/webhooks/stripe/")], ""),
            said(403, &[], "CSRF verification failed."),
            said(403, &[], "Blocked host: x"),
            said(404, &[], "Cannot POST"),
            said(413, &[], ""),
            said(422, &[], "\n  bad id  \n"),
            said(500, &[("content-type", "image/png")], "\0\0\0"),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_refused_event_is_told_with_what_is_known_of_its_signature() {
        use crate::provider::Signature;
        let express = [("x-powered-by", "Express")];
        let said = |verdict: &str, signature: Signature, change: fn(&mut Attempt), headers: &[(&str, &str)]| {
            let mut row = crate::journal::EventRow::for_test(3, "POST", "/webhooks/stripe");
            (row.provider, row.verdict) = (Some("stripe".into()), Some(verdict.to_owned()));
            row.signature = Some(Box::new(signature));
            let body = b"Webhook Error: No signatures found\n";
            let mut attempt = attempt(400, headers, body);
            change(&mut attempt);
            let told = on(&row, &attempt, body, Heard::App, &Judgement::default())
                .map(|a| format!("{}\n    next: {}", a.fact, a.next));
            format!("{verdict}\n{}", told.unwrap_or_default())
        };
        let as_it_is = |_: &mut Attempt| {};
        let found = |text: &str| Signature { text: text.into(), age_ms: Some(2000), ..Signature::default() };
        let unknown = Signature {
            reason: Some("unknown".into()),
            next: Some("copy this endpoint's signing secret from the dashboard, then hook secret set stripe".into()),
            ..found("matches none of the secrets hook knows (stripe whsec_…9fQ2)")
        };
        let changed = Signature {
            reason: Some("body_reformatted".into()),
            next: Some("verify the bytes\x1b[2J as they came".into()),
            ..found("the body was changed on the way: it verifies as compact JSON")
        };
        let valid = || Signature { secret: Some("whsec_…9fQ2".into()), ..found("signed with stripe") };
        let anew = |a: &mut Attempt| a.signing = Some(crate::journal::Signing::Anew);
        fn forged(a: &mut Attempt) {
            a.signing = Some(Signing::Forged(crate::provider::Part::Body));
        }
        let taken = |a: &mut Attempt| a.status = Some(200);
        let taken_anew = |a: &mut Attempt| (a.status, a.signing) = (Some(200), Some(Signing::Anew));
        let taken_forged = |a: &mut Attempt| {
            forged(a);
            a.status = Some(200);
        };
        let all = [
            said("invalid", unknown, as_it_is, &express),
            said("invalid", changed, as_it_is, &[]),
            said("invalid", found("matches none of the secrets"), as_it_is, &[]),
            said("valid", valid(), as_it_is, &express),
            said("valid", valid(), as_it_is, &[("server", "Werkzeug/3.1 Python/3.11")]),
            said("valid", valid(), |a| a.status = Some(500), &[]),
            said("valid", valid(), |a| a.status = Some(409), &[]),
            said("stale", found("timestamp is 14 min old; libraries refuse after 5 min"), as_it_is, &[]),
            said("stale", valid(), anew, &[]),
            said("unsigned", found("no Stripe-Signature header"), as_it_is, &[]),
            said("malformed", found("no v1= in the Stripe-Signature header"), as_it_is, &[]),
            said("no_secret", found("no secret is known"), as_it_is, &[]),
            said("invalid", found("no known secret made this signature"), taken, &[]),
            said("stale", found("the signature is right, but its timestamp is 14 min old"), taken, &[]),
            said("malformed", found("no v1= in the Stripe-Signature header"), taken, &[]),
            said("unsigned", found("no Stripe-Signature header"), taken, &[]),
            said("invalid", found("no known secret made this signature"), taken_anew, &[]),
            said("valid", valid(), taken_forged, &[]),
            said("valid", valid(), forged, &[]),
        ];
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
