//! Reading events back.

use hook_proto::EventHead;
use prost::Message;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::State;
use super::duplicates::FIRST;
use crate::signature::Signature;

/// An event without its body.
#[derive(Debug, Clone)]
pub struct EventRow {
    pub seq: u64,
    pub id: String,
    pub origin: String,
    /// The id of the event that an edited one was made of.
    pub parent: Option<String>,
    pub project: String,
    pub relay: String,
    pub endpoint: String,
    pub head: EventHead,
    pub size: u64,
    pub sha256: Vec<u8>,
    pub content_type: Option<String>,
    pub state: State,
    pub queued: bool,
    pub target: Option<String>,
    pub provider: Option<String>,
    pub event_type: Option<String>,
    pub provider_event_id: Option<String>,
    pub verdict: Option<String>,
    /// What was found about its sender and signature; `None` when no provider was recognised.
    pub signature: Option<Box<Signature>>,
    /// The number of the first event that has the same id of the provider's.
    pub duplicate_of: Option<u64>,
    pub last_status: Option<u16>,
    pub last_error: Option<String>,
    pub last_ms: Option<u64>,
    pub attempts: u32,
}

impl EventRow {
    /// A provider asks it of an endpoint; it is about nothing that has happened.
    pub fn is_question(&self) -> bool {
        self.signature.as_ref().is_some_and(|signature| signature.question)
    }
}

/// Which events a command speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    All,
    Project(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    NewestFirst,
    OldestFirst,
}

/// A condition on events, in SQL with its own values.
#[derive(Debug, Clone)]
pub struct Condition {
    pub sql: String,
    pub values: Vec<Value>,
    /// There is an index of the columns that it compares.
    pub indexed: bool,
}

/// Narrows to the events that the app never got and still could.
pub const UNDELIVERED: &str = "state NOT IN ('ended', 'captured') AND state IN ('undelivered', 'held', 'owed')";

/// The statuses of the last answers to these events, of those that had one and it was whole.
pub fn last_answers(connection: &Connection, seqs: &[u64]) -> rusqlite::Result<Vec<(u64, u16)>> {
    let mut last = connection.prepare_cached("SELECT last_status FROM events WHERE seq = ?1 AND last_error IS NULL")?;
    let mut found = Vec::new();
    for seq in seqs {
        let status: Option<Option<u16>> = last.query_row([seq], |row| row.get(0)).optional()?;
        found.extend(status.flatten().map(|status| (*seq, status)));
    }
    Ok(found)
}

const FROM: &str = "FROM events JOIN contents USING (seq) LEFT JOIN signatures USING (seq)";
/// Fewer events than this are gathered by an index and put in order; of more, enough are met soon on the way through all.
const FEW: usize = 1000;

const COLUMNS: &str = "seq, id, origin, project, relay, endpoint, head, size, sha256, content_type, state, queued, target, \
    provider, event_type, provider_event_id, verdict, last_status, last_error, last_ms, attempts, received_at, signature, parent";

impl EventRow {
    /// Its provider never sends such a one again.
    pub fn is_sent_once(&self) -> bool {
        self.signature.as_ref().is_some_and(|s| s.once)
    }

    pub fn by_seq(connection: &Connection, seq: u64) -> rusqlite::Result<Option<Self>> {
        let sql = format!("SELECT {COLUMNS}, {FIRST} {FROM} WHERE seq = ?1");
        connection.prepare_cached(&sql)?.query_row([seq], read).optional()
    }

    /// Events whose id begins with a prefix, at most two: one is unique, two are not.
    pub fn by_id_prefix(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<Self>> {
        let sql = format!(
            "SELECT {COLUMNS}, {FIRST} {FROM} WHERE id >= ?1 AND id < ?1 || 'Z' || x'7f'
             AND (mirror = 0 OR NOT EXISTS (SELECT 1 FROM events e WHERE e.id = events.id AND e.mirror = 0)) LIMIT 2"
        );
        connection.prepare_cached(&sql)?.query_map([prefix], read)?.collect()
    }

    pub fn by_provider_id(connection: &Connection, id: &str) -> rusqlite::Result<Vec<Self>> {
        let sql = format!("SELECT {COLUMNS}, {FIRST} {FROM} WHERE provider_event_id = ?1 ORDER BY seq DESC LIMIT 1");
        connection.prepare_cached(&sql)?.query_map([id], read)?.collect()
    }

    /// A page of events beyond `after`, in order, that meet all conditions.
    pub fn page(
        connection: &Connection,
        scope: &Scope,
        order: Order,
        after: Option<u64>,
        conditions: &[Condition],
        limit: usize,
    ) -> rusqlite::Result<Vec<Self>> {
        let (compare, direction, start) = match order {
            Order::NewestFirst => ("<", "DESC", i64::MAX as u64),
            Order::OldestFirst => (">", "ASC", 0),
        };
        let mut few = None;
        for (i, condition) in conditions.iter().enumerate().filter(|(_, c)| c.indexed) {
            if condition.is_of_few(connection)? {
                few = Some(i);
                break;
            }
        }
        // Left to itself, SQLite would put all that an index finds in order, be it a million events.
        let index = match (few, scope) {
            (None, Scope::Project(_)) => "INDEXED BY events_project",
            _ => "NOT INDEXED",
        };
        let mut sql = format!(
            "SELECT {COLUMNS}, {FIRST} FROM events {index} JOIN contents USING (seq) LEFT JOIN signatures USING (seq) WHERE seq {compare} ?"
        );
        let mut values = vec![Value::from(after.unwrap_or(start) as i64)];
        if let Scope::Project(project) = scope {
            sql.push_str(" AND project = ?");
            values.push(Value::from(project.clone()));
        }
        for (i, condition) in conditions.iter().enumerate() {
            if few == Some(i) {
                sql.push_str(&format!(" AND seq IN (SELECT seq FROM events WHERE {})", condition.sql));
            } else {
                sql.push_str(&format!(" AND ({})", condition.sql));
            }
            values.extend(condition.values.iter().cloned());
        }
        sql.push_str(&format!(" ORDER BY seq {direction} LIMIT {limit}"));
        connection.prepare_cached(&sql)?.query_map(params_from_iter(values), read)?.collect()
    }

    /// The number of the n-th newest event of a scope, from 0.
    pub fn nth_newest(connection: &Connection, scope: &Scope, n: u64) -> rusqlite::Result<Option<u64>> {
        match scope {
            Scope::All => connection
                .query_row("SELECT seq FROM events ORDER BY seq DESC LIMIT 1 OFFSET ?1", [n], |r| r.get(0))
                .optional(),
            Scope::Project(project) => connection
                .query_row(
                    "SELECT seq FROM events WHERE project = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2",
                    rusqlite::params![project, n],
                    |r| r.get(0),
                )
                .optional(),
        }
    }

    /// What is owed at an endpoint, in order of arrival.
    pub fn owed(connection: &Connection, relay: &str, endpoint: &str) -> rusqlite::Result<Vec<Owed>> {
        connection
            .prepare_cached(
                "SELECT id, seq, state, head FROM events JOIN contents USING (seq)
                 WHERE state NOT IN ('ended', 'captured') AND state IN ('owed', 'retrying') AND relay = ?1 AND endpoint = ?2
                    AND mirror = 0 ORDER BY id",
            )?
            .query_map([relay, endpoint], |r| {
                let state: String = r.get(2)?;
                let head: Vec<u8> = r.get(3)?;
                let path = EventHead::decode(head.as_slice()).map(|h| h.path).unwrap_or_default();
                Ok(Owed { id: r.get(0)?, seq: r.get(1)?, state: State::parse(&state).unwrap_or(State::Owed), path })
            })?
            .collect()
    }
}

impl Condition {
    pub fn new(sql: impl Into<String>, values: Vec<Value>) -> Self {
        Self { sql: sql.into(), values, indexed: true }
    }

    fn is_of_few(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM events WHERE {} LIMIT {FEW})", self.sql);
        let found: usize = connection.prepare_cached(&sql)?.query_row(params_from_iter(&self.values), |r| r.get(0))?;
        Ok(found < FEW)
    }
}

/// An event that waits for its target.
#[derive(Debug, Clone)]
pub struct Owed {
    pub id: String,
    pub seq: u64,
    pub state: State,
    pub path: String,
}

/// Whether a project has events, so that `last` means its own.
pub fn has_events(connection: &Connection, project: &str) -> rusqlite::Result<bool> {
    connection
        .query_row("SELECT 1 FROM events WHERE project = ?1 LIMIT 1", [project], |_| Ok(()))
        .optional()
        .map(|row| row.is_some())
}

fn read(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let head: Vec<u8> = row.get(6)?;
    let mut head = EventHead::decode(head.as_slice())
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(6, rusqlite::types::Type::Blob, Box::new(e)))?;
    // The column is what is searched, so it is what counts.
    head.received_at = row.get(21)?;
    let state: String = row.get(10)?;
    let signature: Option<String> = row.get(22)?;
    Ok(EventRow {
        seq: row.get(0)?,
        id: row.get(1)?,
        origin: row.get(2)?,
        parent: row.get(23)?,
        project: row.get(3)?,
        relay: row.get(4)?,
        endpoint: row.get(5)?,
        head,
        size: row.get(7)?,
        sha256: row.get(8)?,
        content_type: row.get(9)?,
        // A word of a later format is nothing that this version has to do.
        state: State::parse(&state).unwrap_or(State::Ended),
        queued: row.get(11)?,
        target: row.get(12)?,
        provider: row.get(13)?,
        event_type: row.get(14)?,
        provider_event_id: row.get(15)?,
        verdict: row.get(16)?,
        signature: signature.and_then(|s| serde_json::from_str(&s).ok()),
        duplicate_of: row.get(24)?,
        last_status: row.get(17)?,
        last_error: row.get(18)?,
        last_ms: row.get(19)?,
        attempts: row.get(20)?,
    })
}

#[cfg(test)]
impl EventRow {
    pub fn for_test(seq: u64, method: &str, path: &str) -> Self {
        let head = EventHead {
            id: "01JD0000000000000000000000".into(),
            method: method.into(),
            path: path.into(),
            url: format!("http://127.0.0.1:4000/shop{path}"),
            ..EventHead::default()
        };
        Self {
            seq,
            id: head.id.clone(),
            origin: "captured".into(),
            parent: None,
            project: "/p".into(),
            relay: "embedded".into(),
            endpoint: "shop".into(),
            size: head.body_size,
            head,
            sha256: vec![0; 32],
            content_type: None,
            state: State::Owed,
            queued: false,
            target: None,
            provider: None,
            event_type: None,
            provider_event_id: None,
            verdict: None,
            signature: None,
            duplicate_of: None,
            last_status: None,
            last_error: None,
            last_ms: None,
            attempts: 0,
        }
    }
}
