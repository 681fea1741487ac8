//! The senders: each sends one event and notes what it hears.

use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::pulse::Pulse;
use crate::{app, lock, program::Program};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Waiting,
    App(u16),
    Hook(u16),
    /// It left, or the connection broke: nothing was promised.
    Nothing,
}

pub struct Sender {
    pub body: Vec<u8>,
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

impl Sender {
    /// Events are told apart by their bodies.
    pub fn start(world: &Program, relay: Option<u16>, number: usize, size: usize, pulse: &Pulse) -> Self {
        let mut body = format!("event {number} ").into_bytes();
        body.resize(body.len().max(size), b'.');
        let heard = Arc::new(Mutex::new(Heard::Waiting));
        let (sent, noted, pulse) = (body.clone(), heard.clone(), pulse.clone());
        let task = world.spawn(async move {
            let answer = match relay {
                Some(port) => send(port, &sent).await,
                None => None,
            };
            *lock(&noted) = answer.unwrap_or(Heard::Nothing);
            pulse.beat();
        });
        Self { body, heard, task }
    }

    pub fn heard(&self) -> Heard {
        *lock(&self.heard)
    }

    pub fn is_promised(&self) -> bool {
        matches!(self.heard(), Heard::App(200..=299) | Heard::Hook(200..=299))
    }

    pub fn leave(&self) {
        self.task.abort();
        let mut heard = lock(&self.heard);
        if *heard == Heard::Waiting {
            *heard = Heard::Nothing;
        }
    }
}

async fn send(port: u16, body: &[u8]) -> Option<Heard> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let head = format!(
        "POST /{}/in HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        crate::endpoint(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    let (head, _) = app::read(&mut stream).await?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(if head.contains("\nhook-status: ") { Heard::Hook(status) } else { Heard::App(status) })
}
