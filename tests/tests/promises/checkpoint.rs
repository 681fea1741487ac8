//! Checkpoints under pressure: readers that hold them up, and kills in the middle of one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hook_tests::{App, Heard, Hook, Listen, Load, Relay, wait_at_most, wait_until};
use rusqlite::{Connection, OpenFlags};

use crate::points::{Point, kill_the_cli_at, kill_the_relay_at};
use crate::stores::open_sound;

const MIB: u64 = 1024 * 1024;
/// No log gets longer, however busy its writer is; the relay's own bound is 64 MiB.
const LONGEST: u64 = 80 * MIB;

fn log_of(database: &Path) -> PathBuf {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn length(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |log| log.len())
}

/// What SQLite changes in a log's header whenever it begins to fill it anew.
fn generation(log: &Path) -> Option<[u8; 8]> {
    std::fs::read(log).ok()?.get(16..24)?.try_into().ok()
}

/// A reader that sees the database as it is now, so that no checkpoint can pass this point while it is there.
fn snapshot(database: &Path) -> Connection {
    let reader = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema; SELECT count(*) FROM events;").unwrap();
    reader
}

/// A reader comes back to its snapshot, and finds it as it was.
fn events_in(reader: &Connection) -> i64 {
    reader.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap()
}

fn listening(hook: &Hook, relay: &Relay, app: &App) -> Listen {
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
    listen.ready();
    listen
}

#[test]
fn readers_hold_up_checkpoints_and_nothing_else() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let _listen = listening(&hook, &relay, &app);
    let stores = [relay.data().join("inbox.db"), hook.journal()];
    let load = Load::plain(&relay.at("shop"), 8);
    load.until_promised(20);
    let readers = stores.each_ref().map(|s| snapshot(s));
    let seen = readers.each_ref().map(events_in);
    let logs = stores.each_ref().map(|s| log_of(s));
    // Thousands of events, which take a busy machine a while.
    wait_at_most(Duration::from_secs(300), "both logs outgrow a checkpoint", || {
        logs.iter().all(|log| length(log) > 8 * MIB).then_some(())
    });
    assert_eq!(readers.each_ref().map(events_in), seen, "a snapshot does not change");
    let generations = logs.each_ref().map(|log| generation(log));
    drop(readers);
    for (log, generation_before) in logs.iter().zip(generations) {
        wait_until(&format!("{} is filled anew", log.display()), || generation(log) != generation_before);
        assert!(length(log) < LONGEST, "{} has {} bytes", log.display(), length(log));
    }
    Heard::assert_promises_kept(&load.stop(), &hook, &app);
    for store in stores {
        open_sound(&store).unwrap().expect("it has events");
    }
}

#[test]
fn the_relay_is_killed_within_checkpoints() {
    kill_the_relay_at(&[1, 2, 7].map(|n| Point::in_checkpoint("inbox.db", n)));
}

#[test]
fn the_cli_is_killed_within_checkpoints() {
    kill_the_cli_at(&[1, 2, 7].map(|n| Point::in_checkpoint("journal.db", n)));
}

#[test]
#[ignore = "sixty kills"]
fn long_relay_and_cli_are_killed_within_checkpoints() {
    let points = |database| (1..=30).map(move |n| Point::in_checkpoint(database, n)).collect::<Vec<_>>();
    kill_the_relay_at(&points("inbox.db"));
    kill_the_cli_at(&points("journal.db"));
}
