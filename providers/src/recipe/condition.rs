//! A question about a request: `header:x-github-event`, `!json:/a`, `json:/object = event | page`, `header:user-agent ^= GitLab/`.

use super::selector::Selector;
use super::template::{Scope, Template};
use crate::bytes::same;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) place: Selector,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Exists,
    Lacks,
    Is(Vec<Template>),
    Begins(Vec<Template>),
}

impl Condition {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let templates = |values: &str| values.split(" | ").map(|v| Template::parse(v.trim())).collect::<Result<_, _>>();
        let (place, test) = if let Some((place, values)) = text.split_once(" ^= ") {
            (place, Test::Begins(templates(values)?))
        } else if let Some((place, values)) = text.split_once(" = ") {
            (place, Test::Is(templates(values)?))
        } else if let Some(place) = text.strip_prefix('!') {
            (place, Test::Lacks)
        } else {
            (text, Test::Exists)
        };
        Ok(Condition { place: compared(place)?, test })
    }

    pub(crate) fn holds(&self, scope: &Scope<'_>) -> bool {
        let value = self.place.find(scope);
        match &self.test {
            Test::Exists => value.is_some() || self.place.is_branch(scope),
            Test::Lacks => value.is_none() && !self.place.is_branch(scope),
            // A value may be a shared secret (Meta's verify token), so it is compared in constant time.
            Test::Is(wanted) => value.is_some_and(|v| wanted.iter().any(|w| w.text(scope).is_ok_and(|w| same(&v, &w)))),
            Test::Begins(wanted) => {
                value.is_some_and(|v| wanted.iter().any(|w| w.text(scope).is_ok_and(|w| v.starts_with(&w))))
            }
        }
    }

    /// What the person gave that it compares with: Meta's verify token.
    pub(crate) fn param(&self) -> Option<&str> {
        let (Test::Is(wanted) | Test::Begins(wanted)) = &self.test else { return None };
        wanted.iter().flat_map(Template::places).find_map(|place| match place {
            Selector::Param(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// How much it says about who sent: a header of a provider's own says more than a word in a body.
    pub(crate) fn weight(&self) -> u32 {
        let place = match &self.place {
            Selector::Header(name) if matches!(name.as_str(), "user-agent" | "content-type" | "authorization") => 2,
            Selector::Header(_) => 4,
            _ => 2,
        };
        match self.test {
            Test::Lacks => 0,
            Test::Exists => place,
            Test::Is(_) | Test::Begins(_) => place + 1,
        }
    }
}

/// The place before a comparison. One that there is not, as in `json:/live == false`, would be read as a part of the name.
fn compared(place: &str) -> Result<Selector, String> {
    let is_comparison = |word: &&str| word.chars().all(|c| "=!<>~^&|".contains(c));
    if let Some(word) = place.split_whitespace().find(is_comparison) {
        return Err(format!("\"{word}\" is not a comparison: there are =, ^= and a ! in front"));
    }
    if place.contains('=') {
        return Err(format!("\"{place}\" has an = without spaces around it"));
    }
    Selector::parse(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_comparison_is_no_part_of_a_name() {
        for (text, part) in [
            ("json:/livemode == false", "\"==\" is not a comparison"),
            ("json:/livemode != true", "\"!=\" is not a comparison"),
            ("!json:/livemode =", "\"=\" is not a comparison"),
            ("json:/amount > 3", "\">\" is not a comparison"),
            ("header:user-agent ~ Acme", "\"~\" is not a comparison"),
            ("json:/livemode=false", "without spaces"),
            ("header:user-agent^= Acme", "without spaces"),
        ] {
            let error = Condition::parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        for text in ["json:/a b", "json:/x = a=b", "!header:x", "header:user-agent ^= Acme/ | Acme="] {
            assert!(Condition::parse(text).is_ok(), "{text}");
        }
    }
}
