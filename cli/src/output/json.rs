//! `--output json`: one object a line, flushed at once (ux §1.8; the schema is cli/schema/listen.json).

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hook_proto::{Header, HeaderList};
use serde_json::{Map, Value, json};

use super::advice;
use super::mask::Mask;
use crate::activity::{Activity, AppState, Handshake, Heard, Sender, Shown, Trouble};
use crate::failure::Failure;
use crate::journal::{Attempt, EventRow, Signing};
use crate::platform::now_ms;
use crate::provider::sender::Judgement;
use crate::provider::{Part, Signature};
use crate::text::rfc3339;
use crate::ui::Ui;

/// Whether bodies and headers are shown, and how much of a body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bodies {
    pub shown: bool,
    pub limit: Option<usize>,
}

pub struct JsonLines {
    pub ui: Arc<Ui>,
    pub bodies: Bodies,
}

impl JsonLines {
    pub fn show(&mut self, activity: &Activity) {
        for value in lines(activity, self.bodies) {
            self.ui.data(&line_of(&value));
        }
    }
}

/// A command's failure, as the `error` object.
pub fn failure(failure: &Failure) -> String {
    let trouble =
        Trouble { code: failure.code, message: failure.what.clone(), next: failure.next.first().cloned(), fatal: true };
    self::trouble(&trouble)
}

/// Something that goes wrong, or that is to be known, as the `error` object.
pub fn trouble(trouble: &Trouble) -> String {
    lines(&Activity::Trouble(trouble.clone()), Bodies::default()).first().map(line_of).unwrap_or_default()
}

/// One line of JSON in which nothing can act on a terminal: what serde leaves as it is and a terminal obeys is escaped too.
pub fn line_of(value: &Value) -> String {
    let text = value.to_string();
    let acts = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    if !text.contains(acts) {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            // All of these are one UTF-16 unit, and outside of strings JSON has none of them.
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    safe
}

fn lines(activity: &Activity, bodies: Bodies) -> Vec<Value> {
    let ts = rfc3339(now_ms());
    let line = |kind: &str, rest: Value| {
        let mut object = Map::new();
        object.insert("v".into(), 1.into());
        object.insert("type".into(), kind.into());
        object.insert("ts".into(), ts.clone().into());
        if let Value::Object(rest) = rest {
            object.extend(rest);
        }
        vec![Value::Object(object)]
    };
    match activity {
        Activity::Started(started) => {
            line("hello", json!({"hook": env!("CARGO_PKG_VERSION"), "pid": started.pid, "journal": started.journal}))
        }
        Activity::Connecting { .. } => {
            line("tunnel", json!({"state": "connecting", "attempt": 1, "retry_in_ms": null, "error": null}))
        }
        Activity::Ready { endpoints, .. } => endpoints
            .iter()
            .flat_map(|e| {
                let app = e.forward_to.first().map(|f| match f.app {
                    AppState::Up(_) => "up",
                    AppState::Down => "down",
                    AppState::Unknown => "unknown",
                });
                let routes: Vec<Value> =
                    e.forward_to.iter().map(|f| json!({"path": f.prefix, "forward_to": f.url})).collect();
                line(
                    "ready",
                    json!({
                        "endpoint": e.name,
                        "public_url": e.public_url,
                        "forward_to": e.forward_to.first().map(|f| f.url.as_str()),
                        "routes": routes,
                        "inspector_url": null,
                        "app": app,
                        "providers": e.senders.iter().flat_map(providers).collect::<Vec<Value>>(),
                    }),
                )
            })
            .collect(),
        Activity::Reconnecting { attempt, retry_in, error, detail } => line(
            "tunnel",
            json!({"state": "reconnecting", "attempt": attempt, "retry_in_ms": retry_in.as_millis() as u64, "error": error, "detail": detail}),
        ),
        Activity::Reconnected { meanwhile, .. } => line(
            "tunnel",
            json!({"state": "live", "attempt": 0, "retry_in_ms": null, "error": null, "meanwhile": meanwhile}),
        ),
        Activity::Slept { for_ } => line(
            "tunnel",
            json!({"state": "slept", "attempt": 0, "retry_in_ms": null, "error": null, "slept_ms": for_.as_millis() as u64}),
        ),
        Activity::App(app) => {
            line("app", json!({"state": if app.up { "up" } else { "down" }, "target": app.target, "error": app.error}))
        }
        Activity::Secrets(changes) => {
            let changes: Vec<Value> =
                changes.iter().map(|c| json!({"name": c.name, "source": c.source, "change": c.how.word()})).collect();
            line("secrets", json!({"changes": changes}))
        }
        Activity::Event(seen) => vec![event(&seen.row, bodies, seen.body.as_deref())],
        Activity::Attempt(tried) => {
            vec![attempt(&tried.row, &tried.attempt, bodies, Some(&tried.body), tried.heard, &tried.judgement)]
        }
        Activity::Handshake { event, what } => {
            let code = match what {
                Handshake::Unanswerable { .. } => "handshake",
                Handshake::Secret(_) | Handshake::SecretLost(_) => "secret",
            };
            let advice = advice::on_handshake(event, what);
            line(
                "error",
                json!({"code": code, "message": advice.fact, "next": advice.next, "fatal": false, "event_seq": event.seq}),
            )
        }
        Activity::Slow { event, after, limit, handshake } => {
            let advice = advice::slow(event.seq, *after, limit.as_deref(), *handshake);
            line(
                "error",
                json!({"code": "slow", "message": advice.fact, "next": advice.next, "fatal": false, "event_seq": event.seq}),
            )
        }
        Activity::SenderLeft { event } => line(
            "error",
            json!({"code": "sender_left", "message": "the sender left before its reply", "next": null, "fatal": false, "event_seq": event.seq}),
        ),
        Activity::Backlog { endpoint, waiting, held } => line(
            "error",
            json!({"code": "held", "message": format!("{held} events beyond --max-backlog are held; {waiting} wait"), "next": "hook replay --undelivered", "fatal": false, "endpoint": endpoint}),
        ),
        Activity::Trouble(t) => {
            line("error", json!({"code": t.code, "message": t.message, "next": t.next, "fatal": t.fatal}))
        }
        Activity::Stopped(s) => line(
            "bye",
            json!({"events": s.events, "ok": s.ok, "failed": s.failed, "undelivered": s.undelivered, "reason": s.reason}),
        ),
    }
}

/// One object for each secret of a provider, and one without where none is known.
fn providers(sender: &Sender) -> Vec<Value> {
    let one = |secret: Option<&Shown>| {
        let (secret, source) = secret.map(|s| (&s.secret, &s.source)).unzip();
        json!({"name": sender.provider, "secret": secret, "source": source})
    };
    if sender.secrets.is_empty() { vec![one(None)] } else { sender.secrets.iter().map(|s| one(Some(s))).collect() }
}

/// The `event` object, also of `events`, `show` and `replay`.
pub fn event(row: &EventRow, bodies: Bodies, body: Option<&[u8]>) -> Value {
    let mask = Mask::of(row);
    let mut object = json!({
        "v": 1,
        "type": "event",
        "ts": rfc3339(row.head.received_at),
        "seq": row.seq,
        "id": row.id,
        "endpoint": row.endpoint,
        "origin": row.origin,
        "parent": row.parent,
        "state": row.state.as_str(),
        "queued": row.queued,
        "provider": row.provider,
        "event_type": row.event_type,
        "provider_event_id": row.provider_event_id,
        "method": row.head.method,
        "url": mask.url(&row.head.url),
        "path": if row.head.path.is_empty() { "/" } else { &row.head.path },
        "query": mask.url(row.head.query.as_deref().unwrap_or_default()),
        "remote_ip": row.head.remote_ip,
        "size": row.size,
        "content_type": row.content_type,
        "sha256": hex(&row.sha256),
        "live": row.signature.as_ref().and_then(|s| s.live),
        "delivery_id": row.signature.as_ref().and_then(|s| s.delivery_id.as_deref()),
        "signature": signature(row.verdict.as_deref(), row.signature.as_deref()),
        "duplicate_of": row.duplicate_of,
    });
    if let (true, Value::Object(map)) = (bodies.shown, &mut object) {
        map.insert("headers".into(), headers(&mask.fields(&row.head.headers)));
        if !row.head.trailers.is_empty() {
            map.insert("trailers".into(), headers(&mask.fields(&row.head.trailers)));
        }
        let body = body.unwrap_or_default();
        put_body(map, &mask.body(body), row.size > body.len() as u64, bodies.limit);
    }
    object
}

fn signature(verdict: Option<&str>, found: Option<&Signature>) -> Value {
    let nothing = Signature::default();
    let signature = found.unwrap_or(&nothing);
    json!({
        "verdict": verdict.unwrap_or("unchecked"),
        "body_covered": signature.covers.as_deref().map(|covers| covers == "body"),
        "reason": signature.reason,
        "scheme": signature.scheme,
        "secret": signature.secret,
        "age_s": signature.age_ms.map(|ms| ms.div_euclid(1000)),
        "text": found.map(|s| s.text.as_str()),
        "source": signature.source,
        "clock_warning": signature.clock_warning,
        "also": signature.also,
    })
}

/// The `attempt` object.
pub fn attempt(
    row: &EventRow,
    attempt: &Attempt,
    bodies: Bodies,
    body: Option<&[u8]>,
    heard: Heard,
    judgement: &Judgement,
) -> Value {
    let next = advice::on(row, attempt, body.unwrap_or_default(), heard, judgement).map(|a| a.next);
    let next = next.or_else(|| advice::on_warning(row.seq, attempt, heard, judgement));
    // The line log says it once in a session.
    let next = next.or_else(|| advice::is_unsigned(row, attempt).then(|| format!("hook explain {}", row.seq)));
    let mut object = json!({
        "v": 1,
        "type": "attempt",
        "ts": rfc3339(attempt.ended_at.unwrap_or(attempt.started_at)),
        "event_seq": row.seq,
        "event_id": row.id,
        "attempt": attempt.n,
        "kind": attempt.kind,
        "resigned": matches!(attempt.signing, Some(Signing::Anew | Signing::AnewFor(_))),
        "forged": attempt.signing.as_ref().and_then(Signing::forged).map(Part::as_str),
        "target": Mask::of(row).url(&attempt.target),
        "status": attempt.status,
        "error": attempt.error,
        "detail": attempt.detail,
        "ms": attempt.ms,
        "ttfb_ms": attempt.ttfb_ms,
        "response_size": attempt.size,
        "sender": sender(judgement),
        "next": next,
    });
    if let (true, Value::Object(map)) = (bodies.shown, &mut object) {
        map.insert("request_headers".into(), headers(&Mask::of(row).fields(&attempt.request)));
        map.insert("headers".into(), headers(&attempt.response));
        let body = body.unwrap_or_default();
        put_body(map, body, attempt.size > body.len() as u64, bodies.limit);
    }
    object
}

/// What the sender makes of an attempt; null when nothing can be said.
fn sender(judgement: &Judgement) -> Value {
    if *judgement == Judgement::default() {
        return Value::Null;
    }
    let text = [&judgement.warning, &judgement.then].into_iter().flatten().cloned().collect::<Vec<_>>();
    json!({
        "success": judgement.success,
        "late": judgement.late,
        "sends_again": judgement.sends_again,
        "text": (!text.is_empty()).then(|| text.join(". ")),
    })
}

/// `cut`: there is more of it than this.
fn put_body(map: &mut Map<String, Value>, body: &[u8], cut: bool, limit: Option<usize>) {
    let shown = &body[..limit.unwrap_or(usize::MAX).min(body.len())];
    match std::str::from_utf8(shown) {
        Ok(text) => map.insert("body".into(), text.into()),
        Err(_) => map.insert("body_base64".into(), BASE64_STANDARD.encode(shown).into()),
    };
    if cut || shown.len() < body.len() {
        map.insert("body_truncated".into(), true.into());
    }
}

fn headers(fields: &HeaderList) -> Value {
    let value = |h: &Header| match std::str::from_utf8(&h.value) {
        Ok(text) => Value::from(text),
        Err(_) => json!({"base64": BASE64_STANDARD.encode(&h.value)}),
    };
    fields.iter().map(|h| json!([h.name, value(h)])).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
