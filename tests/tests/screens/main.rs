//! What a person sees, and what a program reads: every screen of ux.md §1 as a golden file, on pipes and on terminals.
//!
//! What differs from run to run (ports, times, ids) is replaced before a screen is compared; see `plain.rs`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cable;
mod errors;
mod forms;
mod help;
mod hostile;
mod json;
mod kept;
mod plain;
mod ready;
mod relays;
mod resigned;
mod screen;
mod secrets;
mod senders;
mod signatures;
mod stories;
mod terminal;
mod wanted;

#[test]
fn no_screen_is_forgotten() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/screens");
    let main = include_str!("main.rs");
    for file in std::fs::read_dir(dir).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs") else { continue };
        assert!(module == "main" || main.contains(&format!("\nmod {module};\n")), "{name} is not a module of main.rs");
    }
}
