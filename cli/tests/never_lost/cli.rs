//! The CLI as a program: the real session and engine on a real journal.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hook_cli::activity::Activity;
use hook_cli::engine::{Endpoint, Engine, Options};
use hook_cli::forward::Shape;
use hook_cli::journal::{Journal, Owner};
use hook_cli::provider::{Checker, Given};
use hook_cli::session::{Relay, Scheme, Session, Wanted};
use hook_proto::Settings;
use tokio::sync::mpsc;

use crate::plan::{Sent, Setup};
use crate::program::Program;

/// When the CLI says queued to a sender whose app is slow.
pub const REPLY_WITHIN: Duration = Duration::from_secs(20);

pub struct Cli {
    pub program: Program,
    pub journal: Journal,
    /// Its place was taken, or the relay refused it: the process is about to end.
    over: Arc<AtomicBool>,
    activities: mpsc::UnboundedReceiver<Activity>,
    /// Its lock on the journal goes with it.
    _owner: Owner,
}

impl Cli {
    pub fn start(journal: &Path, cable: u16, app: u16, mirror: bool, setup: &Setup) -> Self {
        let program = Program::new();
        let over = Arc::new(AtomicBool::new(false));
        let (emit, activities) = mpsc::unbounded_channel();
        let (journal, owner) =
            (Journal::open(journal).expect("a journal"), Owner::register(journal).expect("an owner"));
        let checker = Checker::load("/project".as_ref(), Given::default()).expect("recipes");
        let engine = Engine::new(journal.clone(), owner.id.clone(), "/project".into(), Arc::new(checker), emit, false);
        let options = Options {
            provider: match setup.sent {
                Sent::Events => None,
                Sent::Duplicates => Some("standard-webhooks".into()),
                Sent::Handshakes => Some("slack".into()),
            },
            routes: vec![format!("127.0.0.1:{app}").parse().expect("a target")],
            shape: Shape::default(),
            insecure: false,
            timeout: Duration::from_secs(60),
            reply_within: Some(REPLY_WITHIN),
            respond: setup.respond.then_some(202),
            queued_status: 200,
            hold: setup.hold,
            retry: 0,
            concurrency: setup.one_at_a_time.then_some(1),
            filter: None,
            max_backlog: None,
            fetch_keys: false,
            confirm_subscriptions: false,
            dedupe: setup.sent == Sent::Duplicates,
            mirror,
        };
        let relay = Relay { scheme: Scheme::Http, authority: format!("127.0.0.1:{cable}"), token: None, own: None };
        let (instance, ended) = (owner.id.clone(), over.clone());
        let ready = journal.clone();
        program.run(async move {
            let endpoint = Endpoint::new(&engine, crate::endpoint().to_string(), "the relay".into(), options, None);
            endpoint.load_owed(&ready).await.expect("what is owed");
            if mirror {
                endpoint.lanes().for_each(|lane| lane.caught_up());
            }
            let wanted = vec![Wanted { endpoint, settings: Settings::default(), held: 0 }];
            let session = Session { engine, relay, instance, wanted, opened: Box::new(|_| {}) };
            tokio::spawn(async move {
                session.run().await;
                ended.store(true, Ordering::Relaxed);
            });
        });
        Self { program, journal, over, activities, _owner: owner }
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The last commit that it knows to be on disk.
    pub fn synced(&self) -> u64 {
        *self.journal.synced().borrow()
    }

    /// Waits until its threads have done what was asked of them.
    pub fn settle(&self) {
        self.program.run(async {
            self.journal.flush().await.expect("the journal can be written");
            self.journal.read(|_| Ok(())).await.expect("the journal can be read");
        });
    }

    /// Waits until everything committed so far is on disk, as it would be in a moment.
    pub fn sync(&self) {
        self.program.run(async {
            let (_, commit) = self.journal.write(|_| Ok(())).await.expect("the journal can be written");
            self.journal.want_sync();
            self.journal.synced().wait_for(|synced| *synced >= commit).await.expect("the journal can be synced");
        });
    }

    /// What it would have complained about.
    pub fn troubles(&mut self) -> Vec<String> {
        let mut troubles = Vec::new();
        while let Ok(activity) = self.activities.try_recv() {
            if let Activity::Trouble(trouble) = activity {
                troubles.push(trouble.message);
            }
        }
        troubles
    }
}
