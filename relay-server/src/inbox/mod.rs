//! The inbox: the relay's bounded, ordered store of events until they are acked and answered (DESIGN §5, §7).

mod accounts;
#[cfg(test)]
mod contract;
mod memory;
mod pending;
mod sqlite;

use std::sync::Arc;

use bytes::Bytes;
use hook_proto::{EndpointName, EventId};

use crate::body::Body;

pub use crate::database::OpenError;
pub use accounts::{Limits, Usage};
pub use memory::MemoryInbox;
pub use pending::{Answer, Pending};
pub use sqlite::SqliteInbox;

/// One event as the inbox keeps it.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    pub endpoint: EndpointName,
    pub id: EventId,
    /// The head as it is encoded on the wire and in the file: an [`EventHead`](hook_proto::EventHead).
    pub head: Bytes,
    pub body: Body,
}

impl StoredEvent {
    /// The bytes that this event counts in quotas: head and body.
    pub fn size(&self) -> u64 {
        self.head.len() as u64 + self.body.len()
    }
}

/// Why the inbox did not do what was asked. The texts are for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InboxError {
    /// Refused, and nothing of this event is kept; what was stored before is untouched. Later may be better.
    #[error("no room in the inbox: {0}")]
    Full(Arc<str>),
    /// The storage failed. Nothing is accepted or read any more until the relay is started again.
    #[error(
        "the inbox's storage failed ({0}); what was accepted before is kept, nothing more is accepted until the relay is restarted"
    )]
    Broken(Arc<str>),
    /// This one event could not be read; others can, and nothing was deleted.
    #[error("an event could not be read ({0}); it is kept as it is")]
    Unreadable(Arc<str>),
}

/// A store of events, ordered by endpoint.
///
/// Appends and deletes take effect in the order of their calls (a large body may take its place later, when it is whole):
/// an append that is still queued, followed by its delete, leaves nothing. What a call returned as a [`Pending`] happens
/// whether or not that is awaited. Reads see every append that was answered, and no event whose delete was called.
/// The counts of a delete may follow a moment later, or come at once and make room for an append that still waits.
/// A delete that was not followed by a clean end may have been forgotten: the event is there again.
pub trait Inbox: Send + Sync + 'static {
    /// Whether an answered append survives the process and a power cut.
    fn durable(&self) -> bool;

    /// Whether the storage failed for good: everything is now answered with [`InboxError::Broken`].
    fn broken(&self) -> bool;

    /// Whether appends are refused just now because the disk has no room.
    fn full(&self) -> bool;

    /// Stores an event and answers with its position, once it is as durable as this inbox makes it. Positions rise by append
    /// and are not used twice while the inbox is open. The same id again is answered with the first one's position.
    fn append(&self, event: Arc<StoredEvent>) -> Pending<u64>;

    /// Lets go of an event. One that is not held at this endpoint is not an error.
    fn delete(&self, endpoint: &EndpointName, id: EventId);

    /// The events of an endpoint at positions above `after`, in order, at most `limit`.
    fn next(&self, endpoint: &EndpointName, after: u64, limit: usize) -> Pending<Vec<(u64, EventId)>>;

    /// The whole event; `None` when it is not held (any more).
    fn load(&self, id: EventId) -> Pending<Option<Arc<StoredEvent>>>;

    /// What an endpoint holds, what is being written included.
    fn usage(&self, endpoint: &EndpointName) -> Usage;

    /// What all endpoints hold.
    fn total(&self) -> Usage;

    /// The endpoints that hold events, in no order.
    fn endpoints(&self) -> Vec<(EndpointName, Usage)>;
}
