//! The self-checks of `hook doctor`, a file for each subject. Each gathers facts, and a function without surroundings says what
//! they mean.

mod assigned;
mod clock;
mod disk;
mod finding;
mod journal;
mod limits;
mod port;
mod private;
mod recipes;
mod relay;
mod secrets;
mod tracked;

use std::path::PathBuf;

pub use finding::{Finding, State};

/// What is examined.
#[derive(Debug, Clone)]
pub struct Subject {
    pub journal: PathBuf,
    pub project: PathBuf,
}

impl Subject {
    /// The directory in which the journal is, or will be.
    fn dir(&self) -> &std::path::Path {
        match self.journal.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => std::path::Path::new("."),
        }
    }
}

/// Makes every check. A finding is told as soon as it is known: some take their time.
pub async fn examine(subject: &Subject, tell: &mut dyn FnMut(Finding)) {
    let watch = clock::Watch::start();
    tell(version());
    disk::check(subject, tell);
    let journal = journal::check(subject, tell).await;
    private::check(subject, tell);
    secrets::check(subject, tell);
    recipes::check(subject, tell);
    limits::check(tell);
    relay::login(tell);
    let reached = relay::check(subject, tell).await;
    if let (Some(journal), relay::Reached::Embedded) = (&journal, &reached) {
        port::check(subject, journal, tell).await;
    }
    clock::check(watch, journal.as_ref(), reached.clock_is_off_by(), tell).await;
}

fn version() -> Finding {
    let (hook, sqlite) = (env!("CARGO_PKG_VERSION"), rusqlite::version());
    Finding::good("version", format!("hook {hook}, SQLite {sqlite}")).fact("hook", hook).fact("sqlite", sqlite)
}

/// What to do when the journal lies in a bad place.
const ELSEWHERE: &str = "put it on a local disk: hook … --journal PATH";

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::ui::Paint;

    /// One of each finding that there is, as people read it.
    #[test]
    fn every_finding_has_its_words_and_its_next_step() {
        let all = [
            vec![Finding::good("version", "hook 0.1.0, SQLite 3.54.1")],
            disk::tests::all(),
            journal::tests::all(),
            private::tests::all(),
            secrets::tests::all(),
            recipes::tests::all(),
            tracked::tests::all(),
            limits::tests::all(),
            relay::tests::all(),
            port::tests::all(),
            clock::tests::all(),
        ];
        let shown: Vec<String> = all.iter().flatten().flat_map(|f| f.lines(Paint::PLAIN)).collect();
        assert_snapshot!(shown.join("\n"));
        for finding in all.iter().flatten() {
            assert_eq!(finding.next.is_some(), finding.state != State::Good, "{finding:?}");
            assert!(finding.check.len() <= 10, "{finding:?}");
        }
    }
}
