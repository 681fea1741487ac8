//! The network between a CLI and its relay, as bad as a test wants it to be.

mod pair;
mod storm;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use pair::Pair;
pub use storm::{Fault, Storm};

use crate::port::listen_on;
use crate::wait_until;

/// The two ends of what a [`Chaos`] connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Cli,
    Relay,
}

/// What is done to every byte.
#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    latency: Duration,
    bytes_per_second: Option<u64>,
    /// A connection ends in a reset once it has passed this many bytes.
    cut_after: Option<u64>,
    /// Connections are made and stay, and nothing passes.
    dark: bool,
}

#[derive(Default)]
struct Network {
    weather: Mutex<Weather>,
    changed: Condvar,
    pairs: Mutex<Vec<Arc<Pair>>>,
    made: AtomicUsize,
}

/// A proxy that can be switched at any time; what it does holds for live connections and for those to come.
pub struct Chaos {
    address: SocketAddr,
    relay: SocketAddr,
    network: Arc<Network>,
    acceptor: Mutex<Option<Acceptor>>,
}

struct Acceptor {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Chaos {
    /// In front of the relay with this URL, and harmless at first.
    pub fn before(relay_url: &str) -> Self {
        let relay = relay_url.trim_start_matches("http://").parse().unwrap();
        let listener = listen_on([127, 0, 0, 1].into());
        let address = listener.local_addr().unwrap();
        let chaos = Self { address, relay, network: Arc::default(), acceptor: Mutex::default() };
        chaos.open(listener);
        chaos
    }

    /// What the CLI is told to be its relay.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.network.made.load(Ordering::SeqCst)
    }

    /// How many are held by both ends.
    pub fn live(&self) -> usize {
        self.network.pairs().iter().filter(|pair| pair.is_live()).count()
    }

    /// Every piece takes this long on its way, one after the other.
    pub fn latency(&self, latency: Duration) {
        self.change(|weather| weather.latency = latency);
    }

    pub fn bandwidth(&self, bytes_per_second: u64) {
        self.change(|weather| weather.bytes_per_second = Some(bytes_per_second));
    }

    /// Resets each connection once it has passed so many bytes, both ways together.
    pub fn cut_after(&self, bytes: u64) {
        self.change(|weather| weather.cut_after = Some(bytes));
    }

    /// Keeps all connections, takes new ones, and lets nothing pass, not even an end. What is under way passes at [`Chaos::heal`].
    pub fn blackhole(&self) {
        self.change(|weather| weather.dark = true);
    }

    /// Resets all connections, at both ends.
    pub fn reset(&self) {
        let pairs = std::mem::take(&mut *self.network.pairs());
        pairs.iter().for_each(|pair| pair.end());
        self.network.changed.notify_all();
        // The last handle of a socket sends the reset.
        wait_until("the connections are reset", || pairs.iter().all(|pair| Arc::strong_count(pair) == 1));
    }

    /// Closes all connections at one end and does not tell the other, whose words go nowhere from now on.
    pub fn half_open(&self, told: End) {
        self.network.pairs().iter().for_each(|pair| pair.half_open(told));
    }

    /// Nobody listens any more; live connections are reset.
    pub fn refuse(&self) {
        if let Some(acceptor) = self.acceptor.lock().unwrap().take() {
            acceptor.stop.store(true, Ordering::SeqCst);
            // Wakes it, so that it sees that it is over.
            let _ = TcpStream::connect(self.address);
            acceptor.thread.join().unwrap();
        }
        self.reset();
    }

    /// From now on all is well. A half-open connection stays as it is.
    pub fn heal(&self) {
        self.change(|weather| *weather = Weather::default());
        if self.acceptor.lock().unwrap().is_none() {
            self.open(TcpListener::bind(self.address).unwrap());
        }
    }

    fn change(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.network.weather.lock().unwrap());
        self.network.changed.notify_all();
    }

    fn open(&self, listener: TcpListener) {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, network, relay) = (stop.clone(), self.network.clone(), self.relay);
        let thread = std::thread::spawn(move || {
            for cli in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A relay that is gone refuses, and its proxy hangs up.
                let (Ok(cli), Ok(relay)) = (cli, TcpStream::connect(relay)) else { continue };
                network.made.fetch_add(1, Ordering::SeqCst);
                let Ok(pair) = Pair::new(cli, relay) else { continue };
                let pair = Arc::new(pair);
                let mut pairs = network.pairs();
                pairs.retain(|pair| !pair.is_over());
                pairs.push(pair.clone());
                drop(pairs);
                pair::start(&network, &pair);
            }
        });
        *self.acceptor.lock().unwrap() = Some(Acceptor { stop, thread });
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.network.pairs().iter().for_each(|pair| pair.end());
        self.change(|weather| weather.dark = false);
        if let Some(acceptor) = self.acceptor.lock().unwrap().take() {
            acceptor.stop.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(self.address);
            let _ = acceptor.thread.join();
        }
    }
}

impl Network {
    fn pairs(&self) -> MutexGuard<'_, Vec<Arc<Pair>>> {
        self.pairs.lock().unwrap()
    }

    /// Waits until bytes may pass, and gives the weather then. `None`: this pair is over.
    fn wait_for_light(&self, pair: &Pair) -> Option<Weather> {
        let mut weather = self.weather.lock().unwrap();
        while weather.dark && !pair.is_over() {
            weather = self.changed.wait_timeout(weather, pair::LOOK).unwrap().0;
        }
        (!pair.is_over()).then_some(*weather)
    }
}
