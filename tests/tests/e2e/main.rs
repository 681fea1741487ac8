//! hook from outside, story by story. Each test has its own directories, ports and processes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod app;
mod attempts;
mod autopsy;
mod away;
mod cli;
mod crash;
mod doctor;
mod duplicates;
mod evil;
mod fidelity;
mod first;
mod flags;
mod handshakes;
mod harness;
mod hostile;
mod journal;
mod keys;
mod order;
mod output;
mod probe;
mod property;
mod providers;
mod questions;
mod remembered;
mod reply;
mod resign;
mod secrets;
mod sender;
mod senders;
mod setup;
mod shared;
mod signatures;
mod takeover;
mod tokens;
mod trigger;
mod values;

#[test]
fn no_story_is_forgotten() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e");
    let main = include_str!("main.rs");
    for file in std::fs::read_dir(dir).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("\nmod {module};\n")), "{name} is not a module of main.rs");
    }
}
