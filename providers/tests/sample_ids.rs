//! Ids and times of samples: what differs between two events, what repeats, and what an id says of its moment.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hook_providers::sample::{self, Made, Options};
use hook_providers::{Catalog, Known, Recipe, Request, Secret, identify, new_secret, sign};
use serde_json::Value;

const NOW: u64 = 1_780_000_000_123;
const URL: &str = "https://hooks.example.com/in/abc";
const DAY: u64 = 86_400_000;

/// Fails with all that is wrong.
fn none(wrong: &[String]) {
    let shown: Vec<&str> = wrong.iter().map(|line| line.get(..300).unwrap_or(line)).collect();
    assert!(wrong.is_empty(), "{}", shown.join("\n"));
}

fn all(catalog: &Catalog) -> impl Iterator<Item = (&Recipe, String)> {
    catalog.iter().flat_map(|recipe| sample::types(recipe).into_iter().map(move |kind| (recipe, kind.name)))
}

fn made(recipe: &Recipe, name: &str, seed: u64, [now_ms, ids_ms]: [u64; 2]) -> Made {
    let made = sample::make(recipe, name, &Options { seed, now_ms, ids_ms, set: &[], url: URL });
    made.unwrap_or_else(|error| panic!("{} {name}: {error}", recipe.slug))
}

fn look<T>(made: &Made, look: impl FnOnce(&Request<'_>) -> T) -> T {
    let headers: Vec<(&str, &[u8])> = made.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    look(&Request::new(&made.method, &made.url, &headers, &made.body))
}

/// All values of a body, by path; those of a form are its fields.
fn leaves(made: &Made) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    match serde_json::from_slice(&made.body) {
        Ok(body) => collect("", &body, &mut all),
        Err(_) => {
            let text = String::from_utf8_lossy(&made.body).replace("%3A", ":").replace("%20", " ").replace("%2C", ",");
            let fields = text.split('&').filter_map(|pair| pair.split_once('='));
            all.extend(fields.map(|(name, value)| (name.to_owned(), Value::from(opened(value)))));
        }
    }
    let headers = made.headers.iter().map(|(name, value)| (name.to_lowercase(), Value::from(value.as_str())));
    all.into_iter().chain(headers).collect()
}

/// Braintree's XML is in base64.
fn opened(value: &str) -> String {
    let plain = value.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=").replace("%0A", "");
    let xml = BASE64_STANDARD.decode(plain).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    xml.filter(|text| text.starts_with("<?xml")).unwrap_or_else(|| value.to_owned())
}

fn collect(path: &str, value: &Value, all: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| collect(&format!("{path}/{name}"), value, all))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| collect(&format!("{path}/{n}"), item, all));
        }
        leaf => all.push((path.to_owned(), leaf.clone())),
    }
}

fn objects<'v>(value: &'v Value, all: &mut Vec<&'v serde_json::Map<String, Value>>) {
    match value {
        Value::Object(members) => {
            all.push(members);
            members.values().for_each(|value| objects(value, all));
        }
        Value::Array(items) => items.iter().for_each(|item| objects(item, all)),
        _ => {}
    }
}

/// Digits and the names of months and days are all that differs between two times in one form.
fn shape(text: &str) -> String {
    let mut shape = text.to_owned();
    for word in [
        "January February March April May June July August September October November December",
        "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec Sun Mon Tue Wed Thu Fri Sat",
    ] {
        for name in word.split(' ') {
            shape = shape.replace(name, "M");
        }
    }
    shape.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

fn is_id(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.eq_ignore_ascii_case("id") || ["_id", "-id", "Id", "ID", "Sid", "_sid"].iter().any(|end| name.ends_with(end))
}

/// What is about the same event, but for its times, is the same event.
#[test]
fn a_seed_repeats_all_but_times() {
    let mut wrong = Vec::new();
    for (recipe, name) in all(&Catalog::shipped()) {
        let ids_ms = sample::moment_of(7);
        let [first, later] =
            [NOW, NOW + 40 * DAY + 3_723_001].map(|now| leaves(&made(recipe, &name, 7, [now, ids_ms])));
        assert_eq!(first.len(), later.len(), "{} {name}", recipe.slug);
        for ((path, one), (_, other)) in first.iter().zip(&later).filter(|(one, other)| one != other) {
            if is_id(path) || shape(&one.to_string()) != shape(&other.to_string()) {
                wrong.push(format!("{} {name} {path}: {one} and {other}", recipe.slug));
            }
        }
    }
    none(&wrong);
    assert_ne!(sample::moment_of(1), sample::moment_of(2));
}

#[test]
fn two_events_of_one_type_differ_and_have_ids_of_their_own() {
    let (catalog, mut wrong) = (Catalog::shipped(), Vec::new());
    for (recipe, name) in all(&catalog) {
        let [one, other] = [1, 2].map(|seed| {
            let event = made(recipe, &name, seed, [NOW, NOW]);
            let id = look(&event, |request| identify(&catalog, request, Some(recipe)).event.id);
            (event.body, id)
        });
        if one.0 == other.0 || one.1.is_some() && one.1 == other.1 {
            wrong.push(format!("{} {name}: {:?} {}", recipe.slug, one.1, String::from_utf8_lossy(&one.0)));
        }
    }
    none(&wrong);
}

/// What has one id is one thing: wherever it stands, what is said of it agrees.
#[test]
fn two_things_do_not_share_an_id() {
    // What tells two things apart that are not the same state of one.
    const WHO: [&str; 11] = [
        "username",
        "login",
        "email",
        "bot",
        "is_bot",
        "name",
        "display_name",
        "first_name",
        "full_name",
        "type",
        "title",
    ];
    let mut wrong = Vec::new();
    for (recipe, name) in all(&Catalog::shipped()) {
        let Ok(body) = serde_json::from_slice::<Value>(&made(recipe, &name, 3, [NOW, NOW]).body) else { continue };
        let mut found = Vec::new();
        objects(&body, &mut found);
        let mut by_id: HashMap<String, Vec<&serde_json::Map<String, Value>>> = HashMap::new();
        for object in found {
            if let Some(id) = object.get("id").filter(|id| id.to_string().len() > 5) {
                by_id.entry(id.to_string()).or_default().push(object);
            }
        }
        for (id, same) in by_id {
            for key in WHO {
                let said: HashSet<String> = same.iter().filter_map(|o| Some(o.get(key)?.to_string())).collect();
                // Intercom calls whoever writes a user, and the same one in a list a contact.
                let is_theirs = recipe.slug == "intercom" && key == "type";
                if said.len() > 1 && !is_theirs {
                    wrong.push(format!("{} {name}: {id} has several {key}: {said:?}", recipe.slug));
                }
            }
        }
    }
    none(&wrong);
}

/// Where a person, an app or a message has an id that holds its moment, it was made by now, and not long ago.
#[test]
fn ids_that_hold_a_moment_hold_one_of_now_or_before() {
    let snowflake = |epoch: i64| move |text: &str| text.parse::<i64>().ok().map(|id| (id >> 22) + epoch);
    let discord = snowflake(1_420_070_400_000);
    let twitter = snowflake(1_288_834_974_657);
    let base = |alphabet: &str, text: &str| {
        text.chars().try_fold(0_u128, |n, c| Some(n * alphabet.len() as u128 + alphabet.find(c)? as u128))
    };
    let ulid = |text: &str| {
        let time = text.to_uppercase().get(..10)?.to_owned();
        base("0123456789ABCDEFGHJKMNPQRSTVWXYZ", &time).map(|ms| ms as i64)
    };
    let ksuid = |text: &str| {
        // The number has 160 bits; the first 18 digits of 27 are enough for its time.
        let high = base("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", text.get(..18)?)?;
        let seconds = high as f64 * 62_f64.powi(9) / 2_f64.powi(128);
        Some((seconds as i64 + 1_400_000_000) * 1000)
    };
    let object_id = |text: &str| i64::from_str_radix(text.get(..8)?, 16).ok().map(|s| s * 1000);
    let mut seen = HashMap::new();
    for (recipe, name) in all(&Catalog::shipped()) {
        let event = made(recipe, &name, 5, [NOW, NOW]);
        for (path, value) in leaves(&event) {
            let Some(text) = value.as_str().filter(|_| is_id(&path)) else { continue };
            let bare = text.rsplit('_').next().unwrap_or(text);
            let digits = bare.bytes().all(|b| b.is_ascii_digit());
            let alnum = bare.bytes().all(|b| b.is_ascii_alphanumeric());
            let kind = match (recipe.slug.as_str(), bare.len()) {
                ("discord", 17..=20) if digits => "discord",
                ("twitter", 18..=20) if digits => "twitter",
                ("trello", 24) => "object id",
                ("paddle" | "workos" | "line", 26) if alnum => "ulid",
                ("clerk" | "svix" | "standard-webhooks" | "resend" | "replicate" | "liveblocks", 27) if alnum => {
                    "ksuid"
                }
                _ => continue,
            };
            let ms = match kind {
                "discord" => discord(bare),
                "twitter" => twitter(bare),
                "object id" => object_id(bare),
                "ulid" => ulid(bare),
                _ => ksuid(bare),
            };
            let age = ms.map(|ms| NOW as i64 - ms);
            let years = 6 * 365 * DAY as i64;
            assert!(
                age.is_some_and(|age| (-1000..years).contains(&age)),
                "{} {name} {path}: {text} is of {ms:?}",
                recipe.slug
            );
            *seen.entry(kind).or_insert(0) += 1;
        }
    }
    for kind in ["discord", "twitter", "object id", "ulid", "ksuid"] {
        assert!(seen.get(kind).is_some_and(|count| *count >= 3), "{kind}: {seen:?}");
    }
}

#[test]
fn every_token_has_an_id_of_its_own() {
    let catalog = Catalog::shipped();
    for slug in ["vonage", "livekit", "qstash"] {
        let recipe = catalog.get(slug).unwrap_or_else(|| panic!("there is no {slug}"));
        let secret = new_secret(recipe, [7; 32]).expect("it can be made");
        let secrets = [Secret { label: slug, value: &secret.secret }];
        let known = Known { secrets: &secrets, params: &[("key", "k"), ("api_key", "k")], live_keys: &[] };
        let name = &sample::types(recipe)[0].name;
        let token = |seed, now_ms| {
            look(&made(recipe, name, seed, [NOW, NOW]), |request| {
                let signed = sign(recipe, request, &known, now_ms).unwrap_or_else(|error| panic!("{slug}: {error}"));
                let text = signed.headers.iter().map(|(_, v)| v.clone()).find(|v| v.matches('.').count() == 2);
                jti(&text.expect("a token"))
            })
        };
        // Others in the same second, and the same one a moment later.
        let ids = HashSet::from([token(1, NOW), token(2, NOW), token(3, NOW), token(1, NOW + 1)]);
        assert_eq!(ids.len(), 4, "{slug}: {ids:?}");
    }
}

fn jti(token: &str) -> String {
    let claims = token.split('.').nth(1).expect("claims");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    claims["jti"].as_str().expect("an id").to_owned()
}

#[test]
fn a_schedule_that_is_active_has_the_phase_it_is_in() {
    let catalog = Catalog::shipped();
    let stripe = catalog.get("stripe").expect("it is shipped");
    let body = made(stripe, "subscription_schedule.created", 1, [NOW, NOW]).body;
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let schedule = &body["data"]["object"];
    let (now, phase) = (&schedule["current_phase"], &schedule["phases"][0]);
    assert_eq!((&phase["start_date"], &phase["end_date"]), (&now["start_date"], &now["end_date"]));
    assert!(phase["items"][0]["price"].is_string());
}
