//! Senders that keep books: what was sent and what was heard, to be held against the journal and the app.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{App, Hook, LIVENESS, Response, Sender, wait_until};

/// One request of a [`Load`].
#[derive(Debug, Clone)]
pub struct Heard {
    /// Its query, which no other request has.
    pub key: String,
    /// `None`: the connection broke, or was never made.
    pub status: Option<u16>,
    /// The answer broke off, so a sender does not count it.
    pub cut: bool,
    /// Where it was sent from; none when no connection was made.
    pub port: Option<u16>,
    /// When to come again, if the answer said so.
    pub retry_after: Option<String>,
}

impl Heard {
    /// Sends one small request with this number, on a connection of its own.
    pub fn one(url: &str, number: usize) -> Self {
        // Keys are of one length, so that none is part of another.
        let key = format!("n={number:06}");
        let sender = Sender::try_to(&format!("{url}?{key}")).ok();
        let port = sender.as_ref().map(Sender::port);
        let response = sender.and_then(|sender| exchange(sender, &key).ok());
        let cut = response.as_ref().is_some_and(|r| !r.whole);
        let retry_after = response.as_ref().and_then(|r| r.header("retry-after"));
        Self { key, status: response.map(|r| r.status), cut, port, retry_after }
    }

    pub fn was_promised(&self) -> bool {
        !self.cut && self.status.is_some_and(|s| (200..300).contains(&s))
    }
}

/// Senders that never stop until they are told to.
pub struct Load {
    stop: Arc<AtomicBool>,
    /// Senders read this for as long as they have a request out, so who writes it knows that none has.
    paused: Arc<RwLock<bool>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    sent: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(url: &str, senders: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let paused = Arc::new(RwLock::new(false));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::new(AtomicUsize::new(0));
        let threads = (0..senders)
            .map(|_| {
                let (url, stop, heard, sent) = (url.to_owned(), stop.clone(), heard.clone(), sent.clone());
                let paused = paused.clone();
                std::thread::spawn(move || {
                    while !stop.load(Ordering::SeqCst) {
                        let is_paused = paused.read().unwrap();
                        if *is_paused {
                            drop(is_paused);
                            std::thread::sleep(Duration::from_millis(2));
                            continue;
                        }
                        let one = Heard::one(&url, sent.fetch_add(1, Ordering::SeqCst));
                        if one.status.is_none() {
                            // Nobody is there; a sender does not spin either.
                            std::thread::sleep(Duration::from_millis(2));
                        }
                        heard.lock().unwrap().push(one);
                    }
                })
            })
            .collect();
        Self { stop, paused, heard, sent, threads }
    }

    /// Waits until every request that is out was answered or broken off, and lets no further one out until
    /// [`Load::resume`].
    pub fn pause(&self) {
        *self.paused.write().unwrap() = true;
    }

    pub fn resume(&self) {
        *self.paused.write().unwrap() = false;
    }

    /// What every request that is over heard.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// How many senders heard a 2xx.
    pub fn promised(&self) -> usize {
        self.heard.lock().unwrap().iter().filter(|h| h.was_promised()).count()
    }

    /// Waits for so many further ones.
    #[track_caller]
    pub fn until_promised(&self, more: usize) {
        let wanted = self.promised() + more;
        wait_until(&format!("{more} more senders hear 2xx"), || self.promised() >= wanted);
    }

    /// Waits for so many further requests, whatever their answers.
    #[track_caller]
    pub fn until_sent(&self, more: usize) {
        let wanted = self.sent.load(Ordering::SeqCst) + more;
        wait_until(&format!("{more} more requests are sent"), || self.sent.load(Ordering::SeqCst) >= wanted);
    }

    #[track_caller]
    pub fn stop(self) -> Vec<Heard> {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("a sender does not fail");
        }
        let heard = self.heard.lock().unwrap().clone();
        assert!(heard.iter().any(Heard::was_promised), "no sender heard 2xx, so nothing was tested");
        heard
    }
}

fn exchange(mut sender: Sender, key: &str) -> std::io::Result<Response> {
    let body = format!("{{\"key\":\"{key}\"}}");
    sender.try_head("POST", "", &[("Content-Length", body.len().to_string().as_bytes())])?;
    sender.try_send(&body)?;
    sender.try_response()
}

impl Heard {
    /// The promise of DESIGN §5: who heard 2xx is in the journal once and reached the app; nothing was invented; what the
    /// app saw twice has the same id and a higher attempt.
    #[track_caller]
    pub fn assert_promises_kept(heard: &[Self], hook: &Hook, app: &App) {
        let promised: Vec<&Self> = heard.iter().filter(|h| h.was_promised()).collect();
        let reached = || -> HashMap<String, Vec<(String, u32)>> {
            let mut reached: HashMap<String, Vec<(String, u32)>> = HashMap::new();
            for request in app.requests() {
                let key = request.target().split_once('?').unwrap().1.to_owned();
                reached.entry(key).or_default().push((request.event_id(), request.attempt()));
            }
            reached
        };
        let by = Instant::now() + LIVENESS;
        loop {
            let reached = reached();
            let missing: Vec<&Self> = promised.iter().filter(|h| !reached.contains_key(&h.key)).copied().collect();
            if missing.is_empty() {
                break;
            }
            assert!(Instant::now() < by, "of {} promised, these never reached the app: {missing:?}", promised.len());
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut kept: HashMap<String, Vec<String>> = HashMap::new();
        for event in hook.events() {
            let id = event["id"].as_str().unwrap().to_owned();
            kept.entry(event["query"].as_str().unwrap().to_owned()).or_default().push(id);
        }
        for one in &promised {
            let ids = kept.get(&one.key).map_or(0, Vec::len);
            assert_eq!(ids, 1, "{one:?} is in the journal {ids} times");
        }
        for (key, attempts) in reached() {
            assert!(heard.iter().any(|h| h.key == key), "{key} was never sent");
            for pair in attempts.windows(2) {
                assert_eq!(pair[0].0, pair[1].0, "{key} reached the app under two ids");
                assert!(pair[0].1 < pair[1].1, "{key} reached the app twice as attempt {}", pair[1].1);
            }
        }
        assert_eq!(app.broken(), 0, "the app saw an incomplete request");
    }
}
