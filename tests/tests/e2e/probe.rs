//! `hook explain --probe`: what does the app really verify?

use hook_tests::{Answer, App, Request};
use serde_json::Value;

use crate::autopsy::{BODY, SECRET, github, hex, hmac, refusing};

/// The body as `json.dumps` of Python writes it, for an object of numbers and plain texts.
fn dumps(body: &[u8]) -> String {
    let members: serde_json::Map<String, Value> = serde_json::from_slice(body).unwrap();
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", members.join(", "))
}

/// An app that verifies what it makes of the body.
fn verifying(what: fn(&[u8]) -> String) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    move |request| {
        let right = format!("sha256={}", hex(&hmac(SECRET, &what(&request.body))));
        let fits = request.header("x-hub-signature-256") == Some(right);
        if fits { Answer::ok("ok") } else { Answer::status("401 Unauthorized").body("who are you?") }
    }
}

/// Flask's `json.dumps(request.get_json())`: it refuses this event, however right it is signed.
#[test]
fn an_app_that_verifies_what_python_writes_is_named_as_such() {
    let (hook, app, listen) = refusing(Answer::ok("ok"));
    app.answers_with(verifying(dumps));
    let seq = github(&listen, r#"{"action":"opened","number":7}"#, SECRET).to_string();
    let before = app.count();
    let found = hook.run(["explain", &seq, "--probe", "--output", "json"]).ended_with(1).of_type("probe").remove(0);
    assert_eq!(found["found"], "body_parsed", "{found}");
    assert!(found["text"].as_str().unwrap().contains("as json.dumps of Python writes it"), "{found}");
    // As it came, signed anew, by the writer that is named; by another secret, forged. No other writer is tried then.
    assert_eq!(app.count() - before, 5, "{found}");
    let text = hook.run(["explain", &seq, "--probe"]).ended_with(1).stdout;
    assert!(text.contains("as json.dumps of Python writes it") && text.contains("accepted"), "{text}");
}

#[test]
fn an_app_that_verifies_the_bytes_is_told_so_and_no_other_is() {
    let (hook, app, listen) = refusing(Answer::ok("ok"));
    let bytes = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    app.answers_with(verifying(bytes));
    let seq = github(&listen, r#"{"action": "opened"}"#, SECRET).to_string();
    let probe = || hook.run(["explain", &seq, "--probe", "--output", "json"]);
    assert_eq!(probe().ended_with(0).of_type("probe")[0]["found"], "verified");
    // It refuses all that is signed right: what else it may be, all is not well.
    app.answers_with(|_| Answer::status("401 Unauthorized"));
    let found = probe().ended_with(1).of_type("probe").remove(0);
    assert_eq!(found["found"], "refuses_all", "{found}");
    // Within bounds: eight writers at most.
    assert!(found["tries"].as_array().unwrap().len() <= 13, "{found}");
    app.answers_with(|_| Answer::status("500 Oops"));
    assert_eq!(probe().ended_with(1).of_type("probe")[0]["found"], "app_error");
}

/// An app that takes every event is told from one that verifies.
#[test]
fn a_probe_finds_what_the_app_really_verifies() {
    let (hook, app, listen) = refusing(Answer::ok("ok"));
    let body = r#"{"ref":"refs/heads/main"}"#;
    let seq = github(&listen, body, SECRET).to_string();
    let probe = |to: &[&str]| {
        let args = ["explain", &seq, "--probe", "--output", "json"].into_iter().chain(to.iter().copied());
        hook.run(args)
    };
    let before = app.count();
    let found = probe(&[]).ended_with(1).of_type("probe").remove(0);
    assert_eq!(found["found"], "not_verified", "{found}");
    assert!(app.count() > before + 2, "several versions were sent");
    let other = App::answering(Answer::ok("ok"));
    let to = format!("localhost:{}/other", other.port());
    probe(&["--to", &to]).ended_with(1);
    assert_eq!(other.request(1).target(), "/other");
    assert_eq!(listen.of_type("attempt").len(), 1, "a probe is no attempt");
}

/// hook would sign for whoever forged it.
#[test]
fn a_probe_of_what_may_be_forged_asks_first() {
    let (hook, app, listen) = refusing(Answer::ok("ok"));
    let seq = github(&listen, BODY, "whsec_of_somebody_else").to_string();
    let before = app.count();
    let output = hook.run(["explain", &seq, "--probe"]).ended_with(1);
    let fact = format!("no secret that hook knows made the signature of event {seq}: it may be forged");
    assert!(output.stderr.contains(&fact), "{}", output.stderr);
    assert!(output.stderr.contains(&format!("next: hook explain {seq} --probe --yes")), "{}", output.stderr);
    assert_eq!(app.count(), before, "nothing was sent");
    hook.run(["explain", &seq, "--probe", "--yes"]).ended_with(1);
    assert!(app.count() > before);
}
