//! The relay: whether it is there, takes events, knows us, speaks our version, and lets a session through.
//!
//! Only the relay that the person named is asked. Where it says that senders reach it is shown and not tried: a relay must not
//! choose what this machine connects to.

use std::time::{Duration, Instant};

use hook_proto::wire;
use http::header;
use serde::Deserialize;

use super::{Finding, Subject};
use crate::config::{self, Credentials, ProjectFile};
use crate::failure::Failure;
use crate::session::{self, DialError, Relay};
use crate::{platform, text};

/// What the checks that follow want to know.
pub enum Reached {
    Embedded,
    Answered { clock_is_off_by: Option<i64> },
    No,
}

impl Reached {
    /// Milliseconds by which this machine's clock is ahead of the relay's, give or take a second.
    pub fn clock_is_off_by(&self) -> Option<i64> {
        if let Self::Answered { clock_is_off_by } = self { *clock_is_off_by } else { None }
    }
}

/// The tokens that `hook login` keeps.
pub fn login(tell: &mut dyn FnMut(Finding)) {
    let path = Credentials::path();
    let from_environment = std::env::var("HOOK_TOKEN").is_ok_and(|t| !t.trim().is_empty());
    if platform::is_private(&path).is_ok_and(|private| !private) {
        return tell(readable(&path.display().to_string()));
    }
    tell(match Credentials::read() {
        Ok(credentials) => tokens(credentials.tokens.len() as u64, from_environment),
        Err(failure) => failed("login", &failure, "hook logout --all, then hook login URL"),
    });
}

fn readable(path: &str) -> Finding {
    let next = format!("chmod 600 {}", text::shell_word(path));
    Finding::bad("login", "others on this machine can read your tokens", next)
}

fn tokens(kept: u64, from_environment: bool) -> Finding {
    let words = match (kept, from_environment) {
        (0, false) => "not logged in to a relay".to_owned(),
        (0, true) => "a token in HOOK_TOKEN".to_owned(),
        (n, false) => format!("{} kept", text::count(n, "token")),
        (n, true) => format!("a token in HOOK_TOKEN, which stands above the {n} kept"),
    };
    Finding::good("login", words).fact("tokens", kept).fact("from_environment", from_environment)
}

fn failed(check: &'static str, failure: &Failure, otherwise: &str) -> Finding {
    let next = failure.next.first().filter(|n| *n != "hook doctor").map_or(otherwise, String::as_str);
    Finding::bad(check, &failure.what, next)
}

pub async fn check(subject: &Subject, tell: &mut dyn FnMut(Finding)) -> Reached {
    let file = match ProjectFile::read(&subject.project) {
        Ok(file) => file,
        Err(failure) => {
            tell(failed("hook.toml", &failure, "correct that line"));
            return Reached::No;
        }
    };
    let relay = match config::relay(None, file.as_ref()) {
        Ok(Some((relay, _))) => relay,
        Ok(None) => {
            let words = "embedded in hook listen; reachable from this machine only";
            tell(Finding::good("relay", words).fact("url", "embedded"));
            return Reached::Embedded;
        }
        Err(failure) => {
            tell(failed("relay", &failure, "hook listen --relay https://…"));
            return Reached::No;
        }
    };
    let (sent, begun) = (platform::now_ms(), Instant::now());
    let answer = match session::get(&relay, "/_hook/whoami").await {
        Ok(answer) => answer,
        Err(error) => {
            tell(unreachable(&relay, &error.into_failure(&relay)));
            return Reached::No;
        }
    };
    let took = begun.elapsed();
    let who = serde_json::from_str::<Who>(answer.body());
    match who {
        _ if answer.status() != http::StatusCode::OK => {
            tell(unreachable(&relay, &session::answered(&relay, answer.status(), None).into_failure(&relay)));
            return Reached::No;
        }
        Err(_) => {
            tell(no_relay(&relay.url()));
            return Reached::No;
        }
        Ok(who) => known(&relay.url(), &who, took).into_iter().for_each(&mut *tell),
    }
    if let Ok(ready) = session::get(&relay, "/_hook/ready").await
        && ready.status() != http::StatusCode::OK
    {
        tell(not_ready(&relay.url(), ready.body()));
    }
    tell(opened(&relay.url(), open(&relay).await));
    let date = answer.headers().get(header::DATE).and_then(|v| v.to_str().ok()).and_then(text::http_date);
    Reached::Answered { clock_is_off_by: date.map(|date| ahead_of(date, sent, took)) }
}

/// A relay names whole seconds, so half of one is the best guess; it looked at its clock about halfway through.
fn ahead_of(date: u64, sent: u64, took: Duration) -> i64 {
    let here = i64::try_from(sent).unwrap_or(i64::MAX).saturating_add((took.as_millis() / 2) as i64);
    here.saturating_sub(i64::try_from(date).unwrap_or(i64::MAX)).saturating_sub(500)
}

/// What a relay says of itself at `/_hook/whoami`.
#[derive(Debug, Clone, Deserialize)]
struct Who {
    relay: String,
    protocol: u32,
    public_url: String,
}

fn unreachable(relay: &Relay, failure: &Failure) -> Finding {
    failed("relay", failure, &format!("curl {}/_hook/health", relay.url())).fact("url", relay.url())
}

fn no_relay(url: &str) -> Finding {
    Finding::bad("relay", format!("{url} is not a hook relay"), "check the URL; a relay answers ok at /_hook/health")
        .fact("url", url)
}

/// It answered and knows us.
fn known(url: &str, who: &Who, took: Duration) -> Vec<Finding> {
    let words = format!("{url} answers and knows us ({})", text::span(took));
    let mut all = vec![Finding::good("relay", words).fact("url", url).fact("ms", took.as_millis() as u64)];
    let finding = if who.protocol == wire::VERSION {
        Finding::good("protocol", format!("version {}, with {}", who.protocol, short(&who.relay)))
    } else {
        let words =
            format!("the relay ({}) speaks version {}, this hook {}", short(&who.relay), who.protocol, wire::VERSION);
        Finding::bad("protocol", words, "install the hook of the relay's version; hook --version says this one's")
    };
    all.push(
        finding.fact("relay", short(&who.relay)).fact("relay_protocol", who.protocol).fact("protocol", wire::VERSION),
    );
    if let Ok(public) = who.public_url.parse::<Relay>()
        && public.url() != url
    {
        let words = format!("senders use {0}, which was not tried: curl {0}/_hook/health", public.url());
        all.push(Finding::good("public", words).fact("public_url", public.url()));
    }
    all
}

fn not_ready(url: &str, said: &str) -> Finding {
    let said = short(said.trim_start_matches("hook:").trim());
    let why = if said.is_empty() { "it does not say why".to_owned() } else { said };
    Finding::bad("ready", format!("{url} takes no events just now: {why}"), "look at the relay's log, on its machine")
        .fact("url", url)
}

/// How others name themselves has an end here.
fn short(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

/// Opens a session and lets it go before it has asked for anything.
async fn open(relay: &Relay) -> Result<Duration, String> {
    let begun = Instant::now();
    let mut socket = session::dial(relay).await.map_err(|error| match error {
        DialError::Unreachable { detail, .. } => detail,
        DialError::Refused(failure) => failure.what,
    })?;
    let took = begun.elapsed();
    // It did open; how it ends does not matter.
    let _ = tokio::time::timeout(Duration::from_secs(1), socket.close(None)).await;
    Ok(took)
}

fn opened(url: &str, outcome: Result<Duration, String>) -> Finding {
    match outcome {
        Ok(took) => Finding::good("session", format!("a websocket gets through ({})", text::span(took)))
            .fact("ms", took.as_millis() as u64),
        Err(why) => Finding::bad(
            "session",
            format!("{url} answers, but no session opens: {why}"),
            "let what stands before the relay pass websockets: docs/self-hosting.md",
        )
        .fact("url", url),
    }
}

#[cfg(test)]
pub mod tests {
    use super::super::State;
    use super::*;

    const URL: &str = "https://hooks.example.com";

    fn who(protocol: u32, public_url: &str) -> Who {
        Who { relay: "hook 0.1.0".into(), protocol, public_url: public_url.into() }
    }

    pub fn all() -> Vec<Finding> {
        let relay: Relay = URL.parse().unwrap();
        let answered = |status| session::answered(&relay, status, None).into_failure(&relay);
        let with = Relay { token: Some("hk_secret".into()), ..relay.clone() };
        let revoked = session::answered(&with, http::StatusCode::UNAUTHORIZED, None).into_failure(&with);
        let took = Duration::from_millis(12);
        let blocked = "it does not answer as a hook relay does".to_owned();
        let mut all = vec![
            tokens(0, false),
            tokens(1, false),
            tokens(2, true),
            readable("/home/u/.config/hook/credentials.toml"),
            unreachable(&relay, &answered(http::StatusCode::UNAUTHORIZED)),
            unreachable(&with, &revoked),
            unreachable(&relay, &answered(http::StatusCode::NOT_FOUND)),
            unreachable(&relay, &answered(http::StatusCode::BAD_GATEWAY)),
            no_relay(URL),
            not_ready(URL, "hook: the disk is full; new events are refused.\n"),
            opened(URL, Ok(took)),
            opened(URL, Err(blocked)),
        ];
        all.extend(known("http://10.0.0.7:8080", &who(wire::VERSION, URL), took));
        all.extend(known(URL, &who(99, URL), took));
        all
    }

    #[test]
    fn no_secret_is_told() {
        assert!(all().iter().all(|f| !format!("{f:?}").contains("hk_secret")));
    }

    #[test]
    fn a_public_url_that_is_none_is_not_shown() {
        let found = known(URL, &who(wire::VERSION, "https://x; rm -rf ~"), Duration::ZERO);
        assert_eq!(
            found.iter().map(|f| (f.check, f.state)).collect::<Vec<_>>(),
            [("relay", State::Good), ("protocol", State::Good)]
        );
    }

    #[test]
    fn the_clocks_are_compared_at_the_same_moment() {
        // Asked at 10.0 s, answered 4 s later; the relay's clock said 12.x.
        assert_eq!(ahead_of(12_000, 10_000, Duration::from_secs(4)), -500);
        assert_eq!(ahead_of(0, 3_600_000, Duration::ZERO), 3_599_500);
        assert_eq!(ahead_of(u64::MAX, 0, Duration::ZERO), i64::MIN);
    }
}
