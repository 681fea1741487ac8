//! Bytes that would drive a terminal, from a sender or an app, never reach one raw.

use hook_tests::{Answer, App, Hook, Process, request};

/// Clear the screen; set the title; write to the clipboard; the same by C1 controls; reverse the text; ring.
const ATTACK: &str =
    "\x1b[2J\x1b]0;owned\x07\x1b]52;c;cm0gLXJmIH4=\x07\u{9b}31m\u{9d}x\u{9c}\u{202e}txt.exe\u{2066}\x07\r\x08\x7f";

/// Nothing of it but line ends and tabs.
#[track_caller]
fn assert_clean(what: &str, text: &str) {
    let bad = text.chars().find(|c| {
        let control = c.is_control() && !matches!(c, '\n' | '\t');
        control || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    });
    if let Some(bad) = bad {
        panic!("{bad:?} in {what}:\n{}", text.escape_debug());
    }
}

/// Sends the attack in every place where text may be.
fn attack(url: &str) {
    let attack = ATTACK.as_bytes();
    // Raw controls in a path or a field are refused by any HTTP server; what a server lets through are these.
    let high: Vec<u8> = attack.iter().copied().filter(|b| *b >= 0x80).collect();
    let mut path = b"/\xc2\x9b31m%1b[2J\xe2\x80\xae".to_vec();
    path.extend(b"?\xc2\x9d0;x");
    // It is UTF-8, so it is text.
    let path = String::from_utf8(path).unwrap();
    let fields: [(&str, &[u8]); 3] =
        [("X-Evil", &high), ("Content-Type", "text/plain; x=\u{202e}\u{9b}2J".as_bytes()), ("User-Agent", &high)];
    let _ = request("POST", &format!("{url}{path}"), &fields, attack);
    let json = format!("{{\"type\":\"\\u001b[2J\",\"id\":\"{}\",\"{}\":1}}", "\u{202e}\u{9b}", "\u{2066}");
    request("POST", url, &[("Content-Type", b"application/json")], json);
}

fn answers() -> Vec<Answer> {
    vec![
        Answer::status("500 Oops").body(ATTACK),
        Answer::status("500 Oops").header("Content-Type", "text/html").body(format!("<title>{ATTACK}</title>")),
        Answer::status("302 Found").header("Location", "/\u{202e}\u{9b}2J"),
        Answer::status("404 \u{9b}2J"),
        Answer::raw(ATTACK),
        Answer::status("403 No").header("X-Evil", "\u{9b}2J").body("Blocked host: \x1b[2J"),
    ]
}

#[track_caller]
fn assert_clean_output(what: &str, process: &Process) {
    process.interrupt();
    let output = process.output();
    assert_clean(&format!("stdout of {what}"), &output.stdout);
    assert_clean(&format!("stderr of {what}"), &output.stderr);
}

#[test]
fn the_line_log_is_clean() {
    for args in [[].as_slice(), &["-v"], &["-vv"]] {
        let (hook, app) = (Hook::new(), App::new());
        let listen = hook.spawn([&["listen", "--forward-to", &app.url()], args].concat());
        let banner = listen.wait_for_stderr("Ready in ");
        let url = banner.lines().find_map(|l| l.trim().strip_prefix("Public URL")).unwrap().trim().to_owned();
        for answer in answers() {
            app.answers(answer);
            attack(&url);
        }
        app.stop();
        attack(&url);
        assert_clean_output(&format!("listen {args:?}"), &listen);
    }
}

#[test]
fn json_lines_events_show_and_replay_are_clean() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url(), "--body"]);
    let url = listen.url();
    for answer in answers() {
        app.answers(answer);
        attack(&url);
    }
    let count = listen.wait_for_type("event", 6).len();
    // JSON is read by programs, which decode it; on a terminal it must be harmless before that.
    assert_clean("stdout of listen --output json", &listen.stdout.text());
    assert_clean("events", &hook.run(["events"]).succeeded().stdout);
    assert_clean("events --output json", &hook.run(["events", "--output", "json"]).succeeded().stdout);
    for n in 1..=count {
        let n = n.to_string();
        let show = hook.run(["show", &n]).succeeded();
        assert_clean("show", &show.stdout);
        let replay = hook.run(["replay", &n]);
        assert_clean("replay", &(replay.stdout + &replay.stderr));
    }
}

#[test]
fn arguments_are_not_echoed_raw() {
    let hook = Hook::new();
    for args in [
        vec!["listen", "--forward-to", ATTACK],
        vec!["show", ATTACK],
        vec!["replay", ATTACK],
        vec!["events", ATTACK],
        vec![ATTACK],
        vec!["listen", "--name", ATTACK],
        vec!["listen", "--relay", ATTACK],
    ] {
        let output = hook.run(&args);
        assert_clean(&format!("{:?}", args[0].escape_debug().to_string()), &(output.stdout + &output.stderr));
    }
}
