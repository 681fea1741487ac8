//! What is known of one provider, for programs.

use std::time::Duration;

use hook_providers::{Covers, Fact, Recipe, SignatureFacts};
use serde_json::{Value, json};

use crate::platform::now_ms;
use crate::provider::Secret;
use crate::text;

/// The `provider` object.
pub fn of(recipe: &Recipe, known: &[Secret]) -> Value {
    let sender = &recipe.sender;
    let known: Vec<Value> =
        known.iter().map(|s| json!({"secret": s.shown(), "source": s.source.to_string()})).collect();
    let params: Vec<Value> = recipe.params.iter().map(|p| json!({"name": p.name, "what": p.what})).collect();
    json!({
        "v": 1,
        "type": "provider",
        "ts": text::rfc3339(now_ms()),
        "name": recipe.slug,
        "title": recipe.name,
        "docs": recipe.docs,
        "confirmed": recipe.confirmed,
        "headers": recipe.headers(),
        "signatures": recipe.signatures().map(|s| signature(&s)).collect::<Vec<_>>(),
        "secret": {
            "called": recipe.secret.called,
            "prefix": recipe.secret.prefix,
            "env": recipe.secret.env,
            "found": recipe.secret.found,
            "known": known,
        },
        "params": params,
        "sender": {
            "time_limit_ms": fact(sender.time_limit.as_ref(), |limit| ms(*limit)),
            "success": fact(sender.success.as_ref(), |all| json!(all.iter().map(ToString::to_string).collect::<Vec<_>>())),
            "retries": fact(sender.retries.as_ref(), |retries| json!({
                "is": retries.says,
                "after_ms": retries.after.iter().map(|wait| ms(*wait)).collect::<Vec<_>>(),
                "on": retries.on.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "once": retries.once,
            })),
            "gives_up": fact(sender.gives_up.as_ref(), |what| json!(what)),
            "follows_redirects": fact(sender.redirects.as_ref(), |followed| json!(followed)),
        },
        "handshake": recipe.has_handshake(),
        "dashboard": recipe.setup.dashboard,
    })
}

fn signature(facts: &SignatureFacts) -> Value {
    let covers = match facts.covers {
        Covers::Body => "body",
        Covers::PartOfBody => "part",
        Covers::Nothing => "nothing",
    };
    json!({
        "scheme": facts.id.as_deref().unwrap_or(facts.algorithm),
        "algorithm": facts.algorithm,
        "at": facts.at,
        "tolerance_s": facts.tolerance.map(|t| t.as_secs()),
        "covers": covers,
        "url": facts.url,
        "published_key": facts.fetched_key,
    })
}

/// Null is "not known".
fn fact<T>(fact: Option<&Fact<T>>, value: impl Fn(&T) -> Value) -> Value {
    let Some(fact) = fact else { return Value::Null };
    json!({"value": value(&fact.value), "source": fact.source, "confirmed": fact.confirmed})
}

fn ms(duration: Duration) -> Value {
    json!(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
