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

/// Runs for as long as the session holds the endpoint.
pub async fn run(relay: Arc<Relay>, endpoint: Arc<Endpoint>, route: Route) {
    let mut caught_up = false;
    loop {
        if pass(&relay, &endpoint, &route).await.is_err() {
            return;
        }
        if !caught_up {
            caught_up = true;
            let frame = ToCli::to_frame(to_cli::Kind::CaughtUp(wire::Route { route: route.number }));
            if route.session.outbox.head(frame).await.is_err() {
                return;
            }
        }
        route.backlog.notified().await;
        // A session that lost its place must not be kept alive from here.
        if !is_ours(&endpoint, &route) {
            return;
        }
    }
}

/// Hands over everything in the inbox that is not handed over yet.
async fn pass(relay: &Arc<Relay>, endpoint: &Arc<Endpoint>, route: &Route) -> Result<(), ()> {
    let mut after = 0;
    loop {
        let page = relay.inbox.next(&endpoint.name, after, PAGE).await.map_err(|_| ())?;
        if page.is_empty() {
            return Ok(());
        }
        for (position, id) in page {
            after = position;
            room(endpoint, route).await?;
            let stream = relay.next_stream();
            let Some(to) = endpoint.begin_hand_over(id, stream) else { continue };
            if to.route.epoch != route.epoch {
                endpoint.hand_over_failed(id, stream);
                return Err(());
            }
            match relay.inbox.load(id).await {
                Ok(Some(event)) => {
                    route.session.track(stream, to.state, endpoint, id);
                    if exchange::hand_over(&to, &event).await.is_err() {
                        endpoint.hand_over_failed(id, stream);
                        return Err(());
                    }
                }
                Ok(None) => endpoint.forget(id),
                Err(error) => {
                    tracing::error!(%error, "an event could not be read from the inbox");
                    endpoint.hand_over_failed(id, stream);
                    return Err(());
                }
            }
        }
    }
}

/// Waits until the session has room for another hand-over.
async fn room(endpoint: &Endpoint, route: &Route) -> Result<(), ()> {
    while route.session.under_way() >= WINDOW {
        if !is_ours(endpoint, route) {
            return Err(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    if is_ours(endpoint, route) { Ok(()) } else { Err(()) }
}

fn is_ours(endpoint: &Endpoint, route: &Route) -> bool {
    endpoint.attached().is_some_and(|r| r.epoch == route.epoch && r.session.id == route.session.id)
}
