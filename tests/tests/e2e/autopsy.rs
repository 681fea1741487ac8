//! `hook verify` and `hook explain`: is the signature right, and why did this event fail?

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hook_tests::signing::send_twilio;
use hook_tests::{Answer, App, Hook, Listen, request};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub const SECRET: &str = "whsec_0123456789abcdef9fQ2";
pub const BODY: &str = "{\n  \"id\": \"evt_1\",\n  \"object\": \"event\",\n  \"type\": \"charge.failed\"\n}";

pub fn hmac(key: &str, text: &str) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> {
        let mut block = key.as_bytes().to_vec();
        block.resize(64, 0);
        block.iter().map(|b| b ^ with).collect()
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What official libraries were given, and what they said of it.
fn vectors() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../providers/testdata/vectors.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The arguments that hand a vector over; its secret is in `S`, its body comes by standard input.
fn raw(vector: &Value) -> Vec<String> {
    let text = |name: &str| vector[name].as_str().unwrap().to_owned();
    let mut args: Vec<String> = ["--secret-env", "S", "--body", "-", "--output", "json"].map(Into::into).to_vec();
    args.extend([
        "--provider".into(),
        text("provider"),
        "--method".into(),
        text("method"),
        "--url".into(),
        text("url"),
    ]);
    args.extend(["--at".into(), vector["now"].to_string()]);
    for (name, value) in vector["headers"].as_object().unwrap() {
        args.extend(["--header".into(), format!("{name}: {}", value.as_str().unwrap())]);
    }
    args
}

#[test]
fn a_request_that_is_in_no_journal_is_verified_without_one() {
    let vectors = vectors();
    // Every provider once, and every kind of ending.
    for vector in vectors.iter().step_by(4) {
        let secret = vector["secret"].as_str().unwrap();
        let hook = Hook::new().with_env("S", secret);
        let body = BASE64_STANDARD.decode(vector["body_b64"].as_str().unwrap()).unwrap();
        let valid = vector["expect"] == "valid";
        let args = [vec!["verify".to_owned()], raw(vector)].concat();
        let output = hook.run_with_stdin(&args, &body).ended_with(i32::from(!valid));
        let found = &output.of_type("verdict")[0];
        let class = match found["verdict"].as_str().unwrap() {
            "invalid" => "bad_signature",
            "unsigned" => "malformed",
            other => other,
        };
        let expected = [&vector["expect"], &vector["alt"]];
        assert!(expected.iter().any(|e| **e == class), "{}: {}: {found}", vector["provider"], vector["note"]);
        assert_eq!(found["reason"].is_null(), valid, "{found}");
        assert_eq!(found["next"].is_null(), valid, "{found}");
        let shown = secret.len() > 8 && (output.stdout.contains(secret) || output.stderr.contains(secret));
        assert!(!shown, "a secret is shown: {}", vector["provider"]);
        assert!(!hook.journal().exists(), "a journal was made");
    }
}

#[test]
fn a_request_comes_from_a_file_or_the_command_line() {
    let hook = Hook::new().with_env("S", SECRET);
    std::fs::write(hook.project().join("body.json"), BODY).unwrap();
    let header = format!("X-Hub-Signature-256: sha256={}", hex(&hmac(SECRET, BODY)));
    // The provider is known by its header.
    let event = "X-GitHub-Event: push";
    let verify =
        |body: &str| hook.run(["verify", "--secret-env", "S", "--header", &header, "--header", event, "--body", body]);
    let output = verify("@body.json").succeeded();
    assert_eq!(output.stdout, "✓ valid  github  push\nsigned with github whsec_…9fQ2 (S).\n");
    verify(BODY).succeeded();
    let output = verify("@nowhere.json").ended_with(3);
    assert!(output.stderr.contains("nowhere.json cannot be read"), "{}", output.stderr);
    let output = verify("{}").ended_with(1);
    assert!(
        output
            .stdout
            .starts_with("✗ invalid  github  push\nmatches none of the secrets hook knows (github whsec_…9fQ2)")
    );
    assert!(output.stderr.starts_with("next: copy this endpoint's secret"), "{}", output.stderr);

    let usage = |args: &[&str], says: &str| {
        let output = hook.run([&["verify"], args].concat()).ended_with(2);
        assert!(output.stderr.contains(says) && output.stderr.contains("next: "), "{}", output.stderr);
    };
    usage(&["--provider", "twilio", "--body", "a=b"], "Twilio signs the URL");
    usage(&["--provider", "strype", "--body", "{}"], "no provider \"strype\"");
    usage(&["--header", "no colon"], "not a header field");
    usage(&["--secret-env", "NOT_SET", "--body", "{}"], "has a secret in NOT_SET");
    usage(&["12", "--body", "{}"], "cannot be used with");
}

#[test]
fn another_secret_at_hand_is_told_from_the_one_that_is_asked_about() {
    let hook = Hook::new().with_env("S", "whsec_another0123456789").with_env("GITHUB_WEBHOOK_SECRET", SECRET);
    let header = format!("X-Hub-Signature-256: sha256={}", hex(&hmac(SECRET, BODY)));
    let args = ["verify", "--provider", "github", "--header", &header, "--body", BODY, "--output", "json"];
    assert_eq!(hook.run(args).succeeded().json()[0]["verdict"], "valid");
    let found = &hook.run([&args[..], &["--secret-env", "S"]].concat()).ended_with(1).json()[0];
    assert_eq!(found["reason"], "other_secret");
    assert!(found["text"].as_str().unwrap().contains("\"GITHUB_WEBHOOK_SECRET\", not of \"github\""), "{found}");
}

/// An app that refuses, behind a tunnel, and a provider that signs.
pub fn refusing(answer: Answer) -> (Hook, App, Listen) {
    refusing_with(answer, &[])
}

pub fn refusing_with(answer: Answer, flags: &[&str]) -> (Hook, App, Listen) {
    let hook = Hook::new().with_env("GITHUB_WEBHOOK_SECRET", SECRET).with_env("SQUARE_WEBHOOK_SIGNATURE_KEY", SECRET);
    let app = App::answering(answer);
    let target = format!("localhost:{}/hooks", app.port());
    let listen = hook.listen(["--forward-to", &target].iter().chain(flags));
    listen.ready();
    (hook, app, listen)
}

pub fn github(listen: &Listen, body: &str, secret: &str) -> u64 {
    let signature = format!("sha256={}", hex(&hmac(secret, body)));
    let fields: [(&str, &[u8]); 3] = [
        ("Content-Type", b"application/json"),
        ("X-GitHub-Event", b"push"),
        ("X-Hub-Signature-256", signature.as_bytes()),
    ];
    let before = listen.of_type("attempt").len();
    request("POST", &listen.url(), &fields, body);
    listen.attempt(before + 1)["event_seq"].as_u64().unwrap()
}

pub fn explained(hook: &Hook, seq: u64) -> Value {
    hook.run(["explain", &seq.to_string(), "--output", "json"]).succeeded().of_type("explanation").remove(0)
}

pub fn codes(explained: &Value) -> Vec<&str> {
    explained["causes"].as_array().unwrap().iter().map(|c| c["code"].as_str().unwrap()).collect()
}

#[test]
fn the_case_that_nobody_else_can_name() {
    let express = || Answer::status("400 Bad Request").header("X-Powered-By", "Express").body("signature mismatch");
    let (hook, _app, listen) = refusing(express());
    // JSON.stringify would write other bytes: the body may have been parsed before it was verified.
    let seq = github(&listen, BODY, SECRET);
    let found = explained(&hook, seq);
    assert_eq!((&found["verdict"], &found["app"]["framework"]), (&Value::from("valid"), &Value::from("Express")));
    assert_eq!(codes(&found), ["signature_refused", "body_parsed", "other_secret"]);
    assert!(found["fix"]["code"].as_str().unwrap().contains("app.post('/hooks', express.raw("), "{found}");
    let text = hook.run(["explain", &seq.to_string()]).succeeded().stdout;
    for words in [
        "✓ valid  #1  github  push",
        "the signature is valid, but your app refused it",
        "JSON.stringify would write other bytes (54, not the 67 that came)",
        "the app holds another secret than github whsec_…9fQ2",
        "Fix for Express",
        "createHmac('sha256', process.env.GITHUB_WEBHOOK_SECRET)",
    ] {
        assert!(text.contains(words), "no \"{words}\" in\n{text}");
    }
    assert!(!text.contains(SECRET) && !text.contains(&hex(&hmac(SECRET, BODY))), "{text}");
    // It would write these very bytes: parsing them is no cause.
    let seq = github(&listen, r#"{"id":"evt_2"}"#, SECRET);
    assert_eq!(codes(&explained(&hook, seq)), ["signature_refused", "other_secret"]);
    let django = hook.run(["explain", &seq.to_string(), "--framework", "django"]).succeeded().stdout;
    assert!(django.contains("@csrf_exempt") && django.contains("hmac.compare_digest"), "{django}");
}

#[test]
fn a_failed_event_is_explained_as_it_fails() {
    let (hook, app, listen) = refusing(Answer::status("400 Bad Request").body("signature mismatch"));
    let next = |n: usize| listen.attempt(n)["next"].as_str().unwrap().to_owned();
    let reason = |seq: u64| {
        let row = hook.run(["show", &seq.to_string(), "--output", "json"]).succeeded().of_type("event").remove(0);
        row["signature"]["reason"].as_str().unwrap_or("none").to_owned()
    };
    let seq = github(&listen, BODY, SECRET);
    assert!(next(1).starts_with(&format!("hook explain {seq} ")), "{}", next(1));
    assert_eq!(reason(seq), "none");
    let seq = github(&listen, BODY, "another");
    assert!(next(2).starts_with("copy this endpoint's"), "{}", next(2));
    assert_eq!(reason(seq), "unknown");
    // What a proxy that pretty-prints would make of it.
    let signature = format!("sha256={}", hex(&hmac(SECRET, r#"{"a":1}"#)));
    request(
        "POST",
        &listen.url(),
        &[("X-GitHub-Event", b"push"), ("X-Hub-Signature-256", signature.as_bytes())],
        "{\"a\": 1}",
    );
    assert!(next(3).starts_with("verify the bytes as they came"), "{}", next(3));
    assert_eq!(reason(3), "body_reformatted");
    // An app that takes it needs no explanation.
    app.answers(Answer::ok("ok"));
    let seq = github(&listen, BODY, "another");
    assert_eq!(reason(seq), "none");
}

#[test]
fn what_the_app_says_is_read() {
    let (hook, app, listen) = refusing(Answer::ok("ok"));
    let after = |answer: Answer, secret: &str| {
        app.answers(answer);
        let seq = github(&listen, BODY, secret);
        let found = explained(&hook, seq);
        let framework = found["app"]["framework"].as_str().unwrap_or("unknown").to_owned();
        format!("{} {framework} {}", codes(&found).join(" "), found["reason"].as_str().unwrap_or("right"))
    };
    let refused = |body: &str| Answer::status("403 Forbidden").body(body);
    let error = |body: &str| Answer::status("500 Oops").header("Server", "Werkzeug/3.1 Python/3.11").body(body);
    assert_eq!(after(Answer::ok("ok"), SECRET), " unknown right");
    assert_eq!(after(Answer::ok("ok"), "whsec_another"), "taken_unverified unknown unknown");
    assert_eq!(after(refused("CSRF verification failed. Request aborted."), SECRET), "csrf Django right");
    assert_eq!(after(refused("Blocked hosts: x. Blocked host: y"), SECRET), "host_check Rails right");
    assert_eq!(after(error("KeyError"), SECRET), "app_error Flask right");
    assert_eq!(
        after(error("stripe.SignatureVerificationError: x"), "whsec_another"),
        "signature_refused Flask unknown"
    );
    let parsed = "Webhook payload must be provided as a string or a Buffer";
    assert_eq!(after(Answer::status("400 Bad").body(parsed), SECRET), "body_parsed unknown right");
    assert_eq!(after(Answer::status("404 Not Found").body("404 page not found"), SECRET), "no_route Go right");
    assert_eq!(after(Answer::close(), SECRET), "closed unknown right");
}

#[test]
fn a_signed_url_that_the_app_does_not_see_is_named() {
    // With a known secret it would be signed anew for the URL that the app sees.
    let (hook, _app, listen) = refusing_with(Answer::status("403 Forbidden").body("no"), &["--as-received"]);
    let url = listen.url();
    let body = r#"{"type":"payment.created"}"#;
    let signature = BASE64_STANDARD.encode(hmac(SECRET, &format!("{url}{body}")));
    let fields: [(&str, &[u8]); 1] = [("X-Square-HmacSha256-Signature", signature.as_bytes())];
    request("POST", &url, &fields, body);
    listen.attempt(1);
    let found = explained(&hook, 1);
    assert_eq!((&found["verdict"], codes(&found)), (&Value::from("valid"), vec!["url_differs"]), "{found}");
    assert!(found["causes"][0]["text"].as_str().unwrap().contains(&format!("verifies for {url}, but your app sees")));
}

#[test]
fn an_event_is_judged_as_of_when_it_came() {
    let (hook, _app, listen) = refusing(Answer::ok("ok"));
    let hook = hook.with_env("STRIPE_WEBHOOK_SECRET", SECRET);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // As old as Stripe's libraries take, when it came.
    let t = now - 299;
    let signature = format!("t={t},v1={}", hex(&hmac(SECRET, &format!("{t}.{BODY}"))));
    request("POST", &listen.url(), &[("Stripe-Signature", signature.as_bytes())], BODY);
    listen.attempt(1);
    let verify = || hook.run(["verify", "last", "--output", "json"]).succeeded().of_type("verdict").remove(0);
    let found = hook_tests::wait_for("it is too old", || Some(verify()).filter(|f| f["refused_now"] == true));
    assert_eq!(found["verdict"], "valid");
    assert!(found["next"].as_str().unwrap().starts_with("hook replay 1"), "{found}");
    let text = hook.run(["verify"]).succeeded();
    assert!(text.stdout.contains("now Stripe's libraries would refuse its timestamp"), "{}", text.stdout);
}

/// What the provider does with such an app is told with its limit.
#[test]
fn what_the_sender_does_is_told() {
    let (hook, app, listen) = refusing(Answer::status("400 Bad Request"));
    let seq = github(&listen, BODY, SECRET);
    assert_eq!(explained(&hook, seq)["sender"], serde_json::json!(["github never sends an event again"]));
    app.answers(Answer::ok("ok"));
    let seq = github(&listen, BODY, SECRET);
    assert_eq!(explained(&hook, seq)["sender"], serde_json::json!([]));
}

/// Neither the bytes nor the secret are wrong.
#[test]
fn a_signature_that_the_app_finds_too_old_gets_no_other_fix() {
    let answer = Answer::status("400 Bad Request").header("X-Powered-By", "Express");
    let (hook, _app, listen) = refusing(answer.body("Timestamp outside the tolerance zone"));
    let seq = github(&listen, BODY, SECRET);
    let next = listen.attempt(1)["next"].as_str().unwrap().to_owned();
    assert_eq!(next, format!("compare the app's clock with this one, then hook replay {seq} --resign"));
    let found = explained(&hook, seq);
    assert_eq!((codes(&found), &found["fix"]), (vec!["stale"], &Value::Null), "{found}");
    let text = hook.run(["explain", &seq.to_string()]).succeeded().stdout;
    assert!(!text.contains("Fix") && !text.contains("parsed") && !text.contains("raw"), "{text}");
}

/// Twilio's libraries are given the fields of the form: to hand them the bytes would be no fix.
#[test]
fn a_signature_of_fields_and_url_is_explained_by_its_url() {
    const TOKEN: &str = "a3f1c2d4e5b60718293a4b5c6d7e8f90";
    let hook = Hook::new().with_env("TWILIO_AUTH_TOKEN", TOKEN);
    let app = App::answering(Answer::status("403 Forbidden").header("X-Powered-By", "Express").body("Forbidden"));
    let target = format!("http://localhost:{}/sms", app.port());
    let listen = hook.listen(["--forward-to", &target]);
    send_twilio(&listen.url(), TOKEN);
    listen.attempt(1);
    let found = explained(&hook, 1);
    assert_eq!(codes(&found), ["url_differs", "other_secret"], "{found}");
    let text = hook.run(["explain", "1"]).succeeded().stdout;
    for words in [
        &format!("another URL than {target}, for which hook signed it anew"),
        "--app-url URL",
        "parse it, and hand them",
    ] {
        assert!(text.contains(words), "no \"{words}\" in\n{text}");
    }
    assert!(!text.contains("express.raw") && !text.contains("as they came"), "{text}");
    let probed = hook.run(["explain", "1", "--probe", "--output", "json"]).ended_with(1).of_type("probe").remove(0);
    assert_eq!(probed["found"], "refuses_all");
    assert!(
        probed["text"].as_str().unwrap().contains(&target) && probed["next"].as_str().unwrap().contains("--app-url")
    );
    let tried: Vec<&str> = probed["tries"].as_array().unwrap().iter().map(|t| t["version"].as_str().unwrap()).collect();
    assert_eq!(tried, ["as_received", "fresh", "other_secret", "forged_body"], "a form may be written in any way");
}
