//! The files of `fuzz/corpus`, and what is near them, on every machine and without a fuzzer.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a corpus that cannot be read must fail the test, and say at which file"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hook_fuzz::{Property, TARGETS};

fn here(place: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(place)
}

fn names(place: &str) -> BTreeSet<String> {
    let name = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_string_lossy().into_owned();
    fs::read_dir(here(place)).unwrap().map(|entry| name(entry.unwrap())).collect()
}

fn replay(target: &str) {
    let (_, holds) = TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let mut files: Vec<_> = fs::read_dir(here("corpus").join(target)).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{target} has {} files only", files.len());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        assert!(bytes.len() <= 4096, "{} is too large for a seed", file.display());
        // The name of the file is what a failure has to say.
        eprintln!("{}", file.display());
        holds(&bytes);
        near(&bytes, holds);
    }
}

/// Cut short, and with one byte changed, at up to 20 places.
fn near(bytes: &[u8], holds: Property) {
    for at in (0..bytes.len()).step_by(1 + bytes.len() / 20) {
        holds(&bytes[..at]);
        let mut changed = bytes.to_vec();
        for byte in [0, 0xff, b'/', b'.', b'"', b'\n', bytes[at] ^ 1] {
            changed[at] = byte;
            holds(&changed);
        }
    }
}

macro_rules! replayed {
    ($($target:ident),+) => {
        mod corpus_is_replayed {
            $(#[test] fn $target() { super::replay(stringify!($target)); })+
        }

        #[test]
        fn every_target_is_replayed_has_a_corpus_and_a_fuzzer() {
            let here = BTreeSet::from([$(stringify!($target).to_owned()),+]);
            assert_eq!(here, TARGETS.into_iter().map(|(name, _)| name.to_owned()).collect());
            assert_eq!(here, names("corpus"));
            assert_eq!(here, names("targets/fuzz_targets"));
        }
    };
}
replayed!(escape, filter, provider, rows, target, tokens, wire);
