//! What a relay knows for good besides events: its tokens, and who owns which endpoint.

#[cfg(test)]
mod tests;
mod token;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hook_proto::{EndpointName, Settings};
use prost::Message as _;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};

pub use crate::database::OpenError;
use crate::database::{self, Format};
pub use token::{NewToken, Token, TokenId};

const FORMAT: Format = Format {
    file: "relay.db",
    migrations: &[
        "
        CREATE TABLE tokens (
            -- Never given twice, since endpoints remember it.
            id         INTEGER PRIMARY KEY AUTOINCREMENT,
            name       TEXT NOT NULL,
            hash       BLOB NOT NULL UNIQUE,
            created_at INTEGER NOT NULL,
            revoked_at INTEGER
        ) STRICT;
        CREATE UNIQUE INDEX token_names ON tokens (name) WHERE revoked_at IS NULL;
        CREATE TABLE endpoints (
            name       TEXT PRIMARY KEY,
            owner      INTEGER NOT NULL,
            epoch      INTEGER NOT NULL,
            settings   BLOB NOT NULL,
            created_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
    ",
        "
        -- The run that took the endpoint last.
        ALTER TABLE endpoints ADD COLUMN holder TEXT;
        ALTER TABLE endpoints ADD COLUMN holder_label TEXT;
        ALTER TABLE endpoints ADD COLUMN held_since INTEGER;
    ",
    ],
};

/// The tokens and endpoints of a relay, in `relay.db`. Other processes may use the same file at the same time.
///
/// Calls wait for the disk, for a few milliseconds as a rule.
pub struct Registry {
    state: Mutex<State>,
}

struct State {
    db: Connection,
    /// What [`Registry::changed`] saw last.
    seen: i64,
    /// Why nothing is written or read any more.
    broken: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct EndpointRow {
    pub name: EndpointName,
    pub owner: TokenId,
    pub epoch: u64,
    pub settings: Settings,
    pub created_at: u64,
}

/// The run that wants an endpoint.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run<'a> {
    pub instance: &'a str,
    pub label: &'a str,
    /// The epoch in which it held the endpoint last; 0: it never did, so it takes over.
    pub held: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// 1 when the endpoint is new.
    pub epoch: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("a token's name is 1 to 64 characters, none of them a control character")]
    BadTokenName,
    #[error("there is a token named {0:?} already; choose another name or revoke that one")]
    TokenNameTaken(String),
    #[error("no valid token has the id or a name beginning with {0:?}; nothing was revoked")]
    NoSuchToken(String),
    #[error(
        "several tokens have names beginning with {which:?} ({names}); nothing was revoked: give the whole name or the id"
    )]
    AmbiguousToken { which: String, names: String },
    #[error("the relay's database could not be used: {0}")]
    Sqlite(rusqlite::Error),
    #[error("the relay's database failed ({0}); what was written before is kept, restart the relay")]
    Broken(String),
}

#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error("the name belongs to another token")]
    OwnedByAnother,
    #[error("{by} took the endpoint over")]
    Superseded { by: String, at: u64 },
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

type Result<T> = std::result::Result<T, RegistryError>;

impl Registry {
    /// Opens `relay.db` in `dir`, or creates both.
    pub fn open(dir: &Path) -> std::result::Result<Self, OpenError> {
        let db = database::open(dir, &FORMAT)?;
        Self::new(db).map_err(|source| OpenError::sqlite(&dir.join(FORMAT.file), source))
    }

    /// For a relay that forgets its endpoints when it ends.
    pub fn in_memory() -> Result<Self> {
        database::open_in_memory(&FORMAT).and_then(Self::new).map_err(RegistryError::Sqlite)
    }

    fn new(db: Connection) -> rusqlite::Result<Self> {
        let seen = data_version(&db)?;
        Ok(Self { state: Mutex::new(State { db, seen, broken: None }) })
    }

    /// Makes a token of 32 random bytes. Only its hash is kept, so its secret is known here and never again.
    pub fn create_token(&self, name: &str, now_ms: u64, random: [u8; 32]) -> Result<NewToken> {
        if !(1..=64).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(RegistryError::BadTokenName);
        }
        let secret = token::secret(random);
        let insert = "INSERT INTO tokens (name, hash, created_at) VALUES (?1, ?2, ?3)";
        let inserted = self.with(|db| {
            let hash = token::hash(&secret);
            match db.execute(insert, params![name, hash, signed(now_ms)]) {
                Ok(_) => Ok(Some(TokenId::from_row(db.last_insert_rowid()))),
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(None),
                Err(error) => Err(error),
            }
        })?;
        let id = inserted.ok_or_else(|| RegistryError::TokenNameTaken(name.to_owned()))?;
        Ok(NewToken { id, secret })
    }

    /// All tokens, revoked ones too, oldest first.
    pub fn list_tokens(&self) -> Result<Vec<Token>> {
        self.with(|db| token::all(db, "TRUE"))
    }

    /// Revokes the one token that has this id, this name, or a name that begins so.
    pub fn revoke_token(&self, which: &str, now_ms: u64) -> Result<Token> {
        let valid = self.with(|db| token::all(db, "revoked_at IS NULL"))?;
        let mut token = token::find(valid, which)?;
        token.revoked_at = Some(now_ms);
        let update = "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
        self.with(|db| db.execute(update, params![token.id.to_row(), signed(now_ms)]))?;
        Ok(token)
    }

    /// Whose secret this is, unless it was revoked.
    pub fn authenticate(&self, secret: &str) -> Result<Option<TokenId>> {
        let hash = token::hash(secret);
        self.with(|db| token::holder(db, &hash))
    }

    /// Whether this relay asks for tokens: once it had one, for ever, or revoking the last one would open it to everybody.
    pub fn any_token(&self) -> Result<bool> {
        self.with(|db| db.query_row("SELECT EXISTS (SELECT 1 FROM tokens)", [], |row| row.get(0)))
    }

    /// Takes an endpoint for its owner: creates it, or raises its epoch. The settings replace those that were stored.
    ///
    /// A run that lost its place does not take it back by reconnecting: another one holds it in a later epoch.
    pub fn claim(
        &self,
        name: &EndpointName,
        owner: TokenId,
        settings: Settings,
        run: Run<'_>,
        now_ms: u64,
    ) -> std::result::Result<Claimed, ClaimError> {
        let owner = owner.to_row();
        if run.held > 0
            && let Some((by, at)) = self.with(|db| superseded(db, name, owner, run))?
        {
            return Err(ClaimError::Superseded { by, at });
        }
        let epoch = self.with(|db| {
            let mut query = db.prepare_cached(
                "INSERT INTO endpoints (name, owner, epoch, settings, created_at, holder, holder_label, held_since)
                 VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?4)
                 ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1, settings = excluded.settings,
                     holder_label = excluded.holder_label, holder = excluded.holder,
                     held_since = iif(holder IS excluded.holder, held_since, excluded.held_since)
                 WHERE owner = excluded.owner RETURNING epoch",
            )?;
            let settings = settings.encode_to_vec();
            let values = params![name.as_str(), owner, settings, signed(now_ms), run.instance, run.label];
            query.query_row(values, |row| row.get::<_, i64>(0)).optional()
        })?;
        let epoch = epoch.ok_or(ClaimError::OwnedByAnother)?.unsigned_abs();
        Ok(Claimed { epoch })
    }

    pub fn endpoint(&self, name: &EndpointName) -> Result<Option<EndpointRow>> {
        self.with(|db| {
            let mut query = db.prepare_cached(&format!("SELECT {ENDPOINT_COLUMNS} FROM endpoints WHERE name = ?1"))?;
            query.query_row([name.as_str()], endpoint_row).optional()
        })
    }

    /// All endpoints, by name.
    pub fn list_endpoints(&self) -> Result<Vec<EndpointRow>> {
        self.with(|db| {
            let mut query = db.prepare_cached(&format!("SELECT {ENDPOINT_COLUMNS} FROM endpoints ORDER BY name"))?;
            query.query_map([], endpoint_row)?.collect()
        })
    }

    /// Whether another process changed something since this was last asked (or since the start).
    pub fn changed(&self) -> Result<bool> {
        let now = self.with(data_version)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::replace(&mut state.seen, now) != now)
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &state.broken {
            return Err(RegistryError::Broken(why.clone()));
        }
        work(&state.db).map_err(|error| match error.sqlite_error_code() {
            // After a failed fsync the next one may lie.
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                let why = error.to_string();
                tracing::error!(why, "the relay's database failed");
                state.broken = Some(why.clone());
                RegistryError::Broken(why)
            }
            _ => RegistryError::Sqlite(error),
        })
    }
}

/// Who holds the endpoint instead, and since when.
fn superseded(
    db: &Connection,
    name: &EndpointName,
    owner: i64,
    run: Run<'_>,
) -> rusqlite::Result<Option<(String, u64)>> {
    let mut query = db.prepare_cached(
        "SELECT holder_label, held_since FROM endpoints
         WHERE name = ?1 AND owner = ?2 AND epoch > ?3 AND holder <> ?4",
    )?;
    let values = params![name.as_str(), owner, signed(run.held), run.instance];
    query.query_row(values, |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))).optional()
}

const ENDPOINT_COLUMNS: &str = "name, owner, epoch, settings, created_at";

fn endpoint_row(row: &Row<'_>) -> rusqlite::Result<EndpointRow> {
    let bad = |column, kind, error| rusqlite::Error::FromSqlConversionFailure(column, kind, error);
    let name = row.get_ref(0)?.as_str()?.parse();
    let settings = Settings::decode(row.get_ref(3)?.as_blob()?);
    Ok(EndpointRow {
        name: name.map_err(|error: hook_proto::BadName| bad(0, rusqlite::types::Type::Text, error.into()))?,
        owner: TokenId::from_row(row.get(1)?),
        epoch: row.get::<_, i64>(2)?.unsigned_abs(),
        settings: settings.map_err(|error| bad(3, rusqlite::types::Type::Blob, error.into()))?,
        created_at: row.get::<_, i64>(4)?.unsigned_abs(),
    })
}

/// A number that changes when another connection commits.
fn data_version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "data_version", |row| row.get(0))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
