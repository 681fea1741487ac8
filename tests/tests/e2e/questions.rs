//! Each provider's own question, while the app is down; what is said of one that has no answer.

use hook_tests::{App, Hook, Listen, request};
use serde_json::Value;

/// What a provider asks, and what it wants to hear.
struct Asks {
    provider: &'static str,
    method: &'static str,
    query: &'static str,
    fields: &'static [(&'static str, &'static [u8])],
    body: &'static str,
    status: u16,
    answer: &'static str,
}

const NOTHING: Asks = Asks { provider: "", method: "POST", query: "", fields: &[], body: "", status: 200, answer: "" };
const JSON: (&str, &[u8]) = ("Content-Type", b"application/json");

const ALL: [Asks; 15] = [
    Asks {
        provider: "azure-eventgrid",
        fields: &[JSON, ("aeg-event-type", b"SubscriptionValidation")],
        body: r#"[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"51"}}]"#,
        answer: r#"{"validationResponse":"51"}"#,
        ..NOTHING
    },
    Asks {
        provider: "azure-eventgrid",
        method: "OPTIONS",
        fields: &[("WebHook-Request-Origin", b"eventgrid.azure.net")],
        ..NOTHING
    },
    Asks {
        provider: "cloudevents",
        method: "OPTIONS",
        fields: &[("WebHook-Request-Origin", b"sender.example")],
        ..NOTHING
    },
    Asks {
        provider: "monday",
        fields: &[JSON],
        body: r#"{"challenge":"3e"}"#,
        answer: r#"{"challenge":"3e"}"#,
        ..NOTHING
    },
    Asks {
        provider: "okta",
        method: "GET",
        fields: &[("X-Okta-Verification-Challenge", b"a1b2")],
        answer: r#"{"verification":"a1b2"}"#,
        ..NOTHING
    },
    Asks {
        provider: "lark",
        fields: &[JSON],
        body: r#"{"challenge":"aj","token":"t","type":"url_verification"}"#,
        answer: r#"{"challenge":"aj"}"#,
        ..NOTHING
    },
    Asks { provider: "dropbox", method: "GET", query: "?challenge=abc", answer: "abc", ..NOTHING },
    Asks { provider: "mailchimp", method: "GET", fields: &[("User-Agent", b"MailChimp")], ..NOTHING },
    Asks { provider: "intercom", method: "HEAD", fields: &[("User-Agent", b"intercom-webhooks")], ..NOTHING },
    Asks { provider: "mandrill", method: "HEAD", fields: &[("User-Agent", b"Mandrill-Webhook/1.0")], ..NOTHING },
    Asks {
        provider: "websub",
        method: "GET",
        query: "?hub.mode=subscribe&hub.topic=https%3A%2F%2Fa.example%2F&hub.challenge=c1",
        answer: "c1",
        ..NOTHING
    },
    Asks { provider: "wise", fields: &[JSON, ("X-Test-Notification", b"true")], body: "{}", ..NOTHING },
    Asks {
        provider: "figma",
        fields: &[JSON],
        body: r#"{"event_type":"PING","passcode":"p","webhook_id":"1"}"#,
        ..NOTHING
    },
    Asks { provider: "github", fields: &[JSON, ("X-GitHub-Event", b"ping")], body: r#"{"zen":"z"}"#, ..NOTHING },
    Asks {
        provider: "line",
        fields: &[JSON, ("X-Line-Signature", b"AAAA")],
        body: r#"{"destination":"U1","events":[]}"#,
        ..NOTHING
    },
];

#[track_caller]
fn assert_answered(listen: &Listen, asks: &Asks, n: usize) {
    let reply = request(asks.method, &format!("{}{}", listen.url(), asks.query), asks.fields, asks.body);
    let by = reply.header("hook-status");
    let got = (reply.status, reply.text(), by.as_deref());
    assert_eq!(got, (asks.status, asks.answer.to_owned(), Some("handshake")), "{} {}", asks.provider, asks.method);
    assert_eq!(listen.event(n)["provider"], asks.provider);
    // It waits for no event, and sends none again.
    let attempt = listen.attempt(n);
    assert_eq!((&attempt["sender"]["success"], &attempt["sender"]["sends_again"]), (&true.into(), &false.into()));
}

#[test]
fn hook_answers_every_providers_question_when_the_app_is_down() {
    let (hook, app) = (Hook::new(), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url()]);
    for (n, asks) in (1..).zip(&ALL) {
        assert_answered(&listen, asks, n);
    }
}

#[test]
fn a_person_gives_what_strava_and_nylas_are_told_by() {
    let (hook, app) = (Hook::new(), App::stopped());
    let at = app.url();
    let strava = ["--forward-to", at.as_str(), "--name", "s", "--provider", "strava", "--param", "verify_token=tok"];
    let listen = hook.listen(strava);
    let query = "?hub.mode=subscribe&hub.verify_token=tok&hub.challenge=15f7";
    let answer = r#"{"hub.challenge":"15f7"}"#;
    assert_answered(&listen, &Asks { provider: "strava", method: "GET", query, answer, ..NOTHING }, 1);
    listen.bye();
    let listen = hook.listen(["--forward-to", at.as_str(), "--name", "n", "--provider", "nylas"]);
    assert_answered(
        &listen,
        &Asks { provider: "nylas", method: "GET", query: "?challenge=x", answer: "x", ..NOTHING },
        1,
    );
}

#[test]
fn xero_asks_with_right_and_wrong_signatures() {
    let (hook, app) = (Hook::new().with_env("XERO_WEBHOOK_KEY", "xero-key"), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url()]);
    let body = r#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3"}"#;
    // HMAC-SHA256 of the body with that key.
    let right: &[(&str, &[u8])] = &[JSON, ("X-Xero-Signature", b"Lw2l6OQDP4l38BBVcAFgYgQAT81gwMuuy6YdTeR4+hk=")];
    assert_answered(&listen, &Asks { provider: "xero", fields: right, body, ..NOTHING }, 1);
    let wrong: &[(&str, &[u8])] = &[JSON, ("X-Xero-Signature", b"AAAA")];
    assert_answered(&listen, &Asks { provider: "xero", fields: wrong, body, status: 401, ..NOTHING }, 2);
    let said = hook.run(["explain", "2"]).stdout;
    assert!(said.contains("Xero also asks with a wrong signature, and wants 401 for it"), "{said}");
    assert!(!said.contains("Most often: another endpoint's secret"), "{said}");
}

#[test]
fn a_wrong_verify_token_is_said_and_promises_no_events() {
    let (hook, app) = (Hook::new(), App::stopped());
    let at = app.url();
    let meta = ["--forward-to", at.as_str(), "--provider", "meta"];
    let given = [&meta[..], &["--param", "verify_token=meaty"]].concat();
    for (n, args, lacking) in
        [(1, &meta[..], "no verify_token is known"), (2, &given, "its verify_token is not the one that hook has")]
    {
        let listen = hook.listen(args.iter().copied());
        let query = "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong";
        let reply = request("GET", &format!("{}{query}", listen.url()), &[], "");
        assert_eq!(reply.status, 502);
        let said = listen.wait_for("`handshake`", |r| r["code"] == "handshake");
        assert!(said["message"].as_str().unwrap().ends_with(&format!("hook cannot: {lacking}.")), "{said}");
        assert_eq!(said["next"], "hook listen … --provider meta --param verify_token=…");
        let attempt = listen.attempt(1);
        assert_eq!(attempt["sender"]["text"], "meta asked for a handshake, and got 502");
        assert_eq!((&attempt["sender"]["success"], &attempt["sender"]["sends_again"]), (&false.into(), &Value::Null));
        listen.bye();
        // What a flag of the listener gave, explain is given too.
        let n = n.to_string();
        let explained = hook.run(["explain", n.as_str()].into_iter().chain(args[4..].iter().copied())).stdout;
        assert!(
            explained.contains(lacking) && !explained.contains("proxy") && !explained.contains("sends an event again"),
            "{explained}"
        );
    }
}

#[test]
fn a_question_of_microsoft_graphs_is_no_broken_event() {
    let (hook, app) = (Hook::new(), App::stopped());
    let listen = hook.listen(["--forward-to", &app.url()]);
    let reply = request("POST", &format!("{}?validationToken=V", listen.url()), &[("Content-Type", b"text/plain")], "");
    assert_eq!((reply.status, reply.text().as_str()), (200, "V"));
    assert_eq!(listen.event(1)["signature"]["verdict"], "unsigned");
    listen.attempt(1);
    let shown = hook.run(["show", "1"]).stdout;
    assert!(shown.contains("– unsigned: it is a question, and carries no client state"), "{shown}");
    let explained = hook.run(["explain", "1"]).stdout;
    assert!(explained.contains("it is a question, and carries no client state"), "{explained}");
    assert!(!explained.contains("proxy") && !explained.contains("in the body in the body"), "{explained}");
}
