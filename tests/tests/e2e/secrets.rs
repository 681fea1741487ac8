//! Signing secrets: where they are found, how they are kept, and that they are shown as prefix and last four.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hook_tests::signing::{github, now, stripe};
use hook_tests::{App, Hook, Listen, request, wait_for};
use serde_json::{Value, json};

const OLD: &str = "whsec_0123456789abcdef9fQ2";
const NEW: &str = "whsec_ffffffffffffffffffff0000";

/// Sends a signed event, and gives what was found.
#[track_caller]
fn verdict(listen: &Listen, url: &str, secret: &str) -> String {
    let n = listen.of_type("event").len() + 1;
    let body = r#"{"id":"evt_1","object":"event"}"#;
    let signed = stripe(secret, now(), body.as_bytes());
    request("POST", url, &[("Stripe-Signature", signed.as_bytes())], body);
    listen.event(n)["signature"]["verdict"].as_str().unwrap().to_owned()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_secret_is_kept_privately_and_never_printed() {
    let hook = Hook::new();
    let kept = hook.run_with_stdin(["secret", "set", "stripe"], format!("{OLD}\n").as_bytes()).succeeded();
    assert!(kept.stderr.starts_with("Kept stripe whsec_…9fQ2 for this project ("), "{}", kept.stderr);
    let file = hook.home().join("config/hook/secrets.toml");
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let listed = hook.run(["secret", "list"]).succeeded();
    assert_eq!(listed.stdout, "stripe  whsec_…9fQ2  hook secret set\n");
    let row = hook.run(["secret", "list", "--output", "json"]).succeeded().of_type("secret").remove(0);
    assert_eq!(
        (&row["provider"], &row["secret"], &row["endpoint"]),
        (&json!("stripe"), &json!("whsec_…9fQ2"), &Value::Null)
    );
    let shown = hook.run(["secret", "show", "stripe"]).succeeded();
    let piped = hook.run(["secret", "show", "stripe", "--reveal"]).ended_with(2);
    assert!(piped.stderr.starts_with("hook: a secret is printed to a terminal only"), "{}", piped.stderr);
    let listen = hook.listen([] as [&str; 0]);
    assert_eq!(
        listen.ready()["providers"],
        json!([{"name": "stripe", "secret": "whsec_…9fQ2", "source": "hook secret set"}])
    );
    assert_eq!(verdict(&listen, &listen.url(), OLD), "valid");
    for text in [kept.stderr, listed.stdout, shown.stdout, piped.stdout, piped.stderr, listen.stdout.text()] {
        assert!(!text.contains("0123456789"), "a secret was printed: {text}");
    }
    // What is pasted along is left out.
    let pasted = hook.run_with_stdin(["secret", "set", "stripe"], format!(" '{NEW}'\n\n").as_bytes()).succeeded();
    assert!(pasted.stderr.starts_with("The spaces or quotes around it were left out.\nKept stripe whsec_…0000 "));
    wait_for("the new one counts", || (verdict(&listen, &listen.url(), NEW) == "valid").then_some(()));
    // What is known to be no signing secret is not kept unasked.
    let key = hook.run_with_stdin(["secret", "set", "stripe"], b"sk_test_0123456789abcdef\n").ended_with(2).stderr;
    assert!(key.starts_with("hook: sk_… is an API key, not a signing secret. Look here: "), "{key}");
    assert!(key.contains("Nothing was kept.\nnext: hook secret set stripe") && !key.contains("0123456789"), "{key}");
    assert!(hook.run(["secret", "list"]).succeeded().stdout.starts_with("stripe  whsec_…0000 "));
    hook.run(["secret", "remove", "stripe"]).succeeded();
    assert_eq!(hook.run(["secret", "list"]).succeeded().stdout, "");
    hook.run(["secret", "remove", "stripe"]).ended_with(1);
    hook.run_with_stdin(["secret", "set", "stripe"], b"\n").ended_with(2);
}

#[test]
fn others_that_are_known_are_told_of_when_one_is_kept() {
    let hook = Hook::new();
    std::fs::write(hook.project().join(".env"), format!("STRIPE_WEBHOOK_SECRET={OLD}\n")).unwrap();
    let set = |of: &str| hook.run_with_stdin(["secret", "set", of], NEW.as_bytes()).succeeded().stderr;
    let known = "whsec_…9fQ2 (STRIPE_WEBHOOK_SECRET in ./.env)";
    let said = set("stripe");
    assert!(
        said.contains(&format!("\nKnown before it: {known}. Events are checked with each; whsec_…9fQ2 signs, not "))
    );
    assert!(said.contains("\nnext: hook secret list"), "{said}");
    let said = set("shop/stripe");
    assert!(
        said.contains(&format!("\nKnown too: {known}. Events are checked with each; the one kept now signs.")),
        "{said}"
    );
    assert!(!set("github").contains("Known"));
}

#[test]
fn a_secret_is_never_an_argument() {
    let hook = Hook::new();
    let refused = hook.run(["secret", "set", "stripe", OLD]).ended_with(2);
    assert!(refused.stderr.starts_with("hook: a secret is never an argument"), "{}", refused.stderr);
    assert!(!refused.stderr.contains(OLD) && !hook.home().join("config/hook/secrets.toml").exists());
    // Nor is it repeated where a name belongs.
    for args in
        [&["secret", "set", OLD][..], &["secret", "set", &format!("{OLD}/x+")], &["listen", "--secret-env", OLD]]
    {
        let refused = hook.run(args.iter().copied()).ended_with(2);
        assert!(!refused.stderr.contains("0123456789"), "{}", refused.stderr);
    }
}

#[test]
fn a_linked_file_of_secrets_stays_a_link() {
    let hook = Hook::new();
    hook.run_with_stdin(["secret", "set", "stripe"], OLD.as_bytes()).succeeded();
    let file = hook.home().join("config/hook/secrets.toml");
    let real = hook.home().join("dotfiles.toml");
    std::fs::rename(&file, &real).unwrap();
    std::os::unix::fs::symlink(&real, &file).unwrap();
    hook.run_with_stdin(["secret", "set", "stripe"], NEW.as_bytes()).succeeded();
    assert!(file.is_symlink() && std::fs::read_to_string(&real).unwrap().contains(NEW));
    assert_eq!(mode(&real), 0o600);
}

#[test]
fn secrets_of_a_newer_hook_are_left_alone() {
    let hook = Hook::new();
    hook.run_with_stdin(["secret", "set", "stripe"], OLD.as_bytes()).succeeded();
    let file = hook.home().join("config/hook/secrets.toml");
    let newer = std::fs::read_to_string(&file).unwrap().replace("v = 1\n", "v = 2\nmore = 1\n");
    std::fs::write(&file, &newer).unwrap();
    let refused = hook.run_with_stdin(["secret", "set", "stripe"], NEW.as_bytes()).ended_with(3).stderr;
    assert!(refused.contains("written by a newer hook (format 2, this one knows 1). It was not touched."), "{refused}");
    assert!(!refused.contains("remove"), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), newer);
}

#[test]
fn kept_secrets_that_cannot_be_read_any_more_still_count_and_are_told_of_once() {
    let hook = Hook::new();
    hook.run_with_stdin(["secret", "set", "stripe"], OLD.as_bytes()).succeeded();
    let listen = hook.listen([] as [&str; 0]);
    let url = listen.url();
    let file = hook.home().join("config/hook/secrets.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "v = 2\n").unwrap();
    wait_for("word of it", || {
        assert_eq!(verdict(&listen, &url, OLD), "valid");
        (!listen.of_type("secrets").is_empty()).then_some(())
    });
    std::fs::write(&file, good.replace(OLD, NEW)).unwrap();
    wait_for("the new secret counts", || (verdict(&listen, &url, NEW) == "valid").then_some(()));
    let said: Vec<Value> = listen.of_type("secrets").iter().map(|r| r["changes"][0]["change"].clone()).collect();
    assert_eq!(said, ["unreadable", "changed"]);
}

#[test]
fn a_param_may_be_in_a_variable() {
    let hook = Hook::new().with_env("META_VERIFY_TOKEN", "hush-hush");
    let listen = hook.listen(["--provider", "meta", "--param", "verify_token=env:META_VERIFY_TOKEN"]);
    let ask = |token: &str| {
        let url = format!("{}?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=115", listen.url());
        request("GET", &url, &[], "").text()
    };
    assert_eq!((ask("hush-hush").as_str(), ask("env:META_VERIFY_TOKEN").as_str()), ("115", ""));
    // The sender's own URL has it; nothing that hook says by itself does.
    let text = listen.stdout.text();
    assert!(text.lines().filter(|l| l.contains("hush")).all(|l| l.contains(r#""type":"event""#)), "{text}");
    let unset = hook.run(["listen", "--provider", "meta", "--param", "verify_token=env:NOT_SET"]).ended_with(2).stderr;
    assert!(unset.contains("has a value for --param in NOT_SET"), "{unset}");
}

#[test]
fn an_endpoints_own_secret_comes_before_the_providers() {
    let hook = Hook::new();
    hook.run_with_stdin(["secret", "set", "stripe"], OLD.as_bytes()).succeeded();
    hook.run_with_stdin(["secret", "set", "shop/stripe"], NEW.as_bytes()).succeeded();
    let listen = hook.listen(["--name", "shop"]);
    let secrets: Vec<Value> =
        listen.ready()["providers"].as_array().unwrap().iter().map(|p| p["secret"].clone()).collect();
    assert_eq!(secrets, ["whsec_…0000", "whsec_…9fQ2"]);
    assert_eq!(
        (verdict(&listen, &listen.url(), NEW), verdict(&listen, &listen.url(), OLD)),
        ("valid".into(), "valid".into())
    );
    listen.bye();
    let other = hook.listen(["--name", "bank"]);
    assert_eq!(verdict(&other, &other.url(), NEW), "invalid");
}

#[test]
fn a_rotated_secret_is_kept_beside_the_old_one() {
    let hook = Hook::new();
    hook.run_with_stdin(["secret", "set", "stripe"], OLD.as_bytes()).succeeded();
    let listen = hook.listen([] as [&str; 0]);
    let url = listen.url();
    assert_eq!(verdict(&listen, &url, NEW), "invalid");
    hook.run_with_stdin(["secret", "set", "stripe", "--add"], NEW.as_bytes()).succeeded();
    wait_for("the new secret counts", || (verdict(&listen, &url, NEW) == "valid").then_some(()));
    assert_eq!(verdict(&listen, &url, OLD), "valid");
    let said = listen.of_type("secrets").remove(0);
    assert_eq!(
        said["changes"],
        json!([{"name": "stripe", "source": "the kept secret of stripe", "change": "changed"}])
    );
    hook.run_with_stdin(["secret", "set", "stripe"], NEW.as_bytes()).succeeded();
    wait_for("the old secret is gone", || (verdict(&listen, &url, OLD) == "invalid").then_some(()));
}

#[test]
fn an_env_file_is_read_again_when_it_changes() {
    let hook = Hook::new();
    let file = hook.project().join(".env");
    std::fs::write(&file, "OTHER=1\n").unwrap();
    let listen = hook.listen([] as [&str; 0]);
    let url = listen.url();
    assert_eq!(verdict(&listen, &url, OLD), "no_secret");
    std::fs::write(&file, format!("OTHER=2\nnot a line\nSTRIPE_WEBHOOK_SECRET=\"{OLD}\"\n")).unwrap();
    wait_for("the secret is found", || (verdict(&listen, &url, OLD) == "valid").then_some(()));
    let said = listen.wait_for_type("secrets", 1).remove(0);
    let source = "STRIPE_WEBHOOK_SECRET in ./.env";
    assert_eq!(said["changes"], json!([{"name": "STRIPE_WEBHOOK_SECRET", "source": source, "change": "new"}]));
    assert!(!listen.stdout.text().contains(OLD));
}

#[test]
fn a_flag_names_the_variable() {
    let hook = Hook::new().with_env("MY_SECRET", OLD);
    let listen = hook.listen(["--secret-env", "MY_SECRET"]);
    assert_eq!(verdict(&listen, &listen.url(), OLD), "valid");
    let unset = hook.run(["listen", "--secret-env", "NO_SECRET"]).ended_with(2).stderr;
    assert!(unset.starts_with("hook: neither the environment nor .env has a secret in NO_SECRET.\nnext: "), "{unset}");
    hook.run(["listen", "--param", "webhook_id"]).ended_with(2);
}

#[test]
fn a_made_secret_is_written_for_the_app_and_never_over_another() {
    let hook = Hook::new();
    for args in [["init", "-q"].as_slice(), &["config", "core.excludesFile", "/dev/null"]] {
        assert!(Command::new("git").args(args).current_dir(hook.project()).status().unwrap().success());
    }
    let made = hook.run(["secret", "generate", "github", "--env-file", ".env"]).succeeded().stderr;
    assert!(made.contains("Written for your app: GITHUB_WEBHOOK_SECRET in ./.env.\n"), "{made}");
    assert!(made.contains("warning: ./.env is not ignored by git"), "{made}");
    let file = hook.project().join(".env");
    let text = std::fs::read_to_string(&file).unwrap();
    let secret = text.trim().strip_prefix("GITHUB_WEBHOOK_SECRET=").unwrap();
    assert_eq!(mode(&file), 0o600);
    assert!(!made.contains(secret));
    let again = hook.run(["secret", "generate", "github", "--env-file", ".env"]).ended_with(1).stderr;
    assert!(
        again.starts_with("hook: GITHUB_WEBHOOK_SECRET is set in ./.env already. Nothing was made.\nnext: "),
        "{again}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    std::fs::write(hook.project().join(".gitignore"), ".env*\n").unwrap();
    let ignored = hook.run(["secret", "generate", "slack", "--env-file", ".env"]).succeeded().stderr;
    assert!(!ignored.contains("warning"), "{ignored}");
    let none = hook.run(["secret", "generate", "aws-sns"]).ended_with(1).stderr;
    assert!(none.contains("there is no secret to make"), "{none}");
}

#[test]
fn listen_makes_a_secret_for_a_pinned_provider_and_hands_it_to_the_app() {
    let hook = Hook::new();
    let args = ["--provider", "github", "--env-file", ".env.local"];
    let listen = hook.listen(args);
    assert_eq!(listen.ready()["providers"][0]["source"], "GITHUB_WEBHOOK_SECRET in ./.env.local");
    let file = hook.project().join(".env.local");
    let text = std::fs::read_to_string(&file).unwrap();
    let secret = text.trim().strip_prefix("GITHUB_WEBHOOK_SECRET=").unwrap();
    assert_eq!(mode(&file), 0o600);
    let fields = [("X-GitHub-Event", "push".to_owned()), ("X-Hub-Signature-256", github(secret, b"{}"))];
    let fields: Vec<(&str, &[u8])> = fields.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
    request("POST", &listen.url(), &fields, "{}");
    assert_eq!(listen.event(1)["signature"]["verdict"], "valid");
    assert!(!listen.stdout.text().contains(secret));
    listen.bye();
    // The next run finds it there and makes no other.
    let again = hook.listen(args);
    again.ready();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_token_that_an_event_carries_is_shown_as_a_secret_is() {
    let token = "gl_0123456789abcdef";
    let (hook, app) = (Hook::new().with_env("GITLAB_WEBHOOK_SECRET", token), App::new());
    let listen = hook.listen(["--forward-to", &app.url(), "--body"]);
    let fields: [(&str, &[u8]); 2] = [("X-Gitlab-Event", b"Push Hook"), ("X-Gitlab-Token", token.as_bytes())];
    request("POST", &listen.url(), &fields, r#"{"object_kind":"push"}"#);
    let (event, attempt) = (listen.event(1), listen.attempt(1));
    assert_eq!(event["signature"]["verdict"], "valid");
    assert!(event["headers"].to_string().contains(r#"["x-gitlab-token","gl_…cdef"]"#), "{event}");
    assert!(attempt["request_headers"].to_string().contains(r#"["x-gitlab-token","gl_…cdef"]"#), "{attempt}");
    let lines = hook.spawn(["listen", "-vv", "--name", "another", "--forward-to", &app.url()]);
    let said = lines.wait_for_stderr("Ready in ");
    let url = said.lines().find_map(|line| line.trim().strip_prefix("Public URL")).unwrap().trim().to_owned();
    request("POST", &url, &fields, "{}");
    lines.wait_for_stdout("x-gitlab-token: gl_…cdef");
    hook.run(["replay", "1", "--resign"]).succeeded();
    for command in [["show", "1"], ["show", "2"], ["show", "1 --output json"]] {
        let words = command.iter().flat_map(|words| words.split(' '));
        let shown = hook.run(words).succeeded().stdout;
        assert!(shown.contains("gl_…cdef") && !shown.contains(token), "{shown}");
    }
    // The app got it whole.
    assert_eq!(app.request(1).header("x-gitlab-token").as_deref(), Some(token));
}
