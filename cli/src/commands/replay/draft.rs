//! An event as a text that a person edits, and back. What was not touched comes back byte for byte.

use bytes::Bytes;
use hook_proto::{EventHead, Header};
use http::uri::PathAndQuery;

use super::change::Changed;
use crate::autopsy::answer::is_binary;
use crate::json::{self, Token};
use crate::{header_arg, subject};

/// A text and what it was made from.
pub struct Draft {
    pub text: String,
    from: Changed,
    /// The part of the text that is the body.
    body: String,
    /// The body is not in the text.
    apart: bool,
}

/// What a person made of it.
#[derive(Debug, PartialEq)]
pub enum Saved {
    Unchanged,
    /// Everything was deleted.
    Nothing,
    Changed(Box<Changed>, Resign),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resign {
    Yes,
    No,
}

/// Why a text cannot be sent.
#[derive(Debug, PartialEq)]
pub enum Bad {
    /// It cannot be read as a request.
    Head { line: usize, what: String },
    /// The body was JSON and is none any more; it can be sent all the same.
    Json { line: usize, what: String, anyway: Box<Changed>, resign: Resign },
}

impl Draft {
    /// `with` is the secret that will sign it, as it may be shown; a body that is signed anew may be laid out for reading.
    pub fn new(seq: u64, from: Changed, with: Option<&str>) -> Self {
        let head = &from.head;
        let mut text = format!(
            "# hook: edit and save to replay event #{seq}. Delete everything (or :cq) to cancel. Lines with \"#\" before the request line are notes.\n"
        );
        if let Some(with) = with {
            text.push_str(&format!("# resign: yes ({with})      <- yes | no\n"));
        }
        let utf8 = std::str::from_utf8(&from.body).ok().filter(|_| !is_binary(&from.body) && !is_encoded(head));
        let body = match utf8 {
            None => {
                text.push_str("# body: @captured      (bytes that no editor should touch)\n");
                String::new()
            }
            Some(body) if with.is_some() => json::pretty(body.as_bytes()).unwrap_or_else(|_| body.to_owned()),
            Some(body) => body.to_owned(),
        };
        text.push_str(&format!("{} {} HTTP/1.1\n", head.method, subject::path(head)));
        for (name, value) in shown(head) {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text.push('\n');
        text.push_str(&body);
        if !body.is_empty() && !body.ends_with('\n') {
            text.push('\n');
        }
        let apart = utf8.is_none();
        Self { text, from, body, apart }
    }

    pub fn read(&self, text: &str) -> Result<Saved, Bad> {
        if text.trim().is_empty() {
            return Ok(Saved::Nothing);
        }
        if text == self.text {
            return Ok(Saved::Unchanged);
        }
        let mut resign = Resign::Yes;
        let mut lines = text.split_inclusive('\n').enumerate();
        let request = loop {
            let bad = |line| Bad::Head { line, what: "there is no request line".into() };
            let (n, line) = lines.next().ok_or(bad(text.lines().count()))?;
            let Some(note) = line.strip_prefix('#') else { break (n + 1, line.trim_end()) };
            if note.trim_start().strip_prefix("resign:").is_some_and(|word| word.trim_start().starts_with("no")) {
                resign = Resign::No;
            }
        };
        let mut head = self.request_line(request.0, request.1)?;
        let mut fields = Vec::new();
        for (n, line) in lines.by_ref() {
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                break;
            }
            let bad = |failure: crate::failure::Failure| Bad::Head { line: n + 1, what: failure.what };
            fields.push(header_arg::parse(line).map_err(bad)?);
        }
        let same = shown(&self.from.head).eq(fields.iter().filter_map(in_text));
        if !same {
            let hidden = head.headers.iter().filter(|h| !is_shown(h)).cloned();
            head.headers = hidden.chain(fields).collect();
        }
        let begins = lines.next();
        let (first, body) = match begins {
            None => (0, ""),
            Some((n, line)) => {
                let at = line.as_ptr().addr() - text.as_ptr().addr();
                (n, text.get(at..).unwrap_or_default())
            }
        };
        // Editors end a text with a line feed, whether it had one or not.
        let body = if self.body.ends_with('\n') { body } else { body.strip_suffix('\n').unwrap_or(body) };
        let changed = |body: Bytes| Changed { head, body }.fitted();
        if self.apart || body == self.body {
            let changed = changed(self.from.body.clone());
            let as_it_was = changed == self.from.clone().fitted();
            return Ok(if as_it_was { Saved::Unchanged } else { Saved::Changed(Box::new(changed), resign) });
        }
        let was_json = json::tokens(&self.from.body).all(|t| t.is_ok());
        match json::tokens(body.as_bytes()).find_map(Result::err) {
            Some(error) if was_json => Err(Bad::Json {
                line: first + error.line,
                what: error.what,
                anyway: Box::new(changed(Bytes::copy_from_slice(body.as_bytes()))),
                resign,
            }),
            None if was_json => {
                Ok(Saved::Changed(Box::new(changed(grafted(&self.from.body, body.as_bytes()).into())), resign))
            }
            _ => Ok(Saved::Changed(Box::new(changed(Bytes::copy_from_slice(body.as_bytes()))), resign)),
        }
    }

    fn request_line(&self, line: usize, text: &str) -> Result<EventHead, Bad> {
        let bad = |what: &str| Bad::Head { line, what: what.to_owned() };
        let mut words = text.split_ascii_whitespace();
        let (method, path) =
            words.next().zip(words.next()).ok_or_else(|| bad("a request line is METHOD /path HTTP/1.1"))?;
        http::Method::from_bytes(method.as_bytes()).map_err(|_| bad("that is not a method"))?;
        if !path.starts_with('/') || path.parse::<PathAndQuery>().is_err() || words.count() > 1 {
            return Err(bad("a path begins with / and has neither spaces nor control characters"));
        }
        let mut head = self.from.head.clone();
        if path != subject::path(&head) {
            let (path, query) =
                path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query.to_owned())));
            head.path = if path == "/" { String::new() } else { path.to_owned() };
            head.query = query;
        }
        head.method = method.to_owned();
        Ok(head)
    }
}

/// The saved document with the layout of the old one: all around what was changed stays byte for byte.
pub fn grafted(old: &[u8], new: &[u8]) -> Vec<u8> {
    let read = |bytes| json::tokens(bytes).map_while(Result::ok).collect::<Vec<Token<'_>>>();
    let (a, b) = (read(old), read(new));
    let alike = |pair: &(&Token<'_>, &Token<'_>)| pair.0.text == pair.1.text;
    let before = a.iter().zip(&b).take_while(alike).count();
    let after = a[before..].iter().rev().zip(b[before..].iter().rev()).take_while(alike).count();
    let (cut, put) = (&a[before..a.len() - after], &b[before..b.len() - after]);
    let ends_before = a[..before].last().map_or(0, Token::end);
    let at = match (cut.first(), cut.last()) {
        (Some(first), Some(last)) => first.start..last.end(),
        _ => ends_before..ends_before,
    };
    let dense = a.windows(2).all(|pair| pair[0].end() == pair[1].start);
    let middle = match (put.first(), put.last()) {
        (Some(_), Some(_)) if dense => put.iter().map(|token| token.text).collect::<String>().into_bytes(),
        (Some(first), Some(last)) => new[first.start..last.end()].to_vec(),
        _ => Vec::new(),
    };
    json::spliced(old, at, &middle)
}

fn is_encoded(head: &EventHead) -> bool {
    head.headers.iter().any(|h| h.name == "content-encoding" && *h.value != *b"identity")
}

/// The fields that a person may change: text, and not the connection's or hook's own.
fn is_shown(field: &Header) -> bool {
    in_text(field).is_some()
}

fn in_text(field: &Header) -> Option<(String, String)> {
    let value =
        std::str::from_utf8(&field.value).ok().filter(|v| !v.chars().any(char::is_control) && v.trim() == *v)?;
    let hooks = field.name.starts_with("hook-") || field.name.starts_with("x-forwarded-") || field.name == "forwarded";
    (!hooks && header_arg::parse(&format!("{}: x", field.name)).is_ok()).then(|| (field.name.clone(), value.to_owned()))
}

fn shown(head: &EventHead) -> impl Iterator<Item = (String, String)> {
    head.headers.iter().filter_map(in_text)
}
