//! One event in the making: a sample or the person's own body, in the form of its provider.

use bytes::Bytes;
use hook_proto::{Header, HeaderList};
use hook_providers::sample::{self, SampleError};
use hook_providers::{CannotSign, Known, Recipe, Request};

use crate::failure::Failure;
use crate::header_arg;
use crate::provider::Secret;
use crate::sanitize::sanitize;

/// What is asked for.
pub struct Wanted<'a> {
    pub recipe: &'a Recipe,
    /// The provider as the person said it.
    pub provider: &'a str,
    /// The type of a sample.
    pub kind: Option<&'a str>,
    pub set: &'a [(&'a str, &'a str)],
    /// A body of the person's own.
    pub data: Option<&'a Bytes>,
    /// It has to be the same another time: the moment in its ids is of the seed, not of now.
    pub repeats: bool,
}

/// A request as its provider would make it.
#[derive(Clone)]
pub struct Event {
    pub method: String,
    /// Whole, as it will be asked for.
    pub url: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
}

impl Wanted<'_> {
    /// Makes one, not signed yet, for this URL.
    pub fn make(&self, url: &str, seed: u64, now_ms: u64) -> Result<Event, Failure> {
        let mut event = match self.kind {
            Some(kind) => {
                let ids_ms = if self.repeats { sample::moment_of(seed) } else { now_ms };
                let options = sample::Options { seed, now_ms, ids_ms, set: self.set, url };
                let made = sample::make(self.recipe, kind, &options).map_err(|error| self.no_sample(&error))?;
                let headers = made.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
                Event { method: made.method, url: made.url, headers, body: made.body.into() }
            }
            None => Event { method: "POST".into(), url: url.to_owned(), headers: Vec::new(), body: Bytes::new() },
        };
        if let Some(data) = self.data {
            event.body = data.clone();
            event.label_body();
        }
        Ok(event)
    }

    fn no_sample(&self, error: &SampleError) -> Failure {
        let (provider, what) = (sanitize(self.provider), format!("{error}."));
        match error {
            SampleError::NoSamples { .. } => {
                Failure::usage(what).next(format!("hook trigger {provider} --data @event.json"))
            }
            SampleError::NoType { near, .. } => {
                let failure = Failure::usage(what);
                let near = near.iter().map(|name| format!("hook trigger {provider} {name}"));
                near.chain([format!("hook trigger --list {provider}")]).fold(failure, Failure::next)
            }
            SampleError::NoPath { near, .. } => {
                let failure = Failure::usage(what);
                if near.is_empty() {
                    let kind = sanitize(self.kind.unwrap_or_default());
                    return failure.next(format!("hook trigger {provider} {kind} --print      what is in it"));
                }
                near.iter().map(|path| format!("--set {path}=…")).fold(failure, Failure::next)
            }
            SampleError::Template { .. } => Failure::local(what),
        }
    }
}

impl Event {
    /// Looks at it as a recipe does.
    pub fn see<T>(&self, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        look(&Request::new(&self.method, &self.url, &headers, &self.body))
    }

    pub fn sign(
        &mut self,
        recipe: &Recipe,
        secret: &Secret,
        params: &[(&str, &str)],
        now_ms: u64,
    ) -> Result<(), CannotSign> {
        let known = Known { secrets: &[secret.as_known()], params, live_keys: &[] };
        let (signed, headers) = self.see(|request| {
            let signed = hook_providers::sign(recipe, request, &known, now_ms)?;
            let headers = signed.apply(request.headers);
            Ok((signed, headers))
        })?;
        self.headers = headers;
        self.body = signed.body.map_or_else(|| self.body.clone(), Bytes::from);
        self.url = signed.url.unwrap_or_else(|| self.url.clone());
        Ok(())
    }

    /// The fields as they go over the wire and into the journal.
    pub fn fields(&self) -> Result<HeaderList, Failure> {
        let field = |(name, value): &(String, Vec<u8>)| {
            // A body of one's own may put anything into a signature's place.
            header_arg::value(&String::from_utf8_lossy(value))?;
            Ok(Header::new(name.to_ascii_lowercase(), value.clone()))
        };
        self.headers.iter().map(field).collect()
    }

    /// Says what a body of the person's own is, where the sample's word for it does not fit.
    fn label_body(&mut self) {
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&self.body).is_ok();
        let is_form = !is_json && self.body.contains(&b'=') && !self.body.contains(&b'\n');
        let word = |kind: &[u8]| (kind.windows(4).any(|w| w == b"json"), kind.windows(10).any(|w| w == b"urlencoded"));
        let said = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if said.is_some_and(|(_, kind)| word(kind) == (is_json, is_form)) {
            return;
        }
        let kind = match (is_json, is_form) {
            (true, _) => "application/json",
            (_, true) => "application/x-www-form-urlencoded",
            _ => "text/plain; charset=utf-8",
        };
        self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        self.headers.insert(0, ("Content-Type".into(), kind.into()));
    }
}
