//! A body as people give it on the command line: the text itself, `@FILE`, or `-` for standard input.

use std::io::{self, Read};

use bytes::Bytes;

use crate::failure::Failure;
use crate::sanitize::sanitize;

pub fn read(text: &str) -> Result<Bytes, Failure> {
    read_with(text, io::stdin().lock())
}

fn read_with(text: &str, mut standard_input: impl Read) -> Result<Bytes, Failure> {
    let failed = |what: &str, e: &io::Error| {
        Failure::local(format!("{} cannot be read: {}.", sanitize(what), crate::text::io(e)))
    };
    match (text, text.strip_prefix('@')) {
        ("-" | "@-", _) => {
            let mut body = Vec::new();
            standard_input.read_to_end(&mut body).map_err(|e| failed("standard input", &e))?;
            Ok(body.into())
        }
        (_, Some(file)) => std::fs::read(file).map(Bytes::from).map_err(|e| failed(file, &e)),
        (_, None) => Ok(Bytes::copy_from_slice(text.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_text_a_file_or_standard_input() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("body.json");
        std::fs::write(&file, b"\xff{}").unwrap();
        let read = |text: &str| read_with(text, &b"typed"[..]);
        let at = |name: &str| format!("@{}", dir.path().join(name).display());
        for (text, body) in [
            ("{}", &b"{}"[..]),
            ("", b""),
            ("a@b", b"a@b"),
            ("-", b"typed"),
            ("@-", b"typed"),
            (&at("body.json"), b"\xff{}"),
        ] {
            assert_eq!(read(text).unwrap(), body, "{text}");
        }
        let failure = read(&at("nowhere\u{1b}[2J.json")).unwrap_err();
        assert!(
            failure.what.ends_with(r"nowhere\x1b[2J.json cannot be read: no such file or directory."),
            "{}",
            failure.what
        );
    }
}
