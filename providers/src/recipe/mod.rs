//! A recipe: everything that is known of one provider, as data. `docs/adding-a-provider.md` is its grammar.

pub(crate) mod condition;
pub(crate) mod facts;
pub(crate) mod filter;
pub(crate) mod only;
pub(crate) mod parse;
pub(crate) mod selector;
pub(crate) mod signature;
pub(crate) mod template;

use std::collections::BTreeMap;
use std::fmt;

pub use facts::{BodyMac, Fact, Failure, Param, Retries, SecretFacts, Sender, Setup, SignatureFacts, StatusClass};

use crate::scheme::live::Hosts;
use crate::scheme::{Algorithm, Scheme};
use condition::Condition;
use only::Only;
use selector::Selector;
use template::Template;

/// One provider. What a person may read is public; how it is recognised and verified goes through the engine.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The word for it on the command line: the name of its file.
    pub slug: String,
    pub name: String,
    /// Where its webhooks are documented.
    pub docs: String,
    /// Whether an official SDK agreed with the signature part, case by case.
    pub confirmed: bool,
    pub secret: SecretFacts,
    /// What a scheme needs besides the secret.
    pub params: Vec<Param>,
    pub setup: Setup,
    /// The provider as a sender: what it waits for, and what it does when that does not come.
    pub sender: Sender,
    /// Each alternative holds when all of its conditions do.
    pub(crate) matches: Vec<Vec<Condition>>,
    pub(crate) event: EventPlaces,
    pub(crate) schemes: Vec<Scheme>,
    pub(crate) handshakes: Vec<HandshakeForm>,
}

/// Where the facts about an event stand; of several places the first that exists counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventPlaces {
    pub(crate) kind: Vec<Selector>,
    /// What kinds are called that the provider writes as a number.
    pub(crate) names: BTreeMap<String, String>,
    pub(crate) action: Vec<Selector>,
    pub(crate) id: Vec<Template>,
    pub(crate) delivery: Vec<Selector>,
    pub(crate) retry: Vec<Selector>,
    pub(crate) live: Option<Condition>,
    /// Holds for those that are never sent again, whatever the answer.
    pub(crate) once: Option<Condition>,
}

/// A question that a provider asks an endpoint, and its answer.
#[derive(Clone, Debug)]
pub(crate) struct HandshakeForm {
    pub(crate) method: Option<String>,
    pub(crate) when: Vec<Condition>,
    pub(crate) respond: Option<Respond>,
    pub(crate) fetch: Option<FetchForm>,
    pub(crate) capture_secret: Option<Selector>,
    /// What shows that whoever asks was told to: the person's own word. Without it there is no answer.
    pub(crate) proof: Option<Condition>,
    /// Answered only when the signature is valid.
    pub(crate) verified: bool,
    /// The provider signs it like an event.
    pub(crate) signed: bool,
    /// The provider also asks with wrong signatures, to see them refused.
    pub(crate) probes: bool,
    /// What a value must look like to be signed for whoever asks.
    pub(crate) only: Option<Only>,
}

/// A URL to be fetched, the hosts where it may be, and what it is about.
#[derive(Clone, Debug)]
pub(crate) struct FetchForm {
    pub(crate) url: Selector,
    pub(crate) hosts: Hosts,
    pub(crate) about: Option<Selector>,
}

#[derive(Clone, Debug)]
pub(crate) struct Respond {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) headers: Vec<(String, Template)>,
    pub(crate) body: Template,
}

/// Why a recipe cannot be used. Its `Display` names the line, what is wrong, and what could stand there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RecipeError {
    /// From 1.
    pub line: usize,
    /// What is wrong there and what could stand there, as a fragment.
    pub problem: String,
}

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl Recipe {
    /// Reads a recipe. `slug` is its name without `.toml`.
    ///
    /// # Errors
    /// When the text is not TOML, has a key that no recipe has, or says something that cannot be done.
    pub fn parse(slug: &str, text: &str) -> Result<Self, RecipeError> {
        parse::recipe(slug, text)
    }

    /// How it signs, one for each form that it has.
    pub fn signatures(&self) -> impl Iterator<Item = SignatureFacts> {
        self.schemes.iter().map(Scheme::facts)
    }

    /// The form of signature of that name; the first without one.
    pub fn signature(&self, id: Option<&str>) -> Option<SignatureFacts> {
        let named = self.schemes.iter().find(|scheme| id.is_some() && scheme.id.as_deref() == id);
        named.or(self.schemes.first()).map(Scheme::facts)
    }

    /// The header fields by which it is recognised, as a person would write them.
    pub fn headers(&self) -> Vec<String> {
        let mut names = Vec::new();
        for condition in self.matches.iter().flatten().filter(|condition| condition.weight() > 0) {
            if let Selector::Header(name) = &condition.place {
                let name = selector::spelled(name);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Whether it asks endpoints questions that want an answer of its own form.
    pub fn has_handshake(&self) -> bool {
        !self.handshakes.is_empty()
    }

    /// Whether its events are signed or carry a token, so that there is something to verify.
    pub fn is_verifiable(&self) -> bool {
        !self.schemes.is_empty()
    }

    /// Why a text cannot be a secret of its: it has not the form of a key in any of its schemes. `None`: it may be one.
    pub fn unfit(&self, secret: &str) -> Option<&'static str> {
        let mut why = None;
        for scheme in &self.schemes {
            let unfit = scheme.unfit(secret)?;
            why = why.or(Some(unfit));
        }
        why
    }

    /// Where a request carries the secret itself, in place of a signature: `header:x-gitlab-token`, `query:` and `form:` with
    /// the name of a field, `json:` with that of a member of the body.
    pub fn token_places(&self) -> Vec<String> {
        let tokens = self.schemes.iter().filter(|s| matches!(s.algorithm, Algorithm::Equals | Algorithm::Basic));
        let places = tokens.flat_map(|scheme| &scheme.signature.at).filter_map(|place| match place {
            Selector::Header(name) => Some(format!("header:{name}")),
            Selector::Query(name) => Some(format!("query:{name}")),
            Selector::Form(name) => Some(format!("form:{name}")),
            Selector::Json(steps) | Selector::Item(steps) => Some(format!("json:{}", steps.last()?)),
            _ => None,
        });
        places.collect()
    }

    /// Whether this param is part of what is signed, and not only of an answer.
    pub fn signs_param(&self, name: &str) -> bool {
        self.schemes
            .iter()
            .flat_map(Scheme::places)
            .any(|place| matches!(place, Selector::Param(param) if param == name))
    }

    /// Whether what it sends can be signed again by whoever has the secret.
    pub fn can_sign(&self) -> bool {
        self.schemes.iter().any(Scheme::can_sign)
    }

    /// Whether a signature covers the URL, so that it cannot verify behind a tunnel that changes it.
    pub fn signs_url(&self) -> bool {
        self.schemes.iter().any(Scheme::signs_url)
    }
}
