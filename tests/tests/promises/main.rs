//! The promises of DESIGN §5 when processes are killed and networks, apps, senders, clocks and disks do their worst; judged by books
//! that are held against each other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apps;
mod baseline;
mod checkpoint;
mod clocks;
mod controls;
mod drain;
mod duplicates;
mod eio;
mod framing;
mod full;
mod kills;
mod leaving;
mod network;
mod places;
mod points;
mod power;
mod power_cli;
mod power_relay;
mod restarts;
mod restored;
mod stores;
mod strangers;
