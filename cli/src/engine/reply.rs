//! What a sender hears of an event that is not forwarded.

use bytes::Bytes;
use hook_proto::wire::MAX_CHUNK;
use hook_proto::{Header, ReplyBy};

use super::Engine;
use super::endpoint::Endpoint;
use super::handshake::Question;
use crate::forward::end_to_end;
use crate::journal::{self, BodyKey, Duplicate, EventRow, State};
use crate::session::{Head, Replier};

impl Engine {
    pub(super) async fn settled_reply(
        &self,
        endpoint: &Endpoint,
        replier: &Replier,
        row: &EventRow,
        duplicate: Option<Duplicate>,
        question: Option<&Question>,
    ) {
        let code = endpoint.options.respond;
        match (row.state, duplicate.and_then(|d| d.answer), question) {
            (State::Refused, ..) => {
                let reason = "the path leaves the target's own path; kept, not forwarded.";
                replier.by_hook(400, &row.id, "refused", reason).await;
            }
            (State::Deduped, Some(answer), _) if code.is_none() => self.answer_as(replier, row, answer).await,
            (State::Handshake, _, Some(question)) => {
                question.answer(replier, row).await;
            }
            _ => {
                replier.by_hook(code.unwrap_or(200), &row.id, row.state.as_str(), "").await;
            }
        }
    }

    /// Answers as the app answered another time: status, header fields and body.
    async fn answer_as(&self, replier: &Replier, row: &EventRow, (event, n): (u64, u32)) {
        let key = BodyKey::Attempt(event, n);
        let first = key.clone();
        let read = self.journal.read(move |c| {
            let attempt = journal::attempts_of(c, event)?.into_iter().find(|a| a.n == n);
            Ok(attempt.zip(Some(first.part(c, 0)?.unwrap_or_default())))
        });
        let Ok(Some((attempt, first))) = read.await else {
            // That the app took it is known all the same.
            replier.by_hook(200, &row.id, State::Deduped.as_str(), "").await;
            return;
        };
        if !replier.claim() {
            return;
        }
        let mut headers = end_to_end(&attempt.response);
        headers.retain(|h| !["trailer", "hook-status"].contains(&h.name.as_str()));
        headers.push(Header::new("hook-status", State::Deduped.as_str()));
        // By hook: should this journal be lost, the relay hands the event over again.
        let head = Head { by: ReplyBy::Hook, status: attempt.status.unwrap_or(200), headers };
        if attempt.kept <= MAX_CHUNK as u64 {
            return replier.whole(head, Bytes::from(first)).await;
        }
        replier.begin(head).await;
        let (mut part, mut next) = (0, Ok(Some(first)));
        while let Ok(Some(data)) = next {
            if !replier.data(Bytes::from(data)).await {
                return;
            }
            part += 1;
            let key = key.clone();
            next = self.journal.read(move |c| key.part(c, part)).await;
        }
        match next {
            Ok(_) => replier.end(Vec::new()).await,
            Err(_) => replier.broken(),
        }
    }
}
