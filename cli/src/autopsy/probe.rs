//! What does an app really verify? It is sent versions of one event, and what it accepts tells (`infer.rs`).

use bytes::Bytes;
use hook_proto::EventHead;
use hook_providers::{Request, rewritings};

use super::app::is_refusal;
use crate::provider::{Asked, Checker, Decision, Destination, Part, Problem, Rule};

/// No more than so many ways of writing a body are tried.
const REWRITINGS: usize = 8;

/// How a version differs from the event as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    AsReceived,
    /// Signed anew, with a fresh timestamp where there is one.
    Fresh,
    /// The body as this software writes it, signed as such.
    Rewritten(&'static str),
    OtherSecret,
    /// The body was changed after it was signed.
    Forged,
    OldTimestamp,
}

impl What {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::AsReceived => "as_received",
            Self::Fresh => "fresh",
            Self::Rewritten("JSON.stringify") => "canonical_json",
            Self::Rewritten(by) if is_form(by) => "other_form",
            Self::Rewritten(_) => "other_json",
            Self::OtherSecret => "other_secret",
            Self::Forged => "forged_body",
            Self::OldTimestamp => "old_timestamp",
        }
    }

    /// For people.
    pub fn says(self) -> String {
        match self {
            Self::AsReceived => "as received".into(),
            Self::Fresh => "signed anew, now".into(),
            Self::Rewritten(by) => written(by),
            Self::OtherSecret => "signed by another secret".into(),
            Self::Forged => "body changed after signing".into(),
            Self::OldTimestamp => "signed long ago".into(),
        }
    }
}

/// `as JSON.stringify writes it`
pub fn written(by: &str) -> String {
    if is_form(by) { by.to_owned() } else { format!("as {by} writes it") }
}

/// Forms have no names of writers, only ways.
fn is_form(by: &str) -> bool {
    by.starts_with("as ") || by.starts_with("with ")
}

/// One version, ready to be sent.
pub struct Version {
    pub what: What,
    pub sent: Sent,
}

/// A request to the app.
pub struct Sent {
    pub head: EventHead,
    pub body: Bytes,
    pub path: String,
}

/// What an app did with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    Accepted,
    /// As a wrong signature is refused.
    Refused,
    /// Another answer, which says nothing of signatures.
    Other(u16),
    NoAnswer,
}

impl Got {
    pub fn of(status: u16, answer: &[u8]) -> Self {
        match status {
            200..=299 => Self::Accepted,
            _ if is_refusal(status, answer) => Self::Refused,
            _ => Self::Other(status),
        }
    }
}

/// What became of a version.
#[derive(Debug, Clone)]
pub struct Tried {
    pub what: What,
    pub got: Got,
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
    pub ms: Option<u64>,
}

/// All versions that can be made of an event, in the order in which they tell most. `language` is that of the app, if it is known:
/// what it writes comes first.
pub fn versions(
    checker: &Checker,
    asked: Asked<'_>,
    to: Destination<'_>,
    language: Option<&str>,
    now_ms: u64,
) -> Result<Vec<Version>, Problem> {
    let version = |what, head: &EventHead, body: &[u8], path: Option<String>| Version {
        what,
        sent: Sent {
            head: head.clone(),
            body: Bytes::copy_from_slice(body),
            path: path.unwrap_or_else(|| to.path.to_owned()),
        },
    };
    let mut all = vec![version(What::AsReceived, asked.head, asked.body, None)];
    let rule = match checker.signer(asked) {
        None => Rule::Always,
        by => Rule::Edited(by),
    };
    let mut signed = |what, body: &[u8], rule: &Rule| -> Result<(), Problem> {
        match checker.resign(Asked { body, ..asked }, to, rule, now_ms) {
            Decision::Resigned(it) => {
                all.push(version(what, &it.head, it.body.as_deref().unwrap_or(body), it.path));
                Ok(())
            }
            Decision::Problem(problem) => Err(problem),
            Decision::AsItCame => Ok(()),
        }
    };
    signed(What::Fresh, asked.body, &Rule::Always)?;
    for (by, body) in rewritten(checker, asked, language) {
        signed(What::Rewritten(by), &body, &rule)?;
    }
    for (what, part) in
        [(What::OtherSecret, Part::Signature), (What::Forged, Part::Body), (What::OldTimestamp, Part::Timestamp)]
    {
        // Not every scheme has all of them.
        if let Ok(it) = checker.forge(asked, to, part, now_ms) {
            all.push(version(what, &it.head, it.body.as_deref().unwrap_or(asked.body), it.path));
        }
    }
    Ok(all)
}

/// The body as other software writes it. None where its bytes are not signed: they may be written in any way then.
fn rewritten(checker: &Checker, asked: Asked<'_>, language: Option<&str>) -> Vec<(&'static str, Vec<u8>)> {
    let headers: Vec<(&str, &[u8])> = asked.head.headers.iter().map(|h| (h.name.as_str(), &*h.value)).collect();
    let request = Request::new(&asked.head.method, &asked.head.url, &headers, asked.body);
    if checker.check(asked, asked.head.received_at).signature.is_some_and(|s| s.fields) {
        return Vec::new();
    }
    let own = match language.unwrap_or_default() {
        "javascript" => "JSON.stringify",
        "python" => "Python",
        "php" => "PHP",
        "ruby" => "Rails",
        "go" => "Go",
        _ => "",
    };
    let mut all: Vec<_> = rewritings(&request).into_iter().map(|it| (it.by, it.body)).collect();
    all.sort_by_key(|(by, _)| !by.contains(own));
    all.truncate(REWRITINGS);
    all
}

/// Whether a version can tell more than is known by now.
pub fn tells_more(what: What, tried: &[Tried]) -> bool {
    let fresh = tried.iter().find(|t| t.what == What::Fresh).map(|t| t.got);
    let rewritten = || tried.iter().filter(|t| matches!(t.what, What::Rewritten(_))).map(|t| t.got);
    match (what, fresh) {
        (What::AsReceived | What::Fresh, _) => true,
        // Nothing that is sent there is looked at.
        (_, Some(Got::NoAnswer | Got::Other(300..=499))) => false,
        // One that it accepts or refuses beside the event itself tells which bytes it verifies.
        (What::Rewritten(_), Some(Got::Accepted)) => {
            !rewritten().any(|got| matches!(got, Got::Accepted | Got::Refused))
        }
        (What::Rewritten(_), _) => !rewritten().any(|got| got == Got::Accepted),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(what: What, got: Got) -> Tried {
        Tried { what, got, status: None, error: None, ms: None }
    }

    #[test]
    fn it_is_asked_until_it_is_known_and_no_longer() {
        let (one, two) = (What::Rewritten("JSON.stringify"), What::Rewritten("json.dumps of Python"));
        let asks = |what, known: &[(What, Got)]| {
            tells_more(what, &known.iter().map(|(what, got)| tried(*what, *got)).collect::<Vec<_>>())
        };
        // It refuses what is signed right: ways of writing are tried until it accepts one.
        let refused = (What::Fresh, Got::Refused);
        assert!(asks(one, &[refused]) && asks(two, &[refused, (one, Got::Refused)]));
        assert!(!asks(two, &[refused, (one, Got::Accepted)]));
        // It accepts that: one more tells which bytes it verifies, unless the app fails at it.
        let accepted = (What::Fresh, Got::Accepted);
        assert!(asks(one, &[accepted]) && asks(two, &[accepted, (one, Got::Other(500))]));
        assert!(!asks(two, &[accepted, (one, Got::Accepted)]) && !asks(two, &[accepted, (one, Got::Refused)]));
        // Nobody is there, or no route.
        for got in [Got::NoAnswer, Got::Other(404), Got::Other(302)] {
            assert!(!asks(one, &[(What::Fresh, got)]) && !asks(What::Forged, &[(What::Fresh, got)]), "{got:?}");
        }
        assert!(asks(What::Forged, &[refused]) && asks(What::OldTimestamp, &[(What::Fresh, Got::Other(500))]));
    }

    #[test]
    fn an_answer_says_what_the_app_did() {
        assert_eq!(Got::of(204, b""), Got::Accepted);
        assert_eq!(Got::of(401, b""), Got::Refused);
        assert_eq!(Got::of(500, b"SignatureVerificationError: x"), Got::Refused);
        assert_eq!((Got::of(500, b"KeyError"), Got::of(404, b"")), (Got::Other(500), Got::Other(404)));
    }
}
