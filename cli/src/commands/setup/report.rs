//! What is said of the first event: recognised, signed, valid.

use hook_providers::Recipe;

use crate::autopsy::Finding;
use crate::journal::EventRow;
use crate::sanitize::sanitize;
use crate::ui::{Ink, Paint};

/// Three answers, and what to do when one is no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    answers: [Answer; 3],
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    yes: bool,
    word: &'static str,
    says: String,
}

impl Report {
    /// `finding` is of now, with all secrets that are known by now; what `hook listen` found may be more, since it has keys
    /// that it fetched and what its flags say.
    pub fn of(row: &EventRow, recipe: &Recipe, finding: &Finding) -> Self {
        let (seq, slug) = (row.seq, &recipe.slug);
        let recorded = row.signature.as_deref().filter(|_| row.verdict.as_deref() == Some("valid"));
        let signature = recorded.filter(|_| !finding.is_valid()).unwrap_or(&finding.signature);
        let verdict = signature.verdict.as_deref().unwrap_or("unchecked");
        let kind = row.event_type.as_deref().map_or_else(String::new, |kind| format!(" {kind}"));
        let is_ours = row.provider.as_ref() == Some(slug);
        let recognised = match (is_ours, row.provider.as_deref()) {
            (false, Some(other)) => format!("#{seq}{kind} may be from {other} just as well"),
            _ => format!("#{seq}{kind} of {}", recipe.name),
        };
        let says = &signature.text;
        let (signed, valid) = match verdict {
            "unsigned" | "malformed" => ((false, says.clone()), (false, "there is nothing to check".to_owned())),
            _ if !recipe.is_verifiable() => {
                let nothing = format!("{} signs nothing: whoever knows the URL can send", recipe.name);
                ((false, nothing), (false, "there is nothing to check".to_owned()))
            }
            _ => ((true, signature.scheme.clone().unwrap_or_default()), (verdict == "valid", says.clone())),
        };
        let pin = (!is_ours).then(|| format!("hook listen … --provider {slug}"));
        let answer = |word, (yes, says): (bool, String)| Answer { yes, word, says };
        let answers = [answer("recognised", (is_ours, recognised)), answer("signed", signed), answer("valid", valid)];
        let explain = || Some(format!("hook explain {seq}"));
        let next = pin.or_else(|| finding.next.clone()).or_else(explain);
        let is_right = answers.iter().all(|a| a.yes);
        Self { answers, next: next.filter(|_| !is_right) }
    }

    pub fn is_right(&self) -> bool {
        self.answers.iter().all(|a| a.yes)
    }

    pub fn lines(&self, paint: Paint) -> Vec<String> {
        let line = |a: &Answer| {
            let (sign, ink) = if a.yes { ("✓", Ink::Good) } else { ("✗", Ink::Bad) };
            format!("{} {:<10}  {}", paint.ink(ink, paint.mark(sign)), a.word, sanitize(&a.says)).trim_end().to_owned()
        };
        self.answers.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use hook_providers::Catalog;

    use super::*;
    use crate::provider::Signature;

    fn signature(verdict: &str, text: &str) -> Signature {
        let word = |w: &str| Some(w.to_owned());
        Signature { verdict: word(verdict), text: text.into(), scheme: word("hmac-sha256"), ..Signature::default() }
    }

    fn report(provider: Option<&str>, recorded: &str, found: Signature) -> Report {
        let catalog = Catalog::shipped();
        let row = EventRow {
            provider: provider.map(str::to_owned),
            event_type: Some("charge.failed\u{1b}[2J".into()),
            verdict: Some(recorded.into()),
            signature: Some(Box::new(signature(recorded, "as recorded"))),
            ..EventRow::for_test(3, "POST", "/")
        };
        let next = Some("hook secret set stripe".to_owned());
        let finding = Finding { provider: None, event_type: None, signature: found, next };
        Report::of(&row, catalog.get("stripe").unwrap(), &finding)
    }

    fn shown(report: &Report) -> String {
        [report.lines(Paint::PLAIN).join("\n"), format!("next: {:?}", report.next)].join("\n")
    }

    #[test]
    fn every_kind_of_answer() {
        let all = [
            report(Some("stripe"), "no_secret", signature("valid", "signed with shop/stripe whsec_…cdef")),
            report(Some("stripe"), "valid", signature("no_secret", "no secret is known")),
            report(Some("stripe"), "invalid", signature("invalid", "matches none of the secrets")),
            report(Some("stripe"), "unsigned", signature("unsigned", "no Stripe-Signature header")),
            report(Some("svix"), "valid", signature("valid", "signed with stripe")),
        ];
        insta::assert_snapshot!(all.iter().map(shown).collect::<Vec<_>>().join("\n\n"));
        assert_eq!(all.map(|r| r.is_right()), [true, true, false, false, false]);
    }
}
