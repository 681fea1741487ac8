//! What hook makes.

use std::ops::Range;

use hook_providers::{Catalog, sample};
use serde_json::{Map, Value};

/// What is random in a body varies with its seed.
const SEEDS: Range<u64> = 1..4;
const NOW: u64 = 1_790_000_000_000;

pub struct Body {
    pub seed: u64,
    pub json: Value,
}

/// The types of events that can be made.
pub fn events(provider: &str) -> Vec<String> {
    sample::types(Catalog::shipped().get(provider).unwrap()).into_iter().map(|kind| kind.name).collect()
}

/// Bodies of one of them.
pub fn bodies(provider: &str, event: &str) -> Vec<Body> {
    let catalog = Catalog::shipped();
    let recipe = catalog.get(provider).unwrap();
    let made = |seed| {
        let options = sample::Options { seed, now_ms: NOW, ids_ms: NOW, set: &[], url: "https://example.com/hooks" };
        let made = sample::make(recipe, event, &options).unwrap();
        let json = serde_json::from_slice(&made.body).unwrap_or_else(|_| fields(&made.body));
        Body { seed, json }
    };
    SEEDS.map(made).collect()
}

/// The fields of a form, or what is in the one of an interaction of Slack's.
fn fields(form: &[u8]) -> Value {
    let fields: Map<String, Value> =
        form_urlencoded::parse(form).map(|(name, value)| (name.into(), Value::String(value.into()))).collect();
    match fields.get("payload").and_then(Value::as_str) {
        Some(payload) => serde_json::from_str(payload).unwrap(),
        None => Value::Object(fields),
    }
}
