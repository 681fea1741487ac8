use std::time::{Duration, Instant};

use clap::Args;

use super::Context;
use crate::config::{self, Credentials, ProjectFile};
use crate::failure::{Exit, Failure};
use crate::journal::Journal;
use crate::sanitize::sanitize;
use crate::session;
use crate::{platform, text};

/// Check the journal, the relay and the login; each problem comes with its next step
#[derive(Debug, Args)]
pub struct DoctorArgs {}

/// A disk that takes longer makes acks late, and with them what the relay must hold.
const SLOW_SYNC: Duration = Duration::from_secs(1);

struct Report<'a> {
    context: &'a Context,
    bad: u32,
}

pub async fn run(context: &Context, _: &DoctorArgs) -> Result<Exit, Failure> {
    let mut report = Report { context, bad: 0 };
    report.good("version", &format!("hook {}, SQLite {}", env!("CARGO_PKG_VERSION"), rusqlite::version()));
    journal(&mut report, context).await;
    credentials(&mut report);
    relay(&mut report).await;
    clock(&mut report);
    if report.bad == 0 {
        return Ok(Exit::Done);
    }
    Err(Failure::failed(format!("{} found.", text::count(report.bad.into(), "problem"))))
}

async fn journal(report: &mut Report<'_>, context: &Context) {
    let path = context.journal_path();
    let journal = match Journal::open(&path) {
        Ok(journal) => journal,
        Err(error) => return report.bad("journal", &error.to_string(), &error.next()),
    };
    let checked = journal.read(|c| c.query_row("PRAGMA quick_check(1)", [], |r| r.get::<_, String>(0))).await;
    match checked {
        Ok(word) if word == "ok" => {}
        Ok(word) => {
            let next = format!("keep it aside and start a new one: mv {0} {0}.damaged", path.display());
            return report.bad("journal", &format!("{} is damaged: {word}", path.display()), &next);
        }
        Err(error) => return report.bad("journal", &error.to_string(), &error.next()),
    }
    match journal.flush().await {
        Err(error) => report.bad("journal", &error.to_string(), &error.next()),
        Ok(()) => match sync(&path).await {
            Ok(took) if took > SLOW_SYNC => report.bad(
                "journal",
                &format!("an fsync of {} takes {}", path.display(), text::span(took)),
                "put it on a local disk: hook … --journal PATH",
            ),
            Ok(took) => {
                report.good("journal", &format!("{} can be written and synced ({})", path.display(), text::span(took)));
            }
            Err(error) => report.bad(
                "journal",
                &format!("{} cannot be synced: {}", path.display(), text::io(&error)),
                "put it on a local disk: hook … --journal PATH",
            ),
        },
    }
    let private = std::fs::metadata(&path).is_ok_and(|m| {
        use std::os::unix::fs::PermissionsExt;
        m.permissions().mode() & 0o077 == 0
    });
    if !private {
        report.bad("journal", "others on this machine can read it", &format!("chmod 600 {}", path.display()));
    }
}

/// How long it takes until what was written is on the disk.
async fn sync(journal: &std::path::Path) -> std::io::Result<Duration> {
    let mut log = journal.as_os_str().to_owned();
    log.push("-wal");
    let timed = move || {
        let begun = Instant::now();
        std::fs::File::open(log)?.sync_data()?;
        Ok(begun.elapsed())
    };
    tokio::task::spawn_blocking(timed).await.unwrap_or_else(|gone| Err(std::io::Error::other(gone)))
}

fn credentials(report: &mut Report<'_>) {
    use std::os::unix::fs::PermissionsExt;
    let path = Credentials::path();
    match std::fs::metadata(&path) {
        Err(_) => report.good("login", "not logged in to a relay"),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            report.bad(
                "login",
                "others on this machine can read your tokens",
                &format!("chmod 600 {}", path.display()),
            );
        }
        Ok(_) => match Credentials::read() {
            Ok(credentials) => {
                report.good("login", &format!("{} kept", text::count(credentials.tokens.len() as u64, "token")))
            }
            Err(failure) => report.bad("login", &failure.what, failure.next.first().map_or("", String::as_str)),
        },
    }
}

async fn relay(report: &mut Report<'_>) {
    let file = match ProjectFile::read(&platform::project_dir()) {
        Ok(file) => file,
        Err(failure) => return report.bad("hook.toml", &failure.what, "correct that line"),
    };
    let relay = match config::relay(None, file.as_ref()) {
        Ok(Some((relay, _))) => relay,
        Ok(None) => return report.good("relay", "embedded in hook listen; reachable from this machine only"),
        Err(failure) => return report.bad("relay", &failure.what, failure.next.first().map_or("", String::as_str)),
    };
    let begun = Instant::now();
    match session::ask(&relay, "/_hook/whoami").await {
        Ok(_) => {
            report.good("relay", &format!("{} answers and knows us ({})", relay.url(), text::span(begun.elapsed())))
        }
        Err(error) => {
            let failure = error.into_failure(&relay);
            let next = failure.next.first().filter(|n| *n != "hook doctor").cloned();
            let next = next.unwrap_or_else(|| format!("curl {}/_hook/health", relay.url()));
            report.bad("relay", &failure.what, &next);
        }
    }
}

/// Signatures and retention look at the clock.
fn clock(report: &mut Report<'_>) {
    const BUILT_AFTER: u64 = 1_750_000_000_000;
    if platform::now_ms() < BUILT_AFTER {
        report.bad("clock", "this machine's clock is years behind", "set it, e.g. with an NTP client");
    } else {
        report.good("clock", &text::rfc3339(platform::now_ms()));
    }
}

impl Report<'_> {
    fn good(&self, what: &str, finding: &str) {
        let paint = self.context.ui.out;
        self.context.ui.text(&format!("{} {what:<10} {}", paint.sign("✓"), sanitize(finding)));
    }

    fn bad(&mut self, what: &str, finding: &str, next: &str) {
        self.bad += 1;
        let paint = self.context.ui.out;
        self.context.ui.text(&format!("{} {what:<10} {}", paint.sign("✗"), sanitize(finding)));
        self.context.ui.text(&format!("             next: {}", sanitize(next)));
    }
}
