//! The promises of DESIGN §5 under exact faults: kills at chosen system calls, power cuts, failing and full disks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checkpoint;
mod eio;
mod full;
mod points;
mod power;
mod power_cli;
mod power_relay;
mod stores;
