use clap::Args;
use serde_json::json;

use super::Context;
use crate::config::{self, ProjectFile};
use crate::failure::{Exit, Failure};
use crate::journal::{self, Listener};
use crate::output::Format;
use crate::platform;
use crate::sanitize::sanitize;
use crate::text;

/// What listens just now, and which relay would be used
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    output: Format,
}

pub async fn run(context: &Context, args: &StatusArgs) -> Result<Exit, Failure> {
    let project = platform::project_dir();
    let relay = config::relay(None, ProjectFile::read(&project)?.as_ref())?;
    let journal = context.journal()?;
    let path = journal.path().to_owned();
    let listeners: Vec<Listener> = journal.write(move |c| journal::living_listeners(c, &path)).await?.0;
    let waits = journal
        .read(|c| {
            c.query_row(&format!("SELECT count(*) FROM events WHERE {}", journal::UNDELIVERED), [], |r| {
                r.get::<_, u64>(0)
            })
        })
        .await?;
    if args.output == Format::Json {
        let relay_url = relay.as_ref().map_or("embedded".to_owned(), |(r, _)| r.url());
        let rows: Vec<_> = listeners
            .iter()
            .map(|l| {
                json!({"pid": l.pid, "started_at": text::rfc3339(l.started_at), "project": l.project, "relay": l.relay,
                "endpoint": l.endpoint, "public_url": l.url, "forward_to": l.target, "state": l.state})
            })
            .collect();
        context.ui.data(
            &json!({"v": 1, "type": "status", "ts": text::rfc3339(platform::now_ms()), "relay": relay_url, "listeners": rows, "undelivered": waits}).to_string(),
        );
        return Ok(Exit::Done);
    }
    let out = |line: &str| context.ui.text(line);
    match relay {
        Some((relay, from)) => {
            let token = if relay.token.is_some() { "with a token" } else { "without a token" };
            out(&format!("Relay        {} ({}, {token})", sanitize(&relay.url()), from.words()));
        }
        None => out("Relay        embedded in hook listen, reachable from this machine"),
    }
    if listeners.is_empty() {
        out("Listening    nothing");
    }
    for l in &listeners {
        let target = l.target.as_deref().unwrap_or("nowhere (kept)").replace('\n', ", ");
        out(&format!("Listening    {} → {}", sanitize(&l.url), sanitize(&target)));
        out(&format!(
            "             {} in {}, pid {}, since {}",
            l.state,
            sanitize(&l.project),
            l.pid,
            text::date_and_clock(l.started_at)
        ));
    }
    out(&format!("Undelivered  {}", text::count(waits, "event")));
    if waits > 0 {
        context.ui.status("next: hook events --undelivered --all");
    }
    Ok(Exit::Done)
}
