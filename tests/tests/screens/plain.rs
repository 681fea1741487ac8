//! A screen without what differs from run to run, so that it can be compared with a golden one.

use std::sync::LazyLock;

use hook_tests::{App, Hook, Relay};
use regex::Regex;

/// What to replace: the ports and directories of one story, and whatever looks like a time, an id or a process.
#[derive(Default)]
pub struct Plain {
    exact: Vec<(Regex, String)>,
}

impl Plain {
    pub fn of(hook: &Hook) -> Self {
        Self::default().and(hook)
    }

    /// Another person's directories, which look the same.
    #[must_use]
    pub fn and(self, hook: &Hook) -> Self {
        self.with(&regex::escape(&hook.home().display().to_string()), "/home/u")
    }

    /// The app is at port 3000, as everybody's is.
    #[must_use]
    pub fn app(self, app: &App) -> Self {
        self.port(app.port(), 3000)
    }

    #[must_use]
    pub fn relay(self, relay: &Relay) -> Self {
        self.port(relay.url().rsplit_once(':').unwrap().1.parse().unwrap(), 8080)
    }

    #[must_use]
    pub fn port(self, port: u16, shown: u16) -> Self {
        self.with(&format!(r"\b{port}\b"), &shown.to_string())
    }

    #[must_use]
    pub fn with(mut self, pattern: &str, shown: &str) -> Self {
        self.exact.push((Regex::new(pattern).unwrap(), shown.to_owned()));
        self
    }

    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, shown) in self.exact.iter().chain(GENERAL.iter()) {
            text = pattern.replace_all(&text, shown.as_str()).into_owned();
        }
        text
    }
}

static GENERAL: LazyLock<Vec<(Regex, String)>> = LazyLock::new(|| {
    [
        // Names that nobody can guess, at the embedded relay.
        (r"http://127\.0\.0\.1:\d+/[0-9a-z]{20,}", "http://127.0.0.1:8080/x7k2m"),
        (r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b", "01JDXG3V8T1Q0Z5W7R9Y2K4M6N"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-11-23 14:02:11"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "2026-11-23T14:02:11.007Z"),
        (r"\d\d:\d\d:\d\d", "14:02:11"),
        (r"\bpid \d+", "pid 4711"),
        (r"hook: \S+ \(pid 4711\) took", "hook: laptop (pid 4711) took"),
        (r"\bhook \d+\.\d+\.\d+", "hook VERSION"),
        (r"SQLite \d+\.\d+\.\d+", "SQLite VERSION"),
        // Times taken: in an event's line, in brackets, in a sentence.
        (r"(?m)(\d{3}(?:\x1b\[0m)?) +\d+ ms  ", "$1     48 ms  "),
        (r"(2026-11-23 14:02:11)  \d+ ms  ", "$1  48 ms  "),
        (r"\((?:\d+ ms|\d+(?:\.\d)? s)\)", "(1 ms)"),
        (r"\(after \d+ s\)", "(after 29 s)"),
        (r"Ready in \d+\.\d s", "Ready in 0.4 s"),
        (r"(Stopped\. \d+ events?) in (?:\d+ ms|\d+(?:\.\d)? s):", "$1 in 12 min:"),
        (r"Retrying in (?:\d+ ms|\d+(?:\.\d)? s)", "Retrying in 2 s"),
        // A signature of a URL changes with its port.
        (r"(x-twilio-signature: )\S+", "${1}y9qRX35jBYFmPWR/tzH8dpLNQq0="),
        // The terminal's own echo of Ctrl-C.
        (r"\^C\r?\n?", ""),
        (r"again after (?:\d+ ms|\d+(?:\.\d)? s)\.", "again after 14 s."),
        // How often it was tried depends on how long the relay was away.
        (r"(?m)^Still not connected .*\n", ""),
        // What else this machine runs is no part of the story.
        (r"(?m)^ +Something listens on \d+\. next: .*\n", ""),
        (r"(?m)^\S+ (?:disk|room|sync|files) +\S.*\n(?: +next: .*\n)?", ""),
        (r"port( +)\d+ is free", "port${1}24042 is free"),
        (r"\(format \d+, [\d.]+ \wB\)", "(format 2, 1.2 MB)"),
        // Not every machine has IPv6.
        (r"refused on 127\.0\.0\.1:(\d+)(?: and \[::1\]:\d+)?", "refused on 127.0.0.1:$1 and [::1]:$1"),
        (r"127\.0\.0\.1:[1-9]\d{4}\b", "127.0.0.1:PORT"),
        // In the words of the system; `wanted.rs` says which they should be.
        (r"(Connection lost|Not connected yet|cannot be reached) \(.*\)\.", "$1 (REASON)."),
    ]
    .map(|(pattern, shown)| (Regex::new(pattern).unwrap(), shown.to_owned()))
    .into()
});

/// Text without its escape sequences.
pub fn stripped(text: &str) -> String {
    static ESCAPES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\x1b\[[0-9;?]*[a-zA-Z]").unwrap());
    let text = ESCAPES.replace_all(text, "");
    assert!(!text.contains('\u{1b}'), "an escape that is no colour: {}", text.escape_debug());
    text.into_owned()
}

/// What was ever on the screen, line by line: what a terminal writes over counts as a line of its own.
pub fn words(text: &str) -> Vec<String> {
    let lines = stripped(text);
    lines.split(['\n', '\r']).map(|l| l.trim_end().to_owned()).filter(|l| !l.is_empty()).collect()
}
