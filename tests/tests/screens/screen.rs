//! `hook` in the line log on pipes, stdout and stderr apart.

use std::sync::LazyLock;

use hook_tests::{App, Hook, Output, Process, wait_until};
use regex::Regex;

use crate::plain::Plain;

pub struct Screen {
    process: Process,
    typed: String,
    pub plain: Plain,
}

impl Screen {
    /// `hook listen …`, not yet ready.
    pub fn start(hook: &Hook, plain: Plain, args: &[&str]) -> Self {
        let args = [&["listen"], args].concat();
        Self { process: hook.spawn(&args), typed: typed(&args), plain }
    }

    pub fn listen(hook: &Hook, plain: Plain, args: &[&str]) -> Self {
        let screen = Self::start(hook, plain, args);
        screen.err("Ready in ");
        screen
    }

    /// `hook listen --forward-to localhost:PORT/webhooks/stripe`, as every manual has it.
    pub fn stripe(hook: &Hook, app: &App, args: &[&str]) -> Self {
        let target = format!("localhost:{}/webhooks/stripe", app.port());
        Self::listen(hook, Plain::of(hook).app(app), &[&["--forward-to", &target], args].concat())
    }

    /// The public URL that is shown.
    #[track_caller]
    pub fn url(&self) -> String {
        public_url(&self.process.wait_for_stderr("Ready in "))
    }

    /// Waits for text on stdout.
    #[track_caller]
    pub fn out(&self, what: &str) -> &Self {
        self.process.wait_for_stdout(what);
        self
    }

    /// Waits for text on stderr.
    #[track_caller]
    pub fn err(&self, what: &str) -> &Self {
        self.process.wait_for_stderr(what);
        self
    }

    /// Waits for an event's line.
    #[track_caller]
    pub fn line(&self, seq: u64) -> &Self {
        self.out(&format!("#{seq} "))
    }

    /// Waits until so many things to do were named below an event.
    #[track_caller]
    pub fn nexts(&self, count: usize) -> &Self {
        wait_until(&format!("{count} things to do"), || self.process.stderr.text().matches("next: ").count() >= count);
        self
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Ctrl-C, and all that was shown.
    #[track_caller]
    pub fn interrupted(&self) -> String {
        self.process.interrupt();
        self.ended()
    }

    /// All that was shown by one that ends by itself.
    #[track_caller]
    pub fn ended(&self) -> String {
        golden(&self.plain, &self.typed, &self.process.output())
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn run(hook: &Hook, plain: &Plain, args: &[&str]) -> String {
    golden(plain, &typed(args), &hook.run(args))
}

#[track_caller]
pub fn golden(plain: &Plain, typed: &str, output: &Output) -> String {
    for (name, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let bad = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        assert_eq!(bad, None, "a control character in a pipe: {name}: {}", text.escape_debug());
    }
    let section = |name: &str, text: &str| {
        let text = plain.text(text);
        let text: String = text.lines().map(|l| format!("{}\n", l.trim_end())).collect();
        if text.is_empty() { format!("--- {name}: nothing\n") } else { format!("--- {name}\n{text}") }
    };
    let code = output.code.map_or("a signal".to_owned(), |c| c.to_string());
    format!(
        "$ {}\n{}{}--- exit {code}\n",
        plain.text(typed),
        section("stdout", &output.stdout),
        section("stderr", &output.stderr)
    )
}

fn typed(args: &[&str]) -> String {
    let quote = |a: &&str| if a.is_empty() || a.contains([' ', '*', '{']) { format!("'{a}'") } else { (*a).to_owned() };
    format!("hook {}", args.iter().map(quote).collect::<Vec<_>>().join(" "))
}

/// The public URL in a banner.
#[track_caller]
pub fn public_url(banner: &str) -> String {
    static URL: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"Public URL   (http://\S+)").unwrap());
    URL.captures(&crate::plain::stripped(banner)).expect("a public URL in the banner")[1].to_owned()
}
