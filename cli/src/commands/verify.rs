use clap::Args;

use super::Context;
use crate::autopsy::finding;
use crate::autopsy::which::Which;
use crate::failure::{Exit, Failure};
use crate::output::Format;
use crate::output::autopsy::{self, Told};
use crate::output::json;
use crate::platform::now_ms;

/// Is the signature right?
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook verify last
  hook verify 12 --secret-env STRIPE_WEBHOOK_SECRET
  hook verify --provider slack --secret-env S --url https://h.example/slack \\
      --header 'X-Slack-Signature: v0=…' --header 'X-Slack-Request-Timestamp: 1780000000' --body @body.txt --at 1780000000

With --secret-env only that secret counts, and every other that hook knows is another one.
Exit codes: 0 valid, 1 not.")]
pub struct VerifyArgs {
    #[command(flatten)]
    which: Which,
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    output: Format,
}

pub async fn run(context: &Context, args: VerifyArgs) -> Result<Exit, Failure> {
    let (subject, _) = args.which.subject(|| context.journal()).await?;
    subject.fetch_key(|question| context.ui.ask(question)).await?;
    let now = now_ms();
    let (finding, refused_now) = subject.checker.look(subject.asked(), |case| {
        let finding = subject.finding(case, &[]);
        // An event is judged as of when it came; a good one may be too old by now.
        let later = subject.row.is_some() && finding.is_valid();
        let refused_now = later.then(|| finding::refused_at(case, now)).flatten();
        (finding, refused_now)
    });
    let told = Told { row: subject.row.as_ref(), finding: &finding, at_ms: subject.at_ms, now_ms: now, refused_now };
    match args.output {
        Format::Json => context.ui.data(&json::line_of(&autopsy::verdict_json(&told))),
        Format::Line => {
            context.ui.text(&autopsy::verdict(&told, context.ui.out));
            if let Some(next) = told.next() {
                context.ui.status(&format!("next: {next}"));
            }
        }
    }
    Ok(if finding.is_valid() { Exit::Done } else { Exit::Failed })
}
