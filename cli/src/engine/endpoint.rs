//! An endpoint that this process listens to: its targets and the options a person gave.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::filter::Filter;
use crate::forward::{Client, Shape};
use crate::journal::{self, EventRow, Journal, JournalError, State};
use crate::target::{self, ForwardTo, LeavesTarget, Target};

use super::deadline::Deadlines;
use super::{Engine, Lane};

#[derive(Debug, Clone)]
pub struct Options {
    /// The provider that a person named for it.
    pub provider: Option<String>,
    pub routes: Vec<ForwardTo>,
    pub shape: Shape,
    pub insecure: bool,
    /// For a whole attempt.
    pub timeout: Duration,
    /// The reply deadline, in place of what the provider's time limit asks for.
    pub reply_within: Option<Duration>,
    pub respond: Option<u16>,
    pub queued_status: u16,
    pub hold: bool,
    pub retry: u32,
    pub concurrency: Option<usize>,
    pub filter: Option<Filter>,
    pub max_backlog: Option<usize>,
    /// Duplicates of what the app took are answered as that was.
    pub dedupe: bool,
    /// What its signatures need may be fetched from where its provider publishes it.
    pub fetch_keys: bool,
    pub confirm_subscriptions: bool,
    pub mirror: bool,
}

pub const DEFAULT_CONCURRENCY: usize = 16;

pub struct Endpoint {
    pub name: String,
    /// Where its events are kept under: the relay's public URL, or `embedded`.
    pub relay: String,
    pub options: Options,
    pub deadlines: Deadlines,
    lanes: HashMap<Target, Arc<Lane>>,
}

/// Where an event goes.
pub enum Way {
    /// To a target: its lane, and the path to ask for.
    To(Arc<Lane>, String),
    Nowhere,
    Leaves(LeavesTarget),
}

impl Endpoint {
    pub fn new(
        engine: &Arc<Engine>,
        name: String,
        relay: String,
        options: Options,
        tls: Option<&Arc<rustls::ClientConfig>>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|endpoint| {
            let lanes = options.routes.iter().map(|route| {
                let client = Client::new(route.target.clone(), tls.cloned());
                (route.target.clone(), Lane::new(engine.clone(), endpoint.clone(), client, &options))
            });
            let lanes = lanes.collect();
            Self { name, relay, lanes, options, deadlines: Deadlines::default() }
        })
    }

    pub fn way(&self, path: &str, query: Option<&str>) -> Way {
        let Some((target, rest)) = target::route(&self.options.routes, path) else { return Way::Nowhere };
        let Some(lane) = self.lanes.get(target) else { return Way::Nowhere };
        match target.join(rest, query) {
            Ok(path) => Way::To(lane.clone(), path),
            Err(leaves) => Way::Leaves(leaves),
        }
    }

    /// Queues what the journal says is owed here: from an earlier run, or from one on this machine that was superseded.
    pub async fn load_owed(&self, journal: &Journal) -> Result<(), JournalError> {
        if self.options.mirror {
            return Ok(());
        }
        let (relay, name, retry) = (self.relay.clone(), self.name.clone(), self.options.retry > 0);
        let owed = journal.read(move |c| EventRow::owed(c, &relay, &name)).await?;
        let (mine, over): (Vec<_>, Vec<_>) = owed.into_iter().partition(|o| o.state == State::Owed || retry);
        if !over.is_empty() {
            journal.write(move |c| over.iter().try_for_each(|o| journal::settle(c, o.seq, State::Ended))).await?;
        }
        for owed in mine {
            if let (Way::To(lane, _), Ok(id)) = (self.way(&owed.path, None), owed.id.parse()) {
                lane.push_owed(id, owed.seq).await;
            }
        }
        Ok(())
    }

    pub fn lanes(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.lanes.values()
    }
}
