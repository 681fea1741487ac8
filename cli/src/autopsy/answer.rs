//! What an app's answer says by itself, read without a parser.

use crate::journal::Attempt;
use crate::sanitize::{cut, sanitize, sanitize_bytes};
use crate::target::Target;
use crate::text;

/// Columns of the answer's first line that are shown.
const FIRST_LINE: usize = 120;

/// The first text of an answer: a line, a page's title, or what kind of bytes it is.
pub fn first_line(attempt: &Attempt, body: &[u8]) -> String {
    let kind = header(attempt, "content-type").unwrap_or_default().to_ascii_lowercase();
    if attempt.size == 0 {
        return String::new();
    }
    if header(attempt, "content-encoding").is_some_and(|e| e != "identity") || is_binary(body) {
        let kind = if kind.is_empty() { "bytes".into() } else { sanitize(&kind) };
        return format!("({} {kind})", text::size(attempt.size));
    }
    let all = String::from_utf8_lossy(body);
    if kind.contains("html")
        && let Some(title) = title(&all)
    {
        return cut(&sanitize(title.trim()), FIRST_LINE).into_owned();
    }
    let line = all.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    cut(&sanitize(line), FIRST_LINE).into_owned()
}

pub fn is_binary(body: &[u8]) -> bool {
    let head = &body[..body.len().min(1024)];
    let odd = |b: &&u8| **b < 0x20 && !matches!(**b, b'\n' | b'\r' | b'\t' | 0x1b);
    head.contains(&0) || head.iter().filter(odd).count() * 10 > head.len()
}

fn title(html: &str) -> Option<&str> {
    let lower = html.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let open = start + lower[start..].find('>')? + 1;
    let end = open + lower[open..].find("</title")?;
    html.get(open..end)
}

pub fn is_csrf(attempt: &Attempt, body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&body[..body.len().min(64 * 1024)]).to_ascii_lowercase();
    let words = ["csrf", "invalidauthenticitytoken", "authenticity token", "page expired", "xsrf"];
    words.iter().any(|w| text.contains(w)) || header(attempt, "x-csrf-token").is_some()
}

pub fn is_host_check(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&body[..body.len().min(64 * 1024)]);
    ["Blocked host", "Invalid Host header", "This host is not allowed", "Blocked request. This host"]
        .iter()
        .any(|w| text.contains(w))
}

/// The first field of a name, safe to show.
pub fn header(attempt: &Attempt, name: &str) -> Option<String> {
    let field = attempt.response.iter().find(|h| h.name == name)?;
    Some(sanitize_bytes(&field.value).into_owned())
}

/// The path of a URL, without its query.
pub fn path_of(url: &str) -> String {
    let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = behind.find('/').map_or("/", |i| &behind[i..]);
    path.split('?').next().unwrap_or(path).to_owned()
}

/// A redirect's place as a whole URL, for people: never followed.
pub fn resolve(target: &str, location: &str) -> String {
    if location.contains("://") || location.is_empty() {
        return location.to_owned();
    }
    let origin = target.parse::<Target>().map_or_else(|_| String::new(), |t| t.origin());
    if location.starts_with('/') {
        return format!("{origin}{location}");
    }
    let path = path_of(target);
    let dir = path.rfind('/').map_or("/", |i| &path[..=i]);
    format!("{origin}{dir}{location}")
}
