//! The journal's file: its format, whether it is whole, how long a commit takes to reach the disk, and whether locks hold.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{ELSEWHERE, Finding, Subject};
use crate::journal::{self, Journal, JournalError, Owner};
use crate::text;

/// Syncs that are timed; the one in the middle counts, because disks of busy machines have moments.
const TRIES: usize = 5;
/// Acks are meant to leave within 250 ms, and the relay holds what is not acked.
const LATE: Duration = Duration::from_millis(250);
/// A disk that takes longer makes senders wait.
const SLOW: Duration = Duration::from_secs(1);

/// The journal, for the checks that follow, when it can be used.
pub async fn check(subject: &Subject, tell: &mut dyn FnMut(Finding)) -> Option<Journal> {
    let path = &subject.journal;
    let journal = match Journal::open(path) {
        Ok(journal) => journal,
        Err(error) => {
            tell(unusable(&error));
            return None;
        }
    };
    match condition(&journal).await {
        Ok(found) => {
            let whole = found.damage.is_none();
            tell(whether_whole(path, &found));
            if !whole {
                return None;
            }
        }
        Err(error) => {
            tell(unusable(&error));
            return None;
        }
    }
    match timed_syncs(&journal).await {
        Ok(times) => tell(sync(path, &times)),
        Err(Unsynced::Journal(error)) => tell(Finding::bad("sync", error.to_string(), next(&error))),
        Err(Unsynced::Io(error)) => {
            let words = format!("{} cannot be synced: {}", path.display(), text::io(&error));
            tell(Finding::bad("sync", words, ELSEWHERE));
        }
    }
    tell(locks(path, told_apart(path)));
    Some(journal)
}

fn unusable(error: &JournalError) -> Finding {
    Finding::bad("journal", error.to_string(), next(error))
}

/// What to do about an error of the journal; that cannot be to ask the doctor.
pub fn next(error: &JournalError) -> String {
    match error {
        JournalError::Write { reason, .. } if reason.contains("disk is full") => {
            "free some room, or use another disk: hook … --journal PATH".to_owned()
        }
        JournalError::Write { .. } | JournalError::Read { .. } => ELSEWHERE.to_owned(),
        other => other.next(),
    }
}

/// What SQLite says of the file.
struct Condition {
    damage: Option<String>,
    format: u32,
    mode: String,
    /// The writer's own: 0 would mean that nothing is ever synced.
    synchronous: u32,
    bytes: u64,
}

async fn condition(journal: &Journal) -> Result<Condition, JournalError> {
    let pragma =
        |c: &rusqlite::Connection, name: &str| c.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, u32>(0));
    let synchronous = journal.write(move |c| pragma(c, "synchronous")).await?.0;
    journal
        .read(move |c| {
            let text = |sql: &str| c.query_row(sql, [], |r| r.get::<_, String>(0));
            let checked = text("PRAGMA quick_check(1)")?;
            Ok(Condition {
                damage: (checked != "ok").then_some(checked),
                format: pragma(c, "user_version")?,
                mode: text("PRAGMA journal_mode")?,
                synchronous,
                bytes: u64::from(pragma(c, "page_count")?) * u64::from(pragma(c, "page_size")?),
            })
        })
        .await
}

fn whether_whole(path: &Path, found: &Condition) -> Finding {
    let place = path.display();
    let finding = match found {
        Condition { damage: Some(damage), .. } => {
            Finding::bad("journal", format!("{place} is damaged: {damage}"), journal::keep_aside(path))
        }
        Condition { mode, .. } if mode != "wal" => Finding::bad(
            "journal",
            format!("{place} has no write-ahead log (its mode is {mode}), so a crash can take commits back"),
            ELSEWHERE,
        ),
        Condition { synchronous: 0, .. } => Finding::bad(
            "journal",
            format!("SQLite was told not to sync {place}, so a power cut can damage it"),
            "install hook anew",
        ),
        Condition { format, bytes, .. } => {
            Finding::good("journal", format!("{place} is whole (format {format}, {})", text::size(*bytes)))
        }
    };
    finding
        .fact("path", place.to_string())
        .fact("format", found.format)
        .fact("journal_mode", found.mode.as_str())
        .fact("synchronous", found.synchronous)
        .fact("bytes", found.bytes)
}

enum Unsynced {
    Journal(JournalError),
    Io(std::io::Error),
}

/// Commits that change nothing, and how long each takes until it would survive a power cut.
async fn timed_syncs(journal: &Journal) -> Result<Vec<Duration>, Unsynced> {
    let mut times = Vec::with_capacity(TRIES);
    for _ in 0..TRIES {
        // The format is written again as it is, so that there is something to sync.
        let same = |c: &rusqlite::Connection| {
            let format: i64 = c.query_row("PRAGMA user_version", [], |r| r.get(0))?;
            c.pragma_update(None, "user_version", format)
        };
        journal.write(same).await.map_err(Unsynced::Journal)?;
        times.push(sync_log(journal.path()).await.map_err(Unsynced::Io)?);
    }
    Ok(times)
}

async fn sync_log(journal: &Path) -> std::io::Result<Duration> {
    let mut log = journal.as_os_str().to_owned();
    log.push("-wal");
    let timed = move || {
        let begun = Instant::now();
        std::fs::File::open(PathBuf::from(log))?.sync_data()?;
        Ok(begun.elapsed())
    };
    tokio::task::spawn_blocking(timed).await.unwrap_or_else(|gone| Err(std::io::Error::other(gone)))
}

fn sync(path: &Path, times: &[Duration]) -> Finding {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let took = if usual < Duration::from_millis(1) { "under 1 ms".to_owned() } else { text::span(usual) };
    let place = path.display();
    let finding = if usual > SLOW {
        Finding::bad("sync", format!("an fsync of {place} takes {took}: senders and acks wait for it"), ELSEWHERE)
    } else if usual > LATE {
        Finding::doubt("sync", format!("an fsync of {place} takes {took}, so acks are late"), ELSEWHERE)
    } else {
        Finding::good("sync", format!("a commit reaches the disk ({took})"))
    };
    finding.fact("fsync_ms", (usual.as_secs_f64() * 1e6).round() / 1e3)
}

/// Whether this process is taken for a living one, and for a dead one once it lets go.
fn told_apart(path: &Path) -> std::io::Result<bool> {
    let owner = Owner::register(path)?;
    let id = owner.id.clone();
    let lives = journal::owner_is_alive(path, &id);
    drop(owner);
    Ok(lives && !journal::owner_is_alive(path, &id))
}

fn locks(path: &Path, told_apart: std::io::Result<bool>) -> Finding {
    let (finding, hold) = match told_apart {
        Ok(true) => (Finding::good("locks", "a hook that runs is told from one that died"), true),
        Ok(false) => (
            Finding::bad(
                "locks",
                format!(
                    "file locks do not hold beside {}: a hook that runs cannot be told from one that died, \
                     and events may be sent twice",
                    path.display()
                ),
                ELSEWHERE,
            ),
            false,
        ),
        Err(error) => (
            Finding::bad(
                "locks",
                format!("nothing can be locked beside {}: {}", path.display(), text::io(&error)),
                ELSEWHERE,
            ),
            false,
        ),
    };
    finding.fact("hold", hold)
}

#[cfg(test)]
pub mod tests {
    use super::super::State;
    use super::*;

    fn whole() -> Condition {
        Condition { damage: None, format: 2, mode: "wal".into(), synchronous: 1, bytes: 1_234_567 }
    }

    pub fn all() -> Vec<Finding> {
        let path = Path::new("/home/u/.local/share/hook/journal.db");
        let own = || path.to_owned();
        let damaged = || Condition { damage: Some("row 12 missing from index events_time".into()), ..whole() };
        let ms = Duration::from_millis;
        vec![
            unusable(&JournalError::Open { path: own(), reason: "permission denied".into() }),
            unusable(&JournalError::Newer { path: own(), found: 9, known: 2 }),
            unusable(&JournalError::Damaged { path: own(), reason: "file is not a database".into() }),
            unusable(&JournalError::Write { path: own(), reason: "the disk is full".into() }),
            unusable(&JournalError::Read { path: own(), reason: "disk I/O error".into() }),
            whether_whole(path, &whole()),
            whether_whole(Path::new("/home/u/my data/j.db"), &damaged()),
            whether_whole(path, &Condition { mode: "delete".into(), ..whole() }),
            whether_whole(path, &Condition { synchronous: 0, ..whole() }),
            sync(path, &[Duration::from_micros(180)]),
            sync(path, &[ms(1), ms(2), ms(3_000)]),
            sync(path, &[ms(400)]),
            sync(path, &[ms(3_000)]),
            locks(path, Ok(true)),
            locks(path, Ok(false)),
            locks(path, Err(std::io::Error::from_raw_os_error(rustix::io::Errno::NOLCK.raw_os_error()))),
        ]
    }

    #[test]
    fn the_sync_in_the_middle_counts() {
        let state =
            |ms: &[u64]| sync(Path::new("x"), &ms.iter().copied().map(Duration::from_millis).collect::<Vec<_>>()).state;
        assert_eq!(state(&[1, 1, 9_000, 9_000, 1]), State::Good);
        assert_eq!(state(&[1, 300, 300, 1, 300]), State::Doubt);
        assert_eq!(state(&[2_000, 1, 1_500, 1_200, 1]), State::Bad);
    }

    #[test]
    fn the_doctor_sends_nobody_to_the_doctor() {
        assert!(all().iter().filter_map(|f| f.next.as_deref()).all(|next| !next.contains("hook doctor")));
    }

    #[tokio::test]
    async fn a_commit_that_is_timed_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let subject = Subject { journal: dir.path().join("journal.db"), project: dir.path().to_owned() };
        let mut found = Vec::new();
        let journal = check(&subject, &mut |f| found.push(f)).await.unwrap();
        let before = std::fs::metadata(dir.path().join("journal.db-wal")).unwrap().len();
        assert!(timed_syncs(&journal).await.is_ok_and(|times| times.len() == TRIES));
        assert!(std::fs::metadata(dir.path().join("journal.db-wal")).unwrap().len() > before, "the log has grown");
        assert_eq!(found.iter().map(|f| f.check).collect::<Vec<_>>(), ["journal", "sync", "locks"]);
        let left: Vec<_> = std::fs::read_dir(dir.path().join("journal.db.owners")).unwrap().collect();
        assert!(left.is_empty(), "it leaves nothing behind: {left:?}");
    }
}
