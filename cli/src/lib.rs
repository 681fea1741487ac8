//! hook: a local webhook tunnel and inspector.
//!
//! The path of an event is `session` → `engine` (with `journal`) → `forward` → back through `session`; what happened goes to
//! `output` as `activity`.

pub mod activity;
pub mod engine;
pub mod failure;
pub mod filter;
pub mod forward;
pub mod journal;
pub mod json;
pub mod platform;
pub mod sanitize;
pub mod session;
pub mod subject;
pub mod target;
pub mod text;
