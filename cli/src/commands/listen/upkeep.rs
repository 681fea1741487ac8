//! What runs beside listening: old events go, and other processes see this one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::activity::{self, Activity, Forward};
use crate::engine::Engine;
use crate::journal::{self, Journal, Listener, Owner};
use crate::lookup::Lookup;
use crate::platform;

/// Parts without an event that are older belong to nobody's upload.
const ORPHANS: u64 = 86_400_000;
const HOUR: Duration = Duration::from_secs(3600);

/// Lets old settled events go, a batch at a time.
pub async fn prune_hourly(engine: Arc<Engine>) {
    let mut warned = false;
    loop {
        let orphans = platform::now_ms().saturating_sub(ORPHANS);
        // Nobody waits for this; a failing journal is reported by the writer itself.
        drop(engine.journal.write(move |c| journal::drop_orphans(c, orphans)));
        let pruned = engine
            .journal
            .write(|c| journal::prune(c, platform::now_ms(), journal::KEEP_MS, journal::KEEP_BYTES))
            .await;
        let wait = match pruned {
            Ok((journal::Pruned::Some(_), _)) => Duration::from_millis(50),
            Ok((journal::Pruned::ClockJumped, _)) if !warned => {
                warned = true;
                engine.emit(Activity::Trouble(activity::Trouble {
                    code: "local",
                    message: "this machine's clock has jumped; old events are kept until it is right.".into(),
                    next: Some("hook doctor".into()),
                    fatal: false,
                }));
                HOUR
            }
            _ => HOUR,
        };
        tokio::time::sleep(wait).await;
    }
}

/// The rows by which other processes see this one.
pub struct Listeners {
    journal: Journal,
    owner: String,
    project: String,
    relay: String,
    /// Where secrets are looked for, by endpoint.
    lookups: HashMap<String, Lookup>,
    live: Mutex<bool>,
    /// Held for as long as this process may have attempts under way.
    _lock: Owner,
}

impl Listeners {
    pub fn new(
        journal: Journal,
        owner: Owner,
        (project, relay): (String, String),
        lookups: HashMap<String, Lookup>,
    ) -> Self {
        Self { journal, owner: owner.id.clone(), project, relay, lookups, live: Mutex::new(false), _lock: owner }
    }

    pub fn register(&self, endpoints: &[activity::Endpoint]) {
        let rows: Vec<Listener> = endpoints
            .iter()
            .map(|e| Listener {
                owner: self.owner.clone(),
                pid: std::process::id(),
                started_at: platform::now_ms(),
                project: self.project.clone(),
                relay: self.relay.clone(),
                endpoint: e.name.clone(),
                url: e.public_url.clone(),
                target: (!e.forward_to.is_empty()).then(|| {
                    let line = |f: &Forward| {
                        if f.prefix.is_empty() { f.url.clone() } else { format!("{}={}", f.prefix, f.url) }
                    };
                    e.forward_to.iter().map(line).collect::<Vec<_>>().join("\n")
                }),
                state: "live".to_owned(),
                lookup: self.lookups.get(&e.name).cloned().unwrap_or_default(),
            })
            .collect();
        // Nobody waits for this; a failing journal is reported by the writer itself.
        drop(self.journal.write(move |c| rows.iter().try_for_each(|row| journal::put_listener(c, row))));
        *self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
    }

    pub fn note(&self, activity: &Activity) {
        let state = match activity {
            Activity::Reconnecting { attempt: 1, .. } => "reconnecting",
            Activity::Reconnected { .. } => "live",
            _ => return,
        };
        if self.was_ready() {
            let owner = self.owner.clone();
            drop(self.journal.write(move |c| journal::set_listener_state(c, &owner, state)));
        }
    }

    pub fn was_ready(&self) -> bool {
        *self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub async fn remove(&self) {
        let owner = self.owner.clone();
        let _ = self.journal.write(move |c| journal::remove_listener(c, &owner)).await;
    }
}
