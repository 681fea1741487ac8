//! The app: it notes what it gets whole, and answers when it is told to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::pulse::Pulse;
use crate::{lock, program::Program};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub event: String,
    pub attempt: u32,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    hits: Vec<Hit>,
    /// Requests that wait for their answer, oldest first.
    waiting: VecDeque<oneshot::Sender<bool>>,
    answers_at_once: bool,
}

pub struct App {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    pulse: Pulse,
    running: Option<JoinHandle<()>>,
    /// Keeps the port while the app is down: what connects is refused.
    kept: Option<TcpSocket>,
    /// How often it went down.
    pub downs: usize,
}

impl App {
    pub fn new(world: &Program, pulse: &Pulse) -> Self {
        let kept = world.run(async { bound("127.0.0.1:0".parse().expect("an address")) });
        let address = kept.local_addr().expect("an address");
        let mut app =
            Self { address, state: Arc::default(), pulse: pulse.clone(), running: None, kept: Some(kept), downs: 0 };
        app.up(world);
        app
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn up(&mut self, world: &Program) {
        let Some(socket) = self.kept.take() else { return };
        let (state, pulse) = (self.state.clone(), self.pulse.clone());
        let listener = world.run(async { socket.listen(128).expect("the port is kept") });
        self.running = Some(world.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, state.clone(), pulse.clone()));
            }
        }));
    }

    /// Its process is gone, and with it what it was at.
    pub fn down(&mut self, world: &Program) {
        if let Some(running) = self.running.take() {
            self.downs += 1;
            running.abort();
            world.run(async {
                let _ = running.await;
            });
            lock(&self.state).waiting.clear();
            self.kept = Some(world.run(async { bound(self.address) }));
        }
    }

    /// Ends the oldest attempt: with an answer, or with a closed connection.
    pub fn ends_one(&self, answered: bool) {
        // One that was cut off meanwhile hears nothing.
        while let Some(waiting) = lock(&self.state).waiting.pop_front() {
            if waiting.send(answered).is_ok() {
                return;
            }
        }
    }

    pub fn answers_at_once(&self, at_once: bool) {
        lock(&self.state).answers_at_once = at_once;
        while at_once && !lock(&self.state).waiting.is_empty() {
            self.ends_one(true);
        }
    }

    pub fn hits(&self) -> Vec<Hit> {
        lock(&self.state).hits.clone()
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(address).expect("a port of our own");
    socket
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>, pulse: Pulse) {
    let Some((head, body)) = read(&mut stream).await else { return };
    let field =
        |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned);
    let hit = Hit {
        event: field("hook-event-id").unwrap_or_default(),
        attempt: field("hook-attempt").and_then(|n| n.parse().ok()).unwrap_or_default(),
        body,
    };
    let wait = {
        let mut state = lock(&state);
        state.hits.push(hit);
        pulse.beat();
        let (tx, rx) = oneshot::channel();
        if state.answers_at_once {
            _ = tx.send(true)
        } else {
            state.waiting.push_back(tx)
        }
        rx
    };
    if wait.await == Ok(true) {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
    }
    pulse.beat();
}

/// A whole request; `None` when it broke off, as a probe does.
pub async fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|n| n.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some((head, bytes[end + 4..end + 4 + length].to_vec()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
