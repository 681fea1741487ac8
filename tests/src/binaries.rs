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

/// Where the binaries are that break a promise when `HOOK_SABOTAGE` names it. They are built beside the others, and never
/// optimised; only the crates of the workspace are compiled again.
pub fn sabotaged() -> &'static Path {
    static DIR: OnceLock<Option<PathBuf>> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let dir = target().join("sabotage");
        let mut cargo = cargo();
        cargo.args(["build", "--quiet", "--workspace", "--bins", "--target-dir"]).arg(&dir);
        cargo.env("RUSTC_WORKSPACE_WRAPPER", concat!(env!("CARGO_MANIFEST_DIR"), "/sabotage"));
        // What is compiled already is looked for there; a Cargo that does not know this compiles it again.
        cargo.env("CARGO_BUILD_BUILD_DIR", target());
        let done = cargo.status().expect("cargo runs");
        done.success().then(|| dir.join("debug"))
    });
    dir.as_deref().expect("the sabotaged binaries build")
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
        let dir = profile();
        let mut cargo = cargo();
        cargo.args(["build", "--quiet", "--workspace", "--bins", "--target-dir"]).arg(target());
        if dir.ends_with("release") {
            cargo.arg("--release");
        }
        let done = cargo.status().expect("cargo runs");
        done.success().then_some(dir)
    });
    dir.as_deref().expect("the binaries build")
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
    cargo
}

/// `target/PROFILE`, since this test is `target/PROFILE/deps/NAME-HASH`.
fn profile() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

/// `target`.
pub fn target() -> PathBuf {
    profile().parent().unwrap().to_owned()
}
