//! Whether a raw path stays below another, however the app behind it reads paths.

/// One way to turn a path into segments. Apps differ in how often they decode, and in what separates or is left out.
#[derive(Debug, Clone, Copy)]
struct Reading {
    decodes: u8,
    /// An encoded slash or backslash is one after decoding.
    encoded_slashes: bool,
    backslashes: bool,
    /// A parameter does not hide a dot segment: `..;x` is `..`.
    params: bool,
    /// Two slashes are one.
    merges: bool,
}

/// Whether a path is at or below `base` in every reading. One that climbs and comes back may: no app sees it elsewhere.
pub fn stays_below(base: &str, path: &str) -> bool {
    let appended = path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let all = Reading { decodes: 2, encoded_slashes: true, backslashes: true, params: true, merges: true };
    if !all.plain(path).windows(2).any(|pair| pair == b"..") {
        return appended;
    }
    Reading::all().all(|reading| reading.resolve(path).starts_with(&reading.resolve(base)))
}

impl Reading {
    fn all() -> impl Iterator<Item = Self> {
        let flags = |n: u8, bit: u8| n >> bit & 1 == 1;
        (0..3).flat_map(move |decodes| {
            (0..16).map(move |n| Self {
                decodes,
                encoded_slashes: flags(n, 0),
                backslashes: flags(n, 1),
                params: flags(n, 2),
                merges: flags(n, 3),
            })
        })
    }

    /// The segments with dot segments removed (RFC 3986 §5.2.4).
    fn resolve(self, path: &str) -> Vec<Vec<u8>> {
        let plain = self.plain(path);
        let mut segments: Vec<Vec<u8>> = Vec::new();
        let mut ends_with_slash = false;
        for segment in plain.split(|b| *b == b'/' || (self.backslashes && *b == b'\\')).skip(1) {
            ends_with_slash = segment.is_empty();
            let name = if self.params { segment.split(|b| *b == b';').next().unwrap_or_default() } else { segment };
            match name {
                b"" if self.merges => {}
                b"." => {}
                b".." => _ = segments.pop(),
                _ => segments.push(segment.to_vec()),
            }
        }
        // What ends with a slash is at the place that it names.
        segments.pop_if(|last| ends_with_slash && last.is_empty());
        segments
    }

    fn plain(self, path: &str) -> Vec<u8> {
        let mut plain = path.as_bytes().to_vec();
        for _ in 0..self.decodes {
            if plain.contains(&b'%') {
                plain = self.decode(&plain);
            }
        }
        plain
    }

    fn decode(self, path: &[u8]) -> Vec<u8> {
        let digit = |at: usize| path.get(at).and_then(|b| char::from(*b).to_digit(16)).map(|d| d as u8);
        let mut plain = Vec::with_capacity(path.len());
        let mut at = 0;
        while let Some(&byte) = path.get(at) {
            let escaped = match (byte, digit(at + 1), digit(at + 2)) {
                (b'%', Some(high), Some(low)) => Some(high << 4 | low),
                _ => None,
            };
            match escaped.filter(|b| self.encoded_slashes || !matches!(b, b'/' | b'\\')) {
                Some(escaped) => {
                    plain.push(escaped);
                    at += 3;
                }
                None => {
                    plain.push(byte);
                    at += 1;
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
    fn what_one_app_alone_would_see_outside_is_outside() {
        for path in [
            "/h/..",
            "/h/a/../../x",
            "/h/%2E%2e/x",
            "/h/..%2fx",
            "/h/..\\x",
            "/h/%252e%252e/x",
            "/h/..;a/x",
            "/h/..%3ba/x",
            // Two segments to one app, one to another: it climbs further there.
            "/h/a%2fb/../../x",
            "/h/a\\b/../../x",
            "/h/..//h/x",
            "/h/../H/x",
            "/h/../h%2fx",
            "/hx",
        ] {
            assert!(!stays_below("/h", path), "{path}");
        }
    }

    #[test]
    fn what_no_app_sees_outside_is_inside() {
        for path in ["/h", "/h/", "/h/a%2Fb//c", "/h/a/../b", "/h/../h/x", "/h/...", "/h/%2e", "/h/100%", "/h/..a/b.."]
        {
            assert!(stays_below("/h", path), "{path}");
        }
        assert!(stays_below("/h/.", "/h/./x/..") && !stays_below("/h/.", "/h/./../x"));
        assert!(!stays_below("//.", "//./../"), "an empty name is a name");
        assert!(stays_below("", "/a/../b") && stays_below("/a/../b", "/a/../b/c"));
    }
}
