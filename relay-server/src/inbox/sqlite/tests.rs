use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use super::{FORMAT, SqliteInbox, lock};
use crate::body::Body;
use crate::database::{self, Format};
use crate::inbox::contract::{assert_same, bytes_of, contract, event, event_of, event_with, id, ids, name, wait};
use crate::inbox::{Inbox, InboxError, Limits, OpenError, Usage};

contract!(|dir, limits| Box::new(SqliteInbox::open(dir, dir.into(), limits).unwrap()));

fn open(dir: &Path) -> Result<SqliteInbox, OpenError> {
    SqliteInbox::open(dir, dir.into(), Limits::default())
}

/// A connection that knows nothing of the relay's rules.
fn stranger(dir: &Path) -> Connection {
    Connection::open(dir.join("inbox.db")).unwrap()
}

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (small, large) = (event("shop", 1), event_of(dir.path(), "shop", 2, 2_500_000));
    let inbox = open(dir.path()).unwrap();
    let positions = [&small, &large].map(|event| wait(inbox.append(Arc::clone(event))).unwrap());
    wait(inbox.append(event("shop", 3))).unwrap();
    inbox.delete(&name("shop"), id(3));
    drop(inbox);

    let inbox = open(dir.path()).unwrap();
    assert_eq!(wait(inbox.next(&name("shop"), 0, 9)).unwrap(), [(positions[0], id(1)), (positions[1], id(2))]);
    assert_same(&wait(inbox.load(id(1))).unwrap().unwrap(), &small);
    assert_same(&wait(inbox.load(id(2))).unwrap().unwrap(), &large);
    assert_eq!(inbox.usage(&name("shop")), Usage { events: 2, bytes: small.size() + large.size() });
    assert_eq!(wait(inbox.append(small)), Ok(positions[0]), "one id, one event, over restarts");
    assert!(wait(inbox.append(event("shop", 4))).unwrap() > positions[1]);
}

#[test]
fn what_a_kill_leaves_is_there_after_it_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path()).unwrap();
    let held: Vec<_> = (0..100).map(|n| event("shop", n)).collect();
    for pending in held.iter().map(|event| inbox.append(Arc::clone(event))).collect::<Vec<_>>() {
        wait(pending).unwrap();
    }
    (0..100).filter(|n| n % 3 == 0).for_each(|n| inbox.delete(&name("shop"), id(n)));
    wait(inbox.append(event("shop", 100))).unwrap();
    // As a kill would: what is in the files at some moment between two commits.
    let after = tempfile::tempdir().unwrap();
    let files = stranger(dir.path());
    files.execute_batch("BEGIN IMMEDIATE").unwrap();
    for file in ["inbox.db", "inbox.db-wal"] {
        fs::copy(dir.path().join(file), after.path().join(file)).unwrap();
    }
    files.execute_batch("COMMIT").unwrap();

    let again = open(after.path()).unwrap();
    let found = ids(&again, "shop");
    assert!(found.is_sorted_by(|a, b| a < b), "each once, and in order: {found:?}");
    assert!((0..=100).filter(|n| n % 3 != 0 || *n == 100).all(|n| found.contains(&id(n))), "{found:?}");
    held.iter().filter(|event| found.contains(&event.id)).for_each(|event| {
        assert_same(&wait(again.load(event.id)).unwrap().unwrap(), event);
    });
    assert_eq!(again.total().events, found.len() as u64);
}

#[test]
fn deletes_reach_the_file_without_an_append_behind_them() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path()).unwrap();
    let large = event_with("shop", 100, Body::Memory(vec![1; 100_000].into()));
    for event in (0..20).map(|n| event("shop", n)).chain([large]) {
        wait(inbox.append(event)).unwrap();
    }
    let rows = |table| -> u64 {
        stranger(dir.path()).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    (1..20).chain([100]).for_each(|n| inbox.delete(&name("shop"), id(n)));
    let begun = Instant::now();
    while rows("events") > 1 || rows("settled") < 1 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} of {}", rows("settled"), rows("events"));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(ids(&inbox, "shop"), [id(0)], "what is still held is settled");
    assert_same(&wait(inbox.load(id(0))).unwrap().unwrap(), &event("shop", 0));
    inbox.delete(&name("shop"), id(0));
    assert_eq!(ids(&inbox, "shop"), []);
}

#[test]
fn a_file_of_the_first_version_is_read_on() {
    let dir = tempfile::tempdir().unwrap();
    let first = Format { file: FORMAT.file, migrations: &FORMAT.migrations[..1] };
    let db = database::open(dir.path(), &first).unwrap();
    let large = event_of(dir.path(), "shop", 3, 1_500_000);
    for (position, event) in [(4, event("shop", 1)), (6, event("other", 2)), (7, Arc::clone(&large))] {
        let whole = bytes_of(&event.body);
        let chunks = whole.len() > 1_000_000;
        let row = (position, event.id.to_string(), event.endpoint.as_str(), event.size(), event.head.to_vec());
        db.execute(
            "INSERT INTO events (position, id, endpoint, size, head, chunks, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![row.0, row.1, row.2, row.3, row.4, chunks.then_some(1), (!chunks).then_some(&whole)],
        )
        .unwrap();
        for (n, data) in whole.chunks(1024 * 1024).enumerate().filter(|_| chunks) {
            db.execute("INSERT INTO chunks (body, n, data) VALUES (1, ?1, ?2)", params![n, data]).unwrap();
        }
    }
    drop(db);

    let inbox = open(dir.path()).unwrap();
    assert_eq!(wait(inbox.next(&name("shop"), 0, 9)).unwrap(), [(4, id(1)), (7, id(3))]);
    assert_eq!(wait(inbox.append(event("shop", 1))), Ok(4), "it is known");
    assert_eq!(wait(inbox.append(event("shop", 5))), Ok(8));
    for event in [event("shop", 1), event("other", 2), large] {
        assert_same(&wait(inbox.load(event.id)).unwrap().unwrap(), &event);
        inbox.delete(&event.endpoint, event.id);
    }
    drop(inbox);
    assert_eq!(ids(&open(dir.path()).unwrap(), "shop"), [id(5)]);
}

#[test]
fn chunks_without_an_event_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let large = event_of(dir.path(), "shop", 1, 2_500_000);
    let inbox = open(dir.path()).unwrap();
    wait(inbox.append(Arc::clone(&large))).unwrap();
    drop(inbox);
    // What a crash half-way through an append leaves: seven chunks and no row.
    let db = stranger(dir.path());
    db.execute_batch(
        "WITH n AS (SELECT value FROM json_each('[0,1,2,3,4,5,6]')) INSERT INTO chunks SELECT 9, value, 'x00' FROM n",
    )
    .unwrap_err();
    db.execute_batch("INSERT INTO chunks SELECT 9, value, x'00' FROM json_each('[0,1,2,3,4,5,6]')").unwrap();
    drop(db);

    drop(open(dir.path()).unwrap());
    let left: Vec<i64> = {
        let db = stranger(dir.path());
        let mut query = db.prepare("SELECT DISTINCT body FROM chunks").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(left, [1]);
    let inbox = open(dir.path()).unwrap();
    assert_same(&wait(inbox.load(id(1))).unwrap().unwrap(), &large);
    inbox.delete(&name("shop"), id(1));
    drop(inbox);
    let chunks: i64 = stranger(dir.path()).query_row("SELECT count(*) FROM chunks", [], |row| row.get(0)).unwrap();
    assert_eq!(chunks, 0, "a deleted event leaves no chunks either");
}

#[test]
fn only_the_owner_can_read_any_of_it() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/hook-relay");
    let inbox = open(&dir).unwrap();
    wait(inbox.append(event("shop", 1))).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in fs::read_dir(&dir).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_second_relay_is_refused_until_the_first_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    let refused = open(dir.path()).err().unwrap();
    assert!(matches!(refused, OpenError::Locked { .. }));
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    drop(first);
    open(dir.path()).unwrap();
}

#[test]
fn a_file_of_a_newer_version_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    let file = dir.path().join("inbox.db");
    // In the file, and then only in the log beside it.
    for journal in ["DELETE", "WAL"] {
        let db = stranger(dir.path());
        db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        let _: String = db.pragma_update_and_check(None, "journal_mode", journal, |row| row.get(0)).unwrap();
        let version = if journal == "WAL" { 0 } else { 7 };
        db.pragma_update(None, "user_version", version).unwrap();
        if journal == "WAL" {
            let _: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
            db.pragma_update(None, "user_version", 7).unwrap();
        }
        drop(db);
        let log = dir.path().join("inbox.db-wal");
        let before = (fs::read(&file).unwrap(), fs::read(&log).ok());
        let refused = open(dir.path()).err().unwrap();
        assert!(matches!(refused, OpenError::Newer { found: 7, known: 2, .. }), "{refused}");
        assert!(before == (fs::read(&file).unwrap(), fs::read(&log).ok()), "{journal}");
    }
}

#[test]
fn what_is_damaged_or_not_ours_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("inbox.db");
    let refused = |before: &[u8]| {
        let refused = open(dir.path()).err().unwrap();
        assert!(fs::read(&file).unwrap() == before, "{refused}");
        refused
    };
    fs::write(&file, b"my shopping list").unwrap();
    assert!(matches!(refused(b"my shopping list"), OpenError::Corrupt { .. }));
    fs::remove_file(&file).unwrap();

    stranger(dir.path()).execute_batch("CREATE TABLE mine (a)").unwrap();
    assert!(matches!(refused(&fs::read(&file).unwrap()), OpenError::Foreign { .. }));
    fs::remove_file(&file).unwrap();

    let inbox = open(dir.path()).unwrap();
    for n in 0..50 {
        wait(inbox.append(event_with("shop", n, Body::Memory(vec![1; 20_000].into())))).unwrap();
    }
    drop(inbox);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xa5);
    fs::write(&file, &bytes).unwrap();
    assert!(matches!(refused(&bytes), OpenError::Corrupt { .. }));

    fs::remove_file(&file).unwrap();
    fs::write(dir.path().join("inbox.db-wal"), b"all that is left").unwrap();
    assert!(matches!(open(dir.path()).err().unwrap(), OpenError::Corrupt { .. }));
    assert!(dir.path().join("inbox.db-wal").exists() && !file.exists());
}

#[test]
fn after_a_failure_nothing_is_accepted_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path()).unwrap();
    wait(inbox.append(event("shop", 1))).unwrap();
    stranger(dir.path()).execute_batch("ALTER TABLE recent_0 RENAME TO gone").unwrap();
    let batch: Vec<_> = (2..9).map(|n| inbox.append(event("shop", n))).collect();
    for pending in batch {
        assert!(matches!(wait(pending), Err(InboxError::Broken(_))));
    }
    assert!(inbox.broken());
    stranger(dir.path()).execute_batch("ALTER TABLE gone RENAME TO recent_0").unwrap();
    assert!(matches!(wait(inbox.append(event("shop", 10))), Err(InboxError::Broken(_))), "for good");
    assert!(matches!(wait(inbox.next(&name("shop"), 0, 9)), Err(InboxError::Broken(_))));
    assert!(matches!(wait(inbox.load(id(1))), Err(InboxError::Broken(_))));
    assert_eq!(inbox.total().events, 1);
    drop(inbox);
    assert_eq!(ids(&open(dir.path()).unwrap(), "shop"), [id(1)], "what was accepted before is kept");
}

#[test]
fn a_full_disk_refuses_events_and_lets_deletes_through() {
    let dir = tempfile::tempdir().unwrap();
    let lock = lock(dir.path()).unwrap();
    let db = database::open(dir.path(), &FORMAT).unwrap();
    let _: i64 = db.pragma_update_and_check(None, "max_page_count", 500, |row| row.get(0)).unwrap();
    let inbox = SqliteInbox::start(db, lock, dir.path(), dir.path().into(), Limits::default()).unwrap();
    let append = |n| wait(inbox.append(event_with("shop", n, Body::Memory(vec![1; 100_000].into()))));

    let stored = (1..).find(|n| append(*n).is_err()).unwrap() - 1;
    assert!((5..=20).contains(&stored), "{stored}");
    assert!(matches!(append(90), Err(InboxError::Full(_))));
    let large = event_of(dir.path(), "shop", 91, 1_800_000);
    assert!(matches!(wait(inbox.append(large)), Err(InboxError::Full(_))));
    assert_eq!(ids(&inbox, "shop"), (1..=stored).map(id).collect::<Vec<_>>());
    assert_eq!((inbox.total().events, inbox.broken()), (stored, false));

    (1..=stored).for_each(|n| inbox.delete(&name("shop"), id(n)));
    let begun = Instant::now();
    while let Err(error) = append(92) {
        assert!(matches!(error, InboxError::Full(_)) && begun.elapsed() < Duration::from_secs(60), "{error}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(ids(&inbox, "shop"), [id(92)]);
    assert_eq!(inbox.total().events, 1);
}

#[test]
fn small_events_that_are_let_go_make_room_on_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let lock = lock(dir.path()).unwrap();
    let db = database::open(dir.path(), &FORMAT).unwrap();
    let _: i64 = db.pragma_update_and_check(None, "max_page_count", 100, |row| row.get(0)).unwrap();
    let inbox = SqliteInbox::start(db, lock, dir.path(), dir.path().into(), Limits::default()).unwrap();
    let append = |n| wait(inbox.append(event_with("shop", n, Body::Memory(vec![1; 3000].into()))));
    let stored = (1..).find(|n| append(*n).is_err()).unwrap() - 1;
    assert!((30..=90).contains(&stored), "{stored}");
    assert_eq!(ids(&inbox, "shop"), (1..=stored).map(id).collect::<Vec<_>>());
    assert_eq!((inbox.total().events, inbox.broken()), (stored, false));

    (1..=stored).for_each(|n| inbox.delete(&name("shop"), id(n)));
    let begun = Instant::now();
    for n in 1000..1020 {
        while let Err(error) = append(n) {
            assert!(matches!(error, InboxError::Full(_)) && begun.elapsed() < Duration::from_secs(60), "{error}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert_eq!(ids(&inbox, "shop"), (1000..1020).map(id).collect::<Vec<_>>());
}
