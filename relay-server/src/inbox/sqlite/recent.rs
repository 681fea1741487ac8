//! The events that came last. Their rows are in one of two tables that are only added to, and most of them are let go before
//! their table is full: then nothing is deleted row by row, the table is emptied as a whole. What outlives its table is
//! settled: it moves to the table that has indexes. What is in here is in memory too, so a delete changes nothing but that; an
//! event whose delete was lost in a crash is handed over again as queued, as after any delete that came too late.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hook_proto::{EndpointName, EventId};

use crate::inbox::StoredEvent;

/// A larger event is settled from the beginning: to write it twice would cost more than to delete it.
pub(super) const LARGEST: u64 = 16 * 1024;
/// When a table is full. Tests fill many.
const ROWS: u64 = if cfg!(test) { 8 } else { 2048 };
const BYTES: u64 = 4 * 1024 * 1024;
/// How long rows that are all let go stay in their table.
const LINGER: Duration = Duration::from_millis(50);
/// How long a table is added to, at most.
const TURN: Duration = Duration::from_millis(250);
/// How long it then waits for the rest to be let go.
const REST: Duration = Duration::from_secs(1);

pub(super) const TABLES: usize = 2;

pub(super) struct Recent {
    places: HashMap<EventId, Place, foldhash::fast::RandomState>,
    tables: [Table; TABLES],
    current: usize,
}

#[derive(Default)]
struct Place {
    /// Appends of it that nothing was decided about.
    queued: u32,
    row: Option<Row>,
}

struct Row {
    table: usize,
    position: u64,
    event: Arc<StoredEvent>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its transaction is under way.
    Staged,
    Written,
    /// The transaction that settles it is under way.
    Moving,
}

/// What is in the file of one table, let go or not.
struct Table {
    rows: u64,
    live: u64,
    bytes: u64,
    /// Since when it has rows.
    since: Instant,
}

/// What a transaction does to the tables before it adds to the current one.
pub(super) struct Plan {
    pub(super) current: usize,
    pub(super) empty: [bool; TABLES],
    /// What is still held of what is emptied, in order.
    pub(super) moved: Vec<(u64, Arc<StoredEvent>)>,
}

/// An append, in the order of the transaction.
pub(super) struct Staged {
    pub(super) id: EventId,
    pub(super) position: u64,
    pub(super) bytes: u64,
}

/// What a delete found.
pub(super) enum Removed {
    /// It is gone, and so many bytes with it.
    Written(u64),
    /// It is gone too, but comes back if its transaction is undone.
    Staged(u64),
    /// Nothing, or an event that is settled just now.
    Nothing,
}

impl Plan {
    pub(super) fn is_idle(&self) -> bool {
        self.empty == [false; TABLES]
    }
}

impl Recent {
    pub(super) fn new() -> Self {
        let table = || Table { rows: 0, live: 0, bytes: 0, since: Instant::now() };
        Self { places: HashMap::default(), tables: [table(), table()], current: 0 }
    }

    /// An append was called.
    pub(super) fn queue(&mut self, id: EventId) {
        self.places.entry(id).or_default().queued += 1;
    }

    /// It was decided about.
    pub(super) fn unqueue(&mut self, id: EventId) {
        if let Some(place) = self.places.get_mut(&id) {
            place.queued = place.queued.saturating_sub(1);
            if place.queued == 0 && place.row.is_none() {
                self.places.remove(&id);
            }
        }
    }

    /// Where an event is, if it is here.
    pub(super) fn position(&self, id: EventId) -> Option<u64> {
        Some(self.places.get(&id)?.row.as_ref()?.position)
    }

    /// Takes in an event whose row is being written to the current table of this plan.
    pub(super) fn stage(&mut self, plan: &Plan, position: u64, event: &Arc<StoredEvent>) {
        let row = Row { table: plan.current, position, event: Arc::clone(event), state: State::Staged };
        self.places.entry(event.id).or_default().row = Some(row);
    }

    /// Lets go of an event at once and gives its bytes, where no append or transaction stands in the way.
    pub(super) fn delete(&mut self, endpoint: &EndpointName, id: EventId) -> Option<u64> {
        let place = self.places.get(&id).filter(|place| place.queued == 0);
        place.and_then(|place| place.row.as_ref()).filter(|row| row.state == State::Written)?;
        match self.remove(endpoint, id) {
            Removed::Written(bytes) | Removed::Staged(bytes) => Some(bytes),
            Removed::Nothing => None,
        }
    }

    /// The same for the writer, in the order of the queue.
    pub(super) fn remove(&mut self, endpoint: &EndpointName, id: EventId) -> Removed {
        let Some(place) = self.places.get_mut(&id) else { return Removed::Nothing };
        let here = |row: &mut Row| row.state != State::Moving && row.event.endpoint == *endpoint;
        let Some(row) = place.row.take_if(here) else { return Removed::Nothing };
        if place.queued == 0 {
            self.places.remove(&id);
        }
        let bytes = row.event.size();
        if row.state == State::Staged {
            return Removed::Staged(bytes);
        }
        self.tables[row.table].live -= 1;
        Removed::Written(bytes)
    }

    /// All that is held is to be settled.
    pub(super) fn last_plan(&mut self) -> Plan {
        let empty = [0, 1].map(|table: usize| self.tables[table].rows > 0);
        let mut plan = Plan { current: self.current, empty, moved: Vec::new() };
        self.move_out(&mut plan);
        plan
    }

    /// What the next transaction is to do first. On a full disk nothing is moved.
    pub(super) fn plan(&mut self, now: Instant, room: bool) -> Plan {
        let (current, other) = (self.current, 1 - self.current);
        let mut plan = Plan { current, empty: [false; TABLES], moved: Vec::new() };
        let [table, old] = [&self.tables[current], &self.tables[other]];
        let age = |table: &Table| now.saturating_duration_since(table.since);
        if table.rows > 0 && table.live == 0 && age(table) >= LINGER {
            plan.empty[current] = true;
        } else if room && (table.rows >= ROWS || table.bytes >= BYTES || (table.rows > 0 && age(table) >= TURN)) {
            plan.current = other;
        }
        let rested = room && (plan.current == other || age(old) >= TURN + REST);
        plan.empty[other] = old.rows > 0 && (old.live == 0 || rested);
        self.move_out(&mut plan);
        plan
    }

    fn move_out(&mut self, plan: &mut Plan) {
        if (0..TABLES).all(|table| !plan.empty[table] || self.tables[table].live == 0) {
            return;
        }
        for place in self.places.values_mut() {
            if let Some(row) = place.row.as_mut().filter(|row| plan.empty[row.table]) {
                row.state = State::Moving;
                plan.moved.push((row.position, Arc::clone(&row.event)));
            }
        }
        plan.moved.sort_unstable_by_key(|(position, _)| *position);
    }

    /// The transaction is committed.
    pub(super) fn done(&mut self, plan: &Plan, staged: &[Staged]) {
        for (_, event) in &plan.moved {
            if let Some(place) = self.places.get_mut(&event.id) {
                place.row = None;
                if place.queued == 0 {
                    self.places.remove(&event.id);
                }
            }
        }
        for (table, _) in self.tables.iter_mut().zip(plan.empty).filter(|(_, empty)| *empty) {
            (table.rows, table.live, table.bytes) = (0, 0, 0);
        }
        self.current = plan.current;
        let table = &mut self.tables[plan.current];
        if table.rows == 0 {
            table.since = Instant::now();
        }
        for one in staged {
            table.rows += 1;
            table.bytes += one.bytes;
            // Without a row it was deleted in the same transaction.
            let row = self.places.get_mut(&one.id).and_then(|place| place.row.as_mut());
            if let Some(row) = row.filter(|row| row.position == one.position) {
                row.state = State::Written;
                table.live += 1;
            }
        }
    }

    /// Nothing of the transaction was done.
    pub(super) fn undo(&mut self, plan: &Plan, staged: &[Staged]) {
        for (position, event) in &plan.moved {
            let row = self.places.get_mut(&event.id).and_then(|place| place.row.as_mut());
            if let Some(row) = row.filter(|row| row.position == *position) {
                row.state = State::Written;
            }
        }
        for one in staged {
            if let Some(place) = self.places.get_mut(&one.id) {
                place.row.take_if(|row| row.position == one.position);
                if place.queued == 0 && place.row.is_none() {
                    self.places.remove(&one.id);
                }
            }
        }
    }

    /// When there may be something to do without an append, if ever.
    pub(super) fn due_in(&self) -> Option<Duration> {
        self.tables.iter().any(|table| table.rows > 0).then_some(LINGER)
    }

    /// The events that are held here at this endpoint, above a position, in order.
    pub(super) fn after(&self, endpoint: &EndpointName, after: u64) -> Vec<(u64, EventId)> {
        let rows = self.places.values().filter_map(Place::readable);
        let at = rows.filter(|row| row.position > after && row.event.endpoint == *endpoint);
        let mut found: Vec<_> = at.map(|row| (row.position, row.event.id)).collect();
        found.sort_unstable();
        found
    }

    pub(super) fn event(&self, id: EventId) -> Option<&Arc<StoredEvent>> {
        self.places.get(&id)?.readable().map(|row| &row.event)
    }
}

impl Place {
    fn readable(&self) -> Option<&Row> {
        self.row.as_ref().filter(|row| row.state != State::Staged)
    }
}
