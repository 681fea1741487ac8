//! The questions that providers ask an endpoint before or between events.

use crate::known::Known;
use crate::recipe::template::Scope;
use crate::recipe::{HandshakeForm, Recipe, Respond};
use crate::request::Request;
use crate::verdict::{State, Verdict};
use crate::verify::verify;

/// Of what a fetch is about; a longer name is none.
const MAX_ABOUT: usize = 256;
/// A longer answer is none: it would be the sender's own bytes sent back.
const MAX_ANSWER: usize = 16 << 10;

/// A request that wants an answer of its provider's own form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// What to answer, for when the app does not; `None` when something is lacking, or nothing is to be answered.
    pub answer: Option<Answer>,
    /// What is lacking for an answer: `no secret is known`.
    pub lacking: Option<String>,
    /// The param that is lacking, or not what the request has.
    pub param: Option<String>,
    /// What confirms it; whether to fetch is up to the person.
    pub fetch: Option<Fetch>,
    /// A secret that the provider hands over with this request.
    pub secret: Option<String>,
}

/// A URL that confirms a subscription when it is fetched. It has an allowed host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    pub url: String,
    /// The name of what is subscribed to, in printable ASCII, where the recipe knows it.
    pub about: Option<String>,
}

/// A response to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The form of the question that is asked here.
pub(crate) fn asked<'r>(recipe: &'r Recipe, scope: &Scope<'_>) -> Option<&'r HandshakeForm> {
    let method =
        |form: &HandshakeForm| form.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(scope.request.method));
    recipe.handshakes.iter().find(|form| method(form) && form.when.iter().all(|c| c.holds(scope)))
}

/// The answer to a handshake; `None` when the request is none.
pub fn answer_handshake(recipe: &Recipe, request: &Request<'_>, known: &Known<'_>, now_ms: u64) -> Option<Handshake> {
    let scope = Scope::new(request, known.params);
    let form = asked(recipe, &scope)?;
    let text = |bytes: std::borrow::Cow<'_, [u8]>| String::from_utf8(bytes.into_owned()).ok();
    let mut handshake = Handshake {
        fetch: form.fetch.as_ref().and_then(|form| {
            let url = text(form.url.find(&scope)?).filter(|url| form.hosts.allow(url))?;
            let Some(place) = &form.about else { return Some(Fetch { url, about: None }) };
            let is_name =
                |name: &String| (1..=MAX_ABOUT).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
            let about = text(place.find(&scope)?).filter(is_name)?;
            Some(Fetch { url, about: Some(about) })
        }),
        secret: form.capture_secret.as_ref().and_then(|place| text(place.find(&scope)?)),
        ..Handshake::default()
    };
    let Some(respond) = &form.respond else { return Some(handshake) };
    if let Some(proof) = form.proof.as_ref().filter(|proof| !proof.holds(&scope)) {
        let name = proof.param().unwrap_or_default();
        handshake.lacking = Some(match scope.param(name) {
            Some(_) => format!("its {name} is not the one that hook has"),
            None => format!("no {name} is known"),
        });
        handshake.param = Some(name.to_owned());
        return Some(handshake);
    }
    let verdict = verify(recipe, request, known, now_ms);
    match answer(recipe, form, respond, &scope, known, &verdict) {
        Ok(answer) => handshake.answer = Some(answer),
        Err(lacking) => handshake.lacking = Some(lacking),
    }
    Some(handshake)
}

fn answer(
    recipe: &Recipe,
    form: &HandshakeForm,
    respond: &Respond,
    scope: &Scope<'_>,
    known: &Known<'_>,
    verdict: &Verdict,
) -> Result<Answer, String> {
    if form.verified {
        match verdict.state {
            State::Valid => {}
            State::NoSecret | State::Unchecked => return Err(verdict.reason.clone()),
            // A wrong one is refused: some ask so on purpose.
            _ => return Ok(Answer { status: 401, headers: Vec::new(), body: Vec::new() }),
        }
    }
    let secret = known.secrets.get(verdict.secret.unwrap_or_default());
    let key = match (secret, recipe.schemes.first()) {
        (Some(secret), Some(scheme)) => scheme.key.key(secret.value).ok(),
        _ => None,
    };
    let scope = Scope {
        secret: key.as_ref().map(|key| &*key.bytes),
        secret_id: key.as_ref().and_then(|key| key.name),
        only: form.only.as_ref(),
        ..*scope
    };
    let lacking = |error: crate::recipe::template::Lacking<'_>| match &scope.secret {
        None => "no secret is known".to_owned(),
        Some(_) if error.0.find(&scope).is_some() => format!("{} is not as {} sends it", error.0, recipe.name),
        Some(_) => error.to_string(),
    };
    let body = respond.body.text(&scope).map_err(lacking)?;
    let mut headers = Vec::new();
    for (name, value) in &respond.headers {
        let value = value.text(&scope).map_err(lacking)?;
        let visible = value.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
        let value = String::from_utf8(value).ok().filter(|_| visible);
        headers.push((name.clone(), value.ok_or("the value to send back is not one for a header")?));
    }
    if body.len() > MAX_ANSWER {
        return Err("the value to send back is too long".to_owned());
    }
    if let Some(kind) = &respond.content_type {
        headers.push(("content-type".to_owned(), kind.clone()));
        // The answer holds what the sender sent: no browser shall take it for a page.
        headers.push(("x-content-type-options".to_owned(), "nosniff".to_owned()));
    }
    Ok(Answer { status: respond.status, headers, body })
}
