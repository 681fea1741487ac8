//! What the system lets this process have.

use super::Finding;
use crate::platform;

/// hook's own files, and a few events at a time.
const LEAST: u64 = 64;
/// Senders that wait, attempts under way, and bodies on disk have a file each.
const ENOUGH: u64 = 256;

pub fn check(tell: &mut dyn FnMut(Finding)) {
    tell(open_files(platform::open_files_limit()));
}

fn open_files(limit: Option<u64>) -> Finding {
    const NEXT: &str = "ulimit -n 1024, then start hook from that shell";
    let Some(limit) = limit else {
        return Finding::good("files", "as many can be open as there are").fact("open_files_limit", None::<u64>);
    };
    let words = format!("{limit} can be open at once");
    let finding = match limit {
        0..LEAST => Finding::bad("files", format!("{words}: too few to take events and keep them"), NEXT),
        LEAST..ENOUGH => {
            Finding::doubt("files", format!("{words}: when many senders come together, some must wait"), NEXT)
        }
        ENOUGH.. => Finding::good("files", words),
    };
    finding.fact("open_files_limit", limit)
}

#[cfg(test)]
pub mod tests {
    use super::super::State;
    use super::*;

    pub fn all() -> Vec<Finding> {
        [Some(1024), None, Some(100), Some(20)].map(open_files).to_vec()
    }

    #[test]
    fn few_files_are_a_doubt_and_very_few_a_problem() {
        let state = |limit| open_files(Some(limit)).state;
        assert_eq!([63, 64, 255, 256].map(state), [State::Bad, State::Doubt, State::Doubt, State::Good]);
    }
}
