//! Secrets that are not what they should be, as shells and files make them, and times that are too far away.

use super::senders::{OF_BODIES, OF_URLS, secret_of, signed};
use super::software::piped;
use super::{Case, NOW, URL};

const BODY: &str = r#"{"id":"evt_1","amount":2000}"#;

/// What a program has in its variable when a shell came by its secret like this. `$SECRET` is the right one.
const WAYS: [(&str, &str, &[&str]); 6] = [
    ("sourced from a file with CRLF", r#"printf 'S=%s\r\n' "$SECRET" >env; . ./env"#, &["secret_whitespace"]),
    (
        "from a Kubernetes secret that echo made",
        r#"S=$(echo "$SECRET" | base64 -w0 | base64 -d; echo .); S=${S%.}"#,
        &["secret_whitespace"],
    ),
    ("exported from a file with quotes", r#"printf 'S="%s"\n' "$SECRET" >env; export $(cat env)"#, &["secret_quoted"]),
    (
        "exported from a file with single quotes",
        r#"printf "S='%s'\n" "$SECRET" >env; export $(cat env)"#,
        &["secret_quoted"],
    ),
    (
        "as the whole line",
        r#"printf 'WEBHOOK_SECRET=%s\n' "$SECRET" >env; S=$(grep WEBHOOK env)"#,
        &["secret_prefixed"],
    ),
    ("pasted with the header's word", r#"S="Bearer $SECRET""#, &["secret_prefixed"]),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (provider, right) in OF_BODIES {
        for (way, script, causes) in WAYS {
            cases.push(case(provider, way, shell(script, right), causes));
        }
        cases.push(case(provider, "of another endpoint", another(right), &["unknown"]));
        cases.push(case(provider, "cut", shell("S=$(printf %s \"$SECRET\" | head -c 20)", right), &["unknown"]));
        // Text that is no base64 cannot be the secret of these at all.
        let of_base64 = ["svix", "standard-webhooks"].contains(&provider);
        let causes: &[&str] = if of_base64 { &["no_secret", "unknown"] } else { &["unknown"] };
        cases.push(case(provider, "unset in JavaScript", "undefined".into(), causes));
    }
    for (provider, other, causes) in [
        ("stripe", "sk_test_51Habcdefghijklmnop", &["secret_mistaken"][..]),
        ("stripe", "we_1NG8Du2eZvKYlo2CUI79vXWy", &["secret_mistaken"]),
        ("github", "ghp_0123456789abcdefghijABCDEFGHIJ012345", &["secret_mistaken"]),
        ("stripe", secret_of("stripe").trim_start_matches("whsec_"), &["secret_encoding"]),
    ] {
        cases.push(case(provider, &format!("{}… in its place", &other[..3]), other.to_owned(), causes));
    }
    for (provider, later, cause) in [
        ("stripe", 3600, "stale"),
        ("slack", 3600, "stale"),
        ("svix", 3600, "stale"),
        ("standard-webhooks", 86_400, "stale"),
        ("paddle", 600, "stale"),
        ("svix", -3600, "clock_ahead"),
        ("standard-webhooks", -600, "clock_ahead"),
    ] {
        let causes: &[&str] = if cause == "stale" { &["stale"] } else { &["clock_ahead"] };
        let at = NOW.checked_add_signed(later).unwrap();
        cases.push(Case {
            at,
            ..case(provider, &format!("seen {later} s later"), secret_of(provider).to_owned(), causes)
        });
    }
    for (provider, right) in OF_URLS.into_iter().filter(|(provider, _)| *provider != "twilio") {
        cases.push(case(provider, "of another account", another(right), &["unknown"]));
        cases.push(case(provider, "with a newline", shell(WAYS[1].1, right), &["secret_whitespace"]));
    }
    cases
}

/// Signed with the right secret; the app has this one.
fn case(provider: &'static str, name: &str, secret: String, causes: &'static [&'static str]) -> Case {
    Case {
        name: format!("{provider}, the secret {name}"),
        provider,
        secret,
        method: "POST",
        url: URL.to_owned(),
        fields: signed(provider, secret_of(provider), URL, "application/json", BODY.as_bytes()),
        body: BODY.into(),
        at: NOW,
        causes,
    }
}

/// Another secret of the same form.
fn another(right: &str) -> String {
    let (prefix, rest) = right.split_at(right.rfind('_').map_or(0, |at| at + 1));
    format!("{prefix}{}", rest.chars().rev().collect::<String>())
}

fn shell(script: &str, secret: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("cd {}; SECRET='{secret}'; {script}; printf %s \"$S\"", dir.path().display());
    String::from_utf8(piped(&["bash", "-c", &script], b"")).unwrap()
}
