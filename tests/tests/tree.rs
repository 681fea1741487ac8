//! The shape of the tree, as ARCHITECTURE.md promises it.

#![allow(clippy::unwrap_used, reason = "a tree that cannot be read must fail the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The members of the workspace that a manifest's section names.
fn edges(manifest: &str, sections: &[&str]) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = sections.iter().any(|s| line == format!("[{s}]"));
        } else if inside && let Some(name) = line.split(['=', '.', ' ']).next().filter(|n| n.starts_with("hook")) {
            found.insert(name.to_owned());
        }
    }
    found
}

#[test]
fn crates_import_each_other_only_downwards() {
    let all = ["dependencies", "build-dependencies", "dev-dependencies"];
    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(edges("proto/Cargo.toml", &all), set(&[]));
    assert_eq!(edges("providers/Cargo.toml", &all), set(&[]));
    assert_eq!(edges("relay-server/Cargo.toml", &all), set(&["hook-proto"]));
    assert_eq!(edges("cli/Cargo.toml", &all), set(&["hook-proto", "hook-providers", "hook-relay-server"]));
    // What measures hook from outside may speak its wire, and nothing more.
    assert_eq!(edges("benches/Cargo.toml", &all), set(&["hook-proto"]));
    assert_eq!(edges("fuzz/Cargo.toml", &all), set(&["hook", "hook-proto", "hook-providers"]));
    assert_eq!(edges("fuzz/targets/Cargo.toml", &all), set(&["hook-fuzz"]));
    // Of the providers they want only samples: thousands, which would take a process each.
    assert_eq!(edges("tests/Cargo.toml", &all), set(&["hook-proto", "hook-providers"]));
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn read_all(dir: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    rust_files(&root().join(dir), &mut files);
    files.into_iter().map(|p| (p.clone(), fs::read_to_string(&p).unwrap())).collect()
}

#[test]
fn commands_do_not_import_each_other() {
    let names: Vec<String> = fs::read_dir(root().join("cli/src/commands"))
        .unwrap()
        .map(|e| e.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|n| n != "mod")
        .collect();
    for (path, text) in read_all("cli/src/commands") {
        let own = path.strip_prefix(root().join("cli/src/commands")).unwrap().to_string_lossy().into_owned();
        for name in names.iter().filter(|n| !own.starts_with(n.as_str()) && own != "mod.rs") {
            let imports = [format!("super::{name}::"), format!("commands::{name}")];
            assert!(!imports.iter().any(|i| text.contains(i.as_str())), "{own} imports {name}");
        }
    }
}

#[test]
fn the_engine_never_prints_and_the_outputs_never_act() {
    for dir in ["cli/src/engine", "cli/src/journal", "cli/src/session", "cli/src/forward"] {
        for (path, text) in read_all(dir) {
            assert!(
                !text.contains("crate::ui") && !text.contains("crate::output"),
                "{} reaches for the terminal",
                path.display()
            );
        }
    }
    for (path, text) in read_all("cli/src/output") {
        assert!(!text.contains("crate::engine") && !text.contains("crate::session"), "{} acts", path.display());
    }
}

#[test]
fn the_wire_and_the_rules_have_no_clock() {
    let pure = [
        "proto/src",
        "providers/src",
        "relay-server/src/ledger.rs",
        "cli/src/engine/queue.rs",
        "cli/src/filter",
        "cli/src/json",
        "cli/src/below.rs",
        "cli/src/target.rs",
    ];
    for place in pure {
        let path = root().join(place);
        let files =
            if path.is_dir() { read_all(place) } else { vec![(path.clone(), fs::read_to_string(&path).unwrap())] };
        for (path, text) in files {
            for clock in ["SystemTime::now", "Instant::now", "now_ms()"] {
                assert!(!text.contains(clock), "{} reads a clock", path.display());
            }
        }
    }
}

#[test]
fn a_release_with_sabotage_in_it_does_not_compile() {
    let out = tempfile::tempdir().unwrap();
    let compile = |debug_assertions: &str| {
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
        rustc.args(["--crate-type", "lib", "--edition", "2024", "--emit", "metadata", "--out-dir"]).arg(out.path());
        rustc
            .args(["-C", &format!("debug-assertions={debug_assertions}")])
            .arg(root().join("relay-server/src/sabotage.rs"));
        rustc.output().unwrap().status.success()
    };
    assert_eq!((compile("yes"), compile("no")), (true, false));
    // And nothing of it is there without the cfg.
    for (path, text) in read_all("relay-server/src").into_iter().chain(read_all("cli/src")) {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (n, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("sabotage")) {
            let guarded = *line == "#[cfg(hook_sabotage)]" || n > 0 && lines[n - 1] == "#[cfg(hook_sabotage)]";
            assert!(guarded || path.ends_with("sabotage.rs"), "{}: {line}", path.display());
        }
    }
}
