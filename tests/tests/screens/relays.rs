//! The line log at a relay of its own: lost, back, taken over, refused (ux §1.5).

use hook_tests::{App, Hook, Relay, post};
use insta::assert_snapshot;

use crate::plain::Plain;
use crate::screen::Screen;

fn listen(hook: &Hook, relay: &Relay, app: &App) -> Screen {
    let plain = Plain::of(hook).relay(relay).app(app);
    Screen::listen(
        hook,
        plain,
        &["--relay", &relay.url(), "--name", "shop", "--forward-to", &format!("localhost:{}", app.port())],
    )
}

#[test]
fn the_relay_restarts() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let screen = listen(&hook, &relay, &app);
    assert_eq!(relay.terminate(), Some(0));
    screen.err("Connection lost");
    relay.restart();
    screen.err("Connected again");
    post(&relay.at("shop"), "{}");
    screen.line(1);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn events_came_while_the_relay_was_lost() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let cable = crate::cable::Cable::to(&relay.url());
    let plain = Plain::of(&hook).relay(&relay).app(&app).port(cable.port(), 8080);
    let args = ["--relay", &cable.url(), "--name", "shop", "--forward-to", &format!("localhost:{}", app.port())];
    let screen = Screen::listen(&hook, plain, &args);
    cable.pull();
    screen.err("Connection lost");
    post(&relay.at("shop"), "{}").assert_queued();
    post(&relay.at("shop"), "{}").assert_queued();
    cable.plug();
    screen.err("Connected again");
    screen.line(1).line(2);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn the_relay_is_not_there_yet() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    relay.kill9();
    let plain = Plain::of(&hook).relay(&relay).app(&app);
    let args = ["--relay", &relay.url(), "--name", "shop", "--forward-to", &format!("localhost:{}", app.port())];
    let screen = Screen::start(&hook, plain, &args);
    screen.err("Not connected yet");
    relay.restart();
    screen.err("Ready in ");
    assert_snapshot!(screen.interrupted());
}

#[test]
fn taken_over_by_another_listener() {
    let (relay, one, two, app) = (Relay::start(), Hook::new(), Hook::new(), App::new());
    let first = listen(&one, &relay, &app);
    post(&relay.at("shop"), "{}");
    first.line(1);
    let second = listen(&two, &relay, &app);
    assert_snapshot!(first.ended());
    assert!(second.process().is_running());
}

#[test]
fn beside_another_listener() {
    let (relay, one, two, app) = (Relay::start(), Hook::new(), Hook::new(), App::new());
    let _first = listen(&one, &relay, &app);
    let plain = Plain::of(&two).relay(&relay).app(&app);
    let target = format!("localhost:{}", app.port());
    let args = ["--relay", &relay.url(), "--name", "shop", "--forward-to", &target, "--mirror"];
    let mirror = Screen::listen(&two, plain, &args);
    post(&relay.at("shop"), "{}");
    mirror.line(1);
    assert_snapshot!(mirror.interrupted());
}

/// DESIGN §8: the relay says which URL is public, and that is the one to copy.
#[test]
fn the_public_url_is_the_relays_own() {
    let (relay, hook) = (Relay::with(&["--public-url", "https://hooks.example.com", "--open"]), Hook::new());
    let screen = Screen::listen(&hook, Plain::of(&hook), &["--relay", &relay.url(), "--name", "shop"]);
    let said = screen.interrupted();
    let urls: Vec<_> = said.lines().filter(|l| l.trim_start().starts_with("Public URL")).collect();
    assert_eq!(urls.last(), Some(&"  Public URL   https://hooks.example.com/shop"), "{said}");
}
