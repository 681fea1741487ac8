//! The mark of events that hook made. It is a field of the request, so it survives any relay, and no app gets it: fields that
//! begin with `hook-` are left out. A stranger can set it, so nothing depends on it but words, and what `hook setup` waits for.

use hook_proto::{EventHead, Header};

const FIELD: &str = "hook-trigger";

/// What `hook trigger` sends along to an endpoint.
pub fn field() -> Header {
    Header::new(FIELD, "1")
}

/// Whether its provider did not send an event, but `hook trigger`.
pub fn is_made(head: &EventHead) -> bool {
    head.headers.iter().any(|field| field.name == FIELD)
}
