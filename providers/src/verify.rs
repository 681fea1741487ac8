//! Is the signature right?

use crate::handshake::asked;
use crate::known::Known;
use crate::recipe::Recipe;
use crate::recipe::template::Scope;
use crate::request::Request;
use crate::scheme::Algorithm;
use crate::verdict::{State, Verdict};

/// Looks at the signature of a request, as this provider signs. `now_ms` is milliseconds since 1970.
///
/// It never fails and never panics; it costs time linear in the request, for each secret.
pub fn verify(recipe: &Recipe, request: &Request<'_>, known: &Known<'_>, now_ms: u64) -> Verdict {
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    let scope = Scope::new(request, known.params);
    let verdict = match recipe.schemes.iter().find(|scheme| scheme.holds(&scope)) {
        Some(scheme) => scheme.verify(request, known, now_ms),
        None if recipe.schemes.is_empty() => Verdict::new(State::Unchecked, "this provider signs nothing"),
        None => match recipe.schemes.iter().find(|scheme| !scheme.signature.values(&scope).is_empty()) {
            Some(_) => Verdict::new(State::Malformed, "it is signed in no way that is known of this provider"),
            None => Verdict::new(State::Unsigned, recipe.schemes[0].unsigned()),
        },
    };
    match verdict.state {
        State::Unsigned | State::Malformed if is_bare_question(recipe, &scope) => {
            let token = matches!(recipe.schemes[0].algorithm, Algorithm::Equals | Algorithm::Basic);
            let what = if token { recipe.secret.called.as_str() } else { "signature" };
            Verdict::new(State::Unsigned, format!("it is a question, and carries no {what}"))
        }
        _ => verdict,
    }
}

/// A question that is asked without a signature; it is no event whose signature got lost.
pub(crate) fn is_bare_question(recipe: &Recipe, scope: &Scope<'_>) -> bool {
    let unsigned = || recipe.schemes.iter().all(|scheme| scheme.signature.values(scope).is_empty());
    asked(recipe, scope).is_some_and(|form| !form.signed) && !recipe.schemes.is_empty() && unsigned()
}
