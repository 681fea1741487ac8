use clap::Args;

use super::Context;
use crate::config::{self, Credentials, ProjectFile};
use crate::failure::{Exit, Failure};
use crate::platform;
use crate::sanitize::sanitize;

/// Where settings come from, and what they are; secrets are never shown
#[derive(Debug, Args)]
pub struct ConfigArgs {}

pub fn run(context: &Context, _: &ConfigArgs) -> Result<Exit, Failure> {
    let project = platform::project_dir();
    let file = ProjectFile::read(&project)?;
    let relay = config::relay(None, file.as_ref())?;
    let credentials = Credentials::read()?;
    let out = |name: &str, value: &str| context.ui.text(&format!("{name:<12} {}", sanitize(value)));
    out("project", &project.display().to_string());
    let place = project.join("hook.toml").display().to_string();
    out(
        "hook.toml",
        &file
            .as_ref()
            .map_or_else(|| format!("none ({place})"), |f| format!("{place}, {} endpoints", f.endpoints().len())),
    );
    out("journal", &context.journal_path().display().to_string());
    out("credentials", &Credentials::path().display().to_string());
    match &relay {
        Some((relay, from)) => out("relay", &format!("{} (from {})", relay.url(), from.words())),
        None => out("relay", "embedded"),
    }
    for (url, token) in &credentials.tokens {
        out("logged in", &format!("{url} with {}", masked(token)));
    }
    Ok(Exit::Done)
}

/// A prefix and the last four characters, when there is enough of it to hide.
fn masked(secret: &str) -> String {
    let last: String = secret.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    if secret.len() >= 20 {
        format!("{}…{last}", secret.chars().take(3).collect::<String>())
    } else {
        "…".to_owned()
    }
}
