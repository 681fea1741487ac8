//! With which secret events are signed: one that is known, else one that hook makes and keeps.

use hook_providers::{CannotSign, Recipe};

use super::event::Event;
use crate::activity::Trouble;
use crate::failure::Failure;
use crate::provider::{Checker, Secret, Source};

pub struct Signer<'a> {
    pub checker: &'a Checker,
    pub recipe: &'a Recipe,
    /// Whose secrets come first; empty: nobody's.
    pub endpoint: String,
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
        let known = self.checker.secrets().of(&self.endpoint, self.recipe);
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
        let secret = self.checker.secrets_mut().make(self.recipe)?;
        self.sign_with(event, &secret, now_ms).map_err(|error| self.cannot(&error))?;
        let said = self.made(&secret, some);
        self.secret = Some(secret);
        Ok(Some(said))
    }

    fn sign_with(&self, event: &mut Event, secret: &Secret, now_ms: u64) -> Result<(), CannotSign> {
        let secrets = self.checker.secrets();
        let params = secrets.params(&self.endpoint);
        event.sign(self.recipe, secret, &params, now_ms)
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

    fn made(&self, secret: &Secret, others: bool) -> Trouble {
        let facts = &self.recipe.secret;
        let (called, name) = (&facts.called, &self.recipe.name);
        let shown = secret.shown();
        let message = if others {
            format!(
                "The {called} of {name} only verifies. hook made a key that signs and keeps it for this project: {shown}"
            )
        } else {
            format!("No {called} of {name} is known. hook made one and keeps it for this project: {shown}")
        };
        let variable = facts.env.first().map_or("the app's configuration", String::as_str);
        let next = format!("hook listen --env-file .env.local …      hands it to your app as {variable}");
        Trouble { code: "secret_made", message, next: Some(next), fatal: false }
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
