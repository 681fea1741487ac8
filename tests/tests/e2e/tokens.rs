//! Who may listen at a relay.

use std::os::unix::fs::PermissionsExt;

use hook_tests::{App, Hook, Relay, post, wait_until};

/// A relay that the outside reaches, so that it wants tokens.
fn relay() -> (Relay, String) {
    let relay = Relay::with(&["--public-url", "https://hooks.example.com"]);
    let token = relay.first_token();
    (relay, token)
}

/// Every file below a directory.
fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}

#[test]
fn a_token_lets_a_listener_in() {
    let ((relay, token), app) = (relay(), App::new());
    let hook = Hook::new().with_env("HOOK_RELAY", &relay.url()).with_env("HOOK_TOKEN", &token);
    let listen = hook.listen(["--name", "shop", "--forward-to", &app.url()]);
    assert_eq!(listen.url(), "https://hooks.example.com/shop");
    assert_eq!(post(&relay.at("shop"), "{}").text(), "ok");
    // What the outside used is what is kept and told, not where the relay's socket is.
    assert_eq!(app.request(1).header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert!(!format!("{:?}", listen.records()).contains(&token));
}

#[test]
fn no_token_and_a_wrong_one_are_refused() {
    let ((relay, _), app) = (relay(), App::new());
    for token in [None, Some("hk_wrong"), Some("")] {
        let hook = token.map_or_else(Hook::new, |t| Hook::new().with_env("HOOK_TOKEN", t));
        let output =
            hook.run(["listen", "--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]).ended_with(4);
        assert!(output.stderr.contains("next: hook login"), "{}", output.stderr);
        assert!(!output.stderr.contains("hk_wrong"), "{}", output.stderr);
        let json = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
        assert_eq!(json.exit_code(), Some(4));
        let error = json.wait_for("an error", |r| r["type"] == "error");
        assert_eq!((&error["fatal"], &error["code"]), (&true.into(), &"token".into()));
    }
}

#[test]
fn the_first_token_is_printed_once() {
    let (relay, token) = relay();
    assert!(token.len() > 20);
    relay.restart();
    assert!(!relay.stderr().contains("hk_"), "{}", relay.stderr());
    let kept: Vec<_> = files(&relay.data())
        .into_iter()
        .filter(|f| std::fs::read(f).unwrap().windows(token.len()).any(|w| w == token.as_bytes()))
        .collect();
    assert_eq!(kept, [] as [std::path::PathBuf; 0], "only its hash is stored");
    // It still works.
    let app = App::new();
    let hook = Hook::new().with_env("HOOK_RELAY", &relay.url()).with_env("HOOK_TOKEN", &token);
    hook.listen(["--forward-to", &app.url()]).ready();
}

#[test]
fn login_takes_the_token_from_stdin_checks_it_and_keeps_it_private() {
    let ((relay, token), hook, app) = (relay(), Hook::new(), App::new());
    let wrong = hook.run_with_stdin(["login", &relay.url()], b"hk_wrong\n").ended_with(4);
    assert!(!wrong.stderr.contains("hk_wrong"), "{}", wrong.stderr);
    assert_eq!(files(hook.home()), [] as [std::path::PathBuf; 0], "a refused token is not kept");

    let login = hook.run_with_stdin(["login", &relay.url()], format!("{token}\n").as_bytes()).succeeded();
    assert!(!login.stderr.contains(&token) && !login.stdout.contains(&token));
    let kept: Vec<_> = files(hook.home())
        .into_iter()
        .filter(|f| std::fs::read_to_string(f).is_ok_and(|t| t.contains(&token)))
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(std::fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);

    // From now on it is the relay that is listened at.
    let listen = hook.listen(["--name", "shop", "--forward-to", &app.url()]);
    assert_eq!(listen.url(), "https://hooks.example.com/shop");
    let status = hook.run(["status"]).succeeded();
    assert!(!status.stdout.contains(&token) && !status.stderr.contains(&token));
    listen.bye();
    assert!(hook.listen(["--relay", "embedded", "--forward-to", &app.url()]).url().starts_with("http://127.0.0.1:"));

    hook.run(["logout"]).succeeded();
    assert!(files(hook.home()).iter().all(|f| !std::fs::read_to_string(f).is_ok_and(|t| t.contains(&token))));
    hook.run(["listen", "--relay", &relay.url(), "--name", "shop"]).ended_with(4);
}

#[test]
fn a_name_belongs_to_a_token() {
    let ((relay, token), app) = (relay(), App::new());
    let created = relay.run(&["token", "create", "second"]).succeeded();
    let other = created.stdout.split_whitespace().find(|w| w.starts_with("hk_")).expect("a token on stdout").to_owned();
    let one = Hook::new().with_env("HOOK_RELAY", &relay.url()).with_env("HOOK_TOKEN", &token);
    let two = Hook::new().with_env("HOOK_RELAY", &relay.url()).with_env("HOOK_TOKEN", &other);
    one.listen(["--name", "shop", "--forward-to", &app.url()]).ready();

    let refused = two.run(["listen", "--name", "shop", "--forward-to", &app.url()]).ended_with(4);
    assert!(refused.stderr.contains("\"shop\" belongs to another"), "{}", refused.stderr);
    assert!(refused.stderr.contains("next: ") && refused.stderr.contains("--name"), "{}", refused.stderr);
    two.listen(["--name", "their-shop", "--forward-to", &app.url()]).ready();
}

#[test]
fn a_revoked_token_ends_its_session() {
    let ((relay, _), app) = (relay(), App::new());
    let created = relay.run(&["token", "create", "laptop"]).succeeded();
    let token = created.stdout.split_whitespace().find(|w| w.starts_with("hk_")).unwrap().to_owned();
    let listed = relay.run(&["token", "list"]).succeeded();
    assert!(listed.stdout.contains("laptop") && !listed.stdout.contains(&token), "{}", listed.stdout);
    let hook = Hook::new().with_env("HOOK_RELAY", &relay.url()).with_env("HOOK_TOKEN", &token);
    let listen = hook.listen(["--name", "shop", "--forward-to", &app.url()]);
    listen.ready();
    relay.run(&["token", "revoke", "laptop"]).succeeded();
    wait_until("the session ends", || !listen.is_running());
    assert_eq!(listen.exit_code(), Some(4));
    hook.run(["listen", "--name", "shop", "--forward-to", &app.url()]).ended_with(4);
}
