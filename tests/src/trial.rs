//! One run of the product under faults: relay, CLI, app and senders, who kills them and when, and what must hold in the end.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use crate::oracle::{Allowed, Books, Invariant, Report, judge};
use crate::{Answer, App, Hook, LIVENESS, Ledger, Listen, Load, Relay, binaries, request, seed};

/// What the CLI has under way at the app at once, unless it is told otherwise.
const CONCURRENCY: usize = 16;

/// Trials of this process so far, each with kills of its own.
static TRIALS: AtomicU64 = AtomicU64::new(0);

pub struct Trial {
    name: &'static str,
    /// `None`: the relay in the CLI's own process.
    pub relay: Option<Relay>,
    pub hook: Hook,
    pub app: App,
    args: Vec<String>,
    listen: Option<Listen>,
    url: String,
    load: Option<Load>,
    ledger: Option<Ledger>,
    rng: StdRng,
    began: Instant,
    concurrency: usize,
    /// How long nothing may move before all is settled.
    pub patience: Duration,
    /// How often each was killed.
    relay_kills: usize,
    cli_kills: usize,
    app_kills: usize,
}

impl Trial {
    /// A relay, and an endpoint of it that a CLI holds.
    #[track_caller]
    pub fn at_relay(name: &'static str, relay: Relay, hook: Hook, args: &[&str]) -> Self {
        let at = ["--relay", &relay.url(), "--name", "shop"].map(str::to_owned);
        Self::new(
            name,
            Some(relay),
            hook,
            [&at, args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>().as_slice()].concat(),
        )
    }

    /// A CLI with the relay in its own process.
    #[track_caller]
    pub fn embedded(name: &'static str, hook: Hook, args: &[&str]) -> Self {
        Self::new(name, None, hook, args.iter().map(|a| (*a).to_owned()).collect())
    }

    fn new(name: &'static str, relay: Option<Relay>, hook: Hook, mut args: Vec<String>) -> Self {
        let app = App::forgetful();
        args.extend(["--forward-to".to_owned(), app.url()]);
        let one = args.windows(2).any(|a| a == ["--concurrency", "1"]);
        let mut trial = Self {
            name,
            relay,
            hook,
            app,
            args,
            listen: None,
            url: String::new(),
            load: None,
            ledger: None,
            rng: StdRng::seed_from_u64(seed().wrapping_add(TRIALS.fetch_add(1, Ordering::SeqCst))),
            began: Instant::now(),
            concurrency: if one { 1 } else { CONCURRENCY },
            patience: LIVENESS,
            relay_kills: 0,
            cli_kills: 0,
            app_kills: 0,
        };
        trial.start_cli();
        trial
    }

    pub fn start_senders(&mut self, senders: usize) -> &Load {
        self.load.insert(Load::start(&self.url, senders))
    }

    #[track_caller]
    pub fn load(&self) -> &Load {
        self.load.as_ref().expect("there are senders")
    }

    /// From now on the app fails now and then, or takes its time.
    pub fn app_is_moody(&self) {
        self.app.answers_with(|request| match request.body.first().map_or(0, |byte| byte % 100) {
            1..4 => Answer::status("500 Internal Server Error"),
            4 => Answer::close(),
            5 => {
                std::thread::sleep(Duration::from_millis(20));
                Answer::ok("at last")
            }
            _ => Answer::ok("ok"),
        });
    }

    /// Ends the senders; what they heard is judged later.
    #[track_caller]
    pub fn stop_senders(&mut self) {
        if let Some(load) = self.load.take() {
            self.ledger = Some(load.stop());
        }
    }

    /// Lets a random time pass before the next fault, 5 to 800 ms.
    pub fn random_moment(&mut self) {
        std::thread::sleep(Duration::from_millis(self.rng.random_range(5..=800)));
    }

    /// One of so many.
    pub fn pick(&mut self, of: usize) -> usize {
        self.rng.random_range(0..of)
    }

    pub fn kills(&self) -> usize {
        self.relay_kills + self.cli_kills + self.app_kills
    }

    pub fn kill_cli(&mut self) {
        if let Some(listen) = self.listen.take() {
            listen.kill9();
            self.cli_kills += 1;
        }
    }

    /// Starts it, and waits until its endpoint is reachable.
    #[track_caller]
    pub fn start_cli(&mut self) {
        self.launch_cli();
        self.until_ready();
    }

    #[track_caller]
    pub fn until_ready(&mut self) {
        let url = self.listen.as_ref().expect("a CLI runs").url();
        assert!(self.url.is_empty() || self.url == url, "the URL stays: {} became {url}", self.url);
        self.url = url;
    }

    /// Starts it, and waits for nothing.
    pub fn launch_cli(&mut self) -> &Listen {
        self.listen.insert(self.hook.listen(&self.args))
    }

    /// Ends it as a person does.
    #[track_caller]
    pub fn stop_cli(&mut self) {
        if let Some(listen) = self.listen.take() {
            listen.bye();
        }
    }

    #[track_caller]
    pub fn kill_relay(&mut self) {
        self.relay().kill9();
        self.relay_kills += 1;
    }

    #[track_caller]
    pub fn relay(&self) -> &Relay {
        self.relay.as_ref().expect("a relay of its own")
    }

    pub fn kill_app(&mut self) {
        self.app.stop();
        self.app_kills += 1;
    }

    /// Ends the senders, waits until all is settled, and holds all books against each other.
    #[track_caller]
    pub fn judge(&mut self) -> Report {
        self.stop_senders();
        let listen = self.listen.as_ref().expect("a CLI runs");
        assert!(listen.is_running(), "the CLI ended: {}", listen.stderr.text());
        let left = self.settle();
        let allowed = Allowed {
            duplicates: self.cli_kills * self.concurrency,
            broken_off: self.app_kills * self.concurrency,
            unordered: self.concurrency > 1,
        };
        let books = Books {
            heard: self.ledger(),
            journal: self.hook.events(),
            broke_off: self.hook.broke_off(),
            arrivals: self.app.arrivals(),
        };
        let mut report = judge(&books, allowed);
        if let Some((held, owed)) = left {
            report.add(Invariant::I6, format!("the relay still holds {held} events, and {owed} are owed"));
        }
        if self.cli_kills + self.app_kills == 0 && self.app.broken() > 0 {
            report.add(Invariant::I7, "the app saw an incomplete request");
        }
        let new = request("POST", &format!("{}/new", self.url), &[], "{}");
        if (new.status, new.text().as_str()) != (200, "ok") {
            report.add(Invariant::I6, format!("a new event does not go through: {new:?}"));
        }
        println!(
            "{}: {} events, {} answered 2xx, {} kills, {} lost, {} duplicates at the app, {:.1} s",
            self.name,
            report.events,
            report.promised,
            self.kills(),
            report.lost,
            report.duplicates,
            self.began.elapsed().as_secs_f64()
        );
        report
    }

    /// Waits until nothing is on its way any more. Gives what is held and owed when nothing moves.
    fn settle(&self) -> Option<(usize, usize)> {
        let left = || (self.relay.as_ref().map_or(0, Relay::held), self.hook.owed());
        let (mut last, mut moved) = (left(), Instant::now());
        while last != (0, 0) {
            if moved.elapsed() > self.patience {
                return Some(last);
            }
            std::thread::sleep(Duration::from_millis(20));
            let now = left();
            if now != last {
                (last, moved) = (now, Instant::now());
            }
        }
        None
    }

    /// What was heard, after [`Trial::judge`].
    #[track_caller]
    pub fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().expect("the senders are done")
    }

    /// Where everything is that may explain a failure.
    pub fn artefacts(&self) -> PathBuf {
        binaries::target().join("trials").join(format!("{}-{}", self.name.replace([' ', ','], "-"), seed()))
    }

    fn keep(&self) -> std::io::Result<()> {
        let dir = self.artefacts();
        std::fs::create_dir_all(&dir)?;
        // As they were at that moment.
        self.listen.iter().for_each(|listen| listen.kill9());
        self.relay.iter().for_each(Relay::kill9);
        copy_dir(self.hook.home(), &dir.join("hook"))?;
        if let Some(relay) = &self.relay {
            copy_dir(&relay.data(), &dir.join("relay"))?;
            std::fs::write(dir.join("relay.stderr"), relay.stderr())?;
        }
        if let Some(listen) = &self.listen {
            std::fs::write(dir.join("hook.stdout"), listen.stdout.bytes())?;
            std::fs::write(dir.join("hook.stderr"), listen.stderr.bytes())?;
        }
        if let Some(ledger) = self.ledger.as_ref().map(Ledger::path).or(self.load.as_ref().map(Load::ledger)) {
            std::fs::copy(ledger, dir.join("ledger"))?;
        }
        let seen: Vec<String> = self.app.arrivals().iter().map(|a| format!("{a:?}\n")).collect();
        std::fs::write(dir.join("app"), seen.concat())
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            match self.keep() {
                Ok(()) => println!("Databases, logs and the ledger are in {}", self.artefacts().display()),
                Err(error) => println!("Databases and logs could not be kept: {error}"),
            }
            println!("To repeat: HOOK_TEST_SEED={}", seed());
        }
    }
}

fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &to.join(entry.file_name()))?;
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
