use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hook_proto::{EndpointName, EventId};

use super::accounts::Accounts;
use super::{Inbox, InboxError, Limits, Pending, StoredEvent, Usage};

/// An inbox that lives and dies with its process: for the embedded relay.
pub struct MemoryInbox {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: u64,
    order: HashMap<EndpointName, BTreeMap<u64, EventId>>,
    events: HashMap<EventId, (u64, Arc<StoredEvent>)>,
    accounts: Accounts,
}

impl MemoryInbox {
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, limits: &Limits, event: Arc<StoredEvent>) -> Result<u64, InboxError> {
        if let Some((position, _)) = self.events.get(&event.id) {
            return Ok(*position);
        }
        self.accounts.add(limits, &event.endpoint, event.size())?;
        self.last += 1;
        self.order.entry(event.endpoint.clone()).or_default().insert(self.last, event.id);
        self.events.insert(event.id, (self.last, event));
        Ok(self.last)
    }

    fn delete(&mut self, endpoint: &EndpointName, id: EventId) {
        if self.events.get(&id).is_none_or(|(_, event)| event.endpoint != *endpoint) {
            return;
        }
        let Some((position, event)) = self.events.remove(&id) else { return };
        self.accounts.remove(endpoint, event.size());
        if let Some(order) = self.order.get_mut(endpoint) {
            order.remove(&position);
            if order.is_empty() {
                self.order.remove(endpoint);
            }
        }
    }
}

impl Inbox for MemoryInbox {
    fn durable(&self) -> bool {
        false
    }

    fn broken(&self) -> bool {
        false
    }

    fn full(&self) -> bool {
        false
    }

    fn append(&self, event: Arc<StoredEvent>) -> Pending<u64> {
        Pending::known(self.state().append(&self.limits, event))
    }

    fn delete(&self, endpoint: &EndpointName, id: EventId) {
        self.state().delete(endpoint, id);
    }

    fn next(&self, endpoint: &EndpointName, after: u64, limit: usize) -> Pending<Vec<(u64, EventId)>> {
        let state = self.state();
        // A range from the largest number on would have no number above it to start from.
        let above = after.checked_add(1).zip(state.order.get(endpoint));
        let page = above.map(|(from, order)| order.range(from..).take(limit).map(|(p, id)| (*p, *id)).collect());
        Pending::known(Ok(page.unwrap_or_default()))
    }

    fn load(&self, id: EventId) -> Pending<Option<Arc<StoredEvent>>> {
        Pending::known(Ok(self.state().events.get(&id).map(|(_, event)| Arc::clone(event))))
    }

    fn usage(&self, endpoint: &EndpointName) -> Usage {
        self.state().accounts.endpoint(endpoint)
    }

    fn total(&self) -> Usage {
        self.state().accounts.total()
    }

    fn endpoints(&self) -> Vec<(EndpointName, Usage)> {
        self.state().accounts.all()
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::contract;
    use super::*;

    contract!(|_, limits| Box::new(MemoryInbox::new(limits)));
}
