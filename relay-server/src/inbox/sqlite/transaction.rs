//! Small appends and deletes, many in one transaction.

use std::sync::Arc;

use hook_proto::{EndpointName, EventId};
use prost::Message as _;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

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

/// A change of the accounts, to be taken back if the transaction is.
enum Counted {
    Added(EndpointName, u64),
    Removed(EndpointName, u64),
}

pub(super) struct Batch<'a> {
    shared: &'a Shared,
    last: &'a mut u64,
    counted: Vec<Counted>,
}

/// Does all of `commands` or, with an error, none.
pub(super) fn run(
    db: &mut Connection,
    shared: &Shared,
    last: &mut u64,
    commands: &[Command],
) -> Result<Vec<Outcome>, InboxError> {
    let mut batch = Batch { shared, last, counted: Vec::new() };
    let outcome = batch.commit(db, commands);
    match outcome {
        Ok(outcomes) => Ok(outcomes),
        Err(error) => {
            batch.uncount();
            let error = shared.judge(&error);
            // What could not even be rolled back would hold up everything behind it.
            if db.is_autocommit() { Err(error) } else { Err(shared.poison("a transaction could not be rolled back")) }
        }
    }
}

impl Batch<'_> {
    fn commit(&mut self, db: &mut Connection, commands: &[Command]) -> rusqlite::Result<Vec<Outcome>> {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcomes = commands
            .iter()
            .map(|command| match command {
                Command::Append { event, .. } => self.append(&transaction, event).map(Outcome::Appended),
                Command::Delete { endpoint, id } => self.delete(&transaction, endpoint, *id).map(Outcome::Deleted),
            })
            .collect::<rusqlite::Result<_>>()?;
        transaction.commit()?;
        Ok(outcomes)
    }

    fn append(&mut self, db: &Connection, event: &Arc<StoredEvent>) -> rusqlite::Result<Result<u64, InboxError>> {
        if let Some(position) = position(db, event.id)? {
            return Ok(Ok(position));
        }
        let size = event.size();
        if let Err(full) = self.shared.accounts().add(&self.shared.limits, &event.endpoint, size) {
            return Ok(Err(full));
        }
        self.counted.push(Counted::Added(event.endpoint.clone(), size));
        *self.last += 1;
        insert(db, *self.last, event, None)?;
        Ok(Ok(*self.last))
    }

    fn delete(&mut self, db: &Connection, endpoint: &EndpointName, id: EventId) -> rusqlite::Result<Option<i64>> {
        let mut query =
            db.prepare_cached("SELECT position, size, chunks FROM events WHERE id = ?1 AND endpoint = ?2")?;
        let row = query.query_row(params![id.to_string(), endpoint.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?))
        });
        let Some((position, size, chunks)) = row.optional()? else { return Ok(None) };
        // By its key: for any other statement SQLite copies each page first, to be able to take it back.
        db.prepare_cached("DELETE FROM events WHERE position = ?1")?.execute([position])?;
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

/// Where an event is, if it is.
pub(super) fn position(db: &Connection, id: EventId) -> rusqlite::Result<Option<u64>> {
    let mut query = db.prepare_cached("SELECT position FROM events WHERE id = ?1")?;
    let position: Option<i64> = query.query_row([id.to_string()], |row| row.get(0)).optional()?;
    Ok(position.map(i64::unsigned_abs))
}

/// Adds the row of an event whose body is in these chunks, or in memory.
pub(super) fn insert(db: &Connection, position: u64, event: &StoredEvent, chunks: Option<i64>) -> rusqlite::Result<()> {
    let body = Value::of(match &event.body {
        Body::Memory(bytes) if chunks.is_none() => Some(bytes.as_ref()),
        _ => None,
    });
    let mut query = db.prepare_cached(
        "INSERT INTO events (position, id, endpoint, size, chunks, head, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let (id, head) = (event.id.to_string(), event.head.encode_to_vec());
    query.execute(params![signed(position), id, event.endpoint.as_str(), signed(event.size()), chunks, head, body])?;
    body.fill(db, "events", "body", signed(position))
}
