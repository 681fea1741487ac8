//! The app on localhost: a raw socket that records every request's bytes and answers what it is told to.

mod answer;

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub use answer::{Answer, Gate};

use crate::http::Message;
use crate::ledger::{Hash, hash};
use crate::port::listen_on;
use crate::wait_for;

/// One request that the app got whole.
#[derive(Debug, Clone)]
pub struct Request {
    pub message: Message,
    /// Which of the app's connections it came on, from 1.
    pub connection: usize,
}

impl Deref for Request {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl Request {
    pub fn method(&self) -> String {
        self.word(0)
    }

    /// Path and query as they were on the wire.
    pub fn target(&self) -> String {
        self.word(1)
    }

    pub fn event_id(&self) -> String {
        self.header("hook-event-id").expect("every forwarded request has its event's id")
    }

    pub fn attempt(&self) -> u32 {
        self.header("hook-attempt").expect("every forwarded request has its attempt's number").parse().unwrap()
    }
}

/// What a forgetful app remembers of a request that hook forwarded.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Its query.
    pub key: String,
    pub event_id: String,
    pub attempt: u32,
    /// Of all that must arrive as it was sent ([`crate::ledger::hash`]).
    pub hash: Hash,
}

impl Arrival {
    fn of(request: &Request) -> Option<Self> {
        let fields = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        Some(Self {
            key: request.target().split_once('?')?.1.to_owned(),
            event_id: request.header("hook-event-id")?,
            attempt: request.header("hook-attempt")?.parse().ok()?,
            hash: hash(&request.method(), &request.target(), fields, &request.body),
        })
    }
}

type Script = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

struct Shared {
    requests: Mutex<Vec<Request>>,
    arrivals: Mutex<Vec<Arrival>>,
    forgetful: AtomicBool,
    /// Requests whose end never came.
    broken: AtomicUsize,
    connections: AtomicUsize,
    open: Mutex<HashMap<usize, TcpStream>>,
    script: Mutex<Script>,
}

pub struct App {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: Arc<AtomicBool>,
    /// Its port is closed, and its connections are about to be.
    gone: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl App {
    /// Runs on a free port of 127.0.0.1 and answers everything with 200 and `ok`.
    pub fn new() -> Self {
        Self::on("127.0.0.1:0")
    }

    pub fn on_ipv6() -> Self {
        Self::on("[::1]:0")
    }

    pub fn on(address: &str) -> Self {
        let shared = Shared {
            requests: Mutex::default(),
            arrivals: Mutex::default(),
            forgetful: AtomicBool::new(false),
            broken: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            script: Mutex::new(Arc::new(|_| Answer::ok("ok"))),
        };
        let address: SocketAddr = address.parse().unwrap();
        let listener = if address.port() == 0 { listen_on(address.ip()) } else { TcpListener::bind(address).unwrap() };
        let app = Self { address: listener.local_addr().unwrap(), shared: Arc::new(shared), running: Mutex::default() };
        app.run(listener);
        app
    }

    /// An app that answers everything in one way.
    pub fn answering(answer: Answer) -> Self {
        let app = Self::new();
        app.answers(answer);
        app
    }

    /// An app that keeps no bodies, for a great many requests.
    pub fn forgetful() -> Self {
        let app = Self::new();
        app.shared.forgetful.store(true, Ordering::SeqCst);
        app
    }

    /// An address where nothing listens until [`App::start`].
    pub fn stopped() -> Self {
        let app = Self::new();
        app.stop();
        app
    }

    pub fn answers(&self, answer: Answer) {
        self.answers_with(move |_| answer.clone());
    }

    pub fn answers_with(&self, script: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Arc::new(script);
    }

    /// Closes the port and every connection at once, as the end of a process does.
    pub fn stop(&self) {
        let Some(running) = self.running.lock().unwrap().take() else { return };
        running.stop.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        running.thread.join().unwrap();
        running.gone.store(true, Ordering::SeqCst);
        for (_, connection) in self.shared.open.lock().unwrap().drain() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Opens the port again.
    pub fn start(&self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.run(listener);
    }

    fn run(&self, listener: TcpListener) {
        let (shared, stop) = (self.shared.clone(), Arc::new(AtomicBool::new(false)));
        let gone = Arc::new(AtomicBool::new(false));
        let (stopped, dead) = (stop.clone(), gone.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (Ok(clone), Ok(())) = (stream.try_clone(), stream.set_nodelay(true)) else { continue };
                let connection = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                shared.open.lock().unwrap().insert(connection, clone);
                let (shared, gone) = (shared.clone(), gone.clone());
                std::thread::spawn(move || {
                    let _ = serve(&shared, &gone, &stream, connection);
                    // The last handles of the socket, so that it closes as the script wanted it to.
                    shared.open.lock().unwrap().remove(&connection);
                });
            }
        });
        *self.running.lock().unwrap() = Some(Running { stop, gone: dead, thread });
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `http://127.0.0.1:PORT/path`.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Everything that hook forwarded, in order.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.shared.arrivals.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// Requests that broke off: an app must never see one.
    pub fn broken(&self) -> usize {
        self.shared.broken.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The `n`th request, from 1, once it is here.
    #[track_caller]
    pub fn request(&self, n: usize) -> Request {
        wait_for(&format!("the app gets request {n}"), || self.shared.requests.lock().unwrap().get(n - 1).cloned())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(shared: &Shared, gone: &AtomicBool, stream: &TcpStream, connection: usize) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, stream.try_clone()?);
    loop {
        let Some(mut message) = Message::read_head(&mut reader)? else { return Ok(()) };
        if message.header("expect").is_some() {
            (&*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let read = message.read_request_body(&mut reader);
        if read.is_err() || !message.whole {
            shared.broken.fetch_add(1, Ordering::SeqCst);
            return read;
        }
        let request = Request { message, connection };
        let script = shared.script.lock().unwrap().clone();
        let head_only = request.method() == "HEAD";
        let answer = script(&request);
        if let Some(arrival) = Arrival::of(&request) {
            let mut arrivals = shared.arrivals.lock().unwrap();
            // A process that is gone takes nothing down, least of all behind what its successor got, and answers nothing.
            if gone.load(Ordering::SeqCst) {
                return Ok(());
            }
            arrivals.push(arrival);
        }
        if !shared.forgetful.load(Ordering::SeqCst) {
            shared.requests.lock().unwrap().push(request);
        }
        if !answer.send(stream, head_only)? {
            return Ok(());
        }
    }
}
