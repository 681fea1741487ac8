//! One journal, many processes; and a journal that is not what it should be.

use std::os::unix::fs::PermissionsExt;

use hook_tests::{App, Hook, Load, post, wait_until};

#[test]
fn two_listeners_and_three_replays_share_a_journal() {
    let (hook, app, replayed) = (Hook::new(), App::new(), App::new());
    let listeners = ["one", "two"].map(|name| hook.listen(["--name", name, "--forward-to", &app.url()]));
    let loads = listeners.each_ref().map(|l| Load::start(&l.url(), 2));
    loads.iter().for_each(|l| l.until_promised(10));
    let (before, to) = (app.count(), replayed.url());
    for _ in 0..3 {
        let running: Vec<_> = (0..3).map(|_| hook.spawn(["replay", "1..5", "--to", &to, "--times", "2"])).collect();
        for replay in running {
            let output = replay.output().ended_with(0);
            assert!(!output.stderr.contains("locked"), "{}", output.stderr);
        }
    }
    loads.iter().for_each(|l| l.until_promised(10));
    let sent: usize = loads.map(|l| l.stop().iter().filter(|h| h.was_promised()).count()).iter().sum();
    assert!(app.count() > before && app.count() >= sent);
    assert_eq!(replayed.count(), 3 * 3 * 5 * 2);
    wait_until("all are kept", || hook.events().len() == sent);
    // Attempts of one event never share a number, whoever made them.
    let numbers: Vec<_> = hook.attempts("1").iter().map(|a| a["attempt"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=19).collect::<Vec<_>>());
    for listen in &listeners {
        assert!(!listen.stdout.text().contains("locked") && listen.stderr.text().is_empty());
    }
}

#[test]
fn a_journal_that_is_not_there_yet_is_made_by_whoever_comes_first() {
    for round in 0..10 {
        let hook = Hook::new();
        let args = |n: usize| {
            ["listen", "--name", ["a", "b", "c", "d"][n], "--until", "path:/never", "--timeout-after", "500ms"]
        };
        let all: Vec<_> = (0..4).map(|n| hook.spawn(args(n))).collect();
        for listen in all {
            // Timed out as told, and not for want of a journal.
            let output = listen.output();
            assert_eq!(output.code, Some(1), "round {round}: {}", output.stderr);
        }
    }
}

#[test]
fn a_journal_is_private() {
    let hook = Hook::new();
    let listen = hook.listen([] as [&str; 0]);
    post(&listen.url(), "{}");
    let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&hook.journal()), mode(hook.journal().parent().unwrap())), (0o600, 0o700));
    for file in std::fs::read_dir(hook.journal().parent().unwrap()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()) & 0o077, 0);
    }
}

/// Every command that opens the journal says what is wrong, exits 3, and leaves the file as it is.
#[track_caller]
fn assert_refused(hook: &Hook, words: &str) {
    let before = std::fs::read(hook.journal()).unwrap();
    for args in [vec!["events"], vec!["show", "last"], vec!["replay", "last"], vec!["listen"]] {
        let output = hook.run(&args).ended_with(3);
        assert!(output.stderr.starts_with("hook: ") && output.stderr.contains(words), "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(hook.journal().to_str().unwrap()), "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains("\nnext: ") && !output.stderr.contains("Usage"), "{args:?}: {}", output.stderr);
        assert_eq!(output.stdout, "", "{args:?}");
    }
    let json = hook.run(["listen", "--output", "json"]).ended_with(3);
    let error = &json.of_type("error")[0];
    assert_eq!((&error["fatal"], &error["code"]), (&true.into(), &"journal".into()));
    assert_ne!(hook.run(["doctor"]).code, Some(0));
    assert_eq!(std::fs::read(hook.journal()).unwrap(), before, "not a byte was changed");
}

fn with_one_event() -> Hook {
    let hook = Hook::new();
    let listen = hook.listen([] as [&str; 0]);
    post(&listen.url(), "{}");
    listen.event(1);
    listen.bye();
    // Everything into the one file.
    let journal = rusqlite::Connection::open(hook.journal()).unwrap();
    journal.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    hook
}

#[test]
fn a_journal_from_a_newer_version_is_not_touched() {
    let hook = with_one_event();
    let known: i64 = rusqlite::Connection::open(hook.journal())
        .unwrap()
        .pragma_query_value(None, "user_version", |r| r.get(0))
        .unwrap();
    rusqlite::Connection::open(hook.journal()).unwrap().pragma_update(None, "user_version", 999).unwrap();
    rusqlite::Connection::open(hook.journal())
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    assert_refused(&hook, "newer hook");
    rusqlite::Connection::open(hook.journal()).unwrap().pragma_update(None, "user_version", known).unwrap();
    assert_eq!(hook.events().len(), 1, "nothing was lost");
}

#[test]
fn a_file_that_is_no_journal_is_not_touched() {
    let hook = with_one_event();
    std::fs::write(hook.journal(), b"this was never a database, but it may be somebody's only copy\n".repeat(100))
        .unwrap();
    assert_refused(&hook, "damaged");
}

#[test]
fn a_damaged_journal_is_said_and_kept() {
    let hook = with_one_event();
    let mut bytes = std::fs::read(hook.journal()).unwrap();
    // The first page stays readable, so that it opens; what it points to does not.
    bytes[4096..].fill(0xa5);
    std::fs::write(hook.journal(), &bytes).unwrap();
    let output = hook.run(["events", "--all"]).ended_with(3);
    assert!(output.stderr.contains("damaged") && output.stderr.contains("next: "), "{}", output.stderr);
    hook.run(["listen"]).ended_with(3);
    assert!(hook.journal().is_file());
}

#[test]
fn a_journal_that_cannot_be_written_is_said() {
    let hook = Hook::new();
    // A directory in its place cannot be written by root either.
    std::fs::create_dir_all(hook.journal()).unwrap();
    let output = hook.run(["listen"]).ended_with(3);
    assert!(output.stderr.contains("could not be opened") && output.stderr.contains("next: "), "{}", output.stderr);
}

#[test]
fn another_journal_can_be_named() {
    let hook = Hook::new();
    let path = hook.home().join("elsewhere/mine.db");
    let listen = hook.listen(["--journal", path.to_str().unwrap()]);
    post(&listen.url(), "{}");
    listen.event(1);
    assert!(path.is_file() && !hook.journal().exists());
    let hook = hook.with_env("HOOK_JOURNAL", path.to_str().unwrap());
    assert_eq!(hook.events().len(), 1);
}

#[test]
fn a_list_is_of_this_project_when_it_has_endpoints() {
    let hook = Hook::new();
    let here = hook.listen([] as [&str; 0]);
    post(&format!("{}/here", here.url()), "{}");
    let other = hook.home().join("other");
    std::fs::create_dir(&other).unwrap();
    let mut there = hook.command(["listen", "--output", "json", "--timeout-after", "20s", "--until", "path:/there"]);
    there.current_dir(&other);
    let there = hook_tests::Listen::running(&mut there);
    post(&format!("{}/there", there.url()), "{}");
    assert_eq!(there.exit_code(), Some(0));
    let paths = |args: &[&str], dir: &std::path::Path| -> Vec<String> {
        let output = hook_tests::Process::start(
            hook.command([&["events", "--output", "json"], args].concat()).current_dir(dir),
            b"",
        )
        .output();
        output.of_type("event").iter().map(|e| e["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&[], hook.project()), ["/here"]);
    assert_eq!(paths(&[], &other), ["/there"]);
    assert_eq!(paths(&["--all"], &other), ["/there", "/here"]);
    assert_eq!(paths(&[], hook.home()), ["/there", "/here"], "a directory without endpoints sees all");
}
