//! What does an app really verify? It is sent versions of one event, and what it accepts tells.

use bytes::Bytes;
use hook_proto::EventHead;
use hook_providers::{Request, rewritings};

use crate::provider::{Asked, Checker, Decision, Destination, Part, Problem, Rule};

/// How a version differs from the event as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    AsReceived,
    /// Signed anew, with a fresh timestamp where there is one.
    Fresh,
    /// JSON as this software writes it, signed as such.
    Rewritten {
        by: &'static str,
        /// The event itself was not written so.
        canonical: bool,
    },
    OtherSecret,
    /// The body was changed after it was signed.
    Forged,
    OldTimestamp,
}

impl What {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::AsReceived => "as_received",
            Self::Fresh => "fresh",
            Self::Rewritten { canonical: true, .. } => "canonical_json",
            Self::Rewritten { canonical: false, .. } => "other_json",
            Self::OtherSecret => "other_secret",
            Self::Forged => "forged_body",
            Self::OldTimestamp => "old_timestamp",
        }
    }

    /// For people.
    pub fn says(self) -> String {
        match self {
            Self::AsReceived => "as received".into(),
            Self::Fresh => "signed anew, now".into(),
            Self::Rewritten { by, .. } => format!("as {by} writes it"),
            Self::OtherSecret => "signed by another secret".into(),
            Self::Forged => "body changed after signing".into(),
            Self::OldTimestamp => "signed long ago".into(),
        }
    }

    /// An app that verifies accepts it.
    fn is_right(self) -> bool {
        matches!(self, Self::Fresh | Self::Rewritten { .. })
    }
}

/// One version, ready to be sent.
pub struct Version {
    pub what: What,
    pub head: EventHead,
    pub body: Bytes,
    pub path: String,
}

/// What became of a version.
#[derive(Debug, Clone)]
pub struct Tried {
    pub what: What,
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
    pub ms: Option<u64>,
}

impl Tried {
    pub fn accepted(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// All versions that can be made of an event; none without a secret to sign with.
pub fn versions(
    checker: &Checker,
    asked: Asked<'_>,
    to: Destination<'_>,
    now_ms: u64,
) -> Result<Vec<Version>, Problem> {
    let version = |what, head: &EventHead, body: &[u8], path: Option<String>| Version {
        what,
        head: head.clone(),
        body: Bytes::copy_from_slice(body),
        path: path.unwrap_or_else(|| to.path.to_owned()),
    };
    let mut all = vec![version(What::AsReceived, asked.head, asked.body, None)];
    let rule = match checker.signer(asked) {
        None => Rule::Always,
        by => Rule::Edited(by),
    };
    let mut signed = |what, body: &[u8], rule: &Rule| -> Result<(), Problem> {
        match checker.resign(Asked { body, ..asked }, to, rule, now_ms) {
            Decision::Resigned(it) => {
                all.push(version(what, &it.head, it.body.as_deref().unwrap_or(body), it.path));
                Ok(())
            }
            Decision::Problem(problem) => Err(problem),
            Decision::AsItCame => Ok(()),
        }
    };
    signed(What::Fresh, asked.body, &Rule::Always)?;
    let headers: Vec<(&str, &[u8])> = asked.head.headers.iter().map(|h| (h.name.as_str(), &*h.value)).collect();
    let request = Request::new(&asked.head.method, &asked.head.url, &headers, asked.body);
    let written = rewritings(&request);
    let by = |name: &str| written.iter().find(|w| w.by == name);
    let canonical = by("JSON.stringify");
    if let Some(other) = canonical.or_else(|| by("json.dumps of Python")) {
        signed(What::Rewritten { by: other.by, canonical: canonical.is_some() }, &other.body, &rule)?;
    }
    for (what, part) in
        [(What::OtherSecret, Part::Signature), (What::Forged, Part::Body), (What::OldTimestamp, Part::Timestamp)]
    {
        // Not every scheme has all of them.
        if let Ok(it) = checker.forge(asked, to, part, now_ms) {
            all.push(version(what, &it.head, it.body.as_deref().unwrap_or(asked.body), it.path));
        }
    }
    Ok(all)
}

/// What was inferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inferred {
    pub code: &'static str,
    pub says: String,
    pub next: Option<&'static str>,
}

const BYTES: &str = "verify the bytes as they came, before anything parses them: hook explain shows the fix";
const VERIFY: &str = "check the signature before anything else: hook explain --framework NAME shows how";

/// What the app verifies, by what it accepted. `secret` is the one that signed, as it may be shown.
pub fn infer(tried: &[Tried], secret: &str) -> Inferred {
    let of = |is: fn(What) -> bool| tried.iter().find(|t| is(t.what)).map(Tried::accepted);
    let came = of(|w| w == What::AsReceived).unwrap_or_default();
    let fresh = of(|w| w == What::Fresh);
    let canonical = of(|w| matches!(w, What::Rewritten { canonical: true, .. }));
    let other = of(|w| matches!(w, What::Rewritten { canonical: false, .. }));
    let by = tried.iter().find_map(|t| if let What::Rewritten { by, .. } = t.what { Some(by) } else { None });
    let by = by.unwrap_or("JSON.stringify");
    let told = |code, says: String, next| Inferred { code, says, next };
    if tried.iter().all(|t| t.status.is_none()) {
        return told("no_answer", "your app gave no answer, so nothing can be told".into(), Some("start your app"));
    }
    if of(|w| w == What::OtherSecret) == Some(true) {
        let says = "your app does not verify signatures: it accepted one that another secret made";
        return told("not_verified", says.into(), Some(VERIFY));
    }
    if of(|w| w == What::Forged) == Some(true) {
        let says = "your app does not verify the body: it accepted one that was changed after it was signed";
        return told("body_not_verified", says.into(), Some(VERIFY));
    }
    let any = tried.iter().any(|t| t.what.is_right() && t.accepted());
    if !any && came {
        let says = format!(
            "your app accepted the event as it came, and not what {secret} signed: it holds another secret, or takes no event twice"
        );
        return told("other_secret", says, Some("compare the app's secret with hook secret list"));
    }
    if !any {
        let (statuses, one) = (tried.iter().filter_map(|t| t.status), tried.iter().find_map(|t| t.status));
        let says = match one {
            Some(status @ (404 | 405)) => format!("your app has no such route: it answered {status} to all"),
            Some(status) if status >= 500 && statuses.clone().all(|s| s == status) => {
                format!("your app answered {status} to all: it fails whatever the signature")
            }
            _ => format!(
                "your app refuses what {secret} signed right: it holds another secret, or verifies something else than the body"
            ),
        };
        return told("refuses_all", says, Some("compare the app's secret with hook secret list"));
    }
    match (fresh, canonical, other) {
        (Some(false), Some(true), _) => {
            let says = format!("your app parses the body first, and verifies what {by} makes of it, not what came");
            told("body_parsed", says, Some(BYTES))
        }
        (Some(true), _, Some(false)) => {
            let says = format!(
                "your app verifies JSON that it wrote again, not what came: it refuses what {by} writes, though it is signed right"
            );
            told("body_parsed", says, Some(BYTES))
        }
        _ if of(|w| w == What::OldTimestamp) == Some(true) => {
            let says = format!(
                "your app verifies the bytes with {secret}, and not the timestamp: it accepted one that was signed long ago"
            );
            told("timestamp_not_verified", says, Some("refuse old timestamps: an event can be sent again by anyone"))
        }
        _ if !came => {
            let says =
                format!("your app verifies the bytes as they come, with {secret}; it refuses this one as it came");
            told("verified", says, Some("hook explain, without --probe, says why it is refused"))
        }
        _ => told("verified", format!("your app verifies the bytes as they come, with {secret}"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_tells_what_is_verified() {
        use What::{AsReceived, Forged, Fresh, OldTimestamp, OtherSecret};
        let canonical = What::Rewritten { by: "JSON.stringify", canonical: true };
        let other = What::Rewritten { by: "json.dumps of Python", canonical: false };
        let all = [AsReceived, Fresh, canonical, other, OtherSecret, Forged, OldTimestamp];
        let infer_from = |accepts: &[What], left_out: &[What], refuses: Option<u16>| {
            let tried = all.iter().filter(|what| !left_out.contains(what)).map(|what| {
                let status = if accepts.contains(what) { Some(200) } else { refuses };
                Tried { what: *what, status, error: None, ms: Some(1) }
            });
            infer(&tried.collect::<Vec<_>>(), "stripe whsec_…9fQ2").code
        };
        let no_other = &[other][..];
        let no_canonical = &[canonical][..];
        assert_eq!(infer_from(&[AsReceived, Fresh, canonical], no_other, Some(400)), "verified");
        assert_eq!(infer_from(&[AsReceived, Fresh, other], no_canonical, Some(400)), "verified");
        assert_eq!(infer_from(&[Fresh, canonical], no_other, Some(400)), "verified");
        assert_eq!(infer_from(&[canonical], no_other, Some(400)), "body_parsed");
        assert_eq!(infer_from(&[AsReceived, Fresh], no_canonical, Some(400)), "body_parsed");
        assert_eq!(infer_from(&all, &[], Some(400)), "not_verified");
        assert_eq!(infer_from(&[AsReceived, Fresh, canonical, Forged], no_other, Some(400)), "body_not_verified");
        let old = [AsReceived, Fresh, canonical, OldTimestamp];
        assert_eq!(infer_from(&old, no_other, Some(400)), "timestamp_not_verified");
        assert_eq!(infer_from(&[AsReceived], no_other, Some(400)), "other_secret");
        assert_eq!(infer_from(&[], no_other, Some(400)), "refuses_all");
        assert_eq!(infer_from(&[], no_other, None), "no_answer");
    }
}
