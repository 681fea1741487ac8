//! What it costs to find out who sent an event and whether it is signed right, as `hook listen` does for each:
//!
//!     cargo run --release -p hook --example verify_cost

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement that fails has to say so")]

use std::hint::black_box;
use std::time::Instant;

use hook_cli::provider::{Asked, Checker, Given};
use hook_proto::{EventHead, Header};
use hook_providers::sample::{self, Made, Options};
use hook_providers::{Known, Recipe, Request, Secret, identify, new_secret, sign, verify};

const PROVIDERS: [&str; 5] = ["stripe", "github", "shopify", "standard-webhooks", "slack"];
const NOW: u64 = 1_780_000_000_000;
const URL: &str = "https://hooks.example.com/shop";
/// A figure is of the fastest round: what disturbs only adds.
const ROUNDS: u32 = 20;
const TIMES: u32 = 2_000;

fn main() {
    let project = tempfile::tempdir().unwrap();
    let catalog = hook_providers::Catalog::shipped();
    let all: Vec<(&Recipe, String)> = PROVIDERS
        .map(|slug| catalog.get(slug).unwrap())
        .map(|recipe| (recipe, new_secret(recipe, [7; 32]).unwrap().secret))
        .to_vec();
    let lines = all.iter().map(|(recipe, secret)| format!("{}={secret}\n", recipe.secret.env[0]));
    std::fs::write(project.path().join(".env"), lines.collect::<String>()).unwrap();
    let checker = Checker::load(project.path(), Given::default()).unwrap_or_else(|e| panic!("{e}"));

    println!("{} recipes; microseconds for an event", catalog.iter().len());
    println!("{:<18} {:>6} {:>9} {:>7} {:>7} {:>6}", "", "bytes", "recognise", "verify", "both", "check");
    for (recipe, secret) in &all {
        let made = sample(recipe);
        let known = Known { secrets: &[Secret { label: "it", value: secret }], ..Known::default() };
        let headers = signed(recipe, &made, &known);
        let bytes: Vec<(&str, &[u8])> = headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        let request = || Request::new(&made.method, &made.url, &bytes, &made.body);

        let recognise = micros(|| identify(&catalog, &request(), None).recipe.map(|r| r.slug.len()));
        let verdict = micros(|| verify(recipe, &request(), &known, NOW));
        let both = micros(|| {
            let request = request();
            let found = identify(&catalog, &request, None);
            verify(found.recipe.unwrap(), &request, &known, NOW)
        });
        let fields = headers.iter().map(|(n, v)| Header::new(n.to_ascii_lowercase(), v.clone()));
        let head = EventHead {
            method: made.method.clone(),
            url: made.url.clone(),
            headers: fields.collect(),
            ..EventHead::default()
        };
        let asked = Asked { endpoint: "shop", pinned: None, head: &head, body: &made.body };
        assert_eq!(checker.check(asked, NOW).verdict(), Some("valid"), "{}", recipe.slug);
        let check = micros(|| checker.check(asked, NOW));
        println!("{:<18} {:>6} {recognise:>9.1} {verdict:>7.1} {both:>7.1} {check:>6.1}", recipe.slug, made.body.len());
    }
}

/// The sample that is nearest to 1 KiB.
fn sample(recipe: &Recipe) -> Made {
    let made = sample::types(recipe).into_iter().map(|kind| {
        let options = Options { seed: 1, now_ms: NOW, ids_ms: NOW, set: &[], url: URL };
        sample::make(recipe, &kind.name, &options).unwrap()
    });
    made.min_by_key(|made| made.body.len().abs_diff(1024)).unwrap()
}

/// The fields of a request that is signed, and those that every sender has.
fn signed(recipe: &Recipe, made: &Made, known: &Known<'_>) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> =
        made.headers.iter().map(|(n, v)| (n.clone(), v.clone().into_bytes())).collect();
    for (name, value) in [("Host", "hooks.example.com"), ("Accept", "*/*"), ("Accept-Encoding", "gzip")] {
        all.push((name.to_owned(), value.into()));
    }
    let bytes: Vec<(&str, &[u8])> = all.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    let request = Request::new(&made.method, &made.url, &bytes, &made.body);
    sign(recipe, &request, known, NOW).unwrap().apply(&bytes)
}

fn micros<T>(mut work: impl FnMut() -> T) -> f64 {
    let round = |_| {
        let begun = Instant::now();
        (0..TIMES).for_each(|_| _ = black_box(work()));
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}
