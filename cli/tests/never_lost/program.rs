//! A process that a test can kill at any moment and whose clock it moves by hand: a runtime of its own.

use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

pub struct Program {
    runtime: Option<Runtime>,
    /// Dropped at the end.
    _clock: mpsc::Sender<()>,
}

impl Program {
    pub fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        // A paused clock moves by itself when nothing runs; while a blocking task runs it does not.
        let (clock, stopped) = mpsc::channel::<()>();
        runtime.spawn_blocking(move || _ = stopped.recv());
        Self { runtime: Some(runtime), _clock: clock }
    }

    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("it runs until it is dropped").block_on(future)
    }

    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        self.runtime.as_ref().expect("it runs until it is dropped").spawn(future)
    }

    /// Lets its tasks do what they can do now.
    pub fn turn(&self) {
        self.run(async {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        });
    }

    pub fn advance(&self, by: Duration) {
        self.run(tokio::time::advance(by));
    }
}

/// As `kill -9` does it: nothing runs on, no destructor waits, the sockets close.
impl Drop for Program {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
