//! Says queued to senders whose time is up, whatever the attempt does.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Engine;
use super::endpoint::Endpoint;
use super::handshake::Question;
use crate::activity::Activity;
use crate::journal::EventRow;
use crate::provider::sender;
use crate::session::{Replier, WeakReplier};

/// Those that were answered are swept out when there are so many.
const SWEEP_AT: usize = 64;

/// The senders of one endpoint, each with the time that its provider gives.
#[derive(Default)]
pub struct Deadlines {
    state: Mutex<State>,
    /// One came that is due before all others.
    sooner: Notify,
}

#[derive(Default)]
struct State {
    waiting: Queue<Waiting>,
    watched: bool,
}

struct Waiting {
    replier: WeakReplier,
    row: Arc<EventRow>,
    within: Duration,
    /// It wants an answer of its provider's own form.
    question: Option<Arc<Question>>,
}

impl Waits for Waiting {
    fn waits(&self) -> bool {
        self.replier.upgrade().is_some_and(|r| r.is_waiting())
    }
}

pub fn watch(
    engine: &Arc<Engine>,
    endpoint: &Arc<Endpoint>,
    replier: &Replier,
    row: Arc<EventRow>,
    within: Duration,
    question: Option<Arc<Question>>,
) {
    let deadlines = &endpoint.deadlines;
    let mut state = deadlines.lock();
    let sooner =
        state.waiting.push(Instant::now() + within, Waiting { replier: replier.downgrade(), row, within, question });
    if !std::mem::replace(&mut state.watched, true) {
        tokio::spawn(run(engine.clone(), endpoint.clone()));
    } else if sooner {
        deadlines.sooner.notify_one();
    }
}

/// One task for all of an endpoint's senders, for as long as there are any.
async fn run(engine: Arc<Engine>, endpoint: Arc<Endpoint>) {
    let deadlines = &endpoint.deadlines;
    loop {
        let (first, due) = {
            let mut state = deadlines.lock();
            let due = state.waiting.due(Instant::now());
            let first = state.waiting.first();
            state.watched = first.is_some();
            (first, due)
        };
        for waiting in due {
            if let Some(replier) = waiting.replier.upgrade() {
                tokio::spawn(up(engine.clone(), endpoint.clone(), replier, waiting));
            }
        }
        let Some(first) = first else { return };
        tokio::select! {
            () = tokio::time::sleep_until(first) => {}
            () = deadlines.sooner.notified() => {}
        }
    }
}

async fn up(engine: Arc<Engine>, endpoint: Arc<Endpoint>, replier: Replier, waiting: Waiting) {
    let Waiting { row: event, within: after, question, .. } = waiting;
    let handshake = question.is_some();
    let told = match question {
        Some(question) => question.answer(&replier, &event).await,
        None => replier.by_hook(endpoint.options.queued_status, &event.id, "queued", "").await,
    };
    if told {
        let limit = sender::gives_up(engine.recipe(&event));
        engine.emit(Activity::Slow { event, after, limit, handshake });
    }
}

impl Deadlines {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What need not be told any more takes no room for long.
trait Waits {
    fn waits(&self) -> bool;
}

/// By when each is due; adding and taking one costs the logarithm of how many there are.
struct Queue<T> {
    heap: BinaryHeap<Timed<T>>,
    sweep_at: usize,
}

struct Timed<T> {
    due: Instant,
    what: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), sweep_at: SWEEP_AT }
    }
}

impl<T: Waits> Queue<T> {
    /// Whether it is due before all others.
    fn push(&mut self, due: Instant, what: T) -> bool {
        while self.heap.peek().is_some_and(|first| !first.what.waits()) {
            self.heap.pop();
        }
        if self.heap.len() >= self.sweep_at {
            self.heap.retain(|timed| timed.what.waits());
            self.sweep_at = SWEEP_AT.max(2 * self.heap.len());
        }
        let sooner = self.first().is_none_or(|first| due < first);
        self.heap.push(Timed { due, what });
        sooner
    }

    /// Takes those whose time is up.
    fn due(&mut self, now: Instant) -> Vec<T> {
        let mut due = Vec::new();
        while self.heap.peek().is_some_and(|first| first.due <= now) {
            due.extend(self.heap.pop().map(|timed| timed.what));
        }
        due
    }

    fn first(&self) -> Option<Instant> {
        self.heap.peek().map(|first| first.due)
    }
}

/// The one that is due first is the greatest, which is what a heap gives.
impl<T> Ord for Timed<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.due.cmp(&self.due)
    }
}

impl<T> PartialOrd for Timed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Timed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl<T> Eq for Timed<T> {}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    struct Sender(u32, Rc<Cell<bool>>);

    impl Waits for Sender {
        fn waits(&self) -> bool {
            self.1.get()
        }
    }

    fn sender(n: u32) -> Sender {
        Sender(n, Rc::new(Cell::new(true)))
    }

    fn after(base: Instant, seconds: u64) -> Instant {
        base + Duration::from_secs(seconds)
    }

    #[test]
    fn each_is_due_at_its_own_time_whatever_the_order() {
        let now = Instant::now();
        let mut queue = Queue::default();
        let sooner: Vec<bool> = [25, 3, 10, 3].iter().map(|s| queue.push(after(now, *s), sender(*s as u32))).collect();
        assert_eq!(sooner, [true, true, false, false]);
        let mut due = |at| queue.due(after(now, at)).iter().map(|s| s.0).collect::<Vec<_>>();
        assert_eq!((due(2), due(3), due(24), due(60)), (vec![], vec![3, 3], vec![10], vec![25]));
        assert_eq!(queue.first(), None);
    }

    #[test]
    fn those_that_were_answered_take_no_room() {
        let now = Instant::now();
        let mut queue = Queue::default();
        // One that waits is in front, so that the answered ones behind it are not met on the way.
        queue.push(now, sender(0));
        for n in 1..10_000 {
            let answered = sender(n);
            let waits = answered.1.clone();
            queue.push(after(now, 25), answered);
            waits.set(false);
        }
        assert!(queue.heap.len() <= 2 * SWEEP_AT, "{}", queue.heap.len());
        assert_eq!(queue.due(after(now, 60)).iter().filter(|s| s.waits()).count(), 1);
    }
}
