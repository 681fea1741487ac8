//! A failure that repeats is said in full a few times, and then only counted.

use std::time::{Duration, Instant};

use super::LineLog;

/// The same failure this often in a row, within [`ROW`], is said in full; then it is only counted.
const IN_FULL: u32 = 3;
const ROW: Duration = Duration::from_secs(10);

/// A failure that repeats.
pub(super) struct Same {
    fact: String,
    first: u64,
    times: u32,
    hidden: u32,
    last: Instant,
    /// Lists them.
    list: String,
}

impl LineLog {
    /// Whether this is the failure that there was before; or none, as before.
    pub(super) fn goes_on(&self, fact: Option<&str>) -> bool {
        self.same.as_ref().map(|same| same.fact.as_str()) == fact
    }

    /// Whether a failure is said in full, or only counted because it repeats.
    pub(super) fn is_said(&mut self, fact: &str, seq: u64, status: Option<u16>) -> bool {
        let now = Instant::now();
        match &mut self.same {
            Some(same) if same.fact == fact && now - same.last < ROW => {
                same.times += 1;
                same.last = now;
                if same.times > IN_FULL {
                    same.hidden += 1;
                    return false;
                }
            }
            _ => {
                self.end_row();
                let list = status.map_or("hook events --undelivered".to_owned(), |s| format!("hook events status:{s}"));
                self.same = Some(Same { fact: fact.to_owned(), first: seq, times: 1, hidden: 0, last: now, list });
            }
        }
        true
    }

    pub(super) fn end_row(&mut self) {
        let Some(same) = self.same.take().filter(|s| s.hidden > 0) else { return };
        let dots = self.ui.err.sign("…");
        self.status(&format!("{dots} and {} more like #{} ({})", same.hidden, same.first, same.list));
    }
}
