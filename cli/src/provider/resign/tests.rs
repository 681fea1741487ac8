use hook_proto::{EventHead, Header};
use hook_providers::sample::{self, Options};
use hook_providers::{Catalog, Known, Recipe, Request, State, new_secret};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::param::{Param, Value};
use crate::provider::{Given, Said};
use crate::signature::Part;

const MINUTE: u64 = 60_000;
const NOW: u64 = 1_780_000_000_000;

/// A project whose `.env` has these secrets of a provider, the first of which signs.
struct Project {
    dir: TempDir,
    recipe: Recipe,
}

struct Event {
    head: EventHead,
    body: Vec<u8>,
}

impl Project {
    fn of(slug: &str, secrets: &[&str]) -> Self {
        let recipe = Catalog::shipped().get(slug).unwrap_or_else(|| panic!("{slug}")).clone();
        let dir = tempfile::tempdir().unwrap();
        let line = |(variable, secret): (&String, &&str)| format!("{variable}=\"{}\"\n", secret.replace('\n', "\\n"));
        assert!(secrets.len() <= recipe.secret.env.len(), "{slug} has as many variables");
        let env: String = recipe.secret.env.iter().zip(secrets).map(line).collect();
        std::fs::write(dir.path().join(".env"), env).unwrap();
        Self { dir, recipe }
    }

    fn checker(&self) -> Checker {
        // What a scheme needs besides the secret.
        let given = |name: &String| Param { name: name.clone(), value: Value::Given("given".into()) };
        let params = self.recipe.params.iter().map(|p| given(&p.name)).collect();
        Checker::load(self.dir.path(), Given { flags: Said { params, ..Said::default() }, ..Given::default() }).unwrap()
    }

    /// One of its events, signed with a secret at a time.
    fn event(&self, secret: &str, at_ms: u64) -> Event {
        let kind = sample::types(&self.recipe).remove(0).name;
        let url = "https://hooks.example/shop/in";
        let made = sample::make(&self.recipe, &kind, &Options { seed: 7, now_ms: at_ms, ids_ms: at_ms, set: &[], url })
            .unwrap();
        let mut headers: Vec<(String, Vec<u8>)> =
            made.headers.iter().map(|(n, v)| (n.to_lowercase(), v.clone().into())).collect();
        let (mut url, mut body) = (made.url.clone(), made.body.clone());
        let borrowed: Vec<(&str, &[u8])> = headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        let request = Request::new(&made.method, &made.url, &borrowed, &made.body);
        let params: Vec<(&str, &str)> = self.recipe.params.iter().map(|p| (p.name.as_str(), "given")).collect();
        let known =
            Known { secrets: &[hook_providers::Secret { label: "x", value: secret }], params: &params, live_keys: &[] };
        if let Ok(signed) = hook_providers::sign(&self.recipe, &request, &known, at_ms) {
            headers = signed.apply(&borrowed);
            url = signed.url.unwrap_or(url);
            body = signed.body.unwrap_or(body);
        }
        let head = EventHead {
            method: made.method,
            path: "/in".into(),
            query: url.split_once('?').map(|(_, q)| q.to_owned()),
            url,
            headers: headers.into_iter().map(|(n, v)| Header::new(n.to_lowercase(), v)).collect(),
            received_at: at_ms,
            body_size: body.len() as u64,
            ..EventHead::default()
        };
        Event { head, body }
    }

    fn asked<'a>(&'a self, event: &'a Event) -> Asked<'a> {
        Asked { endpoint: "", pinned: Some(&self.recipe.slug), head: &event.head, body: &event.body }
    }

    fn decide(&self, event: &Event, url: &str, rule: &Rule, now_ms: u64) -> Decision {
        let path = event.head.query.as_ref().map_or("/in".to_owned(), |q| format!("/in?{q}"));
        let url = event.head.query.as_ref().map_or(url.to_owned(), |q| format!("{url}?{q}"));
        self.checker().resign(self.asked(event), Destination { path: &path, url: &url }, rule, now_ms)
    }

    /// What the app finds, which knows one secret.
    fn verdict(&self, event: &Event, app: &str, now_ms: u64) -> State {
        let known = Project::of(&self.recipe.slug, &[app]);
        let asked = known.asked(event);
        known
            .checker()
            .look(asked, |case| hook_providers::verify(&self.recipe, case.request, &case.known, now_ms).state)
    }
}

impl Event {
    fn sent(&self, decision: &Decision, url: &str) -> Event {
        let url = |path: &Option<String>| {
            let query = path.as_ref().map_or(self.head.query.as_deref(), |p| p.split_once('?').map(|(_, q)| q));
            query.map_or(url.to_owned(), |q| format!("{url}?{q}"))
        };
        match decision {
            Decision::Resigned(r) => Event {
                head: EventHead { url: url(&r.path), ..r.head.clone() },
                body: r.body.as_ref().map_or(self.body.clone(), |b| b.to_vec()),
            },
            _ => Event { head: EventHead { url: url(&None), ..self.head.clone() }, body: self.body.clone() },
        }
    }
}

fn signing(decision: &Decision) -> String {
    match decision {
        Decision::AsItCame => "as it came".into(),
        Decision::Resigned(r) => format!("{:?}", r.signing),
        Decision::Problem(p) => format!("{} | {}", p.fact, p.next),
    }
}

const OLD: &str = "whsec_00000000000000000000000000000old";
const NEW: &str = "whsec_00000000000000000000000000000new";
const APP: &str = "http://localhost:3000/in";

#[test]
fn who_sends_again_signs_anew_what_would_be_refused() {
    let project = Project::of("stripe", &[NEW]);
    let event = project.event(NEW, NOW);
    assert_eq!(signing(&project.decide(&event, APP, &Rule::Again, NOW + MINUTE)), "as it came");
    let late = NOW + 14 * MINUTE;
    let decision = project.decide(&event, APP, &Rule::Again, late);
    assert_eq!(signing(&decision), "Anew");
    let sent = event.sent(&decision, APP);
    assert_eq!((project.verdict(&sent, NEW, late), &sent.body), (State::Valid, &event.body));
    let names = |e: &Event| e.head.headers.iter().map(|h| h.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&sent), names(&event), "each in its place");
}

#[test]
fn nothing_that_was_not_right_when_it_came_becomes_right_by_itself() {
    let project = Project::of("stripe", &[NEW]);
    let late = NOW + 14 * MINUTE;
    let right = project.event(NEW, NOW);
    assert_eq!(signing(&project.decide(&right, APP, &Rule::Itself, NOW)), "as it came");
    assert_eq!(signing(&project.decide(&right, APP, &Rule::Itself, late)), "Anew");
    let forged = project.event(OLD, NOW);
    let mut replayed = project.event(NEW, NOW);
    replayed.head.received_at = late;
    for (event, why) in [(&forged, "of nobody who has the secret"), (&replayed, "too old when it came")] {
        assert_eq!(signing(&project.decide(event, APP, &Rule::Itself, late)), "as it came", "{why}");
    }
    assert_eq!(signing(&project.decide(&forged, APP, &Rule::Again, late)), "as it came");
    let Decision::Resigned(asked_for) = project.decide(&forged, APP, &Rule::Always, late) else { panic!() };
    assert_eq!(asked_for.was, State::Invalid);
}

#[test]
fn the_secret_that_made_it_signs_it() {
    let project = Project::of("stripe", &[NEW, OLD]);
    let event = project.event(OLD, NOW);
    let late = NOW + 14 * MINUTE;
    for rule in [Rule::Itself, Rule::Again, Rule::Always] {
        let decision = project.decide(&event, APP, &rule, late);
        assert_eq!(project.verdict(&event.sent(&decision, APP), OLD, late), State::Valid, "{rule:?}");
    }
    // A changed one has no signature that tells, so its origin is asked.
    let signer = project.checker().signer(project.asked(&event));
    let edited = Event { body: b"{\"type\":\"charge.failed\"}".to_vec(), ..event };
    let decision = project.decide(&edited, APP, &Rule::Edited(signer), NOW);
    assert_eq!(project.verdict(&edited.sent(&decision, APP), OLD, NOW), State::Valid);
    let decision = project.decide(&edited, APP, &Rule::Edited(None), NOW);
    assert_eq!(project.verdict(&edited.sent(&decision, APP), NEW, NOW), State::Valid);
}

#[test]
fn a_signed_url_is_signed_for_the_one_that_the_app_sees() {
    let project = Project::of("twilio", &["12345"]);
    let event = project.event("12345", NOW);
    for rule in [Rule::Itself, Rule::Again] {
        let decision = project.decide(&event, APP, &rule, NOW);
        assert_eq!(signing(&decision), format!("AnewFor({APP:?})"));
        assert_eq!(project.verdict(&event.sent(&decision, APP), "12345", NOW), State::Valid);
        assert_eq!(signing(&project.decide(&event, &event.head.url.clone(), &rule, NOW)), "as it came");
    }
    assert_eq!(signing(&Project::of("github", &["s3cret"]).decide(&event, APP, &Rule::Again, NOW)), "as it came");
}

#[test]
fn what_must_go_wrong_and_cannot_be_helped_is_said() {
    let late = NOW + 14 * MINUTE;
    let said = |slug: &str, rule: &Rule, unsigned: bool| {
        let project = Project::of(slug, &[]);
        let mut event = project.event("whsec_b3RoZXI", NOW);
        if unsigned {
            event.head.headers.retain(|h| !h.name.contains("signature"));
        }
        format!("{slug}: {}", signing(&project.decide(&event, APP, rule, late)))
    };
    let edited = Rule::Edited(None);
    let all = [
        said("stripe", &Rule::Again, false),
        said("slack", &Rule::Again, false),
        said("twilio", &Rule::Again, false),
        said("github", &Rule::Again, false),
        said("stripe", &Rule::Itself, false),
        said("stripe", &edited, false),
        said("stripe", &edited, true),
        said("stripe", &Rule::Always, false),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

/// All that can be signed with a secret of their form.
fn signers() -> Vec<(Project, String)> {
    let catalog = Catalog::shipped();
    let pair = |recipe: &Recipe| {
        let secret = new_secret(recipe, [7; 32]).filter(|_| recipe.can_sign() && !recipe.secret.env.is_empty())?.secret;
        Some((Project::of(&recipe.slug, &[&secret]), secret))
    };
    catalog.iter().filter_map(pair).collect()
}

#[test]
fn whatever_the_provider_an_old_event_is_taken_again() {
    let late = NOW + 90 * 24 * 60 * MINUTE;
    let all = signers();
    assert!(all.len() > 40, "only {}", all.len());
    for (project, secret) in &all {
        let event = project.event(secret, NOW);
        let decision = project.decide(&event, APP, &Rule::Again, late);
        let sent = event.sent(&decision, APP);
        let slug = &project.recipe.slug;
        assert_eq!(project.verdict(&sent, secret, late), State::Valid, "{slug}: {}", signing(&decision));
    }
}

#[test]
fn whatever_the_provider_a_forged_event_is_refused() {
    let mut made = [0; 3];
    for (project, secret) in &signers() {
        let event = project.event(secret, NOW);
        for (n, part) in Part::ALL.into_iter().enumerate() {
            let to = Destination { path: "/in", url: APP };
            let forged = project.checker().forge(project.asked(&event), to, part, NOW);
            let Ok(forged) = forged else { continue };
            made[n] += 1;
            let sent = event.sent(&Decision::Resigned(forged), APP);
            let slug = &project.recipe.slug;
            assert_ne!(project.verdict(&sent, secret, NOW), State::Valid, "{slug}: {part:?}");
        }
    }
    assert!(made[0] > 35 && made[1] > 40 && made[2] > 10, "{made:?}");
}

#[test]
fn the_list_of_differences_names_whose_live_events_are_signed_anew() {
    let list = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/fidelity.md")).unwrap();
    let line = list.lines().find(|line| line.starts_with("| live events |")).unwrap();
    for recipe in Catalog::shipped().iter() {
        assert_eq!(line.contains(&recipe.name), recipe.signs_url(), "{}", recipe.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn signing_again_changes_nothing_but_the_signature(body in ".{0,60}", header in "[ -~]{0,20}") {
        let project = Project::of("stripe", &[NEW]);
        let mut event = project.event(NEW, NOW);
        event.head.headers.insert(0, Header::new("x-own", header.trim().to_owned()));
        event.body = format!("{{\"id\":\"evt_1\",\"x\":{}}}", serde_json::Value::from(body)).into_bytes();
        let Decision::Resigned(resigned) = project.decide(&event, APP, &Rule::Always, NOW) else { panic!() };
        prop_assert!(resigned.body.is_none() && resigned.path.is_none());
        let others = |head: &EventHead| head.headers.iter().filter(|h| h.name != "stripe-signature").cloned().collect::<Vec<_>>();
        prop_assert_eq!(others(&resigned.head), others(&event.head));
    }
}
