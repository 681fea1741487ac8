//! The shipped recipes, and what a person's own may look like.

use std::sync::OnceLock;

use hook_providers::{
    Answer, Catalog, Handshake, Known, Outcome, Recipe, Request, Secret, answer_handshake, identify, new_secret, sign,
};

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(Catalog::shipped)
}

fn seen<'c>(headers: &[(&str, &str)], url: &str, body: &str) -> hook_providers::Identified<'c>
where
    'static: 'c,
{
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
    identify(catalog(), &Request::new("POST", url, &headers, body.as_bytes()), None)
}

fn provider(headers: &[(&str, &str)], body: &str) -> String {
    let found = seen(headers, "https://h.example/in", body);
    let also: String = found.also.iter().map(|recipe| format!(" or {}", recipe.slug)).collect();
    found.recipe.map_or_else(|| "nobody".to_owned(), |recipe| format!("{}{also}", recipe.slug))
}

/// What the form of a key tells before anything is verified with it.
#[test]
fn what_cannot_be_a_key_is_told() {
    let catalog = Catalog::shipped();
    let unfit = |slug: &str, secret: &str| catalog.get(slug).and_then(|recipe| recipe.unfit(secret));
    for (slug, secret, why) in [
        ("discord", "nothex", "it is no Ed25519 key in hexadecimal, base64 or PEM"),
        ("telnyx", "zz", "it is no Ed25519 key in hexadecimal, base64 or PEM"),
        ("sendgrid", "MFkwEw==", "it is no P-256 key in base64 or PEM"),
        ("svix", "whsec_@@@", "it is not base64 after whsec_"),
        ("adyen", "zz", "it is not hexadecimal"),
        ("braintree", "x", "it is not PUBLIC_KEY|PRIVATE_KEY"),
        ("aws-sns", "x", "it is no RSA key or certificate in PEM"),
    ] {
        assert_eq!(unfit(slug, secret), Some(why), "{slug}");
    }
    assert_eq!((unfit("stripe", "anything"), unfit("github", "hush")), (None, None));
    for recipe in catalog.iter().filter(|recipe| recipe.can_sign()) {
        let made = new_secret(recipe, [7; 32]).unwrap_or_else(|| panic!("{} can sign", recipe.slug));
        let all = [&made.secret, &made.for_app].map(|secret| recipe.unfit(secret));
        assert_eq!(all, [None, None], "{}", recipe.slug);
    }
}

#[test]
fn every_recipe_says_what_a_person_wants_to_know() {
    assert!(catalog().iter().len() >= 79);
    for recipe in catalog().iter() {
        let slug = &recipe.slug;
        assert!(recipe.docs.starts_with("https://"), "{slug} names no documentation");
        assert!(!recipe.secret.found.is_empty(), "{slug} does not say where its secret is found");
        assert!(!recipe.setup.steps.is_empty(), "{slug} has no steps");
        let steps = recipe.setup.steps.concat();
        assert!(steps.contains("{url}") || slug == "postmark" || slug == "qstash", "{slug} never uses the URL");
        let published = recipe.secret.found.starts_with("nothing to copy");
        assert!(published || !recipe.secret.env.is_empty(), "{slug} names no variable");
        // One that signs nothing only asks questions and tells.
        assert!(recipe.is_verifiable() || slug == "strava", "{slug}");
        let sender = &recipe.sender;
        let sources = [
            sender.time_limit.as_ref().map(|f| &f.source),
            sender.success.as_ref().map(|f| &f.source),
            sender.retries.as_ref().map(|f| &f.source),
            sender.gives_up.as_ref().map(|f| &f.source),
            sender.redirects.as_ref().map(|f| &f.source),
        ];
        assert!(
            sources.into_iter().flatten().all(|source| source.starts_with("https://")),
            "{slug} has a fact without a source"
        );
    }
}

#[test]
fn the_most_specific_recipe_wins() {
    let hooks = [("webhook-id", "msg_1"), ("webhook-signature", "v1,aa"), ("webhook-timestamp", "1")];
    assert_eq!(provider(&hooks, r#"{"type":"contact.created"}"#), "standard-webhooks");
    assert_eq!(provider(&hooks, r#"{"id":"evt_6","object":"event","type":"response.completed"}"#), "openai");
    assert_eq!(provider(&hooks, r#"{"id":"x","status":"succeeded"}"#), "replicate");
    assert_eq!(provider(&hooks, r#"{"id":"event_1","type":"event","data":{"id":"b"}}"#), "anthropic");
    assert_eq!(provider(&hooks, r#"{"type":"order.created","data":{}}"#), "polar");
    assert_eq!(
        provider(&[("webhook-signature", "ab12")], r#"{"events":[{"id":"E"}],"meta":{"webhook_id":"W"}}"#),
        "gocardless"
    );
    let svix = [("svix-id", "msg_1"), ("svix-signature", "v1,aa")];
    assert_eq!(provider(&svix, r#"{"type":"email.sent"}"#), "resend");
    assert_eq!(provider(&svix, r#"{"type":"user.created","object":"event"}"#), "clerk");
    assert_eq!(provider(&svix, r#"{"type":"a"}"#), "svix");
    let gitlab = [hooks[0], hooks[1], ("X-Gitlab-Event", "Push Hook")];
    assert_eq!(provider(&gitlab, r#"{"object_kind":"push"}"#), "gitlab");
    assert_eq!(provider(&[("X-GitHub-Event", "push"), ("X-Hub-Signature-256", "sha256=aa")], "{}"), "github");
    assert_eq!(provider(&[("X-Hub-Signature-256", "sha256=aa")], r#"{"object":"page"}"#), "meta");
    assert_eq!(provider(&[("X-Signature", "aa"), ("X-Topic", "payment_order")], "{}"), "modern-treasury");
    assert_eq!(provider(&[("X-Signature", "aa"), ("X-Api-Key", "k")], "{}"), "getstream");
    assert_eq!(provider(&[("X-Signature", "ts=1,v1=a"), ("X-Request-Id", "k")], "{}"), "mercadopago");
    assert_eq!(provider(&[("content-type", "text/plain")], "hello"), "nobody");
}

#[test]
fn a_pinned_provider_beats_what_is_seen_and_a_tie_is_said() {
    let headers: [(&str, &[u8]); 2] = [("x-github-event", b"push"), ("x-shopify-topic", b"orders/create")];
    let request = Request::new("POST", "https://h.example/", &headers, b"{}");
    let found = identify(catalog(), &request, None);
    assert_eq!((found.recipe.map(|r| r.slug.as_str()), found.also.len()), (Some("github"), 1));
    let pinned = identify(catalog(), &request, catalog().get("shopify"));
    assert_eq!((pinned.recipe.map(|r| r.slug.as_str()), pinned.also.len()), (Some("shopify"), 0));
    assert_eq!(pinned.event.kind.as_deref(), Some("orders/create"));
}

#[test]
fn the_event_is_read_where_the_provider_puts_it() {
    let event = |headers: &[(&str, &str)], body: &str| seen(headers, "https://h.example/", body).event;
    let stripe =
        event(&[("stripe-signature", "t=1,v1=a")], r#"{"id":"evt_1","type":"charge.failed","livemode":false}"#);
    assert_eq!(
        (stripe.full_type().as_deref(), stripe.id.as_deref(), stripe.live),
        (Some("charge.failed"), Some("evt_1"), Some(false))
    );
    let github = event(&[("x-github-event", "pull_request"), ("x-github-delivery", "d1")], r#"{"action":"opened"}"#);
    assert_eq!(
        (github.full_type().as_deref(), github.delivery.as_deref(), github.live),
        (Some("pull_request.opened"), Some("d1"), None)
    );
    let form = [("x-slack-signature", "v0=a"), ("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(event(&form, "command=%2Fdeploy&text=x").kind.as_deref(), Some("/deploy"));
    assert_eq!(event(&form, "payload=%7B%22type%22%3A%22block_actions%22%7D").kind.as_deref(), Some("block_actions"));
    assert_eq!(event(&[], r#"{"update_id":7,"message":{}}"#).kind.as_deref(), Some("message"));
}

fn answer(slug: &str, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Option<Handshake> {
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
    let secrets = [Secret { label: slug, value: if slug == "braintree" { "pub|priv" } else { "secret" } }];
    let known = Known { secrets: &secrets, params: &[("verify_token", "tok")], live_keys: &[] };
    let recipe = catalog().get(slug).expect("it is shipped");
    answer_handshake(recipe, &Request::new(method, url, &headers, body.as_bytes()), &known, 0)
}

/// Zoom's question, signed as its library demands.
fn zoom(token: &str) -> Option<Handshake> {
    let (url, recipe) = ("https://h.example/in", catalog().get("zoom").expect("it is shipped"));
    let body = serde_json::json!({"event": "endpoint.url_validation", "payload": {"plainToken": token}}).to_string();
    let known = Known { secrets: &[Secret { label: "zoom", value: "secret" }], ..Known::default() };
    let signed = sign(recipe, &Request::new("POST", url, &[], body.as_bytes()), &known, 0).expect("it signs");
    let headers: Vec<(&str, &str)> = signed.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    answer("zoom", "POST", url, &headers, &body)
}

fn body_of(handshake: Option<Handshake>) -> Option<String> {
    String::from_utf8(handshake?.answer?.body).ok()
}

#[test]
fn handshakes_are_answered_in_the_providers_form() {
    let url = "https://h.example/in";
    assert_eq!(
        body_of(answer("slack", "POST", url, &[], r#"{"type":"url_verification","challenge":"3eZ"}"#)).as_deref(),
        Some("3eZ")
    );
    let zoom = zoom("qgg8vlvZRS6UYooatFL8Aw");
    let zoom: serde_json::Value = serde_json::from_str(&body_of(zoom).expect("an answer")).expect("it is JSON");
    assert_eq!(zoom["plainToken"], "qgg8vlvZRS6UYooatFL8Aw");
    assert_eq!(zoom["encryptedToken"].as_str().map(str::len), Some(64));
    let meta = "https://h.example/in?hub.mode=subscribe&hub.verify_token=tok&hub.challenge=115";
    assert_eq!(body_of(answer("meta", "GET", meta, &[], "")).as_deref(), Some("115"));
    let other = answer("meta", "GET", &meta.replace("=tok", "=other"), &[], "");
    assert_eq!(other.expect("it is a question").answer, None);
    let x = body_of(answer("twitter", "GET", "https://h.example/in?crc_token=abc", &[], ""));
    assert!(x.is_some_and(|body| body.starts_with(r#"{"response_token":"sha256="#)));
    assert_eq!(
        body_of(answer("dropbox", "GET", "https://h.example/in?challenge=a%20b", &[], "")).as_deref(),
        Some("a b")
    );
    assert_eq!(
        body_of(answer("ms-graph", "POST", "https://h.example/in?validationToken=V%3A1", &[], "")).as_deref(),
        Some("V:1")
    );
    let braintree = body_of(answer(
        "braintree",
        "GET",
        "https://h.example/in?bt_challenge=20f9f8ed05f77439fe955c977e4c8a53",
        &[],
        "",
    ));
    assert!(braintree.is_some_and(|body| body.starts_with("pub|") && body.len() == 44));
    let asana = answer("asana", "POST", url, &[("X-Hook-Secret", "b537")], "").expect("it is a handshake");
    assert_eq!(asana.secret.as_deref(), Some("b537"));
    assert_eq!(asana.answer.map(|a| a.headers), Some(vec![("x-hook-secret".into(), "b537".into())]));
    let notion = answer("notion", "POST", url, &[], r#"{"verification_token":"secret_t"}"#).expect("it is a handshake");
    assert_eq!(notion.secret.as_deref(), Some("secret_t"));
    assert!(answer("trello", "HEAD", url, &[], "").and_then(|h| h.answer).is_some());
    assert_eq!(answer("slack", "POST", url, &[], r#"{"type":"event_callback"}"#), None);
}

#[test]
fn an_answer_is_never_the_signature_of_an_event() {
    // What each provider signs, as the challenge of somebody who wants it signed.
    let forged = r#"{"event":"meeting.started"}"#;
    let url = "https://h.example/in";
    for token in [format!("v0:1780000000:{forged}").as_str(), forged, "", "a".repeat(65).as_str()] {
        let handshake = zoom(token).expect("it is a handshake");
        assert_eq!(handshake.answer, None, "{token}");
        assert!(handshake.lacking.is_some_and(|why| why.ends_with("not as Zoom sends it")), "{token}");
    }
    // Zoom signs its question, and its library asks for that.
    let unsigned = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let unsigned = answer("zoom", "POST", url, &[], unsigned).and_then(|h| h.answer).expect("an answer");
    assert_eq!((unsigned.status, unsigned.body.len()), (401, 0));
    for (slug, query) in [
        ("twitter", "crc_token=%7B%22tweet_create_events%22%3A%5B%5D%7D"),
        ("twitter", "crc_token="),
        ("braintree", "bt_challenge=PG4%2BPGtpbmQ%2BY2hlY2s8L2tpbmQ%2BPC9uPg%3D%3D"),
        ("braintree", "bt_challenge=20f9f8ed05f77439fe955c977e4c8a53%0A"),
    ] {
        let handshake = answer(slug, "GET", &format!("{url}?{query}"), &[], "").expect("it is a handshake");
        assert_eq!((handshake.answer, handshake.lacking.is_some()), (None, true), "{slug} {query}");
    }
}

#[test]
fn an_answer_gives_nothing_away() {
    let recipe = |guard: &str, body: &str| {
        let handshake = format!("when = \"query:c\"\n{guard}\nrespond = {{ status = 200, body = \"{body}\" }}");
        Recipe::parse("mine", &format!("name = \"Mine\"\n[[handshake]]\n{handshake}\n"))
    };
    let only = r#"only = "[a-z]{1,9}""#;
    for (guard, body, line, problem) in [
        ("", "{query:c|hmac-sha256|hex}", 5, "needs `only` or `verified`"),
        (only, "{secret}", 5, "cannot hold this: secret"),
        ("verified = true", "{secret|sha256|hex}", 5, "cannot hold this: secret"),
        (only, "[a{param:key}]", 5, "cannot hold this: key"),
        ("only = \"[ -~]{1,9}\"", "{query:c}", 4, "lets through more"),
    ] {
        let error = recipe(guard, body).expect_err(body);
        assert_eq!(error.line, line, "{error}");
        assert!(error.problem.contains(problem), "{error}");
    }
    for (guard, body) in [(only, "{query:c|hmac-sha256|hex}"), ("verified = true", "{query:c|hmac-sha256}"), ("", "x")]
    {
        assert!(recipe(guard, body).is_ok(), "{guard} {body}");
    }
}

#[test]
fn a_wrong_signature_is_refused_where_the_provider_probes_for_it() {
    let headers = [("x-signature-ed25519", "00"), ("x-signature-timestamp", "1")];
    let probe = answer("discord", "POST", "https://h.example/", &headers, r#"{"type":1,"application_id":"1"}"#);
    let probe = probe.expect("it is a handshake");
    assert_eq!((probe.answer, probe.lacking.is_some()), (None, true), "the secret here is no key");
}

#[test]
fn a_confirmation_is_fetched_from_the_providers_hosts_only() {
    let confirm = |host: &str, topic: &str| {
        let url = format!("https://{host}/?Action=ConfirmSubscription");
        let body = format!(r#"{{"Type":"SubscriptionConfirmation","TopicArn":"{topic}","SubscribeURL":"{url}"}}"#);
        answer(
            "aws-sns",
            "POST",
            "https://h.example/",
            &[("x-amz-sns-message-type", "SubscriptionConfirmation")],
            &body,
        )
    };
    let (host, topic) = ("sns.us-west-2.amazonaws.com", "arn:aws:sns:us-west-2:123456789012:orders");
    let fetch = confirm(host, topic).and_then(|h| h.fetch).expect("it is the provider's");
    assert_eq!(fetch.about.as_deref(), Some(topic));
    for (host, topic) in [
        ("sns.us-west-2.amazonaws.com.evil.example", topic),
        ("sns.s3.amazonaws.com", topic),
        (host, "two words"),
        (host, ""),
    ] {
        assert!(confirm(host, topic).is_some_and(|h| h.fetch.is_none()), "{host} {topic}");
    }
}

#[test]
fn the_senders_ways_are_known() {
    let sender = |slug: &str| &catalog().get(slug).expect("it is shipped").sender;
    assert_eq!(sender("slack").time_limit.as_ref().map(|f| f.value.as_secs()), Some(3));
    assert_eq!(sender("github").sends_again(Outcome::Status(500)), Some(false));
    assert_eq!(sender("stripe").sends_again(Outcome::Status(400)), Some(true));
    assert_eq!(sender("zoom").is_success(201), Some(false));
    assert_eq!(sender("standard-webhooks").sends_again(Outcome::Timeout), None);
}

#[test]
fn how_it_signs_can_be_read() {
    let stripe = catalog().get("stripe").and_then(|r| r.signatures().next()).expect("it signs");
    assert_eq!((stripe.algorithm, stripe.at.as_str(), stripe.url), ("hmac-sha256", "Stripe-Signature header", false));
    assert_eq!(stripe.tolerance.map(|t| t.as_secs()), Some(300));
    let url_signers: Vec<&str> = catalog().iter().filter(|r| r.signs_url()).map(|r| r.slug.as_str()).collect();
    let known = ["contentful", "hubspot", "mandrill", "messagebird", "plivo", "qstash", "square", "trello", "twilio"];
    assert_eq!(url_signers, known);
}

#[test]
fn a_broken_recipe_names_the_line() {
    let recipe = |scheme: &str| {
        Recipe::parse("mine", &format!("name = \"Mine\"\nmatch = [\"header:x-mine\"]\n\n[[scheme]]\n{scheme}\n"))
    };
    let table = [
        (
            "alg = \"hmac-sha257\"\nsig = { at = \"header:x\" }\ncontent = \"{body}\"",
            5,
            "\"hmac-sha257\" is not an algorithm: those are hmac-sha1, hmac-sha256, ",
        ),
        (
            "alg = \"hmac-sha256\"\nsig = { at = \"heder:x\" }\ncontent = \"{body}\"",
            6,
            "\"heder:\" is not a kind of place: those are header:NAME, ",
        ),
        (
            "alg = \"hmac-sha256\"\nsig = { at = \"header:x\" }\ncontent = \"{bdy}\"",
            7,
            "\"bdy\" is not a place in a request: those are body, url, ",
        ),
        ("alg = \"hmac-sha256\"\nsig = { at = \"header:x\" }", 5, "lacks `content`"),
        ("alg = \"jwt\"\nsig = { at = \"header:x\" }", 5, "lacks its `jwt`"),
        ("alg = \"equals\"\nsig = { at = \"header:x\", split = \", \" }", 6, "`split` is one character"),
        ("alg = \"equals\"\nsig = { at = \"header:x\" }\nkee = \"hex\"", 7, "unknown field `kee`"),
        ("alg = \"equals\"\nsig = { at = \"header:x\"", 6, ""),
        ("sig = { at = \"header:x\" }", 4, "missing field `alg`"),
    ];
    for (scheme, line, problem) in table {
        let error = recipe(scheme).expect_err(scheme);
        assert_eq!(error.line, line, "{error}");
        assert!(error.problem.contains(problem), "{error}");
        assert!(error.to_string().starts_with(&format!("line {line}: ")) && !error.to_string().contains("docs/"));
    }
}

#[test]
fn a_persons_own_recipe_takes_the_place_of_a_shipped_one() {
    let mut catalog = Catalog::shipped();
    let count = catalog.iter().len();
    catalog.add("acme", "name = \"Acme\"\nmatch = [\"header:x-acme\"]").expect("it is a recipe");
    catalog.add("stripe", "name = \"My Stripe\"").expect("it is a recipe");
    assert_eq!(catalog.iter().len(), count + 1);
    assert_eq!(catalog.get("stripe").map(|r| r.name.as_str()), Some("My Stripe"));
}

#[test]
fn an_answer_that_browsers_would_read_is_not_sniffed() {
    let body = r#"{"type":"url_verification","challenge":"<script>"}"#;
    let answer = answer("slack", "POST", "https://h.example/", &[], body).and_then(|h| h.answer);
    let Some(Answer { headers, .. }) = answer else { panic!("no answer") };
    assert!(headers.contains(&("x-content-type-options".to_owned(), "nosniff".to_owned())));
}

#[test]
fn an_hmac_of_the_body_alone_is_told_from_the_others() {
    let catalog = Catalog::shipped();
    let mac = |slug: &str| {
        let facts = catalog.get(slug).expect("it is shipped").signatures().next().expect("it signs");
        facts.body_mac.map(|mac| format!("{} {} {}", mac.hash, if mac.hex { "hex" } else { "base64" }, mac.before))
    };
    assert_eq!(mac("github").as_deref(), Some("sha256 hex sha256="));
    assert_eq!(mac("shopify").as_deref(), Some("sha256 base64 "));
    for other in ["stripe", "slack", "svix", "square", "twilio", "telegram"] {
        assert_eq!(mac(other), None, "{other}");
    }
}

#[test]
fn fields_are_told_from_bytes() {
    let catalog = Catalog::shipped();
    let fields = |slug: &str, id: Option<&str>| {
        let facts = catalog.get(slug).and_then(|recipe| recipe.signature(id)).expect("it is shipped, and signs");
        (facts.fields, facts.url)
    };
    assert_eq!(fields("twilio", Some("form")), (true, true));
    assert_eq!(fields("twilio", Some("json")), (false, true), "a hash of the bytes is in the URL");
    assert_eq!(fields("adyen", Some("payment")), (true, false));
    for bytes in ["stripe", "slack", "github", "svix"] {
        assert_eq!(fields(bytes, None), (false, false), "{bytes}");
    }
}

#[test]
fn a_token_is_told_from_a_signature() {
    let catalog = Catalog::shipped();
    let places = |slug: &str| catalog.get(slug).expect("it is shipped").token_places();
    assert_eq!(places("gitlab"), ["header:x-gitlab-token"]);
    assert_eq!(places("postmark"), ["header:authorization"]);
    assert_eq!(places("ms-graph"), ["json:clientState"]);
    assert!(places("stripe").is_empty() && places("github").is_empty());
}

/// What happens to one resource are several events; what is sent again is the same event.
#[test]
fn events_of_one_resource_have_ids_of_their_own() {
    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";
    let id = |slug: &str, headers: &[(&str, &str)], kind: &str, body: &str| {
        let mut headers: Vec<(&str, &[u8])> = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        headers.push(("content-type", kind.as_bytes()));
        let request = Request::new("POST", "https://h.example/", &headers, body.as_bytes());
        identify(catalog(), &request, catalog().get(slug)).event.id
    };
    // A first event of a resource, and another.
    for (slug, kind, first, second) in [
        ("twilio", FORM, "MessageSid=SM1&MessageStatus=sent&SmsStatus=sent", "MessageSid=SM1&MessageStatus=delivered"),
        ("twilio", FORM, "MessageSid=SM1&SmsStatus=received", "MessageSid=SM1&SmsStatus=sent"),
        ("plivo", FORM, "MessageUUID=m&Status=sent", "MessageUUID=m&Status=delivered"),
        (
            "airtable",
            JSON,
            r#"{"base":{"id":"app"},"webhook":{"id":"ach"},"timestamp":"2026-02-01T21:25:05.663Z"}"#,
            r#"{"base":{"id":"app"},"webhook":{"id":"ach"},"timestamp":"2026-02-01T21:25:09.120Z"}"#,
        ),
        (
            "adyen",
            JSON,
            r#"{"notificationItems":[{"NotificationRequestItem":{"eventCode":"AUTHORISATION","pspReference":"8"}}]}"#,
            r#"{"notificationItems":[{"NotificationRequestItem":{"eventCode":"CAPTURE","pspReference":"8"}}]}"#,
        ),
        (
            "adyen",
            JSON,
            r#"{"type":"balancePlatform.transfer.updated","timestamp":"2026-02-01T21:25:05Z","data":{"id":"T","status":"received"}}"#,
            r#"{"type":"balancePlatform.transfer.updated","timestamp":"2026-02-01T21:25:09Z","data":{"id":"T","status":"booked"}}"#,
        ),
        (
            "elevenlabs",
            JSON,
            r#"{"type":"post_call_transcription","data":{"conversation_id":"c"}}"#,
            r#"{"type":"post_call_audio","data":{"conversation_id":"c"}}"#,
        ),
        ("messagebird", JSON, r#"{"id":"m","status":"sent"}"#, r#"{"id":"m","status":"delivered"}"#),
        (
            "meta",
            JSON,
            r#"{"object":"w","entry":[{"id":"1","changes":[{"field":"messages","value":{"statuses":[{"id":"w","status":"sent"}]}}]}]}"#,
            r#"{"object":"w","entry":[{"id":"1","changes":[{"field":"messages","value":{"statuses":[{"id":"w","status":"read"}]}}]}]}"#,
        ),
        (
            "onfido",
            JSON,
            r#"{"payload":{"action":"workflow_run.completed","object":{"id":"w","status":"approved","completed_at_iso8601":"2026-02-01T21:25:05Z"}}}"#,
            r#"{"payload":{"action":"workflow_run.completed","object":{"id":"w","status":"declined","completed_at_iso8601":"2026-02-02T08:00:00Z"}}}"#,
        ),
        (
            "plaid",
            JSON,
            r#"{"webhook_type":"LINK","webhook_code":"EVENTS","link_session_id":"s","events":[{"event_id":"a"}]}"#,
            r#"{"webhook_type":"LINK","webhook_code":"EVENTS","link_session_id":"s","events":[{"event_id":"b"}]}"#,
        ),
        (
            "postmark",
            JSON,
            r#"{"RecordType":"Open","MessageID":"m","ReceivedAt":"2026-02-01T21:25:05Z"}"#,
            r#"{"RecordType":"Open","MessageID":"m","ReceivedAt":"2026-02-01T23:10:41Z"}"#,
        ),
        (
            "retell",
            JSON,
            r#"{"event":"transcript_updated","call":{"call_id":"c","transcript":"Hello"}}"#,
            r#"{"event":"transcript_updated","call":{"call_id":"c","transcript":"Hello. Who is there?"}}"#,
        ),
        (
            "vonage",
            JSON,
            r#"{"message_uuid":"m","status":"submitted"}"#,
            r#"{"message_uuid":"m","status":"delivered"}"#,
        ),
        (
            "vonage",
            JSON,
            r#"{"uuid":"c","status":"ringing","timestamp":"2026-02-01T21:25:05Z"}"#,
            r#"{"uuid":"c","status":"answered","timestamp":"2026-02-01T21:25:09Z"}"#,
        ),
    ] {
        let (one, again) =
            (id(slug, &[("x-signature", "a")], kind, first), id(slug, &[("x-signature", "b")], kind, first));
        assert!(one.is_some() && one == again, "{slug}: {one:?} {again:?}");
        assert_ne!(one, id(slug, &[], kind, second), "{slug}: {second}");
    }
    // By a header of its own.
    for (slug, name) in [("twilio", "I-Twilio-Idempotency-Token"), ("contentful", "X-Contentful-Idempotency-Key")] {
        let body = r#"{"sys":{"id":"entry"}}"#;
        assert_eq!(id(slug, &[(name, "a")], JSON, body).as_deref(), Some("a"));
        assert_eq!(id(slug, &[(name, "b")], JSON, body).as_deref(), Some("b"));
    }
    // The next key that a caller presses, and a page that was changed again: there is no id of such an event.
    let call = "CallSid=CA1&CallStatus=in-progress&Digits=1";
    assert_eq!(id("twilio", &[], FORM, call), None);
    assert_eq!(id("plivo", &[], FORM, "CallUUID=c&Event=Redirect&Digits=1"), None);
    assert_eq!(id("meta", &[], JSON, r#"{"object":"page","entry":[{"id":"1","changes":[{"field":"feed"}]}]}"#), None);
}

#[test]
fn a_type_that_is_a_number_has_its_name() {
    let kind = |body: &str| {
        let headers: [(&str, &[u8]); 1] = [("x-signature-ed25519", b"00")];
        let event =
            identify(catalog(), &Request::new("POST", "https://h.example/", &headers, body.as_bytes()), None).event;
        (event.kind.unwrap_or_default(), event.once)
    };
    let named = |name: &str, once| (name.to_owned(), once);
    assert_eq!(kind(r#"{"type":1,"token":"t","application_id":"1"}"#), named("PING", true));
    assert_eq!(kind(r#"{"type":2,"token":"t"}"#), named("APPLICATION_COMMAND", true));
    assert_eq!(kind(r#"{"type":5,"token":"t"}"#), named("MODAL_SUBMIT", true));
    assert_eq!(kind(r#"{"type":77,"token":"t"}"#), named("77", true));
    assert_eq!(kind(r#"{"type":0,"version":1}"#), named("PING", false));
    let event = r#"{"type":1,"version":1,"event":{"type":"APPLICATION_AUTHORIZED"}}"#;
    assert_eq!(kind(event), named("APPLICATION_AUTHORIZED", false));
}

#[test]
fn what_is_sent_only_once_is_told_from_what_is_sent_again() {
    let once = |slug: &str, kind: &str, body: &str| {
        let headers = [("content-type", kind.as_bytes())];
        let request = Request::new("POST", "https://h.example/", &headers, body.as_bytes());
        identify(catalog(), &request, catalog().get(slug)).event.once
    };
    let form = "application/x-www-form-urlencoded";
    assert!(once("slack", form, "command=%2Fdeploy&text=x"));
    assert!(once("slack", form, "payload=%7B%22type%22%3A%22block_actions%22%7D"));
    assert!(!once("slack", "application/json", r#"{"type":"event_callback","event":{"type":"app_mention"}}"#));
    assert!(once("replicate", "application/json", r#"{"status":"processing"}"#));
    assert!(!once("replicate", "application/json", r#"{"status":"succeeded"}"#));
    assert!(!once("stripe", "application/json", "{}"));
}
