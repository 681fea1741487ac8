//! Whether the apps are there, before the first line is shown.

use std::sync::Arc;
use std::time::Duration;

use crate::activity::{AppState, Forward};
use crate::engine::{Endpoint, Lane};
use crate::failure::Failure;
use crate::forward::{Client, ConnectError};
use crate::target::ForwardTo;

/// How long a target may take to be looked for before the banner is shown.
const PROBE: Duration = Duration::from_millis(100);
/// How long a name may take to be found.
const DNS: Duration = Duration::from_secs(2);
/// Where people's apps listen.
const USUAL_PORTS: [u16; 9] = [3000, 3001, 4000, 4242, 5000, 5173, 8000, 8080, 8888];

/// Looks whether the apps are there, so that the banner can say so; what is down is looked for from now on.
pub async fn look(endpoint: &Endpoint, down: &mut Vec<(Arc<Lane>, ConnectError)>) -> Result<Vec<Forward>, Failure> {
    let mut seen = Vec::new();
    for route in &endpoint.options.routes {
        let Some(lane) = endpoint.lanes().find(|l| l.client.target == route.target) else { continue };
        let (mut other_port, mut why_down) = (None, None);
        if let Ok(Err(ConnectError::NoHost(host))) = tokio::time::timeout(DNS, lane.client.resolve()).await {
            return Err(no_host(route, &host));
        }
        let looked = tokio::time::timeout(PROBE, lane.client.look()).await;
        let app = match looked {
            Err(_) => AppState::Unknown,
            Ok(Ok(after)) => AppState::Up(after),
            Ok(Err(error)) => {
                why_down = Some(match &error {
                    ConnectError::Refused(_) => format!("nothing listens on port {}", route.target.port),
                    other => other.to_string(),
                });
                if endpoint.options.routes.len() == 1 && matches!(error, ConnectError::Refused(_)) {
                    other_port = other(&route.target).await;
                }
                down.push((lane.clone(), error));
                AppState::Down
            }
        };
        seen.push(Forward {
            prefix: route.prefix.clone(),
            url: route.target.to_string(),
            has_path: !route.target.path.is_empty(),
            app,
            why_down,
            other_port,
        });
    }
    Ok(seen)
}

fn no_host(route: &ForwardTo, host: &str) -> Failure {
    let what = format!("\"{}\" is not an address hook can forward to (no host named \"{host}\").", route.typed);
    let next = format!("hook listen --forward-to localhost:{}{}", route.target.port, route.target.path);
    Failure::usage(what).next(next)
}

/// A usual port of this machine where something listens instead. Connects, sends nothing.
async fn other(target: &crate::target::Target) -> Option<u16> {
    if target.host != "localhost" && target.host != "127.0.0.1" {
        return None;
    }
    for port in USUAL_PORTS.into_iter().filter(|p| *p != target.port) {
        let client = Client::new(crate::target::Target { port, tls: false, ..target.clone() }, None);
        if matches!(tokio::time::timeout(Duration::from_millis(20), client.probe()).await, Ok(Ok(_))) {
            return Some(port);
        }
    }
    None
}
