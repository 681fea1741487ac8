//! What was kept, looked at and sent again: `events`, `show`, `replay`, `status`, `doctor`, `config`.

use std::os::unix::fs::PermissionsExt;

use hook_tests::{Answer, App, Hook, post, request};
use insta::assert_snapshot;

use crate::plain::Plain;
use crate::screen::{Screen, run};

/// Four events: one that went well, a 500, one whose app was down, and one that replied with bytes.
fn history() -> (Hook, App) {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &[]);
    let url = screen.url();
    let fields: [(&str, &[u8]); 3] =
        [("Content-Type", b"application/json"), ("User-Agent", b"Stripe/1.0"), ("X-Odd", b"\xff")];
    request("POST", &url, &fields, r#"{"id":"evt_1","amount":9007199254740993,"live":false}"#);
    screen.line(1);
    app.answers(Answer::status("500 Oops").header("Content-Type", "application/json").body(r#"{"error":"no id"}"#));
    post(&format!("{url}/invoice?x=1"), "[]");
    screen.line(2);
    app.answers(Answer::ok(vec![0x89, b'P', 0, 0, 1]).header("Content-Type", "image/png"));
    request("GET", &format!("{url}/logo"), &[], "");
    screen.line(3);
    app.stop();
    post(&url, "not json");
    screen.line(4);
    screen.interrupted();
    app.answers(Answer::ok("ok"));
    (hook, app)
}

#[test]
fn events() {
    let (hook, app) = history();
    let plain = Plain::of(&hook).app(&app);
    let all = [
        run(&hook, &plain, &["events"]),
        run(&hook, &plain, &["events", "--limit", "1"]),
        run(&hook, &plain, &["events", "status:5xx"]),
        run(&hook, &plain, &["events", "--undelivered"]),
        run(&hook, &plain, &["events", "path:/nowhere"]),
    ];
    assert_snapshot!(all.join("\n"));
}

#[test]
fn show() {
    let (hook, app) = history();
    let plain = Plain::of(&hook).app(&app);
    let all = ["1", "2", "3", "last"].map(|event| run(&hook, &plain, &["show", event]));
    assert_snapshot!(all.join("\n"));
    let raw = hook.run(["show", "1", "--raw"]).succeeded();
    assert_eq!(raw.stdout, r#"{"id":"evt_1","amount":9007199254740993,"live":false}"#);
    assert_eq!(raw.stderr, "");
}

#[test]
fn replay() {
    let (hook, app) = history();
    let plain = Plain::of(&hook).app(&app);
    let refused = run(&hook, &plain, &["replay", "last"]);
    app.start();
    let all = [
        refused,
        run(&hook, &plain, &["replay", "last"]),
        run(&hook, &plain, &["replay", "1..3", "--times", "2"]),
        run(&hook, &plain, &["events", "--limit", "2"]),
        run(&hook, &plain, &["show", "last"]),
        run(&hook, &plain, &["replay", "--undelivered"]),
    ];
    app.answers(Answer::status("422 No").body("id is missing"));
    let failed = run(&hook, &plain, &["replay", "1", "--to", &format!("localhost:{}/other", app.port())]);
    assert_snapshot!(format!("{}\n{failed}", all.join("\n")));
}

#[test]
fn status() {
    let (hook, app) = (Hook::new(), App::stopped());
    let plain = Plain::of(&hook).app(&app);
    let nothing = run(&hook, &plain, &["status"]);
    let screen = Screen::stripe(&hook, &app, &[]);
    post(&screen.url(), "{}");
    screen.line(1).nexts(1);
    hook_tests::wait_until("it is listed", || hook.run(["status"]).stdout.contains("live in"));
    let one = run(&hook, &plain, &["status"]);
    assert_snapshot!(format!("{nothing}\n{one}"));
}

#[test]
fn doctor_and_config() {
    let hook = Hook::on_disk();
    let plain = Plain::of(&hook);
    let doctor = run(&hook, &plain, &["doctor"]);
    let config = run(&hook, &plain, &["config"]);
    let logout = run(&hook, &plain, &["logout"]);
    assert_snapshot!(format!("{doctor}\n{config}\n{logout}"));
}

#[test]
fn doctor_finds_problems() {
    let hook = Hook::on_disk().with_env("HOOK_RELAY", "http://127.0.0.1:9");
    let (open, seen) = (hook.home().join("config/hook/credentials.toml"), hook.data());
    std::fs::create_dir_all(open.parent().unwrap()).unwrap();
    std::fs::create_dir_all(&seen).unwrap();
    std::fs::write(&open, "").unwrap();
    for (path, mode) in [(open.parent().unwrap(), 0o700), (&open, 0o644), (&seen, 0o755)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    assert_snapshot!(run(&hook, &Plain::of(&hook), &["doctor"]));
}

#[test]
fn following() {
    let (hook, app) = history();
    let plain = Plain::of(&hook).app(&app);
    let follow = hook.spawn(["events", "--follow", "status:2xx"]);
    follow.wait_for_stdout("#3 ");
    app.start();
    let screen = Screen::stripe(&hook, &app, &[]);
    post(&screen.url(), "{}");
    follow.wait_for_stdout("#5 ");
    follow.interrupt();
    assert_snapshot!(crate::screen::golden(&plain, "hook events --follow status:2xx", &follow.output()));
}
