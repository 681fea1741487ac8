//! What official SDKs accepted and refused, replayed. `testdata/vectors.json` holds what each SDK was given and said.

use std::collections::BTreeMap;

use base64::Engine as _;
use hook_providers::{Catalog, Header, Known, LiveKey, Request, Secret, State, Verdict, verify};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    provider: String,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    body_b64: String,
    secret: String,
    /// Unix seconds.
    now: u64,
    expect: String,
    /// A class that is as good as the expected one.
    alt: Option<String>,
    note: String,
    #[serde(default)]
    params: BTreeMap<String, String>,
    live_key_url: Option<String>,
}

impl Case {
    fn all() -> Vec<Case> {
        ["vectors.json", "more-vectors.json"]
            .iter()
            .filter_map(|file| std::fs::read_to_string(format!("{}/testdata/{file}", env!("CARGO_MANIFEST_DIR"))).ok())
            .flat_map(|text| serde_json::from_str::<Vec<Case>>(&text).expect("the vectors are JSON"))
            .collect()
    }

    fn verdict(&self, catalog: &Catalog) -> Verdict {
        let body = base64::engine::general_purpose::STANDARD.decode(&self.body_b64).expect("the body is base64");
        let headers: Vec<Header<'_>> = self.headers.iter().map(|(k, v)| (k.as_str(), v.as_bytes())).collect();
        let params: Vec<(&str, &str)> = self.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let secrets = [Secret { label: "the secret", value: &self.secret }];
        let live = self.live_key_url.as_ref().map(|url| LiveKey { url, key: self.secret.as_bytes() });
        let known = Known { secrets: &secrets, params: &params, live_keys: live.as_slice() };
        let recipe = catalog.get(&self.provider).unwrap_or_else(|| panic!("no recipe {}", self.provider));
        verify(recipe, &Request::new(&self.method, &self.url, &headers, &body), &known, self.now * 1000)
    }

    /// The class in the vectors' words; they know no difference between unsigned and malformed.
    fn class(verdict: &Verdict) -> &'static str {
        match verdict.state {
            State::Valid => "valid",
            State::Invalid => "bad_signature",
            State::Stale => "stale",
            State::Unsigned | State::Malformed => "malformed",
            State::NoSecret | State::Unchecked => "not looked at",
        }
    }
}

#[test]
fn every_case_ends_as_the_sdk_ended_it() {
    let catalog = Catalog::shipped();
    let cases = Case::all();
    let mut wrong = Vec::new();
    for case in &cases {
        let verdict = case.verdict(&catalog);
        let class = Case::class(&verdict);
        if class != case.expect && Some(class) != case.alt.as_deref() {
            wrong.push(format!("{}: {}: {class}, not {}: {}", case.provider, case.note, case.expect, verdict.reason));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 192);
}
