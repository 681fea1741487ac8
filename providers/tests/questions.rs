//! What providers ask an endpoint: the answer in each one's form, and what is said of a question that has none.

use std::sync::OnceLock;

use hook_providers::{
    Around, Catalog, Cause, Explanation, Handshake, Known, Request, Secret, State, answer_handshake, explain, identify,
    sign, verify,
};

const NOW: u64 = 1_780_000_000_000;
const URL: &str = "https://h.example/in";

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(Catalog::shipped)
}

/// One request, and what is known.
struct Asked {
    method: &'static str,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: String,
    secret: &'static str,
    param: Option<(&'static str, &'static str)>,
}

impl Asked {
    fn new(method: &'static str, query: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
        Asked { method, url: format!("{URL}{query}"), headers, body: body.to_owned(), secret: "secret", param: None }
    }

    fn get(query: &str) -> Self {
        Self::new("GET", query, &[], "")
    }

    fn post(headers: &[(&str, &str)], body: &str) -> Self {
        Self::new("POST", "", headers, body)
    }

    fn with(self, param: (&'static str, &'static str)) -> Self {
        Self { param: Some(param), ..self }
    }

    fn signed(mut self, slug: &str) -> Self {
        self.headers = self.look(|request, known| {
            let recipe = catalog().get(slug).expect("it is shipped");
            sign(recipe, request, known, NOW).expect("it can be signed").apply(request.headers)
        });
        self
    }

    fn look<T>(&self, look: impl FnOnce(&Request<'_>, &Known<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        let params: Vec<(&str, &str)> = self.param.into_iter().collect();
        let secrets = [Secret { label: "mine", value: self.secret }];
        look(
            &Request::new(self.method, &self.url, &headers, self.body.as_bytes()),
            &Known { secrets: &secrets, params: &params, live_keys: &[] },
        )
    }

    fn asked(&self, slug: &str) -> Option<Handshake> {
        let recipe = catalog().get(slug).expect("it is shipped");
        self.look(|request, known| answer_handshake(recipe, request, known, NOW))
    }

    fn explained(&self, slug: &str) -> Explanation {
        let recipe = catalog().get(slug).expect("it is shipped");
        let around = Around { catalog: Some(catalog()), ..Around::default() };
        self.look(|request, known| explain(recipe, request, known, &around, NOW))
    }

    /// `lark or slack`
    fn from(&self) -> String {
        self.look(|request, _| {
            let found = identify(catalog(), request, None);
            found.recipe.into_iter().chain(found.also).map(|r| r.slug.as_str()).collect::<Vec<_>>().join(" or ")
        })
    }
}

#[track_caller]
fn answers(asked: &Asked, from: &str, slug: &str, status: u16, body: &str) {
    assert_eq!(asked.from(), from);
    let answer = asked.asked(slug).and_then(|h| h.answer).expect("an answer");
    assert_eq!((answer.status, String::from_utf8(answer.body).as_deref()), (status, Ok(body)), "{slug}");
}

#[test]
fn every_question_has_its_own_answer() {
    let grid = r#"[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"5\"1"}}]"#;
    let grid = Asked::post(&[("aeg-event-type", "SubscriptionValidation")], grid);
    answers(&grid, "azure-eventgrid", "azure-eventgrid", 200, r#"{"validationResponse":"5\"1"}"#);
    for (origin, slug) in [("eventgrid.azure.net", "azure-eventgrid"), ("sender.example", "cloudevents")] {
        let options = Asked::new("OPTIONS", "", &[("WebHook-Request-Origin", origin)], "");
        answers(&options, slug, slug, 200, "");
        let headers = options.asked(slug).and_then(|h| h.answer).map(|a| a.headers).unwrap_or_default();
        let mine =
            [("webhook-allowed-origin", origin), ("webhook-allowed-rate", "*")].map(|(n, v)| (n.into(), v.into()));
        assert_eq!(headers, mine);
    }
    answers(&Asked::post(&[], r#"{"challenge":"3eZ"}"#), "monday", "monday", 200, r#"{"challenge":"3eZ"}"#);
    // An event of anybody else's that has such a member is no question of theirs.
    assert_eq!(Asked::post(&[], r#"{"challenge":"3eZ","user":"u1"}"#).from(), "");
    let okta = Asked::new("GET", "", &[("X-Okta-Verification-Challenge", "ab\"c")], "");
    answers(&okta, "okta", "okta", 200, r#"{"verification":"ab\"c"}"#);
    let lark = Asked::post(&[], r#"{"challenge":"ajls","token":"t","type":"url_verification"}"#);
    answers(&lark, "lark or slack", "lark", 200, r#"{"challenge":"ajls"}"#);
    answers(&Asked::get("?challenge=a%20b"), "dropbox or nylas", "nylas", 200, "a b");
    let strava = Asked::get("?hub.mode=subscribe&hub.verify_token=tok&hub.challenge=15f7");
    answers(&strava.with(("verify_token", "tok")), "meta or strava", "strava", 200, r#"{"hub.challenge":"15f7"}"#);
    let websub = Asked::get("?hub.mode=subscribe&hub.topic=https%3A%2F%2Fa.example%2F&hub.challenge=c1");
    answers(&websub, "websub", "websub", 200, "c1");
    for (slug, agent) in [("intercom", "intercom-webhooks"), ("mandrill", "Mandrill-Webhook/1.0")] {
        answers(&Asked::new("HEAD", "", &[("User-Agent", agent)], ""), slug, slug, 200, "");
    }
    answers(&Asked::new("GET", "", &[("User-Agent", "MailChimp")], ""), "mailchimp", "mailchimp", 200, "");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    answers(&Asked::post(&form, "mandrill_events=%5B%5D"), "mandrill", "mandrill", 200, "");
    answers(&Asked::post(&[("X-Test-Notification", "true")], "{}"), "wise", "wise", 200, "");
    answers(&Asked::post(&[], r#"{"event_type":"PING","passcode":"p","webhook_id":"1"}"#), "figma", "figma", 200, "");
    answers(&Asked::post(&[("X-GitHub-Event", "ping")], "{}"), "github", "github", 200, "");
    let line = Asked::post(&[("X-Line-Signature", "x")], r#"{"destination":"U1","events":[]}"#);
    answers(&line, "line", "line", 200, "");
    for (asked, slug) in [
        (Asked::post(&[("aeg-event-type", "Notification")], "[]"), "azure-eventgrid"),
        (Asked::post(&[("X-GitHub-Event", "push")], "{}"), "github"),
        (Asked::post(&[("X-Line-Signature", "x")], r#"{"destination":"U1","events":[{"type":"follow"}]}"#), "line"),
        (Asked::post(&form, "mandrill_events=%5B%7B%7D%5D"), "mandrill"),
        (Asked::post(&[("X-Test-Notification", "false")], "{}"), "wise"),
        (Asked::post(&[("X-Xero-Signature", "x")], r#"{"events":[{"eventType":"UPDATE"}],"entropy":"S0"}"#), "xero"),
    ] {
        assert_eq!(asked.asked(slug), None, "{slug} tells of an event");
    }
}

#[test]
fn a_question_with_a_wrong_signature_gets_401_and_no_word_of_a_foreign_secret() {
    let body = r#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0"}"#;
    answers(&Asked::post(&[], body).signed("xero"), "xero", "xero", 200, "");
    let wrong = Asked::post(&[("X-Xero-Signature", "AAAA")], body);
    answers(&wrong, "xero", "xero", 401, "");
    let discord = [("x-signature-ed25519", "0".repeat(128)), ("x-signature-timestamp", "1780000000".to_owned())];
    let discord = discord.iter().map(|(n, v)| (*n, v.as_str())).collect::<Vec<_>>();
    let ping = Asked::post(&discord, r#"{"type":1,"application_id":"1"}"#);
    let ping = Asked { secret: "cabed9623962d65d7d45f7488629701b3d1d46aeca9f53934b83570d262ea233", ..ping };
    answers(&ping, "discord", "discord", 401, "");
    for (asked, slug, name) in [(wrong, "xero", "Xero"), (ping, "discord", "Discord")] {
        let found = asked.explained(slug);
        assert_eq!((found.verdict.state, found.cause), (State::Invalid, Cause::Handshake));
        assert!(
            found.says.starts_with(&format!("{name} also asks with a wrong signature, and wants 401")),
            "{}",
            found.says
        );
        assert!(found.next.is_some_and(|next| next.starts_with(&format!("nothing, if {name} takes the URL"))));
    }
    // An event is none.
    let event = Asked::post(&[("X-Xero-Signature", "AAAA")], r#"{"events":[{"eventType":"UPDATE"}],"entropy":"S0"}"#);
    assert_eq!(event.explained("xero").cause, Cause::Unknown);
}

#[test]
fn a_question_without_a_signature_lacks_none() {
    let graph = Asked::new("POST", "?validationToken=V", &[("Content-Type", "text/plain")], "");
    let found = graph.explained("ms-graph");
    assert_eq!((found.verdict.state, found.cause, found.next), (State::Unsigned, Cause::Handshake, None));
    assert_eq!(found.verdict.reason, "it is a question, and carries no client state");
    assert_eq!(found.says, "it is a question, and carries no client state: hook answers it where the app does not");
    // What is no question still lacks it, and says so once.
    let none = Asked::post(&[], r#"{"value":7}"#).explained("ms-graph");
    assert_eq!((none.verdict.state, none.verdict.reason.as_str()), (State::Malformed, "no /value in the body"));
}

#[test]
fn a_verify_token_is_wrong_or_not_known() {
    let meta = || Asked::get("?hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong");
    for (asked, lacking) in [
        (meta(), "no verify_token is known"),
        (meta().with(("verify_token", "meaty")), "its verify_token is not the one that hook has"),
    ] {
        let handshake = asked.asked("meta").expect("it is a question");
        assert_eq!((handshake.answer, handshake.lacking.as_deref()), (None, Some(lacking)));
        assert_eq!(handshake.param.as_deref(), Some("verify_token"));
        let found = asked.explained("meta");
        assert_eq!(found.cause, Cause::Handshake);
        assert_eq!(
            found.says,
            format!("it is a question, and carries no signature; {lacking}, so hook has no answer to it")
        );
        assert!(found.next.is_some_and(|next| next.starts_with("hook listen … --param verify_token=…")));
    }
    let right = meta().with(("verify_token", "wrong")).asked("meta").and_then(|h| h.answer).expect("an answer");
    assert_eq!(right.body, b"1");
}

#[test]
fn what_signs_nothing_is_said_to_sign_nothing() {
    let event = Asked::post(&[], r#"{"aspect_type":"update","object_type":"activity","owner_id":1}"#);
    let recipe = catalog().get("strava").expect("it is shipped");
    assert_eq!(event.look(|request, known| verify(recipe, request, known, NOW)).state, State::Unchecked);
    let found = event.explained("strava");
    assert_eq!((found.cause, found.says.as_str()), (Cause::Unsigned, "Strava signs nothing: anyone can send this"));
}
