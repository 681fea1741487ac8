//! CLIs that do nothing but be there: as many sessions as are wanted in one process, over the real wire.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use hook_proto::wire::{self, CONNECT_PATH, Mode, ToCli, ToRelay, VERSION, to_cli, to_relay};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::Result;

pub struct Session {
    socket: WebSocketStream<TcpStream>,
}

impl Session {
    /// Connects, and opens endpoints with these names.
    pub async fn open(relay: SocketAddr, instance: &str, names: &[String]) -> Result<Self> {
        let stream = TcpStream::connect(relay).await?;
        stream.set_nodelay(true)?;
        let request = format!("ws://{relay}{CONNECT_PATH}").into_client_request()?;
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        let mut session = Self { socket };
        let hello = wire::Hello {
            version: VERSION,
            software: "hook-bench".into(),
            instance: instance.into(),
            label: "a benchmark".into(),
        };
        session.say(to_relay::Kind::Hello(hello)).await?;
        for (route, name) in (1..).zip(names) {
            let open = wire::Open { route, name: name.clone(), mode: Mode::Responder.into(), settings: None, held: 0 };
            session.say(to_relay::Kind::Open(open)).await?;
        }
        let mut opened = 0;
        while opened < names.len() {
            match session.hear().await? {
                Some(to_cli::Kind::Opened(_)) => opened += 1,
                Some(to_cli::Kind::Refused(refused)) => return Err(refused.message.into()),
                Some(_) => {}
                None => return Err("the relay hung up".into()),
            }
        }
        Ok(session)
    }

    /// Answers the relay's heartbeat until it hangs up.
    pub async fn stay(mut self) {
        while let Ok(Some(_)) = self.hear().await {}
    }

    async fn say(&mut self, kind: to_relay::Kind) -> Result<()> {
        Ok(self.socket.send(Message::Binary(ToRelay::to_frame(kind))).await?)
    }

    async fn hear(&mut self) -> Result<Option<to_cli::Kind>> {
        while let Some(message) = self.socket.next().await {
            let Message::Binary(bytes) = message? else { continue };
            match ToCli::from_frame(bytes)? {
                Some(to_cli::Kind::Ping(beat)) => self.say(to_relay::Kind::Pong(beat)).await?,
                Some(kind) => return Ok(Some(kind)),
                None => {}
            }
        }
        Ok(None)
    }
}
