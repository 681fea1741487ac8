use std::io::{IsTerminal, Read};

use clap::Args;

use super::Context;
use crate::config::{self, Credentials};
use crate::failure::{Exit, Failure};
use crate::session;

/// Log in to a relay: its token is asked for, checked, and kept in a file that only you can read
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook login https://hooks.example.com                            asks for the token
  hook login https://hooks.example.com < token.txt
In CI set HOOK_RELAY and HOOK_TOKEN instead.")]
pub struct LoginArgs {
    /// The relay's URL
    relay: String,
}

pub async fn run(context: &Context, args: LoginArgs) -> Result<Exit, Failure> {
    let mut relay = config::parse_relay(&args.relay)?;
    let token = read_token(&relay.authority)?;
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure::usage("that is not a token: a token is one word that begins with hk_.")
            .next("hook relay token create NAME          (on the relay's machine)"));
    }
    relay.token = Some(token.clone().into());
    // Health first, without the token: what is no relay must not see it.
    let without = session::Relay { token: None, ..relay.clone() };
    let health = session::ask(&without, "/_hook/health").await.map_err(|e| e.into_failure(&relay))?;
    let known = if health.trim() == "ok" {
        session::ask(&relay, "/_hook/whoami").await.map_err(|e| e.into_failure(&relay))?
    } else {
        String::new()
    };
    if serde_json::from_str::<serde_json::Value>(&known).ok().is_none_or(|who| who["protocol"].as_u64().is_none()) {
        let what = format!("{} is not a hook relay. The token was not kept.", relay.url());
        return Err(
            Failure::new(Exit::Refused, "not_a_relay", what).next("check the URL; a relay answers ok at /_hook/health")
        );
    }
    let mut credentials = Credentials::read()?;
    credentials.default = Some(relay.url());
    credentials.tokens.insert(relay.url(), token);
    credentials.write()?;
    context.ui.status(&format!(
        "Logged in to {}. The token is kept in {}.",
        relay.url(),
        Credentials::path().display()
    ));
    context.ui.status("next: hook listen --forward-to localhost:3000 --name shop");
    Ok(Exit::Done)
}

fn read_token(relay: &str) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::local(format!("the token could not be read: {}.", crate::text::io(&e)));
    if std::io::stdin().is_terminal() {
        let token =
            rpassword::prompt_password(format!("Token for {}: ", crate::sanitize::sanitize(relay))).map_err(failed)?;
        return Ok(token.trim().to_owned());
    }
    let mut text = String::new();
    std::io::stdin().take(64 * 1024).read_to_string(&mut text).map_err(failed)?;
    Ok(text.trim().to_owned())
}
