//! A harness that drives hook from outside: the real binaries with their own directories, an app and senders on raw
//! sockets that see and say exact bytes, relays of their own, and one that lies.
//!
//! Nothing here sleeps to let something happen: tests wait for what they assert, within [`LIVENESS`].
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    reason = "a harness fails a test by panicking, and the panic names the place"
)]

mod app;
mod binaries;
mod chaos;
mod clock;
mod dice;
mod disk;
mod h2;
mod hook;
mod http;
mod ledger;
mod listen;
mod lying;
pub mod oracle;
mod port;
mod powercut;
mod process;
mod relay;
mod sdk;
mod sender;
pub mod signing;
mod strace;
mod strace_log;
mod trial;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub use app::{Answer, App, Arrival, Gate, Request};
pub use binaries::hook_bench;
pub use chaos::{Chaos, End, Fault, Storm};
pub use clock::Clock;
pub use dice::Dice;
pub use disk::{Filler, SmallDisk};
pub use h2::H2Sender;
pub use hook::Hook;
pub use http::Message;
pub use ledger::{Heard, Ledger, Load};
pub use listen::Listen;
pub use lying::{LyingRelay, LyingSession};
pub use powercut::{Loss, Recording, Said, promises};
pub use process::{Output, Process};
pub use relay::{Relay, curl};
pub use sdk::Sdk;
pub use sender::{Response, Sender, post, request};
pub use strace::Strace;
pub use trial::Trial;

/// How long anything may take that must happen at all. Generous, since tests share two cores.
pub const LIVENESS: Duration = Duration::from_secs(20);

/// What decides everything that is random in this test. `HOOK_TEST_SEED` repeats one.
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("HOOK_TEST_SEED").ok();
        let seed = given.map_or_else(rand::random, |s| s.parse().expect("HOOK_TEST_SEED is a number"));
        println!("HOOK_TEST_SEED={seed}");
        seed
    })
}

/// Waits until something holds, and fails by its name when it does not within [`LIVENESS`].
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// Waits until there is something, and gives it.
#[track_caller]
pub fn wait_for<T>(what: &str, there: impl FnMut() -> Option<T>) -> T {
    wait_at_most(LIVENESS, what, there)
}

/// [`wait_for`] with a bound of its own, for what takes its time by design.
#[track_caller]
pub fn wait_at_most<T>(limit: Duration, what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let by = Instant::now() + limit;
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(Instant::now() < by, "this did not happen within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Bytes of which no two places look alike, so that a swap, a cut or a repetition shows.
pub fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Compares long bodies without printing them.
#[track_caller]
pub fn assert_same_bytes(what: &str, found: &[u8], wanted: &[u8]) {
    if found != wanted {
        let at = found.iter().zip(wanted).position(|(a, b)| a != b).unwrap_or(found.len().min(wanted.len()));
        panic!("{what}: {} bytes instead of {}, the first difference at {at}", found.len(), wanted.len());
    }
}
