//! Several runs of one user share a journal; none takes from another what it owes.

use hook_tests::{App, Heard, Hook, Load, Relay, curl, post};

fn listen(hook: &Hook, relay: &Relay, app: &App, more: &[&str]) -> hook_tests::Listen {
    let args = ["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()];
    let listen = hook.listen([args.as_slice(), more].concat());
    listen.ready();
    listen
}

#[test]
fn a_takeover_on_one_journal_loses_nothing() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let mut current = listen(&hook, &relay, &app, &[]);
    let load = Load::start(&relay.at("shop"), 4);
    for _ in 0..4 {
        load.until_promised(20);
        let next = listen(&hook, &relay, &app, &[]);
        assert_eq!(current.exit_code(), Some(4));
        current = next;
    }
    load.until_promised(20);
    Heard::assert_promises_kept(&load.stop(), &hook, &app);
}

#[test]
fn a_mirror_on_the_same_journal_takes_nothing_from_the_responder() {
    let (relay, hook) = (Relay::start(), Hook::new());
    let (app, copied) = (App::new(), App::new());
    let _responder = listen(&hook, &relay, &app, &[]);
    let _mirror = listen(&hook, &relay, &copied, &["--mirror"]);
    for n in 0..20 {
        assert_eq!(post(&format!("{}/{n}", relay.at("shop")), "{}").text(), "ok", "the responder's answer");
    }
    app.request(20);
    copied.request(20);
    assert_eq!((app.count(), copied.count()), (20, 20));
}

#[test]
fn more_fields_than_anybody_sends_stop_no_endpoint() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let _listen = listen(&hook, &relay, &app, &[]);
    let url = relay.at("shop");
    let mut args = vec!["-s", "-o", "/dev/null", "-w", "%{http_code}", "--http2-prior-knowledge", &url];
    args.extend(std::iter::repeat_n(["-H", "a: 1"], 1100).flatten());
    assert_eq!(curl(&args).stdout, "431");
    assert_eq!(post(&url, "{}").text(), "ok");
}
