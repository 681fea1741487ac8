//! Senders that keep books: what was sent and what was heard, to be held against the journal and the app.

mod book;
mod draft;

use std::collections::HashSet;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use book::Book;
use draft::Draft;
pub use draft::{Hash, hash};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::oracle::{Allowed, Books, judge};
use crate::{App, Hook, Response, Sender, seed, wait_until};

/// One request of a [`Load`], and what became of it.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Its query, which no other request has.
    pub key: String,
    /// `None`: the connection broke, or was never made.
    pub status: Option<u16>,
    /// The answer broke off, so a sender does not count it.
    pub cut: bool,
    /// Where it was sent from; none when nobody took the connection.
    pub port: Option<u16>,
    /// The Retry-After of its answer.
    pub retry_after: Option<String>,
    /// Of all that must arrive, and of the body alone.
    pub hash: Hash,
    pub body: Hash,
    /// When it was sent and when its end was heard, counted over all senders.
    pub sent_at: u64,
    pub heard_at: u64,
}

impl Heard {
    /// Sends one small request with this number, on a connection of its own.
    pub fn one(url: &str, number: usize) -> Self {
        let (lines, _) = mpsc::channel();
        let shared = Shared::new(url, Kind { plain: true, rest: Duration::ZERO });
        shared.sent.store(number, Ordering::SeqCst);
        shared.send_one(&mut None, &lines)
    }

    pub fn was_promised(&self) -> bool {
        !self.cut && self.status.is_some_and(|s| (200..300).contains(&s))
    }

    /// The promises of DESIGN §5, for a run in which anything may have happened to processes.
    #[track_caller]
    pub fn assert_promises_kept(heard: &[Self], hook: &Hook, app: &App) {
        wait_until("all that was promised reaches the app", || {
            let reached: HashSet<String> = app.arrivals().into_iter().map(|a| a.key).collect();
            heard.iter().all(|h| !h.was_promised() || reached.contains(&h.key))
        });
        let books = Books { heard, journal: hook.events(), broke_off: HashSet::new(), arrivals: app.arrivals() };
        judge(&books, Allowed { duplicates: heard.len(), broken_off: 0, unordered: true }).assert_kept();
        assert_eq!(app.broken(), 0, "the app saw an incomplete request");
    }
}

/// Senders that never stop until they are told to.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    book: Book,
    dir: TempDir,
}

#[derive(Clone, Copy)]
struct Kind {
    /// Small requests, each on a connection of its own.
    plain: bool,
    /// Between two requests of a sender.
    rest: Duration,
}

struct Shared {
    url: String,
    seed: u64,
    kind: Kind,
    stop: AtomicBool,
    /// Senders read this for as long as they have a request out, so who writes it knows that none has.
    paused: RwLock<bool>,
    sent: AtomicUsize,
    promised: AtomicUsize,
    clock: AtomicU64,
    heard: Mutex<Vec<Heard>>,
}

impl Load {
    /// All sorts of requests, on connections that are used again and on new ones.
    pub fn start(url: &str, senders: usize) -> Self {
        Self::of(url, senders, Kind { plain: false, rest: Duration::ZERO })
    }

    /// Small requests, each on a connection of its own.
    pub fn plain(url: &str, senders: usize) -> Self {
        Self::of(url, senders, Kind { plain: true, rest: Duration::ZERO })
    }

    /// Senders that each rest a while between two requests, for tests in which a request costs nothing.
    pub fn paced(url: &str, senders: usize, rest: Duration) -> Self {
        Self::of(url, senders, Kind { plain: false, rest })
    }

    fn of(url: &str, senders: usize, kind: Kind) -> Self {
        let shared = Arc::new(Shared::new(url, kind));
        let dir = TempDir::with_prefix("hook-ledger-").unwrap();
        let book = Book::open(&dir.path().join("ledger"));
        let threads = (0..senders)
            .map(|_| {
                let (shared, lines) = (shared.clone(), book.lines());
                std::thread::spawn(move || {
                    let mut connection = None;
                    while !shared.stop.load(Ordering::SeqCst) {
                        let paused = shared.paused.read().unwrap();
                        if *paused {
                            drop(paused);
                            std::thread::sleep(Duration::from_millis(2));
                            continue;
                        }
                        let heard = shared.send_one(&mut connection, &lines);
                        drop(paused);
                        std::thread::sleep(shared.kind.rest);
                        if heard.port.is_none() || heard.status == Some(503) {
                            // Nobody is there, or there is no room; a sender does not spin either.
                            std::thread::sleep(Duration::from_millis(10));
                        }
                    }
                })
            })
            .collect();
        Self { shared, threads, book, dir }
    }

    /// Waits until every request that is out was answered or broken off, and lets no further one out until [`Load::resume`].
    pub fn pause(&self) {
        *self.shared.paused.write().unwrap() = true;
    }

    pub fn resume(&self) {
        *self.shared.paused.write().unwrap() = false;
    }

    /// What every request that is over heard.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// How many senders heard a 2xx.
    pub fn promised(&self) -> usize {
        self.shared.promised.load(Ordering::SeqCst)
    }

    /// Waits for so many further ones, however many, as long as there is progress.
    #[track_caller]
    pub fn until_promised(&self, more: usize) {
        let wanted = self.promised() + more;
        while self.promised() < wanted {
            let next = wanted.min(self.promised() + 100);
            wait_until(&format!("{more} more senders hear 2xx"), || self.promised() >= next);
        }
    }

    /// Waits for so many further requests, whatever their answers.
    #[track_caller]
    pub fn until_sent(&self, more: usize) {
        let sent = || self.shared.sent.load(Ordering::SeqCst);
        let wanted = sent() + more;
        wait_until(&format!("{more} more requests are sent"), || sent() >= wanted);
    }

    /// Where the ledger is on disk.
    pub fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }

    #[track_caller]
    pub fn stop(self) -> Ledger {
        self.shared.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("a sender does not fail");
        }
        self.book.close();
        let heard = std::mem::take(&mut *self.shared.heard.lock().unwrap());
        assert!(heard.iter().any(Heard::was_promised), "no sender heard 2xx, so nothing was tested");
        Ledger { heard, dir: self.dir }
    }
}

/// The books of senders that are done.
pub struct Ledger {
    heard: Vec<Heard>,
    dir: TempDir,
}

impl Deref for Ledger {
    type Target = [Heard];

    fn deref(&self) -> &[Heard] {
        &self.heard
    }
}

impl Ledger {
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }
}

impl Shared {
    fn new(url: &str, kind: Kind) -> Self {
        Self {
            url: url.to_owned(),
            seed: seed(),
            kind,
            stop: AtomicBool::new(false),
            paused: RwLock::new(false),
            sent: AtomicUsize::new(0),
            promised: AtomicUsize::new(0),
            clock: AtomicU64::new(0),
            heard: Mutex::default(),
        }
    }

    fn send_one(&self, connection: &mut Option<Sender>, lines: &mpsc::Sender<String>) -> Heard {
        let n = self.sent.fetch_add(1, Ordering::SeqCst);
        let draft = if self.kind.plain { Draft::plain(n) } else { Draft::new(self.seed, n) };
        let (hash, body) = (draft.hash(), Sha256::digest(&draft.body).into());
        let _ = lines.send(format!("sent {n} {} {} {} {}\n", draft.method, draft.behind, draft.body.len(), hex(&hash)));
        let sent_at = self.clock.fetch_add(1, Ordering::SeqCst);
        // Some on a connection of their own, most on one that is used again.
        let reused = connection.take().filter(|_| !self.kind.plain && !n.is_multiple_of(4));
        let again = reused.map_or_else(|| Sender::try_to(&self.url), Ok);
        let port = again.as_ref().ok().map(Sender::port);
        let response = again.and_then(|mut sender| {
            let response = post_draft(&mut sender, &draft)?;
            *connection = Some(sender).filter(|_| response.stays_open());
            Ok(response)
        });
        let response = response.ok();
        let heard = Heard {
            key: draft::key(n),
            status: response.as_ref().map(|r| r.status),
            cut: response.as_ref().is_some_and(|r| !r.whole),
            port,
            retry_after: response.as_ref().and_then(|r| r.header("retry-after")),
            hash,
            body,
            sent_at,
            heard_at: self.clock.fetch_add(1, Ordering::SeqCst),
        };
        let said = response.map_or("nothing".to_owned(), |r| String::from_utf8_lossy(&r.start).into_owned());
        let _ = lines.send(format!("heard {n} {said}{}\n", if heard.cut { " (cut)" } else { "" }));
        if heard.was_promised() {
            self.promised.fetch_add(1, Ordering::SeqCst);
        }
        self.heard.lock().unwrap().push(heard.clone());
        heard
    }
}

fn post_draft(sender: &mut Sender, draft: &Draft) -> std::io::Result<Response> {
    let length = draft.body.len().to_string();
    let mut fields: Vec<(&str, &[u8])> = draft.fields.iter().map(|(n, v)| (*n, v.as_slice())).collect();
    fields.push(("Content-Length", length.as_bytes()));
    sender.try_head(draft.method, &draft.behind, &fields)?;
    // A relay that is too full answers before it has read everything.
    let _ = sender.try_send(&draft.body);
    sender.try_response()
}

/// As the journal prints it.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
