//! The promises of DESIGN §5 when networks, apps, senders, clocks and disks do their worst.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apps;
mod clocks;
mod duplicates;
mod framing;
mod leaving;
mod network;
mod places;
mod restored;
mod strangers;
