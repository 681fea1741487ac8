//! The words of hook as types, and the wire between a relay and a CLI.
//!
//! Nothing here does I/O, waits, or reads a clock. `docs/protocol.md` describes the wire for people who write another client.

mod encode;
mod header;
mod id;
mod name;
pub mod wire;

pub use encode::HeadParts;
pub use header::{Header, HeaderList};
pub use id::{BadId, EventId};
pub use name::{BadName, EndpointName};
pub use wire::{EventHead, HandOver, Mode, ReplyBy, Settings};
