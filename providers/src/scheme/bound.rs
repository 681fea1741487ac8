//! What a right signature is bound to besides itself: the URL, a hash of the body, an issuer.

use std::borrow::Cow;

use super::{Check, Refusal};
use crate::bytes::same;
use crate::known::Known;
use crate::recipe::selector::Selector;
use crate::recipe::template::{Scope, Template};

/// No more of a value is said.
const SHOWN: usize = 300;

/// Something that the signature is bound to, and that the request has otherwise. Only what was signed is worth telling, so it is
/// told once the signature is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    pub(crate) to: To,
    says: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// The URL for which it is, where it says so in clear.
    Url(Option<String>),
    Body,
    /// What a person gave as a param of this name.
    Param(String),
    /// A word of the provider's own.
    Own,
}

impl Unfit {
    /// A claim of a token beside what the request says.
    pub(super) fn claim(
        name: &str,
        claim: Option<&str>,
        wanted: &Template,
        scope: &Scope<'_>,
    ) -> Result<Option<Self>, Refusal> {
        // Some senders pad base64 here and some do not.
        let padded = |a: &[u8], b: &[u8]| same(bare(a), bare(b));
        Self::of(name, wanted, scope, padded, || {
            let claim = claim.ok_or_else(|| Refusal::Malformed(format!("the token has no {name}")))?;
            Ok(Cow::Borrowed(claim.as_bytes()))
        })
    }

    /// The two values of a check.
    pub(super) fn check(check: &Check, scope: &Scope<'_>) -> Result<Option<Self>, Refusal> {
        let left = &check.left;
        let said = left.find(scope).ok_or_else(|| Refusal::Malformed(format!("no {left}")))?;
        Self::of(&left.to_string(), &check.right, scope, same, || Ok(said))
    }

    /// What needs a param that nobody gave cannot be compared; the signature is there without it.
    fn of<'x>(
        name: &str,
        wanted: &Template,
        scope: &Scope<'_>,
        is_same: impl Fn(&[u8], &[u8]) -> bool,
        said: impl FnOnce() -> Result<Cow<'x, [u8]>, Refusal>,
    ) -> Result<Option<Self>, Refusal> {
        let text = match wanted.text(scope) {
            Ok(text) => text,
            Err(lacking) if matches!(lacking.0, Selector::Param(_)) => return Ok(None),
            Err(lacking) => return Err(Refusal::Malformed(lacking.to_string())),
        };
        let said = said()?;
        if is_same(&said, &text) {
            return Ok(None);
        }
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(SHOWN).collect::<String>();
        let (value, url) = (shown(&said), scope.request.url);
        let is = |is: fn(&Selector) -> bool| wanted.places().into_iter().any(is);
        let unlike = || format!("its {name} is {value}, not {}", shown(&text));
        let (to, says) = match wanted.places().first() {
            _ if is(|place| matches!(place, Selector::Url | Selector::Target)) => {
                let clear = Some(value.clone()).filter(|value| value.starts_with("http"));
                let says = match &clear {
                    Some(other) => format!("it is for {other}, and came by {url}"),
                    None => format!("it is for another URL than {url}, by which it came"),
                };
                (To::Url(clear), says)
            }
            _ if is(|place| matches!(place, Selector::Body | Selector::Fields)) => {
                (To::Body, "it is for another body than the one that came".to_owned())
            }
            Some(Selector::Param(param)) => (To::Param(param.clone()), unlike()),
            _ => (To::Own, unlike()),
        };
        Ok(Some(Self { to, says }))
    }
}

fn bare(text: &[u8]) -> &[u8] {
    &text[..text.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1)]
}

/// `signed with qstash, but it is for https://h/q, and came by https://h/q/x`
pub(super) fn words(secret: Option<usize>, unfit: &[Unfit], known: &Known<'_>) -> String {
    let all: Vec<&str> = unfit.iter().map(|unfit| unfit.says.as_str()).collect();
    format!("{}, but {}", super::look::signed_with(secret, known), all.join("; and "))
}
