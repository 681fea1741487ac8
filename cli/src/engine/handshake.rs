//! The questions that providers ask an endpoint. The app gets them first; hook answers when the app does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hook_proto::{Header, ReplyBy};

use super::Engine;
use super::endpoint::Endpoint;
use crate::activity::{Activity, Handshake};
use crate::journal::EventRow;
use crate::provider::check::Handed;
use crate::session::{Head, Replier};

/// A secret is one word of such a length: this is the sender's text.
const SECRET_LENGTH: std::ops::RangeInclusive<usize> = 8..=512;

pub struct Question {
    handshake: hook_providers::Handshake,
    answered: AtomicBool,
}

/// The question, if hook has an answer to it.
pub fn answerable(question: Option<&Arc<Question>>) -> Option<&Arc<Question>> {
    question.filter(|question| question.handshake.answer.is_some())
}

impl Question {
    pub fn new(handshake: hook_providers::Handshake) -> Arc<Self> {
        Arc::new(Self { handshake, answered: AtomicBool::new(false) })
    }

    /// A URL that confirms what it asks about, once it is fetched.
    pub fn fetch(&self) -> Option<&hook_providers::Fetch> {
        self.handshake.fetch.as_ref()
    }

    /// The status of hook's answer.
    pub fn status(&self) -> u16 {
        self.handshake.answer.as_ref().map_or(0, |answer| answer.status)
    }

    /// The same, once it was given.
    pub fn answered(&self) -> Option<u16> {
        self.answered.load(Ordering::Acquire).then(|| self.status())
    }

    /// Answers in the app's place, if nobody answered yet.
    pub async fn answer(&self, replier: &Replier, row: &EventRow) -> bool {
        let claimed = self.handshake.answer.is_some() && replier.claim();
        if claimed {
            self.answer_claimed(replier, row).await;
        }
        claimed
    }

    /// The same, with the right to answer claimed before.
    pub async fn answer_claimed(&self, replier: &Replier, row: &EventRow) {
        let Some(answer) = &self.handshake.answer else { return };
        self.answered.store(true, Ordering::Release);
        let own = [("hook-status", "handshake"), ("hook-event-id", row.id.as_str())];
        let given = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = given.chain(own).map(|(name, value)| Header::new(name, value.as_bytes().to_vec())).collect();
        let head = Head { by: ReplyBy::Hook, status: answer.status, headers };
        replier.whole(head, Bytes::from(answer.body.clone())).await;
    }
}

impl Engine {
    /// What follows from a question, whoever answers it. Nothing waits for the disk on which a secret is kept.
    pub(super) fn question_came(self: &Arc<Self>, endpoint: &Endpoint, row: &Arc<EventRow>, question: &Question) {
        let say = |what| self.emit(Activity::Handshake { event: row.clone(), what });
        if let Some(lacking) = &question.handshake.lacking {
            say(Handshake::Unanswerable { why: lacking.clone(), param: question.handshake.param.clone() });
        }
        let is_word = |v: &String| SECRET_LENGTH.contains(&v.len()) && v.bytes().all(|b| b.is_ascii_graphic());
        let Some(value) = question.handshake.secret.clone().filter(is_word) else { return };
        let Some(provider) = row.provider.clone() else { return };
        let Ok(turn) = self.keeping.clone().try_acquire_owned() else {
            return say(Handshake::SecretLost("too many come at once.".to_owned()));
        };
        let (engine, row) = (self.clone(), row.clone());
        let (name, pinned) = (endpoint.name.clone(), endpoint.options.provider.clone());
        tokio::spawn(async move {
            let checker = engine.checker.clone();
            let keep = move || checker.keep_handed(&name, pinned.as_deref(), &provider, &value);
            let what = match tokio::task::spawn_blocking(keep).await {
                Ok(Ok(Handed::Known)) | Err(_) => return,
                Ok(Ok(handed)) => Handshake::Secret(handed),
                Ok(Err(failure)) => Handshake::SecretLost(failure.what),
            };
            engine.emit(Activity::Handshake { event: row, what });
            drop(turn);
        });
    }
}
