//! The worked examples inside the recipes, and what every recipe has to have.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use hook_providers::{Header, Known, Recipe, Request, Secret, verify};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    note: String,
    #[serde(default = "post")]
    method: String,
    #[serde(default = "somewhere")]
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    body_base64: Option<String>,
    secret: String,
    #[serde(default)]
    params: BTreeMap<String, String>,
    /// Unix seconds.
    now: u64,
    expect: String,
}

fn post() -> String {
    "POST".to_owned()
}

fn somewhere() -> String {
    "https://hooks.example.com/in/abc".to_owned()
}

/// What an SDK decided, elsewhere.
#[derive(Deserialize)]
struct Vector {
    provider: String,
    expect: String,
}

fn here(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn recipes() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::fs::read_dir(here("recipes"))
        .expect("there are recipes")
        .map(|entry| {
            let path = entry.expect("it can be listed").path();
            let slug = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
            (slug, std::fs::read_to_string(path).expect("it can be read"))
        })
        .collect();
    found.sort();
    found
}

/// What went otherwise than the case says.
fn failed(recipe: &Recipe, case: Case) -> Option<String> {
    let headers: Vec<Header<'_>> = case.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    let params: Vec<(&str, &str)> = case.params.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let body = case.body_base64.map_or_else(
        || case.body.into_bytes(),
        |text| base64::engine::general_purpose::STANDARD.decode(text).expect("the body is base64"),
    );
    let secrets = [Secret { label: "the secret", value: &case.secret }];
    let known = Known { secrets: &secrets, params: &params, live_keys: &[] };
    let verdict = verify(recipe, &Request::new(&case.method, &case.url, &headers, &body), &known, case.now * 1000);
    let right = verdict.state.word() == case.expect;
    (!right).then(|| format!("{}: {}: {:?}: {}", recipe.slug, case.note, verdict.state, verdict.reason))
}

#[test]
fn the_recipe_in_the_documentation_is_one() {
    let page = std::fs::read_to_string(here("../docs/adding-a-provider.md")).expect("it can be read");
    let text = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it has an example");
    let recipe = Recipe::parse("acme", text).unwrap_or_else(|error| panic!("{error}"));
    let file: File = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    let wrong: Vec<String> = file.case.into_iter().filter_map(|case| failed(&recipe, case)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_worked_example_ends_as_it_says() {
    let mut wrong = Vec::new();
    for (slug, text) in recipes() {
        let recipe = Recipe::parse(&slug, &text).unwrap_or_else(|error| panic!("{slug}.toml: {error}"));
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{slug}.toml: {error}"));
        wrong.extend(file.case.into_iter().filter_map(|case| failed(&recipe, case)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_recipe_has_a_case_that_is_accepted_and_three_that_are_refused() {
    let vectors: Vec<Vector> = ["testdata/vectors.json", "testdata/more-vectors.json"]
        .into_iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(here(file)).expect("it can be read");
            serde_json::from_str::<Vec<Vector>>(&text).expect("it is JSON")
        })
        .collect();
    for (slug, text) in recipes() {
        let recipe = Recipe::parse(&slug, &text).unwrap_or_else(|error| panic!("{slug}.toml: {error}"));
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{slug}.toml: {error}"));
        let by_sdk: Vec<&str> = vectors.iter().filter(|v| v.provider == slug).map(|v| v.expect.as_str()).collect();
        let all = by_sdk.iter().copied().chain(file.case.iter().map(|case| case.expect.as_str()));
        if !recipe.is_verifiable() {
            continue;
        }
        let (good, bad): (Vec<&str>, Vec<&str>) = all.partition(|expect| *expect == "valid");
        assert!(!good.is_empty() && bad.len() >= 3, "{slug}: {} accepted, {} refused", good.len(), bad.len());
        assert_eq!(recipe.confirmed, !by_sdk.is_empty(), "{slug}: confirmed is what an SDK decided");
    }
}
