use clap::Args;

use super::Context;
use crate::activity::Heard;
use crate::event_ref;
use crate::failure::{Exit, Failure};
use crate::journal::{self, BodyKey, EventRow, Journal, State};
use crate::output::Format;
use crate::output::detail::{self, Extent};
use crate::output::json::{self, Bodies};
use crate::output::mask::Mask;
use crate::output::signature;
use crate::platform;
use crate::provider::{Providers, sender};
use crate::text;
use crate::ui::Ink;

/// Show one event: the request, and every attempt
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook show last
  hook show 12 --raw > body.json
  hook show last~2 --output json")]
pub struct ShowArgs {
    /// A number, an id or a prefix of one, last, last~2
    #[arg(default_value = "last", allow_hyphen_values = false)]
    event: String,
    /// Write the exact bytes of the body to standard output, and nothing else
    #[arg(long, conflicts_with = "output")]
    raw: bool,
    /// Look for `last` in all projects
    #[arg(long)]
    all: bool,
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    output: Format,
}

pub async fn run(context: &Context, args: ShowArgs) -> Result<Exit, Failure> {
    let journal = context.journal()?;
    let scope = event_ref::scope(&journal, args.all).await?;
    let row = event_ref::one(&journal, &scope, &args.event).await?;
    let seq = row.seq;
    if args.raw {
        let mut part = 0;
        while let Some(data) = journal.read(move |c| BodyKey::Event(seq).part(c, part)).await? {
            context.ui.bytes(&data);
            part += 1;
        }
        return Ok(Exit::Done);
    }
    let body = journal.read(move |c| BodyKey::Event(seq).read(c, usize::MAX)).await?;
    let attempts = journal.read(move |c| journal::attempts_of(c, seq)).await?;
    let bodies = Bodies { shown: true, limit: None };
    let paint = context.ui.out;
    if args.output == Format::Json {
        context.ui.data(&json::line_of(&json::event(&row, bodies, Some(&body))));
    } else {
        let from = if row.head.remote_ip.is_empty() { String::new() } else { format!(" from {}", row.head.remote_ip) };
        let head = format!("#{} {}  {}{from}", row.seq, row.id, text::date_and_clock(row.head.received_at));
        context.ui.text(&paint.ink(Ink::Bold, crate::sanitize::sanitize(&head)));
        let url = Mask::of(&row).url(&row.head.url).into_owned();
        context.ui.text(&format!("{}  {}", crate::sanitize::sanitize(&url), state_words(row.state)));
        signature::lines(&row, paint).iter().for_each(|line| context.ui.text(line));
        if let Some(duplicates) = duplicates(&journal, &row).await? {
            context.ui.text(&duplicates);
        }
        context.ui.text("");
        context.ui.text(detail::request(&row, &body, Extent::All, paint).trim_end());
    }
    let providers = Providers::load(&platform::project_dir());
    let recipe = row.provider.as_deref().and_then(|name| providers.get(name));
    for attempt in attempts {
        let n = attempt.n;
        let answer = journal.read(move |c| BodyKey::Attempt(seq, n).read(c, usize::MAX)).await?;
        if args.output == Format::Json {
            let judgement = sender::judge(recipe, &row, &attempt, Heard::App);
            let object = json::attempt(&row, &attempt, bodies, Some(&answer), Heard::App, &judgement);
            context.ui.data(&json::line_of(&object));
            continue;
        }
        let took = attempt.ms.map_or_else(String::new, |ms| format!("  {ms} ms"));
        let signing = attempt.signing.as_ref().map_or_else(String::new, |s| format!(", {}", s.words()));
        let signing = crate::sanitize::sanitize(&signing);
        let head = format!(
            "Attempt {n}  {}{}  {}{took}  {}",
            attempt.kind,
            signing,
            text::date_and_clock(attempt.started_at),
            crate::sanitize::sanitize(&Mask::of(&row).url(&attempt.target))
        );
        context.ui.text("");
        context.ui.text(&paint.ink(Ink::Bold, head));
        context.ui.text(detail::response(&attempt, &answer, Extent::All, paint).trim_end());
    }
    Ok(Exit::Done)
}

/// The first of its kind, or the later ones.
async fn duplicates(journal: &Journal, row: &EventRow) -> Result<Option<String>, Failure> {
    if let Some(first) = row.duplicate_of {
        return Ok(Some(format!("duplicate of #{first}")));
    }
    let event = row.clone();
    let later = journal.read(move |c| journal::duplicates_of(c, &event)).await?;
    let numbers: Vec<String> = later.iter().map(|seq| format!("#{seq}")).collect();
    Ok((!numbers.is_empty()).then(|| format!("sent again as {}", numbers.join(", "))))
}

fn state_words(state: State) -> &'static str {
    match state {
        State::Owed => "waits for your app",
        State::Ended => "forwarded",
        State::Captured => "kept; there was no target",
        State::Filtered => "kept; left out by --filter",
        State::Undelivered => "not delivered; the app was down",
        State::Held => "held; beyond --max-backlog",
        State::Recorded => "recorded; its sender was answered before",
        State::Refused => "kept; its path leaves the target's own",
        State::Retrying => "failed; will be tried again",
        State::Deduped => "a duplicate; its sender got the first one's answer",
        State::Handshake => "a handshake; hook answered in your app's place",
    }
}
