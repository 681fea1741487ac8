//! It is a question of the provider's: what it carries is told by other rules than of an event.

use super::{Case, Cause, Found};
use crate::handshake::{answer_handshake, asked};
use crate::recipe::template::Scope;
use crate::verdict::Verdict;
use crate::verify::is_bare_question;

/// A question without a signature. Nothing is wrong with it, unless there is no answer to it.
pub(super) fn unsigned(case: &Case<'_>, verdict: &Verdict) -> Option<Found> {
    if !is_bare_question(case.recipe, &Scope::new(case.request, case.known.params)) {
        return None;
    }
    let question = answer_handshake(case.recipe, case.request, case.known, case.now_ms)?;
    let says = |more: &str| Found::new(Cause::Handshake, format!("{}{more}", verdict.reason));
    Some(match (&question.lacking, &question.param) {
        (Some(lacking), Some(param)) => says(&format!("; {lacking}, so hook has no answer to it"))
            .next(format!("hook listen … --param {param}=…     as {} has it", case.recipe.name)),
        (Some(lacking), None) => says(&format!("; {lacking}, so hook has no answer to it")).next(case.set_secret()),
        (None, _) => says(": hook answers it where the app does not"),
    })
}

/// A signature that nothing explains, of a provider that asks with wrong ones too.
pub(super) fn probe(case: &Case<'_>) -> Option<Found> {
    asked(case.recipe, &Scope::new(case.request, case.known.params)).filter(|form| form.probes)?;
    let name = &case.recipe.name;
    let says = format!(
        "{name} also asks with a wrong signature, and wants 401 for it: this is such a question, or signed with another key"
    );
    Some(
        Found::new(Cause::Handshake, says)
            .next(format!("nothing, if {name} takes the URL; else {}", case.copy_secret())),
    )
}
