use std::time::Duration;

use clap::Args;

use super::Context;
use crate::autopsy::framework::{self, Framework};
use crate::autopsy::infer::{self, Signed};
use crate::autopsy::meaning::Telling;
use crate::autopsy::probe::{self, Got, Sent, Tried, Version};
use crate::autopsy::which::{Subject, Which};
use crate::autopsy::{Seen, finding, held};
use crate::failure::{Exit, Failure};
use crate::forward::{Client, Marks, Shape, fields, post, url_seen};
use crate::journal::{self, BodyKey, EventRow, Journal};
use crate::output::Format;
use crate::output::autopsy::Told;
use crate::output::{explanation, json, probe as told};
use crate::platform::now_ms;
use crate::provider::Destination;
use crate::sanitize::{sanitize, sanitize_block};
use crate::session::tls_config;
use crate::target::Target;
use crate::text::shell_word;

/// Why did this event fail? All that can be computed, and the fix
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook explain last
  hook explain 12 --framework express
  hook explain 12 --probe
  hook explain --provider github --secret-env S --header 'X-Hub-Signature-256: sha256=…' \\
      --body @as-the-app-saw-it.json

--probe sends your app versions of the event: as received, signed anew, written again as other
software writes it (until one is accepted), signed by another secret, forged, and old; when it
refuses what is right, signed by each other secret of the provider that hook knows. Your app acts
on those that it accepts; nothing is kept in the journal. It asks first when the app is on another
machine, when the event is LIVE, and when it may be forged.

With --secret-env only that secret counts, and every other that hook knows is another one.")]
pub struct ExplainArgs {
    #[command(flatten)]
    which: Which,
    /// Show the fix for this framework: express, next, fastify, flask, django, fastapi, rails, laravel, spring, go, axum
    #[arg(long, value_name = "NAME")]
    framework: Option<String>,
    /// Send your app versions of the event, and tell from what it accepts what it really verifies
    #[arg(long)]
    probe: bool,
    /// Probe this app instead of the one that got it
    #[arg(long, value_name = "URL", requires = "probe")]
    to: Option<Target>,
    /// Probe without a question
    #[arg(long, requires = "probe")]
    yes: bool,
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    output: Format,
}

pub async fn run(context: &Context, args: ExplainArgs) -> Result<Exit, Failure> {
    let asked = args.framework.as_deref().map(framework_named).transpose()?;
    let (subject, journal) = args.which.subject(|| context.journal()).await?;
    let attempts = match &journal {
        Some(journal) => attempts(journal, &subject).await?,
        None => None,
    };
    if args.probe {
        let target = args.to.clone().or_else(|| attempts.as_ref()?.telling.last.target.parse().ok());
        let answered = |attempts: &Attempts| framework::of_answer(&attempts.telling.last, &attempts.answer);
        let language = asked.or_else(|| attempts.as_ref().and_then(answered));
        return probe(context, &args, &subject, target, language.map(|f| f.language.as_str())).await;
    }
    // All else can be explained without it.
    if let Err(failure) = subject.fetch_key(|question| context.ui.ask(question)).await {
        context.ui.status(&sanitize_block(&failure.to_string()));
    }
    let now = now_ms();
    let text = subject.checker.look(subject.asked(), |case| {
        let urls: Vec<String> = attempts.iter().map(|attempts| attempts.telling.last.target.clone()).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let finding = subject.finding(case, &urls);
        let seen = attempts.map(|it| Seen::of(case, &finding, it.telling, &it.answer, &it.to_forged));
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

/// How long an app may take for each version.
const TIMEOUT: Duration = Duration::from_secs(10);

async fn probe(
    context: &Context,
    args: &ExplainArgs,
    subject: &Subject,
    target: Option<Target>,
    language: Option<&str>,
) -> Result<Exit, Failure> {
    let Some(row) = &subject.row else {
        return Err(Failure::usage("only an event of the journal can be sent again.").next("hook explain last --probe"));
    };
    let to = args.to.as_ref().map_or_else(String::new, |to| format!(" --to {}", shell_word(&to.to_string())));
    let again = format!("hook explain {} --probe{to}", row.seq);
    let target = target.ok_or_else(|| {
        Failure::usage(format!("event {} was sent to no app yet.", row.seq))
            .next(format!("{again} --to localhost:3000"))
    })?;
    // An attempt's URL is whole; what a person names is a target, below which the event has its path.
    let (rest, query) = match args.to {
        Some(_) => (row.head.path.as_str(), row.head.query.as_deref()),
        None => ("", None),
    };
    let path = target.join(rest, query).map_err(|leaves| {
        Failure::failed(format!("{leaves}. It was not sent.")).next(format!("hook show {}", row.seq))
    })?;
    let (shape, asked) = (Shape::default(), subject.asked());
    let url = url_seen(&subject.head, &target, &shape, &path);
    let to = Destination { path: &path, url: &url };
    let versions = probe::versions(&subject.checker, asked, to, language, now_ms())
        .map_err(|problem| Failure::failed(problem.fact).next(problem.next))?;
    let signer = subject.checker.signer(asked);
    if let Some(doubt) = doubt(row, &target, signer.is_some()).filter(|_| !args.yes) {
        ask_first(context, row, &doubt, &again)?;
    }
    let tls = target.tls.then(|| tls_config(false)).transpose();
    let client = Client::new(target, tls.map_err(|e| Failure::local(format!("no TLS: {e}.")).next(again))?);
    let marks = Marks { event_id: &row.id, attempt: row.attempts + 1, replay: true };
    let send = async |Sent { head, body, path }: Sent| {
        let fields = fields(&head, &client.target, &shape, &marks);
        post(&client, &head.method, &path, &fields, body, TIMEOUT).await
    };
    let mut tried = Vec::new();
    for Version { what, sent } in versions {
        if !probe::tells_more(what, &tried) {
            continue;
        }
        tried.push(match send(sent).await {
            Ok(answer) => {
                let got = Got::of(answer.status, &answer.body);
                Tried { what, got, status: Some(answer.status), error: None, ms: Some(answer.ms) }
            }
            Err(error) => Tried { what, got: Got::NoAnswer, status: None, error: Some(error.to_string()), ms: None },
        });
    }
    let secret = signer.or_else(|| subject.checker.look(asked, |case| case.secrets.first().cloned()));
    let shown = secret.as_ref().map(finding::named).unwrap_or_default();
    let (signs_url, signs_fields) = subject.checker.look(asked, |case| {
        let scheme = case.checked(subject.at_ms).signature.and_then(|s| s.scheme);
        let facts = case.recipe.and_then(|recipe| recipe.signature(scheme.as_deref()));
        facts.map_or((false, false), |facts| (facts.url, facts.fields))
    });
    let mut inferred =
        infer::infer(&tried, Signed { secret: &shown, url: signs_url.then_some(to.url), fields: signs_fields });
    if matches!(inferred.code, "other_secret" | "refuses_all") {
        for other in held::candidates(&subject.checker, asked, to, secret.as_ref(), now_ms()) {
            if send(other.sent).await.is_ok_and(|answer| (200..300).contains(&answer.status)) {
                inferred.code = "other_secret";
                inferred.says = held::says(&other.secret, secret.as_ref());
                inferred.next = Some(held::NEXT);
                break;
            }
        }
    }
    let told =
        told::Told { row, target: &client.target.url(&path), tried: &tried, inferred: &inferred, now_ms: now_ms() };
    match args.output {
        Format::Json => context.ui.data(&json::line_of(&told::json(&told))),
        Format::Line => context.ui.text(&told::text(&told, context.ui.out)),
    }
    Ok(if inferred.code == "verified" { Exit::Done } else { Exit::Failed })
}

/// Why a person is asked before versions of an event that are signed right are sent.
fn doubt(row: &EventRow, target: &Target, is_genuine: bool) -> Option<String> {
    let is_live = row.signature.as_ref().and_then(|s| s.live) == Some(true);
    let doubts = [
        (!target.is_loopback()).then(|| format!("{} is not this machine", sanitize(&target.origin()))),
        is_live.then(|| format!("event {} is LIVE, about real money or data", row.seq)),
        // Whoever forged it would have hook sign it.
        (!is_genuine)
            .then(|| format!("no secret that hook knows made the signature of event {}: it may be forged", row.seq)),
    ];
    let doubts: Vec<String> = doubts.into_iter().flatten().collect();
    (!doubts.is_empty()).then(|| doubts.join("; "))
}

fn ask_first(context: &Context, row: &EventRow, doubt: &str, again: &str) -> Result<(), Failure> {
    match context.ui.ask(&format!("{doubt}. Send your app true and forged versions of it?")) {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::failed("cancelled, not sent.").next(format!("hook explain {}", row.seq))),
        None => Err(Failure::failed(format!("{doubt}. Nothing was sent.")).next(format!("{again} --yes"))),
    }
}

fn framework_named(name: &str) -> Result<&'static Framework, Failure> {
    framework::named(name).ok_or_else(|| {
        let all: Vec<String> = framework::all().iter().map(|f| f.name.to_ascii_lowercase()).collect();
        Failure::usage(format!("hook knows no framework \"{}\".", crate::sanitize::sanitize(name)))
            .next(format!("one of {}", all.join(", ")))
    })
}

/// The attempts that tell something, and what is kept of the answers to the last and to a forged one.
struct Attempts {
    telling: Telling,
    answer: Vec<u8>,
    to_forged: Vec<u8>,
}

async fn attempts(journal: &Journal, subject: &Subject) -> Result<Option<Attempts>, Failure> {
    let Some(seq) = subject.row.as_ref().map(|row| row.seq) else { return Ok(None) };
    let all = journal.read(move |c| journal::attempts_of(c, seq)).await?;
    let Some(telling) = Telling::of(all) else { return Ok(None) };
    let n = telling.last.n;
    let answer = journal.read(move |c| BodyKey::Attempt(seq, n).read(c, usize::MAX)).await?;
    let to_forged = match telling.forged.as_ref().map(|attempt| attempt.n) {
        Some(n) => journal.read(move |c| BodyKey::Attempt(seq, n).read(c, usize::MAX)).await?,
        None => Vec::new(),
    };
    Ok(Some(Attempts { telling, answer, to_forged }))
}
