//! The wire: two message types, one for each direction, each one binary websocket message in protobuf encoding.
//!
//! A reader skips fields and messages that it does not know, so old and new peers work together for as long as
//! [`VERSION`] is the same; a change that an old peer would misunderstand raises it. Tags are never used twice.

use bytes::Bytes;
use prost::Message as _;

use crate::header::HeaderList;

/// The version that both ends must speak. [`Hello`] and [`Refused`] keep their shape for ever, so that a refusal is always readable.
pub const VERSION: u32 = 1;
/// The websocket message that a peer may send at most, in bytes.
pub const MAX_MESSAGE: usize = 512 * 1024;
/// A body up to this many bytes travels inside its head's message; a larger one in [`Chunk`]s of at most as much.
pub const MAX_CHUNK: usize = 64 * 1024;
/// How many bytes of one stream may be under way before the receiver's [`Credit`].
pub const WINDOW: u64 = 1024 * 1024;
/// The HTTP path at a relay where a session begins.
pub const CONNECT_PATH: &str = "/_hook/connect";

#[derive(Clone, PartialEq, prost::Message)]
pub struct ToRelay {
    #[prost(oneof = "to_relay::Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    pub kind: Option<to_relay::Kind>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ToCli {
    #[prost(oneof = "to_cli::Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13")]
    pub kind: Option<to_cli::Kind>,
}

/// What a CLI says.
pub mod to_relay {
    #[derive(Clone, PartialEq, prost::Oneof)]
    #[allow(clippy::large_enum_variant, reason = "the large one is the common one")]
    pub enum Kind {
        /// First message of a session.
        #[prost(message, tag = "1")]
        Hello(super::Hello),
        /// Give me the events of an endpoint.
        #[prost(message, tag = "2")]
        Open(super::Open),
        /// These hand-overs are fsynced in my journal.
        #[prost(message, tag = "3")]
        Ack(super::Ack),
        /// The head of a reply to the sender, with the body when that is small.
        #[prost(message, tag = "4")]
        Reply(super::Reply),
        /// More of a reply's body.
        #[prost(message, tag = "5")]
        ReplyData(super::Chunk),
        /// The reply's body broke off; the sender must see that it is not whole.
        #[prost(message, tag = "6")]
        ReplyBroken(super::Stream),
        /// I took in that much of an event's body.
        #[prost(message, tag = "7")]
        Credit(super::Credit),
        #[prost(message, tag = "8")]
        Ping(super::Beat),
        #[prost(message, tag = "9")]
        Pong(super::Beat),
        /// I stop listening to this endpoint; what comes now is for the inbox.
        #[prost(message, tag = "10")]
        Close(super::Route),
    }
}

/// What a relay says.
pub mod to_cli {
    #[derive(Clone, PartialEq, prost::Oneof)]
    #[allow(clippy::large_enum_variant, reason = "the large one is the common one")]
    pub enum Kind {
        /// Answers Hello.
        #[prost(message, tag = "1")]
        Welcome(super::Welcome),
        /// Answers Hello (route 0: the session ends) or Open.
        #[prost(message, tag = "2")]
        Refused(super::Refused),
        /// Answers Open: from now on this session holds the endpoint.
        #[prost(message, tag = "3")]
        Opened(super::Opened),
        /// Hands over an event, with the body when that is small.
        #[prost(message, tag = "4")]
        Event(super::Event),
        /// More of an event's body.
        #[prost(message, tag = "5")]
        EventData(super::Chunk),
        /// The sender of this event left before its reply.
        #[prost(message, tag = "6")]
        SenderLeft(super::Stream),
        /// All that the inbox held when the endpoint was opened has been handed over.
        #[prost(message, tag = "7")]
        CaughtUp(super::Route),
        /// Another run of the same owner took the endpoint.
        #[prost(message, tag = "8")]
        Superseded(super::Superseded),
        /// The relay restarts; come back later.
        #[prost(message, tag = "9")]
        GoAway(super::GoAway),
        /// The sender took in that much of a reply's body.
        #[prost(message, tag = "10")]
        Credit(super::Credit),
        #[prost(message, tag = "11")]
        Ping(super::Beat),
        #[prost(message, tag = "12")]
        Pong(super::Beat),
        /// Nobody reads this reply any more; stop sending its body.
        #[prost(message, tag = "13")]
        ReplyUnwanted(super::Stream),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Hello {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Name and version of the program, for people.
    #[prost(string, tag = "2")]
    pub software: String,
    /// Names one `hook listen` run over all its reconnects.
    #[prost(string, tag = "3")]
    pub instance: String,
    /// Where and as what it runs, for the message that a superseded run prints.
    #[prost(string, tag = "4")]
    pub label: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Welcome {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(string, tag = "2")]
    pub software: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Refused {
    /// The route of the Open that is refused; 0 refuses the session.
    #[prost(uint32, tag = "1")]
    pub route: u32,
    /// One of `version`, `token`, `name`, `limit`, `malformed`; more may come.
    #[prost(string, tag = "2")]
    pub code: String,
    /// What happened, for people.
    #[prost(string, tag = "3")]
    pub message: String,
    /// The version that the refuser speaks.
    #[prost(uint32, tag = "4")]
    pub version: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Open {
    /// The CLI's number for this endpoint within the session, from 1.
    #[prost(uint32, tag = "1")]
    pub route: u32,
    /// Empty: generate a name.
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(enumeration = "Mode", tag = "3")]
    pub mode: i32,
    /// Kept on the endpoint, so they hold while nobody listens.
    #[prost(message, optional, tag = "4")]
    pub settings: Option<Settings>,
    /// The epoch in which this instance last held the endpoint; 0: it never did.
    #[prost(uint64, tag = "5")]
    pub held: u64,
}

/// How a session takes part in an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Mode {
    /// Answers senders; one at a time.
    Responder = 0,
    /// Gets copies of live events and answers nobody.
    Mirror = 1,
}

/// What a CLI asks of its endpoint. 0 means the relay's default.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Settings {
    /// The status of the relay's own `queued` reply: 200..=299.
    #[prost(uint32, tag = "1")]
    pub queued_status: u32,
    /// The largest body in bytes; the relay's own limit stands above it.
    #[prost(uint64, tag = "2")]
    pub max_body: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Opened {
    #[prost(uint32, tag = "1")]
    pub route: u32,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(string, tag = "3")]
    pub public_url: String,
    /// Raised by one each time a session takes the endpoint. Events of an older epoch are not this session's.
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
    /// Events in the inbox.
    #[prost(uint64, tag = "5")]
    pub waiting: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    #[prost(uint32, tag = "1")]
    pub route: u32,
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Names this hand-over within the session: for its Ack, its body's chunks and its reply. Never used twice.
    #[prost(uint64, tag = "3")]
    pub stream: u64,
    #[prost(enumeration = "HandOver", tag = "4")]
    pub state: i32,
    #[prost(message, optional, tag = "5")]
    pub head: Option<EventHead>,
    /// The whole body, or empty when `head.body_size` says that chunks follow.
    #[prost(bytes = "bytes", tag = "6")]
    pub body: Bytes,
}

/// What the sender of an event knows at the time of its hand-over (DESIGN §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum HandOver {
    /// It is waiting for a reply.
    Awaited = 0,
    /// It heard a 2xx of hook's own: the event is owed to the app.
    Queued = 1,
    /// It has the app's answer, or left.
    Given = 2,
    /// For a mirror: somebody else answers.
    Copy = 3,
}

/// An event without its body.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EventHead {
    /// ULID in canonical form.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Milliseconds since 1970, by the relay's clock.
    #[prost(uint64, tag = "2")]
    pub received_at: u64,
    #[prost(string, tag = "3")]
    pub method: String,
    /// The public URL as the sender used it.
    #[prost(string, tag = "4")]
    pub url: String,
    /// What follows the endpoint in the URL's path, raw: empty, or beginning with `/`.
    #[prost(string, tag = "5")]
    pub path: String,
    /// What follows `?`, raw; absent when there is no `?`.
    #[prost(string, optional, tag = "6")]
    pub query: Option<String>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    #[prost(string, tag = "7")]
    pub http_version: String,
    /// As received, hop-by-hop fields included.
    #[prost(message, repeated, tag = "8")]
    pub headers: HeaderList,
    #[prost(message, repeated, tag = "9")]
    pub trailers: HeaderList,
    #[prost(string, tag = "10")]
    pub remote_ip: String,
    /// What the app is told in `X-Forwarded-For`, `-Proto` and `-Host`.
    #[prost(message, optional, tag = "11")]
    pub forwarded: Option<Forwarded>,
    #[prost(uint64, tag = "12")]
    pub body_size: u64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Forwarded {
    #[prost(string, tag = "1")]
    pub r#for: String,
    #[prost(string, tag = "2")]
    pub proto: String,
    #[prost(string, tag = "3")]
    pub host: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Ack {
    #[prost(uint64, repeated, tag = "1")]
    pub streams: Vec<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Reply {
    #[prost(uint64, tag = "1")]
    pub stream: u64,
    #[prost(enumeration = "ReplyBy", tag = "2")]
    pub by: i32,
    #[prost(uint32, tag = "3")]
    pub status: u32,
    #[prost(message, repeated, tag = "4")]
    pub headers: HeaderList,
    #[prost(bytes = "bytes", tag = "5")]
    pub body: Bytes,
    /// More of the body follows in chunks.
    #[prost(bool, tag = "6")]
    pub more: bool,
}

/// Whose words a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum ReplyBy {
    App = 0,
    Hook = 1,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Chunk {
    #[prost(uint64, tag = "1")]
    pub stream: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub data: Bytes,
    /// The last one of its body.
    #[prost(bool, tag = "3")]
    pub end: bool,
    /// With `end`, in replies: the fields that follow the body.
    #[prost(message, repeated, tag = "4")]
    pub trailers: HeaderList,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Credit {
    #[prost(uint64, tag = "1")]
    pub stream: u64,
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Stream {
    #[prost(uint64, tag = "1")]
    pub stream: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Route {
    #[prost(uint32, tag = "1")]
    pub route: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Superseded {
    #[prost(uint32, tag = "1")]
    pub route: u32,
    /// The label of the run that took over.
    #[prost(string, tag = "2")]
    pub by: String,
    /// Milliseconds since 1970, by the relay's clock.
    #[prost(uint64, tag = "3")]
    pub at: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct GoAway {
    #[prost(string, tag = "1")]
    pub reason: String,
    /// Milliseconds to wait before the next try.
    #[prost(uint64, tag = "2")]
    pub retry_after: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Beat {
    #[prost(uint64, tag = "1")]
    pub nonce: u64,
}

/// A message that is not one. The peer is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    #[error("a message of {0} bytes; at most {MAX_MESSAGE} are allowed")]
    TooLong(usize),
    #[error("not a message of this protocol: {0}")]
    Malformed(String),
}

macro_rules! codec {
    ($message:ty, $kind:ty) => {
        impl $message {
            pub fn to_frame(kind: $kind) -> Bytes {
                Self { kind: Some(kind) }.encode_to_vec().into()
            }

            /// Decodes one websocket message; body bytes are slices of it, not copies. `None`: a kind that this version does not know.
            pub fn from_frame(bytes: Bytes) -> Result<Option<$kind>, BadMessage> {
                if bytes.len() > MAX_MESSAGE {
                    return Err(BadMessage::TooLong(bytes.len()));
                }
                <Self as prost::Message>::decode(bytes)
                    .map(|m| m.kind)
                    .map_err(|e| BadMessage::Malformed(e.to_string()))
            }
        }
    };
}
codec!(ToRelay, to_relay::Kind);
codec!(ToCli, to_cli::Kind);
