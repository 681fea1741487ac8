//! A known secret made the signature, and it is bound to another request: a token for another URL, a hash of another body.

use super::{Case, Cause, Found};
use crate::bytes::same;
use crate::recipe::selector::Selector;
use crate::recipe::template::{Scope, Template};
use crate::scheme::jwt::{JwtForm, claim};
use crate::scheme::{Algorithm, Scheme};

/// Longer values of claims are not shown.
const MAX_SHOWN: usize = 300;

pub(super) fn to_another(case: &Case<'_>) -> Option<Found> {
    let scheme = case.scheme?;
    // Without what binds it the signature is right.
    let unbound = Scheme {
        checks: Vec::new(),
        jwt: scheme.jwt.clone().map(|jwt| JwtForm { claims: Vec::new(), ..jwt }),
        ..scheme.clone()
    };
    let secret = case.known.secrets.get(case.right_by(&unbound, case.request, case.known)?)?;
    let (thing, name) = match scheme.algorithm {
        Algorithm::Jwt => ("the token", format!("signed with {}", secret.label)),
        _ => ("the signature", format!("right with {}", secret.label)),
    };
    let (cause, but) = claims(case, scheme).or_else(|| checks(case, scheme))?;
    let next = match cause {
        Cause::OtherBody => {
            "look for what changes the body on the way, or sends an old token with a new one".to_owned()
        }
        Cause::OtherUrl => format!("give {} exactly the URL that reaches the app", case.recipe.name),
        _ => format!("see {}: another sender may have the same secret", case.recipe.docs),
    };
    Some(Found::new(cause, format!("{thing} is {name}, but {but}")).next(next))
}

/// The first claim that does not fit, and what it says.
fn claims(case: &Case<'_>, scheme: &Scheme) -> Option<(Cause, String)> {
    let scope = Scope::new(case.request, case.known.params);
    let values = scheme.signature.values(&scope);
    let signature = scheme.signature.read(&values);
    let (_, token) = signature.candidates().next()?;
    scheme.jwt.as_ref()?.claims.iter().find_map(|(name, template)| {
        let wanted = template.text(&scope).ok()?;
        let is = claim(&token, name)?;
        let bare = |text: &[u8]| text.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
        (!same(&is.as_bytes()[..bare(is.as_bytes())], &wanted[..bare(&wanted)])).then(|| {
            let shown = is.chars().take(MAX_SHOWN).collect::<String>();
            match binds(template) {
                Bound::Body => {
                    (Cause::OtherBody, format!("for another body: its {name} is the hash of one that did not come"))
                }
                Bound::Url if wanted == case.request.url.as_bytes() => {
                    (Cause::OtherUrl, format!("is for {shown}, and it came by {}", case.request.url))
                }
                Bound::Url => (Cause::OtherUrl, format!("for another URL than {}", case.request.url)),
                Bound::Neither => {
                    let wanted = String::from_utf8_lossy(&wanted).into_owned();
                    (
                        Cause::OtherClaim,
                        format!("its {name} is \"{shown}\", where {} writes \"{wanted}\"", case.recipe.name),
                    )
                }
            }
        })
    })
}

/// The first value beside the signature that does not fit: Twilio's `bodySHA256`.
fn checks(case: &Case<'_>, scheme: &Scheme) -> Option<(Cause, String)> {
    let scope = Scope::new(case.request, case.known.params);
    scheme.checks.iter().find_map(|check| {
        let (left, right) = (check.left.find(&scope)?, check.right.text(&scope).ok()?);
        let cause = match binds(&check.right) {
            Bound::Body => Cause::OtherBody,
            Bound::Url => Cause::OtherUrl,
            Bound::Neither => Cause::OtherClaim,
        };
        let what =
            if cause == Cause::OtherBody { "is of another body" } else { "does not fit the rest of the request" };
        (!same(&left, &right)).then(|| (cause, format!("{} {what}", check.left)))
    })
}

enum Bound {
    Body,
    Url,
    Neither,
}

fn binds(template: &Template) -> Bound {
    let places = template.places();
    if places.iter().any(|place| matches!(place, Selector::Body | Selector::Fields)) {
        Bound::Body
    } else if places.iter().any(|place| matches!(place, Selector::Url | Selector::Target)) {
        Bound::Url
    } else {
        Bound::Neither
    }
}
