//! An attempt in words: why it is made, how it was signed, how it ended.

use hook_proto::HeaderList;

use crate::provider::Part;

/// Why an attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Live,
    Backlog,
    Replay,
    Retry,
    /// The first ones of an edited event.
    Edit,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Backlog => "backlog",
            Self::Replay => "replay",
            Self::Retry => "retry",
            Self::Edit => "edit",
        }
    }
}

/// How an attempt was signed, when not as its event came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signing {
    /// With a secret that is known here.
    Anew,
    /// The same, for the URL by which the app takes itself to be called.
    AnewFor(String),
    /// Wrong on purpose.
    Forged(Part),
}

impl Signing {
    /// As it is kept.
    pub(super) fn as_text(&self) -> String {
        match self {
            Self::Anew => "anew".to_owned(),
            Self::AnewFor(url) => format!("for {url}"),
            Self::Forged(part) => format!("forged {}", part.as_str()),
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            None => (text == "anew").then_some(Self::Anew),
            Some(("for", url)) => Some(Self::AnewFor(url.to_owned())),
            Some(("forged", part)) => Part::ALL.into_iter().find(|p| p.as_str() == part).map(Self::Forged),
            Some(_) => None,
        }
    }

    /// As people read it.
    pub fn words(&self) -> String {
        match self {
            Self::Anew => "re-signed".to_owned(),
            Self::AnewFor(url) => format!("re-signed for {url}"),
            Self::Forged(part) => format!("forged {}", part.as_str()),
        }
    }

    pub fn is_forged(&self) -> bool {
        self.forged().is_some()
    }

    /// What is wrong with it on purpose.
    pub fn forged(&self) -> Option<Part> {
        match self {
            Self::Forged(part) => Some(*part),
            Self::Anew | Self::AnewFor(_) => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct NewAttempt {
    pub kind: Kind,
    /// The whole URL.
    pub target: String,
    pub owner: String,
    pub started_at: u64,
}

/// How an attempt ended.
#[derive(Debug, Clone, Default)]
pub struct AttemptEnd {
    pub ended_at: u64,
    /// The whole URL, as it was asked for.
    pub target: Option<String>,
    pub signing: Option<Signing>,
    pub request: HeaderList,
    pub status: Option<u16>,
    /// A word of the closed list of errors.
    pub error: Option<&'static str>,
    /// The error for people.
    pub detail: Option<String>,
    pub ttfb_ms: Option<u64>,
    pub ms: u64,
    pub response: HeaderList,
    /// The first part of what the app sent.
    pub body: Vec<u8>,
    pub size: u64,
    pub kept: u64,
}

/// An attempt as it is kept.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub n: u32,
    pub kind: String,
    pub target: String,
    pub owner: String,
    pub started_at: u64,
    pub ended_at: Option<u64>,
    pub signing: Option<Signing>,
    pub request: HeaderList,
    pub status: Option<u16>,
    pub error: Option<String>,
    pub detail: Option<String>,
    pub ttfb_ms: Option<u64>,
    pub ms: Option<u64>,
    pub response: HeaderList,
    pub size: u64,
    pub kept: u64,
}

impl Attempt {
    /// A live one that ended with this.
    #[cfg(test)]
    pub fn for_test(status: Option<u16>) -> Self {
        let target = "http://localhost:3000/webhooks".to_owned();
        let begun = NewAttempt { kind: Kind::Live, target, owner: String::new(), started_at: 0 };
        Self::ended(1, begun, AttemptEnd { ended_at: 1, status, ms: 1, ..AttemptEnd::default() })
    }

    pub fn ended(n: u32, begun: NewAttempt, end: AttemptEnd) -> Self {
        Self {
            n,
            kind: begun.kind.as_str().to_owned(),
            target: end.target.unwrap_or(begun.target),
            owner: begun.owner,
            started_at: begun.started_at,
            ended_at: Some(end.ended_at),
            signing: end.signing,
            request: end.request,
            status: end.status,
            error: end.error.map(str::to_owned),
            detail: end.detail,
            ttfb_ms: end.ttfb_ms,
            ms: Some(end.ms),
            response: end.response,
            size: end.size,
            kept: end.kept,
        }
    }
}
