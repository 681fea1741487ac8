//! URLs to forward to: what is asked for stays at or below the target's own path, however the app reads it.

use hook_cli::target::{ForwardTo, route};
use http::Uri;

use crate::input::Input;

/// A `--forward-to`, a path and a query as a relay hands them over.
pub fn holds(data: &[u8]) {
    let mut input = Input(data);
    let (typed, path, query) = (input.line(), input.line(), input.line());
    let Ok(forward_to) = typed.parse::<ForwardTo>() else { return };
    let target = forward_to.target.clone();
    assert_eq!(target.to_string().parse().as_ref(), Ok(&target), "a target reads back");
    assert!(target.port > 0 && !target.host.is_empty() && !target.host.contains(['/', '@', '?', '#']));
    let routes = [forward_to];
    let Some((_, rest)) = route(&routes, &path) else { return };
    let query = (!input.is_empty()).then_some(query.as_ref());
    let Ok(joined) = target.join(rest, query) else { return };
    let own = target.query.as_ref().map_or(0, String::len) + target.path.len();
    assert!(joined.len() <= own + rest.len() + query.map_or(0, str::len) + 3);
    // What cannot be written as a request is never sent.
    let Ok(uri) = joined.parse::<Uri>() else { return };
    assert!(uri.authority().is_none() && uri.scheme().is_none(), "origin-form only: {joined}");
    assert!(uri.path().starts_with('/') && uri.path().starts_with(target.path.trim_end_matches('/')), "{joined}");
    for reading in Reading::all() {
        let (base, asked) = (reading.resolve(target.path.trim_end_matches('/')), reading.resolve(uri.path()));
        assert!(asked.starts_with(&base), "{reading:?}: {joined} leaves {:?}", target.path);
    }
}

/// How one app or another turns a raw path into segments.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// How often it decodes percent escapes.
    decodes: u8,
    /// An encoded slash separates too.
    encoded_slashes: bool,
    backslashes: bool,
    /// `..;x` is `..`.
    params: bool,
    /// Two slashes are one.
    merges: bool,
}

impl Reading {
    fn all() -> impl Iterator<Item = Self> {
        (0..48u8).map(|n| Self {
            decodes: n / 16,
            encoded_slashes: n & 1 != 0,
            backslashes: n & 2 != 0,
            params: n & 4 != 0,
            merges: n & 8 != 0,
        })
    }

    fn resolve(self, path: &str) -> Vec<Vec<u8>> {
        let mut plain = path.as_bytes().to_vec();
        for _ in 0..self.decodes {
            plain = self.decode(&plain);
        }
        let mut segments: Vec<Vec<u8>> = Vec::new();
        let separates = |byte: &u8| *byte == b'/' || self.backslashes && *byte == b'\\';
        // What ends with a separator is at the place before it.
        let trimmed = plain.split_last().filter(|(last, _)| separates(last)).map_or(&*plain, |(_, before)| before);
        for segment in trimmed.split(separates).skip(1) {
            let name = if self.params { segment.split(|b| *b == b';').next().unwrap_or_default() } else { segment };
            match name {
                b"" if self.merges => {}
                b"." => {}
                b".." => _ = segments.pop(),
                _ => segments.push(segment.to_vec()),
            }
        }
        segments
    }

    fn decode(self, path: &[u8]) -> Vec<u8> {
        let mut plain = Vec::with_capacity(path.len());
        let mut rest = path;
        while let Some((&byte, after)) = rest.split_first() {
            let escaped = after.get(..2).filter(|_| byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
            let escaped = escaped.filter(|hex| !hex.starts_with('+')).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            let kept = |byte: u8| !self.encoded_slashes && matches!(byte, b'/' | b'\\');
            match escaped.filter(|byte| !kept(*byte)) {
                Some(byte) => {
                    plain.push(byte);
                    rest = &after[2..];
                }
                None => {
                    plain.push(byte);
                    rest = after;
                }
            }
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_sees_what_it_alone_sees() {
        let leaves =
            |path: &str| Reading::all().any(|reading| !reading.resolve(path).starts_with(&reading.resolve("/h")));
        for path in ["/h/../x", "/h/a%2fb/../../x", "/h/..%5cx", "/h/%252e%252e/x", "/h/..;a/x", "/h//../../x", "/H/x"]
        {
            assert!(leaves(path), "{path}");
        }
        for path in ["/h", "/h/a/../b", "/h/a%2Fb//c", "/h/...", "/h/%2e"] {
            assert!(!leaves(path), "{path}");
        }
    }
}
