//! Which request is meant: an event of the journal, or one that is given on the command line and is in no journal.

use clap::Args;
use hook_proto::{EventHead, Header};

use super::{Finding, Recalled};
use crate::body_arg;
use crate::config::{EndpointEntry, ProjectFile};
use crate::event_ref;
use crate::failure::Failure;
use crate::fetch::{self, Purpose, Wish};
use crate::journal::{BodyKey, EventRow, Journal};
use crate::platform;
use crate::provider::{Asked, Case, Checker, Given, ProviderArgs};
use crate::running;
use crate::sanitize::sanitize;

#[derive(Debug, Args)]
pub struct Which {
    /// A number, an id or a prefix of one, last, last~2 [default: last]
    #[arg(conflicts_with_all = ["method", "url", "header", "body", "at"])]
    event: Option<String>,
    /// Look for `last` in all projects
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    sender: ProviderArgs,
    /// Fetch the key that the provider publishes, where the signature needs it (Amazon SNS, PayPal) [default: ask]
    #[arg(long)]
    fetch_keys: bool,
    /// The method of a request that is in no journal [default: POST]
    #[arg(long, help_heading = "A request that is in no journal")]
    method: Option<String>,
    /// The whole URL that the sender used
    #[arg(long, help_heading = "A request that is in no journal")]
    url: Option<String>,
    /// A header field as it came: 'Name: value' (repeatable)
    #[arg(long, value_name = "FIELD", help_heading = "A request that is in no journal")]
    header: Vec<String>,
    /// Its body: @FILE, - for standard input, or the text itself
    #[arg(long, value_name = "@FILE", allow_hyphen_values = true, help_heading = "A request that is in no journal")]
    body: Option<String>,
    /// When it came, in seconds since 1970 [default: now]
    #[arg(long, value_name = "UNIX_SECONDS", help_heading = "A request that is in no journal")]
    at: Option<u64>,
}

/// One request, and what else is known of it.
pub struct Subject {
    pub checker: Checker,
    /// The event, when it is in the journal.
    pub row: Option<EventRow>,
    pub head: EventHead,
    pub body: Vec<u8>,
    endpoint: String,
    pinned: Option<String>,
    /// When it came, by which its timestamp is judged.
    pub at_ms: u64,
    /// A key may be fetched without a question.
    fetch_keys: bool,
}

impl Which {
    /// Reads all of it. The journal is opened only for an event.
    pub async fn subject(
        &self,
        open: impl FnOnce() -> Result<Journal, Failure>,
    ) -> Result<(Subject, Option<Journal>), Failure> {
        let project = platform::project_dir();
        let file = ProjectFile::read(&project)?;
        // Who names a secret asks about that one.
        let given = Given { alone: !self.sender.secrets.secret_env.is_empty(), ..self.sender.given(file.as_ref()) };
        let checker = Checker::load(&project, given)?;
        let pinned = self.sender.provider.as_deref().map(|name| checker.providers.named(name).map(|r| r.slug.clone()));
        let pinned = pinned.transpose()?;
        if self.is_raw() {
            return Ok((Subject { fetch_keys: self.fetch_keys, ..self.raw(checker, pinned)? }, None));
        }
        let journal = open()?;
        let scope = event_ref::scope(&journal, self.all).await?;
        let row = event_ref::one(&journal, &scope, self.event.as_deref().unwrap_or("last")).await?;
        running::hear_at(&journal, &row, &checker).await?;
        let is_its = |e: &&EndpointEntry| e.name.as_ref().is_none_or(|name| *name == row.endpoint);
        let mut its = file.iter().flat_map(ProjectFile::endpoints).filter(is_its);
        let fetch_keys = self.fetch_keys || its.any(|e| e.fetch_keys == Some(true));
        let seq = row.seq;
        let body = journal.read(move |c| BodyKey::Event(seq).read(c, usize::MAX)).await?;
        let subject = Subject {
            checker,
            head: row.head.clone(),
            body,
            endpoint: row.endpoint.clone(),
            pinned: pinned.or_else(|| row.provider.clone()),
            at_ms: row.head.received_at,
            row: Some(row),
            fetch_keys,
        };
        Ok((subject, Some(journal)))
    }

    fn is_raw(&self) -> bool {
        let some = self.method.is_some() || self.url.is_some() || self.body.is_some() || self.at.is_some();
        some || !self.header.is_empty()
    }

    fn raw(&self, checker: Checker, pinned: Option<String>) -> Result<Subject, Failure> {
        let signs_url = pinned.as_deref().and_then(|p| checker.providers.get(p)).filter(|r| r.signs_url());
        if let (Some(recipe), None) = (signs_url, &self.url) {
            return Err(Failure::usage(format!("{} signs the URL, and there is none.", recipe.name))
                .next("--url 'https://…'     the whole URL that it called"));
        }
        let body = self.body.as_deref().map_or(Ok(Vec::new()), body)?;
        let head = EventHead {
            method: self.method.clone().unwrap_or_else(|| "POST".to_owned()),
            url: self.url.clone().unwrap_or_default(),
            headers: self.header.iter().map(|h| header(h)).collect::<Result<_, _>>()?,
            body_size: body.len() as u64,
            ..EventHead::default()
        };
        let at_ms = self.at.map_or_else(platform::now_ms, |seconds| seconds.saturating_mul(1000));
        Ok(Subject { checker, row: None, head, body, endpoint: String::new(), pinned, at_ms, fetch_keys: false })
    }
}

impl Subject {
    pub fn asked(&self) -> Asked<'_> {
        Asked { endpoint: &self.endpoint, pinned: self.pinned.as_deref(), head: &self.head, body: &self.body }
    }

    /// What is found about it, with what is remembered of an event whose secret is not at hand any more.
    pub fn finding(&self, case: &Case<'_>, urls: &[&str]) -> Finding {
        let mut finding = Finding::of(case, urls, self.at_ms);
        let recalled = self.row.as_ref().filter(|_| !finding.is_valid()).and_then(|row| Recalled::of(row, case));
        if let Some(recalled) = recalled {
            recalled.put_into(&mut finding);
        }
        finding
    }

    /// Fetches the key that the signature needs, if the person agrees. `ask` asks, where somebody is there.
    pub async fn fetch_key(&self, ask: impl FnOnce(&str) -> Option<bool>) -> Result<(), Failure> {
        let needed = self.checker.look(self.asked(), |case| {
            let recipe = case.recipe?;
            let needs = hook_providers::verify(recipe, case.request, &case.known, self.at_ms).needs?;
            needs.is_public.then(|| (recipe.name.clone(), needs.url))
        });
        let Some((provider, url)) = needed else { return Ok(()) };
        let host = fetch::host(&url);
        let wish = Wish { purpose: Purpose::Key, provider: &provider, host, about: None };
        if !fetch::agrees(wish, self.fetch_keys, ask)? {
            return Ok(());
        }
        let key = fetch::key(&url).await.map_err(|error| {
            Failure::failed(format!("the key of {provider} cannot be fetched from {host}: {error}."))
                .next("the same again, when the network is there")
        })?;
        self.checker.learn(&url, key);
        let is_right = self.checker.check(self.asked(), self.at_ms).verdict() == Some("valid");
        if is_right {
            self.checker.keep_key(&url);
        }
        Ok(())
    }
}

/// A field as it came from anywhere: what a relay would never pass on may have been signed all the same.
fn header(text: &str) -> Result<Header, Failure> {
    let bad =
        || Failure::usage(format!("\"{}\" is not a header field.", sanitize(text))).next("--header 'Name: value'");
    let (name, value) = text.split_once(':').ok_or_else(bad)?;
    let name = http::HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| bad())?;
    Ok(Header::new(name.as_str(), value.trim().as_bytes().to_vec()))
}

fn body(text: &str) -> Result<Vec<u8>, Failure> {
    let body = body_arg::read(text);
    body.map(Into::into).map_err(|failure| failure.next("--body @FILE, or --body - for standard input"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_people_type_them() {
        let field = header("Host: h.example").unwrap();
        assert_eq!((field.name.as_str(), &*field.value), ("host", &b"h.example"[..]));
        assert_eq!(&*header("X-Sig:").unwrap().value, b"");
        assert_eq!(&*header("X-Sig: t=1,v1=a:b ").unwrap().value, b"t=1,v1=a:b");
        for bad in ["no colon", ": value", "a b: c"] {
            assert!(header(bad).is_err(), "{bad}");
        }
    }
}
