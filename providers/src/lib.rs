//! What is known of each webhook provider, as data, and the small engine that works with it.
//!
//! A [`Recipe`] says how a provider is recognised, how it signs, what it asks an endpoint, and how it behaves as a sender.
//! The engine is a handful of functions over a borrowed [`Request`]: [`verify`] finds whether the signature is right.
//!
//! Nothing here does I/O or reads a clock: time is an argument, and a key that has to be fetched is named in the verdict.
//! Whatever comes from outside (headers, bodies, recipes) may be hostile: nothing panics on it, and the cost is linear.

mod bytes;
mod catalog;
mod explain;
mod handshake;
mod identify;
mod json;
mod known;
mod new_secret;
mod recipe;
mod request;
pub mod sample;
mod scheme;
mod sign;
mod verdict;
mod verify;

pub use catalog::{Catalog, shipped_text};
pub use explain::{Around, Cause, Explanation, Rewriting, explain, rewritings};
pub use handshake::{Answer, Fetch, Handshake, answer_handshake};
pub use identify::{Event, Identified, identify};
pub use known::{Known, LiveKey, MAX_SECRETS, Secret};
pub use new_secret::{NewSecret, new_secret};
pub use recipe::facts::Outcome;
pub use recipe::{
    BodyMac, Fact, Failure, Param, Recipe, RecipeError, Retries, SecretFacts, Sender, Setup, SignatureFacts,
    StatusClass,
};
pub use request::{Header, Request};
pub use sign::{CannotSign, Signed, sign};
pub use verdict::{Covers, KeyUrl, State, Verdict};
pub use verify::verify;
