//! `hook trigger`: an event as its provider would send it, without an account there.

mod event;
mod list;
mod place;
mod send;
mod show;
mod signer;

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use hook_providers::{Recipe, sample};

use super::Context;
use crate::body_arg;
use crate::config::ProjectFile;
use crate::failure::{Exit, Failure};
use crate::journal::Listener;
use crate::output::Format;
use crate::platform::{self, now_ms};
use crate::provider::check::LOOK;
use crate::provider::{Checker, SecretSources};
use crate::running;
use crate::sanitize::sanitize;
use crate::target::Target;
use crate::units;
use event::{Event, Wanted};
use place::Place;
use send::Sender;
use show::Shown;
use signer::Signer;

/// Send a realistic, signed sample event
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook trigger stripe payment_intent.succeeded                    through the running endpoint
  hook trigger stripe invoice.paid --set data.object.amount_paid=4200 --count 3
  hook trigger github push --to localhost:3000/webhooks           straight to your app
  hook trigger slack command --set command=/deploy --set text=production
  hook trigger custom user.upgraded --bad-signature               does your handler refuse it?
  hook trigger shopify orders/create --print > order.json         sends nothing
  hook trigger stripe --data @event.json                          your own body, signed
  hook trigger --list stripe

The secret is the one that a running hook listen verifies with; else it is from the environment,
.env, or hook secret set. With none, hook makes one and keeps it for this project; hook listen
--env-file .env.local hands it to your app.
Exit code 1: the answer was no 2xx; for --bad-signature: it was one.")]
pub struct TriggerArgs {
    /// Who sends it: stripe, github, … (custom: Standard Webhooks)
    provider: Option<String>,
    /// What has happened: payment_intent.succeeded
    #[arg(value_name = "TYPE")]
    event: Option<String>,
    /// Straight to an app, past any endpoint
    #[arg(long, value_name = "TARGET")]
    to: Option<Target>,
    /// To this public URL instead of the running endpoint
    #[arg(long, value_name = "URL", conflicts_with = "to")]
    url: Option<Target>,
    /// Of several running endpoints, the one with this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["to", "url"])]
    name: Option<String>,
    /// Change a value of the event: data.object.amount=4200 (repeatable)
    #[arg(long, value_name = "PATH=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Send so many, each different
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Repeat the event of this number: only its times, and signatures over them, differ
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Sign your own body: TEXT, @FILE, or - for standard input
    #[arg(long, value_name = "BODY", conflicts_with = "set")]
    data: Option<String>,
    /// Sign it with a secret that nobody has: your handler should refuse it
    #[arg(long)]
    bad_signature: bool,
    /// Write the body to standard output and the headers to standard error, and send nothing
    #[arg(long, conflicts_with = "output")]
    print: bool,
    /// What can be triggered, of all providers or of one
    #[arg(long, conflicts_with_all = ["to", "url", "name", "set", "count", "seed", "data", "bad_signature", "print", "event"])]
    list: bool,
    #[command(flatten)]
    secrets: SecretSources,
    /// Do not ask before it goes to another machine
    #[arg(long)]
    yes: bool,
    /// How long an answer may take
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "10m")]
    timeout: Duration,
    /// Take any TLS certificate
    #[arg(long)]
    insecure: bool,
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    output: Format,
    /// With --output json: headers and bodies too
    #[arg(long)]
    body: bool,
}

pub async fn run(context: &Context, args: TriggerArgs) -> Result<Exit, Failure> {
    let project = platform::project_dir();
    let file = ProjectFile::read(&project)?;
    let checker = Checker::load(&project, args.secrets.given(file.as_ref()))?;
    if args.list {
        list::list(context, &checker.providers, args.provider.as_deref(), args.output)?;
        return Ok(Exit::Done);
    }
    let provider = args.provider.as_deref().ok_or_else(which_provider)?;
    let recipe = checker.providers.named(provider)?;
    checker.providers.check_params(&args.secrets.params, &[recipe])?;
    let kind = args.event.as_deref();
    let data = args.data.as_deref().map(read).transpose()?;
    if kind.is_none() && data.is_none() {
        return Err(which_event(recipe, provider));
    }
    let set: Vec<_> = args.set.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
    let wanted = Wanted { recipe, provider, kind, set: &set, data: data.as_ref(), repeats: args.seed.is_some() };
    let seed = args.seed.unwrap_or_else(rand::random);
    // What cannot be made needs no place.
    wanted.make("http://localhost/", seed, now_ms())?;
    let journal = context.journal()?;
    let place = match (&args.to, &args.url) {
        (Some(app), _) => Place::App(app.clone()),
        (None, Some(url)) => place::at(&journal, url).await?,
        (None, None) => match place::running(&journal, &project, &recipe.slug, args.name.as_deref()).await {
            // What is only printed needs no place; providers that sign the URL sign this one.
            Err(_) if args.print && args.name.is_none() => Place::App("localhost:3000".parse().map_err(bad_target)?),
            place => place?,
        },
    };
    // Whoever listens verifies with what it finds: the same is found here.
    let listeners = match &place {
        Place::Public(_, Some(listener)) => vec![Listener::clone(listener)],
        Place::Public(_, None) => Vec::new(),
        Place::App(_) => running::hear(&journal, &project, &checker).await?,
    };
    listeners.iter().for_each(|listener| checker.also_look(listener));
    let endpoint = place.endpoint().to_owned();
    let (forged, secret) = (args.bad_signature, None);
    let mut signer = Signer { checker: &checker, recipe, project: &project, endpoint, listeners, forged, secret };
    let shown = Shown {
        context,
        format: args.output,
        bodies: args.body,
        provider,
        kind: kind.unwrap_or("your own event"),
        forged: args.bad_signature,
    };
    if let Some(note) = place.taken_for_another(recipe) {
        shown.note(&note);
    }
    let client = send::client(&place, args.insecure)?;
    let sender = Sender {
        journal: &journal,
        checker: &checker,
        place: &place,
        client: &client,
        provider: &recipe.slug,
        project: &project.display().to_string(),
        timeout: args.timeout,
    };
    let (url, mut failures, mut now) = (place.url(), 0, 0);
    for n in 0..args.count {
        // No two have a moment in common: what a signature makes up from it is another each time.
        now = now_ms().max(now + 1);
        let mut event = wanted.make(&url, seed.wrapping_add(u64::from(n)), now)?;
        if let Some(note) = signer.sign(&mut event, now)? {
            // Once is enough.
            if n == 0 {
                shown.note(&note);
            }
            if note.code == signer::MADE && matches!(place, Place::Public(_, Some(_))) && !args.print {
                // Whoever listens there has to see the new secret before the event.
                tokio::time::sleep(LOOK).await;
            }
        }
        if args.print {
            shown.print(&event, signer.secret.as_ref(), n + 1 == args.count);
            continue;
        }
        if n == 0 && !args.yes {
            ask_first(context, &checker, recipe, &place, &event)?;
        }
        let sent = sender.send(&event).await?;
        failures += u32::from(!sent.went_as_it_should(args.bad_signature));
        shown.sent(&sent);
    }
    if args.output == Format::Line && args.count > 1 && !args.print {
        context.ui.status(&format!("Sent {}: {} ok, {failures} failed.", args.count, args.count - failures));
    }
    Ok(if failures == 0 { Exit::Done } else { Exit::Failed })
}

/// Nothing that may do something for real leaves this machine unasked.
fn ask_first(
    context: &Context,
    checker: &Checker,
    recipe: &Recipe,
    place: &Place,
    event: &Event,
) -> Result<(), Failure> {
    let target = place.target();
    if target.is_loopback() {
        return Ok(());
    }
    let catalog = checker.providers.catalog();
    let live = event.see(|request| hook_providers::identify(catalog, request, Some(recipe)).event.live) == Some(true);
    let what = match (place, live) {
        (_, true) => format!("this event is marked live, and it goes to {}, another machine", target.origin()),
        (Place::App(_), false) => format!("it goes to {}, another machine", target.origin()),
        (Place::Public(..), false) => return Ok(()),
    };
    match context.ui.ask(&format!("hook: {}. Send it?", sanitize(&what))) {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::failed("nothing was sent.").next("hook trigger … --yes")),
        None => Err(Failure::usage(format!("{}. Nothing was sent.", sanitize(&what))).next("hook trigger … --yes")),
    }
}

fn which_provider() -> Failure {
    Failure::usage("who sends it?").next("hook trigger stripe payment_intent.succeeded").next("hook trigger --list")
}

fn which_event(recipe: &Recipe, provider: &str) -> Failure {
    let provider = sanitize(provider);
    let types = sample::types(recipe);
    if types.is_empty() {
        let what = format!("hook has no samples of {}: hand it a body of your own to sign.", sanitize(&recipe.name));
        return Failure::usage(what).next(format!("hook trigger {provider} --data @event.json"));
    }
    let failure = Failure::usage(format!("which event of {}?", recipe.name));
    let first = types.into_iter().take(3).map(|kind| format!("hook trigger {provider} {}", kind.name));
    first.chain([format!("hook trigger --list {provider}")]).fold(failure, Failure::next)
}

fn bad_target(error: crate::target::BadTarget) -> Failure {
    Failure::usage(format!("{error}."))
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("it has the form NAME=VALUE".into()),
    }
}

/// A body as an argument, from a file, or from standard input.
fn read(data: &str) -> Result<Bytes, Failure> {
    body_arg::read(data).map_err(|failure| {
        let what = format!("{} Nothing was sent.", failure.what);
        Failure { what, ..failure }.next("hook trigger … --data @event.json")
    })
}
