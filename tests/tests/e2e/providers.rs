//! Whom hook knows, and a person's own recipes.

use hook_tests::{Hook, request};

const OWN: &str = r#"
name = "Acme Pay"
docs = "https://docs.acme.example/webhooks"
match = ["header:acme-signature"]

[event]
type = "json:/type"

[secret]
called = "signing secret"
env = ["ACME_WEBHOOK_SECRET"]
found = "Settings, Webhooks"

[[scheme]]
alg = "hmac-sha256"
sig = { at = "header:acme-signature", enc = "hex" }
content = "{body}"
"#;

#[test]
fn at_least_66_are_known_and_each_has_a_page() {
    let hook = Hook::new();
    let list = hook.run(["providers"]).succeeded();
    assert!(list.stdout.lines().count() >= 66, "{}", list.stdout);
    assert!(list.stdout.lines().any(|l| l.starts_with("stripe ") && l.contains("hmac-sha256")), "{}", list.stdout);
    let all = hook.run(["providers", "--output", "json"]).succeeded().of_type("provider");
    assert_eq!(all.len(), list.stdout.lines().count());
    for provider in ["stripe", "paypal", "twilio"] {
        let page = hook.run(["providers", provider]).succeeded().stdout;
        for label in ["Docs", "Signature", "Secret", "Waits", "Success", "Sends again", "Sources"] {
            assert!(page.contains(&format!("  {label} ")), "{label}: {page}");
        }
    }
    hook.run(["providers", "strip"]).ended_with(2);
}

#[test]
fn a_persons_own_recipes_count_and_a_bad_one_stops_no_other() {
    let hook = Hook::new().with_env("ACME_WEBHOOK_SECRET", "hush-hush-hush-hush");
    let (own, shared) = (hook.project().join(".hook/providers"), hook.home().join("config/hook/providers"));
    for dir in [&own, &shared] {
        std::fs::create_dir_all(dir).unwrap();
    }
    std::fs::write(own.join("acme.toml"), OWN).unwrap();
    std::fs::write(shared.join("broken.toml"), OWN.replace("hmac-sha256", "hmac-sha257")).unwrap();
    let list = hook.run(["providers"]).succeeded();
    assert!(
        list.stdout.lines().any(|l| l.starts_with("acme ") && l.contains("(ACME_WEBHOOK_SECRET)")),
        "{}",
        list.stdout
    );
    let (file, line) = (shared.join("broken.toml"), "line 15");
    let said = list.stderr.lines().next().unwrap();
    assert!(said.contains(&file.display().to_string()) && said.contains(line), "{said}");
    assert!(said.contains("\"hmac-sha257\" is not an algorithm: those are hmac-sha1, hmac-sha256, "), "{said}");
    let listen = hook.listen([] as [&str; 0]);
    let signed = hook_tests::signing::hmac_sha256(b"hush-hush-hush-hush", br#"{"type":"paid"}"#);
    let fields: [(&str, &[u8]); 2] = [("Content-Type", b"application/json"), ("Acme-Signature", signed.as_bytes())];
    request("POST", &listen.url(), &fields, r#"{"type":"paid"}"#);
    let event = listen.event(1);
    assert_eq!((&event["provider"], &event["event_type"]), (&"acme".into(), &"paid".into()));
    assert_eq!(event["signature"]["verdict"], "valid");
    let error = listen.of_type("error").remove(0);
    assert_eq!((&error["code"], &error["fatal"]), (&"recipe".into(), &false.into()));
    // It has no samples: a body of one's own is signed.
    let said = hook.run(["trigger", "acme"]).ended_with(2).stderr;
    assert!(
        said.contains("hook has no samples of Acme Pay")
            && said.ends_with("next: hook trigger acme --data @event.json\n"),
        "{said}"
    );
    std::fs::write(hook.project().join("event.json"), r#"{"type":"refunded"}"#).unwrap();
    hook.run(["trigger", "acme", "--data", "@event.json"]).succeeded();
    assert_eq!(listen.event(2)["signature"]["verdict"], "valid");
}

#[test]
fn a_recipe_of_ones_own_is_told_of_where_it_is_named_or_takes_the_place_of_another() {
    let hook = Hook::new();
    let own = hook.project().join(".hook/providers");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("acme.toml"), OWN.replace("hmac-sha256", "hmac-sha257")).unwrap();
    std::fs::write(own.join("stripe.toml"), OWN).unwrap();
    let named: [&[&str]; 5] = [
        &["secret", "set", "acme"],
        &["trigger", "acme", "paid"],
        &["listen", "--provider", "acme"],
        &["verify", "--provider", "acme", "--body", "{}"],
        &["providers", "acme"],
    ];
    for args in named {
        let said = hook.run(args.iter().copied()).ended_with(2).stderr;
        assert!(said.contains("the recipe of acme was left out: ") && said.contains(" line 15: "), "{args:?}: {said}");
    }
    let list = hook.run(["providers"]).succeeded().stderr;
    assert!(list.contains("stripe: ./.hook/providers/stripe.toml takes the place of hook's own\n"), "{list}");
    let listen = hook.listen([] as [&str; 0]);
    listen.wait_for("word of it", |r| {
        r["message"] == "./.hook/providers/stripe.toml takes the place of hook's own recipe of stripe."
    });
}
