//! The signature is right, and so is the secret; what it is bound to differs.

use super::{Case, Cause, Found, body, url};
use crate::scheme::Refusal;
use crate::scheme::bound::To;
use crate::verdict::Verdict;

/// First whether software changed what it is bound to; otherwise it is simply another.
pub(super) fn differs(case: &Case<'_>, verdict: &Verdict) -> Option<Found> {
    let now_ms = i64::try_from(case.now_ms).unwrap_or(i64::MAX);
    let Err(Refusal::Bound { unfit, .. }) = case.scheme?.authenticate(case.request, case.known, now_ms) else {
        return None;
    };
    let is_body = unfit.iter().any(|unfit| unfit.to == To::Body);
    let changed = || body::changed(case).or_else(|| url::differs(case));
    let missing = || body::missing(case).filter(|_| is_body);
    changed().or_else(missing).or_else(|| {
        let (cause, next) = match &unfit.first()?.to {
            To::Url(Some(other)) => (url::difference(case.request.url, other), url::give(case, other)),
            To::Url(None) => {
                (Cause::UrlOther, format!("give {} exactly the URL that reaches the app", case.recipe.name))
            }
            To::Body => (Cause::BodyOther, body::AS_THEY_CAME.to_owned()),
            To::Param(name) => (Cause::BoundOther, format!("say with --param {name}=… of which you expect events")),
            To::Own => (Cause::BoundOther, format!("look who else has this secret; see {}", case.recipe.docs)),
        };
        Some(Found::new(cause, verdict.reason.clone()).next(next))
    })
}
