//! The finding about a signature.

/// What was found, why, and how much it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub state: State,
    /// Why, as a fragment: `no Stripe-Signature header`. It never holds a secret or a signature that would be right.
    pub reason: String,
    /// What the signature is over.
    pub covers: Covers,
    /// Which of the known secrets made the signature; also of one that is bound to another request, or in an older header.
    pub secret: Option<usize>,
    /// The recipe's name for the scheme that was used, where it has several.
    pub scheme: Option<String>,
    /// How old the signed timestamp is in milliseconds; negative when it lies ahead of the clock. Of a signature that no
    /// known secret made it is what the request says.
    pub age_ms: Option<i64>,
    /// The signature is right, but the timestamp lies ahead: one of the two clocks is wrong.
    pub clock_warning: Option<String>,
    /// A key that has to be fetched before the signature can be checked.
    pub needs: Option<KeyUrl>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Whoever sent it has the secret.
    Valid,
    /// It has a signature, and no known secret made it.
    Invalid,
    /// Whoever made the signature has the secret, but the provider's libraries refuse its timestamp.
    Stale,
    /// It has no signature.
    Unsigned,
    /// Something that the signature needs is missing or cannot be read.
    Malformed,
    /// There is a signature and nothing to check it with.
    NoSecret,
    /// It could not be checked: the provider signs nothing, or a key has to be fetched first.
    Unchecked,
}

/// How much of the request a valid signature vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    Body,
    /// Some fields only: the rest of the body may have been changed.
    PartOfBody,
    /// The sender is known, the body is not vouched for.
    Nothing,
}

/// A key at a URL that the recipe allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUrl {
    pub url: String,
    /// The id of the key in the set at that URL, when the request names one.
    pub key_id: Option<String>,
    /// A plain GET gives it; otherwise it takes the person's credentials at the provider.
    pub is_public: bool,
}

impl State {
    /// The word for it in data.
    pub fn word(self) -> &'static str {
        match self {
            State::Valid => "valid",
            State::Invalid => "invalid",
            State::Stale => "stale",
            State::Unsigned => "unsigned",
            State::Malformed => "malformed",
            State::NoSecret => "no_secret",
            State::Unchecked => "unchecked",
        }
    }
}

impl Verdict {
    pub fn is_valid(&self) -> bool {
        self.state == State::Valid
    }

    pub(crate) fn new(state: State, reason: impl Into<String>) -> Self {
        Verdict {
            state,
            reason: reason.into(),
            covers: Covers::Nothing,
            secret: None,
            scheme: None,
            age_ms: None,
            clock_warning: None,
            needs: None,
        }
    }
}
