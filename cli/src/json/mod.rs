//! JSON as it was sent: read from its bytes, never parsed into a tree and printed again.
//!
//! A webhook's body is evidence. Number text, escapes, key order and duplicate keys are shown exactly as they came, so
//! everything here works on spans of the original bytes.

mod path;
mod pretty;
mod set;
mod token;
mod unescape;

pub use path::{Path, PathError, Segment, Value, ValueKind, find};
pub use pretty::pretty;
pub(crate) use set::spliced;
pub use set::{SetError, set};
pub use token::{JsonError, Kind, MAX_DEPTH, Token, Tokens, Trouble, tokens};
pub use unescape::unescape;
