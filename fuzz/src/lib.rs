//! What must hold whatever bytes arrive: one module for each parser of hostile bytes, with one function that panics when it does not.
//!
//! `fuzz/targets` feeds them from a fuzzer, `tests/corpus.rs` from the files in `fuzz/corpus`, on every machine.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a property that does not hold panics")]

pub mod escape;
pub mod filter;
mod input;
pub mod provider;
pub mod rows;
pub mod target;
pub mod tokens;
pub mod wire;

/// Panics where a property does not hold.
pub type Property = fn(&[u8]);

/// Every target by the name of its corpus.
pub const TARGETS: [(&str, Property); 7] = [
    ("escape", escape::holds),
    ("filter", filter::holds),
    ("provider", provider::holds),
    ("rows", rows::holds),
    ("target", target::holds),
    ("tokens", tokens::holds),
    ("wire", wire::holds),
];
