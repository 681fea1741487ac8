//! What waits for the writer thread. It is woken as seldom as can be: a wake-up costs more than a small change.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long changes that nobody waits for may wait for one that somebody does, to share its commit.
const LINGER: Duration = Duration::from_millis(2);
/// A group with so many changes that somebody waited for says that many wait at once. The next one is gathered for a moment then:
/// a commit costs as much as several changes.
const MANY: usize = 6;
const GATHER: Duration = Duration::from_micros(500);
/// A group of this size goes without a pause.
const ENOUGH: usize = 48;

/// The writers' side; the last one closes it.
pub struct Inlet<T>(Arc<Shared<T>>);

/// The thread's side.
pub struct Outlet<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    wake: Condvar,
}

struct State<T> {
    queue: Vec<T>,
    /// When the first of them came.
    since: Instant,
    /// How many of them somebody waits for, and when the first of those came.
    prompt: usize,
    prompt_since: Instant,
    /// The last group was one of many.
    busy: bool,
    closed: bool,
    sleeper: Sleeper,
}

/// What the thread sleeps for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleeper {
    Awake,
    Anything,
    Prompt,
    Enough,
}

pub fn channel<T>() -> (Inlet<T>, Outlet<T>) {
    let now = Instant::now();
    let state = State {
        queue: Vec::new(),
        since: now,
        prompt: 0,
        prompt_since: now,
        busy: false,
        closed: false,
        sleeper: Sleeper::Awake,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new() });
    (Inlet(shared.clone()), Outlet(shared))
}

impl<T> Inlet<T> {
    /// Gives it back when nobody will take it any more.
    pub fn push(&self, one: T, lazy: bool) -> Result<(), T> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(one);
        }
        if state.queue.is_empty() {
            state.since = Instant::now();
        }
        state.queue.push(one);
        if !lazy && state.prompt == 0 {
            state.prompt_since = Instant::now();
        }
        state.prompt += usize::from(!lazy);
        let what = match lazy {
            _ if state.queue.len() >= ENOUGH => Sleeper::Enough,
            true => Sleeper::Anything,
            false => Sleeper::Prompt,
        };
        self.0.wake(state, what);
        Ok(())
    }
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        self.0.wake(state, Sleeper::Enough);
    }
}

impl<T> Outlet<T> {
    /// Waits for something to do. `None`: nothing will come any more.
    pub fn take(&self, most: usize) -> Option<Vec<T>> {
        let mut state = self.0.lock();
        loop {
            let (left, sleeper) = match (state.queue.len(), state.prompt) {
                (0, _) => (None, Sleeper::Anything),
                (len, _) if len >= ENOUGH => (Some(Duration::ZERO), Sleeper::Awake),
                (_, 0) => (Some(LINGER.saturating_sub(state.since.elapsed())), Sleeper::Prompt),
                _ if state.busy => (Some(GATHER.saturating_sub(state.prompt_since.elapsed())), Sleeper::Enough),
                _ => (Some(Duration::ZERO), Sleeper::Awake),
            };
            if state.closed || left == Some(Duration::ZERO) {
                break;
            }
            state.sleeper = sleeper;
            state = match left {
                None => self.0.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.0.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
            state.sleeper = Sleeper::Awake;
        }
        if state.closed && state.queue.is_empty() {
            return None;
        }
        state.busy = state.prompt >= MANY;
        if state.queue.len() <= most {
            state.prompt = 0;
            return Some(std::mem::take(&mut state.queue));
        }
        // Some of the rest may be waited for.
        let rest = state.queue.split_off(most);
        Some(std::mem::replace(&mut state.queue, rest))
    }
}

/// With the thread gone nothing is taken any more.
impl<T> Drop for Outlet<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let left = std::mem::take(&mut state.queue);
        drop(state);
        drop(left);
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State<T>>, what: Sleeper) {
        let wakes = match state.sleeper {
            Sleeper::Awake => false,
            Sleeper::Anything => true,
            Sleeper::Prompt => what != Sleeper::Anything,
            Sleeper::Enough => what == Sleeper::Enough,
        };
        if wakes {
            state.sleeper = Sleeper::Awake;
            drop(state);
            self.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lazy_ones_go_with_the_next_prompt_one_and_in_order() {
        let (inlet, outlet) = channel();
        assert_eq!(inlet.push(1, true), Ok(()));
        assert_eq!(inlet.push(2, false), Ok(()));
        assert_eq!(inlet.push(3, true), Ok(()));
        assert_eq!(outlet.take(10), Some(vec![1, 2, 3]));
    }

    #[test]
    fn lazy_ones_alone_go_after_a_while() {
        let (inlet, outlet) = channel();
        let thread = std::thread::spawn(move || outlet.take(10));
        assert_eq!(inlet.push(1, true), Ok(()));
        assert_eq!(thread.join().unwrap(), Some(vec![1]));
    }

    #[test]
    fn what_is_too_much_for_one_turn_goes_in_the_next() {
        let (inlet, outlet) = channel();
        (1..=5).for_each(|n| assert_eq!(inlet.push(n, n > 1), Ok(())));
        assert_eq!(outlet.take(2), Some(vec![1, 2]));
        assert_eq!(outlet.take(2), Some(vec![3, 4]));
        assert_eq!(outlet.take(2), Some(vec![5]));
    }

    #[test]
    fn when_many_waited_the_next_ones_are_gathered_and_none_waits_for_long() {
        let (inlet, outlet) = channel();
        (0..MANY).for_each(|n| assert_eq!(inlet.push(n, false), Ok(())));
        assert_eq!(outlet.take(100).map(|group| group.len()), Some(MANY));
        assert_eq!(inlet.push(0, false), Ok(()));
        assert_eq!(outlet.take(100), Some(vec![0]), "nothing else comes, so it goes alone");
        (0..MANY).for_each(|n| assert_eq!(inlet.push(n, false), Ok(())));
        assert_eq!(outlet.take(100).map(|group| group.len()), Some(MANY));
        (0..ENOUGH).for_each(|n| assert_eq!(inlet.push(n, false), Ok(())));
        assert_eq!(outlet.take(100).map(|group| group.len()), Some(ENOUGH));
    }

    #[test]
    fn what_was_queued_is_done_after_the_last_writer_went() {
        let (inlet, outlet) = channel();
        assert_eq!(inlet.push(1, true), Ok(()));
        drop(inlet);
        assert_eq!(outlet.take(10), Some(vec![1]));
        assert_eq!(outlet.take(10), None);
    }

    #[test]
    fn nothing_is_taken_when_the_thread_is_gone() {
        let (inlet, outlet) = channel();
        drop(outlet);
        assert_eq!(inlet.push(1, false), Err(1));
    }
}
