//! The one owner of the terminal: which stream, which colours, which characters (ux §1.1, §1.7).

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anstyle::{AnsiColor, Style};

use crate::platform;

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorChoice {
    Always,
    Never,
    #[default]
    Auto,
}

/// What the surroundings say; a value, so that tests can say it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings {
    pub no_color: bool,
    pub force_color: bool,
    pub dumb: bool,
    pub ascii: bool,
    pub stdout_is_terminal: bool,
    pub stderr_is_terminal: bool,
}

impl Surroundings {
    pub fn of_this_process() -> Self {
        let set = |name: &str| std::env::var(name).is_ok_and(|v| !v.is_empty());
        let on = |name: &str| std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "0");
        let dumb = std::env::var("TERM").is_ok_and(|t| t == "dumb");
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|n| std::env::var(n).ok().filter(|v| !v.is_empty()));
        let utf8 = locale.is_none_or(|l| {
            let l = l.to_ascii_lowercase();
            l.contains("utf-8") || l.contains("utf8")
        });
        Self {
            no_color: set("NO_COLOR"),
            force_color: on("CLICOLOR_FORCE") || on("FORCE_COLOR"),
            dumb,
            ascii: dumb || !utf8 || on("HOOK_ASCII"),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
        }
    }

    fn color(&self, choice: ColorChoice, is_terminal: bool) -> bool {
        match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if self.no_color => false,
            ColorChoice::Auto if self.force_color => true,
            ColorChoice::Auto => !self.dumb && is_terminal,
        }
    }
}

/// Paints text for one stream, or leaves it plain.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    color: bool,
    ascii: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Good,
    Redirect,
    Warn,
    Bad,
    Dim,
    Bold,
}

impl Paint {
    pub const PLAIN: Self = Self { color: false, ascii: false };

    pub fn new(color: bool, ascii: bool) -> Self {
        Self { color, ascii }
    }

    pub fn ink(self, ink: Ink, text: impl std::fmt::Display) -> String {
        if !self.color {
            return text.to_string();
        }
        let style = match ink {
            Ink::Good => Style::new().fg_color(Some(AnsiColor::Green.into())),
            Ink::Redirect => Style::new().fg_color(Some(AnsiColor::Cyan.into())),
            Ink::Warn => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
            Ink::Bad => Style::new().fg_color(Some(AnsiColor::Red.into())),
            Ink::Dim => Style::new().dimmed(),
            Ink::Bold => Style::new().bold(),
        };
        format!("{style}{text}{style:#}")
    }

    /// A line with all signs of ours in letters, where the terminal has no more.
    pub fn signs(self, line: &str) -> std::borrow::Cow<'_, str> {
        const SIGNS: [(&str, &str); 10] = [
            ("…", "..."),
            ("→", "->"),
            ("✓", "ok"),
            ("✗", "bad"),
            ("–", "--"),
            ("│", "|"),
            ("└", "`-"),
            ("·", "-"),
            ("↻", "again"),
            ("⚠", "!"),
        ];
        if !self.ascii || line.is_ascii() {
            return line.into();
        }
        SIGNS.iter().fold(line.to_owned(), |line, (sign, word)| line.replace(sign, word)).into()
    }

    /// A sign of ours, in letters where the terminal has no more.
    pub fn sign(self, sign: &'static str) -> &'static str {
        if !self.ascii {
            return sign;
        }
        match sign {
            "✓" => "ok",
            "✗" => "bad",
            "–" => "--",
            "│" => "|",
            "└" => "`-",
            "…" => "...",
            "·" => "-",
            "↻" => "again",
            "⚠" => "!",
            other => other,
        }
    }
}

impl Paint {
    /// A sign that begins a column: words are of the same width.
    pub fn mark(self, sign: &'static str) -> String {
        format!("{:<width$}", self.sign(sign), width = if self.ascii { 3 } else { 1 })
    }
}

pub struct Ui {
    pub out: Paint,
    pub err: Paint,
    pub stdout_is_terminal: bool,
    pub stderr_is_terminal: bool,
    closed: AtomicBool,
    /// Data that is to be written in one go.
    held: Mutex<Option<Vec<u8>>>,
}

/// Data is gathered for as long as it lives, and written at its end.
pub struct Together<'a>(&'a Ui);

impl Drop for Together<'_> {
    fn drop(&mut self) {
        let held = self.0.held().take();
        self.0.write(&held.unwrap_or_default());
    }
}

impl Ui {
    pub fn new(surroundings: &Surroundings, choice: ColorChoice) -> Self {
        Self {
            out: Paint::new(surroundings.color(choice, surroundings.stdout_is_terminal), surroundings.ascii),
            err: Paint::new(surroundings.color(choice, surroundings.stderr_is_terminal), surroundings.ascii),
            stdout_is_terminal: surroundings.stdout_is_terminal,
            stderr_is_terminal: surroundings.stderr_is_terminal,
            closed: AtomicBool::new(false),
            held: Mutex::default(),
        }
    }

    /// Data: a line for whoever reads standard output.
    pub fn data(&self, line: &str) {
        let mut held = self.held();
        match &mut *held {
            Some(held) => {
                held.extend_from_slice(line.as_bytes());
                held.push(b'\n');
            }
            None => self.write(format!("{line}\n").as_bytes()),
        }
    }

    /// From now on data is written in one go, and before anything else that is said.
    pub fn together(&self) -> Together<'_> {
        self.held().get_or_insert_default();
        Together(self)
    }

    /// Data for people: the same line, in characters that the terminal has.
    pub fn text(&self, line: &str) {
        self.data(&self.out.signs(line));
    }

    /// Data as it is.
    pub fn bytes(&self, bytes: &[u8]) {
        self.write_held();
        self.write(bytes);
    }

    /// Everything else.
    pub fn status(&self, line: &str) {
        self.write_held();
        // In one piece, so that what a person types meanwhile is not in the middle of it. With standard error gone there is
        // nobody to tell.
        let _ = io::stderr().lock().write_all(format!("{}\n", self.err.signs(line)).as_bytes());
    }

    /// Asks a person yes or no; `None` when nobody is there to answer.
    pub fn ask(&self, question: &str) -> Option<bool> {
        let answer = self.answer(&format!("{question} [y/N]"))?;
        Some(matches!(answer.as_str(), "y" | "Y" | "yes"))
    }

    /// The same while other lines are written: the answer has a line of its own.
    pub fn ask_between_lines(&self, question: &str) -> Option<bool> {
        // What was typed before the question is no answer to it.
        platform::forget_typed();
        let answer = self.read_answer(&format!("{question} Type y or n, and Enter.\n"))?;
        Some(matches!(answer.as_str(), "y" | "Y" | "yes"))
    }

    /// What a person answers to a question, in a line; `None` when nobody is there.
    pub fn answer(&self, question: &str) -> Option<String> {
        self.read_answer(&format!("{question} "))
    }

    fn read_answer(&self, prompt: &str) -> Option<String> {
        if !self.stderr_is_terminal || !platform::reads_terminal() {
            return None;
        }
        self.write_held();
        let _ = write!(io::stderr().lock(), "{}", self.err.signs(prompt));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer).ok()?;
        (read > 0).then(|| answer.trim().to_owned())
    }

    /// The terminal shows ^C; what follows begins on a line of its own.
    pub fn after_interrupt(&self) {
        if self.stderr_is_terminal {
            let _ = writeln!(io::stderr().lock());
        }
    }

    /// A state that the next line of status replaces, where that is possible.
    pub fn passing(&self, line: &str) {
        self.write_held();
        let end = if self.stderr_is_terminal { "\r" } else { "\n" };
        let _ = write!(io::stderr().lock(), "{line}{end}");
    }

    /// Takes back what [`Ui::passing`] left on the line.
    pub fn clear_passing(&self, columns: usize) {
        if self.stderr_is_terminal {
            let _ = write!(io::stderr().lock(), "\r{}\r", " ".repeat(columns));
        }
    }

    /// Whoever read standard output is gone.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn write_held(&self) {
        let held = self.held().as_mut().map(std::mem::take);
        self.write(&held.unwrap_or_default());
    }

    fn write(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut out = io::stdout().lock();
        if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
            self.closed.store(true, Ordering::Release);
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_decided_in_the_order_of_the_book() {
        let plain = Surroundings { stdout_is_terminal: true, ..Surroundings::default() };
        let none = Surroundings { no_color: true, force_color: true, ..plain };
        let forced = Surroundings { force_color: true, dumb: true, ..Surroundings::default() };
        let dumb = Surroundings { dumb: true, ..plain };
        assert!(plain.color(ColorChoice::Auto, true) && !plain.color(ColorChoice::Auto, false));
        assert!(!none.color(ColorChoice::Auto, true) && none.color(ColorChoice::Always, false));
        assert!(forced.color(ColorChoice::Auto, false) && !dumb.color(ColorChoice::Auto, true));
        assert!(!plain.color(ColorChoice::Never, true));
    }

    #[test]
    fn without_colour_there_is_no_escape() {
        assert_eq!(Paint::PLAIN.ink(Ink::Bad, "500"), "500");
        assert_eq!(Paint::new(true, false).ink(Ink::Bad, "500"), "\u{1b}[31m500\u{1b}[0m");
        assert_eq!(Paint::new(false, true).sign("✗"), "bad");
    }
}
