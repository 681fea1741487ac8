//! A relay that is scripted message by message, so that it can say what no honest one would.

use std::net::{TcpListener, TcpStream};

use bytes::Bytes;
use hook_proto::wire::{self, ToCli, ToRelay, VERSION, to_cli, to_relay};
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept};

use crate::{LIVENESS, wait_for};

pub struct LyingRelay {
    listener: TcpListener,
}

/// The session of one CLI.
pub struct LyingSession {
    socket: WebSocket<TcpStream>,
    pub hello: wire::Hello,
    /// The epoch of the endpoint that [`LyingSession::open`] opened.
    pub epoch: u64,
}

impl Default for LyingRelay {
    fn default() -> Self {
        Self::new()
    }
}

impl LyingRelay {
    pub fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Takes the next websocket whose first message is a hello.
    #[track_caller]
    pub fn session(&self) -> LyingSession {
        self.listener.set_nonblocking(true).unwrap();
        wait_for("a session begins", || {
            let (stream, _) = self.listener.accept().ok()?;
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(LIVENESS)).unwrap();
            // A plain request, as a check of the token would be, is none.
            let socket = accept(stream).ok()?;
            let mut session = LyingSession { socket, hello: wire::Hello::default(), epoch: 1 };
            let to_relay::Kind::Hello(hello) = session.receive()? else { panic!("its first message is no hello") };
            session.hello = hello;
            Some(session)
        })
    }

    /// A session with one endpoint, opened as an honest relay would.
    #[track_caller]
    pub fn opened(&self) -> LyingSession {
        let mut session = self.session();
        session.welcome();
        session.open("shop", &format!("{}/shop", self.url()));
        session
    }
}

impl LyingSession {
    pub fn welcome(&mut self) {
        self.say(to_cli::Kind::Welcome(wire::Welcome { version: VERSION, software: "liar 1".into() }));
    }

    /// Answers the CLI's Open.
    #[track_caller]
    pub fn open(&mut self, name: &str, public_url: &str) {
        let open = self.receive_until(|kind| match kind {
            to_relay::Kind::Open(open) => Some(open),
            _ => None,
        });
        let opened = wire::Opened {
            route: open.route,
            name: name.into(),
            public_url: public_url.into(),
            epoch: self.epoch,
            waiting: 0,
        };
        self.say(to_cli::Kind::Opened(opened));
        self.say(to_cli::Kind::CaughtUp(wire::Route { route: open.route }));
    }

    pub fn say(&mut self, kind: to_cli::Kind) {
        self.say_bytes(ToCli::to_frame(kind));
    }

    /// Several messages in one go, so that the CLI finds them all at once.
    pub fn say_together(&mut self, kinds: impl IntoIterator<Item = to_cli::Kind>) {
        for kind in kinds {
            self.socket.write(Message::Binary(ToCli::to_frame(kind))).unwrap();
        }
        self.socket.flush().unwrap();
    }

    /// A binary message, whatever it means. A CLI that has hung up hears nothing.
    pub fn say_bytes(&mut self, bytes: impl Into<Bytes>) {
        let _ = self.socket.send(Message::Binary(bytes.into()));
    }

    pub fn say_text(&mut self, text: &str) {
        let _ = self.socket.send(Message::Text(text.into()));
    }

    /// The next message; `None` when the CLI has hung up.
    pub fn receive(&mut self) -> Option<to_relay::Kind> {
        loop {
            match self.socket.read().ok()? {
                Message::Binary(bytes) => match ToRelay::from_frame(bytes).expect("a CLI sends only messages") {
                    Some(to_relay::Kind::Ping(beat)) => self.say(to_cli::Kind::Pong(beat)),
                    Some(kind) => return Some(kind),
                    None => panic!("a CLI sends no unknown messages"),
                },
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The next message of the wanted kind.
    #[track_caller]
    pub fn receive_until<T>(&mut self, wanted: impl Fn(to_relay::Kind) -> Option<T>) -> T {
        loop {
            let kind = self.receive().expect("the CLI hung up before it said what is waited for");
            if let Some(found) = wanted(kind) {
                return found;
            }
        }
    }

    /// The reply to a hand-over.
    #[track_caller]
    pub fn reply(&mut self, stream: u64) -> wire::Reply {
        self.receive_until(|kind| match kind {
            to_relay::Kind::Reply(reply) if reply.stream == stream => Some(reply),
            _ => None,
        })
    }

    /// An event as an honest relay would hand it over, to be spoilt.
    pub fn event(&self, stream: u64) -> wire::Event {
        // Canonical and ordered, as ids are: 26 digits of Crockford's base 32.
        let id = format!("01K{stream:0>23}");
        let head = wire::EventHead {
            id,
            received_at: 1_790_000_000_000,
            method: "POST".into(),
            url: "http://relay.example/shop/hook".into(),
            path: "/hook".into(),
            query: None,
            http_version: "HTTP/1.1".into(),
            headers: vec![hook_proto::Header::new("host", "relay.example")],
            trailers: Vec::new(),
            remote_ip: "192.0.2.1".into(),
            forwarded: None,
            body_size: 2,
        };
        wire::Event {
            route: 1,
            epoch: self.epoch,
            stream,
            state: wire::HandOver::Awaited.into(),
            head: Some(head),
            body: Bytes::from_static(b"{}"),
        }
    }
}
