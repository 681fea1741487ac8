use clap::Args;

use super::Context;
use crate::autopsy::framework::{self, Framework};
use crate::autopsy::which::{Subject, Which};
use crate::autopsy::{Finding, Seen, finding};
use crate::failure::{Exit, Failure};
use crate::journal::{self, Attempt, BodyKey, Journal};
use crate::output::Format;
use crate::output::autopsy::Told;
use crate::output::{explanation, json};
use crate::platform::now_ms;

/// Why did this event fail? All that can be computed, and the fix
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook explain last
  hook explain 12 --framework express
  hook explain --provider github --secret-env S --header 'X-Hub-Signature-256: sha256=…' \\
      --body @as-the-app-saw-it.json

With --secret-env only that secret counts, and every other that hook knows is another one.")]
pub struct ExplainArgs {
    #[command(flatten)]
    which: Which,
    /// Show the fix for this framework: express, next, fastify, flask, django, fastapi, rails, laravel, spring, go, axum
    #[arg(long, value_name = "NAME")]
    framework: Option<String>,
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    output: Format,
}

pub async fn run(context: &Context, args: ExplainArgs) -> Result<Exit, Failure> {
    let asked = args.framework.as_deref().map(framework_named).transpose()?;
    let (subject, journal) = args.which.subject(|| context.journal()).await?;
    let last = match &journal {
        Some(journal) => last_attempt(journal, &subject).await?,
        None => None,
    };
    let now = now_ms();
    let text = subject.checker.look(subject.asked(), |case| {
        let urls: Vec<&str> = last.iter().map(|(attempt, _)| attempt.target.as_str()).collect();
        let finding = Finding::of(case, &urls, subject.at_ms);
        let seen = last.as_ref().map(|(attempt, answer)| Seen::of(case, &finding, attempt.clone(), answer));
        let later = subject.row.is_some() && finding.is_valid();
        let refused_now = later.then(|| finding::refused_at(case, now)).flatten();
        let told =
            Told { row: subject.row.as_ref(), finding: &finding, at_ms: subject.at_ms, now_ms: now, refused_now };
        let all = explanation::Told { told, seen: seen.as_ref(), asked, recipe: case.recipe, head: &subject.head };
        match args.output {
            Format::Json => json::line_of(&explanation::json(&all)),
            Format::Line => explanation::text(&all, context.ui.out),
        }
    });
    match args.output {
        Format::Json => context.ui.data(&text),
        Format::Line => context.ui.text(&text),
    }
    Ok(Exit::Done)
}

fn framework_named(name: &str) -> Result<&'static Framework, Failure> {
    framework::named(name).ok_or_else(|| {
        let all: Vec<String> = framework::all().iter().map(|f| f.name.to_ascii_lowercase()).collect();
        Failure::usage(format!("hook knows no framework \"{}\".", crate::sanitize::sanitize(name)))
            .next(format!("one of {}", all.join(", ")))
    })
}

/// The last attempt, with what is kept of its answer.
async fn last_attempt(journal: &Journal, subject: &Subject) -> Result<Option<(Attempt, Vec<u8>)>, Failure> {
    let Some(seq) = subject.row.as_ref().map(|row| row.seq) else { return Ok(None) };
    let Some(last) = journal.read(move |c| journal::attempts_of(c, seq)).await?.pop() else { return Ok(None) };
    let n = last.n;
    let answer = journal.read(move |c| BodyKey::Attempt(seq, n).read(c, usize::MAX)).await?;
    Ok(Some((last, answer)))
}
