//! The promises of DESIGN §5 when processes are killed and networks, apps, senders, clocks and disks do their worst; judged by books
//! that are held against each other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apps;
mod baseline;
mod clocks;
mod controls;
mod drain;
mod duplicates;
mod framing;
mod kills;
mod leaving;
mod network;
mod places;
mod restarts;
mod restored;
mod strangers;
