//! From TOML to a recipe. Every error names its line and what to do.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use toml::Spanned;

use super::condition::Condition;
use super::facts::{Fact, Failure, Param, Retries, SecretFacts, Sender, Setup, StatusClass, duration};
use super::filter::Filter;
use super::only::Only;
use super::selector::Selector;
use super::template::Template;
use super::{EventPlaces, FetchForm, HandshakeForm, Recipe, RecipeError, Respond};
use crate::scheme;
use crate::scheme::live::Hosts;

pub(super) fn recipe(slug: &str, text: &str) -> Result<Recipe, RecipeError> {
    let source = Source { text };
    let raw: RawRecipe = toml::from_str(text).map_err(|error| source.bad_toml(&error))?;
    let list = |conditions: &Option<Spanned<Many>>| -> Result<Vec<Condition>, RecipeError> {
        conditions.as_ref().map_or(Ok(Vec::new()), |many| source.each(many, Condition::parse))
    };
    let places = |places: &Option<Spanned<Many>>| -> Result<Vec<Selector>, RecipeError> {
        places.as_ref().map_or(Ok(Vec::new()), |many| source.each(many, Selector::parse))
    };
    let event = raw.event.unwrap_or_default();
    let live = event.live.as_ref().map(|live| source.one(live, Condition::parse)).transpose()?;
    let retries = raw.sender.as_ref().and_then(|sender| sender.retries.as_ref());
    let once = retries.and_then(|retries| retries.once.as_ref());
    let once = once.map(|once| source.one(&once.when, Condition::parse)).transpose()?;
    let secret = raw.secret.unwrap_or_default();
    let setup = raw.setup.unwrap_or_default();
    Ok(Recipe {
        slug: slug.to_owned(),
        name: raw.name,
        docs: raw.docs.unwrap_or_default(),
        confirmed: raw.confirmed,
        secret: SecretFacts {
            called: secret.called.unwrap_or_else(|| "signing secret".to_owned()),
            env: secret.env,
            found: secret.found.unwrap_or_default(),
            prefix: secret.prefix,
            mistaken: secret.mistaken.into_iter().collect(),
        },
        params: raw.param.into_iter().map(|p| Param { name: p.name, what: p.what }).collect(),
        setup: Setup { dashboard: setup.dashboard, steps: setup.steps, confirmed: setup.confirmed },
        sender: sender(&source, raw.sender.unwrap_or_default())?,
        matches: raw.matches.iter().map(|many| source.each(many, Condition::parse)).collect::<Result<_, _>>()?,
        event: EventPlaces {
            kind: places(&event.kind)?,
            names: event.names,
            action: places(&event.action)?,
            id: event.id.as_ref().map_or(Ok(Vec::new()), |many| source.each(many, id))?,
            delivery: places(&event.delivery)?,
            retry: places(&event.retry)?,
            live,
            once,
        },
        schemes: raw.scheme.into_iter().map(|s| scheme::form::scheme(&source, s)).collect::<Result<_, _>>()?,
        handshakes: raw
            .handshake
            .into_iter()
            .map(|h| {
                let only = h.only.map(|only| source.one(&only, Only::parse)).transpose()?;
                let proof = h.proof.map(|proof| source.one(&proof, Condition::parse)).transpose()?;
                let verified = h.verified || h.probes;
                let guarded = verified || only.is_some();
                let respond = h.respond.map(|r| respond(&source, r, guarded)).transpose()?;
                let fetch = h.fetch.map(|f| fetch(&source, f)).transpose()?;
                let capture_secret = h.capture_secret.map(|s| source.one(&s, Selector::parse)).transpose()?;
                Ok(HandshakeForm {
                    method: h.method,
                    when: list(&h.when)?,
                    respond,
                    fetch,
                    capture_secret,
                    proof,
                    verified,
                    signed: h.signed || verified,
                    probes: h.probes,
                    only,
                })
            })
            .collect::<Result<_, _>>()?,
    })
}

/// A place, or several of them in a template.
fn id(text: &str) -> Result<Template, String> {
    if text.contains('{') { Template::parse(text) } else { Selector::parse(text).map(Template::of) }
}

fn fetch(source: &Source<'_>, raw: RawFetch) -> Result<FetchForm, RecipeError> {
    let url = source.one(&raw.url, Selector::parse)?;
    let about = raw.about.map(|about| source.one(&about, Selector::parse)).transpose()?;
    Ok(FetchForm { url, hosts: Hosts(raw.hosts), about })
}

fn respond(source: &Source<'_>, raw: RawRespond, guarded: bool) -> Result<Respond, RecipeError> {
    let template = |text: &str| answer(text, guarded);
    let header = |(name, value): (String, Spanned<String>)| Ok((name, source.one(&value, template)?));
    Ok(Respond {
        status: raw.status,
        content_type: raw.content_type,
        headers: raw.headers.into_iter().map(header).collect::<Result<_, _>>()?,
        body: raw.body.map_or(Ok(Template::default()), |body| source.one(&body, template))?,
    })
}

/// The template of an answer. It goes to whoever asks: it gives away nothing of the person's, and signs nothing of theirs.
fn answer(text: &str, guarded: bool) -> Result<Template, String> {
    let template = Template::parse(text)?;
    for (place, filters) in template.values() {
        let keyed = filters.iter().any(|filter| matches!(filter, Filter::Hmac(_)));
        if keyed && !guarded {
            return Err(
                "an hmac in an answer needs `only` or `verified`: it may be the signature of a forged event".into()
            );
        }
        if !keyed && matches!(place, Selector::Secret | Selector::Param(_)) {
            return Err(format!("an answer goes to whoever asks, and cannot hold this: {place}"));
        }
    }
    Ok(template)
}

fn sender(source: &Source<'_>, raw: RawSender) -> Result<Sender, RecipeError> {
    let bad = |text: &str, what: &str| format!("\"{text}\" is not {what}");
    let status = |text: &str| StatusClass::parse(text).ok_or_else(|| bad(text, "a status like 2xx or 204"));
    let failure = |text: &str| Failure::parse(text).ok_or_else(|| bad(text, "a failure like connect, timeout or 5xx"));
    let wait = |text: &str| duration(text).ok_or_else(|| bad(text, "a time like 30s, 5m, 4h or 3d"));
    Ok(Sender {
        time_limit: raw
            .time_limit
            .map(|f| -> Result<Fact<Duration>, RecipeError> {
                Ok(Fact { value: source.one(&f.is, wait)?, source: f.source, confirmed: f.confirmed })
            })
            .transpose()?,
        success: raw
            .success
            .map(|f| -> Result<_, RecipeError> {
                Ok(Fact { value: source.each(&f.is, status)?, source: f.source, confirmed: f.confirmed })
            })
            .transpose()?,
        retries: raw
            .retries
            .map(|f| -> Result<_, RecipeError> {
                let after = f.after.map_or(Ok(Vec::new()), |a| source.each(&a, wait))?;
                let on = f.on.map_or(Ok(Vec::new()), |on| source.each(&on, failure))?;
                let except = f.except.map_or(Ok(Vec::new()), |except| source.each(&except, status))?;
                let once = f.once.map(|once| once.what);
                let retries = Retries { says: f.is, after, on, except, once };
                Ok(Fact { value: retries, source: f.source, confirmed: f.confirmed })
            })
            .transpose()?,
        gives_up: raw.gives_up.map(|f| Fact { value: f.is, source: f.source, confirmed: f.confirmed }),
        redirects: raw.redirects.map(|f| Fact { value: f.followed, source: f.source, confirmed: f.confirmed }),
    })
}

/// The text, so that an error can name its line.
pub(crate) struct Source<'t> {
    text: &'t str,
}

impl Source<'_> {
    pub(crate) fn one<T>(
        &self,
        text: &Spanned<String>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, RecipeError> {
        parse(text.get_ref()).map_err(|problem| self.error(text.span().start, problem))
    }

    pub(crate) fn each<T>(
        &self,
        many: &Spanned<Many>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, RecipeError> {
        let parsed = many.get_ref().0.iter().map(|text| parse(text)).collect::<Result<_, _>>();
        parsed.map_err(|problem| self.error(many.span().start, problem))
    }

    pub(crate) fn error(&self, at: usize, problem: String) -> RecipeError {
        let line = self.text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1;
        RecipeError { line, problem }
    }

    fn bad_toml(&self, error: &toml::de::Error) -> RecipeError {
        let problem = error.message().trim().replace('\n', " ");
        self.error(error.span().map_or(0, |span| span.start), problem)
    }
}

/// One text, or a list of them.
#[derive(Debug)]
pub(crate) struct Many(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for Many {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Many;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Many, E> {
                Ok(Many(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Many, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Many(texts))
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecipe {
    name: String,
    docs: Option<String>,
    #[serde(default)]
    confirmed: bool,
    #[serde(rename = "match", default)]
    matches: Vec<Spanned<Many>>,
    event: Option<RawEvent>,
    secret: Option<RawSecret>,
    #[serde(default)]
    param: Vec<RawParam>,
    setup: Option<RawSetup>,
    sender: Option<RawSender>,
    #[serde(default)]
    scheme: Vec<scheme::form::RawScheme>,
    #[serde(default)]
    handshake: Vec<RawHandshake>,
    /// Worked examples: read by the tests.
    #[serde(rename = "case", default)]
    _case: Vec<toml::Table>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    #[serde(rename = "type")]
    kind: Option<Spanned<Many>>,
    #[serde(default)]
    names: BTreeMap<String, String>,
    action: Option<Spanned<Many>>,
    id: Option<Spanned<Many>>,
    delivery: Option<Spanned<Many>>,
    retry: Option<Spanned<Many>>,
    live: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSecret {
    called: Option<String>,
    #[serde(default)]
    env: Vec<String>,
    found: Option<String>,
    prefix: Option<String>,
    #[serde(default)]
    mistaken: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawParam {
    name: String,
    what: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSetup {
    dashboard: Option<String>,
    #[serde(default)]
    steps: Vec<String>,
    #[serde(default)]
    confirmed: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSender {
    time_limit: Option<RawFact<Spanned<String>>>,
    success: Option<RawFact<Spanned<Many>>>,
    retries: Option<RawRetries>,
    gives_up: Option<RawFact<String>>,
    redirects: Option<RawRedirects>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFact<T> {
    is: T,
    source: String,
    #[serde(default)]
    confirmed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRetries {
    is: String,
    after: Option<Spanned<Many>>,
    on: Option<Spanned<Many>>,
    except: Option<Spanned<Many>>,
    once: Option<RawOnce>,
    source: String,
    #[serde(default)]
    confirmed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOnce {
    what: String,
    when: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRedirects {
    followed: bool,
    source: String,
    #[serde(default)]
    confirmed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHandshake {
    method: Option<String>,
    when: Option<Spanned<Many>>,
    respond: Option<RawRespond>,
    fetch: Option<RawFetch>,
    capture_secret: Option<Spanned<String>>,
    proof: Option<Spanned<String>>,
    #[serde(default)]
    verified: bool,
    #[serde(default)]
    signed: bool,
    #[serde(default)]
    probes: bool,
    only: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFetch {
    url: Spanned<String>,
    hosts: Vec<String>,
    about: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRespond {
    status: u16,
    content_type: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
    body: Option<Spanned<String>>,
}
