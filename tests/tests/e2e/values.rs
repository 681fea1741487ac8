//! What people give (a key, a param, a seed) is looked at before it counts, and what belongs elsewhere is not told here.

use std::path::Path;

use hook_tests::{App, Clock, Hook, Output, request, wait_for};
use serde_json::{Value, json};

fn set(hook: &Hook, of: &str, secret: &str) -> Output {
    hook.run_with_stdin(["secret", "set", of], secret.as_bytes())
}

#[test]
fn what_cannot_be_a_key_is_not_kept_unasked() {
    let hook = Hook::new();
    for (of, secret, why) in [
        ("discord", "nothex", "hook: that cannot be the public key of Discord: it is no Ed25519 key in hexadecimal, "),
        ("svix", "whsec_@@@", ": it is not base64 after whsec_."),
        ("shop/adyen", "zz", ": it is not hexadecimal."),
        ("telnyx", "MCow", ": it is no Ed25519 key in "),
        ("sendgrid", "MFkw", ": it is no P-256 key in base64 or PEM."),
        ("braintree", "x", ": it is not PUBLIC_KEY|PRIVATE_KEY."),
    ] {
        let said = set(&hook, of, secret).ended_with(2).stderr;
        assert!(said.contains(why) && said.contains("Nothing was kept.\nnext: hook secret set "), "{of}: {said}");
        assert!(!said.contains(secret) || of == "telnyx" || secret == "x", "{said}");
    }
    assert!(!hook.home().join("config/hook/secrets.toml").exists());
    set(&hook, "discord", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").succeeded();
}

#[test]
fn a_key_that_hook_made_is_shown_by_its_public_half_everywhere() {
    let hook = Hook::new();
    for (provider, prefix) in [("discord", "MCow…"), ("sendgrid", "MFkw…")] {
        let made = hook.run(["secret", "generate", provider]).succeeded().stderr;
        let shown =
            made.split_whitespace().find(|word| word.starts_with(prefix)).unwrap().trim_end_matches(',').to_owned();
        assert!(shown.chars().count() == 9 && !shown.contains('-'), "{made}");
        let listed = hook.run(["secret", "list"]).succeeded().stdout;
        assert!(listed.contains(&shown), "{listed}");
        assert!(hook.run(["providers", provider]).succeeded().stdout.contains(&shown));
    }
    // The note of trigger says the same.
    let other = Hook::new();
    let made = other.run(["trigger", "discord", "ping", "--print"]).succeeded().stderr;
    let shown = made.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
    assert!(shown.starts_with("MCow…") && other.run(["secret", "list"]).succeeded().stdout.contains(&shown), "{made}");
}

#[test]
fn a_listener_tells_of_the_secrets_of_its_own_project_only() {
    let hook = Hook::new();
    let kept = |project: &Path, provider: &str, value: &str| {
        format!("[[secret]]\nproject = {project:?}\nprovider = {provider:?}\nvalue = {value:?}\n")
    };
    let elsewhere = |value| kept(Path::new("/elsewhere"), "github", value);
    let here = |value| kept(hook.project(), "github", value);
    let file = hook.home().join("config/hook/secrets.toml");
    let write = |secrets: &[String]| std::fs::write(&file, secrets.concat()).unwrap();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    write(&[elsewhere("hush-1")]);
    let listen = hook.listen([] as [&str; 0]);
    let url = listen.url();
    let told = |n: usize| {
        wait_for("word of it", || {
            request("POST", &url, &[], "{}");
            listen.of_type("secrets").get(n - 1).map(|said| said["changes"].clone())
        })
    };
    let change = |how: &str| json!([{"name": "github", "source": "the kept secret of github", "change": how}]);
    // The first of this project; another project has one of that name, and gets more.
    write(&[elsewhere("hush-1"), kept(Path::new("/elsewhere"), "slack", "hush-2"), here("hush-3")]);
    assert_eq!(told(1), change("new"));
    write(&[elsewhere("hush-4-changed"), here("hush-5-changed")]);
    assert_eq!(told(2), change("changed"));
    write(&[elsewhere("hush-4-changed")]);
    assert_eq!(told(3), change("gone"));
}

#[test]
fn a_param_that_no_recipe_knows_is_told() {
    let (hook, app) = (Hook::new(), App::new());
    let to = app.url();
    for (args, said) in [
        (&["listen", "--param", "bogus=1"][..], "no provider that hook knows needs a param \"bogus\"."),
        (&["listen", "--provider", "stripe", "--param", "webhook_id=1"], "Stripe needs no param \"webhook_id\"."),
        (&["verify", "last", "--param", "bogus=1"], "needs a param \"bogus\"."),
        (&["trigger", "meta", "messages", "--param", "webhook_id=1", "--to", &to], " needs no param \"webhook_id\"."),
    ] {
        let refused = hook.run(args.iter().copied()).ended_with(2).stderr;
        assert!(refused.contains(said) && refused.contains("\nnext: "), "{args:?}: {refused}");
    }
    assert_eq!(app.count(), 0);
    hook.run(["trigger", "meta", "messages", "--param", "verify_token=x", "--to", &to]).succeeded();
    std::fs::write(hook.project().join("hook.toml"), "[[endpoint]]\nname = \"a\"\nparam = { bogus = \"1\" }\n")
        .unwrap();
    let refused = hook.run(["listen"]).ended_with(2).stderr;
    assert!(refused.contains("needs a param \"bogus\"."), "{refused}");
}

#[test]
fn an_event_of_another_provider_than_the_pinned_one_is_told() {
    let hook = Hook::new();
    let listen = hook.listen(["--provider", "slack", "--name", "chat"]);
    listen.ready();
    let said = hook.run(["trigger", "stripe", "invoice.paid"]).stderr;
    let note = "The endpoint chat is pinned to slack: this event of Stripe is taken for one of slack's, ";
    assert!(said.contains(note) && said.contains("next: hook listen --provider stripe "), "{said}");
    assert_eq!(listen.event(1)["provider"], "slack");
    let own = hook.run(["trigger", "slack", "app_mention"]).stderr;
    assert!(!own.contains("pinned"), "{own}");
}

#[test]
fn a_seed_makes_the_same_ids_another_day() {
    let clock = Clock::new();
    let hook = Hook::new().under(&clock);
    let event = |day: &str, provider: &str, kind: &str| {
        clock.set(day);
        hook.run(["trigger", provider, kind, "--seed", "7", "--print"]).succeeded().stdout
    };
    let (one, other) = ("@2026-06-01 12:00:00", "@2026-09-03 18:30:00");
    for (provider, kind, id) in [
        ("paddle", "transaction.completed", "/event_id"),
        ("workos", "user.created", "/id"),
        ("line", "message", "/events/0/webhookEventId"),
        ("discord", "command", "/id"),
    ] {
        let ids = [one, other].map(|day| {
            let body: Value = serde_json::from_str(&event(day, provider, kind)).unwrap();
            body.pointer(id).unwrap().as_str().unwrap().to_owned()
        });
        assert_eq!(ids[0], ids[1], "{provider}");
    }
    assert_ne!(
        event(one, "paddle", "transaction.completed"),
        event(other, "paddle", "transaction.completed"),
        "times differ"
    );
}

/// Even where the body is the same and no time passes.
#[test]
fn tokens_of_several_events_have_ids_of_their_own() {
    let clock = Clock::new();
    clock.set("@2026-06-01 12:00:00");
    let hook = Hook::new().under(&clock);
    let said = hook.run(["trigger", "vonage", "--data", "{}", "--count", "3", "--print"]).succeeded().stderr;
    let tokens: std::collections::HashSet<&str> =
        said.lines().filter_map(|l| l.split_once("Bearer ")).map(|(_, t)| t).collect();
    assert_eq!(tokens.len(), 3, "{said}");
}
