//! A live event whose app is down: what its sender hears, and whether the event is owed (DESIGN §5).

use std::sync::Arc;

use tokio::time::Instant;

use super::deliver::{Live, begin, elsewhere, record_end};
use super::endpoint::Endpoint;
use super::handshake::Question;
use super::lane::Lane;
use crate::activity::Heard;
use crate::forward::{ConnectError, attempt};
use crate::journal::{AttemptEnd, EventRow, Kind, State};
use crate::session::Replier;

/// The app was down for a live event: its sender hears so, unless it heard queued; then the event stays owed.
pub(super) async fn not_connected(
    lane: &Arc<Lane>,
    endpoint: &Endpoint,
    live: &Live,
    n: Option<u32>,
    error: &ConnectError,
    begun: Instant,
) {
    lane.went_down(error);
    let end = attempt::not_connected(error, begun);
    let n = match n {
        Some(n) => n,
        None => match begin(lane, live.id, &live.row, &live.path, Kind::Live).await {
            Some(n) => n,
            None => return elsewhere(endpoint, live).await,
        },
    };
    let options = &endpoint.options;
    let left = live.replier.as_ref().is_some_and(Replier::has_left);
    if options.mirror {
        // A copy waits for nothing: whoever answers the sender has the event.
        return record_end(lane, &live.row, n, Kind::Live, end, Some(State::Undelivered), Heard::Nothing).await;
    }
    if let Some(question) = live.question.as_ref().filter(|_| !left) {
        return shake_undelivered(lane, live, n, end, question).await;
    }
    if options.hold && !left {
        if let Some(replier) = &live.replier {
            replier.by_hook(options.queued_status, &live.row.id, "queued", "").await;
        }
        record_end(lane, &live.row, n, Kind::Live, end, None, Heard::Queued).await;
        return lane.still_owed(live.id, live.row.seq).await;
    }
    // Whoever claims the reply decides: a sender that was told queued is owed the event.
    let told = live.replier.as_ref().filter(|r| r.claim());
    if told.is_none() && !left {
        record_end(lane, &live.row, n, Kind::Live, end, None, Heard::Queued).await;
        return lane.still_owed(live.id, live.row.seq).await;
    }
    lane.told_down();
    let heard = if told.is_some() { Heard::BadGateway } else { Heard::Nothing };
    record_end(lane, &live.row, n, Kind::Live, end, Some(State::Undelivered), heard).await;
    owed_after_all(lane, live).await;
    if let Some(replier) = told {
        let reason = format!("{}; the event is kept.", error.in_short());
        replier.in_hooks_words(502, &live.row.id, "undelivered", &reason).await;
    }
}

/// The relay said queued before it could hear what became of the event.
async fn owed_after_all(lane: &Arc<Lane>, live: &Live) {
    let seq = live.row.seq;
    let now = lane.engine.journal.read(move |c| EventRow::by_seq(c, seq)).await;
    if now.is_ok_and(|row| row.is_some_and(|row| row.state == State::Owed)) {
        lane.still_owed(live.id, seq).await;
    }
}

/// hook answers the handshake of an app that is down; that settles the event, unless its sender heard queued.
async fn shake_undelivered(lane: &Arc<Lane>, live: &Live, n: u32, end: AttemptEnd, question: &Question) {
    let told = live.replier.as_ref().filter(|r| r.claim());
    let before = question.answered();
    let (state, heard) = match (told, before) {
        (None, None) => (None, Heard::Queued),
        (_, status) => (Some(State::Handshake), Heard::Handshake(status.unwrap_or(question.status()))),
    };
    record_end(lane, &live.row, n, Kind::Live, end, state, heard).await;
    if state.is_none() {
        return lane.still_owed(live.id, live.row.seq).await;
    }
    owed_after_all(lane, live).await;
    if let Some(replier) = told {
        question.answer_claimed(replier, &live.row).await;
    }
}
