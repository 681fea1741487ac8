//! A thread of its own for what is shown: a terminal that is stopped, or a pipe that nobody reads, must not stop the tunnel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::activity::{Activity, Trouble};
use crate::output::Output;
use crate::ui::Ui;

/// What may wait to be shown; beyond that lines are only counted. The journal has everything.
const WAITING: usize = 20_000;
/// Lines that are written in one go, at most.
const AT_ONCE: usize = 1000;
/// Faster than this nobody reads.
const FRAME: Duration = Duration::from_millis(5);
/// How long the end of the process waits for a reader.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub struct Screen {
    queue: Sender<Activity>,
    waiting: Arc<AtomicUsize>,
    dropped: AtomicUsize,
    thread: JoinHandle<()>,
}

impl Screen {
    /// `closed` is told when whoever read standard output has gone.
    pub fn start(mut output: Output, ui: Arc<Ui>, closed: Arc<Notify>) -> Self {
        let (queue, activities) = channel::<Activity>();
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = waiting.clone();
        let thread = std::thread::spawn(move || {
            while let Ok(first) = activities.recv() {
                let together = ui.together();
                for activity in std::iter::once(first).chain(activities.try_iter().take(AT_ONCE)) {
                    output.show(&activity);
                    left.fetch_sub(1, Ordering::AcqRel);
                }
                drop(together);
                if ui.is_closed() {
                    closed.notify_one();
                }
                // While events come fast, to be woken for each would cost the tunnel more than all its lines.
                std::thread::sleep(FRAME);
            }
        });
        Self { queue, waiting, dropped: AtomicUsize::new(0), thread }
    }

    pub fn show(&self, activity: Activity) {
        if self.waiting.load(Ordering::Acquire) >= WAITING {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            self.send(Activity::Trouble(Trouble {
                code: "local",
                message: format!("{dropped} lines were not shown because nobody read them; the events are kept."),
                next: Some("hook events".into()),
                fatal: false,
            }));
        }
        self.send(activity);
    }

    /// Shows what waits, for as long as somebody reads.
    pub fn finish(self) {
        drop(self.queue);
        let end = Instant::now() + LAST_WORDS;
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn send(&self, activity: Activity) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        // A thread that is gone has nobody to show anything to.
        let _ = self.queue.send(activity);
    }
}
