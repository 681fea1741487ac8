//! The senders: each sends one event and notes what it hears.

use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::plan::Sent;
use crate::pulse::Pulse;
use crate::{app, lock, program::Program};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Waiting,
    App(u16),
    Hook(u16),
    /// hook's answer to a handshake: the app has nothing to do with it any more.
    Handshake(u16),
    /// It left, or the connection broke: nothing was promised.
    Nothing,
}

pub struct Sender {
    pub body: Vec<u8>,
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

impl Sender {
    /// Events are told apart by their bodies; duplicates have one, unless their sizes differ.
    pub fn start(world: &Program, relay: Option<u16>, number: usize, size: usize, sent: Sent, pulse: &Pulse) -> Self {
        let of = if sent == Sent::Duplicates { number / 4 } else { number };
        let mut text = format!("event {of} ").into_bytes();
        text.resize(text.len().max(size), b'.');
        let body = match sent {
            Sent::Events | Sent::Duplicates => text,
            Sent::Handshakes => [b"{\"type\":\"url_verification\",\"challenge\":\"", text.as_slice(), b"\"}"].concat(),
        };
        let fields = match sent {
            Sent::Events | Sent::Handshakes => String::new(),
            Sent::Duplicates => {
                format!("webhook-id: msg_{}\r\nwebhook-timestamp: 1780000000\r\nwebhook-signature: v1,c2lnbmVk\r\n", of)
            }
        };
        let heard = Arc::new(Mutex::new(Heard::Waiting));
        let (whole, noted, pulse) = (body.clone(), heard.clone(), pulse.clone());
        let task = world.spawn(async move {
            let answer = match relay {
                Some(port) => send(port, &fields, &whole).await,
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

async fn send(port: u16, fields: &str, body: &[u8]) -> Option<Heard> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let head = format!(
        "POST /{}/in HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {}\r\n{fields}connection: close\r\n\r\n",
        crate::endpoint(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    let (head, _) = app::read(&mut stream).await?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(match head.contains("\nhook-status: ") {
        _ if head.contains("\nhook-status: handshake") => Heard::Handshake(status),
        true => Heard::Hook(status),
        false => Heard::App(status),
    })
}
