use std::time::Duration;

use clap::Args;

use super::Context;
use crate::activity::Heard;
use crate::event_ref;
use crate::failure::{Exit, Failure};
use crate::filter::Filter;
use crate::journal::{self, Attempt, BodyKey, Condition, EventRow, Journal, Order, Scope};
use crate::output::Format;
use crate::output::json::{self, Bodies};
use crate::output::row;
use crate::provider::{Providers, sender};
use crate::{platform, text, units};

/// List what was received, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook events
  hook events --follow
  hook events 'status:5xx json:.data.object.amount>1000'
  hook events --undelivered --output json")]
pub struct EventsArgs {
    /// Only events that match, e.g. status:5xx path:/stripe since:10m
    filter: Vec<String>,
    /// Go on and print new ones as they come, oldest first
    #[arg(long)]
    follow: bool,
    /// At most this many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only events of this long ago or newer, e.g. 10m
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    since: Option<Duration>,
    /// Of all projects, not only this directory's
    #[arg(long)]
    all: bool,
    /// Only events that the app never got: it was down, they are held, or they are still owed
    #[arg(long)]
    undelivered: bool,
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    output: Format,
    /// With --output json: headers and bodies too
    #[arg(long)]
    body: bool,
}

pub async fn run(context: &Context, args: EventsArgs) -> Result<Exit, Failure> {
    let journal = context.journal()?;
    let providers = Providers::load(&platform::project_dir());
    let query = args.filter.join(" ");
    let filter = event_ref::filter(&query)?;
    let scope = event_ref::scope(&journal, args.all).await?;
    if scope == Scope::All && !args.all {
        context.ui.status("This directory has no events of its own; these are of all projects.");
    }
    let mut conditions = Vec::new();
    if args.undelivered {
        conditions.push(Condition::new(journal::UNDELIVERED, Vec::new()));
    }
    if let Some(since) = args.since {
        let from = platform::now_ms().saturating_sub(since.as_millis() as u64);
        conditions.push(Condition::new("received_at >= ?", vec![i64::try_from(from).unwrap_or(i64::MAX).into()]));
    }
    if args.follow {
        return follow(context, &journal, &providers, &args, &scope, &filter, conditions).await;
    }
    let rows =
        event_ref::matching(&journal, &scope, Order::NewestFirst, &filter, conditions, args.limit as usize).await?;
    if rows.is_empty() && args.output == Format::Line {
        context.ui.status(if filter.is_empty() && !args.undelivered { "No events yet." } else { "No events match." });
        let listen = filter.is_empty() && !args.undelivered;
        context.ui.status(if listen { "next: hook listen --forward-to localhost:3000" } else { "next: hook events" });
    }
    for row in rows {
        print(context, &journal, &providers, &args, row).await?;
        if context.ui.is_closed() {
            break;
        }
    }
    Ok(Exit::Done)
}

/// Prints what is there, oldest first, then what changes, until interrupted.
async fn follow(
    context: &Context,
    journal: &Journal,
    providers: &Providers,
    args: &EventsArgs,
    scope: &Scope,
    filter: &Filter,
    conditions: Vec<Condition>,
) -> Result<Exit, Failure> {
    let mut signals =
        platform::Signals::new().map_err(|e| Failure::local(format!("no signals: {}.", crate::text::io(&e))))?;
    let mut shown = std::collections::HashMap::new();
    let mut version = -1;
    let mut rows =
        event_ref::matching(journal, scope, Order::NewestFirst, filter, conditions.clone(), args.limit as usize)
            .await?;
    rows.reverse();
    let mut first = rows.first().map_or(0, |r| r.seq.saturating_sub(1));
    for row in rows {
        shown.insert(row.seq, row.attempts);
        print(context, journal, providers, args, row).await?;
    }
    loop {
        tokio::select! {
            _ = signals.next() => return Ok(Exit::Done),
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        if context.ui.is_closed() {
            return Ok(Exit::Done);
        }
        let now: i64 = journal.read(|c| c.query_row("PRAGMA data_version", [], |r| r.get(0))).await?;
        if std::mem::replace(&mut version, now) == now {
            continue;
        }
        let from = first;
        let newer = vec![i64::try_from(from).unwrap_or(i64::MAX).into()];
        let mut both = conditions.clone();
        both.push(Condition { sql: "seq > ?".into(), values: newer, indexed: false });
        let rows = event_ref::matching(journal, scope, Order::OldestFirst, filter, both, 10_000).await?;
        for row in rows {
            // An event whose first attempt is under way is shown when that has ended.
            let open = row.attempts > 0 && row.last_ms.is_none();
            if open || shown.get(&row.seq) == Some(&row.attempts) {
                continue;
            }
            shown.insert(row.seq, row.attempts);
            print(context, journal, providers, args, row).await?;
        }
        // What is older than a thousand events does not change on the screen any more.
        if shown.len() > 2000 {
            let mut numbers: Vec<u64> = shown.keys().copied().collect();
            numbers.sort_unstable();
            first = numbers[numbers.len() - 1000];
            shown.retain(|seq, _| *seq > first);
        }
    }
}

async fn print(
    context: &Context,
    journal: &Journal,
    providers: &Providers,
    args: &EventsArgs,
    row: EventRow,
) -> Result<(), Failure> {
    let bodies = Bodies { shown: args.body, limit: None };
    let seq = row.seq;
    let (attempts, body, answers) = journal
        .read(move |c| {
            let attempts = journal::attempts_of(c, seq)?;
            let body = if bodies.shown { BodyKey::Event(seq).read(c, usize::MAX)? } else { Vec::new() };
            let answers = attempts
                .iter()
                .map(|a| BodyKey::Attempt(seq, a.n).read(c, if bodies.shown { usize::MAX } else { 64 * 1024 }))
                .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok((attempts, body, answers))
        })
        .await?;
    let recipe = row.provider.as_deref().and_then(|name| providers.get(name));
    if args.output == Format::Json {
        context.ui.data(&json::line_of(&json::event(&row, bodies, Some(&body))));
        for (attempt, answer) in attempts.iter().zip(&answers).filter(|(a, _)| a.ended_at.is_some()) {
            let judgement = sender::judge(recipe, &row, attempt, Heard::App);
            let object = json::attempt(&row, attempt, bodies, Some(answer), Heard::App, &judgement);
            context.ui.data(&json::line_of(&object));
        }
        return Ok(());
    }
    let last = attempts.iter().rev().find(|a: &&Attempt| a.ended_at.is_some()).or(attempts.last());
    let line = match last {
        Some(attempt) => {
            let warning = sender::judge(recipe, &row, attempt, Heard::App).warning;
            let marks = row::marks(&row, warning.as_deref(), context.ui.out);
            row::attempt_line_at(&row, attempt, row.head.received_at, context.ui.out) + &marks
        }
        None => row::settled_line(&row, context.ui.out) + &row::marks(&row, None, context.ui.out),
    };
    let line =
        if matches!(args.since, Some(since) if since < Duration::from_secs(86_400)) || is_today(row.head.received_at) {
            line
        } else {
            format!("{} {line}", text::date(row.head.received_at))
        };
    context.ui.text(&line);
    Ok(())
}

fn is_today(ms: u64) -> bool {
    text::date(ms) == text::date(platform::now_ms())
}
