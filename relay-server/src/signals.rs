//! What the one who serves a sender is told of its event by the session: little, and in any order, so it needs no queue.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::session::StreamReply;

#[derive(Debug)]
pub enum Signal {
    Acked,
    Reply(StreamReply),
    SessionLost,
}

#[derive(Default)]
pub struct Signals(Mutex<Told>);

/// What was told and not heard yet.
#[derive(Default)]
struct Told {
    acked: bool,
    reply: Option<StreamReply>,
    lost: bool,
    listener: Option<Waker>,
}

impl Signals {
    pub fn tell(&self, signal: Signal) {
        let mut told = self.lock();
        match signal {
            Signal::Acked => told.acked = true,
            Signal::Reply(reply) => told.reply = Some(reply),
            Signal::SessionLost => told.lost = true,
        }
        let listener = told.listener.take();
        drop(told);
        if let Some(listener) = listener {
            listener.wake();
        }
    }

    /// Waits for the next one. Cancel-safe; there is one listener.
    pub async fn next(&self) -> Signal {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Signal> {
        let mut told = self.lock();
        if std::mem::take(&mut told.acked) {
            return Poll::Ready(Signal::Acked);
        }
        if let Some(reply) = told.reply.take() {
            return Poll::Ready(Signal::Reply(reply));
        }
        if std::mem::take(&mut told.lost) {
            return Poll::Ready(Signal::SessionLost);
        }
        match &mut told.listener {
            Some(listener) => listener.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn whatever_was_told_is_heard() {
        let signals = Arc::new(Signals::default());
        signals.tell(Signal::SessionLost);
        signals.tell(Signal::Acked);
        signals.tell(Signal::Acked);
        assert!(matches!(signals.next().await, Signal::Acked));
        assert!(matches!(signals.next().await, Signal::SessionLost));

        let teller = signals.clone();
        tokio::spawn(async move { teller.tell(Signal::Acked) });
        assert!(matches!(signals.next().await, Signal::Acked));
    }
}
