//! Everything that a run of `hook listen` consists of, put together: relay, journal, secrets, endpoints, session.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::args::{ListenArgs, Plan};
use super::embedded::{self, Embedded};
use super::look::look;
use super::upkeep::{Listeners, prune_hourly};
use super::{demo, signatures};
use crate::activity::{self, Activity, Started};
use crate::commands::Context;
use crate::config::{self, ProjectFile};
use crate::engine::{Endpoint, Engine};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::journal::{Journal, Owner};
use crate::lookup::Lookup;
use crate::platform;
use crate::provider::Checker;
use crate::session::{self, Relay, Session, Wanted};

/// What a run consists of once everything is there.
pub(super) struct Running {
    pub(super) engine: Arc<Engine>,
    pub(super) session: Session,
    pub(super) listeners: Listeners,
    pub(super) embedded: Option<Embedded>,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    pub(super) demo: Option<DemoStart>,
}

pub(super) type DemoStart = fn(String) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) async fn set_up(
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
