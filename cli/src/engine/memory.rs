//! The memory that large bodies may have together, from their arrival to the end of their attempts. What finds none left goes
//! through the journal alone.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const ALL: usize = 16 * 1024 * 1024;
/// It is counted in such steps.
const STEP: usize = 1024;
/// Large bodies whose senders may be looked at once: each is in memory whole then.
const LOOKS: usize = 2;
/// Parts of all bodies that may wait for the journal: small events wait behind them.
const PARTS: usize = 2;

pub struct Memory {
    steps: Arc<Semaphore>,
    parts: Arc<Semaphore>,
    looks: Arc<Semaphore>,
}

/// Room for one value.
pub struct Reserved {
    _steps: OwnedSemaphorePermit,
}

impl Memory {
    pub fn new() -> Self {
        let of = |n| Arc::new(Semaphore::new(n));
        Self { steps: of(ALL / STEP), parts: of(PARTS), looks: of(LOOKS) }
    }

    /// Waits until another part may be written; it may until what this gives is dropped.
    pub async fn part(&self) -> Option<OwnedSemaphorePermit> {
        self.parts.clone().acquire_owned().await.ok()
    }

    /// Waits until another large body may be held whole; it may until what this gives is dropped.
    pub async fn look(&self) -> Option<OwnedSemaphorePermit> {
        self.looks.clone().acquire_owned().await.ok()
    }

    /// `None`: there is no room now.
    pub fn reserve(&self, bytes: usize) -> Option<Reserved> {
        let steps = u32::try_from(bytes.div_ceil(STEP)).ok()?;
        self.steps.clone().try_acquire_many_owned(steps).ok().map(|_steps| Reserved { _steps })
    }
}

impl Reserved {
    /// The room is free again when the last slice of these bytes is dropped.
    pub fn hold(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held { bytes, _room: self })
    }
}

struct Held {
    bytes: Vec<u8>,
    _room: Reserved,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_for_as_long_as_a_slice_lives() {
        let memory = Memory::new();
        let held = memory.reserve(ALL).unwrap().hold(vec![7; 10]);
        let slice = held.slice(3..4);
        drop(held);
        assert!(memory.reserve(1).is_none());
        assert_eq!(slice.as_ref(), [7]);
        drop(slice);
        assert!(memory.reserve(ALL + 1).is_none());
        assert!(memory.reserve(ALL).is_some());
    }
}
