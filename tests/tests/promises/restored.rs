//! A journal or a relay's data is deleted or replaced by an older copy: nothing that is still there is skipped.

use std::path::{Path, PathBuf};

use hook_tests::{Answer, App, Gate, Hook, Listen, Relay, Sender, post, wait_until};
use tempfile::TempDir;

fn listen(hook: &Hook, relay: &Relay, app: &App, more: &[&str]) -> Listen {
    let args = ["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()];
    let listen = hook.listen([args.as_slice(), more].concat());
    listen.ready();
    listen
}

fn send(relay: &Relay, path: &str) -> hook_tests::Response {
    post(&format!("{}{path}", relay.at("shop")), "{}")
}

fn paths(hook: &Hook) -> Vec<String> {
    hook.events().iter().map(|e| e["path"].as_str().unwrap().to_owned()).collect()
}

fn targets(app: &App, count: usize) -> Vec<String> {
    app.request(count);
    app.requests().iter().map(|r| r.target()).collect()
}

/// A directory as it was at one moment.
struct Copy {
    of: PathBuf,
    kept: TempDir,
}

impl Copy {
    fn of(dir: &Path) -> Self {
        let kept = TempDir::with_prefix("hook-copy-").unwrap();
        copy(dir, kept.path());
        Self { of: dir.to_owned(), kept }
    }

    fn restore(&self) {
        std::fs::remove_dir_all(&self.of).unwrap();
        std::fs::create_dir(&self.of).unwrap();
        copy(self.kept.path(), &self.of);
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_journal_that_was_deleted_gets_all_that_the_relay_still_holds() {
    let (relay, hook, app, gate) = (Relay::start(), Hook::new(), App::new(), Gate::closed());
    let first = listen(&hook, &relay, &app, &[]);
    assert_eq!(send(&relay, "/acked").text(), "ok");
    app.answers(Answer::ok("late").after(&gate));
    let mut sender = Sender::to(&relay.at("shop"));
    sender.head("POST", "/running", &[("Content-Length", b"2")]).send("{}");
    app.request(2);
    first.kill9();
    sender.response().assert_queued();
    gate.open();
    for n in 0..3 {
        send(&relay, &format!("/{n}")).assert_queued();
    }
    std::fs::remove_dir_all(hook.journal().parent().unwrap()).unwrap();
    let _second = listen(&hook, &relay, &app, &[]);
    assert_eq!(targets(&app, 6)[2..], ["/running", "/0", "/1", "/2"]);
    // One whose ack was under way is handed over again, and recorded.
    let kept: Vec<_> = paths(&hook).into_iter().filter(|path| path != "/acked").collect();
    assert_eq!(kept, ["/running", "/0", "/1", "/2"]);
    assert_eq!(send(&relay, "/live").text(), "late");
}

#[test]
fn what_a_sender_was_answered_is_recorded_again_and_not_sent_again() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let mut answered = 0;
    for _ in 0..5 {
        let listen = listen(&hook, &relay, &app, &[]);
        assert_eq!(send(&relay, "/given").text(), "ok");
        // Its ack may be on its way or not.
        listen.kill9();
        answered += 1;
        std::fs::remove_dir_all(hook.journal().parent().unwrap()).unwrap();
    }
    let _listen = listen(&hook, &relay, &app, &[]);
    assert_eq!(send(&relay, "/live").text(), "ok");
    assert_eq!(app.count(), answered + 1, "the app has seen each once");
    assert!(hook.events().iter().all(|e| e["path"] == "/live" || e["state"] != "owed"));
}

#[test]
fn a_journal_from_an_older_copy_sends_what_it_owes_and_takes_what_is_new() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let dir = hook.journal().parent().unwrap().to_owned();
    let first = listen(&hook, &relay, &app, &["--hold"]);
    assert_eq!(send(&relay, "/before").text(), "ok");
    app.stop();
    send(&relay, "/owed").assert_queued();
    wait_until("it is owed", || hook.event_state(2) == "owed");
    first.kill9();
    let copy = Copy::of(&dir);
    app.start();
    let second = listen(&hook, &relay, &app, &[]);
    let owed = app.request(2);
    assert_eq!(send(&relay, "/between").text(), "ok");
    second.bye();
    send(&relay, "/after").assert_queued();
    copy.restore();

    let _third = listen(&hook, &relay, &app, &[]);
    assert_eq!(targets(&app, 5), ["/before", "/owed", "/between", "/owed", "/after"]);
    assert_eq!(app.request(4).event_id(), owed.event_id(), "the same event, so that an app can tell");
    let kept: Vec<_> = paths(&hook).into_iter().filter(|path| path != "/between").collect();
    assert_eq!(kept, ["/before", "/owed", "/after"]);
    assert_eq!(send(&relay, "/live").text(), "ok");
}

#[test]
fn a_relay_from_an_older_copy_hands_over_again_and_the_app_sees_nothing_twice() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    listen(&hook, &relay, &app, &[]).bye();
    for n in 0..3 {
        send(&relay, &format!("/{n}")).assert_queued();
    }
    relay.kill9();
    let copy = Copy::of(&relay.data());
    relay.restart();
    let running = listen(&hook, &relay, &app, &[]);
    assert_eq!(targets(&app, 3), ["/0", "/1", "/2"]);
    relay.kill9();
    copy.restore();
    relay.restart();
    // The epoch went back in time, and the run is known all the same.
    running.wait_for("it is back", |t| t["type"] == "tunnel" && t["state"] == "live");
    assert_eq!(send(&relay, "/live").text(), "ok");
    assert_eq!((app.count(), hook.events().len()), (4, 4));
    wait_until("its acks empty the restored inbox", || {
        let inbox = rusqlite::Connection::open(relay.data().join("inbox.db")).unwrap();
        inbox.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, u64>(0)).unwrap() == 0
    });
}

#[test]
fn a_run_that_took_over_keeps_its_place_at_a_relay_from_an_older_copy() {
    let (relay, one, two, app) = (Relay::start(), Hook::new(), Hook::new(), App::new());
    let first = listen(&one, &relay, &app, &[]);
    assert_eq!(send(&relay, "/first").text(), "ok");
    let copy = Copy::of(&relay.data());
    let second = listen(&two, &relay, &app, &[]);
    assert_eq!(first.exit_code(), Some(4));
    relay.kill9();
    copy.restore();
    relay.restart();
    second.wait_for("it is back", |t| t["type"] == "tunnel" && t["state"] == "live");
    assert_eq!(send(&relay, "/second").text(), "ok");
    assert_eq!(paths(&two).last().unwrap(), "/second");
}

#[test]
fn a_relay_whose_data_was_deleted_is_claimed_again_and_goes_on() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let running = listen(&hook, &relay, &app, &[]);
    assert_eq!(send(&relay, "/before").text(), "ok");
    relay.kill9();
    std::fs::remove_dir_all(relay.data()).unwrap();
    relay.restart();
    running.wait_for("it is back", |t| t["type"] == "tunnel" && t["state"] == "live");
    assert_eq!(send(&relay, "/after").text(), "ok");
    assert_eq!(paths(&hook), ["/before", "/after"], "the journal knows both");
}

#[test]
fn a_relay_that_forgot_its_tokens_says_so() {
    let relay = Relay::with(&["--public-url", "http://relay.example"]);
    let token = relay.first_token();
    let hook = Hook::new().with_env("HOOK_TOKEN", &token);
    let app = App::new();
    let running = listen(&hook, &relay, &app, &[]);
    relay.kill9();
    std::fs::remove_dir_all(relay.data()).unwrap();
    relay.restart();
    assert_eq!(running.exit_code(), Some(4));
    let error = running.wait_for("its last words", |r| r["type"] == "error");
    assert_eq!((&error["code"], &error["fatal"]), (&"token".into(), &true.into()));
    assert!(error["next"].as_str().unwrap().starts_with("hook login "), "{error}");
}
