//! A request or an answer in full: first line, header fields in order, the body made readable.

use std::fmt::Write;

use hook_proto::HeaderList;

use super::mask::Mask;
use crate::autopsy::answer::is_binary;
use crate::journal::{Attempt, EventRow};
use crate::json;
use crate::sanitize::{cut, sanitize, sanitize_block, sanitize_bytes};
use crate::text;
use crate::ui::{Ink, Paint};

/// How much of a body is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// At most 40 lines.
    Some,
    All,
}

const LINES: usize = 40;
/// One very long line is cut; `--raw` has it whole.
const COLUMNS: usize = 4096;
/// Bodies above this are not formatted.
const PRETTY: usize = 16 * 1024 * 1024;

pub fn request(row: &EventRow, body: &[u8], extent: Extent, paint: Paint) -> String {
    let mask = Mask::of(row);
    let (target, body) = (crate::subject::path(&row.head), mask.body(body));
    let target = mask.url(&target);
    let mut out = String::new();
    let first = format!("{} {} {}", sanitize(&row.head.method), sanitize(&target), sanitize(&row.head.http_version));
    let _ = writeln!(out, "{}", paint.ink(Ink::Bold, first));
    fields(&mut out, &mask.fields(&row.head.headers), paint);
    self::body(&mut out, &body, row.size, &row.head.headers, extent);
    fields(&mut out, &mask.fields(&row.head.trailers), paint);
    out
}

pub fn response(attempt: &Attempt, body: &[u8], extent: Extent, paint: Paint) -> String {
    let mut out = String::new();
    match attempt.status {
        Some(status) => {
            let reason = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or_default();
            let _ =
                writeln!(out, "{}", paint.ink(super::row::ink(Some(status)), format!("{status} {reason}").trim_end()));
        }
        None => {
            let detail = attempt.detail.as_deref().unwrap_or("not ended; its process is at it, or gone");
            let _ = writeln!(out, "{}", paint.ink(Ink::Bad, sanitize(detail)));
            return out;
        }
    }
    fields(&mut out, &attempt.response, paint);
    self::body(&mut out, body, attempt.size, &attempt.response, extent);
    if attempt.kept < attempt.size {
        let _ = writeln!(out, "(kept {} of {})", text::size(attempt.kept), text::size(attempt.size));
    }
    if let Some(detail) = &attempt.detail {
        let _ = writeln!(out, "{}", paint.ink(Ink::Bad, sanitize(detail)));
    }
    out
}

fn fields(out: &mut String, fields: &HeaderList, paint: Paint) {
    for field in fields {
        let name = paint.ink(Ink::Dim, format!("{}:", sanitize(&field.name)));
        let _ = writeln!(out, "{name} {}", sanitize_bytes(&field.value));
    }
}

fn body(out: &mut String, body: &[u8], size: u64, headers: &HeaderList, extent: Extent) {
    out.push('\n');
    if size == 0 {
        out.push_str("(no body)\n");
        return;
    }
    let said = |name: &str| headers.iter().find(|h| h.name == name).map(|h| sanitize_bytes(&h.value).into_owned());
    let kind = said("content-type").unwrap_or_else(|| "no content-type".into());
    if let Some(encoding) = said("content-encoding").filter(|e| e != "identity") {
        let _ = writeln!(out, "({encoding}, {} {kind}; --raw has the bytes)", text::size(size));
        return;
    }
    if is_binary(body) {
        let _ = writeln!(out, "({} {kind}; --raw has the bytes)", text::size(size));
        return;
    }
    let formatted = if body.len() <= PRETTY { json::pretty(body).ok() } else { None };
    let text = formatted.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let text = sanitize_block(&text);
    let limit = if extent == Extent::Some { LINES } else { usize::MAX };
    let mut lines = text.lines();
    for line in lines.by_ref().take(limit) {
        let _ = writeln!(out, "{}", cut(line, COLUMNS));
    }
    let rest = lines.count();
    if rest > 0 {
        let _ = writeln!(out, "… {rest} more lines");
    }
}
