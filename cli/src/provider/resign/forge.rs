//! Forged events, to see whether an app refuses them.

use bytes::Bytes;
use hook_providers::{Covers, State};

use super::{Asked, Checker, Decision, Destination, Look, Problem, Resigned, Rule, no_provider};
use crate::form::is_form;
use crate::journal::Signing;
use crate::signature::Part;

/// Changes of a body that are tried until one breaks the signature.
const TRIES: usize = 256;
const DAY_MS: u64 = 24 * 3600 * 1000;

impl Checker {
    /// What somebody without the secret, or too late, would send in place of an event.
    pub fn forge(
        &self,
        asked: Asked<'_>,
        to: Destination<'_>,
        part: Part,
        now_ms: u64,
    ) -> Result<Box<Resigned>, Problem> {
        // Everything but that part is right, where that can be done.
        let right = match self.resign(asked, to, &Rule::Always, now_ms) {
            Decision::Resigned(right) => Some(right),
            _ => None,
        };
        let (head, body) = right
            .as_ref()
            .map_or((asked.head, asked.body), |right| (&right.head, right.body.as_deref().unwrap_or(asked.body)));
        let path = right.as_ref().and_then(|right| right.path.as_deref()).unwrap_or(to.path);
        self.look(Asked { head, body, ..asked }, |case| {
            let recipe = case.recipe.ok_or_else(no_provider)?;
            Look { case, recipe, head, to: Destination { path, ..to }, now_ms }.forged(part)
        })
    }
}

impl Look<'_> {
    fn forged(&self, part: Part) -> Result<Box<Resigned>, Problem> {
        let (name, slug) = (&self.recipe.name, &self.recipe.slug);
        let problem = |fact: String, next: String| Problem { fact, next };
        let cannot = |part: &str| {
            problem(format!("a forged {part} cannot be made for {name}."), "hook replay … --tamper body".into())
        };
        let no_timestamp = || {
            let fact = format!("{name}'s libraries look at no timestamp here, so an old one is no forgery.");
            problem(fact, "hook replay … --tamper signature".into())
        };
        let signed = match part {
            Part::Body => return self.with_another_body(),
            Part::Signature => {
                let other =
                    hook_providers::new_secret(self.recipe, rand::random()).ok_or_else(|| cannot("signature"))?;
                let other = hook_providers::Secret { label: "made up", value: &other.secret };
                self.sign_with(other, self.now_ms).map_err(|_| cannot("signature"))?
            }
            Part::Timestamp => {
                let limits = self.recipe.signatures().filter_map(|s| s.tolerance).map(|t| t.as_millis() as u64);
                let Some(limit) = limits.max() else { return Err(no_timestamp()) };
                let Some(secret) = self.case.secrets.first() else {
                    let fact = format!("an old timestamp has to be signed, and no secret of {slug} is known.");
                    return Err(problem(fact, format!("hook secret set {slug}")));
                };
                let then = self.now_ms.saturating_sub(DAY_MS.max(2 * limit));
                self.sign_with(secret.as_known(), then).map_err(|_| cannot("timestamp"))?
            }
        };
        let forged = self.apply(&signed, Signing::Forged(part), String::new(), State::Invalid);
        match (self.would_be_taken(&forged), part) {
            (false, _) => Ok(Box::new(forged)),
            (true, Part::Timestamp) => Err(no_timestamp()),
            (true, _) => Err(cannot(part.as_str())),
        }
    }

    fn would_be_taken(&self, forged: &Resigned) -> bool {
        let headers: Vec<(&str, &[u8])> = forged.head.headers.iter().map(|h| (h.name.as_str(), &*h.value)).collect();
        let query = forged.path.as_deref().and_then(|path| path.split_once('?'));
        let bare = self.to.url.split('?').next().unwrap_or_default();
        let url = query.map_or_else(|| self.to.url.to_owned(), |(_, query)| format!("{bare}?{query}"));
        let body = forged.body.as_deref().unwrap_or(self.case.request.body);
        let request = hook_providers::Request::new(self.case.request.method, &url, &headers, body);
        hook_providers::verify(self.recipe, &request, &self.case.known, self.now_ms).is_valid()
    }

    fn with_another_body(&self) -> Result<Box<Resigned>, Problem> {
        let covers_body = self.recipe.signatures().any(|s| s.covers != Covers::Nothing);
        let breaks = |body: &Vec<u8>| {
            let headers = self.case.request.headers;
            let request = hook_providers::Request::new(self.case.request.method, self.to.url, headers, body);
            !hook_providers::verify(self.recipe, &request, &self.case.known, self.now_ms).is_valid()
        };
        let kind = self.head.headers.iter().find(|h| h.name == "content-type");
        let form = kind.is_some_and(|h| is_form(&String::from_utf8_lossy(&h.value)));
        let changed = changes(self.case.request.body, form).take(TRIES).filter(|_| covers_body).find(breaks);
        let Some(body) = changed else {
            return Err(Problem {
                fact: format!(
                    "the signature of {} does not cover the body, so a changed one is no forgery.",
                    self.recipe.name
                ),
                next: "hook replay … --tamper signature".to_owned(),
            });
        };
        let mut head = self.head.clone();
        head.body_size = body.len() as u64;
        Ok(Box::new(Resigned {
            head,
            body: Some(Bytes::from(body)),
            path: Some(self.to.path.to_owned()),
            signing: Signing::Forged(Part::Body),
            with: String::new(),
            was: State::Invalid,
        }))
    }
}

/// Bodies that an app would read and act upon, and that differ from this one. The first adds a word, the others change one letter or
/// digit, for schemes that sign only a part of the body.
fn changes(body: &[u8], form: bool) -> impl Iterator<Item = Vec<u8>> {
    let text = body.trim_ascii_start();
    let added = match text.split_first() {
        None => b"tampered=true".to_vec(),
        Some(_) if form => [body, b"&tampered=true"].concat(),
        Some((b'{', rest)) if rest.trim_ascii_start().starts_with(b"}") => [b"{\"tampered\":true", rest].concat(),
        Some((b'{', rest)) => [b"{\"tampered\":true,", rest].concat(),
        Some((b'[', rest)) if rest.trim_ascii_start().starts_with(b"]") => [b"[true", rest].concat(),
        Some((b'[', rest)) => [b"[true,", rest].concat(),
        Some(_) => [body, b" "].concat(),
    };
    let other = |byte: u8| match byte {
        b'0'..=b'8' | b'a'..=b'y' | b'A'..=b'Y' => Some(byte + 1),
        b'9' | b'z' | b'Z' => Some(byte - 1),
        _ => None,
    };
    let places: Vec<(usize, u8)> = body.iter().enumerate().filter_map(|(at, byte)| Some((at, other(*byte)?))).collect();
    // From everywhere in it, when it is long.
    let step = places.len().div_ceil(TRIES).max(1);
    let body = body.to_vec();
    std::iter::once(added).chain(places.into_iter().step_by(step).map(move |(at, byte)| {
        let mut changed = body.clone();
        changed[at] = byte;
        changed
    }))
}
