use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use super::InboxError;

type Outcome<T> = Result<T, InboxError>;

/// The answer of an inbox, to be awaited. Dropping it gives up the answer, not the work. Needs no runtime.
#[must_use = "the outcome is only known when this is awaited"]
pub struct Pending<T>(State<T>);

enum State<T> {
    Known(Option<Outcome<T>>),
    Waiting(oneshot::Receiver<Outcome<T>>),
}

/// Where the answer is given. Dropped without one, it answers that the storage stopped.
pub struct Answer<T>(oneshot::Sender<Outcome<T>>);

impl<T> Pending<T> {
    pub(super) fn known(outcome: Outcome<T>) -> Self {
        Self(State::Known(Some(outcome)))
    }

    pub fn new() -> (Answer<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        (Answer(sender), Self(State::Waiting(receiver)))
    }
}

impl<T> Answer<T> {
    pub fn give(self, outcome: Outcome<T>) {
        // Nobody has to wait for it.
        let _ = self.0.send(outcome);
    }
}

// Nothing in it is ever pinned.
impl<T> Unpin for Pending<T> {}

impl<T> Future for Pending<T> {
    type Output = Outcome<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome<T>> {
        let outcome = match &mut self.0 {
            State::Known(outcome) => outcome.take(),
            State::Waiting(receiver) => ready!(Pin::new(receiver).poll(context)).ok(),
        };
        Poll::Ready(outcome.unwrap_or_else(|| Err(InboxError::Broken("its thread stopped".into()))))
    }
}
