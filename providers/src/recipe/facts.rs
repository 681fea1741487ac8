//! What a person reads about a provider. Every fact has a source.

use std::fmt;
use std::time::Duration;

use crate::verdict::Covers;

/// Something that a provider does, and where it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact<T> {
    pub value: T,
    /// The page that says so.
    pub source: String,
    /// Whether the page was read for this; otherwise it is common knowledge that the page should confirm.
    pub confirmed: bool,
}

/// The provider as a sender. `None` is "not known", which is not "no".
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// How long it waits for an answer.
    pub time_limit: Option<Fact<Duration>>,
    /// The answers that count as success.
    pub success: Option<Fact<Vec<StatusClass>>>,
    pub retries: Option<Fact<Retries>>,
    /// What repeated failure leads to.
    pub gives_up: Option<Fact<String>>,
    /// Whether it follows redirects.
    pub redirects: Option<Fact<bool>>,
}

/// What happens after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    /// The schedule in one phrase: `8 times within 4 hours`; `never` when it does not send again.
    pub says: String,
    /// The wait before each retry, where it is documented.
    pub after: Vec<Duration>,
    /// The failures that are retried; empty when not known.
    pub on: Vec<Failure>,
    /// The answers among those that end the retries.
    pub except: Vec<StatusClass>,
    /// What is never sent again, whatever the answer: `slash commands`. An [`Event`](crate::Event) says whether it is one.
    pub once: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or it broke.
    Connect,
    Timeout,
    Status(StatusClass),
}

/// `2xx`, or one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusClass {
    /// The first digit.
    Hundred(u16),
    One(u16),
}

/// One form of signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFacts {
    /// The recipe's name for it, where a provider has several.
    pub id: Option<String>,
    /// As in recipes: `hmac-sha256`.
    pub algorithm: &'static str,
    /// Where it stands: `Stripe-Signature header`.
    pub at: String,
    /// How old the signed time may be; `None` when there is none, or nobody looks.
    pub tolerance: Option<Duration>,
    /// It says itself until when it is good.
    pub expires: bool,
    pub covers: Covers,
    /// Fields of the body are signed and not its bytes, so that it may be parsed first.
    pub fields: bool,
    /// The URL is part of what is signed.
    pub url: bool,
    /// A published key has to be fetched to check it.
    pub fetched_key: bool,
    /// How to make it, where it is an HMAC of the body and nothing else.
    pub body_mac: Option<BodyMac>,
}

/// An HMAC of the body alone, with the text of the secret as key: what many providers do, and a few lines of code check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyMac {
    /// `sha256`.
    pub hash: &'static str,
    /// Otherwise base64.
    pub hex: bool,
    /// What stands before it in the header: `sha256=`.
    pub before: String,
}

/// The signing secret: where a person finds it, and how it looks.
#[derive(Clone, Debug, Default)]
pub struct SecretFacts {
    /// What the provider calls it.
    pub called: String,
    /// The usual environment variables, the most usual first.
    pub env: Vec<String>,
    /// Where it is shown.
    pub found: String,
    /// How it begins, if all do.
    pub prefix: Option<String>,
    /// Beginnings of other strings that people paste instead, and what those are.
    pub mistaken: Vec<(String, String)>,
}

/// Something besides the secret that a scheme needs: PayPal's webhook id.
#[derive(Clone, Debug)]
pub struct Param {
    pub name: String,
    /// What it is and where it is found.
    pub what: String,
}

/// How a webhook is registered.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The page to open.
    pub dashboard: Option<String>,
    /// In order; `{url}` stands for the public URL.
    pub steps: Vec<String>,
    /// Whether the steps were read in the provider's documentation.
    pub confirmed: bool,
}

impl Sender {
    /// Whether the provider takes this answer as received; `None` when that is not known.
    pub fn is_success(&self, status: u16) -> Option<bool> {
        self.success.as_ref().map(|fact| fact.value.iter().any(|class| class.contains(status)))
    }

    /// Whether the provider sends again after this; `None` when that is not known.
    pub fn sends_again(&self, after: Outcome) -> Option<bool> {
        let retries = &self.retries.as_ref()?.value;
        let ends = |status| retries.except.iter().any(|class| class.contains(status));
        if retries.says == "never" || matches!(after, Outcome::Status(status) if ends(status)) {
            return Some(false);
        }
        let matches = |failure: &Failure| match (failure, after) {
            (Failure::Connect, Outcome::NoConnection) | (Failure::Timeout, Outcome::Timeout) => true,
            (Failure::Status(class), Outcome::Status(status)) => class.contains(status),
            _ => false,
        };
        (!retries.on.is_empty()).then(|| retries.on.iter().any(matches))
    }
}

/// What a sender got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    NoConnection,
    Timeout,
    Status(u16),
}

impl StatusClass {
    pub fn contains(self, status: u16) -> bool {
        match self {
            StatusClass::Hundred(hundred) => status / 100 == hundred,
            StatusClass::One(code) => status == code,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix("xx") {
            Some(digit) => digit.parse().ok().filter(|d| (1..=5).contains(d)).map(StatusClass::Hundred),
            None => text.parse().ok().filter(|c| (100..=599).contains(c)).map(StatusClass::One),
        }
    }
}

impl Failure {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "connect" => Some(Failure::Connect),
            "timeout" => Some(Failure::Timeout),
            status => StatusClass::parse(status).map(Failure::Status),
        }
    }
}

impl fmt::Display for StatusClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatusClass::Hundred(hundred) => write!(f, "{hundred}xx"),
            StatusClass::One(code) => write!(f, "{code}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Connect => f.write_str("no connection"),
            Failure::Timeout => f.write_str("no answer in time"),
            Failure::Status(class) => class.fmt(f),
        }
    }
}

/// `250ms`, `5s`, `10m`, `4h`, `3d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_as_the_provider_does() {
        let fact = |value| Fact { value, source: String::new(), confirmed: true };
        let on = vec![Failure::Timeout, Failure::Status(StatusClass::Hundred(5))];
        let except = vec![StatusClass::One(501)];
        let sender = Sender {
            success: Some(fact(vec![StatusClass::One(200), StatusClass::One(204)])),
            retries: Some(Fact {
                value: Retries { says: "3 times".into(), after: vec![], on, except, once: None },
                source: String::new(),
                confirmed: true,
            }),
            ..Sender::default()
        };
        assert_eq!((sender.is_success(200), sender.is_success(201)), (Some(true), Some(false)));
        assert_eq!(sender.sends_again(Outcome::Timeout), Some(true));
        assert_eq!(sender.sends_again(Outcome::Status(404)), Some(false));
        assert_eq!(sender.sends_again(Outcome::Status(500)), Some(true));
        assert_eq!(sender.sends_again(Outcome::Status(501)), Some(false));
        assert_eq!(Sender::default().sends_again(Outcome::Timeout), None);
        assert_eq!(Sender::default().is_success(200), None);
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("4h"), Some(Duration::from_secs(14_400)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(
            (duration("4"), duration("h"), duration("4w"), duration("99999999999999999999d")),
            (None, None, None, None)
        );
    }
}
