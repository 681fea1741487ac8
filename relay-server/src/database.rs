//! Opens the relay's SQLite files: what must be true of a file before anything is written to it, and what is said when it is not.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// Before this version two connections could damage a WAL.
const OLDEST_SQLITE: i32 = 3_051_003;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Where a database keeps its `user_version`, in big-endian.
const VERSION_OFFSET: usize = 60;

/// One kind of file. Its format version is the number of migrations that made it.
pub struct Format {
    pub file: &'static str,
    /// What takes a file of version `i` to `i + 1`. Never changed, only added to.
    pub migrations: &'static [&'static str],
}

/// Why a file was not opened. In every case it is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path} cannot be used: {source}; nothing was changed", path = .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is in use by another relay{by}; stop that one, or give this one another --data directory", path = .path.display())]
    Locked { path: PathBuf, by: String },
    #[error("{path} has format version {found}, and this program knows {known}: a newer hook wrote it; use that one (the file was not touched)", path = .path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("{path} is damaged: {detail}; it was kept as it is: restore a backup, or move it away to start with an empty one", path = .path.display())]
    Corrupt { path: PathBuf, detail: String },
    #[error("{path} is a database of something else; it was not touched: give another --data directory", path = .path.display())]
    Foreign { path: PathBuf },
    #[error("{path} can only be read: check its owner and that the file system is writable; it was kept as it is", path = .path.display())]
    ReadOnly { path: PathBuf },
    #[error("SQLite {found} is too old: 3.51.3 is the oldest that keeps a write-ahead log safe")]
    OldSqlite { found: &'static str },
    #[error("{path}: SQLite did not accept {setting}; without it nothing would be durable, so nothing was opened", path = .path.display())]
    Refused { path: PathBuf, setting: &'static str },
    #[error("{path} cannot be opened: {source}; it was kept as it is", path = .path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
}

impl OpenError {
    pub fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, detail: source.to_string() }
            }
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            _ => Self::Sqlite { path, source },
        }
    }
}

/// Opens a file of this format in `dir`, checked and brought up to date; creates both, for their owner alone, when they are missing.
pub fn open(dir: &Path, format: &Format) -> Result<Connection, OpenError> {
    let found = rusqlite::version_number();
    if found < OLDEST_SQLITE {
        return Err(OpenError::OldSqlite { found: rusqlite::version() });
    }
    create_dir(dir)?;
    let path = dir.join(format.file);
    let io = |source| OpenError::Io { path: path.clone(), source };

    // The header is read first because SQLite itself would already recover a log, and so write.
    let fresh = match header_version(&path).map_err(io)? {
        Header::Missing => true,
        Header::Other => {
            return Err(OpenError::Corrupt { path, detail: "it does not begin as a database does".into() });
        }
        Header::Version(version) => {
            check_version(&path, version, format)?;
            false
        }
    };
    if fresh {
        let log = dir.join(format!("{}-wal", format.file));
        // SQLite would delete a log without its database.
        if log.metadata().is_ok_and(|log| log.len() > 0) {
            let detail = format!("it is empty or missing, but its log {} is there", log.display());
            return Err(OpenError::Corrupt { path, detail });
        }
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
        sync_dir(dir).map_err(|source| OpenError::Io { path: dir.to_owned(), source })?;
    }

    let mut db = connect_unchecked(&path)?;
    let sqlite = |source| OpenError::sqlite(&path, source);
    if db.is_readonly("main").map_err(sqlite)? {
        return Err(OpenError::ReadOnly { path });
    }
    let version: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)?;
    check_version(&path, version, format)?;
    if version == 0 {
        let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sqlite)?;
        if tables > 0 {
            return Err(OpenError::Foreign { path });
        }
    }
    let detail: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sqlite)?;
    if detail != "ok" {
        return Err(OpenError::Corrupt { path, detail });
    }
    // What a backup or a copy made readable for others is made private again.
    let mode = path.metadata().map_err(io)?.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).map_err(io)?;
    }
    make_durable(&db, &path)?;
    migrate(&mut db, version, format).map_err(sqlite)?;
    Ok(db)
}

/// A database that is gone when it is closed.
pub fn open_in_memory(format: &Format) -> rusqlite::Result<Connection> {
    let mut db = Connection::open_in_memory()?;
    migrate(&mut db, 0, format)?;
    Ok(db)
}

/// Another connection to a file that [`open`] has opened.
pub fn connect(path: &Path) -> Result<Connection, OpenError> {
    let db = connect_unchecked(path)?;
    make_durable(&db, path)?;
    Ok(db)
}

/// Creates a directory that only its owner can enter; one that is there keeps its permissions.
pub fn create_dir(dir: &Path) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { path: dir.to_owned(), source };
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_dir(Path::new(".")).map_err(io),
        Some(parent) => sync_dir(parent).map_err(io),
        None => Ok(()),
    }
}

/// Makes the names in a directory as durable as what is in the files.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn connect_unchecked(path: &Path) -> Result<Connection, OpenError> {
    let sqlite = |source| OpenError::sqlite(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    // After a failed fsync a checkpoint would sync once more, be told that all is well, and throw the log away.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(sqlite)?;
    db.busy_timeout(Duration::from_secs(5)).map_err(sqlite)?;
    Ok(db)
}

/// Sets what durability rests on and reads it back, since SQLite ignores what it cannot do.
fn make_durable(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let sqlite = |source| OpenError::sqlite(path, source);
    let refused = |setting| OpenError::Refused { path: path.to_owned(), setting };
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(sqlite)?;
    if mode != "wal" {
        return Err(refused("journal_mode=WAL"));
    }
    db.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
    if db.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).map_err(sqlite)? != 2 {
        return Err(refused("synchronous=FULL"));
    }
    #[cfg(hook_sabotage)]
    if crate::sabotage::is("sync-normal") {
        db.pragma_update(None, "synchronous", "NORMAL").map_err(sqlite)?;
    }
    // A read error of a mapped file would be a signal, not an error.
    let mapped: i64 = db.pragma_update_and_check(None, "mmap_size", 0, |row| row.get(0)).map_err(sqlite)?;
    if mapped != 0 {
        return Err(refused("mmap_size=0"));
    }
    // Only macOS knows the difference: there a plain fsync stops at the drive's cache.
    db.pragma_update(None, "fullfsync", true).map_err(sqlite)?;
    db.pragma_update(None, "checkpoint_fullfsync", true).map_err(sqlite)
}

/// Whether each commit waits for the disk. One that does not is durable with the next one that does: the log is one file, and
/// what a checkpoint moves out of it, SQLite syncs.
pub fn sync_commits(db: &Connection, each: bool) -> rusqlite::Result<()> {
    #[cfg(hook_sabotage)]
    let each = each && !crate::sabotage::is("sync-normal");
    db.pragma_update(None, "synchronous", if each { "FULL" } else { "NORMAL" })
}

fn migrate(db: &mut Connection, from: u32, format: &Format) -> rusqlite::Result<()> {
    let known = version_of(format);
    if from == known {
        return Ok(());
    }
    let step = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let from: u32 = step.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for migration in format.migrations.iter().skip(from as usize) {
        step.execute_batch(migration)?;
    }
    step.pragma_update(None, "user_version", known.max(from))?;
    step.commit()
}

fn check_version(path: &Path, found: u32, format: &Format) -> Result<(), OpenError> {
    let known = version_of(format);
    if found > known { Err(OpenError::Newer { path: path.to_owned(), found, known }) } else { Ok(()) }
}

fn version_of(format: &Format) -> u32 {
    u32::try_from(format.migrations.len()).unwrap_or(u32::MAX)
}

enum Header {
    Missing,
    Other,
    Version(u32),
}

fn header_version(path: &Path) -> io::Result<Header> {
    let mut start = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut start)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Header::Missing),
        Err(error) => return Err(error),
    };
    if start.is_empty() {
        return Ok(Header::Missing);
    }
    let version = start.get(VERSION_OFFSET..VERSION_OFFSET + 4).and_then(|bytes| bytes.try_into().ok());
    match version {
        Some(version) if start.starts_with(MAGIC) => Ok(Header::Version(u32::from_be_bytes(version))),
        _ => Ok(Header::Other),
    }
}
