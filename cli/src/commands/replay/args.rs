//! What can be said to `hook replay`.

use std::time::Duration;

use clap::Args;

use crate::failure::Failure;
use crate::forward::{HostField, Shape};
use crate::header_arg;
use crate::output::Format;
use crate::provider::{Part, ProviderArgs};
use crate::target::{self, Target};
use crate::units;

/// Send events again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook replay last
  hook replay 12 15..20 --to localhost:4000/webhooks
  hook replay 'status:5xx since:1h'
  hook replay --undelivered
  hook replay last --times 5 --concurrency 5                      is the handler idempotent?
  hook replay 12 --set data.object.amount=4200                    a new event, signed anew
  hook replay 12 --edit                                           the same in your editor
  hook replay 12 --tamper body                                    does the app refuse a forged one?

An event whose signature the app would refuse by now is signed anew when its secret is known: an old timestamp,
a URL that the provider signs, a change.
Exit code 1 when an answer is not 2xx; with --tamper when one is.")]
pub struct ReplayArgs {
    /// Numbers, ids, last, last~2, ranges 12..20, or one filter
    pub events: Vec<String>,
    /// Send here instead of where it went
    #[arg(long, value_name = "TARGET")]
    pub to: Option<Target>,
    /// All events that the app never got
    #[arg(long, conflicts_with = "events")]
    pub undelivered: bool,
    /// Send each this many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub times: u32,
    /// Attempts at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// Wait between starts
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub delay: Option<Duration>,
    /// How long an attempt may take
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "10m")]
    pub timeout: Duration,
    #[command(flatten)]
    pub change: ChangeArgs,
    #[command(flatten)]
    pub signing: SigningArgs,
    /// Say this Host to the app
    #[arg(long, value_name = "HOST")]
    pub host_header: Option<String>,
    /// The URL that your app takes itself to be called by, for providers that sign it [default: as it is sent]
    #[arg(long, value_name = "URL")]
    pub app_url: Option<String>,
    /// Take any TLS certificate of the target
    #[arg(long)]
    pub insecure: bool,
    /// Send events about real money or data (LIVE) to another machine without a question
    #[arg(long, short)]
    pub yes: bool,
    /// Look for `last` and filters in all projects
    #[arg(long)]
    pub all: bool,
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    pub output: Format,
    /// With --output json: headers and bodies too
    #[arg(long)]
    pub bodies: bool,
}

/// What is different from the event that came.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// Set a value of the body, a JSON path or a form field; the rest stays byte for byte (repeatable)
    #[arg(long, value_name = "PATH=VALUE", value_parser = path_and_value)]
    pub set: Vec<(String, String)>,
    /// Another body: @FILE, - for standard input, or the text itself
    #[arg(long, value_name = "BODY", allow_hyphen_values = true)]
    pub body: Option<String>,
    /// Change it in $VISUAL or $EDITOR before it is sent
    #[arg(long)]
    pub edit: bool,
    /// Set a header towards the app: 'Name: value' (repeatable)
    #[arg(long, value_name = "HEADER")]
    pub header: Vec<String>,
}

#[derive(Debug, Args)]
pub struct SigningArgs {
    /// Sign anew, whatever the signature is that it came with
    #[arg(long, conflicts_with_all = ["as_received", "tamper"])]
    pub resign: bool,
    /// Send it as it came: nothing signed anew, no headers of hook's own
    #[arg(long, conflicts_with = "tamper")]
    pub as_received: bool,
    /// Send a forged event; the app should refuse it
    #[arg(long, value_name = "PART")]
    pub tamper: Option<Part>,
    #[command(flatten)]
    pub sender: ProviderArgs,
}

impl ReplayArgs {
    pub fn shape(&self) -> Result<Shape, Failure> {
        Ok(Shape {
            host: self.host_header.clone().map_or(HostField::Target, HostField::Given),
            // Of a changed event they are a part.
            headers: if self.change.is_any() { Vec::new() } else { self.change.headers()? },
            as_received: self.signing.as_received,
            app_url: self.app_url.as_deref().map(target::app_url).transpose()?,
        })
    }
}

impl ChangeArgs {
    /// A change makes a new event; headers alone belong to the attempt.
    pub fn is_any(&self) -> bool {
        !self.set.is_empty() || self.body.is_some() || self.edit
    }

    pub fn headers(&self) -> Result<hook_proto::HeaderList, Failure> {
        self.header.iter().map(|h| header_arg::parse(h)).collect()
    }
}

fn path_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is NAME=VALUE".to_owned()),
    }
}
