//! Bytes that drive a terminal, in every place that HTTP lets them through: none is shown as it is (ux §1.1, T5).

use hook_tests::{Answer, App, Hook, Output, Sender};

use crate::screen::{Screen, public_url};
use crate::terminal::Place;

/// Clear the screen, set the title, write to the clipboard, the same by C1 controls, reverse the text, write over the line.
const ATTACK: &str = "\x1b[2J\x1b]0;owned\x07\x1b]52;c;cm0gLXJmIH4=\x07\u{9b}2J\u{9d}52;c;eA==\u{9c}\u{202e}gnp.exe\u{2066}\u{200f}\rover\x08\x7f\u{85}";

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    let bad = text.chars().find(|c| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    });
    assert_eq!(bad, None, "in {what}:\n{}", text.escape_debug());
}

/// The places of a request, each tried raw. A relay may refuse some of them; what it takes must be harmless.
fn attack(url: &str) -> usize {
    let attack = ATTACK.as_bytes();
    let high: Vec<u8> = attack.iter().copied().filter(|b| *b >= 0x80).collect();
    let path = |bytes: &[u8]| {
        let sender = Sender::to(url);
        [b"POST ".as_slice(), sender.path().as_bytes(), b"/", bytes, b" HTTP/1.1\r\n"].concat()
    };
    let lines: Vec<Vec<u8>> = vec![
        path(b"\x1b[2J"),
        path(b"a\x07b"),
        path("\u{9b}2J\u{202e}".as_bytes()),
        path(b"\x9b2J\x9d52;c;eA==\x9c"),
        path(b"%1b[2J%0d%0aover%07?%1b]52;c;eA==%07"),
        path(b"?\x1b[2J"),
        path("?q=\u{9b}2J\u{202e}".as_bytes()),
        path(b"a\rb"),
        [b"\x1b[2J ".as_slice(), Sender::to(url).path().as_bytes(), b" HTTP/1.1\r\n"].concat(),
    ];
    let mut sent = 0;
    for first in &lines {
        sent += usize::from(try_request(url, first, &[], b"{}"));
    }
    let plain = path(b"fields");
    let fields: Vec<(Vec<u8>, Vec<u8>)> = vec![
        (b"X-High".into(), high.clone()),
        (b"X-All".into(), attack.to_vec()),
        (b"X-Esc".into(), b"\x1b[2J".into()),
        (b"X-Cr".into(), b"a\rb".into()),
        (b"X-\x1b[2J".into(), b"1".into()),
        ("X-\u{9b}2J".into(), b"1".into()),
        (b"Content-Type".into(), [b"application/json; x=", high.as_slice()].concat()),
        (b"Content-Encoding".into(), high.clone()),
        (b"User-Agent".into(), high),
    ];
    for field in fields {
        sent += usize::from(try_request(url, &plain, &[field], ATTACK.as_bytes()));
    }
    let json = format!("{{\"type\":\"\\u001b[2J\",\"id\":\"{}\",\"{}\":1}}", "\u{202e}\u{9b}", "\u{2066}");
    sent + usize::from(try_request(
        url,
        &plain,
        &[(b"Content-Type".into(), b"application/json".into())],
        json.as_bytes(),
    ))
}

/// `true`: the relay took it.
fn try_request(url: &str, first: &[u8], fields: &[(Vec<u8>, Vec<u8>)], body: &[u8]) -> bool {
    let Ok(mut sender) = Sender::try_to(url) else { return false };
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut head = [first, format!("Host: {host}\r\nContent-Length: {}\r\n", body.len()).as_bytes()].concat();
    for (name, value) in fields {
        head.extend([name.as_slice(), b": ", value, b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head.extend(body);
    if sender.try_send(head).is_err() {
        return false;
    }
    let Ok(response) = sender.try_response() else { return false };
    // A refusal by the relay is its own, and never an event.
    response.header("x-app").is_some() || response.status == 502
}

/// What an app may say. Each has a field by which its answer is told from one of the relay's own.
fn answers() -> Vec<Answer> {
    let all = [
        Answer::status("500 Oops").body(ATTACK),
        Answer::status("500 Oops").header("Content-Type", "text/html").body(format!("<title>{ATTACK}</title>")),
        Answer::status("500 Oops")
            .header("Content-Type", format!("image/{ATTACK}").replace(['\x1b', '\x07', '\r', '\x08', '\x7f'], ""))
            .body([0, 1, 2]),
        Answer::status("302 Found").header("Location", "/\u{202e}\u{9b}2J"),
        Answer::status("302 Found").header("Location", "https://evil.example/\u{9b}2J;$(id)"),
        Answer::status("404 \u{9b}2J"),
        Answer::status("403 No").header("X-Evil", "\u{9b}2J\u{202e}").body("Blocked host: \x1b[2J"),
        Answer::status("415 No"),
        Answer::status("422 No").header("Content-Type", "text/plain").body("\x1b[2Jfirst\r\x1b[31msecond"),
        Answer::ok(ATTACK),
    ];
    all.into_iter().map(|a| a.header("X-App", "1")).collect()
}

#[test]
fn the_line_log_is_clean_in_every_form() {
    for args in [[].as_slice(), &["-v"], &["-vv"]] {
        let (hook, app) = (Hook::new(), App::new());
        let screen = Screen::stripe(&hook, &app, args);
        let url = screen.url();
        let mut sent = 0;
        for answer in answers() {
            app.answers(answer);
            sent += attack(&url);
        }
        app.answers(Answer::raw(ATTACK));
        sent += attack(&url);
        assert!(sent > 50, "only {sent} came through");
        app.stop();
        attack(&url);
        screen.process().interrupt();
        let output = screen.process().output();
        assert_clean(&format!("stdout of listen {args:?}"), &output.stdout);
        assert_clean(&format!("stderr of listen {args:?}"), &output.stderr);
        assert!(output.stdout.contains("\\u{9b}2J") || output.stdout.contains("\\x9b2J"), "they are shown as escapes");
    }
}

#[test]
fn what_was_kept_is_shown_clean() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url(), "--body"]);
    let url = listen.url();
    for answer in answers() {
        app.answers(answer);
        attack(&url);
    }
    listen.bye();
    let events = listen.of_type("event").len();
    assert!(events > 50, "only {events} came through");
    let clean = |args: &[&str]| {
        let Output { stdout, stderr, .. } = hook.run(args);
        assert_clean(&format!("stdout of {args:?}"), &stdout);
        assert_clean(&format!("stderr of {args:?}"), &stderr);
        stdout
    };
    clean(&["events", "--limit", "1000"]);
    for seq in (1..=events).step_by(3) {
        clean(&["show", &seq.to_string()]);
    }
    clean(&["replay", "1..30", "--concurrency", "8"]);
    clean(&["status"]);
    clean(&["events", "path:\x1b[2J"]);
    clean(&["show", "\x1b[2J"]);
    // Only the bytes themselves, when they are asked for, are themselves.
    let raw = (1..=events).map(|seq| hook.run(["show", &seq.to_string(), "--raw"]).stdout).find(|raw| raw == ATTACK);
    assert!(raw.is_some(), "--raw has the exact bytes");
}

#[test]
fn json_lines_are_clean_and_still_say_it() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url(), "--body"]);
    let url = listen.url();
    for answer in answers() {
        app.answers(answer);
        attack(&url);
    }
    listen.bye();
    let said_it = |lines: Vec<serde_json::Value>| lines.iter().any(|l| l["type"] == "event" && l["body"] == ATTACK);
    assert!(said_it(listen.records()), "a program reads what was sent");
    assert_clean("listen --output json", &listen.stdout.text());
    for args in [["events", "--body"], ["show", "last"], ["replay", "last"]] {
        let output = hook.run([&args, ["--output", "json"].as_slice()].concat());
        assert_clean(&format!("{args:?} in JSON"), &output.stdout);
        assert_eq!(output.stderr, "");
    }
}

/// On a real terminal, the only escapes are hook's own colours.
#[test]
fn a_terminal_gets_no_escape_but_colours() {
    let colours = regex::Regex::new(r"\x1b\[[0-9;]*m").unwrap();
    for place in [Place::Pty, Place::PtyInColour] {
        let (hook, app) = (Hook::new(), App::new());
        let terminal = place.spawn(&hook, &["listen", "-v", "--forward-to", &app.url()]);
        let url = public_url(&terminal.wait_for("Ready in "));
        for answer in answers() {
            app.answers(answer);
            attack(&url);
        }
        terminal.interrupt();
        // It is read as it comes, or hook waits for its terminal.
        let (raw, code) = terminal.ended();
        assert_eq!(code, 0);
        assert!(raw.contains('\u{1b}') == place.has_colour());
        // Fails at any escape that sets no colour.
        let text = crate::plain::stripped(&raw);
        let escapes = raw.matches('\u{1b}').count();
        assert_eq!(colours.find_iter(&raw).count(), escapes, "only colours: {}", raw.escape_debug());
        assert_clean(&format!("{place:?}"), &text.replace("\r\n", "\n"));
    }
}
