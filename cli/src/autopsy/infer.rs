//! What follows from the versions that an app accepted and refused, and nothing more.

use super::probe::{Got, Tried, What, written};

/// What was inferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inferred {
    pub code: &'static str,
    pub says: String,
    pub next: Option<&'static str>,
}

/// What all versions that are right have in common.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The secret that signed, as it may be shown.
    pub secret: &'a str,
    /// The URL for which, where it counts.
    pub url: Option<&'a str>,
    /// Fields of the body are signed, and not its bytes.
    pub fields: bool,
}

const BYTES: &str = "verify the bytes as they came, before anything parses them: hook explain shows the fix";
const VERIFY: &str = "check the signature before anything else: hook explain --framework NAME shows how";
const SECRETS: &str = "compare the app's secret with hook secret list";
const APP_URL: &str = "hook listen … --app-url URL      the URL for which your app verifies";

/// What the app verifies.
pub fn infer(tried: &[Tried], signed: Signed<'_>) -> Inferred {
    let seen = Seen::of(tried);
    let told = |code, says: String, next| Inferred { code, says, next };
    if tried.iter().all(|t| t.got == Got::NoAnswer) {
        return told("no_answer", "your app gave no answer, so nothing can be told".into(), Some("start your app"));
    }
    if seen.other_secret == Some(Got::Accepted) {
        let says = "your app does not verify signatures: it accepted one that another secret made";
        return told("not_verified", says.into(), Some(VERIFY));
    }
    if seen.forged == Some(Got::Accepted) {
        let says = "your app does not verify the body: it accepted one that was changed after it was signed";
        return told("body_not_verified", says.into(), Some(VERIFY));
    }
    match seen.fresh {
        Some(Got::Accepted) => accepting(&seen, signed),
        Some(got) => not_accepting(&seen, got, signed),
        None => nothing("hook can sign no version of it"),
    }
}

/// The answers by version.
struct Seen {
    came: Option<Got>,
    fresh: Option<Got>,
    rewritten: Vec<(&'static str, Got)>,
    other_secret: Option<Got>,
    forged: Option<Got>,
    old: Option<Got>,
    all: Vec<Got>,
}

impl Seen {
    fn of(tried: &[Tried]) -> Self {
        let got = |what| tried.iter().find(|t| t.what == what).map(|t| t.got);
        let rewritten = tried.iter().filter_map(|t| match t.what {
            What::Rewritten(by) => Some((by, t.got)),
            _ => None,
        });
        Self {
            came: got(What::AsReceived),
            fresh: got(What::Fresh),
            rewritten: rewritten.collect(),
            other_secret: got(What::OtherSecret),
            forged: got(What::Forged),
            old: got(What::OldTimestamp),
            all: tried.iter().map(|t| t.got).collect(),
        }
    }

    /// The first way of writing that it did this with.
    fn written(&self, got: Got) -> Option<String> {
        self.rewritten.iter().find(|(_, other)| *other == got).map(|(by, _)| written(by))
    }
}

/// It accepts the event as it was signed anew.
fn accepting(seen: &Seen, signed: Signed<'_>) -> Inferred {
    let secret = signed.secret;
    let told = |code, says: String, next| Inferred { code, says, next };
    if let Some(by) = seen.written(Got::Refused) {
        let says = format!(
            "your app verifies a body that it wrote again, not what came: it refuses this event {by}, though it is signed right"
        );
        return told("body_parsed", says, Some(BYTES));
    }
    // That it did not accept them is enough: handlers answer wrong signatures in many ways.
    if seen.other_secret.or(seen.forged).is_none() {
        return nothing("your app accepted all that hook could send it, and none of that was wrong");
    }
    let what = match (signed.fields, signed.url) {
        (true, Some(url)) => format!("your app verifies the fields of the body, for {url}, with {secret}"),
        (true, None) => format!("your app verifies the fields of the body, with {secret}"),
        _ if seen.written(Got::Accepted).is_some() => {
            format!("your app verifies the bytes as they come, with {secret}")
        }
        _ => {
            let says = format!(
                "your app verifies signatures with {secret}; whether of the bytes as they come cannot be told from this event"
            );
            return told("signature_verified", says, Some("the same with an event whose body is JSON"));
        }
    };
    if seen.old == Some(Got::Accepted) {
        let says = format!("{what}, and not the timestamp: it accepted one that was signed long ago");
        return told(
            "timestamp_not_verified",
            says,
            Some("refuse old timestamps: an event can be sent again by anyone"),
        );
    }
    if seen.came == Some(Got::Accepted) {
        return told("verified", what, None);
    }
    let says = format!("{what}; it refuses this one as it came");
    told("verified", says, Some("hook explain, without --probe, says why it is refused"))
}

/// It does not accept the event, though it is signed right: what it does is not right, whatever else it refuses.
fn not_accepting(seen: &Seen, fresh: Got, signed: Signed<'_>) -> Inferred {
    let secret = signed.secret;
    let told = |code, says: String, next| Inferred { code, says, next };
    if let Some(by) = seen.written(Got::Accepted) {
        let says = format!("your app parses the body first, and verifies it {by}, not what came");
        return told("body_parsed", says, Some(BYTES));
    }
    match fresh {
        Got::Refused if seen.came == Some(Got::Accepted) => {
            let says = format!(
                "your app accepted the event as it came, and not what {secret} signed: it holds another secret, or takes no event twice"
            );
            told("other_secret", says, Some(SECRETS))
        }
        Got::Refused => {
            let ways = match seen.rewritten.len() {
                0 => String::new(),
                1 => ", and written in another way too".to_owned(),
                n => format!(", and written in {n} other ways too"),
            };
            let (url, next) = match signed.url {
                Some(url) => (format!("verifies for another URL than {url}"), APP_URL),
                None => ("verifies what hook has not tried".to_owned(), SECRETS),
            };
            let says = format!(
                "your app refuses what {secret} signed right{ways}: it holds another secret, {url}, or refuses this event for another reason"
            );
            told("refuses_all", says, Some(next))
        }
        Got::Other(status @ (404 | 405)) => told(
            "no_route",
            format!("your app has no such route: it answered {status}"),
            Some("name the route with --to"),
        ),
        Got::Other(status @ 500..) if seen.all.iter().all(|got| *got == fresh) => {
            let says = format!("your app answered {status} to all: it fails whatever the signature");
            told("app_error", says, Some("look at your app's log"))
        }
        Got::Other(status) => nothing(&format!("your app answered {status} to what is signed right")),
        Got::NoAnswer | Got::Accepted => nothing("your app gave no answer to what is signed right"),
    }
}

fn nothing(fact: &str) -> Inferred {
    let says = format!("unknown: {fact}, and from that nothing follows about what it verifies");
    Inferred { code: "unknown", says, next: Some("look at your app's log") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Got::{Accepted, NoAnswer, Other, Refused};

    const STRINGIFY: &str = "JSON.stringify";
    const DUMPS: &str = "json.dumps of Python";

    /// As received, signed anew, written again, by another secret, forged, old: `+` accepted, `-` refused, `4` no route, `5` failed,
    /// `0` no answer, a space: not sent. Written again may be more than one.
    fn from(answers: [&str; 6], signed: Signed<'_>) -> Inferred {
        let got = |c: char| match c {
            '+' => Accepted,
            '-' => Refused,
            '4' => Other(404),
            '5' => Other(500),
            '3' => Other(302),
            _ => NoAnswer,
        };
        let kinds: [&[What]; 6] = [
            &[What::AsReceived],
            &[What::Fresh],
            &[What::Rewritten(STRINGIFY), What::Rewritten(DUMPS)],
            &[What::OtherSecret],
            &[What::Forged],
            &[What::OldTimestamp],
        ];
        let pairs = kinds.into_iter().zip(answers).flat_map(|(whats, answers)| whats.iter().zip(answers.chars()));
        let tried: Vec<Tried> = pairs
            .filter(|(_, c)| *c != ' ')
            .map(|(what, c)| Tried { what: *what, got: got(c), status: None, error: None, ms: None })
            .collect();
        infer(&tried, signed)
    }

    const BODY: Signed<'_> = Signed { secret: "stripe whsec_…9fQ2", url: None, fields: false };

    #[test]
    fn what_is_accepted_and_refused_tells_what_is_verified() {
        for (answers, code) in [
            (["+", "+", "+", "-", "-", "-"], "verified"),
            (["+", "+", "+", "-", "-", " "], "verified"),
            (["-", "+", "+", "-", "-", "-"], "verified"),
            // A handler may fail at what is wrong.
            (["+", "+", "+", "5", "5", "5"], "verified"),
            (["+", "+", "5+", "-", "-", "-"], "verified"),
            (["+", "+", "+", "-", " ", " "], "verified"),
            // Nothing tells which bytes.
            (["+", "+", " ", "-", "-", "-"], "signature_verified"),
            (["+", "+", "5", "-", "-", "-"], "signature_verified"),
            // Nothing wrong was sent.
            (["+", "+", "+", " ", " ", " "], "unknown"),
            (["+", "+", "+", "-", "-", "+"], "timestamp_not_verified"),
            (["+", "+", "-", "-", "-", "-"], "body_parsed"),
            (["-", "-", "+", "-", "-", "-"], "body_parsed"),
            (["-", "-", "-+", "-", "-", "-"], "body_parsed"),
            (["5", "5", "5+", "5", "5", "5"], "body_parsed"),
            (["+", "+", "+", "+", "+", "+"], "not_verified"),
            (["-", "-", "-", "+", "-", "-"], "not_verified"),
            (["+", "+", "+", "-", "+", "-"], "body_not_verified"),
            (["+", "-", "-", "-", "-", "-"], "other_secret"),
            // Refused, though it is signed right: never all is well.
            (["-", "-", "-", "-", "-", "-"], "refuses_all"),
            (["-", "-", "--", "-", "-", "-"], "refuses_all"),
            (["-", "-", " ", "-", "-", "-"], "refuses_all"),
            (["-", "-", "5", "5", "5", "5"], "refuses_all"),
            (["4", "4", " ", " ", " ", " "], "no_route"),
            (["5", "5", "5", "5", "5", "5"], "app_error"),
            (["+", "5", "5", "5", "5", "5"], "unknown"),
            (["5", "5", "5", "-", "-", "-"], "unknown"),
            (["3", "3", " ", " ", " ", " "], "unknown"),
            (["-", "0", " ", " ", " ", " "], "unknown"),
            (["+", " ", " ", "-", "-", "-"], "unknown"),
            (["0", "0", " ", " ", " ", " "], "no_answer"),
        ] {
            assert_eq!(from(answers, BODY).code, code, "{answers:?}");
        }
    }

    /// Every answer to every version.
    #[test]
    fn all_is_well_only_where_what_is_right_is_accepted_and_what_is_wrong_is_not() {
        let one = ["+", "-", "5", "0", " "];
        let mut count = 0;
        for n in 0..one.len().pow(6) {
            let at = |place: u32| one[n / one.len().pow(place) % one.len()];
            let answers = [at(0), at(1), at(2), at(3), at(4), at(5)];
            let [_, fresh, written, other, forged, old] = answers;
            let found = from(answers, BODY);
            let well = fresh == "+" && written == "+" && other != "+" && forged != "+" && old != "+";
            let tried = other != " " || forged != " ";
            assert_eq!(found.code == "verified", well && tried, "{answers:?} {}", found.code);
            assert_eq!(
                found.code == "verified" && found.next.is_none(),
                well && tried && answers[0] == "+",
                "{answers:?}"
            );
            count += usize::from(found.code == "body_parsed");
        }
        assert!(count > 0);
    }

    #[test]
    fn a_signature_of_fields_says_nothing_of_bytes_and_names_its_url() {
        let signed = Signed { url: Some("http://localhost:3000/sms"), fields: true, ..BODY };
        let well = from(["+", "+", " ", "-", "-", " "], signed);
        assert_eq!((well.code, well.next), ("verified", None));
        assert!(well.says.contains("the fields of the body, for http://localhost:3000/sms"), "{}", well.says);
        let refused = from(["-", "-", " ", "-", "-", " "], signed);
        assert!(refused.says.contains("another URL than http://localhost:3000/sms"), "{}", refused.says);
        assert!(refused.next.is_some_and(|next| next.contains("--app-url")));
    }

    #[test]
    fn the_writer_is_named() {
        let found = from(["-", "-", "-+", "-", "-", "-"], BODY);
        assert!(found.says.contains("verifies it as json.dumps of Python writes it"), "{}", found.says);
    }
}
