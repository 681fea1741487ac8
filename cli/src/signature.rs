//! What is found of an event's sender and signature, in the form that is kept with it and shown.

use hook_providers::Handshake;
use serde::{Deserialize, Serialize};

use crate::lookup::Place;

/// What an event's sender and signature were found to be: kept with the event, and shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Signature {
    /// A word of DESIGN §2; `None` when no provider is recognised.
    pub verdict: Option<String>,
    /// Why, as a fragment.
    pub text: String,
    /// The word of a cause, for programs; `None` when the signature is right or was not looked into.
    pub reason: Option<String>,
    /// One thing to do about it, when it was looked into.
    pub next: Option<String>,
    /// `body`, `part` of it, or `nothing`: what a right signature vouches for.
    pub covers: Option<String>,
    /// Fields of the body are signed and not its bytes, so that it may be parsed first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fields: bool,
    /// The recipe's name for the scheme, or its algorithm.
    pub scheme: Option<String>,
    /// The secret that matched, as it may be shown, and where it came from.
    pub secret: Option<String>,
    pub source: Option<String>,
    /// The same, when that is a variable: to be found again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Of the signed timestamp, when the event came; negative when it lay ahead.
    pub age_ms: Option<i64>,
    pub clock_warning: Option<String>,
    /// The provider's own id of this delivery.
    pub delivery_id: Option<String>,
    /// About real money or data.
    pub live: Option<bool>,
    /// It is a question of the provider's, and no event: nothing of what is known about events holds for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub question: bool,
    /// Of a kind that its provider never sends again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// Other providers that it may be from.
    pub also: Vec<String>,
    /// The URL of a key that hook has to fetch before the signature can be checked.
    pub needs: Option<String>,
    /// Where the event has the secret itself, which is not shown: `header:x-gitlab-token`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<String>,
}

/// What is written to the journal about an event's sender.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    pub provider: Option<String>,
    pub event_type: Option<String>,
    pub provider_event_id: Option<String>,
    pub signature: Option<Signature>,
    /// It asks for an answer of its provider's own form; not kept.
    pub handshake: Option<Box<Handshake>>,
}

impl Checked {
    pub fn verdict(&self) -> Option<&str> {
        self.signature.as_ref()?.verdict.as_deref()
    }
}

/// What is wrong with a forged event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    Body,
    Signature,
    Timestamp,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Body, Self::Signature, Self::Timestamp];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Signature => "signature",
            Self::Timestamp => "timestamp",
        }
    }
}
