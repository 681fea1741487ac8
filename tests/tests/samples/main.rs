//! The bodies that `hook trigger` makes are as their providers' official schemas and types say.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;
mod schemas;
mod types;
