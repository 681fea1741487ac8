//! A person's editor, and the file that it is given.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Context;
use super::change::Changed;
use super::draft::{Bad, Draft, Resign, Saved};
use crate::failure::Failure;
use crate::platform::{self, PrivateTemp};
use crate::text::io;

/// What a person decided.
pub enum Edited {
    /// Nothing is sent; this is why.
    Not(&'static str),
    Changed(Box<Changed>, Resign, PrivateTemp),
}

/// Opens the editor on an event until it can be sent, or a person gives up.
pub fn edit(context: &Context, seq: u64, from: Changed, with: Option<&str>) -> Result<Edited, Failure> {
    let draft = Draft::new(seq, from, with);
    let failed = |e: &std::io::Error| Failure::local(format!("the file to edit cannot be written: {}.", io(e)));
    let file = PrivateTemp::new(&format!("event-{seq}.http"), draft.text.as_bytes()).map_err(|e| failed(&e))?;
    loop {
        if !open(file.path())? {
            return Ok(Edited::Not("the editor was left with an error: cancelled, not sent."));
        }
        let text = std::fs::read_to_string(file.path())
            .map_err(|e| Failure::local(format!("{} cannot be read: {}.", file.path().display(), io(&e))))?;
        let (said, anyway) = match draft.read(&text) {
            Ok(Saved::Unchanged) => return Ok(Edited::Not("nothing changed, not sent.")),
            Ok(Saved::Nothing) => return Ok(Edited::Not("nothing is left: cancelled, not sent.")),
            Ok(Saved::Changed(changed, resign)) => return Ok(Edited::Changed(changed, resign, file)),
            Err(Bad::Head { line, what }) => (format!("line {line}: {what}"), None),
            Err(Bad::Json { line, what, anyway, resign }) => (format!("line {line}: {what}"), Some((anyway, resign))),
        };
        let said = crate::sanitize::sanitize(&said);
        let send = if anyway.is_some() { "  [s]end anyway" } else { "" };
        let answer = context.ui.answer(&format!("{said}. [e]dit again{send}  [c]ancel"));
        match (answer.as_deref(), anyway) {
            (Some("e" | ""), _) => {}
            (Some("s"), Some((changed, resign))) => return Ok(Edited::Changed(changed, resign, file)),
            (Some(_), _) => return Ok(Edited::Not("cancelled, not sent.")),
            (None, _) => {
                let kept = file.keep();
                return Err(Failure::failed(format!(
                    "{said}. It was not sent; your text is kept in {}.",
                    kept.display()
                ))
                .next(format!("hook replay {seq} --edit")));
            }
        }
    }
}

/// Whether the editor says that all is well.
fn open(file: &Path) -> Result<bool, Failure> {
    let set = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty()).map(|v| (name.to_owned(), v));
    let (name, command) = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| (String::new(), "vi".to_owned()));
    let words = shell_words::split(&command)
        .ok()
        .filter(|words| !words.is_empty())
        .ok_or_else(|| Failure::usage(format!("{name} is not a command.")).next(format!("export {name}=vi")))?;
    let status = Command::new(&words[0]).args(&words[1..]).arg(file).status();
    match status {
        Ok(status) => Ok(status.success()),
        Err(error) => {
            let program = PathBuf::from(&words[0]);
            let what = format!("the editor {} cannot be started: {}. Nothing was sent.", program.display(), io(&error));
            Err(Failure::local(what).next("export EDITOR=vi"))
        }
    }
}

/// While an editor has the terminal, an interrupt is for it and not for hook.
pub async fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let signals = platform::Signals::new();
    let done = work();
    if let Ok(mut signals) = signals {
        tokio::spawn(async move {
            signals.next().await;
            std::process::exit(crate::failure::Exit::Interrupted as i32);
        });
    }
    done
}
