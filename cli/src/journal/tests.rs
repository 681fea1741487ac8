use bytes::Bytes;
use hook_proto::{EventHead, HandOver, Header};

use super::*;

fn temp() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/journal.db");
    (dir, path)
}

fn event(id: u128, hand_over: HandOver, state: State) -> NewEvent {
    let head = EventHead {
        id: hook_proto::EventId::from_parts(1, id).to_string(),
        method: "POST".into(),
        headers: vec![Header::new("a", &b"\xff\x00"[..])],
        body_size: 2,
        ..EventHead::default()
    };
    NewEvent {
        head,
        body: Some(Bytes::from_static(b"hi")),
        sha256: [7; 32],
        origin: "captured",
        parent: None,
        project: "/p".into(),
        relay: "embedded".into(),
        endpoint: "shop".into(),
        target: Some("http://localhost:3000/".into()),
        state,
        hand_over,
        checked: Default::default(),
        dedupe: false,
    }
}

fn attempt(owner: &str) -> NewAttempt {
    NewAttempt { kind: Kind::Live, target: "http://localhost:3000/".into(), owner: owner.into(), started_at: 5 }
}

async fn state(journal: &Journal, seq: u64) -> State {
    journal.read(move |c| EventRow::by_seq(c, seq)).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_known_id_is_never_a_second_row() {
    let (_dir, path) = temp();
    let journal = Journal::open(&path).unwrap();
    let record = |hand_over| journal.write(move |c| record(c, &event(1, hand_over, State::Owed), Some(&attempt("me"))));
    let first = record(HandOver::Awaited).await.unwrap().0;
    assert_eq!(first, Recorded { seq: 1, handled: Handled::New { attempt: Some(1) }, duplicate: None });
    for again in [HandOver::Awaited, HandOver::Queued, HandOver::Given] {
        assert_eq!(
            record(again).await.unwrap().0,
            Recorded { seq: 1, handled: Handled::Known { owed: true }, duplicate: None }
        );
    }
    assert_eq!(
        journal.read(|c| c.query_row("SELECT count(*) FROM events", [], |r| r.get::<_, u64>(0))).await.unwrap(),
        1
    );
}

#[tokio::test]
async fn queued_makes_an_undelivered_event_owed_and_leaves_an_ended_one() {
    let (_dir, path) = temp();
    let journal = Journal::open(&path).unwrap();
    for (id, before, after) in [
        (1, State::Undelivered, Handled::OwedAgain),
        (2, State::Ended, Handled::Known { owed: false }),
        (3, State::Captured, Handled::Known { owed: false }),
    ] {
        let seq =
            journal.write(move |c| record(c, &event(id, HandOver::Awaited, State::Owed), None)).await.unwrap().0.seq;
        journal.write(move |c| settle(c, seq, before)).await.unwrap();
        let again = journal.write(move |c| record(c, &event(id, HandOver::Queued, State::Owed), None)).await.unwrap().0;
        assert_eq!(again.handled, after, "{before:?}");
    }
    assert_eq!(state(&journal, 1).await, State::Owed);
    assert_eq!(state(&journal, 2).await, State::Ended);
}

#[tokio::test]
async fn an_unknown_given_event_is_recorded_and_not_forwarded() {
    let (_dir, path) = temp();
    let journal = Journal::open(&path).unwrap();
    let change = |c: &rusqlite::Connection| record(c, &event(1, HandOver::Given, State::Owed), Some(&attempt("me")));
    assert_eq!(journal.write(change).await.unwrap().0.handled, Handled::New { attempt: None });
    assert_eq!(state(&journal, 1).await, State::Recorded);
}

#[tokio::test]
async fn an_attempt_of_a_dead_process_is_made_again_and_one_of_a_living_is_left_alone() {
    let (_dir, path) = temp();
    let journal = Journal::open(&path).unwrap();
    let other = Owner::register(&path).unwrap();
    let theirs = other.id.clone();
    let seq = journal
        .write(move |c| record(c, &event(1, HandOver::Awaited, State::Owed), Some(&attempt(&theirs))))
        .await
        .unwrap()
        .0
        .seq;
    let begin = |path: std::path::PathBuf| journal.write(move |c| begin_owed(c, &path, seq, &attempt("me")));
    assert_eq!(begin(path.clone()).await.unwrap().0, Turn::Busy);
    drop(other);
    assert_eq!(begin(path.clone()).await.unwrap().0, Turn::Begun(2));
    let end = AttemptEnd { status: Some(200), ..AttemptEnd::default() };
    journal.write(move |c| end_attempt(c, seq, 2, &attempt("me"), &end, Some(State::Ended))).await.unwrap();
    assert_eq!(begin(path).await.unwrap().0, Turn::Settled);
    let attempts = journal.read(move |c| attempts_of(c, seq)).await.unwrap();
    assert_eq!(
        attempts.iter().map(|a| a.ended_at.is_some()).collect::<Vec<_>>(),
        [false, true],
        "the unknown one stays unknown"
    );
}

#[tokio::test]
async fn an_attempt_that_is_taken_back_was_never_begun() {
    let (_dir, path) = temp();
    let journal = Journal::open(&path).unwrap();
    let me = Owner::register(&path).unwrap();
    let mine = attempt(&me.id);
    let change = move |c: &rusqlite::Connection| record(c, &event(1, HandOver::Awaited, State::Owed), Some(&mine));
    let seq = journal.write(change).await.unwrap().0.seq;
    let begin = |path: std::path::PathBuf| journal.write(move |c| begin_owed(c, &path, seq, &attempt("another")));
    assert_eq!(begin(path.clone()).await.unwrap().0, Turn::Busy);
    for _ in 0..2 {
        journal.write(move |c| withdraw_attempt(c, seq, 1)).await.unwrap();
    }
    assert_eq!(begin(path).await.unwrap().0, Turn::Begun(1));
    assert_eq!(journal.read(move |c| attempts_of(c, seq)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_commit_is_synced_when_somebody_asks() {
    let (_dir, path) = temp();
    let journal = Journal::open(&path).unwrap();
    let commit = journal.write(|c| record(c, &event(1, HandOver::Awaited, State::Owed), None)).await.unwrap().1;
    journal.want_sync();
    journal.synced().wait_for(|synced| *synced >= commit).await.unwrap();
}

#[tokio::test]
async fn one_change_that_fails_does_not_take_the_others_with_it() {
    let (_dir, path) = temp();
    let journal = Journal::open(&path).unwrap();
    let good = journal.write(|c| record(c, &event(1, HandOver::Awaited, State::Owed), None));
    let bad = journal.write(|c| c.execute("INSERT INTO nowhere VALUES (1)", []).map(|_| ()));
    let also_good = journal.write(|c| record(c, &event(2, HandOver::Awaited, State::Owed), None));
    assert!(good.await.is_ok());
    assert!(matches!(bad.await, Err(JournalError::Write { .. })));
    assert_eq!(also_good.await.unwrap().0.seq, 2);
}

#[test]
fn a_file_of_a_newer_hook_is_refused_and_not_touched() {
    let (_dir, path) = temp();
    drop(Journal::open(&path).unwrap());
    // Its threads end in their own time; whoever closes the file last takes the log with it.
    let (log, begun) = (path.with_extension("db-wal"), std::time::Instant::now());
    loop {
        let other = rusqlite::Connection::open(&path).unwrap();
        other.pragma_update(None, "user_version", 99).unwrap();
        drop(other);
        if !log.exists() {
            break;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "the journal does not end");
        std::thread::yield_now();
    }
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Newer { found: 99, known: 6, .. })));
    assert!(std::fs::read(&path).unwrap() == before);
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_not_touched() {
    let (_dir, path) = temp();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let garbage = b"this is not a database, and it is long enough to be looked at as one".repeat(100);
    std::fs::write(&path, &garbage).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Damaged { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

#[test]
fn the_journal_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, path) = temp();
    drop(Journal::open(&path).unwrap());
    let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}

#[tokio::test]
async fn old_settled_events_go_and_owed_ones_stay() {
    let (_dir, path) = temp();
    let journal = Journal::open(&path).unwrap();
    let day = 86_400_000;
    for (id, state, at) in [(1, State::Ended, 0), (2, State::Owed, 0), (3, State::Ended, 40 * day)] {
        let change = move |c: &rusqlite::Connection| {
            let mut new = event(id, HandOver::Awaited, state);
            new.head.received_at = at;
            record(c, &new, None)
        };
        journal.write(change).await.unwrap();
    }
    let prune = |now: u64, bytes: u64| journal.write(move |c| prune(c, now, KEEP_MS, bytes));
    assert_eq!(prune(0, KEEP_BYTES).await.unwrap().0, Pruned::ClockJumped);
    assert_eq!(prune(41 * day, KEEP_BYTES).await.unwrap().0, Pruned::Some(1));
    assert_eq!(prune(41 * day, KEEP_BYTES).await.unwrap().0, Pruned::Nothing);
    let left = journal
        .read(|c| {
            c.prepare("SELECT seq FROM events")?
                .query_map([], |r| r.get::<_, u64>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        })
        .await
        .unwrap();
    assert_eq!(left, [2, 3]);
    assert_eq!(prune(41 * day, 1).await.unwrap().0, Pruned::Nothing, "the newest stays");
    journal.write(|c| record(c, &event(4, HandOver::Awaited, State::Ended), None)).await.unwrap();
    assert_eq!(prune(41 * day, 1).await.unwrap().0, Pruned::Some(1), "over size");
}

#[tokio::test]
async fn a_file_of_an_older_hook_is_brought_up_to_date() {
    let (_dir, path) = temp();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("format/1.sql")).unwrap();
    old.execute_batch(
        "PRAGMA user_version = 1;
         INSERT INTO events (seq, id, origin, project, relay, endpoint, received_at, head, body, size, sha256, state, queued, mirror, attempts)
            VALUES (7, '01JD0000000000000000000000', 'captured', '/p', 'embedded', 'shop', 5, x'', x'6869', 2, x'07', 'owed', 1, 0, 2);
         INSERT INTO attempts (event, n, kind, target, owner, started_at, ended_at, status)
            VALUES (7, 1, 'live', 't', 'me', 1, 2, 503), (7, 2, 'backlog', 't', 'gone', 3, NULL, NULL);
         INSERT INTO event_parts VALUES ('01JD0000000000000000000009', 1, x'62'), ('01JD0000000000000000000009', 0, x'61');
         INSERT INTO attempt_parts VALUES (7, 1, 1, x'63');",
    )
    .unwrap();
    drop(old);
    let journal = Journal::open(&path).unwrap();
    let (row, body, attempts) = journal
        .read(|c| {
            let body = BodyKey::Event(7).read(c, 100)?;
            Ok((EventRow::by_seq(c, 7)?.unwrap(), body, attempts_of(c, 7)?))
        })
        .await
        .unwrap();
    assert_eq!((row.state, row.queued, row.attempts, body.as_slice()), (State::Owed, true, 2, &b"hi"[..]));
    let attempts: Vec<_> = attempts.iter().map(|a| (a.n, a.status, a.ended_at)).collect();
    assert_eq!(attempts, [(1, Some(503), Some(2)), (2, None, None)]);
    let parts = |c: &rusqlite::Connection| {
        let event = BodyKey::Parts("01JD0000000000000000000009".into()).read(c, 100)?;
        Ok((event, BodyKey::Attempt(7, 1).part(c, 1)?))
    };
    assert_eq!(journal.read(parts).await.unwrap(), (b"ab".to_vec(), Some(b"c".to_vec())));
    let place = path.clone();
    let turn = journal.write(move |c| begin_owed(c, &place, 7, &attempt("me"))).await.unwrap().0;
    assert_eq!(turn, Turn::Begun(3));
    let next = journal.write(|c| record(c, &event(1, HandOver::Awaited, State::Owed), None)).await.unwrap().0;
    assert_eq!(next.seq, 8);
}

#[tokio::test]
async fn a_large_body_comes_back_from_its_row_or_its_parts() {
    let (_dir, path) = temp();
    let journal = Journal::open(&path).unwrap();
    let bytes: Bytes = (0..PART as u32 + 5).map(|i| (i * 7 + (i >> 9)) as u8).collect();
    let whole = bytes.slice(..PART);
    let mut one = event(1, HandOver::Awaited, State::Owed);
    (one.head.body_size, one.body) = (PART as u64, Some(whole.clone()));
    let seq = journal.write(move |c| record(c, &one, None)).await.unwrap().0.seq;
    assert!(journal.read(move |c| BodyKey::Event(seq).read(c, usize::MAX)).await.unwrap() == whole);

    let mut two = event(2, HandOver::Awaited, State::Owed);
    (two.head.body_size, two.body) = (bytes.len() as u64, None);
    let id = two.head.id.clone();
    // A hand-over that broke off left something else.
    for (part, data) in [(0, Bytes::from_static(b"old")), (0, whole), (1, bytes.slice(PART..))] {
        let id = id.clone();
        journal.write(move |c| event_part(c, &id, part, &data)).await.unwrap();
    }
    let seq = journal.write(move |c| record(c, &two, None)).await.unwrap().0.seq;
    assert!(journal.read(move |c| BodyKey::Event(seq).read(c, usize::MAX)).await.unwrap() == bytes);
    // A known event keeps the parts that it has.
    journal.write(move |c| event_part(c, &id, 1, b"other")).await.unwrap();
    assert_eq!(journal.read(move |c| BodyKey::Event(seq).part(c, 1)).await.unwrap().unwrap(), bytes.slice(PART..));
}
