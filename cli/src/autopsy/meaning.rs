//! What an app's answer means for the signature that it got: the one that came, one that hook made, or one that is wrong on purpose.

use super::app::is_refusal;
use super::finding::Finding;
use crate::journal::{Attempt, Signing};
use crate::provider::Part;

/// An answer, as far as signatures go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Taken,
    /// As a wrong signature is refused.
    Refused,
    /// None, or one that says nothing of signatures.
    Other,
}

impl Answer {
    pub fn of(attempt: &Attempt, body: &[u8]) -> Self {
        match attempt.status.filter(|_| attempt.error.is_none()) {
            Some(200..=299) => Self::Taken,
            Some(status) if is_refusal(status, body) => Self::Refused,
            _ => Self::Other,
        }
    }
}

/// What was sent and the answer to it, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing of the signature that came.
    Nothing,
    TookWrong,
    TookForged(Part),
    RefusedRight,
    RefusedWrong,
    /// It refused what hook had signed.
    RefusedAnew,
    RefusedForged,
}

/// `verdict` is about the event as it came. Only an attempt that carried its signature tells anything of that one.
pub fn meaning(verdict: &str, signing: Option<&Signing>, answer: Answer) -> Meaning {
    let is_wrong = matches!(verdict, "invalid" | "stale" | "unsigned" | "malformed");
    match (signing, answer) {
        (_, Answer::Other) => Meaning::Nothing,
        (Some(Signing::Forged(part)), Answer::Taken) => Meaning::TookForged(*part),
        (Some(Signing::Forged(_)), Answer::Refused) => Meaning::RefusedForged,
        (Some(Signing::Anew | Signing::AnewFor(_)), Answer::Taken) => Meaning::Nothing,
        (Some(Signing::Anew | Signing::AnewFor(_)), Answer::Refused) => Meaning::RefusedAnew,
        (None, Answer::Taken) if is_wrong => Meaning::TookWrong,
        (None, Answer::Refused) if is_wrong => Meaning::RefusedWrong,
        (None, Answer::Refused) if verdict == "valid" => Meaning::RefusedRight,
        (None, _) => Meaning::Nothing,
    }
}

/// What follows from an app that took what is wrong. `reason` is the cause of it, as far as it was computed.
pub fn took_wrong(verdict: &str, reason: Option<&str>) -> &'static str {
    match (verdict, reason.unwrap_or_default()) {
        ("stale", _) => "it does not look at the timestamp, or takes older ones than libraries do",
        ("unsigned", "other_hash") => "it looks at the older header, or does not verify",
        ("unsigned" | "malformed", _) => "it does not verify",
        (_, reason) if reason.starts_with("url_") => {
            "it verifies for another URL than the one that came, or not at all"
        }
        // Nobody looked for the cause.
        (_, "") => "it verifies in another way than hook does, or not at all",
        (_, "unknown" | "other_secret") => "it holds a secret that hook does not have here, or it does not verify",
        (_, reason) if reason.starts_with("secret_") => "it holds the secret as it should be, or it does not verify",
        _ => "it verifies something else than what came, or nothing",
    }
}

pub fn took_forged(part: Part) -> &'static str {
    match part {
        Part::Timestamp => "your app took one that was signed long ago: it does not look at the timestamp",
        Part::Body => "your app took a forged body: it does not verify",
        Part::Signature => "your app took a forged signature: it does not verify",
    }
}

/// Whether an app that verifies has to refuse it, whichever secret it holds.
pub fn had_to_refuse(finding: &Finding) -> bool {
    let reason = finding.signature.reason.as_deref().unwrap_or_default();
    finding.verdict() != "invalid"
        || !(reason == "unknown" || reason == "other_secret" || reason.starts_with("secret_"))
}

/// The attempts of an event that tell something.
pub struct Telling {
    /// The last that is not forged; else the last.
    pub last: Attempt,
    /// The last that carried the signature that came, when that is another.
    pub as_it_came: Option<Attempt>,
    /// The last that is forged, when it is younger.
    pub forged: Option<Attempt>,
}

impl Telling {
    pub fn of(attempts: Vec<Attempt>) -> Option<Self> {
        let is_forged = |attempt: &Attempt| attempt.signing.as_ref().is_some_and(Signing::is_forged);
        let newest = attempts.last()?.clone();
        let last = attempts.iter().rfind(|attempt| !is_forged(attempt)).unwrap_or(&newest).clone();
        let as_it_came = attempts.into_iter().rfind(|attempt| attempt.signing.is_none());
        let as_it_came = as_it_came.filter(|_| last.signing.is_some());
        let forged = (newest.n != last.n).then_some(newest);
        Some(Self { last, as_it_came, forged })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Signature;

    /// Every verdict, way of signing and kind of answer.
    #[test]
    fn an_answer_is_about_what_was_sent() {
        let signings = [
            ("as it came", None),
            ("anew", Some(Signing::Anew)),
            ("anew for a URL", Some(Signing::AnewFor("http://localhost".into()))),
            ("forged", Some(Signing::Forged(Part::Body))),
        ];
        let mut table = Vec::new();
        for verdict in ["valid", "stale", "invalid", "unsigned", "malformed", "no_secret", "unchecked"] {
            for (how, signing) in &signings {
                let means = |answer| meaning(verdict, signing.as_ref(), answer);
                assert_eq!(means(Answer::Other), Meaning::Nothing);
                let (taken, refused) = (means(Answer::Taken), means(Answer::Refused));
                table.push(format!("{verdict:<9}  {how:<14}  {taken:?} / {refused:?}"));
            }
        }
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn what_follows_fits_the_cause() {
        assert!(took_wrong("invalid", Some("unknown")).starts_with("it holds a secret that hook does not have"));
        // The secret is known there, or nobody knows whether it is.
        for reason in ["", "body_reformatted", "url_scheme", "body_other", "signature_cut"] {
            assert!(!took_wrong("invalid", Some(reason)).contains("secret"), "{reason}");
        }
        assert!(!took_wrong("stale", Some("stale")).contains("verify"));
        let finding = |verdict: &str, reason: &str| Finding {
            provider: None,
            event_type: None,
            signature: Signature { verdict: Some(verdict.into()), reason: Some(reason.into()), ..Signature::default() },
            next: None,
        };
        for (verdict, reason, had_to) in [
            ("invalid", "unknown", false),
            ("invalid", "secret_quoted", false),
            ("invalid", "body_reformatted", true),
            ("stale", "stale", true),
            ("unsigned", "unsigned", true),
        ] {
            assert_eq!(had_to_refuse(&finding(verdict, reason)), had_to, "{verdict} {reason}");
        }
    }

    #[test]
    fn the_last_attempt_that_is_not_forged_is_looked_at() {
        let attempt = |n, signing| Attempt { n, signing, ..Attempt::for_test(Some(200)) };
        let chosen = |signings: &[Option<Signing>]| {
            let all = signings.iter().zip(1..).map(|(signing, n)| attempt(n, signing.clone())).collect();
            let told = Telling::of(all).unwrap();
            (told.last.n, told.as_it_came.map(|a| a.n), told.forged.map(|a| a.n))
        };
        let (anew, forged) = (Some(Signing::Anew), Some(Signing::Forged(Part::Body)));
        assert!(Telling::of(Vec::new()).is_none());
        assert_eq!(chosen(&[None]), (1, None, None));
        assert_eq!(chosen(&[None, anew.clone()]), (2, Some(1), None));
        assert_eq!(chosen(&[None, forged.clone()]), (1, None, Some(2)));
        assert_eq!(chosen(&[None, forged.clone(), anew.clone()]), (3, Some(1), None));
        assert_eq!(chosen(&[None, anew, None, forged.clone()]), (3, None, Some(4)));
        assert_eq!(chosen(&[forged.clone(), forged]), (2, None, None));
    }
}
