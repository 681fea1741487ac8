//! Empties an endpoint's inbox into a session: everything in order of arrival, with a bounded number under way.

use std::sync::Arc;
use std::time::Duration;

use hook_proto::wire::{self, ToCli, to_cli};

use crate::endpoint::Endpoint;
use crate::exchange;
use crate::relay::Relay;
use crate::session::Route;

/// Hand-overs without an ack, at most. The CLI acks in batches, so this also bounds how fast an inbox empties.
const WINDOW: usize = 1024;
const PAGE: usize = 128;

/// How long until a pass that could not read everything is made again.
const AGAIN: Duration = Duration::from_secs(1);

/// The session has lost its place at the endpoint, or is gone.
struct Lost;

/// Runs for as long as the session holds the endpoint.
pub async fn run(relay: Arc<Relay>, endpoint: Arc<Endpoint>, route: Route) {
    let mut caught_up = false;
    loop {
        let left = endpoint.left();
        let Ok(whole) = pass(&relay, &endpoint, &route).await else { return };
        endpoint.drained(&route, left);
        if !caught_up {
            caught_up = true;
            let frame = ToCli::to_frame(to_cli::Kind::CaughtUp(wire::Route { route: route.number }));
            if route.session.outbox.head(frame).await.is_err() {
                return;
            }
        }
        if whole {
            route.backlog.notified().await;
        } else {
            tokio::time::sleep(AGAIN).await;
        }
        // A session that lost its place must not be kept alive from here.
        if !is_ours(&endpoint, &route) {
            return;
        }
    }
}

/// Hands over everything in the inbox that is not handed over yet. `false`: something could not be read now.
async fn pass(relay: &Arc<Relay>, endpoint: &Arc<Endpoint>, route: &Route) -> Result<bool, Lost> {
    let mut after = 0;
    let mut whole = true;
    loop {
        let page = match relay.inbox.next(&endpoint.name, after, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "the inbox could not be read");
                return Ok(false);
            }
        };
        if page.is_empty() {
            return Ok(whole);
        }
        for (position, id) in page {
            after = position;
            let stream = relay.next_stream();
            let Some(to) = endpoint.begin_hand_over(id, stream) else { continue };
            if to.route.epoch != route.epoch || room(endpoint, route).await.is_err() {
                endpoint.hand_over_failed(id, stream);
                return Err(Lost);
            }
            match relay.inbox.load(id).await {
                Ok(Some(event)) => {
                    route.session.track(stream, to.state, endpoint, &event);
                    if exchange::hand_over(&to, &event).await.is_err() {
                        endpoint.hand_over_failed(id, stream);
                        whole = false;
                    }
                }
                Ok(None) => endpoint.forget(id),
                Err(error) => {
                    // This one waits; those behind it need not.
                    tracing::error!(%error, "an event could not be read from the inbox");
                    endpoint.hand_over_failed(id, stream);
                    whole = false;
                }
            }
        }
    }
}

/// Waits until the session has room for another hand-over.
async fn room(endpoint: &Endpoint, route: &Route) -> Result<(), Lost> {
    while is_ours(endpoint, route) {
        if route.session.unacked() < WINDOW {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Err(Lost)
}

fn is_ours(endpoint: &Endpoint, route: &Route) -> bool {
    endpoint.attached().is_some_and(|r| r.epoch == route.epoch && r.session.id == route.session.id)
}
