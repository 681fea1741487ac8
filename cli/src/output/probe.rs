//! `hook explain --probe` in words and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::autopsy::infer::Inferred;
use crate::autopsy::probe::{Got, Tried};
use crate::journal::EventRow;
use crate::sanitize::sanitize;
use crate::text::rfc3339;
use crate::ui::{Ink, Paint};

pub struct Told<'a> {
    pub row: &'a EventRow,
    pub target: &'a str,
    pub tried: &'a [Tried],
    pub inferred: &'a Inferred,
    pub now_ms: u64,
}

pub fn text(told: &Told<'_>, paint: Paint) -> String {
    let count = told.tried.len();
    let mut out = format!("{count} versions of #{} were sent to {}\n\n", told.row.seq, sanitize(told.target));
    for tried in told.tried {
        let status = tried.status.map_or_else(|| "---".to_owned(), |status| status.to_string());
        let (ink, word) = match (&tried.error, tried.got) {
            (Some(error), _) => (Ink::Warn, sanitize(error).into_owned()),
            (None, Got::Accepted) => (Ink::Good, "accepted".to_owned()),
            (None, Got::Refused) => (Ink::Bad, "refused".to_owned()),
            (None, Got::Other(_) | Got::NoAnswer) => (Ink::Bad, "failed".to_owned()),
        };
        let _ = writeln!(out, "  {:<52}  {status}  {}", tried.what.says(), paint.ink(ink, word));
    }
    let _ = write!(out, "\n{}.", sanitize(&told.inferred.says));
    if let Some(next) = told.inferred.next {
        let _ = write!(out, "\nnext: {next}");
    }
    paint.signs(&out).into_owned()
}

pub fn json(told: &Told<'_>) -> Value {
    let tries = told.tried.iter().map(|t| {
        json!({"version": t.what.word(), "text": t.what.says(), "status": t.status, "error": t.error, "ms": t.ms, "accepted": t.got == Got::Accepted})
    });
    json!({
        "v": 1,
        "type": "probe",
        "ts": rfc3339(told.now_ms),
        "event_seq": told.row.seq,
        "event_id": told.row.id,
        "target": told.target,
        "tries": tries.collect::<Vec<Value>>(),
        "found": told.inferred.code,
        "text": told.inferred.says,
        "next": told.inferred.next,
    })
}
