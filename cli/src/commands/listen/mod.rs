//! `hook listen`: everything is put together here, and shown until it ends.

mod args;
mod consent;
mod demo;
mod embedded;
mod look;
mod screen;
mod signatures;
mod tally;
mod upkeep;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};

pub use args::ListenArgs;
use args::Plan;
use embedded::Embedded;
use look::look;
use screen::Screen;
use tally::Tally;
use upkeep::{Listeners, prune_hourly};

use super::Context;
use crate::activity::{self, Activity, Started};
use crate::config::{self, ProjectFile};
use crate::engine::{Endpoint, Engine};
use crate::failure::{Exit, Failure};
use crate::filter::Filter;
use crate::journal::{Journal, Owner};
use crate::lookup::Lookup;
use crate::output::{Format, Output, json, line};
use crate::platform::{self, Signal, Signals};
use crate::provider::Checker;
use crate::session::{self, Relay, Session, Wanted};

/// How long running attempts may go on after the first interrupt.
const GRACE: Duration = Duration::from_secs(3);

pub async fn run(context: &Context, args: ListenArgs) -> Result<Exit, Failure> {
    let begun = Instant::now();
    let mut signals = Signals::new().map_err(|e| Failure::local(format!("no signals: {}.", crate::text::io(&e))))?;
    let (activities, mut inbox) = mpsc::unbounded_channel();
    let closed = Arc::new(Notify::new());
    let screen = Screen::start(output(context, &args), context.ui.clone(), closed.clone());
    let until = match args.until.as_deref().map(crate::event_ref::filter).transpose() {
        Ok(until) => until,
        Err(failure) if args.output == Format::Json => return Ok(fatal(screen, &failure)),
        Err(failure) => return Err(failure),
    };
    let set_up = set_up(context, &args, until.as_ref(), activities).await;
    let running = match set_up {
        Ok(running) => running,
        // In JSON mode everything is a line on standard output, failures too.
        Err(failure) if args.output == Format::Json => return Ok(fatal(screen, &failure)),
        Err(failure) => return Err(failure),
    };
    let Running { engine, session, listeners, embedded, endpoints, mut demo } = running;
    consent::ask(&engine, context.ui.clone(), args.output == Format::Line);
    let mut tally = Tally::default();
    let mut failed = engine.journal.failed();
    let mut session = std::pin::pin!(session.run());
    let deadline = args.timeout_after.map(|t| tokio::time::Instant::now() + t);
    let ended = loop {
        tokio::select! {
            biased;
            signal = signals.next() => break Ended::Signal(signal),
            activity = inbox.recv() => {
                let Some(activity) = activity else { break Ended::Signal(Signal::Terminate) };
                if let Activity::Ready { endpoints, .. } = &activity {
                    listeners.register(endpoints);
                    if let (Some(demo), Some(endpoint)) = (demo.take(), endpoints.first()) {
                        tokio::spawn(demo(endpoint.public_url.clone()));
                    }
                }
                listeners.note(&activity);
                let matched = tally.count(&activity, until.as_ref());
                screen.show(activity);
                if matched {
                    break Ended::Matched;
                }
            }
            failure = &mut session => break Ended::Session(failure),
            changed = failed.changed() => {
                let error = failed.borrow_and_update().clone();
                match error {
                    Some(error) => break Ended::Session(error.into()),
                    None if changed.is_err() => break Ended::Session(Failure::local("the journal's writer stopped.").next("hook doctor")),
                    None => {}
                }
            }
            () = closed.notified() => break Ended::Closed,
            () = until_deadline(deadline) => break Ended::TimedOut,
        }
    };
    // Attempts that run may end; the session goes on for them, and a second signal cuts it short.
    let cut = {
        let wait = async {
            let end = tokio::time::Instant::now() + GRACE;
            while engine.running() > 0 && tokio::time::Instant::now() < end {
                tokio::select! {
                    activity = inbox.recv() => if let Some(activity) = activity {
                        tally.count(&activity, None);
                        screen.show(activity);
                    },
                    _ = &mut session, if !matches!(ended, Ended::Session(_)) => break,
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
            }
        };
        engine.stop_taking();
        tokio::select! {
            () = wait => false,
            _ = signals.next() => true,
        }
    };
    if cut {
        return Ok(Exit::Interrupted);
    }
    let owed = endpoints.iter().flat_map(|e| e.lanes()).map(|lane| lane.owed() as u64).sum();
    // What waits for its turn is owed, and no attempt at it has begun.
    endpoints.iter().flat_map(|e| e.lanes()).for_each(|lane| lane.stop());
    let end = tokio::time::Instant::now() + GRACE;
    while engine.waiting() > 0 && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    listeners.remove().await;
    let _ = engine.journal.flush().await;
    while let Ok(activity) = inbox.try_recv() {
        tally.count(&activity, None);
        screen.show(activity);
    }
    sent_again(&engine.journal, &mut tally).await;
    if matches!(ended, Ended::Signal(Signal::Interrupt)) && args.output == Format::Line {
        context.ui.after_interrupt();
    }
    let (exit, reason, failure) = ended.outcome(args.timeout_after, listeners.was_ready());
    if let Some(failure) = failure {
        screen.show(trouble(&failure));
    }
    screen.show(Activity::Stopped(tally.stopped(begun.elapsed(), owed, reason)));
    screen.finish();
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    Ok(exit)
}

/// Counts what was sent again meanwhile by what came of it.
async fn sent_again(journal: &Journal, tally: &mut Tally) {
    let seqs = tally.not_well();
    let answers = journal.read(move |c| crate::journal::last_answers(c, &seqs)).await;
    // A journal that cannot be read has been complained of.
    answers.unwrap_or_default().into_iter().for_each(|(seq, status)| tally.answered(seq, status));
}

enum Ended {
    Signal(Signal),
    Matched,
    TimedOut,
    Closed,
    Session(Failure),
}

impl Ended {
    fn outcome(self, timeout: Option<Duration>, was_ready: bool) -> (Exit, &'static str, Option<Failure>) {
        match self {
            Self::Signal(Signal::Interrupt) => (Exit::Done, "sigint", None),
            Self::Signal(Signal::Terminate) => (Exit::Done, "sigterm", None),
            Self::Matched => (Exit::Done, "until", None),
            Self::Closed => (Exit::Done, "closed", None),
            Self::TimedOut if !was_ready => {
                let what = "the relay could not be reached in time.";
                (
                    Exit::Unreachable,
                    "timeout",
                    Some(Failure::new(Exit::Unreachable, "relay_unreachable", what).next("hook doctor")),
                )
            }
            Self::TimedOut => {
                let after = crate::text::span(timeout.unwrap_or_default());
                let what = format!("no event matched --until within {after}.");
                (Exit::Failed, "timeout", Some(Failure::new(Exit::Failed, "until_timeout", what).next("hook events")))
            }
            Self::Session(failure) => (failure.exit, "refused", Some(failure)),
        }
    }
}

/// What a run consists of once everything is there.
struct Running {
    engine: Arc<Engine>,
    session: Session,
    listeners: Listeners,
    embedded: Option<Embedded>,
    endpoints: Vec<Arc<Endpoint>>,
    demo: Option<DemoStart>,
}

type DemoStart = fn(String) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn set_up(
    context: &Context,
    args: &ListenArgs,
    until: Option<&Filter>,
    activities: mpsc::UnboundedSender<Activity>,
) -> Result<Running, Failure> {
    let begun = Instant::now();
    let project = platform::project_dir();
    let file = ProjectFile::read(&project)?;
    let mut plans = args.plans(file.as_ref().map(ProjectFile::endpoints).unwrap_or_default())?;
    if args.demo {
        plans[0].options.routes = vec![demo::start_app().await?.parse().map_err(|e| Failure::local(format!("{e}")))?];
    }
    let chosen =
        if args.demo && args.relay.is_none() { None } else { config::relay(args.relay.as_deref(), file.as_ref())? };
    if args.mirror && chosen.is_none() {
        return Err(Failure::usage(
            "--mirror listens beside another listener at a relay, and the embedded relay has none.",
        )
        .next("hook listen --relay https://… --name NAME --mirror"));
    }
    let checker = Arc::new(Checker::load(&project, args.sender.given(file.as_ref()))?);
    for plan in &mut plans {
        if let Some(provider) = &mut plan.options.provider {
            *provider = checker.providers.named(provider)?.slug.clone();
        }
    }
    args.check_params(&checker.providers, &plans)?;
    let project = project.display().to_string();
    let path = context.journal_path();
    let journal = Journal::open(&path)?;
    let owner = Owner::register(&path).map_err(|e| {
        Failure::local(format!("the directory of {} cannot be written: {}.", path.display(), crate::text::io(&e)))
            .next("hook doctor")
    })?;
    let bodies = args.body || args.verbose > 0 || until.is_some_and(Filter::needs_bodies);
    let engine = Engine::new(journal.clone(), owner.id.clone(), project.clone(), checker.clone(), activities, bodies);
    let Reached { relay, relay_key, public_base, names, embedded } =
        reach(&journal, &project, &plans, chosen.map(|(relay, _)| relay)).await?;
    let endpoints = endpoints(&engine, &relay_key, &plans, &names)?;
    let mut shown = Vec::new();
    let mut down = Vec::new();
    let env_file = args.sender.secrets.env_files().into_iter().next();
    for (endpoint, plan) in endpoints.iter().zip(&plans) {
        checker.change(|secrets| secrets.tell(&endpoint.name, plan.said.clone()));
        let given_to_app = signatures::hand_over(&checker, endpoint, project.as_ref(), env_file.as_ref())?;
        shown.push(activity::Endpoint {
            name: endpoint.name.clone(),
            public_url: format!("{public_base}/{}", endpoint.name),
            forward_to: look(endpoint, &mut down).await?,
            mirror: plan.options.mirror,
            embedded: embedded.is_some(),
            sample: signatures::sample(&checker, endpoint),
            senders: signatures::senders(&checker, endpoint),
            likely: signatures::likely(&checker, endpoint),
            given_to_app,
        });
    }
    engine.emit(Activity::Started(Started {
        pid: std::process::id(),
        journal: path.display().to_string(),
        endpoints: shown.clone(),
    }));
    for problem in &checker.providers.left_out {
        engine.emit(Activity::Trouble(activity::Trouble {
            code: "recipe",
            message: format!("a recipe was left out: {problem}"),
            next: Some("hook providers".to_owned()),
            fatal: false,
        }));
    }
    for (slug, file) in &checker.providers.replaced {
        engine.emit(Activity::Trouble(activity::Trouble {
            code: "recipe",
            message: format!("{} takes the place of hook's own recipe of {slug}.", crate::platform::shown(file)),
            next: Some(format!("hook providers {slug}")),
            fatal: false,
        }));
    }
    down.iter().for_each(|(lane, error)| lane.went_down(error));
    if embedded.is_none() {
        engine.emit(Activity::Connecting { relay: relay.authority.clone() });
    }
    for endpoint in &endpoints {
        endpoint.load_owed(&journal).await?;
        for lane in endpoint.lanes() {
            // A mirror has no backlog.
            if endpoint.options.mirror {
                lane.caught_up();
            }
        }
    }
    tokio::spawn(prune_hourly(engine.clone()));
    let wanted = endpoints.iter().zip(&plans).map(|(endpoint, plan)| Wanted {
        endpoint: endpoint.clone(),
        settings: plan.settings,
        held: 0,
    });
    let instance = owner.id.clone();
    let ready = engine.clone();
    let lookup = |e: &Arc<Endpoint>| Lookup { pinned: e.options.provider.clone(), ..checker.lookup(&e.name) };
    let lookups = endpoints.iter().map(|e| (e.name.clone(), lookup(e))).collect();
    let listeners = Listeners::new(journal.clone(), owner, (project, relay_key), lookups);
    let session = Session {
        engine: engine.clone(),
        relay,
        instance,
        wanted: wanted.collect(),
        opened: Box::new(move |urls| {
            let mut endpoints = shown.clone();
            for (endpoint, url) in endpoints.iter_mut().zip(urls) {
                endpoint.public_url.clone_from(url);
            }
            ready.emit(Activity::Ready { endpoints, after: begun.elapsed() });
        }),
    };
    let demo: Option<DemoStart> = args.demo.then_some(|url| Box::pin(demo::send_samples(url)));
    Ok(Running { engine, session, listeners, embedded, endpoints, demo })
}

/// A relay, and the names to have there.
struct Reached {
    relay: Relay,
    relay_key: String,
    public_base: String,
    names: Vec<String>,
    embedded: Option<Embedded>,
}

async fn reach(journal: &Journal, project: &str, plans: &[Plan], chosen: Option<Relay>) -> Result<Reached, Failure> {
    let relay_key = chosen.as_ref().map_or_else(|| embedded::KEY.to_owned(), Relay::url);
    let mut names: Vec<hook_proto::EndpointName> = Vec::new();
    let mut port = None;
    for (i, plan) in plans.iter().enumerate() {
        let (name, last_port) = embedded::remembered(journal, project, &relay_key, plan.name.as_ref(), i).await?;
        if names.contains(&name) {
            return Err(Failure::usage(format!("two endpoints of hook.toml have the name \"{name}\"."))
                .next("give each its own name"));
        }
        if chosen.is_none()
            && let Some(other) = embedded::other(journal, project, &name).await?
        {
            let what = format!("another hook (pid {}) listens here already: {}", other.pid, other.url);
            return Err(Failure::local(what)
                .next("hook events --follow                    see what it gets")
                .next("hook listen … --name another            run a second one beside it"));
        }
        port = port.or(last_port);
        names.push(name);
    }
    let (relay, public_base, embedded, port) = match chosen {
        Some(relay) => {
            let url = relay.url();
            (relay, url, None, 0)
        }
        None => {
            let (embedded, port) = embedded::start(port, &names).await?;
            (embedded.relay.clone(), embedded.public_url.clone(), Some(embedded), port)
        }
    };
    for (i, (plan, name)) in plans.iter().zip(&names).enumerate() {
        embedded::remember(journal, project, &relay_key, (plan.name.as_ref(), i), name, port).await?;
    }
    let names = names.iter().map(ToString::to_string).collect();
    Ok(Reached { relay, relay_key, public_base, names, embedded })
}

fn endpoints(
    engine: &Arc<Engine>,
    relay: &str,
    plans: &[Plan],
    names: &[String],
) -> Result<Vec<Arc<Endpoint>>, Failure> {
    let make = |(plan, name): (&Plan, &String)| {
        let options = plan.options.clone();
        let tls = options.routes.iter().any(|r| r.target.tls);
        let tls = tls
            .then(|| session::tls_config(options.insecure))
            .transpose()
            .map_err(|e| Failure::local(format!("no TLS: {e}.")))?;
        Ok(Endpoint::new(engine, name.clone(), relay.to_owned(), options, tls.as_ref()))
    };
    plans.iter().zip(names).map(make).collect()
}

fn output(context: &Context, args: &ListenArgs) -> Output {
    match args.output {
        Format::Line => Output::Line(line::LineLog::new(context.ui.clone(), args.verbose)),
        Format::Json => {
            let limit = args.body_limit.and_then(|l| usize::try_from(l).ok());
            Output::Json(json::JsonLines { ui: context.ui.clone(), bodies: json::Bodies { shown: args.body, limit } })
        }
    }
}

fn fatal(screen: Screen, failure: &Failure) -> Exit {
    screen.show(trouble(failure));
    screen.finish();
    failure.exit
}

fn trouble(failure: &Failure) -> Activity {
    Activity::Trouble(activity::Trouble {
        code: failure.code,
        message: failure.what.clone(),
        next: failure.next.first().cloned(),
        fatal: true,
    })
}

async fn until_deadline(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
