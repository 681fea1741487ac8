//! Sample events: what a provider would send, made up anew from a seed. `samples/NAME.sample` are the templates.

mod clock;
mod file;
mod functions;
mod lex;
mod make;
mod moment;
mod near;
mod parse;
mod random;
mod set;
mod value;

use crate::catalog::shipped_samples;
use crate::json::{Numbers, Style};
use crate::recipe::Recipe;
use crate::request::Url;
use file::{File, Type};
use make::Maker;
pub use near::near as near_words;
use value::{Value, percent};

/// A type of event that can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleType {
    pub name: String,
    /// Other words for it, which [`make`] takes as well.
    pub also: Vec<String>,
    /// What has happened, in one line.
    pub about: String,
}

/// How one sample is made.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The same seed makes the same event but for its times. Types that are made with one seed are about the same
    /// customer, order or repository, but have event ids of their own.
    pub seed: u64,
    pub now_ms: u64,
    /// The moment in ids that hold one (ULIDs, snowflakes): now, or [`moment_of`] the seed where ids have to repeat.
    pub ids_ms: u64,
    /// Paths into the body (or names of form fields) and their new values, in order.
    pub set: &'a [(&'a str, &'a str)],
    /// Where it will be sent; some providers put something into its query.
    pub url: &'a str,
}

/// One event as the provider would send it, not signed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// What [`crate::identify`] calls this type of event; it differs from the name where the provider's word for it is
    /// one for people (`command`, but the event says `/deploy`).
    pub event: String,
}

/// Why there is no sample.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    #[error("hook has no samples of {provider}")]
    NoSamples { provider: String },
    #[error("{provider} has no sample \"{name}\"")]
    NoType {
        provider: String,
        name: String,
        /// Names that may have been meant, best first.
        near: Vec<String>,
    },
    #[error("\"{path}\" is not in this event")]
    NoPath {
        path: String,
        /// Paths that may have been meant, best first.
        near: Vec<String>,
    },
    /// A mistake in a shipped file, which the tests rule out.
    #[error("samples/{file}.sample: {problem}")]
    Template { file: String, problem: String },
}

/// A moment of the year 2026 that belongs to a seed, for ids that are the same whenever they are made.
pub fn moment_of(seed: u64) -> u64 {
    const BEGIN_MS: u64 = 1_767_225_600_000;
    const YEAR_MS: u64 = 365 * 86_400_000;
    BEGIN_MS + random::Random::new(seed, &["moment"]).below(YEAR_MS)
}

/// The types that can be made, in the order of the file: the usual ones first.
pub fn types(recipe: &Recipe) -> Vec<SampleType> {
    let described = |kind: &Type| SampleType {
        name: kind.names[0].clone(),
        also: kind.names[1..].to_vec(),
        about: kind.about.clone(),
    };
    read(&recipe.slug).map(|file| file.types.iter().map(described).collect()).unwrap_or_default()
}

/// Types whose names are close to this one, best first.
pub fn near(recipe: &Recipe, name: &str) -> Vec<String> {
    let types = types(recipe);
    let all = types.iter().flat_map(|kind| std::iter::once(&kind.name).chain(&kind.also));
    near::near(name, all.map(String::as_str))
}

/// Makes one event of this type.
///
/// # Errors
/// When there is no such type, or nothing at a path that is to be set.
pub fn make(recipe: &Recipe, name: &str, options: &Options<'_>) -> Result<Made, SampleError> {
    let file = read(&recipe.slug)?;
    let shared = read(SHARED)?;
    let kind = file.types.iter().find(|kind| kind.names.iter().any(|known| known == name)).ok_or_else(|| {
        SampleError::NoType { provider: recipe.name.clone(), name: name.to_owned(), near: near(recipe, name) }
    })?;
    let mut maker = Maker::new([&file, &shared], kind, options);
    let mut find = |name: &str| {
        let problem = |problem| SampleError::Template { file: recipe.slug.clone(), problem };
        maker.named(name).map_err(problem).map(|value| value.filter(|value| *value != Value::None))
    };
    let format = find("format")?.map(|format| format.plain()).unwrap_or_default();
    let form = format == "form";
    let mut body = match find("body")? {
        Some(body) => body,
        None => find("data")?.unwrap_or(Value::Null),
    };
    for (path, text) in options.set {
        set::set(&mut body, path, text, form)?;
    }
    let event = find("seen")?.map_or_else(|| kind.names[0].clone(), |seen| seen.plain());
    let kind = if form { "application/x-www-form-urlencoded" } else { "application/json" };
    let mut headers = vec![("Content-Type".to_owned(), kind.to_owned())];
    for (name, value) in members(find("headers")?) {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        headers.push((name, value.plain()));
    }
    let query = members(find("query")?);
    let style = find("style")?.map(|style| style.plain()).unwrap_or_default();
    Ok(Made {
        method: find("method")?.map_or_else(|| "POST".to_owned(), |method| method.plain()),
        url: with_query(options.url, &query),
        headers,
        body: match format.as_str() {
            "form" => body.form(),
            "raw" => body.plain(),
            _ => styled(&body.json(), &style),
        }
        .into_bytes(),
        event,
    })
}

/// The file of what all providers need: people, addresses, things to sell.
const SHARED: &str = "_shared";

fn read(slug: &str) -> Result<File, SampleError> {
    let text = shipped_samples(slug).ok_or_else(|| SampleError::NoSamples { provider: slug.to_owned() })?;
    parse::file(text).map_err(|problem| SampleError::Template { file: slug.to_owned(), problem })
}

/// JSON as the provider's own software writes it. An app that writes it again before it verifies fails here as it would
/// with the real one.
fn styled(json: &str, style: &str) -> String {
    let mut written = Style { numbers: Numbers::AsWritten, index_keys_first: false, ..Style::default() };
    for word in style.split_whitespace() {
        match word {
            "pretty" => (written.indent, written.colon) = (Some(2), ": "),
            "spaced" => (written.comma, written.colon) = (", ", ": "),
            "ascii" => written.ascii = true,
            "slash" => written.slash = true,
            "html" => written.html = true,
            _ => {}
        }
    }
    crate::json::parse(json.as_bytes())
        .and_then(|value| crate::json::write(&value, written))
        .unwrap_or_else(|| json.to_owned())
}

fn members(value: Option<Value>) -> Vec<(String, Value)> {
    match value {
        Some(Value::Map(members)) => members.into_iter().filter(|(_, value)| *value != Value::None).collect(),
        _ => Vec::new(),
    }
}

fn with_query(url: &str, query: &[(String, Value)]) -> String {
    if query.is_empty() {
        return url.to_owned();
    }
    let parts = Url::of(url);
    let before = parts.query.filter(|before| !before.is_empty()).map(str::to_owned);
    let fields = query.iter().map(|(name, value)| format!("{}={}", percent(name), percent(&value.plain())));
    let all: Vec<String> = before.into_iter().chain(fields).collect();
    Url { query: Some(&all.join("&")), ..parts }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options<'static> =
        Options { seed: 1, now_ms: NOW, ids_ms: NOW, set: &[], url: "https://h.example/" };
    const NOW: u64 = 1_780_000_000_000;

    fn evaluated(text: &str) -> Result<String, String> {
        let file = parse::file(text)?;
        let none = parse::file("")?;
        let kind = file.types.first().ok_or("no type")?;
        Maker::new([&file, &none], kind, &OPTIONS).named("data").map(|data| data.unwrap_or(Value::None).json())
    }

    #[test]
    fn the_example_of_the_documentation_works() {
        let docs = include_str!("../../../docs/adding-a-provider.md");
        let example = docs.split("```\n").find(|block| block.starts_with("# Acme Pay. A text")).expect("it is there");
        let (file, shared) = (parse::file(example).expect("it can be read"), read(SHARED).expect("it is shipped"));
        for kind in &file.types {
            let mut maker = Maker::new([&file, &shared], kind, &OPTIONS);
            let body = maker.named("body").expect("it can be made").expect("it is defined").json();
            assert!(body.starts_with(r#"{"id":"evt_"#) && body.contains(r#""email":""#), "{body}");
        }
    }

    #[test]
    fn definitions_refer_to_each_other_and_are_made_once() {
        let text = r#"
            let id = hex(8)
            def item(name, cents) = { id: hex(4), name, price: money(cents * 2) }
            def again = hex(8)
            type a: "x" = { same: [id, id], other: [again, again], item: item("mug", 125) + { id: none }, ...{ n: -1.5 }, "a b": "{{{id}}}" }
        "#;
        let data = evaluated(text).expect("it can be made");
        let value: serde_json::Value = serde_json::from_str(&data).expect("it is JSON");
        assert_eq!(value["same"][0], value["same"][1]);
        assert_ne!(value["other"][0], value["other"][1]);
        assert_eq!(value["item"], serde_json::json!({ "name": "mug", "price": "2.50" }));
        assert_eq!(value["n"], serde_json::json!(-1.5));
        assert_eq!(value["a b"].as_str().map(str::len), Some(10));
    }

    #[test]
    fn a_mistake_is_named_with_its_line_or_its_definition() {
        for (text, part) in [
            ("let a = 1\nlet a = 2", "line 2: \"a\" is defined twice"),
            ("\nthe x = 1", "line 2: \"the\" is none of let, once, def and type"),
            ("type a: \"x\" = {\n  b: ,\n}", "line 2: \",\" cannot stand here"),
            ("type a: \"x\" = b", "\"b\" is not defined"),
            ("let b = { c: b }\ntype a: \"x\" = b", "it is defined by itself"),
            ("let b = { c: 1 }\ntype a: \"x\" = b.d", "there is no \"d\""),
            ("type a: \"x\" = hexx(3)", "there is no such function"),
            ("type a: \"x\" = 1 + true", "1 + true is nothing"),
            ("def f(x) = x\ntype a: \"x\" = f(1, 2)", "f takes 1 arguments"),
        ] {
            let error = evaluated(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
