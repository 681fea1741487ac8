//! `hook listen`: what was put together (`set_up`) runs, and is shown until it ends.

mod args;
mod consent;
mod demo;
mod embedded;
mod look;
mod screen;
mod set_up;
mod signatures;
mod tally;
mod upkeep;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};

pub use args::ListenArgs;
use screen::Screen;
use set_up::{Running, set_up};
use tally::Tally;

use super::Context;
use crate::activity::{self, Activity};
use crate::failure::{Exit, Failure};
use crate::journal::Journal;
use crate::output::{Format, Output, json, line};
use crate::platform::{Signal, Signals};

/// How long running attempts may go on after the first interrupt.
const GRACE: Duration = Duration::from_secs(3);

pub async fn run(context: &Context, args: ListenArgs) -> Result<Exit, Failure> {
    let begun = Instant::now();
    let mut signals = Signals::new().map_err(|e| Failure::local(format!("no signals: {}.", crate::text::io(&e))))?;
    let (activities, mut inbox) = mpsc::unbounded_channel();
    let closed = Arc::new(Notify::new());
    let screen = Screen::start(output(context, &args), context.ui.clone(), closed.clone());
    let until = match args.until.as_deref().map(crate::event_ref::filter).transpose() {
        Ok(until) => until,
        Err(failure) if args.output == Format::Json => return Ok(fatal(screen, &failure)),
        Err(failure) => return Err(failure),
    };
    let set_up = set_up(context, &args, until.as_ref(), activities).await;
    let running = match set_up {
        Ok(running) => running,
        // In JSON mode everything is a line on standard output, failures too.
        Err(failure) if args.output == Format::Json => return Ok(fatal(screen, &failure)),
        Err(failure) => return Err(failure),
    };
    let Running { engine, session, listeners, embedded, endpoints, mut demo } = running;
    consent::ask(&engine, context.ui.clone(), args.output == Format::Line);
    let mut tally = Tally::default();
    let mut failed = engine.journal.failed();
    let mut session = std::pin::pin!(session.run());
    let deadline = args.timeout_after.map(|t| tokio::time::Instant::now() + t);
    let ended = loop {
        tokio::select! {
            biased;
            signal = signals.next() => break Ended::Signal(signal),
            activity = inbox.recv() => {
                let Some(activity) = activity else { break Ended::Signal(Signal::Terminate) };
                if let Activity::Ready { endpoints, .. } = &activity {
                    listeners.register(endpoints);
                    if let (Some(demo), Some(endpoint)) = (demo.take(), endpoints.first()) {
                        tokio::spawn(demo(endpoint.public_url.clone()));
                    }
                }
                listeners.note(&activity);
                let matched = tally.count(&activity, until.as_ref());
                screen.show(activity);
                if matched {
                    break Ended::Matched;
                }
            }
            failure = &mut session => break Ended::Session(failure),
            changed = failed.changed() => {
                let error = failed.borrow_and_update().clone();
                match error {
                    Some(error) => break Ended::Session(error.into()),
                    None if changed.is_err() => break Ended::Session(Failure::local("the journal's writer stopped.").next("hook doctor")),
                    None => {}
                }
            }
            () = closed.notified() => break Ended::Closed,
            () = until_deadline(deadline) => break Ended::TimedOut,
        }
    };
    // Attempts that run may end; the session goes on for them, and a second signal cuts it short.
    let cut = {
        let wait = async {
            let end = tokio::time::Instant::now() + GRACE;
            while engine.running() > 0 && tokio::time::Instant::now() < end {
                tokio::select! {
                    activity = inbox.recv() => if let Some(activity) = activity {
                        tally.count(&activity, None);
                        screen.show(activity);
                    },
                    _ = &mut session, if !matches!(ended, Ended::Session(_)) => break,
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
            }
        };
        engine.stop_taking();
        tokio::select! {
            () = wait => false,
            _ = signals.next() => true,
        }
    };
    if cut {
        return Ok(Exit::Interrupted);
    }
    let owed = endpoints.iter().flat_map(|e| e.lanes()).map(|lane| lane.owed() as u64).sum();
    // What waits for its turn is owed, and no attempt at it has begun.
    endpoints.iter().flat_map(|e| e.lanes()).for_each(|lane| lane.stop());
    let end = tokio::time::Instant::now() + GRACE;
    while engine.waiting() > 0 && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    listeners.remove().await;
    let _ = engine.journal.flush().await;
    while let Ok(activity) = inbox.try_recv() {
        tally.count(&activity, None);
        screen.show(activity);
    }
    sent_again(&engine.journal, &mut tally).await;
    if matches!(ended, Ended::Signal(Signal::Interrupt)) && args.output == Format::Line {
        context.ui.after_interrupt();
    }
    let (exit, reason, failure) = ended.outcome(args.timeout_after, listeners.was_ready());
    if let Some(failure) = failure {
        screen.show(trouble(&failure));
    }
    screen.show(Activity::Stopped(tally.stopped(begun.elapsed(), owed, reason)));
    screen.finish();
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    Ok(exit)
}

/// Counts what was sent again meanwhile by what came of it.
async fn sent_again(journal: &Journal, tally: &mut Tally) {
    let seqs = tally.not_well();
    let answers = journal.read(move |c| crate::journal::last_answers(c, &seqs)).await;
    // A journal that cannot be read has been complained of.
    answers.unwrap_or_default().into_iter().for_each(|(seq, status)| tally.answered(seq, status));
}

enum Ended {
    Signal(Signal),
    Matched,
    TimedOut,
    Closed,
    Session(Failure),
}

impl Ended {
    fn outcome(self, timeout: Option<Duration>, was_ready: bool) -> (Exit, &'static str, Option<Failure>) {
        match self {
            Self::Signal(Signal::Interrupt) => (Exit::Done, "sigint", None),
            Self::Signal(Signal::Terminate) => (Exit::Done, "sigterm", None),
            Self::Matched => (Exit::Done, "until", None),
            Self::Closed => (Exit::Done, "closed", None),
            Self::TimedOut if !was_ready => {
                let what = "the relay could not be reached in time.";
                (
                    Exit::Unreachable,
                    "timeout",
                    Some(Failure::new(Exit::Unreachable, "relay_unreachable", what).next("hook doctor")),
                )
            }
            Self::TimedOut => {
                let after = crate::text::span(timeout.unwrap_or_default());
                let what = format!("no event matched --until within {after}.");
                (Exit::Failed, "timeout", Some(Failure::new(Exit::Failed, "until_timeout", what).next("hook events")))
            }
            Self::Session(failure) => (failure.exit, "refused", Some(failure)),
        }
    }
}

fn output(context: &Context, args: &ListenArgs) -> Output {
    match args.output {
        Format::Line => Output::Line(line::LineLog::new(context.ui.clone(), args.verbose)),
        Format::Json => {
            let limit = args.body_limit.and_then(|l| usize::try_from(l).ok());
            Output::Json(json::JsonLines { ui: context.ui.clone(), bodies: json::Bodies { shown: args.body, limit } })
        }
    }
}

fn fatal(screen: Screen, failure: &Failure) -> Exit {
    screen.show(trouble(failure));
    screen.finish();
    failure.exit
}

fn trouble(failure: &Failure) -> Activity {
    Activity::Trouble(activity::Trouble {
        code: failure.code,
        message: failure.what.clone(),
        next: failure.next.first().cloned(),
        fatal: true,
    })
}

async fn until_deadline(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
