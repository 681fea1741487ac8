//! How much is fetched and asked: senders decide what there is to fetch, so all of it is bounded.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc};
use tokio::time::Instant;

use super::Errand;
use crate::fetch::{self, FetchError, Purpose};

/// Errands that may wait; the signatures of events beyond stay unchecked.
const WAITING: usize = 16;
/// Of one run. Senders name what they are about, within what a recipe allows.
pub const QUESTIONS: usize = 16;
/// Errands that wait for the answer to one question.
const BEHIND: usize = 8;
/// Requests in [`SPAN`], whoever sends events.
pub const REQUESTS: usize = 30;
const SPAN: Duration = Duration::from_secs(60);
/// Confirmations that are remembered, so that one is not fetched twice.
const CONFIRMED: usize = 64;
/// What could not be fetched is left alone for so long.
const AGAIN: Duration = Duration::from_secs(60);
/// So many are remembered for that.
const FAILED: usize = 64;

pub type Get = fn(String) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send>>;

pub struct Fetching {
    pub(super) get: Get,
    /// One at a time.
    turn: Semaphore,
    waiting: Arc<Semaphore>,
    /// Each question of this run, and what waits for its answer.
    asked: Mutex<HashMap<(Purpose, String), Vec<Errand>>>,
    asked_enough: AtomicBool,
    failed: Mutex<HashMap<String, Instant>>,
    requests: Mutex<VecDeque<Instant>>,
    confirmed: Mutex<HashSet<String>>,
    questions: mpsc::UnboundedSender<Errand>,
    /// Until somebody takes it.
    answers: Mutex<Option<mpsc::UnboundedReceiver<Errand>>>,
}

impl Fetching {
    pub fn new() -> Self {
        let (questions, answers) = mpsc::unbounded_channel();
        Self {
            get: |url| Box::pin(async move { fetch::get(&url).await }),
            turn: Semaphore::new(1),
            waiting: Arc::new(Semaphore::new(WAITING)),
            asked: Mutex::default(),
            asked_enough: AtomicBool::new(false),
            failed: Mutex::default(),
            requests: Mutex::default(),
            confirmed: Mutex::default(),
            questions,
            answers: Mutex::new(Some(answers)),
        }
    }

    /// Asks the person, once for a subject; the rest of it waits for the answer. `false`: for the first time it is too much.
    pub fn ask(&self, errand: Errand) -> bool {
        let mut asked = lock(&self.asked);
        if let Some(behind) = asked.get_mut(&errand.key()) {
            if behind.len() < BEHIND {
                behind.push(errand);
            }
            return true;
        }
        if asked.len() >= QUESTIONS {
            return self.asked_enough.swap(true, Ordering::Relaxed);
        }
        asked.insert(errand.key(), Vec::new());
        // Nobody is there to be asked.
        let _ = self.questions.send(errand);
        true
    }

    /// A request to a provider, if there were not too many of late.
    pub async fn get(&self, url: &str) -> Result<Bytes, String> {
        {
            let mut requests = lock(&self.requests);
            while requests.front().is_some_and(|at| at.elapsed() >= SPAN) {
                requests.pop_front();
            }
            if requests.len() >= REQUESTS {
                return Err("hook has asked too often within a minute".to_owned());
            }
            requests.push_back(Instant::now());
        }
        (self.get)(url.to_owned()).await.map_err(|e| e.to_string())
    }

    pub fn is_new(&self, confirmation: &str) -> bool {
        !lock(&self.confirmed).contains(confirmation)
    }

    pub fn confirmed(&self, confirmation: &str) {
        let mut confirmed = lock(&self.confirmed);
        if confirmed.len() < CONFIRMED {
            confirmed.insert(confirmation.to_owned());
        }
    }

    pub fn failed_lately(&self, url: &str) -> bool {
        lock(&self.failed).get(url).is_some_and(|at| at.elapsed() < AGAIN)
    }

    pub fn failed(&self, url: &str) {
        let mut failed = lock(&self.failed);
        failed.retain(|_, at| at.elapsed() < AGAIN);
        if failed.len() < FAILED {
            failed.insert(url.to_owned(), Instant::now());
        }
    }

    /// The questions to the person. They are handed out once.
    pub fn questions(&self) -> Option<mpsc::UnboundedReceiver<Errand>> {
        lock(&self.answers).take()
    }

    /// What waits for the answer to the same question.
    pub fn behind(&self, errand: &Errand) -> Vec<Errand> {
        lock(&self.asked).get_mut(&errand.key()).map(std::mem::take).unwrap_or_default()
    }

    /// A place among those that wait, if there is one.
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.waiting.clone().try_acquire_owned().ok()
    }

    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turn.acquire().await.ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
