//! The golden frames: `proto/testdata/v1/NAME.hex`, each one message of version 1 as it is on the wire.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// All golden frames by name, `to_relay.KIND` or `to_cli.KIND` with perhaps a case after another dot.
pub fn frames() -> BTreeMap<String, Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v1");
    let files = fs::read_dir(&dir).expect("proto/testdata/v1").map(|entry| entry.expect("an entry").path());
    files
        .map(|path| {
            let file = path.file_name().and_then(|name| name.to_str()).expect("a file name in UTF-8");
            let name = file.strip_suffix(".hex").unwrap_or_else(|| panic!("{file} is not NAME.hex"));
            (name.to_owned(), unhex(&fs::read_to_string(&path).expect("a text file")))
        })
        .collect()
}

/// Reads hex digits; white space between them means nothing.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap_or_else(|| panic!("{c:?} is not a hex digit")) as u8)
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte is missing");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
