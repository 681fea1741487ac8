//! One HTTP try of one event at one target: connect, send, read the answer, keep it, and pass it on.

mod answer;
pub mod attempt;
mod body;
mod client;
mod post;
mod request;

pub use answer::end_to_end;
pub use attempt::{Outcome, Try};
pub use client::{Client, ConnectError, Connection};
pub use post::{PostError, Posted, post};
pub use request::{HostField, Marks, Shape, fields, url_seen};
