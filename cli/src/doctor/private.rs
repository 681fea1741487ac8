//! What others on this machine could read: events hold what providers send about people.

use std::path::PathBuf;

use super::{Finding, Subject};
use crate::{platform, text};

pub fn check(subject: &Subject, tell: &mut dyn FnMut(Finding)) {
    let open = |path: &PathBuf| platform::is_private(path).is_ok_and(|private| !private);
    let files = journal_files(subject).into_iter().filter(open).collect::<Vec<_>>();
    // Directories of hook's own; a journal elsewhere may lie among other things.
    let dirs = [platform::data_dir(), platform::data_dir().join("spool"), platform::config_dir()];
    tell(judge(&files, &dirs.into_iter().filter(open).collect::<Vec<_>>()));
}

/// The database, and what SQLite and hook put beside it.
fn journal_files(subject: &Subject) -> Vec<PathBuf> {
    let beside = |end: &str| {
        let mut name = subject.journal.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    vec![subject.journal.clone(), beside("-wal"), beside("-shm"), beside(".owners")]
}

fn judge(files: &[PathBuf], dirs: &[PathBuf]) -> Finding {
    let all: Vec<String> = files.iter().chain(dirs).map(|p| p.display().to_string()).collect();
    let Some((first, more)) = all.split_first() else {
        return Finding::good("private", "only you can read what is kept").fact("open_to_others", Vec::<String>::new());
    };
    let which = if more.is_empty() { first.clone() } else { format!("{first} and {} more", more.len()) };
    let quoted: Vec<_> = all.iter().map(|p| text::shell_word(p)).collect();
    let next = format!("chmod go-rwx {}", quoted.join(" "));
    let finding = if files.is_empty() {
        Finding::doubt("private", format!("others on this machine can see which files are in {which}"), next)
    } else {
        Finding::bad("private", format!("others on this machine can read {which}"), next)
    };
    finding.fact("open_to_others", all)
}

#[cfg(test)]
pub mod tests {
    use super::super::State;
    use super::*;

    pub fn all() -> Vec<Finding> {
        let (file, wal) =
            (PathBuf::from("/home/u/my data/journal.db"), PathBuf::from("/home/u/my data/journal.db-wal"));
        let dir = PathBuf::from("/home/u/.config/hook");
        vec![judge(&[], &[]), judge(&[], std::slice::from_ref(&dir)), judge(&[file, wal], &[dir])]
    }

    #[test]
    fn files_weigh_more_than_directories() {
        let states = all().iter().map(|f| f.state).collect::<Vec<_>>();
        assert_eq!(states, [State::Good, State::Doubt, State::Bad]);
    }
}
