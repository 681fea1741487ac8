use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SIZE: usize = 16 * 1024 * 1024;
/// How long until it is tried again to write it; less when something was deleted meanwhile.
const PAUSE: Duration = Duration::from_secs(5);
const SHORT_PAUSE: Duration = Duration::from_secs(1);

/// A file of zeros that is given up when the disk is full, because deletes need room too. While it cannot be written again,
/// nothing is appended.
pub(super) struct Ballast {
    path: PathBuf,
    /// Set while it is given up.
    given_up: Option<GivenUp>,
}

#[derive(Clone, Copy)]
struct GivenUp {
    tried: Instant,
    pause: Duration,
}

impl Ballast {
    pub(super) fn new(dir: &Path) -> Self {
        let mut ballast = Self { path: dir.join("inbox.ballast"), given_up: None };
        if !fs::metadata(&ballast.path).is_ok_and(|file| file.len() == SIZE as u64) {
            ballast.restore();
        }
        ballast
    }

    pub(super) fn release(&mut self) {
        if self.given_up.is_none() {
            tracing::warn!("the disk of the inbox is full: new events are refused until there is room");
        }
        self.give_up();
    }

    /// Something was deleted, so there may be room again.
    pub(super) fn hope(&mut self) {
        if let Some(given_up) = &mut self.given_up {
            given_up.pause = SHORT_PAUSE;
        }
    }

    /// Whether events may be appended.
    pub(super) fn is_there(&self) -> bool {
        self.given_up.is_none()
    }

    /// How long until it is time to try to write it again, while it is given up.
    pub(super) fn due_in(&self) -> Option<Duration> {
        self.given_up.map(|GivenUp { tried, pause }| pause.saturating_sub(tried.elapsed()))
    }

    pub(super) fn restore(&mut self) {
        match self.write() {
            Ok(()) => {
                if self.given_up.take().is_some() {
                    tracing::info!("the disk of the inbox has room again: events are accepted");
                }
            }
            Err(error) => {
                if self.given_up.is_none() {
                    tracing::warn!(%error, "no room for {}; new events are refused", self.path.display());
                }
                self.give_up();
            }
        }
    }

    fn write(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        let zeros = vec![0; 256 * 1024];
        for _ in 0..SIZE / zeros.len() {
            file.write_all(&zeros)?;
        }
        // Some file systems find out here that there is no room.
        file.sync_all()
    }

    fn give_up(&mut self) {
        self.given_up = Some(GivenUp { tried: Instant::now(), pause: PAUSE });
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "{} was not removed", self.path.display());
            }
            _ => {}
        }
    }
}
