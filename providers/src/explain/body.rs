//! The body is not the one that was signed: it was parsed and written again, or something touched its bytes.

use super::{Case, Cause, Found, MAX_BODY};
use crate::bytes::from_base64;
use crate::json::{self, Numbers, Style, Value};
use crate::recipe::filter::gunzip;
use crate::request::{Field, Header, Request, fields};

pub(super) fn changed(case: &Case<'_>) -> Option<Found> {
    let body = case.request.body;
    if body.len() > MAX_BODY {
        return None;
    }
    // Where the body is not signed no change of it explains anything.
    if !case.with_body_matters() {
        return None;
    }
    if let Some(found) = content_type_lost(case) {
        return Some(found);
    }
    let simple = bytes_touched(body).into_iter().find(|(_, _, variant)| variant != body && case.with_body(variant));
    if let Some((cause, what, _)) = simple {
        return Some(said(cause, what));
    }
    if let Some(value) = json::parse(body.strip_prefix(BOM).unwrap_or(body)) {
        return json_rewritten(case, &value);
    }
    form_reencoded(case)
}

/// A form is signed field by field, and read as a form only by its content type.
fn content_type_lost(case: &Case<'_>) -> Option<Found> {
    if case.request.form().is_some() {
        return None;
    }
    let form = &b"application/x-www-form-urlencoded"[..];
    let others = case.request.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-type")).copied();
    let headers: Vec<Header<'_>> = others.chain([("content-type", form)]).collect();
    let request = Request::new(case.request.method, case.request.url, &headers, case.request.body);
    case.right(&request, case.known)?;
    let says = "the content type was changed on the way: it verifies as application/x-www-form-urlencoded";
    Some(Found::new(Cause::ContentType, says).next("look for a proxy or a client that changes the Content-Type header"))
}

/// There is less of it than was announced, or nothing where something has to be.
pub(super) fn missing(case: &Case<'_>) -> Option<Found> {
    let (request, next) = (case.request, "look for what reads the body before it is verified, or cuts it");
    let text = |name| String::from_utf8(request.header(name)?.into_owned()).ok();
    let announced = text("content-length").and_then(|length| length.parse::<usize>().ok());
    let came = request.body.len();
    let is_json = text("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    let says = match announced {
        Some(bytes) if bytes > came && came == 0 => format!("the body is missing: it had {bytes} bytes"),
        // One that was only written in another way is whole.
        Some(bytes) if bytes > came && is_json && json::parse(request.body).is_none() => {
            format!("the body is cut: {came} of its {bytes} bytes came")
        }
        None if came == 0 && is_json => "the body is missing: JSON is never empty".to_owned(),
        _ => return None,
    };
    case.with_body_matters().then(|| Found::new(Cause::BodyMissing, says).next(next))
}

pub(super) const AS_THEY_CAME: &str = "verify the bytes as they came, before anything parses or changes them";

const BOM: &[u8] = b"\xef\xbb\xbf";

fn said(cause: Cause, what: &str) -> Found {
    Found::new(cause, format!("the body was changed on the way: it verifies {what}")).next(AS_THEY_CAME)
}

/// One thing that software does to bytes, undone.
fn bytes_touched(body: &[u8]) -> Vec<(Cause, &'static str, Vec<u8>)> {
    let mut found = Vec::new();
    let mut add = |cause, what, variant: Vec<u8>| found.push((cause, what, variant));
    for (what, end) in [("with a newline at its end", &b"\n"[..]), ("with CRLF at its end", b"\r\n")] {
        add(Cause::TrailingNewline, what, [body, end].concat());
    }
    for end in [&b"\n"[..], b"\r\n"] {
        if let Some(short) = body.strip_suffix(end) {
            add(Cause::TrailingNewline, "without the newline at its end", short.to_vec());
        }
    }
    add(Cause::TrailingNewline, "without the white space around it", body.trim_ascii().to_vec());
    let lf = replaced(body, b"\r\n", b"\n");
    add(Cause::LineEndings, "with CRLF line endings", replaced(&lf, b"\n", b"\r\n"));
    if let Some(short) = lf.strip_suffix(b"\n") {
        // An editor that changed the line endings and ended the last line.
        add(Cause::LineEndings, "with CRLF line endings and no newline at its end", replaced(short, b"\n", b"\r\n"));
        add(Cause::LineEndings, "with LF line endings and no newline at its end", short.to_vec());
    }
    if let Some(short) = lf.strip_suffix(b"\r") {
        // One that put CR before the end of each line, and the last line has none.
        add(Cause::LineEndings, "with LF line endings", short.to_vec());
    }
    add(Cause::LineEndings, "with LF line endings", lf);
    match body.strip_prefix(BOM) {
        Some(rest) => add(Cause::ByteOrderMark, "without the byte order mark", rest.to_vec()),
        None => add(Cause::ByteOrderMark, "with a byte order mark before it", [BOM, body].concat()),
    }
    if let Some(unpacked) = gunzip(body) {
        add(Cause::Compression, "after unpacking gzip", unpacked);
    }
    if let Ok(text) = str::from_utf8(body) {
        let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        latin.into_iter().for_each(|bytes| add(Cause::Charset, "in Latin-1, and came as UTF-8", bytes));
    }
    let utf8: String = body.iter().map(|b| char::from(*b)).collect();
    add(Cause::Charset, "in UTF-8, and came as Latin-1", utf8.into_bytes());
    if let Some(bytes) = from_base64(body.trim_ascii()).filter(|_| !body.is_empty()) {
        add(Cause::BodyWrapped, "after decoding base64", bytes);
    }
    if let Some(Value::Text(inner)) = json::parse(body) {
        add(Cause::BodyWrapped, "without the JSON string around it", inner.decode().into_owned().into_bytes());
    }
    found
}

/// The forms in which a sender may have written what came as other JSON.
fn json_rewritten(case: &Case<'_>, value: &Value<'_>) -> Option<Found> {
    let layouts = [
        ("compact JSON", ",", ":", None),
        ("JSON with spaces, as Python writes it", ", ", ": ", None),
        ("JSON indented by 2", ",", ": ", Some(2)),
        ("JSON indented by 4", ",", ": ", Some(4)),
    ];
    // Which are escaped: everything outside ASCII, slashes, and < > &.
    let escapes = [
        ("", (false, false, false)),
        (", everything outside ASCII escaped", (true, false, false)),
        (", slashes escaped", (false, true, false)),
        (", slashes and everything outside ASCII escaped", (true, true, false)),
        (", < > & escaped", (false, false, true)),
        (", < > & and everything outside ASCII escaped", (true, false, true)),
    ];
    // Numbers and order are taken as they came: what a parser did to them cannot be undone.
    let as_came = Style { numbers: Numbers::AsWritten, index_keys_first: false, ..Style::default() };
    for (layout, comma, colon, indent) in layouts {
        for (escape, (ascii, slash, html)) in escapes {
            let text = json::write(value, Style { comma, colon, indent, ascii, slash, html, ..as_came })?;
            for end in ["", "\n"] {
                let variant = format!("{text}{end}").into_bytes();
                if variant != case.request.body && case.with_body(&variant) {
                    let end = if end.is_empty() { "" } else { " and a newline at the end" };
                    return Some(said(Cause::BodyReformatted, &format!("as {layout}{escape}{end}")));
                }
            }
        }
    }
    form_from_json(case, value)
}

/// A form that a framework turned into JSON.
fn form_from_json(case: &Case<'_>, value: &Value<'_>) -> Option<Found> {
    let Value::Object(members) = value else { return None };
    let fields: Option<Vec<Field<'_>>> = members
        .iter()
        .map(|(key, value)| {
            let key = key.decode().into_owned().into_bytes();
            Some((key.into(), value.text()?.into_owned().into_bytes().into()))
        })
        .collect();
    encodings(&fields?)
        .into_iter()
        .find(|(_, variant)| case.with_body(variant))
        .map(|_| said(Cause::FormReencoded, "as the form that it was before it became JSON"))
}

fn form_reencoded(case: &Case<'_>) -> Option<Found> {
    let body = case.request.body;
    if !body.contains(&b'=') {
        return None;
    }
    let fields = fields(body)?;
    let mut variants = encodings(&fields);
    variants.push(("with + for spaces", replaced(body, b"%20", b"+")));
    variants.push(("with %20 for spaces", replaced(body, b"+", b"%20")));
    let found = variants.into_iter().find(|(_, variant)| variant != body && case.with_body(variant));
    found.map(|(what, _)| said(Cause::FormReencoded, &format!("as a form {what}")))
}

/// The ways in which software writes the same fields.
pub(super) fn encodings(fields: &[Field<'_>]) -> Vec<(&'static str, Vec<u8>)> {
    let ways: [(&str, &[u8], bool, bool); 6] = [
        ("as Python and PHP write it", b"-._~", true, false),
        ("as browsers write it", b"*-._", true, false),
        ("as encodeURIComponent writes it", b"-_.!~*'()", false, false),
        ("with %20 for spaces", b"-._~", false, false),
        ("with escapes in small letters", b"-._~", true, true),
        ("with escapes in small letters and * kept", b"*-._", true, true),
    ];
    let write = |(name, plain, plus, small): (&'static str, &[u8], bool, bool)| {
        let one = |text: &[u8]| percent(text, plain, plus, small);
        let pairs: Vec<String> = fields.iter().map(|(key, value)| format!("{}={}", one(key), one(value))).collect();
        (name, pairs.join("&").into_bytes())
    };
    ways.into_iter().map(write).collect()
}

fn percent(text: &[u8], plain: &[u8], plus: bool, small: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b' ' if plus => out.push('+'),
            b if b.is_ascii_alphanumeric() || plain.contains(b) => out.push(char::from(*b)),
            b if small => out.push_str(&format!("%{b:02x}")),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

fn replaced(body: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(byte) = rest.first() {
        match rest.strip_prefix(from) {
            Some(after) => {
                out.extend_from_slice(to);
                rest = after;
            }
            None => {
                out.push(*byte);
                rest = &rest[1..];
            }
        }
    }
    out
}

impl Case<'_> {
    fn with_body_matters(&self) -> bool {
        self.scheme.is_some_and(|scheme| scheme.covers != crate::verdict::Covers::Nothing)
    }
}
