//! Does the autopsy name the right cause? A matrix of provider × cause × body.
//!
//! The requests are signed here, and broken by real software: Express and Flask apps that parse first, nginx, jq, ed, curl,
//! gzip, shells. In part of the cases that software loses what was signed for good; there hook has to say `unknown`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bodies;
mod proxies;
mod secrets;
mod senders;
mod software;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hook_tests::Hook;
use serde_json::Value;
use software::Software;

/// A request as the app has it, and why it does not verify.
struct Case {
    name: String,
    provider: &'static str,
    /// What is in the app's variable.
    secret: String,
    method: &'static str,
    url: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    /// Unix seconds.
    at: u64,
    /// The words for its cause; where two things were changed, either of them.
    causes: &'static [&'static str],
}

/// When everything is signed, unless a case is about time.
const NOW: u64 = 1_780_000_000;
const URL: &str = "https://hooks.example.com/hooks/in?team=7&kind=test";

fn explained(hook: &Hook, case: &Case) -> Value {
    let mut args: Vec<String> =
        ["explain", "--secret-env", "S", "--body", "-", "--output", "json"].map(Into::into).to_vec();
    args.extend(["--provider".into(), case.provider.into(), "--method".into(), case.method.into()]);
    args.extend(["--url".into(), case.url.clone(), "--at".into(), case.at.to_string()]);
    args.extend(case.fields.iter().flat_map(|(name, value)| ["--header".into(), format!("{name}: {value}")]));
    let mut command = hook.command(&args);
    command.env("S", &case.secret);
    let output = String::from_utf8(software::fed(&mut command, &case.body)).unwrap();
    assert!(!output.contains(case.secret.trim()), "{}: the secret is shown", case.name);
    serde_json::from_str(&output).unwrap_or_else(|e| panic!("{}: {e}: {output}", case.name))
}

/// What is wrong with the answer to a case, if anything.
fn judged(hook: &Hook, case: &Case) -> Option<String> {
    let found = explained(hook, case);
    let reason = found["reason"].as_str().unwrap_or("none");
    (!case.causes.contains(&reason))
        .then(|| format!("{}: {reason}, not {}: {}", case.name, case.causes.join(" or "), found["text"]))
}

#[test]
fn the_autopsy_names_the_right_cause() {
    let software = Software::start();
    let cases: Vec<Case> =
        [bodies::cases(&software), secrets::cases(), proxies::cases()].into_iter().flatten().collect();
    let hook = Hook::new();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            wrong.lock().unwrap().extend(judged(&hook, case));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let wrong = wrong.into_inner().unwrap();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    cases.iter().for_each(|case| *kinds.entry(case.causes[0]).or_default() += 1);
    println!("{} cases: {kinds:?}\n{} wrong:\n{}", cases.len(), wrong.len(), wrong.join("\n"));

    let unknown = kinds["unknown"];
    assert!(cases.len() >= 500 && kinds.len() >= 20, "{} cases of {} kinds", cases.len(), kinds.len());
    assert!(unknown * 10 >= cases.len(), "{unknown} of {} have causes that cannot be computed", cases.len());
    assert!((cases.len() - wrong.len()) * 100 >= cases.len() * 95, "{} of {} are wrong", wrong.len(), cases.len());
    // Nothing is made up where nothing can be known.
    let invented: Vec<&String> = wrong.iter().filter(|line| line.contains(", not unknown:")).collect();
    assert!(invented.is_empty(), "{invented:#?}");
}
