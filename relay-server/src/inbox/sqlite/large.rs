//! Bodies that are too large for one transaction: chunk after chunk, other work in between, and the event's row with the last one.

use std::collections::VecDeque;
use std::sync::Arc;

use hook_proto::{EndpointName, EventId};
use rusqlite::{Connection, MAIN_DB, TransactionBehavior, params};

use super::shared::Shared;
use super::{signed, transaction};
use crate::body::{Body, IN_MEMORY};
use crate::database;
use crate::inbox::pending::Answer;
use crate::inbox::{InboxError, StoredEvent};

/// The size of a chunk. All but the last one of a body have it.
const CHUNK: u64 = 1024 * 1024;
/// How much of a chunk is read from the body's file at once.
const PIECE: usize = 256 * 1024;
/// Only so many chunks together wait for the disk: the event's own commit makes all of them durable, but a long wait would be
/// one for small events too.
const SYNCED_AT_ONCE: i64 = 2;
/// How many chunks are removed in one transaction.
const REMOVED_AT_ONCE: i64 = 4;

pub(super) struct Large {
    /// The ones under way, which take turns.
    uploads: VecDeque<Upload>,
    /// Chunks without an event, to be removed: of deleted events, and of appends that were not finished.
    litter: VecDeque<i64>,
    last_body: i64,
    buffer: Vec<u8>,
}

struct Upload {
    event: Arc<StoredEvent>,
    answers: Vec<Answer<u64>>,
    body: i64,
    chunks: i64,
    written: u64,
}

pub(super) fn is_large(body: &Body) -> bool {
    matches!(body, Body::Spooled(_)) || body.len() > IN_MEMORY as u64
}

impl Large {
    /// Begins with what a crash left behind.
    pub(super) fn new(db: &Connection) -> rusqlite::Result<Self> {
        let last = "SELECT max(ifnull((SELECT max(body) FROM chunks), 0), ifnull((SELECT max(chunks) FROM events), 0))";
        let last_body = db.query_row(last, [], |row| row.get(0))?;
        let orphans = "SELECT DISTINCT body FROM chunks
            WHERE body NOT IN (SELECT chunks FROM events WHERE chunks IS NOT NULL)";
        let litter = db.prepare(orphans)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(Self { uploads: VecDeque::new(), litter, last_body, buffer: Vec::new() })
    }

    pub(super) fn uploading(&self) -> bool {
        !self.uploads.is_empty()
    }

    pub(super) fn littered(&self) -> bool {
        !self.litter.is_empty()
    }

    pub(super) fn is_uploading(&self, id: EventId) -> bool {
        self.uploads.iter().any(|upload| upload.event.id == id)
    }

    /// Begins to store an event, or waits together with who began it. Fails when the storage did.
    pub(super) fn begin(
        &mut self,
        db: &Connection,
        shared: &Shared,
        event: Arc<StoredEvent>,
        answer: Answer<u64>,
    ) -> Result<(), InboxError> {
        if let Some(upload) = self.uploads.iter_mut().find(|upload| upload.event.id == event.id) {
            upload.answers.push(answer);
            return Ok(());
        }
        match transaction::position(db, event.id) {
            Ok(None) => {}
            Ok(Some(position)) => {
                answer.give(Ok(position));
                return Ok(());
            }
            Err(error) => {
                let error = shared.judge(&error);
                answer.give(Err(error.clone()));
                return Err(error);
            }
        }
        if let Err(full) = shared.accounts().add(&shared.limits, &event.endpoint, event.size()) {
            answer.give(Err(full));
            return Ok(());
        }
        self.last_body += 1;
        self.uploads.push_back(Upload { event, answers: vec![answer], body: self.last_body, chunks: 0, written: 0 });
        Ok(())
    }

    /// Stops storing an event that was deleted meanwhile.
    pub(super) fn cancel(&mut self, shared: &Shared, last: &mut u64, endpoint: &EndpointName, id: EventId) {
        let found = self.uploads.iter().position(|up| up.event.id == id && up.event.endpoint == *endpoint);
        let Some(upload) = found.and_then(|index| self.uploads.remove(index)) else { return };
        // Stored and deleted, as far as anybody can see.
        *last += 1;
        self.end(shared, upload, &Ok(*last));
    }

    /// Writes one chunk of one event; tells how many bytes that were.
    pub(super) fn step(&mut self, db: &mut Connection, shared: &Shared, last: &mut u64) -> Result<u64, InboxError> {
        let Some(mut upload) = self.uploads.pop_front() else { return Ok(0) };
        let before = upload.written;
        match upload.write(db, shared, *last + 1, &mut self.buffer) {
            Ok(done) => {
                let bytes = upload.written - before;
                if done {
                    *last += 1;
                    upload.answers.drain(..).for_each(|answer| answer.give(Ok(*last)));
                } else {
                    self.uploads.push_back(upload);
                }
                Ok(bytes)
            }
            Err(error) => {
                self.end(shared, upload, &Err(error.clone()));
                Err(error)
            }
        }
    }

    /// Removes a few chunks that are nobody's.
    pub(super) fn tidy(&mut self, db: &mut Connection, shared: &Shared) -> Result<(), InboxError> {
        let Some(body) = self.litter.front() else { return Ok(()) };
        let removed = db
            .prepare_cached("DELETE FROM chunks WHERE rowid IN (SELECT rowid FROM chunks WHERE body = ?1 LIMIT ?2)")
            .and_then(|mut query| query.execute(params![body, REMOVED_AT_ONCE]))
            .map_err(|error| shared.judge(&error))?;
        if removed < REMOVED_AT_ONCE as usize {
            self.litter.pop_front();
        }
        Ok(())
    }

    pub(super) fn discard(&mut self, body: i64) {
        self.litter.push_back(body);
    }

    /// The storage failed: nothing that is under way will be stored.
    pub(super) fn refuse(&mut self, broken: &InboxError) {
        for answer in self.uploads.drain(..).flat_map(|upload| upload.answers) {
            answer.give(Err(broken.clone()));
        }
    }

    fn end(&mut self, shared: &Shared, upload: Upload, outcome: &Result<u64, InboxError>) {
        shared.accounts().remove(&upload.event.endpoint, upload.event.size());
        if upload.chunks > 0 {
            self.discard(upload.body);
        }
        upload.answers.into_iter().for_each(|answer| answer.give(outcome.clone()));
    }
}

impl Upload {
    /// Commits the next chunk, and the event with the last one; tells whether that was it.
    fn write(
        &mut self,
        db: &mut Connection,
        shared: &Shared,
        position: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, InboxError> {
        let failed = |error| shared.judge(&error);
        let size = (self.event.body.len() - self.written).min(CHUNK);
        let done = self.written + size == self.event.body.len();
        let waits = done || (self.chunks + 1) % SYNCED_AT_ONCE == 0;
        if !waits {
            database::sync_commits(db, false).map_err(failed)?;
        }
        let stored = self.store(db, shared, size, done.then_some(position), buffer);
        if !waits && let Err(error) = database::sync_commits(db, true) {
            // Nothing would be durable from here on.
            return Err(shared.poison(&error.to_string()));
        }
        stored?;
        self.chunks += 1;
        self.written += size;
        Ok(done)
    }

    fn store(
        &self,
        db: &mut Connection,
        shared: &Shared,
        size: u64,
        last: Option<u64>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), InboxError> {
        let failed = |error| shared.judge(&error);
        let unreadable = |error: std::io::Error| InboxError::Unreadable(error.to_string().into());
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        transaction
            .prepare_cached("INSERT INTO chunks (body, n, data) VALUES (?1, ?2, zeroblob(?3))")
            .and_then(|mut query| query.execute(params![self.body, self.chunks, signed(size)]))
            .map_err(failed)?;
        let row = transaction.last_insert_rowid();
        let mut blob = transaction.blob_open(MAIN_DB, "chunks", "data", row, false).map_err(failed)?;
        buffer.resize(PIECE, 0);
        let mut filled = 0;
        while filled < size {
            let most = usize::try_from(size - filled).unwrap_or(PIECE).min(PIECE);
            let count =
                self.event.body.read_blocking(self.written + filled, &mut buffer[..most]).map_err(unreadable)?;
            let at = usize::try_from(filled).unwrap_or(usize::MAX);
            blob.write_all_at(&buffer[..count], at).map_err(failed)?;
            filled += count as u64;
        }
        blob.close().map_err(failed)?;
        if let Some(position) = last {
            transaction::insert(&transaction, position, &self.event, Some(self.body)).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }
}
