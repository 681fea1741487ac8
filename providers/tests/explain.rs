//! Each cause is named when it is the cause, and unknown is said when nothing can be computed.

use std::sync::OnceLock;

use hook_providers::{Around, Catalog, Cause, Explanation, Known, Request, Secret, explain, sign};

const NOW: u64 = 1_780_000_000_000;
const URL: &str = "https://hooks.example.com/shop/stripe?x=1&a=2";
const BODY: &str = "{\n  \"id\": \"evt_1\",\n  \"type\": \"café/paid\",\n  \"amount\": 12.50\n}";
const STRIPE: &str = "whsec_0123456789abcdefghij9fQ2";
const TWILIO: &str = "0123456789abcdef0123456789abcdef";

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(Catalog::shipped)
}

/// What a provider sent, and what then happened to it.
#[derive(Clone)]
struct Story {
    provider: &'static str,
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    secret: String,
    others: Vec<(&'static str, &'static str)>,
    now_ms: u64,
}

impl Story {
    /// A request that verifies.
    fn of(provider: &'static str, secret: &str, kind: &str, body: &str) -> Story {
        let headers = vec![("content-type".to_owned(), kind.as_bytes().to_vec())];
        let mut story = Story {
            provider,
            method: "POST".into(),
            url: URL.into(),
            headers,
            body: body.into(),
            secret: secret.into(),
            others: Vec::new(),
            now_ms: NOW,
        };
        story.headers = story.look(|request, known| {
            let recipe = catalog().get(provider).expect("it is shipped");
            sign(recipe, request, known, NOW).expect("it can be signed").apply(request.headers)
        });
        story
    }

    fn stripe() -> Story {
        Story::of("stripe", STRIPE, "application/json", BODY)
    }

    fn twilio() -> Story {
        Story::of("twilio", TWILIO, "application/x-www-form-urlencoded", "From=%2B1415&Body=hi+there")
    }

    fn look<T>(&self, look: impl FnOnce(&Request<'_>, &Known<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        let secrets = [Secret { label: self.provider, value: &self.secret }];
        let secrets = if self.secret.is_empty() { &[][..] } else { &secrets[..] };
        look(&Request::new(&self.method, &self.url, &headers, &self.body), &Known { secrets, ..Known::default() })
    }

    fn explained(&self) -> Explanation {
        let others: Vec<Secret<'_>> = self.others.iter().map(|(label, value)| Secret { label, value }).collect();
        let around =
            Around { other_secrets: &others, other_urls: &["http://localhost:3000/stripe"], catalog: Some(catalog()) };
        let recipe = catalog().get(self.provider).expect("it is shipped");
        self.look(|request, known| explain(recipe, request, known, &around, self.now_ms))
    }

    fn body(mut self, change: impl FnOnce(String) -> Vec<u8>) -> Story {
        self.body = change(String::from_utf8(self.body).expect("bodies are text here"));
        self
    }

    fn secret(mut self, secret: &str) -> Story {
        self.secret = secret.into();
        self
    }

    fn url(mut self, url: &str) -> Story {
        self.url = url.into();
        self
    }

    fn header(mut self, name: &str, change: impl FnOnce(&str) -> Vec<(&'static str, String)>) -> Story {
        let at = self.headers.iter().position(|(n, _)| n.eq_ignore_ascii_case(name)).expect("it has the header");
        let (_, value) = self.headers.remove(at);
        let text = String::from_utf8(value).expect("headers are text here");
        self.headers.extend(change(&text).into_iter().map(|(n, v)| (n.to_owned(), v.into_bytes())));
        self
    }
}

fn expect(story: &Story, cause: Cause, words: &str) {
    let found = story.explained();
    assert_eq!(found.cause, cause, "{}: {}", found.says, found.verdict.reason);
    assert!(found.says.contains(words), "{}", found.says);
    assert!(found.cause == Cause::None || found.next.is_some(), "{}", found.says);
}

#[test]
fn a_good_signature_has_no_cause() {
    expect(&Story::stripe(), Cause::None, "signed with stripe");
    expect(&Story::twilio(), Cause::None, "signed with twilio");
}

#[test]
fn the_clock() {
    let later =
        |ms| Story { now_ms: ms, ..Story::of("svix", "whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "application/json", BODY) };
    expect(&later(NOW + 840_000), Cause::Stale, "14 min old; libraries refuse after 5 min");
    expect(&later(NOW - 840_000), Cause::ClockAhead, "14 min ahead");
    // Stripe's libraries take it: valid, with a warning.
    let ahead = Story { now_ms: NOW - 840_000, ..Story::stripe() }.explained();
    assert_eq!(ahead.cause, Cause::None);
    assert!(ahead.verdict.clock_warning.is_some_and(|warning| warning.contains("14 min ahead")));
}

#[test]
fn the_secret() {
    let stripe = |secret: &str| Story::stripe().secret(secret);
    expect(&stripe(&format!("{STRIPE}\n")), Cause::SecretWhitespace, "newline at its end");
    expect(&stripe(&format!(" {STRIPE}")), Cause::SecretWhitespace, "space at its beginning");
    expect(&stripe(&format!("{STRIPE}\\n")), Cause::SecretWhitespace, "two characters");
    expect(&stripe(&format!("\"{STRIPE}\"")), Cause::SecretQuoted, "quotes");
    expect(&stripe(&format!("STRIPE_WEBHOOK_SECRET={STRIPE}")), Cause::SecretPrefixed, "name of its variable");
    expect(&stripe(STRIPE.trim_start_matches("whsec_")), Cause::SecretEncoding, "lacks whsec_");
    expect(&stripe("sk_test_0123456789"), Cause::SecretMistaken, "sk_… is an API key");
    expect(&stripe(""), Cause::NoSecret, "no secret is known");
    let other = Story { others: vec![("stripe-live", STRIPE)], ..stripe("whsec_another0123456789") };
    expect(&other, Cause::OtherSecret, "\"stripe-live\", not of \"stripe\"");
    let polar = Story::of("polar", "whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "application/json", BODY);
    expect(&Story { provider: "standard-webhooks", ..polar }, Cause::SecretEncoding, "its text itself is the key");
}

#[test]
fn the_body() {
    let json = |text: String| serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON");
    let stripe = Story::stripe;
    let compact = |text: String| text.replace("\n  ", "").replace('\n', "").replace(": ", ":").into_bytes();
    expect(&stripe().body(compact), Cause::BodyReformatted, "as JSON indented by 2");
    let from = |body: &str| Story::of("github", STRIPE, "application/json", body);
    let pretty = |text: String| serde_json::to_vec_pretty(&json(text)).expect("it is JSON");
    expect(&from(r#"{"a":"é/","b":[1,{}]}"#).body(pretty), Cause::BodyReformatted, "as compact JSON");
    expect(
        &from(r#"{"a":"\u00e9","b":1}"#).body(|t| json(t).to_string().into()),
        Cause::BodyReformatted,
        "outside ASCII escaped",
    );
    expect(
        &from(r#"{"a": "b/c", "d": 1}"#).body(|t| json(t).to_string().into()),
        Cause::BodyReformatted,
        "with spaces, as Python",
    );
    expect(
        &from(r#"{"u":"http:\/\/x"}"#).body(|t| json(t).to_string().into()),
        Cause::BodyReformatted,
        "slashes escaped",
    );
    expect(&stripe().body(|t| format!("{t}\n").into()), Cause::TrailingNewline, "without the newline");
    expect(&from("{\"a\":1}\n").body(|t| t.trim().into()), Cause::TrailingNewline, "with a newline at its end");
    expect(&stripe().body(|t| t.replace('\n', "\r\n").into()), Cause::LineEndings, "LF line endings");
    expect(&stripe().body(|t| format!("\u{feff}{t}").into()), Cause::ByteOrderMark, "without the byte order mark");
    expect(&stripe().body(|t| t.replace('é', "Ã©").into()), Cause::Charset, "Latin-1");
    expect(&stripe().body(|t| serde_json::to_vec(&t).expect("text is JSON")), Cause::BodyWrapped, "JSON string");
    expect(&from("{\n\"a\":1\n}").body(|t| t.replace('\n', "\r\n").into()), Cause::LineEndings, "LF line endings");
    expect(&from("{\n\"a\":1\n}").body(|_| b"{\r\n\"a\":1\r\n}\r".to_vec()), Cause::LineEndings, "LF line endings");
    let form =
        || Story::of("slack", STRIPE, "application/x-www-form-urlencoded", "command=%2Fdeploy&text=to+production%21");
    expect(&form().body(|t| t.replace('+', "%20").into()), Cause::FormReencoded, "as a form");
    expect(&form().body(|t| t.replace("%21", "!").into()), Cause::FormReencoded, "as a form");
    expect(
        &form().body(|_| br#"{"command":"/deploy","text":"to production!"}"#.to_vec()),
        Cause::FormReencoded,
        "before it became JSON",
    );
}

#[test]
fn a_body_that_did_not_come_or_not_all_of_it() {
    let length = |length: &str, story: Story| {
        let mut story = story;
        story.headers.push(("content-length".into(), length.as_bytes().to_vec()));
        story
    };
    let stripe = Story::stripe;
    expect(&stripe().body(|_| Vec::new()), Cause::BodyMissing, "JSON is never empty");
    expect(&length("58", Story::twilio().body(|_| Vec::new())), Cause::BodyMissing, "it had 58 bytes");
    expect(&length("60", stripe().body(|t| t[..20].into())), Cause::BodyMissing, "20 of its 60 bytes");
    // Nobody knows how long it was; or it is whole, and another.
    expect(&stripe().body(|t| t[..20].into()), Cause::Unknown, "no known variant fits");
    expect(&length("60", stripe().body(|_| b"{}".to_vec())), Cause::Unknown, "no known variant fits");
}

#[test]
fn what_was_signed_is_looked_at_though_a_field_is_missing() {
    let story = Story::of("shopify", STRIPE, "application/json", BODY).header("x-shopify-shop-domain", |_| vec![]);
    expect(&story, Cause::Malformed, "no X-Shopify-Shop-Domain header");
    let changed = story.clone().body(|t| format!("{t}\n").into());
    expect(&changed, Cause::TrailingNewline, "without the newline");
    expect(&story.secret("another"), Cause::Malformed, "no X-Shopify-Shop-Domain header");
}

#[test]
fn the_content_type() {
    let mut story = Story::twilio();
    story.headers.retain(|(name, _)| name != "content-type");
    expect(&story, Cause::ContentType, "verifies as application/x-www-form-urlencoded");
}

#[test]
fn the_url() {
    let at = |url: &str| Story::twilio().url(url);
    expect(&at(&URL.replace("https", "http")), Cause::UrlScheme, "it verifies for https://hooks.example.com");
    expect(&at("https://hooks.example.com/shop/stripe/?x=1&a=2"), Cause::UrlSlash, "verifies for https");
    expect(&at("https://hooks.example.com/shop/stripe?a=2&x=1"), Cause::UrlQuery, "x=1&a=2");
    let mut behind = Story::twilio().url("http://localhost:3000/shop/stripe?x=1&a=2");
    behind.headers.push(("X-Forwarded-Host".into(), b"hooks.example.com".to_vec()));
    expect(&behind, Cause::UrlScheme, "verifies for https://hooks.example.com/shop");
    let told = |url: &str, name: &str, value: &str| {
        let mut story = Story::twilio().url(url);
        story.headers.push((name.into(), value.as_bytes().to_vec()));
        story
    };
    let rewritten = "http://hooks.example.com/api/2";
    expect(&told(rewritten, "X-Original-URI", "/shop/stripe?x=1&a=2"), Cause::UrlScheme, "verifies for https");
    expect(&told(rewritten, "X-Original-URL", URL), Cause::UrlScheme, "verifies for https");
    let cut_off = "https://hooks.example.com/stripe?x=1&a=2";
    expect(&told(cut_off, "X-Forwarded-Prefix", "/shop/"), Cause::UrlPath, "verifies for https");
    let cut = Story::of("square", TWILIO, "application/json", BODY);
    let cut = Story { url: "https://hooks.example.com/stripe?x=1&a=2".into(), ..cut };
    let around = Around { other_urls: &["http://localhost:3000/shop"], ..Around::default() };
    let recipe = catalog().get("square").expect("it is shipped");
    let found = cut.look(|request, known| explain(recipe, request, known, &around, NOW));
    assert_eq!(
        (found.cause, found.says.contains("verifies for https://hooks.example.com/shop/stripe")),
        (Cause::UrlPath, true)
    );
    let square = |url: &str| Story::of("square", TWILIO, "application/json", BODY).url(url);
    expect(&square("https://hooks.example.com:8443/shop/stripe?x=1&a=2"), Cause::UrlPort, "verifies for");
    let hubspot = Story { method: "GET".into(), ..Story::of("hubspot", TWILIO, "application/json", BODY) };
    expect(&hubspot, Cause::Method, "verifies as POST, but came as GET");
}

#[test]
fn the_header() {
    let github = || Story::of("github", STRIPE, "application/json", BODY);
    let name = "x-hub-signature-256";
    expect(&github().header(name, |_| vec![]), Cause::Unsigned, "no X-Hub-Signature-256 header");
    expect(&github().header(name, |v| vec![("x_hub_signature_256", v.into())]), Cause::HeaderRenamed, "underscores");
    expect(
        &github().header(name, |v| vec![(name, v.into()), (name, "sha256=00".into())]),
        Cause::SignatureRepeated,
        "more than once",
    );
    expect(
        &github().header(name, |v| vec![(name, format!("sha256=00, {v}"))]),
        Cause::SignatureRepeated,
        "more than once",
    );
    expect(
        &github().header(name, |v| vec![(name, v.replace("sha256=", ""))]),
        Cause::SignatureCut,
        "sha256= before it",
    );
    let caps = |v: &str| -> Vec<(&'static str, String)> {
        vec![(name, format!("sha256={}", v["sha256=".len()..].to_uppercase()))]
    };
    expect(&github().header(name, caps), Cause::SignatureEncoding, "in capitals");
    expect(
        &Story::stripe()
            .header("stripe-signature", |v| vec![("stripe-signature", v.split(',').next().unwrap_or(v).into())]),
        Cause::Malformed,
        "no v1=",
    );
    expect(&Story { provider: "stripe", ..github() }, Cause::OtherProvider, "as GitHub signs, not as Stripe does");
}

#[test]
fn what_cannot_be_computed_is_unknown() {
    let stripe = Story::stripe;
    expect(&stripe().secret("whsec_anotherendpoint0123"), Cause::Unknown, "no known variant fits");
    expect(&stripe().body(|t| t.replace("evt_1", "evt_2").into()), Cause::Unknown, "no known variant fits");
    expect(&stripe().body(|t| t[..20].into()), Cause::Unknown, "no known variant fits");
    expect(&Story::twilio().body(|t| t.replace("hi", "ho").into()), Cause::Unknown, "no known variant fits");
}

#[test]
fn nothing_that_is_said_holds_a_secret_or_a_right_signature() {
    let right = Story::stripe();
    let (_, signature) = right.headers.iter().find(|(n, _)| n == "stripe-signature").expect("it is signed");
    let hex = String::from_utf8_lossy(signature).split("v1=").nth(1).expect("it has a signature").to_owned();
    let stories = [
        right.clone().secret(&format!("{STRIPE}\n")),
        right.clone().body(|t| format!("{t} ").into()),
        right.clone().header("stripe-signature", |_| vec![("stripe-signature", "t=1780000000,v1=00".into())]),
        Story { now_ms: NOW + 9_999_999, ..right },
    ];
    for story in stories {
        let said = format!("{:?}", story.explained());
        assert!(!said.contains(&hex) && !said.contains(STRIPE), "{said}");
    }
}

#[test]
fn a_time_in_another_unit_is_suspected() {
    // Signed a thousand times later: in milliseconds.
    let in_ms = |provider: &'static str| {
        let mut story = Story::of(provider, STRIPE, "application/json", BODY);
        story.headers = story.look(|request, known| {
            let recipe = catalog().get(provider).expect("it is shipped");
            sign(recipe, request, known, NOW * 1000).expect("it can be signed").apply(request.headers)
        });
        story.explained()
    };
    let slip = "it looks like milliseconds, and seconds are expected";
    let refused = in_ms("standard-webhooks");
    assert_eq!((refused.cause, refused.says.contains(slip)), (Cause::ClockAhead, true), "{}", refused.says);
    assert!(refused.next.is_some_and(|next| next.starts_with("write the timestamp in the unit")));
    // Libraries that take it are no reason not to say it.
    assert!(in_ms("stripe").verdict.clock_warning.is_some_and(|warning| warning.contains(slip)));
}

#[test]
fn where_a_secret_is_found_is_said_with_its_page() {
    let next = Story::stripe().secret("whsec_anotherendpoint0123").explained().next.unwrap_or_default();
    assert!(
        next.contains(" (Workbench or Developers, Webhooks, the endpoint, \"Signing secret\"), then hook"),
        "{next}"
    );
    assert!(!next.contains("stripe listen"), "more than the place: {next}");
}

#[test]
fn a_key_elsewhere_is_most_likely_forged() {
    let paypal = catalog().get("paypal").expect("it is shipped");
    let headers: [(&str, &[u8]); 4] = [
        ("paypal-transmission-sig", b"AAAA"),
        ("paypal-transmission-id", b"69cd13f0"),
        ("paypal-transmission-time", b"2026-05-28T20:26:40Z"),
        ("paypal-cert-url", b"https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1"),
    ];
    let request = Request::new("POST", URL, &headers, b"{}");
    let known = Known { params: &[("webhook_id", "1")], ..Known::default() };
    let found = explain(paypal, &request, &known, &Around::default(), NOW);
    assert_eq!(found.cause, Cause::ForeignKey, "{}", found.says);
    assert!(
        found.says.contains("\"api.paypal.com.evil.example\"")
            && found.says.ends_with("most likely the event is forged")
    );
    assert!(!found.next.unwrap_or_default().contains("proxy"));
}
