use clap::Args;

use super::Context;
use crate::config::{self, Credentials};
use crate::failure::{Exit, Failure};

/// Forget a relay's token
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook logout
  hook logout https://hooks.example.com
  hook logout --all")]
pub struct LogoutArgs {
    /// The relay's URL [default: the one that is used]
    relay: Option<String>,
    /// Forget all relays
    #[arg(long, conflicts_with = "relay")]
    all: bool,
}

pub fn run(context: &Context, args: &LogoutArgs) -> Result<Exit, Failure> {
    if args.all {
        return match std::fs::remove_file(Credentials::path()) {
            Ok(()) => said(context, "Logged out everywhere."),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => said(context, "Not logged in."),
            Err(error) => Err(Failure::local(format!("{} cannot be removed: {error}.", Credentials::path().display()))),
        };
    }
    let mut credentials = Credentials::read()?;
    let url = match &args.relay {
        Some(text) => config::parse_relay(text)?.url(),
        None => match &credentials.default {
            Some(url) => url.clone(),
            None => return said(context, "Not logged in."),
        },
    };
    if credentials.tokens.remove(&url).is_none() {
        return Err(Failure::failed(format!("not logged in to {url}.")).next("hook status"));
    }
    if credentials.default.as_deref() == Some(url.as_str()) {
        credentials.default = None;
    }
    credentials.write()?;
    said(context, &format!("Logged out of {url}. The relay still knows the token: hook relay token revoke (there)."))
}

fn said(context: &Context, line: &str) -> Result<Exit, Failure> {
    context.ui.status(line);
    Ok(Exit::Done)
}
