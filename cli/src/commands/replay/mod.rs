//! `hook replay`: events again, as they came, signed anew, changed, or forged.

mod args;
mod change;
mod choose;
mod draft;
mod editor;
mod send;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub use args::ReplayArgs;
use change::Changed;
use choose::{Aim, Job};
use draft::Resign;
use editor::Edited;
use send::{Beforehand, Post, Sent};

use super::Context;
use crate::activity::Heard;
use crate::config::ProjectFile;
use crate::failure::{Exit, Failure};
use crate::journal::{BodyKey, EventRow, Owner};
use crate::output::advice::{self, Advice};
use crate::output::{Format, json, row};
use crate::platform;
use crate::provider::sender::Judgement;
use crate::provider::{Checker, Part};
use crate::running;
use crate::text::shell_word;

pub async fn run(context: &Context, args: ReplayArgs) -> Result<Exit, Failure> {
    let path = context.journal_path();
    let journal = context.journal()?;
    let project = platform::project_dir();
    let file = ProjectFile::read(&project)?;
    let checker = Checker::load(&project, args.signing.sender.given(file.as_ref()))?;
    if let Some(name) = &args.signing.sender.provider {
        let recipe = checker.providers.named(name)?;
        checker.providers.check_params(&args.signing.sender.secrets.params, &[recipe])?;
    }
    running::hear(&journal, &project, &checker).await?;
    let rows = choose::rows(&journal, &args).await?;
    let owner = Owner::register(&path).map_err(|e| {
        Failure::local(format!("{} cannot be written beside: {}.", path.display(), crate::text::io(&e)))
    })?;
    let shape = args.shape()?;
    let post = Arc::new(Post { journal, checker, owner: owner.id.clone(), shape, file, args });
    let jobs = jobs(context, &post, rows).await?;
    if jobs.is_empty() {
        return Ok(Exit::Failed);
    }
    let (good, bad) = send_all(context, &post, jobs).await?;
    drop(owner);
    if post.args.output == Format::Line && good + bad > 1 {
        let what = if post.args.signing.tamper.is_some() { ("refused", "not refused") } else { ("ok", "failed") };
        context.ui.status(&format!("Sent {}: {good} {}, {bad} {}.", good + bad, what.0, what.1));
    }
    Ok(if bad == 0 { Exit::Done } else { Exit::Failed })
}

/// Everything that may stand in the way is asked and said before anything is sent.
async fn jobs(context: &Context, post: &Post, rows: Vec<EventRow>) -> Result<Vec<Job>, Failure> {
    let args = &post.args;
    if args.change.edit && rows.len() > 1 {
        return Err(Failure::usage(format!("--edit takes one event, and these are {}.", rows.len()))
            .next(format!("hook replay {} --edit", rows[0].seq)));
    }
    let mut aim = Aim::new(&post.journal, args).await?;
    let jobs: Vec<Job> = rows.into_iter().map(|row| aim.job(row)).collect::<Result<_, _>>()?;
    let mut live = Vec::new();
    for job in jobs.iter().filter(|job| leaves(job)) {
        if post.is_live(&job.row, &job.row.head, &post.body(&job.row).await?) {
            live.push(job);
        }
    }
    may_leave(context, args, &live)?;
    if args.change.is_any() {
        return changed(context, post, aim, jobs).await;
    }
    for job in &jobs {
        if let Beforehand::Resigned { why, with } = post.look_ahead(job).await? {
            say(context, args, &format!("#{}: {why}; it is sent with one of {with}.", job.row.seq));
        }
    }
    Ok(jobs)
}

fn leaves(job: &Job) -> bool {
    !job.client.target.is_loopback()
}

/// Events about real money or data leave this machine only when a person says so.
fn may_leave(context: &Context, args: &ReplayArgs, leaving: &[&Job]) -> Result<(), Failure> {
    let Some(first) = leaving.first().filter(|_| !args.yes) else { return Ok(()) };
    let origin = first.client.target.origin();
    let which = match leaving.len() {
        1 => format!("event {} is LIVE, about real money or data", first.row.seq),
        n => format!("{n} events are LIVE, about real money or data"),
    };
    match context.ui.ask(&format!("{which}. Send to {}?", crate::sanitize::sanitize(&origin))) {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::failed("cancelled, not sent.").next("hook replay … --to localhost:3000")),
        None => {
            let events = args.events.iter().map(|e| shell_word(e).into_owned()).collect::<Vec<_>>().join(" ");
            let which_again = if args.undelivered { "--undelivered".to_owned() } else { events };
            let to = args.to.as_ref().map_or_else(String::new, |to| format!(" --to {}", shell_word(&to.to_string())));
            let more = if args.change.is_any() { " …" } else { "" };
            Err(Failure::failed(format!("{which}, and {origin} is not this machine. Nothing was sent."))
                .next(format!("hook replay {which_again}{to}{more} --yes")))
        }
    }
}

/// New events made of these, each with what was asked for.
async fn changed(context: &Context, post: &Post, mut aim: Aim<'_>, jobs: Vec<Job>) -> Result<Vec<Job>, Failure> {
    let args = &post.args;
    let body = change::body(&args.change)?;
    let mut made = Vec::new();
    let mut ready = Vec::new();
    for from in jobs {
        let as_it_was = post.body(&from.row).await?;
        // Of those that were LIVE before, a person was asked.
        let may_become = leaves(&from) && !post.is_live(&from.row, &from.row.head, &as_it_was);
        let mut changed = Changed::of(&from.row, as_it_was);
        changed.apply(from.row.seq, &args.change, body.as_ref())?;
        ready.push((from, changed.fitted(), may_become));
    }
    let became = |job: &Job, changed: &Changed| post.is_live(&job.row, &changed.head, &changed.body);
    let live: Vec<&Job> =
        ready.iter().filter(|(job, changed, may)| *may && became(job, changed)).map(|(job, ..)| job).collect();
    may_leave(context, args, &live)?;
    let asked = !live.is_empty();
    for (from, mut changed, may_become) in ready {
        let (mut resign, mut file) = (Resign::Yes, None);
        if args.change.edit {
            let with = post.signer(&from).await?;
            match editor::undisturbed(|| editor::edit(context, from.row.seq, changed, with.as_deref())).await? {
                Edited::Not(why) => {
                    say(context, args, why);
                    continue;
                }
                Edited::Changed(new, say_resign, kept) => (changed, resign, file) = (*new, say_resign, Some(kept)),
            }
        }
        let mut row = EventRow { head: changed.head.clone(), ..(*from.row).clone() };
        row.target = choose::moved(&row, &from.row.head);
        // What was edited is known only now, and before anything is recorded.
        let is_new = may_become && !asked && became(&from, &changed);
        let allowed = if is_new { may_leave(context, args, &[&from]) } else { Ok(()) };
        let recorded = match allowed.and_then(|()| aim.job(row)) {
            Ok(to) => post.record(&from, to, changed, resign).await,
            Err(failure) => Err(failure),
        };
        let job = recorded.map_err(|failure| match file.take() {
            Some(file) => failure.next(format!("your text is kept: {}", file.keep().display())),
            None => failure,
        })?;
        match args.output {
            Format::Json => {
                let body = post.body(&job.row).await?;
                let bodies = json::Bodies { shown: args.bodies, limit: None };
                context.ui.data(&json::line_of(&json::event(&job.row, bodies, Some(&body))));
            }
            Format::Line => say(context, args, &format!("#{} is #{} edited.", job.row.seq, from.row.seq)),
        }
        made.push(job);
    }
    Ok(made)
}

/// How many went as they should, and how many did not.
async fn send_all(context: &Context, post: &Arc<Post>, jobs: Vec<Job>) -> Result<(u64, u64), Failure> {
    let args = &post.args;
    let places = Arc::new(Semaphore::new(usize::from(args.concurrency)));
    let (done, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let jobs: Vec<Arc<Job>> = jobs.into_iter().map(Arc::new).collect();
    let sender = async {
        let mut first = true;
        for job in jobs.iter().flat_map(|job| std::iter::repeat_n(job, args.times as usize)) {
            if let (Some(delay), false) = (args.delay, std::mem::take(&mut first)) {
                tokio::time::sleep(delay).await;
            }
            let Ok(place) = places.clone().acquire_owned().await else { break };
            let (post, job, done) = (post.clone(), job.clone(), done.clone());
            tokio::spawn(async move {
                let _ = done.send(post.send(&job).await);
                drop(place);
            });
        }
        drop(done);
    };
    let (mut good, mut bad) = (0, 0);
    let printer = async {
        while let Some(result) = ended.recv().await {
            let sent = result?;
            match is_good(&sent, args.signing.tamper) {
                true => good += 1,
                false => bad += 1,
            }
            print(context, post, sent).await?;
        }
        Ok::<_, Failure>(())
    };
    let ((), printed) = tokio::join!(sender, printer);
    printed.map(|()| (good, bad))
}

/// A forged event should be refused, any other taken.
fn is_good(sent: &Sent, tamper: Option<Part>) -> bool {
    let taken = sent.attempt.status.is_some_and(|s| (200..300).contains(&s));
    sent.attempt.error.is_none() && sent.attempt.status.is_some() && taken == tamper.is_none()
}

async fn print(context: &Context, post: &Post, sent: Sent) -> Result<(), Failure> {
    let args = &post.args;
    let (seq, n) = (sent.row.seq, sent.attempt.n);
    let advice = said(&sent, args);
    if args.output == Format::Json {
        let body = match args.bodies {
            true => post.journal.read(move |c| BodyKey::Attempt(seq, n).read(c, usize::MAX)).await?,
            false => sent.body,
        };
        let bodies = json::Bodies { shown: args.bodies, limit: None };
        let mut line =
            json::attempt(&sent.row, &sent.attempt, bodies, Some(&body), Heard::Nothing, &Judgement::default());
        line["next"] = advice::next(&advice).into();
        context.ui.data(&json::line_of(&line));
        return Ok(());
    }
    context.ui.text(&row::attempt_line(&sent.row, &sent.attempt, context.ui.out));
    let paint = context.ui.err;
    for fact in advice.iter().flat_map(|advice| advice.fact.lines()) {
        context.ui.status(&format!("          {} {fact}", paint.sign("│")));
    }
    if let Some(next) = advice::next(&advice) {
        context.ui.status(&format!("          {} next: {next}", paint.sign("└")));
    }
    Ok(())
}

/// What an attempt means, and what to do.
fn said(sent: &Sent, args: &ReplayArgs) -> Vec<Advice> {
    let seq = sent.row.seq;
    let answer = advice::on(&sent.row, &sent.attempt, &sent.body, Heard::Nothing, &Judgement::default());
    if let Some(part) = args.signing.tamper {
        if is_good(sent, Some(part)) {
            return Vec::new();
        }
        if sent.attempt.error.is_none() {
            let fact = format!("your app took a forged event, its {} changed.", part.as_str());
            let next = "check the signature before anything else, then hook replay";
            return vec![Advice::new(fact, format!("{next} {seq} --tamper {}", part.as_str()))];
        }
    }
    let answer = answer.map(|mut advice| {
        if let Some(to) = &args.to {
            advice.next = format!("hook replay {seq} --to {}", shell_word(&to.to_string()));
        }
        advice
    });
    // What had to be refused and was: that is why.
    let refused = sent.attempt.status.is_some_and(|s| !(200..300).contains(&s));
    let note = sent.note.as_ref().filter(|_| refused).map(|p| Advice::new(&p.fact, &p.next));
    let explained = note.is_some() && sent.attempt.status.is_some_and(|s| (400..500).contains(&s));
    answer.filter(|_| !explained).into_iter().chain(note).collect()
}

fn say(context: &Context, args: &ReplayArgs, what: &str) {
    if args.output == Format::Line {
        context.ui.status(what);
    }
}
