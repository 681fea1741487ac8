/// The keys of fields. Completion offers their names, and their words where those are a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Status,
    Provider,
    Type,
    Sig,
    Method,
    Path,
    Header,
    Body,
    Resp,
    Json,
    Ms,
    Size,
    Since,
    Before,
    Id,
    Replay,
    Delivered,
    Marked,
    Ct,
}

/// The words of `status:`, each with the error of an attempt that it stands for; `none` stands for no error.
pub(super) const STATUS_WORDS: [(&str, &str); 5] = [
    ("refused", "connection_refused"),
    ("connection_refused", "connection_refused"),
    ("timeout", "timeout"),
    ("reset", "reset"),
    ("none", ""),
];

impl Key {
    pub const ALL: [Self; 19] = [
        Self::Status,
        Self::Provider,
        Self::Type,
        Self::Sig,
        Self::Method,
        Self::Path,
        Self::Header,
        Self::Body,
        Self::Resp,
        Self::Json,
        Self::Ms,
        Self::Size,
        Self::Since,
        Self::Before,
        Self::Id,
        Self::Replay,
        Self::Delivered,
        Self::Marked,
        Self::Ct,
    ];

    /// Without the colon; for `header` and `json` more comes before or after it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Provider => "provider",
            Self::Type => "type",
            Self::Sig => "sig",
            Self::Method => "method",
            Self::Path => "path",
            Self::Header => "header",
            Self::Body => "body",
            Self::Resp => "resp",
            Self::Json => "json",
            Self::Ms => "ms",
            Self::Size => "size",
            Self::Since => "since",
            Self::Before => "before",
            Self::Id => "id",
            Self::Replay => "replay",
            Self::Delivered => "delivered",
            Self::Marked => "marked",
            Self::Ct => "ct",
        }
    }

    pub fn example(self) -> &'static str {
        match self {
            Self::Status => "status:500, status:4xx or status:refused",
            Self::Provider => "provider:stripe",
            Self::Type => "type:invoice.*",
            Self::Sig => "sig:invalid",
            Self::Method => "method:POST",
            Self::Path => "path:/webhooks",
            Self::Header => "header.user-agent:curl",
            Self::Body => "body:customer",
            Self::Resp => "resp:error",
            Self::Json => "json:.data.object.amount>1000",
            Self::Ms => "ms:>500",
            Self::Size => "size:>10kb",
            Self::Since => "since:10m or since:14:00",
            Self::Before => "before:10m or before:14:00",
            Self::Id => "id:12",
            Self::Replay => "replay:yes",
            Self::Delivered => "delivered:no",
            Self::Marked => "marked:yes",
            Self::Ct => "ct:json",
        }
    }

    /// The words that it takes, where they are known beforehand.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Status => &["2xx", "3xx", "4xx", "5xx", "refused", "timeout", "reset", "none"],
            Self::Sig => &["valid", "invalid", "stale", "unsigned", "malformed", "no_secret", "unchecked"],
            Self::Replay | Self::Delivered | Self::Marked => &["yes", "no"],
            _ => &[],
        }
    }

    /// Takes the name without its colon, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name().eq_ignore_ascii_case(name))
    }
}
