//! The port of the embedded relay: as long as it is free, a project's URL stays.

use std::net::{Ipv4Addr, TcpListener};

use super::{Finding, Subject};
use crate::journal::{self, Journal};

/// Who has a port that this project's URL needs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Holder {
    Nobody,
    /// A running `hook listen` of this project.
    Ours(u32),
    Another,
}

pub async fn check(subject: &Subject, journal: &Journal, tell: &mut dyn FnMut(Finding)) {
    match holders(subject, journal).await {
        Ok(ports) => ports.into_iter().for_each(|(port, holder)| tell(judge(port, &holder))),
        // The journal's own check says what is wrong with it.
        Err(error) => tell(Finding::bad("port", error.to_string(), super::journal::next(&error))),
    }
}

async fn holders(subject: &Subject, journal: &Journal) -> Result<Vec<(u16, Holder)>, journal::JournalError> {
    let project = subject.project.display().to_string();
    let path = subject.journal.clone();
    let living = journal.write(move |c| journal::living_listeners(c, &path)).await?.0;
    let asked = project.clone();
    // Only an embedded relay has a port to remember.
    let ports: Vec<u16> = journal
        .read(move |c| {
            c.prepare("SELECT DISTINCT port FROM remembered WHERE project = ?1 AND port <> 0 ORDER BY port")?
                .query_map([asked], |r| r.get(0))?
                .collect()
        })
        .await?;
    let ours = |port: u16| {
        let base = format!("http://127.0.0.1:{port}/");
        living.iter().find(|l| l.project == project && l.url.starts_with(&base)).map(|l| l.pid)
    };
    let holder = |port: u16| match ours(port) {
        Some(pid) => Holder::Ours(pid),
        None if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() => Holder::Nobody,
        None => Holder::Another,
    };
    Ok(ports.into_iter().map(|port| (port, holder(port))).collect())
}

fn judge(port: u16, holder: &Holder) -> Finding {
    let (finding, word) = match holder {
        Holder::Nobody => {
            (Finding::good("port", format!("{port} is free, so the URL of this directory stays")), "nobody")
        }
        Holder::Ours(pid) => (Finding::good("port", format!("{port} is held by hook listen, pid {pid}")), "hook"),
        Holder::Another => (
            Finding::doubt(
                "port",
                format!("{port} is taken by another program: hook listen will show a new URL for this directory"),
                format!("end what listens on {port}, or give the new URL to your providers"),
            ),
            "another",
        ),
    };
    finding.fact("port", port).fact("held_by", word)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn all() -> Vec<Finding> {
        [Holder::Nobody, Holder::Ours(4711), Holder::Another].map(|h| judge(24_042, &h)).to_vec()
    }
}
