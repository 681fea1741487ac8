//! The live connection to a relay: dialling, the handshake, and coming back for ever.

mod connect;
mod gather;
mod pump;
mod replier;
mod taken;

use std::sync::Arc;
use std::time::Duration;

use hook_proto::Settings;
use tokio::time::Instant;

pub use connect::{BadRelay, DialError, Relay, Scheme, answered, ask, dial, get, tls_config};
pub use replier::{Head, Replier, WeakReplier};

use crate::activity::{Activity, Trouble};
use crate::engine::{Endpoint, Engine};
use crate::failure::{Exit, Failure};

/// Backoff between tries: full jitter below a bound that doubles.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// An endpoint to hold, and what the relay is asked to keep for it.
#[derive(Clone)]
pub struct Wanted {
    pub endpoint: Arc<Endpoint>,
    pub settings: Settings,
    /// The epoch in which it was held last; 0: not yet.
    pub held: u64,
}

/// Called with the public URLs once every endpoint is open for the first time.
pub type Opened = Box<dyn Fn(&[String]) + Send + Sync>;

/// One `hook listen` run's place at one relay, over all its connections.
pub struct Session {
    pub engine: Arc<Engine>,
    pub relay: Relay,
    pub instance: String,
    pub wanted: Vec<Wanted>,
    pub opened: Opened,
}

/// How one connection ended.
enum Ended {
    /// Try again, at once or after what the relay asked for.
    Lost { error: &'static str, detail: String, wait: Option<Duration> },
    /// Nothing is left to listen to.
    Finished(Failure),
}

impl Session {
    /// Holds the endpoints until the relay refuses or another run takes them. Dropping the future ends the session.
    pub async fn run(mut self) -> Failure {
        let begun = Instant::now();
        let mut ready = false;
        let mut tries = 0;
        let mut lost_at = begun;
        loop {
            let ended = match connect::dial(&self.relay).await {
                Err(DialError::Refused(failure)) => Ended::Finished(failure),
                Err(DialError::Unreachable { error, detail, wait }) => Ended::Lost { error, detail, wait },
                Ok(socket) => {
                    let opened = pump::run(&mut self, socket, |session, urls| {
                        tries = 0;
                        if ready {
                            return Some(lost_at.elapsed());
                        }
                        ready = true;
                        (session.opened)(urls);
                        None
                    })
                    .await;
                    lost_at = Instant::now();
                    opened
                }
            };
            for wanted in &self.wanted {
                wanted.endpoint.lanes().for_each(|lane| lane.behind());
            }
            let ended = match ended {
                // A proxy that stands in for a relay while it restarts says such things.
                Ended::Finished(failure) if ready && failure.code == "not_a_relay" => {
                    Ended::Lost { error: "relay_error", detail: failure.what, wait: None }
                }
                other => other,
            };
            match ended {
                Ended::Finished(failure) => return failure,
                Ended::Lost { error, detail, wait } => {
                    tries += 1;
                    let wait = wait.unwrap_or_else(|| backoff(tries));
                    self.engine.emit(Activity::Reconnecting { attempt: tries, retry_in: wait, error, detail });
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Another run took this endpoint; the last one ends the session.
    fn superseded(&mut self, index: usize, by: &str, at: u64, still_owed: usize) -> Option<Failure> {
        let wanted = self.wanted.remove(index);
        wanted.endpoint.lanes().for_each(|lane| lane.stop());
        let name = &wanted.endpoint.name;
        let by = crate::sanitize::sanitize(by);
        let owed = match still_owed {
            0 => "Nothing is owed here.".to_owned(),
            n => format!(
                "{} still owed in this journal; the new listener's machine forwards them if it shares the journal.",
                crate::text::count(n as u64, "event") + if n == 1 { " is" } else { " are" }
            ),
        };
        let what = format!("{by} took over \"{name}\" at {}. {owed}", crate::text::clock(at));
        let next = "hook listen … (takes it back), or hook listen … --mirror (listen beside it)";
        if self.wanted.is_empty() {
            return Some(Failure::new(Exit::Refused, "superseded", what).next(next));
        }
        self.engine.emit(Activity::Trouble(Trouble {
            code: "superseded",
            message: what,
            next: Some(next.to_owned()),
            fatal: false,
        }));
        None
    }
}

fn backoff(tries: u32) -> Duration {
    let bound = FIRST_WAIT.saturating_mul(1 << tries.min(8)).min(LONGEST_WAIT);
    FIRST_WAIT.max(bound.mul_f64(rand::random::<f64>()))
}
