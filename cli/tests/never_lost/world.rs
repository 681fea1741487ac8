//! Everything of one case: its programs, what is between them, and what each step does to them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::app::App;
use crate::cable::{Cable, End};
use crate::cli::Cli;
use crate::journal::JournalFile;
use crate::plan::{Plan, Setup, Step};
use crate::program::Program;
use crate::promise;
use crate::pulse::Pulse;
use crate::relay::RelayProgram;
use crate::seen::Seen;
use crate::sender::Sender;

/// The place of the CLI that listens beside the others.
pub const MIRROR: usize = 2;
const PLACES: usize = 3;

pub struct World {
    setup: Setup,
    /// Where the senders, the apps and the cables live.
    outside: Program,
    pub relay: Option<RelayProgram>,
    cables: [Cable; PLACES],
    pub clis: [Option<Cli>; PLACES],
    /// The app, and the mirror's own.
    pub apps: [App; 2],
    pub senders: Vec<Sender>,
    pub journal: JournalFile,
    /// CLIs that ended in any way.
    pub ends: usize,
    /// Those of them whose place another had taken.
    pub taken: usize,
    pulse: Pulse,
    flows: bool,
    dir: tempfile::TempDir,
}

/// Plays a plan to its quiet end; says what it led to, or which promise was broken.
pub fn play(plan: &Plan) -> Result<Seen, String> {
    let mut world = World::new(plan.setup.clone());
    for step in &plan.steps {
        world.step(*step);
        promise::holds_at_any_time(&world)?;
    }
    let quiet = world.repair_all();
    promise::holds_at_any_time(&world)?;
    promise::holds_at_the_end(&mut world, quiet)?;
    Ok(Seen::of(&world))
}

impl World {
    fn new(setup: Setup) -> Self {
        let (outside, pulse) = (Program::new(), Pulse::default());
        // In memory where there is such a place: what is on disk is what was synced, and that is counted, not felt.
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let cables = [(); PLACES].map(|()| Cable::new(&outside, setup.rule, &pulse));
        let apps = [(); 2].map(|()| App::new(&outside, &pulse));
        let journal = JournalFile::new(dir.path());
        let mut world = Self {
            setup,
            outside,
            relay: None,
            cables,
            clis: [None, None, None],
            apps,
            senders: Vec::new(),
            journal,
            ends: 0,
            taken: 0,
            pulse,
            flows: true,
            dir,
        };
        world.step(Step::Flow(true));
        world.start_relay();
        world.start_cli(0);
        world.settle();
        world.step(Step::Flow(false));
        world
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send(size) => {
                let port = self.relay.as_ref().map(|relay| relay.port);
                let number = self.senders.len();
                self.senders.push(Sender::start(&self.outside, port, number, size, self.setup.sent, &self.pulse));
            }
            Step::SenderLeaves => {
                let waiting = self.senders.iter().find(|s| s.heard() == crate::sender::Heard::Waiting);
                waiting.into_iter().for_each(Sender::leave);
            }
            Step::Fsync => self.relay.iter().for_each(RelayProgram::commit_one),
            Step::Flow(flows) => {
                self.flows = flows;
                self.relay.iter().for_each(|relay| relay.inbox.open.store(flows, Ordering::Relaxed));
                self.cables.iter().for_each(|cable| cable.opens(flows));
            }
            Step::ToCli(place) => _ = self.cables[place].passes(End::Cli),
            Step::ToRelay(place) => _ = self.cables[place].passes(End::Relay),
            Step::JournalFsync => self.clis.iter().flatten().for_each(Cli::sync),
            Step::AppAnswers => self.apps.iter().for_each(|app| app.ends_one(true)),
            Step::AppBreaksOff => self.apps.iter().for_each(|app| app.ends_one(false)),
            Step::AppDown => self.apps[0].down(&self.outside),
            Step::AppUp => self.apps[0].up(&self.outside),
            // They are one process.
            Step::KillRelay | Step::KillCli(0) if self.setup.embedded => {
                self.end_cli(0);
                self.end_relay();
            }
            Step::StartRelay | Step::StartCli(0) if self.setup.embedded => {
                self.start_relay();
                self.start_cli(0);
            }
            Step::KillCli(_) | Step::StartCli(_) | Step::PowerCut if self.setup.embedded => {}
            Step::KillRelay => self.end_relay(),
            Step::StartRelay => self.start_relay(),
            Step::KillCli(place) => self.end_cli(place),
            Step::StartCli(place) => self.start_cli(place),
            Step::PowerCut => {
                self.note_synced();
                (0..PLACES).for_each(|place| self.end_cli(place));
                self.journal.cut();
            }
            Step::SessionDrops(place) => self.cables[place].cut(),
            Step::Time(ms) => self.pass(Duration::from_millis(ms)),
        }
        self.settle();
    }

    fn start_relay(&mut self) {
        if self.relay.is_some() {
            return;
        }
        let relay = RelayProgram::start(self.dir.path(), self.setup.embedded);
        relay.inbox.open.store(self.flows, Ordering::Relaxed);
        self.cables.iter().for_each(|cable| cable.leads_to(Some(relay.port)));
        self.relay = Some(relay);
    }

    fn end_relay(&mut self) {
        self.relay = None;
        self.cables.iter().for_each(|cable| cable.leads_to(None));
    }

    fn start_cli(&mut self, place: usize) {
        // A run whose place was taken has ended by the time that a person starts another.
        if self.clis[place].as_ref().is_some_and(Cli::is_over) {
            self.end_cli(place);
        }
        if self.clis[place].is_some() {
            return;
        }
        let mirror = place == MIRROR;
        let (cable, app) = (self.cables[place].port, self.apps[usize::from(mirror)].port());
        self.journal.forget(place);
        self.clis[place] = Some(Cli::start(&self.journal.path(), cable, app, mirror, &self.setup));
    }

    fn end_cli(&mut self, place: usize) {
        self.note_synced();
        if let Some(cli) = self.clis[place].take() {
            self.ends += 1;
            self.taken += usize::from(cli.is_over());
        }
        self.cables[place].cut();
    }

    /// Lets time pass for everybody, in pieces, so that what is due first happens first.
    fn pass(&mut self, mut time: Duration) {
        const PIECE: Duration = Duration::from_millis(100);
        while !time.is_zero() {
            let piece = time.min(PIECE);
            time -= piece;
            self.programs().for_each(|program| program.advance(piece));
            self.turn();
        }
    }

    fn programs(&self) -> impl Iterator<Item = &Program> {
        let clis = self.clis.iter().flatten().map(|cli| &cli.program);
        clis.chain(self.relay.iter().map(|relay| &relay.program)).chain([&self.outside])
    }

    fn turn(&self) {
        self.programs().for_each(Program::turn);
    }

    /// Lets everybody do what can be done without time, until nothing happens any more.
    fn settle(&mut self) {
        let mut still = 0;
        while still < 3 {
            let before = self.pulse.count();
            self.turn();
            self.relay.iter().for_each(RelayProgram::settle);
            self.clis.iter().flatten().for_each(Cli::settle);
            self.turn();
            still = if self.pulse.count() == before { still + 1 } else { 0 };
        }
        self.note_synced();
    }

    fn note_synced(&mut self) {
        let clis = self.clis.iter().enumerate();
        self.journal.note(clis.filter_map(|(place, cli)| Some((place, cli.as_ref()?))));
    }

    /// Everything runs, flows and answers. `false`: something is left undone after a long time.
    fn repair_all(&mut self) -> bool {
        self.start_relay();
        for app in &mut self.apps {
            app.up(&self.outside);
            app.answers_at_once(true);
        }
        self.step(Step::Flow(true));
        // Reconnecting, and an attempt that nobody knows the end of, take the longest.
        for _ in 0..240 {
            self.somebody_listens();
            if promise::is_kept(self) {
                return true;
            }
            self.pass(Duration::from_millis(500));
            // Only an ack waits for the disk.
            let unacked = self.relay.as_ref().is_some_and(|relay| !relay.is_empty());
            if unacked { self.step(Step::JournalFsync) } else { self.settle() }
        }
        false
    }
    /// A run that lost its place ends and takes nothing back, so another is started where it was the last.
    fn somebody_listens(&mut self) {
        for place in 0..PLACES {
            if self.clis[place].as_ref().is_some_and(Cli::is_over) {
                self.end_cli(place);
            }
        }
        if self.clis[0].is_none() && self.clis[1].is_none() {
            self.start_cli(0);
            self.settle();
        }
    }
}
