//! `hook doctor`: what is wrong is found, and where its next step is a command, that mends it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use hook_tests::{Answer, App, Clock, Filler, Hook, Output, Process, Relay, SmallDisk, post};
use serde_json::Value;

const MIB: usize = 1024 * 1024;

/// What the doctor finds; its exit code tells whether something endangers a promise.
#[track_caller]
fn examined(hook: &Hook) -> Vec<Value> {
    findings(&hook.run(["doctor", "--output", "json"]))
}

#[track_caller]
fn findings(output: &Output) -> Vec<Value> {
    let found = output.of_type("check");
    let problems = found.iter().filter(|f| f["state"] == "problem").count();
    assert_eq!((output.code, output.stderr.as_str()), (Some(i32::from(problems > 0)), ""), "{}", output.stdout);
    let said: Vec<String> = output.of_type("error").iter().map(|e| e["message"].to_string()).collect();
    assert_eq!(said.len(), usize::from(problems > 0), "{said:?}");
    assert!(said.iter().all(|s| s.contains(&format!("{problems} problem"))), "{said:?}");
    for finding in &found {
        let next = finding["next"].as_str();
        assert_eq!(next.is_some(), finding["state"] != "ok", "{finding}");
        assert!(!next.unwrap_or_default().contains("hook doctor"), "{finding}");
    }
    found
}

#[track_caller]
fn one<'a>(found: &'a [Value], check: &str) -> &'a Value {
    let all: Vec<&Value> = found.iter().filter(|f| f["check"] == check).collect();
    assert_eq!(all.len(), 1, "{check} in {found:#?}");
    all[0]
}

/// Whether one check found this state, with these words.
#[track_caller]
fn assert_found(found: &[Value], check: &str, state: &str, words: &str) {
    let finding = one(found, check);
    assert_eq!(finding["state"], state, "{finding}");
    assert!(finding["finding"].as_str().unwrap().contains(words), "{finding}");
}

/// Does what a next step says.
#[track_caller]
fn follow(command: &str) {
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_machine_that_is_well_has_no_problem() {
    let hook = Hook::on_disk();
    let found = examined(&hook);
    let checks: Vec<&str> = found.iter().map(|f| f["check"].as_str().unwrap()).collect();
    let wanted = [
        "version", "disk", "room", "journal", "sync", "locks", "private", "secrets", "files", "login", "relay", "clock",
    ];
    assert_eq!(checks, wanted);
    let fact = |check: &str, name: &str| one(&found, check)["facts"][name].clone();
    assert_eq!(fact("journal", "path"), hook.journal().to_str().unwrap());
    assert_eq!((fact("journal", "journal_mode"), fact("locks", "hold")), ("wal".into(), true.into()));
    assert!(fact("sync", "fsync_ms").as_f64().unwrap() >= 0.0 && fact("room", "free_bytes").as_u64().unwrap() > 0);
    // For people the same is found, and they hear no more than that.
    let line = hook.run(["doctor"]).succeeded();
    assert_eq!((line.stderr.as_str(), line.stdout.matches(&hook.journal().display().to_string()).count()), ("", 1));
}

#[test]
fn a_journal_in_memory_keeps_no_promise() {
    let (disk, hook) = (SmallDisk::new(8 * MIB), Hook::new());
    symlink(disk.path(), hook.home().join("data")).unwrap();
    let found = examined(&hook);
    assert_found(&found, "disk", "problem", "is on tmpfs");
    assert_eq!(one(&found, "disk")["facts"]["file_system"], "tmpfs");
    assert_found(&found, "room", "problem", "are free");
    assert_found(&found, "journal", "ok", "is whole");

    // A file that is a link to there is there.
    let linked = Hook::on_disk().with_env("HOOK_JOURNAL", hook.home().join("link.db").to_str().unwrap());
    symlink(hook.journal(), hook.home().join("link.db")).unwrap();
    let real = disk.path().join("hook/journal.db");
    assert_found(&examined(&linked), "disk", "problem", &format!("{} is on tmpfs", real.display()));
}

#[test]
fn a_full_disk_is_found_and_is_well_when_there_is_room() {
    let (disk, hook) = (SmallDisk::new(8 * MIB), Hook::new());
    symlink(disk.path(), hook.home().join("data")).unwrap();
    examined(&hook);
    let filler = disk.fill();
    let found = examined(&hook);
    assert_found(&found, "room", "problem", "are free");
    assert!(one(&found, "room")["next"].as_str().unwrap().starts_with("free some"), "{found:#?}");
    // Whether it can be opened depends on what the last process left behind; written it cannot be.
    let stuck = |f: &&Value| ["journal", "sync"].contains(&f["check"].as_str().unwrap()) && f["state"] == "problem";
    assert_eq!(found.iter().filter(stuck).count(), 1, "{found:#?}");
    drop(filler);
    assert_found(&examined(&hook), "sync", "ok", "reaches the disk");
}

#[test]
fn what_others_could_read_is_found_and_closed() {
    let hook = Hook::on_disk();
    let listen = hook.listen([] as [&str; 0]);
    post(&listen.url(), "{}");
    listen.event(1);
    let wal = hook.data().join("journal.db-wal");
    set_mode(&hook.journal(), 0o640);
    set_mode(&wal, 0o644);
    set_mode(&hook.data(), 0o755);
    let found = examined(&hook);
    assert_found(&found, "private", "problem", "others on this machine can read");
    let open = one(&found, "private")["facts"]["open_to_others"].clone();
    assert_eq!(open, serde_json::json!([hook.journal(), wal, hook.data()]));
    follow(one(&found, "private")["next"].as_str().unwrap());
    assert_found(&examined(&hook), "private", "ok", "only you");

    set_mode(&hook.data(), 0o711);
    assert_found(&examined(&hook), "private", "warning", "which files");
}

#[test]
fn tokens_that_others_could_read_are_found_and_never_told() {
    let relay = Relay::with(&["--public-url", "https://hooks.example.com"]);
    let (hook, token) = (Hook::on_disk(), relay.first_token());
    hook.run_with_stdin(["login", &relay.url()], token.as_bytes()).succeeded();
    let credentials = hook.home().join("config/hook/credentials.toml");
    set_mode(&credentials, 0o644);
    let output = hook.run(["doctor", "--output", "json"]);
    let found = findings(&output);
    assert_found(&found, "login", "problem", "your tokens");
    assert!(!output.stdout.contains(&token) && !hook.run(["doctor"]).stdout.contains(&token));
    follow(one(&found, "login")["next"].as_str().unwrap());
    let found = examined(&hook);
    assert_found(&found, "login", "ok", "1 token kept");
    assert_found(&found, "relay", "ok", "answers and knows us");
    // What a relay names is shown, and nothing connects to it.
    assert_found(&found, "public", "ok", "https://hooks.example.com, which was not tried");

    std::fs::write(&credentials, format!("tokens = {token}")).unwrap();
    let broken = hook.run(["doctor", "--output", "json"]);
    assert_found(&findings(&broken), "login", "problem", "is not what hook login writes");
    assert!(!broken.stdout.contains(&token));
}

#[test]
fn a_token_that_the_relay_does_not_know_is_found() {
    let relay = Relay::with(&["--public-url", "https://hooks.example.com"]);
    let hook = Hook::on_disk().with_env("HOOK_RELAY", &relay.url());
    assert_found(&examined(&hook), "relay", "problem", "wants a token");
    let hook = hook.with_env("HOOK_TOKEN", "hk_wrong_and_secret");
    let output = hook.run(["doctor", "--output", "json"]);
    assert_found(&findings(&output), "relay", "problem", "does not know this token");
    assert!(!output.stdout.contains("hk_wrong"), "{}", output.stdout);
    let hook = hook.with_env("HOOK_TOKEN", &relay.first_token());
    let found = examined(&hook);
    assert_found(&found, "relay", "ok", "knows us");
    assert_found(&found, "protocol", "ok", "version ");
    assert_found(&found, "session", "ok", "gets through");
    assert_found(&found, "login", "ok", "HOOK_TOKEN");
}

#[test]
fn a_relay_that_is_not_there_or_is_none_is_found() {
    let app = App::stopped();
    let hook = Hook::on_disk().with_env("HOOK_RELAY", &app.url());
    assert_found(&examined(&hook), "relay", "problem", "nothing listens there");
    app.start();
    for (answer, words) in [
        (Answer::ok("hello"), "is not a hook relay"),
        (Answer::status("404 No"), "is not a hook relay"),
        (Answer::status("502 No").body("<html>"), "502"),
        (Answer::reset(), "cannot be reached"),
    ] {
        app.answers(answer);
        assert_found(&examined(&hook), "relay", "problem", words);
    }
    assert!(app.requests().iter().all(|r| r.target() == "/_hook/whoami"), "no session with what is no relay");
}

/// A relay behind something that answers for it, or one from another year.
#[test]
fn what_stands_before_a_relay_and_other_versions_are_found() {
    let app = App::new();
    let hook = Hook::on_disk().with_env("HOOK_RELAY", &app.url());
    let url = app.url();
    app.answers_with(move |request| match request.target().as_str() {
        "/_hook/whoami" => {
            Answer::ok(format!(r#"{{"relay":"hook 9.9.9\u001b[2J","protocol":99,"public_url":"{url}","more":1}}"#))
        }
        "/_hook/ready" => Answer::status("503 No").body("hook: the disk is full; new events are refused.\n"),
        _ => Answer::status("400 No websockets"),
    });
    let found = examined(&hook);
    assert_found(&found, "relay", "ok", "answers");
    assert_found(&found, "protocol", "problem", "speaks version 99");
    assert_found(&found, "ready", "problem", "the disk is full");
    assert_found(&found, "session", "problem", "no session opens");
    assert!(!found.iter().any(|f| f["check"] == "public"), "{found:#?}");
    let shown = hook.run(["doctor"]).ended_with(1);
    assert!(!shown.stdout.contains('\u{1b}'), "{}", shown.stdout);
    assert_eq!(shown.stderr, "hook: 3 problems found.\n");
}

#[test]
fn a_relay_without_room_is_found() {
    let disk = SmallDisk::new(40 * MIB);
    let _filler = Filler::of(&disk, 30 * MIB);
    let relay = Relay::on_data(|data| symlink(disk.path(), data).unwrap());
    let hook = Hook::on_disk().with_env("HOOK_RELAY", &relay.url());
    let found = examined(&hook);
    assert_found(&found, "ready", "problem", "the disk is full");
    assert_found(&found, "session", "ok", "gets through");
}

#[test]
fn clocks_that_differ_are_found() {
    let clock = Clock::new();
    let relay = Relay::under(&clock);
    let hook = Hook::on_disk().with_env("HOOK_RELAY", &relay.url());
    for (offset, state, words) in [
        ("+0", "ok", ""),
        ("-3d", "problem", "days ahead of the relay's"),
        ("+10m", "problem", "min behind the relay's"),
        ("+90s", "warning", "behind the relay's"),
    ] {
        clock.set(offset);
        // It reads its clock when it answers, and now and then.
        relay.restart();
        let found = examined(&hook);
        assert_found(&found, "clock", state, words);
    }
    let ahead = one(&examined(&hook), "clock")["facts"]["ahead_of_relay_ms"].as_i64().unwrap();
    assert!((-120_000..-60_000).contains(&ahead), "{ahead}");
}

#[test]
fn a_clock_that_has_jumped_is_found() {
    let clock = Clock::new();
    let hook = Hook::on_disk().under(&clock);
    let listen = hook.listen([] as [&str; 0]);
    clock.set("+10y");
    post(&listen.url(), "{}");
    listen.event(1);
    listen.bye();
    assert_found(&examined(&hook), "clock", "ok", "20");
    // The clock is right again, and the newest event is of ten years later.
    clock.set("+0");
    assert_found(&examined(&hook), "clock", "problem", "nothing old is deleted");
    clock.set("-30y");
    assert_found(&examined(&hook), "clock", "problem", "years behind");
    // A relay's clock tells who was wrong.
    clock.set("+0");
    let relay = Relay::start();
    let hook = hook.with_env("HOOK_RELAY", &relay.url());
    assert_found(&examined(&hook), "clock", "warning", "agrees");
}

#[test]
fn a_damaged_journal_is_found_and_put_aside() {
    let hook = Hook::on_disk();
    let listen = hook.listen([] as [&str; 0]);
    for n in 0..40 {
        post(&format!("{}/{n}", listen.url()), "x".repeat(4000));
    }
    listen.event(40);
    listen.bye();
    rusqlite::Connection::open(hook.journal())
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let mut bytes = std::fs::read(hook.journal()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0x55);
    std::fs::write(hook.journal(), bytes).unwrap();
    let found = examined(&hook);
    assert_found(&found, "journal", "problem", "is damaged");
    let next = one(&found, "journal")["next"].as_str().unwrap();
    follow(next.split_once("start a new one: ").unwrap().1);
    assert_found(&examined(&hook), "journal", "ok", "is whole");
    assert_eq!(hook.events().len(), 0);
    assert!(hook.data().join("damaged/journal.db").is_file(), "nothing was deleted");
}

#[test]
fn a_port_that_another_program_took_is_found() {
    let hook = Hook::on_disk();
    let listen = hook.listen([] as [&str; 0]);
    let port: u16 = listen.url().split([':', '/']).nth(4).unwrap().parse().unwrap();
    let found = examined(&hook);
    assert_found(&found, "port", "ok", &format!("{port} is held by hook listen, pid {}", listen.pid()));
    listen.bye();
    assert_found(&examined(&hook), "port", "ok", "is free");
    let app = App::on(&format!("127.0.0.1:{port}"));
    let found = examined(&hook);
    assert_found(&found, "port", "warning", "another program");
    assert_eq!(one(&found, "port")["facts"]["port"], app.port());
    // With a relay of one's own there is no such port.
    let relay = Relay::start();
    let found = examined(&hook.with_env("HOOK_RELAY", &relay.url()));
    assert!(!found.iter().any(|f| f["check"] == "port"), "{found:#?}");
}

#[test]
fn too_few_files_are_found() {
    let hook = Hook::on_disk();
    for (limit, state) in [("100", "warning"), ("40", "problem"), ("1024", "ok")] {
        let doctor = hook.command(["doctor", "--output", "json"]);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")]);
        shell.arg(doctor.get_program()).args(doctor.get_args()).current_dir(hook.project());
        shell.env_clear().envs(doctor.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let found = findings(&Process::start(&mut shell, b"").output());
        assert_found(&found, "files", state, limit);
    }
}

#[test]
fn a_mistake_in_hook_toml_is_found() {
    let hook = Hook::on_disk();
    std::fs::write(hook.project().join("hook.toml"), "relay = 1\n").unwrap();
    assert_found(&examined(&hook), "hook.toml", "problem", "line 1");
}

fn git(hook: &Hook, args: &[&str]) {
    let mut git = Command::new("git");
    git.arg("-C").arg(hook.project()).args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    assert!(git.output().unwrap().status.success(), "git {args:?}");
}

#[test]
fn secrets_that_git_has_or_may_get_are_found_and_never_told() {
    const SECRET: &str = "whsec_q7Zk2mN4pR8sT1vX3yB6dF9hJ0lC5gW2";
    let hook = Hook::on_disk();
    let file = |name: &str, text: String| std::fs::write(hook.project().join(name), text).unwrap();
    file(".env", format!("STRIPE_WEBHOOK_SECRET={SECRET}\n"));
    file("pay.js", "// nothing yet\n".to_owned());
    git(&hook, &["init", "-q"]);
    git(&hook, &["add", "pay.js"]);
    let found = examined(&hook);
    assert_found(&found, "env-file", "warning", "does not ignore");
    assert_found(&found, "tracked", "ok", "no signing secret in 1 file");
    follow(one(&found, "env-file")["next"].as_str().unwrap());
    assert!(!examined(&hook).iter().any(|f| f["check"] == "env-file"));

    file("pay.js", format!("\nconst secret = '{SECRET}'\n"));
    let output = hook.run(["doctor", "--output", "json"]);
    let found = findings(&output);
    assert_found(&found, "tracked", "problem", "pay.js:2");
    assert!(!output.stdout.contains(SECRET), "{}", output.stdout);
    // Another one, which hook does not know, by its form; and one that is an example.
    file("pay.js", format!("const secret = '{}'\n", SECRET.replace("Zk2", "Yk3")));
    assert_found(&examined(&hook), "tracked", "warning", "pay.js:1");
    file("pay.js", "const secret = 'whsec_your_own_secret_goes_right_in_here'\n".to_owned());
    assert_found(&examined(&hook), "tracked", "ok", "1 file");

    // By the variable that it is given to.
    file(
        "pay.js",
        "const GITHUB_WEBHOOK_SECRET = 'whatever-9fQ2'\nconst STRIPE_WEBHOOK_SECRET = 'whsec_xxx'\n".to_owned(),
    );
    let output = hook.run(["doctor", "--output", "json"]);
    assert_found(&findings(&output), "tracked", "warning", "pay.js:1");
    assert!(!output.stdout.contains("whatever"), "{}", output.stdout);
    file("pay.js", String::new());

    git(&hook, &["add", "-f", ".env"]);
    let found = examined(&hook);
    assert_found(&found, "tracked", "problem", ".env:1");
    assert_found(&found, "env-file", "warning", "git tracks");
    follow(one(&found, "env-file")["next"].as_str().unwrap());
    assert_found(&examined(&hook), "tracked", "ok", "1 file");
}

#[test]
fn secrets_that_endpoints_share_or_others_can_read_are_found() {
    let hook = Hook::on_disk().with_env("STRIPE_WEBHOOK_SECRET", "whsec_0123456789abcdef");
    let endpoints = |test: &str| {
        let text = format!("[endpoint.shop]\nprovider = 'stripe'\n[endpoint.test]\nprovider = '{test}'\n");
        std::fs::write(hook.project().join("hook.toml"), text).unwrap();
    };
    endpoints("stripe");
    assert_found(&examined(&hook), "secrets", "warning", "shop/stripe and test/stripe share a secret");
    endpoints("github");
    assert_found(&examined(&hook), "secrets", "ok", "none kept");

    hook.run(["trigger", "github", "push", "--print"]).succeeded();
    assert_found(&examined(&hook), "secrets", "ok", "1 kept");
    let kept = hook.home().join("config/hook/secrets.toml");
    set_mode(&kept, 0o644);
    let found = examined(&hook);
    assert_found(&found, "secrets", "problem", "can read your signing secrets");
    follow(one(&found, "secrets")["next"].as_str().unwrap());
    assert_found(&examined(&hook), "secrets", "ok", "1 kept");
    std::fs::write(&kept, "secret = whsec_private_part").unwrap();
    let output = hook.run(["doctor", "--output", "json"]);
    assert_found(&findings(&output), "secrets", "problem", "is not what hook secret writes");
    assert!(!output.stdout.contains("whsec_private_part"));
}
