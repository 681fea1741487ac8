//! What can be triggered.

use hook_providers::sample;
use serde_json::json;

use crate::commands::Context;
use crate::failure::Failure;
use crate::output::{Format, json};
use crate::platform::now_ms;
use crate::provider::Providers;
use crate::text::{self, rfc3339};
use crate::ui::Ink;

/// All providers with their number of events, or all events of one.
pub fn list(context: &Context, providers: &Providers, provider: Option<&str>, format: Format) -> Result<(), Failure> {
    match provider {
        Some(name) => one(context, providers, name, format),
        None => {
            all(context, providers, format);
            Ok(())
        }
    }
}

fn all(context: &Context, providers: &Providers, format: Format) {
    let out = context.ui.out;
    for recipe in providers.catalog().iter() {
        let types = sample::types(recipe);
        if format == Format::Json {
            let names: Vec<&str> = types.iter().map(|t| t.name.as_str()).collect();
            context.ui.data(&json::line_of(
                &json!({"v": 1, "type": "samples", "ts": rfc3339(now_ms()), "provider": recipe.slug, "name": recipe.name, "events": names}),
            ));
            continue;
        }
        let first = types.first().map_or("", |t| t.name.as_str());
        let slug = out.ink(Ink::Bold, format!("{:<20}", recipe.slug));
        context.ui.text(format!("{slug} {:>10}   {first}", text::count(types.len() as u64, "event")).trim_end());
    }
    if format == Format::Line {
        context.ui.status("next: hook trigger --list stripe");
    }
}

fn one(context: &Context, providers: &Providers, name: &str, format: Format) -> Result<(), Failure> {
    let recipe = providers.named(name)?;
    let types = sample::types(recipe);
    if types.is_empty() {
        let what = format!("hook has no samples of {}.", recipe.name);
        return Err(Failure::failed(what).next(format!("hook trigger {} --data @event.json", recipe.slug)));
    }
    let longest = types.iter().map(|t| t.name.len()).max().unwrap_or_default();
    for kind in &types {
        if format == Format::Json {
            context.ui.data(&json::line_of(
                &json!({"v": 1, "type": "sample", "ts": rfc3339(now_ms()), "provider": recipe.slug, "event": kind.name, "also": kind.also, "about": kind.about}),
            ));
            continue;
        }
        let also = if kind.also.is_empty() { String::new() } else { format!(" (also: {})", kind.also.join(", ")) };
        let name = context.ui.out.ink(Ink::Bold, format!("{:<longest$}", kind.name));
        context.ui.text(&format!("{name}   {}{also}", kind.about));
    }
    Ok(())
}
