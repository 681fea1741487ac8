use std::collections::HashMap;

use hook_proto::EndpointName;

use super::InboxError;

/// How much is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub events: u64,
    pub bytes: u64,
}

/// How much may be held. An append beyond it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub endpoint: Usage,
    pub total: Usage,
}

impl Default for Limits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self { endpoint: Usage { events: 100_000, bytes: GIB }, total: Usage { events: u64::MAX, bytes: 8 * GIB } }
    }
}

/// Keeps count of what is held, and so of what still fits.
#[derive(Default)]
pub(super) struct Accounts {
    total: Usage,
    endpoints: HashMap<EndpointName, Usage>,
}

impl Accounts {
    /// Counts an event of `bytes`, or refuses it.
    pub(super) fn add(&mut self, limits: &Limits, endpoint: &EndpointName, bytes: u64) -> Result<(), InboxError> {
        if let Some(what) = excess(self.total, limits.total, bytes) {
            return Err(InboxError::Full(format!("the relay may hold {what}").into()));
        }
        if let Some(what) = excess(self.endpoint(endpoint), limits.endpoint, bytes) {
            return Err(InboxError::Full(format!("the endpoint {endpoint} may hold {what}").into()));
        }
        self.restore(endpoint, bytes);
        Ok(())
    }

    /// Counts what is there already, whatever the limits.
    pub(super) fn count(&mut self, endpoint: &EndpointName, more: Usage) {
        let held = self.endpoints.entry(endpoint.clone()).or_default();
        for usage in [held, &mut self.total] {
            usage.events = usage.events.saturating_add(more.events);
            usage.bytes = usage.bytes.saturating_add(more.bytes);
        }
    }

    /// Counts an event again that was not removed after all.
    pub(super) fn restore(&mut self, endpoint: &EndpointName, bytes: u64) {
        self.count(endpoint, Usage { events: 1, bytes });
    }

    /// Takes back an event of `bytes`.
    pub(super) fn remove(&mut self, endpoint: &EndpointName, bytes: u64) {
        let Some(held) = self.endpoints.get_mut(endpoint) else { return };
        for usage in [&mut *held, &mut self.total] {
            usage.events = usage.events.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(bytes);
        }
        if held.events == 0 {
            self.endpoints.remove(endpoint);
        }
    }

    pub(super) fn endpoint(&self, endpoint: &EndpointName) -> Usage {
        self.endpoints.get(endpoint).copied().unwrap_or_default()
    }

    pub(super) fn total(&self) -> Usage {
        self.total
    }

    pub(super) fn all(&self) -> Vec<(EndpointName, Usage)> {
        self.endpoints.iter().map(|(name, usage)| (name.clone(), *usage)).collect()
    }
}

/// The limit that one more event of `bytes` would pass.
fn excess(held: Usage, limit: Usage, bytes: u64) -> Option<String> {
    if held.events >= limit.events {
        Some(format!("{} events and holds {}", limit.events, held.events))
    } else if held.bytes.saturating_add(bytes) > limit.bytes {
        Some(format!("{} bytes and holds {}; the event has {bytes}", limit.bytes, held.bytes))
    } else {
        None
    }
}
