//! The same program in several places: pipes and real terminals, with and without colour, with and without signs.

use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};

use hook_tests::{Hook, LIVENESS, Process, wait_for};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

pub const COLUMNS: u16 = 100;

/// Where the program runs. Standard output and standard error are one stream, as a person sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Pipe,
    PipeInColour,
    Pty,
    PtyInColour,
    /// `TERM=dumb`.
    Dumb,
    /// `LC_ALL=C`.
    NoUtf8,
}

impl Place {
    pub const ALL: [Self; 6] = [Self::Pipe, Self::PipeInColour, Self::Pty, Self::PtyInColour, Self::Dumb, Self::NoUtf8];

    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Pipe | Self::PipeInColour)
    }

    pub fn has_colour(self) -> bool {
        matches!(self, Self::PipeInColour | Self::PtyInColour)
    }

    fn environment(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Pipe | Self::PipeInColour => &[],
            Self::Pty => &[("TERM", "xterm-256color"), ("NO_COLOR", "1")],
            Self::PtyInColour => &[("TERM", "xterm-256color")],
            Self::Dumb => &[("TERM", "dumb")],
            Self::NoUtf8 => &[("TERM", "xterm-256color"), ("NO_COLOR", "1"), ("LC_ALL", "C")],
        }
    }

    pub fn spawn(self, hook: &Hook, args: &[&str]) -> Terminal {
        let color: &[&str] = if self == Self::PipeInColour { &["--color", "always"] } else { &[] };
        let mut command = hook.command(args.iter().chain(color));
        command.envs(self.environment().iter().copied());
        if self.is_terminal() { Terminal::pty(&command) } else { Terminal::pipe(&command) }
    }
}

pub enum Terminal {
    Pipe(Process),
    Pty(Pty),
}

pub struct Pty {
    child: Mutex<Box<dyn Child + Send + Sync>>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Mutex<Box<dyn Write + Send>>,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Terminal {
    pub fn pipe(command: &Command) -> Self {
        // A shell that is replaced at once joins the two streams.
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(command.get_program()).args(command.get_args());
        shell.env_clear().envs(command.get_envs().filter_map(|(n, v)| Some((n, v?))));
        shell.current_dir(command.get_current_dir().unwrap());
        Self::Pipe(Process::start(&mut shell, b""))
    }

    pub fn pty(command: &Command) -> Self {
        let size = PtySize { rows: 40, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        // A terminal throws away what is not read yet when somebody presses Ctrl-C; tests want to see it.
        let mut builder = CommandBuilder::new("sh");
        builder.args(["-c", "stty noflsh; exec \"$0\" \"$@\""]);
        builder.arg(command.get_program());
        builder.args(command.get_args());
        builder.cwd(command.get_current_dir().unwrap());
        builder.env_clear();
        for (name, value) in command.get_envs() {
            builder.env(name, value.unwrap_or_default());
        }
        let child = pair.slave.spawn_command(builder).unwrap();
        // The terminal ends with the last process that has it.
        drop(pair.slave);
        let mut from = pair.master.try_clone_reader().unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let into = screen.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                into.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        let keyboard = Mutex::new(pair.master.take_writer().unwrap());
        let (child, reader) = (Mutex::new(child), Mutex::new(Some(reader)));
        Self::Pty(Pty { child, master: pair.master, keyboard, screen, reader })
    }

    /// All that came so far, escapes and all.
    pub fn raw(&self) -> String {
        match self {
            Self::Pipe(process) => process.stdout.text(),
            Self::Pty(pty) => String::from_utf8_lossy(&pty.screen.lock().unwrap()).into_owned(),
        }
    }

    /// Waits for words, whatever their colour.
    #[track_caller]
    pub fn wait_for(&self, what: &str) -> String {
        let by = std::time::Instant::now() + LIVENESS - std::time::Duration::from_secs(1);
        wait_for(what, || {
            let text = crate::plain::stripped(&whole_escapes(&self.raw()));
            assert!(std::time::Instant::now() < by, "{what:?} did not come:\n{text}");
            text.contains(what).then_some(text)
        })
    }

    /// Types a line, where there is a keyboard.
    pub fn type_line(&self, line: &str) {
        if let Self::Pty(pty) = self {
            pty.keyboard.lock().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    }

    /// Ctrl-C, from the keyboard where there is one.
    pub fn interrupt(&self) {
        match self {
            Self::Pipe(process) => process.interrupt(),
            Self::Pty(pty) => pty.keyboard.lock().unwrap().write_all(b"\x03").unwrap(),
        }
    }

    /// Waits for its end; all that was shown, and its exit code.
    #[track_caller]
    pub fn ended(&self) -> (String, i32) {
        let code = match self {
            Self::Pipe(process) => process.exit_code().expect("no signal ends it"),
            Self::Pty(pty) => {
                let status = wait_for("its end", || pty.child.lock().unwrap().try_wait().unwrap());
                if let Some(reader) = pty.reader.lock().unwrap().take() {
                    reader.join().unwrap();
                }
                i32::try_from(status.exit_code()).unwrap()
            }
        };
        let raw = self.raw();
        assert!(!raw.contains("panicked at"), "it panicked:\n{raw}");
        (raw, code)
    }

    /// How wide the terminal still is: nothing resized it.
    pub fn columns(&self) -> Option<u16> {
        match self {
            Self::Pipe(_) => None,
            Self::Pty(pty) => Some(pty.master.get_size().unwrap().cols),
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Without an escape that has not come whole yet.
fn whole_escapes(text: &str) -> String {
    match text.rfind('\u{1b}') {
        Some(at) if !text[at + 1..].contains(|c: char| c.is_ascii_alphabetic()) => text[..at].to_owned(),
        _ => text.to_owned(),
    }
}
