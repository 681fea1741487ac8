//! The relay of hook.
