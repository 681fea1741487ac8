//! hook: a local webhook tunnel and inspector.
//!
//! The path of an event is `session` → `engine` (with `journal`) → `forward` → back through `session`; what happened goes to
//! `output` as `activity`.

pub mod activity;
pub mod autopsy;
mod below;
mod body_arg;
pub mod commands;
pub mod config;
pub mod doctor;
pub mod engine;
pub mod event_ref;
pub mod failure;
pub mod fetch;
pub mod filter;
pub mod form;
pub mod forward;
pub mod header_arg;
pub mod journal;
pub mod json;
pub mod lookup;
mod mark;
pub mod output;
pub mod param;
pub mod platform;
pub mod prefilter;
pub mod provider;
pub mod running;
pub mod sanitize;
pub mod session;
pub mod signature;
pub mod subject;
pub mod target;
pub mod text;
pub mod tls;
pub mod ui;
pub mod units;
