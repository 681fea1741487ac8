//! The same words everywhere: pipes and terminals, with and without colour and signs (ux §1.7, T2).

use hook_tests::{Answer, App, Hook, Relay, post};
use insta::assert_snapshot;

use crate::plain::{Plain, words};
use crate::screen::public_url;
use crate::terminal::{COLUMNS, Place};

/// What a person saw in one place.
struct Seen {
    place: Place,
    raw: String,
}

impl Seen {
    /// Checks what holds for any screen in this place.
    #[track_caller]
    fn new(place: Place, plain: &Plain, raw: &str) -> Self {
        assert_eq!(raw.contains('\u{1b}'), place.has_colour(), "escapes in {place:?}: {}", raw.escape_debug());
        if !place.is_terminal() {
            assert!(!raw.contains('\r'), "a pipe has no carriage return: {}", raw.escape_debug());
        }
        let odd = raw.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\u{1b}'));
        assert_eq!(odd, None, "in {place:?}: {}", raw.escape_debug());
        Self { place, raw: plain.text(&raw.replace("\r\n", "\n")) }
    }

    fn words(&self) -> Vec<String> {
        words(&self.raw)
    }

    /// For a golden file: escapes that can be read.
    fn golden(&self) -> String {
        let text = self.raw.replace('\u{1b}', "␛").replace('\r', "␍\n");
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

type Story = fn(Place) -> (Plain, String);

fn seen(story: Story, place: Place) -> Seen {
    let (plain, raw) = story(place);
    Seen::new(place, &plain, &raw)
}

/// Pipes and terminals, with and without colour: the same words.
#[track_caller]
fn with_signs(name: &str, story: Story) {
    let pipe = seen(story, Place::Pipe);
    for place in [Place::PipeInColour, Place::Pty, Place::PtyInColour] {
        let seen = seen(story, place);
        assert_eq!(seen.words(), pipe.words(), "the words in {:?}", seen.place);
        match place {
            Place::Pty => assert_snapshot!(format!("{name}-pty"), seen.golden()),
            Place::PtyInColour => assert_snapshot!(format!("{name}-pty-colour"), seen.golden()),
            _ => {}
        }
    }
}

/// `TERM=dumb` and `LC_ALL=C`: the same words, and words for the signs.
#[track_caller]
pub fn in_ascii(story: Story) {
    let pipe = seen(story, Place::Pipe);
    let wanted: Vec<String> = pipe.words().iter().map(|l| without_signs(l)).collect();
    for place in [Place::Dumb, Place::NoUtf8] {
        let seen = seen(story, place);
        assert_eq!(seen.words(), wanted, "the words in {place:?}");
        let odd = seen.raw.chars().find(|c| !c.is_ascii());
        assert_eq!(odd, None, "{place:?} has no such sign:\n{}", seen.raw);
    }
}

/// The signs that hook has words for.
fn without_signs(line: &str) -> String {
    let signs =
        [("✓", "ok"), ("✗", "bad"), ("│", "|"), ("└", "`-"), ("…", "..."), ("–", "--"), ("↻", "again"), ("→", "->")];
    signs.iter().fold(line.to_owned(), |line, (sign, word)| line.replace(sign, word))
}

pub fn the_line_log(place: Place) -> (Plain, String) {
    let (hook, app) = (Hook::new(), App::new());
    let target = format!("localhost:{}/webhooks/stripe", app.port());
    let terminal = place.spawn(&hook, &["listen", "--forward-to", &target]);
    let url = public_url(&terminal.wait_for("Ready in "));
    post(&url, "{}");
    terminal.wait_for("#1 ");
    app.answers(Answer::status("500 Oops").header("Content-Type", "application/json").body(r#"{"error":"no id"}"#));
    post(&format!("{url}/a"), "{}");
    terminal.wait_for("hook replay 2");
    app.answers(Answer::status("307 Temporary Redirect").header("Location", "/webhooks/stripe/"));
    post(&url, "{}");
    terminal.wait_for("/webhooks/stripe/\r\n".trim_end());
    terminal.wait_for("next: hook listen --forward-to");
    app.answers(Answer::status("404 Not Found"));
    post(&url, "{}");
    terminal.wait_for("check the path");
    app.stop();
    post(&url, "{}");
    terminal.wait_for("hook replay 5");
    app.start();
    terminal.wait_for("hook replay --undelivered");
    app.answers(Answer::ok("ok"));
    post(&url, "{}");
    terminal.wait_for("#6 ");
    terminal.interrupt();
    let (raw, code) = terminal.ended();
    assert_eq!(code, 0);
    assert_eq!(terminal.columns(), place.is_terminal().then_some(COLUMNS));
    (Plain::of(&hook).app(&app), raw)
}

pub fn the_app_is_down_at_the_start(place: Place) -> (Plain, String) {
    let (hook, app) = (Hook::new(), App::stopped());
    let terminal = place.spawn(&hook, &["listen", "--forward-to", &format!("/a=localhost:{}", app.port())]);
    terminal.wait_for("curl -d ");
    terminal.interrupt();
    (Plain::of(&hook).app(&app), terminal.ended().0)
}

fn a_relay_that_is_lost_and_back(place: Place) -> (Plain, String) {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let target = format!("localhost:{}", app.port());
    let args = ["listen", "--relay", &relay.url(), "--name", "shop", "--forward-to", &target];
    let terminal = place.spawn(&hook, &args);
    terminal.wait_for("curl -d ");
    assert_eq!(relay.terminate(), Some(0));
    terminal.wait_for("Connection lost");
    relay.restart();
    terminal.wait_for("Connected again");
    terminal.interrupt();
    (Plain::of(&hook).relay(&relay).app(&app), terminal.ended().0)
}

pub fn in_full(place: Place) -> (Plain, String) {
    let (hook, app) =
        (Hook::new(), App::answering(Answer::status("422 No").header("X-Why", "id").body("id is missing")));
    let terminal = place.spawn(&hook, &["listen", "-v", "--forward-to", &format!("localhost:{}", app.port())]);
    let url = public_url(&terminal.wait_for("Ready in "));
    post(&url, format!("[{}]", vec!["1"; 60].join(",")));
    terminal.wait_for("next: hook show 1");
    terminal.interrupt();
    (Plain::of(&hook).app(&app), terminal.ended().0)
}

fn what_was_kept(place: Place) -> (Plain, String) {
    let (hook, app) = (Hook::on_disk(), App::new());
    let listen = hook.listen(["--forward-to", &format!("localhost:{}/hooks", app.port())]);
    post(&listen.url(), r#"{"id":"evt_1"}"#);
    listen.attempt(1);
    app.answers(Answer::status("500 Oops").header("Content-Type", "text/plain").body("no id"));
    post(&format!("{}/a?b=c", listen.url()), "plain text");
    listen.attempt(2);
    listen.bye();
    hook.run(["replay", "last"]).ended_with(1);
    let commands: [&[&str]; 4] = [&["events"], &["show", "last"], &["status"], &["doctor"]];
    let all = commands.map(|args| {
        let (raw, code) = place.spawn(&hook, args).ended();
        assert_eq!(code, 0, "{raw}");
        raw
    });
    (Plain::of(&hook).app(&app), all.concat())
}

#[test]
fn the_words_are_the_same() {
    with_signs("line-log", the_line_log);
}

#[test]
fn the_words_are_the_same_while_the_app_is_down() {
    with_signs("app-down", the_app_is_down_at_the_start);
}

#[test]
fn the_words_are_the_same_when_the_relay_is_lost() {
    with_signs("relay-lost", a_relay_that_is_lost_and_back);
}

#[test]
fn the_words_are_the_same_in_full() {
    with_signs("verbose", in_full);
}

#[test]
fn the_words_are_the_same_of_what_was_kept() {
    with_signs("kept", what_was_kept);
}

#[test]
fn without_signs_the_words_say_it_when_the_relay_is_lost() {
    in_ascii(a_relay_that_is_lost_and_back);
}

#[test]
fn without_signs_the_words_say_what_was_kept() {
    in_ascii(what_was_kept);
}

#[test]
fn what_goes_wrong() {
    // An error has no colour anywhere, so it has no escape even where colour is asked for.
    let hook = Hook::new();
    for args in [["listen", "--forward-to", "ftp://x"], ["lisen", "", ""], ["show", "7", "--all"]] {
        let all = Place::ALL.map(|place| place.spawn(&hook, &args).ended());
        for (place, (raw, code)) in Place::ALL.iter().zip(&all) {
            assert_eq!((words(raw), code), (words(&all[0].0), &all[0].1), "{args:?} in {place:?}");
            assert!(!raw.contains('\u{1b}'), "{place:?}: {}", raw.escape_debug());
        }
    }
}

#[test]
fn help_is_the_same_on_a_terminal_of_100_columns() {
    let hook = Hook::new();
    for args in [["--help", "--help"], ["listen", "--help"], ["replay", "--help"], ["relay", "--help"]] {
        let pipe = Place::Pipe.spawn(&hook, &args).ended().0;
        for place in [Place::Pty, Place::Dumb, Place::NoUtf8] {
            let raw = place.spawn(&hook, &args).ended().0;
            assert!(!raw.contains('\u{1b}'), "{place:?}: {}", raw.escape_debug());
            assert_eq!(words(&raw), words(&pipe), "{args:?} in {place:?}");
        }
        for place in [Place::PipeInColour, Place::PtyInColour] {
            assert_eq!(words(&place.spawn(&hook, &args).ended().0), words(&pipe), "{args:?} in {place:?}");
        }
    }
}

#[test]
fn colour_is_decided_for_each_stream_and_in_this_order() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    post(&listen.url(), "{}");
    listen.attempt(1);
    listen.bye();
    let colour = |args: &[&str], environment: &[(&str, &str)]| {
        let mut command = hook.command([&["events"], args].concat());
        command.envs(environment.iter().copied());
        let output = hook_tests::Process::start(&mut command, b"").output().succeeded();
        output.stdout.contains('\u{1b}')
    };
    for (args, environment, wanted) in [
        ([].as_slice(), [].as_slice(), false),
        (&["--color", "always"], &[], true),
        (&["--color", "always"], &[("NO_COLOR", "1")], true),
        (&["--color", "never"], &[("FORCE_COLOR", "1")], false),
        (&[], &[("FORCE_COLOR", "1")], true),
        (&[], &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], true),
        (&[], &[("FORCE_COLOR", "0")], false),
        (&[], &[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], false),
        (&[], &[("FORCE_COLOR", "1"), ("NO_COLOR", "")], true),
    ] {
        assert_eq!(colour(args, environment), wanted, "{args:?} {environment:?}");
    }
}
