//! Answers reads, beside the writer. Large bodies are read by a thread of their own, so that they hold up nothing else.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use bytes::Bytes;
use hook_proto::{EndpointName, EventHead, EventId};
use prost::Message as _;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::shared::Shared;
use super::{parsed, signed};
use crate::body::{Body, Spooled};
use crate::inbox::pending::Answer;
use crate::inbox::{InboxError, StoredEvent};

type Loaded = Option<Arc<StoredEvent>>;

pub(super) enum Read {
    Next { endpoint: EndpointName, after: u64, limit: usize, answer: Answer<Vec<(u64, EventId)>> },
    Load { id: EventId, answer: Answer<Loaded> },
}

struct Chunks {
    body: i64,
    bytes: u64,
}

/// An event without its body, which is in chunks.
pub(super) struct LargeLoad {
    event: StoredEvent,
    chunks: Chunks,
    answer: Answer<Loaded>,
}

pub(super) struct Reader {
    db: Connection,
    shared: Arc<Shared>,
    large: Sender<LargeLoad>,
}

impl Reader {
    pub(super) fn new(db: Connection, shared: Arc<Shared>, large: Sender<LargeLoad>) -> Self {
        Self { db, shared, large }
    }

    pub(super) fn run(self, queue: &Receiver<Read>) {
        for read in queue {
            match (read, self.shared.broken()) {
                (Read::Next { answer, .. }, Some(broken)) => answer.give(Err(broken)),
                (Read::Load { answer, .. }, Some(broken)) => answer.give(Err(broken)),
                (Read::Next { endpoint, after, limit, answer }, None) => {
                    answer.give(self.next(&endpoint, after, limit).map_err(|error| judge(&self.shared, &error)));
                }
                (Read::Load { id, answer }, None) => self.load(id, answer),
            }
        }
    }

    fn next(&self, endpoint: &EndpointName, after: u64, limit: usize) -> rusqlite::Result<Vec<(u64, EventId)>> {
        // In this order: what is moved or deleted meanwhile is seen twice rather than not at all.
        let hidden = self.shared.hidden_at(endpoint);
        let recent = self.shared.recent().after(endpoint, after);
        let mut query = self.db.prepare_cached(
            "SELECT position, id FROM settled WHERE endpoint = ?1 AND position > ?2 ORDER BY position",
        )?;
        let mut rows = query.query(params![endpoint.as_str(), signed(after)])?;
        let mut page = Vec::new();
        while page.len() < limit {
            let Some(row) = rows.next()? else { break };
            let id = parsed(row.get_ref(1)?.as_str()?)?;
            if !hidden.contains(&id) {
                page.push((row.get::<_, i64>(0)?.unsigned_abs(), id));
            }
        }
        page.extend(recent.into_iter().filter(|(_, id)| !hidden.contains(id)));
        page.sort_unstable();
        page.dedup();
        page.truncate(limit);
        Ok(page)
    }

    fn load(&self, id: EventId, answer: Answer<Loaded>) {
        let hiding = self.shared.hiding(id);
        match self.row(id) {
            Ok(Some((event, _))) if hiding.contains(&event.endpoint) => answer.give(Ok(None)),
            Ok(Some((event, Some(chunks)))) => {
                // A thread that is gone drops the answer, and that answers.
                let _ = self.large.send(LargeLoad { event, chunks, answer });
            }
            Ok(Some((event, None))) => answer.give(Ok(Some(Arc::new(event)))),
            Ok(None) => answer.give(Ok(None)),
            Err(error) => answer.give(Err(judge(&self.shared, &error))),
        }
    }

    fn row(&self, id: EventId) -> rusqlite::Result<Option<(StoredEvent, Option<Chunks>)>> {
        let mut query =
            self.db.prepare_cached("SELECT endpoint, size, chunks, head, body FROM settled WHERE id = ?1")?;
        let row = query.query_row([id.to_string()], |row| {
            let endpoint = parsed(row.get_ref(0)?.as_str()?)?;
            let head = Bytes::from(row.get::<_, Vec<u8>>(3)?);
            let bytes = row.get::<_, i64>(1)?.unsigned_abs().saturating_sub(head.len() as u64);
            let chunks = row.get::<_, Option<i64>>(2)?.map(|body| Chunks { body, bytes });
            // A CLI would end its session for it.
            EventHead::decode(head.clone()).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Blob, Box::new(error))
            })?;
            let body = row.get::<_, Option<Vec<u8>>>(4)?.map_or_else(Body::empty, |bytes| Body::Memory(bytes.into()));
            Ok((StoredEvent { endpoint, id, head, body }, chunks))
        });
        row.optional()
    }
}

pub(super) struct LargeReader {
    db: Connection,
    shared: Arc<Shared>,
    spool_dir: Arc<Path>,
}

impl LargeReader {
    pub(super) fn new(db: Connection, shared: Arc<Shared>, spool_dir: Arc<Path>) -> Self {
        Self { db, shared, spool_dir }
    }

    pub(super) fn run(self, queue: &Receiver<LargeLoad>) {
        for LargeLoad { event, chunks, answer } in queue {
            answer.give(match self.shared.broken() {
                Some(broken) => Err(broken),
                None => self.load(event, &chunks),
            });
        }
    }

    fn load(&self, mut event: StoredEvent, chunks: &Chunks) -> Result<Loaded, InboxError> {
        let mut failed = None;
        // One chunk a query: a long transaction would keep the log from being emptied.
        let mut numbers = 0..;
        let pieces = std::iter::from_fn(|| match self.chunk(chunks.body, numbers.next()?) {
            Ok(piece) => piece.map(Ok),
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        let spooled = Spooled::collect(&self.spool_dir, pieces);
        if let Some(error) = failed {
            return Err(judge(&self.shared, &error));
        }
        let body = Body::Spooled(Arc::new(spooled.map_err(|error| InboxError::Unreadable(error.to_string().into()))?));
        if body.len() == chunks.bytes {
            event.body = body;
            return Ok(Some(Arc::new(event)));
        }
        // Deleted while it was read, if it was deleted.
        match super::transaction::position(&self.db, event.id) {
            Ok(None) => Ok(None),
            Ok(Some(_)) => Err(InboxError::Unreadable(format!("the body of {} is not whole", event.id).into())),
            Err(error) => Err(judge(&self.shared, &error)),
        }
    }

    fn chunk(&self, body: i64, n: i64) -> rusqlite::Result<Option<Vec<u8>>> {
        let mut query = self.db.prepare_cached("SELECT data FROM chunks WHERE body = ?1 AND n = ?2")?;
        query.query_row([body, n], |row| row.get(0)).optional()
    }
}

/// A row that makes no sense is one event's trouble; all else that SQLite says is judged as for a write.
fn judge(shared: &Shared, error: &rusqlite::Error) -> InboxError {
    match error.sqlite_error_code() {
        None | Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull) => {
            InboxError::Unreadable(error.to_string().into())
        }
        _ => shared.judge(error),
    }
}
