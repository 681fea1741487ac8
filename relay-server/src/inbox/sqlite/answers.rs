use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::inbox::InboxError;
use crate::inbox::pending::Answer;

/// What was asked, and the outcome.
pub(super) type Group = Vec<(Answer<u64>, Result<u64, InboxError>)>;

/// Gives the answers of a group on the runtime's own thread: to wake each task from another one costs more than its append.
pub(super) struct Answers(Option<mpsc::UnboundedSender<Group>>);

impl Answers {
    /// On the runtime that this is called in, if it is in one.
    pub(super) fn start() -> Self {
        let Ok(runtime) = Handle::try_current() else { return Self(None) };
        let (tx, mut rx) = mpsc::unbounded_channel();
        runtime.spawn(async move {
            while let Some(group) = rx.recv().await {
                give(group);
            }
        });
        Self(Some(tx))
    }

    pub(super) fn give(&self, group: Group) {
        match &self.0 {
            _ if group.is_empty() => {}
            Some(tx) => {
                // A runtime that ended has nobody left who waits.
                let _ = tx.send(group);
            }
            None => give(group),
        }
    }
}

fn give(group: Group) {
    group.into_iter().for_each(|(answer, outcome)| answer.give(outcome));
}
