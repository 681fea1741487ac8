//! `hook explain` in words and as JSON.

use std::fmt::Write;

use hook_proto::EventHead;
use hook_providers::Recipe;
use serde_json::{Value, json};

use super::autopsy::{self, because, heading};
use crate::autopsy::Seen;
use crate::autopsy::app::{Cause, Fix};
use crate::autopsy::framework::{self, Framework, Place};
use crate::autopsy::meaning::{Meaning, had_to_refuse};
use crate::journal::Signing;
use crate::provider::Part;
use crate::sanitize::{sanitize, sanitize_block};
use crate::ui::{Ink, Paint};

/// All that there is to tell.
pub struct Told<'a> {
    pub told: autopsy::Told<'a>,
    pub seen: Option<&'a Seen>,
    /// The framework that the person named.
    pub asked: Option<&'static Framework>,
    pub recipe: Option<&'a Recipe>,
    pub head: &'a EventHead,
}

impl Told<'_> {
    fn framework(&self) -> Option<&'static Framework> {
        self.asked.or_else(|| self.seen?.framework)
    }

    /// It refused what is right, as it came or as hook signed it.
    fn is_right_and_refused(&self) -> bool {
        self.seen.is_some_and(|seen| matches!(seen.meaning, Meaning::RefusedRight | Meaning::RefusedAnew))
    }

    /// What would mend it, when anything of a framework does.
    fn fix(&self) -> Fix {
        let causes = self.seen.map_or(&[][..], |seen| &seen.causes);
        let verify = if self.told.finding.signature.fields { Fix::Fields } else { Fix::Bytes };
        if let Some(cause) = causes.iter().find(|cause| cause.fix != Fix::Nothing) {
            return if cause.fix == Fix::Bytes { verify } else { cause.fix };
        }
        // A clock is not mended by code.
        let is_stale = causes.iter().any(|cause| cause.code == "stale");
        match self.told.finding.signature.reason.as_deref().unwrap_or_default() {
            reason if reason.starts_with("url_") => Fix::Proxy,
            "body_reformatted" | "form_reencoded" | "line_endings" | "trailing_newline" | "byte_order_mark"
            | "charset" | "compression" | "content_type" | "body_wrapped" | "body_missing" | "body_other" => verify,
            _ if self.asked.is_some() || self.is_right_and_refused() && !is_stale => verify,
            _ => Fix::Nothing,
        }
    }

    /// The route in the app, and the URL that the provider calls.
    fn place(&self) -> Option<(String, &str, &Recipe)> {
        let recipe = self.recipe?;
        let path = path_of(self.seen.map_or(&self.head.url, |seen| &seen.attempt.target));
        let path = if path.len() > 1 { path.to_owned() } else { format!("/webhooks/{}", recipe.slug) };
        Some((path, &self.head.url, recipe))
    }

    /// The URL for which the app verifies: what it got may have been signed anew for another than the sender called.
    fn verified_url(&self) -> &str {
        match self.seen.and_then(|seen| seen.attempt.signing.as_ref()) {
            Some(Signing::AnewFor(url)) => url,
            _ => &self.head.url,
        }
    }

    fn code(&self, framework: &Framework) -> Option<String> {
        let (path, url, recipe) = self.place()?;
        let scheme = self.told.finding.signature.scheme.as_deref();
        match self.fix() {
            Fix::Bytes => Some(framework.code(Place { recipe, scheme, path: &path, public_url: url })),
            // Where the path differs too, no header that a proxy sets tells the app.
            Fix::Proxy if path_of(url) == path => Some(framework.proxy.clone()),
            Fix::Proxy => Some(framework.for_url(url)),
            Fix::Fields => {
                Some(framework.for_fields(Place { recipe, scheme, path: &path, public_url: self.verified_url() }))
            }
            Fix::Csrf => framework.csrf_code(&path),
            Fix::Nothing => None,
        }
    }
}

fn path_of(url: &str) -> &str {
    let behind = url.split_once("://").map_or("", |(_, rest)| rest);
    behind.find('/').map_or("", |at| &behind[at..]).split('?').next().unwrap_or_default()
}

pub fn text(all: &Told<'_>, paint: Paint) -> String {
    let mut out = String::new();
    let told = &all.told;
    let _ = writeln!(out, "{}", heading(told, paint));
    let cause = if told.finding.signature.reason.as_deref() == Some("unknown") { "cause unknown: " } else { "" };
    let _ = writeln!(out, "{}", indented(&format!("{cause}{}", because(told))));
    if let Some(next) = &told.finding.next {
        let _ = writeln!(out, "{}", indented(&format!("next: {}", sanitize(next))));
    }
    if let Some(seen) = all.seen {
        let _ = write!(out, "\n{}\n{}", paint.ink(Ink::Bold, app_heading(seen)), app(all, seen));
    } else if told.row.is_some() {
        let _ = write!(out, "\n{}\n", paint.ink(Ink::Bold, "Your app has not been asked."));
    }
    if let Some(fix) = fix(all, paint) {
        let _ = write!(out, "\n{fix}");
    }
    paint.signs(out.trim_end()).into_owned()
}

fn app_heading(seen: &Seen) -> String {
    let attempt = &seen.attempt;
    let answered = match attempt.status {
        Some(status) => format!("answered {status}"),
        None => "gave no answer".to_owned(),
    };
    let took = attempt.ms.map_or_else(String::new, |ms| format!(" in {ms} ms"));
    let signing = attempt.signing.as_ref().map_or_else(String::new, |signing| format!(", {}", signing.words()));
    let (kind, target) = (&attempt.kind, &attempt.target);
    sanitize(&format!("Your app {answered}{took}  (attempt {}, {kind}{signing}, {target})", attempt.n)).into_owned()
}

fn app(all: &Told<'_>, seen: &Seen) -> String {
    let mut lines = Vec::new();
    if !seen.first_line.is_empty() {
        lines.push(format!("it said: {}", sanitize(&seen.first_line)));
    }
    if let Some(framework) = seen.framework {
        lines.push(format!("its answer looks like {}", framework.name));
    }
    lines.extend(refusal(all, seen).map(str::to_owned));
    let (certain, usual): (Vec<&Cause>, Vec<&Cause>) = seen.causes.iter().partition(|cause| cause.certain);
    lines.extend(certain.into_iter().map(|cause| sanitize(&cause.says).into_owned()));
    if !usual.is_empty() {
        let all: Vec<_> = usual.iter().map(|cause| sanitize(&cause.says)).collect();
        let word = if all.len() == 1 { "most likely" } else { "usual causes" };
        lines.push(format!("{word}: {}", all.join(", or ")));
    }
    lines.extend(seen.besides.iter().cloned());
    lines.extend(seen.sender.iter().map(|line| sanitize(line).into_owned()));
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

/// What the answer is to what was sent.
fn refusal(all: &Told<'_>, seen: &Seen) -> Option<&'static str> {
    let is_anew = matches!(seen.attempt.signing, Some(Signing::Anew | Signing::AnewFor(_)));
    Some(match seen.meaning {
        Meaning::RefusedRight => "the signature is valid, but your app refused it",
        Meaning::RefusedAnew => "hook signed it anew, but your app refused it all the same",
        Meaning::RefusedWrong if had_to_refuse(all.told.finding) => "your app refused it, as it should",
        Meaning::RefusedWrong => "your app refused it too",
        Meaning::RefusedForged => "it was forged, and your app refused it, as it should",
        // What came with a good signature needs no such word.
        Meaning::Nothing if is_anew && seen.attempt.status.is_some() && !all.told.finding.is_valid() => {
            "hook signed it anew: the answer says nothing of the signature that came"
        }
        _ => return None,
    })
}

fn fix(all: &Told<'_>, paint: Paint) -> Option<String> {
    let fix = all.fix();
    if fix == Fix::Nothing {
        return None;
    }
    if let Some(framework) = all.framework() {
        let code = all.code(framework)?;
        let title = paint.ink(Ink::Bold, format!("Fix for {}", framework.name));
        return Some(format!("{title}\n{}\n", indented(&code)));
    }
    let title = match fix {
        // The same in all of them, and the cause has said it.
        Fix::Fields => return None,
        Fix::Proxy => "Fix: verify for the URL that the sender called",
        Fix::Csrf => "Fix: leave the route out of the check of forms",
        _ => "Fix: verify the bytes as they came",
    };
    let which = all.told.row.map_or_else(String::new, |row| format!("hook explain {} ", row.seq));
    let mut out = format!("{}  ({which}--framework NAME shows the code)\n", paint.ink(Ink::Bold, title));
    for framework in framework::all() {
        let gist = match fix {
            Fix::Proxy => Some(&framework.proxy),
            Fix::Csrf => framework.csrf.as_ref(),
            _ => Some(&framework.gist),
        };
        if let Some(gist) = gist {
            let _ = writeln!(out, "  {:<8}  {}", framework.name, gist.replace("{path}", "…").replace("{route}", "…"));
        }
    }
    Some(out)
}

fn indented(text: &str) -> String {
    sanitize_block(text)
        .lines()
        .map(|line| format!("  {line}").trim_end().to_owned() + "\n")
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// The `explanation` object: all of `verdict`, and more.
pub fn json(all: &Told<'_>) -> Value {
    let mut object = autopsy::object("explanation", &all.told);
    let app = all.seen.map(|seen| {
        let attempt = &seen.attempt;
        json!({
            "attempt": attempt.n,
            "kind": attempt.kind,
            "resigned": matches!(attempt.signing, Some(Signing::Anew | Signing::AnewFor(_))),
            "forged": attempt.signing.as_ref().and_then(Signing::forged).map(Part::as_str),
            "target": attempt.target,
            "status": attempt.status,
            "error": attempt.error,
            "detail": attempt.detail,
            "ms": attempt.ms,
            "first_line": seen.first_line,
            "framework": seen.framework.map(|f| &f.name),
            "refused": seen.refused,
        })
    });
    let causes: Vec<Value> = all
        .seen
        .map_or(&[][..], |seen| &seen.causes)
        .iter()
        .map(|c| json!({"code": c.code, "text": c.says, "certain": c.certain}))
        .collect();
    let fix = all.framework().and_then(|f| Some(json!({"framework": f.name, "code": all.code(f)?})));
    object.insert("app".into(), app.into());
    object.insert("causes".into(), causes.into());
    object.insert("sender".into(), all.seen.map(|seen| seen.sender.clone()).unwrap_or_default().into());
    object.insert("fix".into(), fix.into());
    Value::Object(object)
}
