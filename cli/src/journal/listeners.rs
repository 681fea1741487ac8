//! The running `hook listen` processes, and what a project's embedded relay was last time.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::owner;
use crate::lookup::Lookup;

/// One endpoint of a running `hook listen`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listener {
    pub owner: String,
    pub pid: u32,
    pub started_at: u64,
    pub project: String,
    /// The relay's public URL, or `embedded`.
    pub relay: String,
    pub endpoint: String,
    pub url: String,
    /// Its targets, one a line, each as `--forward-to` takes it.
    pub target: Option<String>,
    /// `connecting`, `live`, `reconnecting`.
    pub state: String,
    /// Where it looks for secrets.
    pub lookup: Lookup,
}

/// The name and port of a project's embedded relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    pub endpoint: String,
    pub port: u16,
}

pub fn put(connection: &Connection, listener: &Listener) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO listeners (owner, pid, started_at, project, relay, endpoint, url, target, state, lookup)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            listener.owner,
            listener.pid,
            listener.started_at,
            listener.project,
            listener.relay,
            listener.endpoint,
            listener.url,
            listener.target,
            listener.state,
            listener.lookup.to_text()
        ])
        .map(|_| ())
}

pub fn set_state(connection: &Connection, owner: &str, state: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE listeners SET state = ?2 WHERE owner = ?1")?
        .execute(params![owner, state])
        .map(|_| ())
}

pub fn remove(connection: &Connection, owner: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM listeners WHERE owner = ?1")?.execute([owner]).map(|_| ())
}

/// The listeners whose process lives; rows of dead ones are removed when the connection may write.
pub fn living(connection: &Connection, journal: &Path) -> rusqlite::Result<Vec<Listener>> {
    let all: Vec<Listener> = connection
        .prepare_cached(
            "SELECT owner, pid, started_at, project, relay, endpoint, url, target, state, lookup
             FROM listeners ORDER BY started_at",
        )?
        .query_map([], read)?
        .collect::<rusqlite::Result<_>>()?;
    let (living, dead): (Vec<_>, Vec<_>) = all.into_iter().partition(|l| owner::is_alive(journal, &l.owner));
    for gone in dead {
        let _ = remove(connection, &gone.owner);
    }
    Ok(living)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Listener> {
    Ok(Listener {
        owner: row.get(0)?,
        pid: row.get(1)?,
        started_at: row.get(2)?,
        project: row.get(3)?,
        relay: row.get(4)?,
        endpoint: row.get(5)?,
        url: row.get(6)?,
        target: row.get(7)?,
        state: row.get(8)?,
        lookup: Lookup::of_text(row.get_ref(9)?.as_str()?),
    })
}

/// `asked` is the name that was asked for, or empty.
pub fn remembered(connection: &Connection, project: &str, asked: &str) -> rusqlite::Result<Option<Remembered>> {
    connection
        .query_row("SELECT endpoint, port FROM remembered WHERE project = ?1 AND asked = ?2", [project, asked], |r| {
            Ok(Remembered { endpoint: r.get(0)?, port: r.get(1)? })
        })
        .optional()
}

pub fn remember(connection: &Connection, project: &str, asked: &str, what: &Remembered) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT OR REPLACE INTO remembered (project, asked, endpoint, port) VALUES (?1, ?2, ?3, ?4)",
            params![project, asked, what.endpoint, what.port],
        )
        .map(|_| ())
}
