//! What a CLI says of the events that it was handed: kept, answered, room for more of a body.

use std::sync::atomic::Ordering;

use hook_proto::ReplyBy;
use hook_proto::wire::{self, WINDOW, to_cli};
use http::{Response, StatusCode};

use super::open::Open;
use super::{Ended, StreamReply, send};
use crate::reply::{self, Feed, ReplyBody};

/// Header fields of a reply; more are no reply.
const MAX_REPLY_FIELDS: usize = 1024;

impl Open {
    pub(super) fn ack(&self, stream: u64) {
        let mut streams = self.session.lock();
        let Some(tracked) = streams.get_mut(&stream) else { return };
        if !std::mem::replace(&mut tracked.acked, true) {
            self.session.unacked.fetch_sub(1, Ordering::Relaxed);
        }
        let (endpoint, event, replied) = (tracked.endpoint.clone(), tracked.event, tracked.replied);
        if replied {
            streams.remove(&stream);
        }
        drop(streams);
        endpoint.acked(event, stream, self.relay.inbox.as_ref());
    }

    pub(super) fn reply(&self, reply: wire::Reply) -> Result<(), Ended> {
        let status = u16::try_from(reply.status).ok().and_then(|s| StatusCode::from_u16(s).ok());
        let Ok(by) = ReplyBy::try_from(reply.by) else {
            return Err(Ended::Misbehaved("a reply by nobody".into()));
        };
        // What cannot be said to a sender is an app's fault, and one app's fault must not end a session.
        let sayable = status.filter(|s| !s.is_informational() && reply.headers.len() <= MAX_REPLY_FIELDS);
        let status = sayable.unwrap_or(StatusCode::BAD_GATEWAY);
        let mut streams = self.session.lock();
        let Some(tracked) = streams.get_mut(&reply.stream).filter(|t| !t.replied && t.feed.is_none()) else {
            drop(streams);
            self.unwanted(reply.stream, reply.more);
            return Ok(());
        };
        let (endpoint, event) = (tracked.endpoint.clone(), tracked.event);
        let body = if reply.more {
            let (feed, body) = reply::streamed(reply.stream, self.session.outbox.clone());
            let fits = reply.body.is_empty() || feed.data(reply.body);
            tracked.feed = fits.then_some(feed);
            body
        } else {
            tracked.replied = true;
            let acked = tracked.acked;
            if acked {
                streams.remove(&reply.stream);
            }
            ReplyBody::Whole(Some(reply.body))
        };
        drop(streams);
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if sayable.is_some() {
            *response.headers_mut() = reply::header_map(&reply.headers);
        }
        endpoint.reply(event, reply.stream, StreamReply { by, response });
        Ok(())
    }

    pub(super) fn reply_data(&self, chunk: wire::Chunk) {
        if chunk.end {
            self.reply_done(chunk.stream, |feed| {
                if chunk.data.is_empty() || feed.data(chunk.data) {
                    feed.end(chunk.trailers);
                }
            });
            return;
        }
        let mut streams = self.session.lock();
        if let Some(tracked) = streams.get_mut(&chunk.stream) {
            let taken = tracked.feed.as_ref().is_some_and(|feed| feed.data(chunk.data));
            if !taken {
                tracked.feed = None;
                tracked.replied = true;
                drop(streams);
                self.unwanted(chunk.stream, true);
            }
        }
    }

    pub(super) fn reply_done(&self, stream: u64, end: impl FnOnce(Feed)) {
        let mut streams = self.session.lock();
        let Some(tracked) = streams.get_mut(&stream) else { return };
        tracked.replied = true;
        let feed = tracked.feed.take();
        if tracked.acked {
            streams.remove(&stream);
        }
        drop(streams);
        if let Some(feed) = feed {
            end(feed);
        }
    }

    fn unwanted(&self, stream: u64, more: bool) {
        if more {
            send(&self.session.outbox, to_cli::Kind::ReplyUnwanted(wire::Stream { stream }));
        }
    }

    pub(super) fn credit(&self, credit: wire::Credit) -> Result<(), Ended> {
        let semaphore = match self.session.lock().get(&credit.stream) {
            Some(tracked) => tracked.credit.clone(),
            None => return Ok(()),
        };
        let room = semaphore.as_ref().map_or(0, |s| WINDOW.saturating_sub(s.available_permits() as u64));
        if credit.bytes > room {
            return Err(Ended::Misbehaved("more credit than was used".into()));
        }
        if let Some(semaphore) = semaphore {
            semaphore.add_permits(credit.bytes as usize);
        }
        Ok(())
    }
}
