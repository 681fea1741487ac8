//! Small appends and deletes, many in one transaction.

use std::sync::Arc;

use hook_proto::{EndpointName, EventId};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::recent::{self, Plan, Removed, Staged};
use super::shared::Shared;
use super::signed;
use super::writer::Command;
use crate::blob::Value;
use crate::body::Body;
use crate::inbox::{InboxError, StoredEvent};

/// What became of one command, once its transaction is committed.
pub(super) enum Outcome {
    Appended(Result<u64, InboxError>),
    /// The chunks that are now nobody's.
    Deleted(Option<i64>),
}

/// The positions and ids that were given.
pub(super) struct Given {
    /// The position that was given last.
    pub(super) last: u64,
    /// No settled event has a higher id.
    pub(super) settled: Option<EventId>,
}

/// A change of the accounts, to be taken back if the transaction is.
enum Counted {
    Added(EndpointName, u64),
    Removed(EndpointName, u64),
}

struct Batch<'a> {
    shared: &'a Shared,
    given: &'a mut Given,
    plan: &'a Plan,
    staged: Vec<Staged>,
    counted: Vec<Counted>,
}

/// Does the plan and all of `commands` or, with an error, nothing.
pub(super) fn run(
    db: &Connection,
    shared: &Shared,
    given: &mut Given,
    plan: &Plan,
    commands: &[Command],
) -> Result<Vec<Outcome>, InboxError> {
    let mut batch = Batch { shared, given, plan, staged: Vec::new(), counted: Vec::new() };
    let outcome = batch.commit(db, commands);
    let mut recent = shared.recent();
    match &outcome {
        Ok(_) => recent.done(plan, &batch.staged),
        Err(_) => recent.undo(plan, &batch.staged),
    }
    for command in commands {
        if let Command::Append { event, .. } = command {
            recent.unqueue(event.id);
        }
    }
    drop(recent);
    match outcome {
        Ok(outcomes) => Ok(outcomes),
        Err(error) => {
            batch.uncount();
            let rolled_back = db.is_autocommit() || db.execute_batch("ROLLBACK").is_ok();
            let error = shared.judge(&error);
            // What could not even be rolled back would hold up everything behind it.
            if rolled_back { Err(error) } else { Err(shared.poison("a transaction could not be rolled back")) }
        }
    }
}

impl Batch<'_> {
    fn commit(&mut self, db: &Connection, commands: &[Command]) -> rusqlite::Result<Vec<Outcome>> {
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.turn_over(db)?;
        let outcomes = commands
            .iter()
            .map(|command| match command {
                Command::Append { event, .. } => self.append(db, event).map(Outcome::Appended),
                Command::Delete { endpoint, id } => self.delete(db, endpoint, *id).map(Outcome::Deleted),
            })
            .collect::<rusqlite::Result<_>>()?;
        db.prepare_cached("COMMIT")?.execute([])?;
        Ok(outcomes)
    }

    /// Settles what is still held of a table that is emptied.
    fn turn_over(&mut self, db: &Connection) -> rusqlite::Result<()> {
        for (position, event) in &self.plan.moved {
            insert(db, *position, event, None)?;
            self.given.settled = self.given.settled.max(Some(event.id));
        }
        for (table, _) in self.plan.empty.iter().enumerate().filter(|(_, empty)| **empty) {
            db.prepare_cached(EMPTY[table])?.execute([])?;
        }
        Ok(())
    }

    fn append(&mut self, db: &Connection, event: &Arc<StoredEvent>) -> rusqlite::Result<Result<u64, InboxError>> {
        let known = self.shared.recent().position(event.id);
        let known = match known {
            None if self.given.settled >= Some(event.id) => position(db, event.id)?,
            known => known,
        };
        if let Some(position) = known {
            return Ok(Ok(position));
        }
        let size = event.size();
        if let Err(full) = self.shared.accounts().add(&self.shared.limits, &event.endpoint, size) {
            return Ok(Err(full));
        }
        self.counted.push(Counted::Added(event.endpoint.clone(), size));
        self.given.last += 1;
        let position = self.given.last;
        if size > recent::LARGEST {
            insert(db, position, event, None)?;
            self.given.settled = self.given.settled.max(Some(event.id));
        } else {
            self.shared.recent().stage(self.plan, position, event);
            self.staged.push(Staged { id: event.id, position, bytes: size });
            add(db, self.plan.current, position, event)?;
        }
        Ok(Ok(position))
    }

    fn delete(&mut self, db: &Connection, endpoint: &EndpointName, id: EventId) -> rusqlite::Result<Option<i64>> {
        let removed = self.shared.recent().remove(endpoint, id);
        if let Removed::Written(size) | Removed::Staged(size) = removed {
            self.shared.accounts().remove(endpoint, size);
            if matches!(removed, Removed::Staged(_)) {
                self.counted.push(Counted::Removed(endpoint.clone(), size));
            }
            return Ok(None);
        }
        let mut query =
            db.prepare_cached("SELECT position, size, chunks FROM settled WHERE id = ?1 AND endpoint = ?2")?;
        let row = query.query_row(params![id.to_string(), endpoint.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?))
        });
        let Some((position, size, chunks)) = row.optional()? else { return Ok(None) };
        // By its key: for any other statement SQLite copies each page first, to be able to take it back.
        db.prepare_cached("DELETE FROM settled WHERE position = ?1")?.execute([position])?;
        let size = size.unsigned_abs();
        self.shared.accounts().remove(endpoint, size);
        self.counted.push(Counted::Removed(endpoint.clone(), size));
        Ok(chunks)
    }

    fn uncount(&mut self) {
        let mut accounts = self.shared.accounts();
        for counted in self.counted.drain(..).rev() {
            match counted {
                Counted::Added(endpoint, size) => accounts.remove(&endpoint, size),
                Counted::Removed(endpoint, size) => accounts.restore(&endpoint, size),
            }
        }
    }
}

/// Settles what the last run left in the tables of recent events.
pub(super) fn settle(db: &mut Connection) -> rusqlite::Result<()> {
    let step = db.transaction()?;
    // One id is one event: of two rows with it, the first was let go.
    step.execute_batch(
        "INSERT OR REPLACE INTO settled (position, id, endpoint, size, head, body)
            SELECT position, id, endpoint, size, head, body
            FROM (SELECT * FROM recent_0 UNION ALL SELECT * FROM recent_1) AS recent
            WHERE NOT EXISTS (SELECT 1 FROM settled WHERE id = recent.id AND position > recent.position)
            ORDER BY position;
         DELETE FROM recent_0;
         DELETE FROM recent_1;",
    )?;
    step.commit()
}

/// Where a settled event is, if it is.
pub(super) fn position(db: &Connection, id: EventId) -> rusqlite::Result<Option<u64>> {
    let mut query = db.prepare_cached("SELECT position FROM settled WHERE id = ?1")?;
    let position: Option<i64> = query.query_row([id.to_string()], |row| row.get(0)).optional()?;
    Ok(position.map(i64::unsigned_abs))
}

/// Adds the row of a settled event, whose body is in these chunks or in memory.
pub(super) fn insert(db: &Connection, position: u64, event: &StoredEvent, chunks: Option<i64>) -> rusqlite::Result<()> {
    let body = Value::of(match &event.body {
        Body::Memory(bytes) if chunks.is_none() => Some(bytes.as_ref()),
        _ => None,
    });
    let mut query = db.prepare_cached(
        "INSERT INTO settled (position, id, endpoint, size, chunks, head, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let (id, head) = (event.id.to_string(), event.head.as_ref());
    query.execute(params![signed(position), id, event.endpoint.as_str(), signed(event.size()), chunks, head, body])?;
    body.fill(db, "settled", "body", signed(position))
}

/// Adds the row of a recent event.
fn add(db: &Connection, table: usize, position: u64, event: &StoredEvent) -> rusqlite::Result<()> {
    const ADD: [&str; recent::TABLES] = [
        "INSERT INTO recent_0 (position, id, endpoint, size, head, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        "INSERT INTO recent_1 (position, id, endpoint, size, head, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    ];
    let body = match &event.body {
        Body::Memory(bytes) => bytes.as_ref(),
        Body::Spooled(_) => return Err(rusqlite::Error::InvalidQuery),
    };
    let (id, head) = (event.id.to_string(), event.head.as_ref());
    db.prepare_cached(ADD[table])?.execute(params![
        signed(position),
        id,
        event.endpoint.as_str(),
        signed(event.size()),
        head,
        body
    ])?;
    Ok(())
}

/// Without a condition SQLite frees all pages at once, and writes none of them.
const EMPTY: [&str; recent::TABLES] = ["DELETE FROM recent_0", "DELETE FROM recent_1"];
