//! The promises under faults: many senders, random kills, and books of everything that are held against each other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod baseline;
mod controls;
mod drain;
mod kills;
mod restarts;
