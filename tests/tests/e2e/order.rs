//! A CLI that is scripted message by message: in which order the relay hands over. And a relay that is: in which order a CLI sends.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use hook_proto::wire::{
    self, CONNECT_PATH, HandOver, Mode, ReplyBy, ToCli, ToRelay, VERSION, WINDOW, to_cli, to_relay,
};
use hook_tests::{App, Hook, LIVENESS, LyingRelay, LyingSession, Relay, pattern, post, request};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// One session of it, which holds `shop`.
struct Session(WebSocket<TcpStream>);

impl Session {
    fn open(relay: &Relay) -> Self {
        let address = relay.url().trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(LIVENESS)).unwrap();
        let (socket, _) = client(format!("ws://{address}{CONNECT_PATH}"), stream).unwrap();
        let mut session = Self(socket);
        session.say(to_relay::Kind::Hello(wire::Hello {
            version: VERSION,
            software: "script 1".into(),
            instance: "script".into(),
            label: "a script".into(),
        }));
        session.say(to_relay::Kind::Open(wire::Open {
            route: 1,
            name: "shop".into(),
            mode: Mode::Responder.into(),
            settings: None,
            held: 0,
        }));
        session
    }

    fn say(&mut self, kind: to_relay::Kind) {
        self.0.send(Message::Binary(ToRelay::to_frame(kind))).unwrap();
    }

    /// The next event that is handed over. Takes in the bodies that come before it, if it is told to.
    fn next(&mut self, take_bodies: bool) -> (String, HandOver, u64) {
        loop {
            let Message::Binary(frame) = self.0.read().unwrap() else { continue };
            match ToCli::from_frame(frame).unwrap() {
                Some(to_cli::Kind::Event(event)) => {
                    return (event.head.unwrap().path, event.state.try_into().unwrap(), event.stream);
                }
                Some(to_cli::Kind::EventData(chunk)) if take_bodies => {
                    let credit = wire::Credit { stream: chunk.stream, bytes: chunk.data.len() as u64 };
                    self.say(to_relay::Kind::Credit(credit));
                }
                Some(to_cli::Kind::Ping(beat)) => self.say(to_relay::Kind::Pong(beat)),
                _ => {}
            }
        }
    }
}

/// A journal that had the younger ones alone would send them first after a crash.
#[test]
fn nothing_is_handed_over_past_what_is_older() {
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
    listen.ready();
    listen.bye();
    let url = relay.at("shop");
    request("POST", &format!("{url}/large"), &[], pattern(2 * WINDOW as usize)).assert_queued();
    post(&format!("{url}/small"), "{}").assert_queued();

    // Without credit the first one is stuck, and all that is behind it.
    let mut session = Session::open(&relay);
    let (path, state, _) = session.next(false);
    assert_eq!((path.as_str(), state), ("/large", HandOver::Queued));
    post(&format!("{url}/live"), "{}").assert_queued();
    for wanted in ["/small", "/live"] {
        let (path, state, _) = session.next(true);
        assert_eq!((path.as_str(), state), (wanted, HandOver::Queued));
    }

    std::thread::scope(|scope| {
        let sender = scope.spawn(|| post(&format!("{url}/next"), "{}"));
        let (path, state, stream) = session.next(true);
        assert_eq!((path.as_str(), state), ("/next", HandOver::Awaited), "nothing is left that is older");
        let (headers, body) = (Default::default(), "hello".into());
        session.say(to_relay::Kind::Ack(wire::Ack { streams: vec![stream] }));
        session.say(to_relay::Kind::Reply(wire::Reply {
            stream,
            by: ReplyBy::App.into(),
            status: 200,
            headers,
            body,
            more: false,
        }));
        assert_eq!(sender.join().unwrap().text(), "hello");
    });
}

/// What a CLI finds that slept: an event, the same again as queued, and what came after it. The first of them waits for the files
/// of secrets, which are looked at once in a second, and so the second one may be in the journal before it.
#[test]
fn an_event_that_is_handed_over_twice_at_once_keeps_its_place() {
    let (hook, relay, app) = (Hook::new(), LyingRelay::new(), App::new());
    let _listen =
        hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url(), "--concurrency", "1"]);
    let mut session = relay.opened();
    let event = |session: &LyingSession, stream: u64, of: u64, state: HandOver| {
        let mut event = wire::Event { state: state.into(), ..session.event(stream) };
        event.head = session.event(of).head;
        event.head.as_mut().unwrap().path = format!("/{of}");
        to_cli::Kind::Event(event)
    };
    let (begun, mut next) = (Instant::now(), 1);
    while begun.elapsed() < Duration::from_millis(2500) {
        let twice = [event(&session, next, next, HandOver::Awaited), event(&session, next + 1, next, HandOver::Queued)];
        let later = [next + 2, next + 3].map(|n| event(&session, n, n, HandOver::Queued));
        let before = app.count();
        session.say_together(twice.into_iter().chain(later));
        app.request(before + 3);
        let sent: Vec<_> = app.requests()[before..].iter().map(|r| r.target()).collect();
        assert_eq!(sent, [next, next + 2, next + 3].map(|n| format!("/{n}")));
        next += 4;
    }
}
