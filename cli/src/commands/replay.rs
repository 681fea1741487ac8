use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Context;
use crate::activity::Heard;
use crate::event_ref;
use crate::failure::{Exit, Failure};
use crate::forward::attempt::{self, EventBody, Try};
use crate::forward::{Client, HostField, Shape};
use crate::journal::{
    self, Attempt, BodyKey, Condition, EventRow, Journal, Kind, Listener, NewAttempt, Order, Owner, State,
};
use crate::output::{Format, advice, json, row};
use crate::platform::now_ms;
use crate::provider::sender::Judgement;
use crate::session::tls_config;
use crate::target::{self, ForwardTo, LeavesTarget, Target};
use crate::units;

/// Send events again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook replay last
  hook replay 12 15..20 --to localhost:4000/webhooks
  hook replay 'status:5xx since:1h'
  hook replay --undelivered
  hook replay last --times 5 --concurrency 5                      is the handler idempotent?")]
pub struct ReplayArgs {
    /// Numbers, ids, last, last~2, ranges 12..20, or one filter
    events: Vec<String>,
    /// Send here instead of where it went
    #[arg(long, value_name = "TARGET")]
    to: Option<Target>,
    /// All events that the app never got
    #[arg(long, conflicts_with = "events")]
    undelivered: bool,
    /// Send each this many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    /// Attempts at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Wait between starts
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    delay: Option<Duration>,
    /// How long an attempt may take
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "10m")]
    timeout: Duration,
    /// Set a header towards the app: 'Name: value' (repeatable)
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// Say this Host to the app
    #[arg(long, value_name = "HOST")]
    host_header: Option<String>,
    /// Take any TLS certificate of the target
    #[arg(long)]
    insecure: bool,
    /// Look for `last` and filters in all projects
    #[arg(long)]
    all: bool,
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    output: Format,
    /// With --output json: headers and bodies too
    #[arg(long)]
    body: bool,
}

/// One event and where it goes.
struct Job {
    row: Arc<EventRow>,
    client: Arc<Client>,
    path: String,
}

pub async fn run(context: &Context, args: ReplayArgs) -> Result<Exit, Failure> {
    let path = context.journal_path();
    let journal = context.journal()?;
    let rows = choose(&journal, &args).await?;
    let owner = Owner::register(&path).map_err(|e| {
        Failure::local(format!("{} cannot be written beside: {}.", path.display(), crate::text::io(&e)))
    })?;
    let jobs = aim(&journal, &args, rows).await?;
    let shape = Arc::new(Shape {
        host: args.host_header.clone().map_or(HostField::Target, HostField::Given),
        headers: args.header.iter().map(|h| crate::header_arg::parse(h)).collect::<Result<_, _>>()?,
    });
    let places = Arc::new(Semaphore::new(usize::from(args.concurrency)));
    let (done, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let total = jobs.len() as u64 * u64::from(args.times);
    let sender = async {
        let mut first = true;
        for job in jobs.iter().flat_map(|job| std::iter::repeat_n(job, args.times as usize)) {
            if let (Some(delay), false) = (args.delay, std::mem::take(&mut first)) {
                tokio::time::sleep(delay).await;
            }
            let Ok(place) = places.clone().acquire_owned().await else { break };
            let (journal, shape, done, owner) = (journal.clone(), shape.clone(), done.clone(), owner.id.clone());
            let (row, client, path, timeout) = (job.row.clone(), job.client.clone(), job.path.clone(), args.timeout);
            let settles = args.to.is_none();
            tokio::spawn(async move {
                let result = send(&journal, owner, row, &client, &path, timeout, &shape, settles).await;
                let _ = done.send(result);
                drop(place);
            });
        }
        drop(done);
    };
    let mut failures = 0;
    let printer = async {
        while let Some(result) = ended.recv().await {
            let (row, attempt, body) = result?;
            failures +=
                u64::from(!(attempt.error.is_none() && attempt.status.is_some_and(|s| (200..300).contains(&s))));
            print(context, &args, &journal, &row, &attempt, body).await?;
        }
        Ok::<_, Failure>(())
    };
    let ((), printed) = tokio::join!(sender, printer);
    printed?;
    drop(owner);
    if args.output == Format::Line && total > 1 {
        context.ui.status(&format!("Sent {total}: {} ok, {failures} failed.", total - failures));
    }
    Ok(if failures == 0 { Exit::Done } else { Exit::Failed })
}

async fn choose(journal: &Journal, args: &ReplayArgs) -> Result<Vec<EventRow>, Failure> {
    let scope = event_ref::scope(journal, args.all).await?;
    let filter = |query: &str| event_ref::filter(query);
    if args.undelivered {
        let waits = vec![Condition::new(journal::UNDELIVERED, Vec::new())];
        let mut rows =
            event_ref::matching(journal, &scope, Order::OldestFirst, &filter("")?, waits, usize::MAX).await?;
        // What is owed where somebody listens is forwarded there, and must not be sent twice.
        let path = journal.path().to_owned();
        let listeners = journal.write(move |c| journal::living_listeners(c, &path)).await?.0;
        let listens = |row: &EventRow| listeners.iter().any(|l| l.relay == row.relay && l.endpoint == row.endpoint);
        rows.retain(|row| row.state != State::Owed || !listens(row));
        return if rows.is_empty() { Err(nothing("no event waits to be delivered.")) } else { Ok(rows) };
    }
    match args.events.as_slice() {
        [] => Err(Failure::usage("which event?").next("hook replay last")),
        names if names.iter().any(|n| event_ref::is_filter(n)) => {
            let filter = filter(&names.join(" "))?;
            let rows =
                event_ref::matching(journal, &scope, Order::OldestFirst, &filter, Default::default(), usize::MAX)
                    .await?;
            if rows.is_empty() { Err(nothing("no event matches.")) } else { Ok(rows) }
        }
        names => {
            let mut rows = event_ref::many(journal, &scope, names).await?;
            let mut seen = std::collections::HashSet::new();
            rows.retain(|row| seen.insert(row.seq));
            Ok(rows)
        }
    }
}

fn nothing(what: &str) -> Failure {
    Failure::failed(what).next("hook events")
}

/// Where each event goes: `--to`, else where its endpoint forwards to now, else where it went before.
async fn aim(journal: &Journal, args: &ReplayArgs, rows: Vec<EventRow>) -> Result<Vec<Job>, Failure> {
    let path = journal.path().to_owned();
    let listeners: Vec<Listener> = journal.write(move |c| journal::living_listeners(c, &path)).await?.0;
    let mut clients: HashMap<Target, Arc<Client>> = HashMap::new();
    let mut jobs = Vec::new();
    for row in rows {
        let (target, path) = place(args, &row, &listeners)?;
        let client = match clients.get(&target) {
            Some(client) => client.clone(),
            None => {
                let tls = target.tls.then(|| tls_config(args.insecure)).transpose();
                let tls = tls.map_err(|e| Failure::local(format!("no TLS: {e}.")))?;
                let client = Arc::new(Client::new(target.clone(), tls));
                clients.insert(target, client.clone());
                client
            }
        };
        jobs.push(Job { row: Arc::new(row), client, path });
    }
    Ok(jobs)
}

fn place(args: &ReplayArgs, row: &EventRow, listeners: &[Listener]) -> Result<(Target, String), Failure> {
    let join = |target: Target| {
        let path = target.join(&row.head.path, row.head.query.as_deref()).map_err(|leaves| left(row, leaves))?;
        Ok((target, path))
    };
    if let Some(to) = &args.to {
        return join(to.clone());
    }
    // Whoever listens now says where it goes now: a wrong target was corrected there.
    let now = listeners.iter().find(|l| l.relay == row.relay && l.endpoint == row.endpoint);
    let routes: Vec<ForwardTo> =
        now.and_then(|l| l.target.as_deref()).unwrap_or_default().lines().filter_map(|l| l.parse().ok()).collect();
    if let Some((target, rest)) = target::route(&routes, &row.head.path) {
        let path = target.join(rest, row.head.query.as_deref()).map_err(|leaves| left(row, leaves))?;
        return Ok((target.clone(), path));
    }
    if let Some(whole) = &row.target
        && let Ok(target) = whole.parse::<Target>()
    {
        // The URL that was computed when it came is asked for as it is.
        let origin = target.origin();
        let path = whole.strip_prefix(&origin).filter(|p| p.starts_with('/')).unwrap_or("/").to_owned();
        return Ok((target, path));
    }
    Err(Failure::failed(format!("event {} has no target: nothing was forwarded when it came.", row.seq))
        .next(format!("hook replay {} --to localhost:3000", row.seq)))
}

fn left(row: &EventRow, leaves: LeavesTarget) -> Failure {
    Failure::failed(format!("event {}: {leaves}. It was not sent.", row.seq)).next(format!("hook show {}", row.seq))
}

type Sent = (Arc<EventRow>, Attempt, Vec<u8>);

#[allow(clippy::too_many_arguments, reason = "one call; the parts have one owner each")]
async fn send(
    journal: &Journal,
    owner: String,
    row: Arc<EventRow>,
    client: &Client,
    path: &str,
    timeout: Duration,
    shape: &Shape,
    settles: bool,
) -> Result<Sent, Failure> {
    let seq = row.seq;
    let new = NewAttempt { kind: Kind::Replay, target: client.target.url(path), owner, started_at: now_ms() };
    let kept = new.clone();
    let n = journal.write(move |c| journal::begin_attempt(c, seq, &kept)).await?.0;
    let begun = Instant::now();
    let end = match client.connect().await {
        Err(error) => attempt::not_connected(&error, begun),
        Ok(connection) => {
            let this = Try {
                seq,
                n,
                head: &row.head,
                body: EventBody::Journal(BodyKey::Event(seq), Vec::new()),
                path,
                replay: true,
                only_2xx: false,
                timeout,
                shape,
            };
            attempt::run(journal, client, connection, &this, None).await.end
        }
    };
    // Once its own app got it, nothing is owed any more; another target's answer settles nothing.
    let state = (settles && end.ttfb_ms.is_some()).then_some(State::Ended);
    let (begun, kept) = (new.clone(), end.clone());
    journal.write(move |c| journal::end_attempt(c, seq, n, &begun, &kept, state)).await?;
    let body = end.body.clone();
    Ok((row, Attempt::ended(n, new, end), body))
}

async fn print(
    context: &Context,
    args: &ReplayArgs,
    journal: &Journal,
    row: &EventRow,
    attempt: &Attempt,
    mut body: Vec<u8>,
) -> Result<(), Failure> {
    let (seq, n) = (row.seq, attempt.n);
    // No sender waits for a replay.
    let unjudged = Judgement::default();
    if args.output == Format::Json {
        if args.body {
            body = journal.read(move |c| BodyKey::Attempt(seq, n).read(c, usize::MAX)).await?;
        }
        let bodies = json::Bodies { shown: args.body, limit: None };
        let object = json::attempt(row, attempt, bodies, Some(&body), Heard::Nothing, &unjudged);
        context.ui.data(&json::line_of(&object));
        return Ok(());
    }
    context.ui.text(&row::attempt_line(row, attempt, context.ui.out));
    if let Some(mut advice) = advice::on(row, attempt, &body, Heard::Nothing, &unjudged) {
        if let Some(to) = &args.to {
            advice.next = format!("hook replay {seq} --to {to}");
        }
        let paint = context.ui.err;
        context.ui.status(&format!("          {} {}", paint.sign("│"), advice.fact));
        context.ui.status(&format!("          {} next: {}", paint.sign("└"), advice.next));
    }
    Ok(())
}
