//! With which secret events are signed: one that is known, else one that hook makes and keeps.

use std::path::Path;

use hook_providers::{CannotSign, Recipe};

use super::event::Event;
use crate::activity::Trouble;
use crate::failure::Failure;
use crate::journal::Listener;
use crate::provider::secrets::Kept;
use crate::provider::{Checker, Secret, Source, made};

/// The code of the note that a secret was made.
pub const MADE: &str = "secret_made";

pub struct Signer<'a> {
    pub checker: &'a Checker,
    pub recipe: &'a Recipe,
    pub project: &'a Path,
    /// Whose secrets come first; empty: nobody's.
    pub endpoint: String,
    /// Those who will verify it: what they know signs.
    pub listeners: Vec<Listener>,
    /// With a secret that nobody has.
    pub forged: bool,
    /// Found or made with the first event.
    pub secret: Option<Secret>,
}

impl Signer<'_> {
    /// Signs an event. What a person should know about it comes back.
    pub fn sign(&mut self, event: &mut Event, now_ms: u64) -> Result<Option<Trouble>, Failure> {
        if !self.recipe.can_sign() {
            return Ok(Some(self.unsigned()));
        }
        if self.forged && self.secret.is_none() {
            let new = hook_providers::new_secret(self.recipe, rand::random());
            let made = |new: hook_providers::NewSecret| Secret {
                label: "forged".into(),
                value: new.secret,
                source: Source::Made,
            };
            self.secret = new.map(made);
        }
        if let Some(secret) = &self.secret {
            self.sign_with(event, secret, now_ms).map_err(|error| self.cannot(&error))?;
            return Ok(None);
        }
        let secrets = self.checker.secrets();
        let mut known = secrets.of(&self.endpoint, self.recipe);
        for listener in &self.listeners {
            if let Some((variable, shown)) = secrets.out_of_reach(&self.endpoint, self.recipe, &listener.lookup) {
                return Err(self.out_of_reach(variable, shown));
            }
            known = secrets.shared_first(known, &listener.lookup);
        }
        let some = !known.is_empty();
        for secret in known {
            match self.sign_with(event, &secret, now_ms) {
                Ok(()) => {
                    self.secret = Some(secret);
                    return Ok(None);
                }
                // The public half of a key, which only verifies.
                Err(CannotSign::ProvidersKey) => {}
                Err(error) => return Err(self.cannot(&error)),
            }
        }
        let kept = made::make(self.project, None, self.recipe)?;
        // It verifies from now on, too.
        self.checker.refresh();
        let said = self.made(&kept, some);
        let secret = Secret { label: kept.provider.clone(), source: kept.source(), value: kept.value };
        self.sign_with(event, &secret, now_ms).map_err(|error| self.cannot(&error))?;
        self.secret = Some(secret);
        Ok(Some(said))
    }

    fn sign_with(&self, event: &mut Event, secret: &Secret, now_ms: u64) -> Result<(), CannotSign> {
        let secrets = self.checker.secrets();
        let params = secrets.params(&self.endpoint);
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, &**value)).collect();
        event.sign(self.recipe, secret, &params, now_ms)
    }

    /// A secret that hook made instead would be another one, and the app would refuse it.
    fn out_of_reach(&self, variable: &str, shown: &str) -> Failure {
        let name = &self.recipe.name;
        let what = format!(
            "the hook listen that runs has the secret of {name} in its own environment ({variable}, {shown}), and this terminal has not. Nothing was sent."
        );
        Failure::failed(what)
            .next(format!("export {variable}=…, then hook trigger … --secret-env {variable}"))
            .next(format!("hook secret set {}                 for all terminals", self.recipe.slug))
    }

    fn cannot(&self, error: &CannotSign) -> Failure {
        let slug = &self.recipe.slug;
        let failure = Failure::failed(format!("this event cannot be signed: {error}. It was not sent."));
        match error {
            CannotSign::NoSecret | CannotSign::Secret { .. } => failure.next(format!("hook secret set {slug}")),
            CannotSign::Lacking(_) | CannotSign::NoPlace if self.recipe.params.is_empty() => {
                failure.next(format!("hook trigger --list {slug}      events that have what is signed"))
            }
            _ => failure.next(format!("hook providers {slug}")),
        }
    }

    fn made(&self, kept: &Kept, others: bool) -> Trouble {
        let facts = &self.recipe.secret;
        let (called, name) = (&facts.called, &self.recipe.name);
        let shown = hook_providers::Secret { label: &kept.provider, value: &kept.value }.shown();
        let message = if others {
            format!(
                "The {called} of {name} only verifies. hook made a key that signs and keeps it for this project: {shown}"
            )
        } else {
            format!("No {called} of {name} is known. hook made one and keeps it for this project: {shown}")
        };
        let variable = made::usual_variable(self.recipe);
        let next = format!("hook listen --env-file .env.local …      hands it to your app as {variable}");
        Trouble { code: MADE, message, next: Some(next), fatal: false }
    }

    fn unsigned(&self) -> Trouble {
        let name = &self.recipe.name;
        Trouble {
            code: "unsigned",
            message: format!("Only {name} has the key that signs its events: this one has no signature that verifies."),
            next: Some(format!("hook providers {}", self.recipe.slug)),
            fatal: false,
        }
    }
}
