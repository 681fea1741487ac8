//! Which programs are tested: those that belong to this build, or the ones that `HOOK_BIN` and `HOOK_RELAY_BIN` name.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub fn hook() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| named("HOOK_BIN").unwrap_or_else(|| built().join("hook")))
}

pub fn hook_relay() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| named("HOOK_RELAY_BIN").unwrap_or_else(|| built().join("hook-relay")))
}

/// What measures hook; it measures the programs beside it.
pub fn hook_bench() -> PathBuf {
    built().join("hook-bench")
}

fn named(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(variable)?);
    assert!(path.is_file(), "{variable} names {}, which is no file", path.display());
    Some(path)
}

/// Brings the binaries beside this test's own up to date, so that no test ever passes on yesterday's code.
fn built() -> &'static Path {
    static DIR: OnceLock<Option<PathBuf>> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        // target/PROFILE/deps/e2e-HASH
        let dir = test.ancestors().nth(2).unwrap().to_owned();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["build", "--quiet", "--workspace", "--bins", "--target-dir"]).arg(dir.parent().unwrap());
        cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
        if dir.ends_with("release") {
            cargo.arg("--release");
        }
        let done = cargo.status().expect("cargo runs");
        done.success().then_some(dir)
    });
    dir.as_deref().expect("the binaries build")
}
