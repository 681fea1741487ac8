//! The way between a CLI and the relay: it keeps every frame of a hand-over until it is let through, and can break a rule.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hook_proto::wire::{self, ToCli, ToRelay, to_cli, to_relay};
use hook_proto::{HandOver, ReplyBy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::plan::Rule;
use crate::pulse::Pulse;
use crate::{lock, program::Program};

/// One end of a cable at a relay or at a CLI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Cli,
    Relay,
}

pub struct Cable {
    pub port: u16,
    line: Arc<Mutex<Line>>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Line {
    relay: Option<u16>,
    open: bool,
    /// The connection of now; what an earlier one left is lost.
    live: Option<Live>,
    bad: Bad,
}

struct Live {
    number: u64,
    to_cli: mpsc::UnboundedSender<Bytes>,
    to_relay: mpsc::UnboundedSender<Bytes>,
    held_to_cli: VecDeque<Bytes>,
    held_to_relay: VecDeque<Bytes>,
    task: JoinHandle<()>,
}

/// A rule that was found to lose events, put in the place of the right one.
#[derive(Default)]
struct Bad {
    rule: Rule,
    /// Which event a stream hands over.
    events: HashMap<u64, String>,
    acked: HashSet<String>,
}

impl Cable {
    pub fn new(world: &Program, rule: Rule, pulse: &Pulse) -> Self {
        let listener = world.run(TcpListener::bind(("127.0.0.1", 0))).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let line = Arc::new(Mutex::new(Line { bad: Bad { rule, ..Bad::default() }, ..Line::default() }));
        let (shared, pulse) = (line.clone(), pulse.clone());
        let accepting = world.spawn(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                number += 1;
                let (to_cli, from_relay) = mpsc::unbounded_channel();
                let (to_relay, from_cli) = mpsc::unbounded_channel();
                let joined = join(number, stream, shared.clone(), pulse.clone(), from_relay, from_cli);
                let live = Live {
                    number,
                    to_cli,
                    to_relay,
                    held_to_cli: VecDeque::new(),
                    held_to_relay: VecDeque::new(),
                    task: tokio::spawn(joined),
                };
                if let Some(old) = lock(&shared).live.replace(live) {
                    old.task.abort();
                }
            }
        });
        Self { port, line, accepting }
    }

    /// Where the relay is; `None`: it is down.
    pub fn leads_to(&self, relay: Option<u16>) {
        let mut line = lock(&self.line);
        if line.relay != relay {
            line.bad.acked.clear();
            line.relay = relay;
        }
    }

    /// Lets everything through at once, or one frame at a time.
    pub fn opens(&self, open: bool) {
        lock(&self.line).open = open;
        while open && (self.passes(End::Cli) || self.passes(End::Relay)) {}
    }

    /// Lets the oldest frame through to one end, with the rest of its body. `false`: there is none.
    pub fn passes(&self, end: End) -> bool {
        let mut line = lock(&self.line);
        let Some(live) = &mut line.live else { return false };
        let (held, way) = match end {
            End::Cli => (&mut live.held_to_cli, &live.to_cli),
            End::Relay => (&mut live.held_to_relay, &live.to_relay),
        };
        let Some(frame) = held.pop_front() else { return false };
        let _ = way.send(frame);
        while held.front().is_some_and(|frame| is_more(end, frame)) {
            held.pop_front().map(|more| way.send(more));
        }
        true
    }

    /// The connection breaks, and what is under way is lost.
    pub fn cut(&self) {
        if let Some(live) = lock(&self.line).live.take() {
            live.task.abort();
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

type Way = mpsc::UnboundedReceiver<Bytes>;

/// Joins a CLI that connected with the relay, until one of them goes.
async fn join(number: u64, cli: TcpStream, line: Arc<Mutex<Line>>, pulse: Pulse, from_relay: Way, from_cli: Way) {
    let relay = lock(&line).relay;
    let relay = match relay {
        Some(port) => TcpStream::connect(("127.0.0.1", port)).await,
        None => return,
    };
    let Ok(relay) = relay else { return };
    let _ = (cli.set_nodelay(true), relay.set_nodelay(true));
    let url = format!("ws://relay.test{}", wire::CONNECT_PATH).into_client_request().expect("a URL");
    let Ok((relay, _)) = client_async(url, relay).await else { return };
    let Ok(cli) = tokio_tungstenite::accept_async(cli).await else { return };
    let ((cli_out, cli_in), (relay_out, relay_in)) = (cli.split(), relay.split());
    // Whoever ends first ends the other: dropped sockets close.
    tokio::select! {
        () = listen(End::Relay, number, cli_in, &line, &pulse) => {}
        () = listen(End::Cli, number, relay_in, &line, &pulse) => {}
        () = say(cli_out, from_relay, &pulse) => {}
        () = say(relay_out, from_cli, &pulse) => {}
    }
    pulse.beat();
}

type Incoming = futures_util::stream::SplitStream<WebSocketStream<TcpStream>>;
type Outgoing = futures_util::stream::SplitSink<WebSocketStream<TcpStream>, Message>;

/// Takes in what is for `end`.
async fn listen(end: End, number: u64, mut incoming: Incoming, line: &Mutex<Line>, pulse: &Pulse) {
    while let Some(Ok(message)) = incoming.next().await {
        let Message::Binary(frame) = message else { continue };
        pulse.beat();
        let mut line = lock(line);
        let Line { open, live, bad, .. } = &mut *line;
        let Some(live) = live.as_mut().filter(|live| live.number == number) else { return };
        let Some(frame) = bad.changed(end, frame, &live.to_relay) else { continue };
        let (held, way) = match end {
            End::Cli => (&mut live.held_to_cli, &live.to_cli),
            End::Relay => (&mut live.held_to_relay, &live.to_relay),
        };
        if !*open && is_held(end, &frame) {
            held.push_back(frame);
        } else {
            let _ = way.send(frame);
        }
    }
}

async fn say(mut outgoing: Outgoing, mut way: Way, pulse: &Pulse) {
    while let Some(frame) = way.recv().await {
        pulse.beat();
        if outgoing.send(Message::Binary(frame)).await.is_err() {
            return;
        }
    }
}

/// What a hand-over consists of; the rest (greetings, beats, credit) is not in anybody's way.
fn is_held(end: End, frame: &Bytes) -> bool {
    match end {
        End::Cli => matches!(
            ToCli::from_frame(frame.clone()),
            Ok(Some(
                to_cli::Kind::Event(_)
                    | to_cli::Kind::EventData(_)
                    | to_cli::Kind::CaughtUp(_)
                    | to_cli::Kind::SenderLeft(_)
                    | to_cli::Kind::ReplyUnwanted(_)
            ))
        ),
        End::Relay => matches!(
            ToRelay::from_frame(frame.clone()),
            Ok(Some(
                to_relay::Kind::Ack(_)
                    | to_relay::Kind::Reply(_)
                    | to_relay::Kind::ReplyData(_)
                    | to_relay::Kind::ReplyBroken(_)
            ))
        ),
    }
}

fn is_more(end: End, frame: &Bytes) -> bool {
    match end {
        End::Cli => matches!(ToCli::from_frame(frame.clone()), Ok(Some(to_cli::Kind::EventData(_)))),
        End::Relay => matches!(ToRelay::from_frame(frame.clone()), Ok(Some(to_relay::Kind::ReplyData(_)))),
    }
}

impl Bad {
    /// The frame as the broken rule would have it; `None`: it would not be sent.
    fn changed(&mut self, end: End, frame: Bytes, to_relay: &mpsc::UnboundedSender<Bytes>) -> Option<Bytes> {
        match (self.rule, end) {
            (Rule::Right, _) => Some(frame),
            // A reply by hook is taken for the app's.
            (Rule::Given, End::Relay) => match ToRelay::from_frame(frame.clone()) {
                Ok(Some(to_relay::Kind::Reply(mut reply))) => {
                    reply.by = ReplyBy::App.into();
                    Some(ToRelay::to_frame(to_relay::Kind::Reply(reply)))
                }
                _ => Some(frame),
            },
            (Rule::Given, End::Cli) => Some(frame),
            // An ack counts for the event, whichever hand-over it names.
            (Rule::Old, End::Relay) => {
                if let Ok(Some(to_relay::Kind::Ack(ack))) = ToRelay::from_frame(frame.clone()) {
                    self.acked.extend(ack.streams.iter().filter_map(|stream| self.events.get(stream).cloned()));
                }
                Some(frame)
            }
            (Rule::Old, End::Cli) => {
                let Ok(Some(to_cli::Kind::Event(event))) = ToCli::from_frame(frame.clone()) else { return Some(frame) };
                let id = event.head.map(|head| head.id).unwrap_or_default();
                if event.state == i32::from(HandOver::Queued) && self.acked.contains(&id) {
                    let ack = wire::Ack { streams: vec![event.stream] };
                    let _ = to_relay.send(ToRelay::to_frame(to_relay::Kind::Ack(ack)));
                    return None;
                }
                self.events.insert(event.stream, id);
                Some(frame)
            }
        }
    }
}
