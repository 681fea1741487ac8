//! The commands, one file each: arguments, help and action together. They do not import each other.

mod completions;
mod config;
mod doctor;
mod events;
mod explain;
mod listen;
mod login;
mod logout;
mod providers;
mod replay;
mod schema;
mod secret;
mod setup;
mod show;
mod status;
mod trigger;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

use crate::failure::{Exit, Failure};
use crate::journal::Journal;
use crate::platform;
use crate::ui::{ColorChoice, Surroundings, Ui};

/// Webhooks on localhost: get a public URL, forward what is sent to it, print, keep and replay it.
#[derive(Debug, Parser)]
#[command(
    name = "hook",
    version,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  hook listen --forward-to localhost:3000/webhooks/stripe
  hook listen --demo
  hook replay last

Data goes to standard output, everything else to standard error.
Exit codes: 0 done, 1 failed, 2 usage, 3 local trouble, 4 refused by the relay, 5 relay unreachable, 130 interrupted twice."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The journal's file [default: $XDG_DATA_HOME/hook/journal.db]
    #[arg(long, global = true, env = "HOOK_JOURNAL", value_name = "PATH", hide_env = true)]
    pub journal: Option<PathBuf>,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = false)]
    pub color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    Listen(Box<listen::ListenArgs>),
    Events(events::EventsArgs),
    Show(show::ShowArgs),
    Replay(Box<replay::ReplayArgs>),
    Trigger(Box<trigger::TriggerArgs>),
    Verify(verify::VerifyArgs),
    Explain(explain::ExplainArgs),
    Setup(setup::SetupArgs),
    /// Run a relay: public URLs, and an inbox that keeps what is sent to them
    Relay(hook_relay_server::command::RelayArgs),
    Login(login::LoginArgs),
    Logout(logout::LogoutArgs),
    Status(status::StatusArgs),
    Doctor(doctor::DoctorArgs),
    Config(config::ConfigArgs),
    Providers(providers::ProvidersArgs),
    Secret(secret::SecretArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
}

/// What every command gets.
pub struct Context {
    pub ui: Arc<Ui>,
    pub global: Global,
}

impl Context {
    pub fn journal_path(&self) -> PathBuf {
        self.global.journal.clone().unwrap_or_else(|| platform::data_dir().join("journal.db"))
    }

    pub fn journal(&self) -> Result<Journal, Failure> {
        Ok(Journal::open(&self.journal_path())?)
    }
}

/// Runs the program: arguments in, exit code out.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    ExitCode::from(match run(&args) {
        Ok(exit) => exit as u8,
        Err(End::Clap(code)) => code,
        Err(End::Failure(ui, failure)) => {
            // What a person typed comes back in it.
            ui.status(&crate::sanitize::sanitize_block(&failure.to_string()));
            failure.exit as u8
        }
        Err(End::Relay(code)) => code,
    })
}

enum End {
    Failure(Arc<Ui>, Failure),
    Clap(u8),
    Relay(u8),
}

fn run(args: &[OsString]) -> Result<Exit, End> {
    let plain = Arc::new(Ui::new(&Surroundings::of_this_process(), ColorChoice::Auto));
    if let Some(failure) = wrong_dash(args) {
        return Err(End::Failure(plain, failure));
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return Err(usage(plain, &error, args)),
    };
    let ui = Arc::new(Ui::new(&Surroundings::of_this_process(), cli.global.color));
    let context = Context { ui: ui.clone(), global: cli.global };
    if let Command::Relay(args) = cli.command {
        return Err(End::Relay(hook_relay_server::command::run_to_exit(args)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Err(error) => Err(Failure::local(format!("no runtime: {}", crate::text::io(&error)))),
        Ok(runtime) => {
            let result = runtime.block_on(dispatch(&context, cli.command));
            runtime.shutdown_background();
            result
        }
    };
    // A reader that went away has what it wanted.
    if ui.is_closed() {
        return Ok(Exit::Done);
    }
    match result {
        // Who asked for JSON reads standard output alone.
        Err(failure) if asks_for_json(args) => {
            ui.data(&crate::output::json::failure(&failure));
            Ok(failure.exit)
        }
        other => other.map_err(|failure| End::Failure(ui, failure)),
    }
}

fn asks_for_json(args: &[OsString]) -> bool {
    args.iter().any(|a| a == "--output=json") || args.windows(2).any(|w| w[0] == "--output" && w[1] == "json")
}

async fn dispatch(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Listen(args) => Box::pin(listen::run(context, *args)).await,
        Command::Events(args) => events::run(context, args).await,
        Command::Show(args) => show::run(context, args).await,
        Command::Replay(args) => Box::pin(replay::run(context, *args)).await,
        Command::Trigger(args) => Box::pin(trigger::run(context, *args)).await,
        Command::Verify(args) => verify::run(context, args).await,
        Command::Explain(args) => explain::run(context, args).await,
        Command::Setup(args) => Box::pin(setup::run(context, args)).await,
        Command::Login(args) => login::run(context, args).await,
        Command::Logout(args) => logout::run(context, &args),
        Command::Status(args) => status::run(context, &args).await,
        Command::Doctor(args) => doctor::run(context, &args).await,
        Command::Config(args) => config::run(context, &args),
        Command::Providers(args) => providers::run(context, &args),
        Command::Secret(args) => secret::run(context, args).await,
        Command::Schema(args) => schema::run(context, &args),
        Command::Completions(args) => completions::run(context, &args, Cli::command()),
        Command::Relay(_) => Ok(Exit::Done),
    }
}

/// Help and version as they are; everything else in our own form, without the usage text.
fn usage(ui: Arc<Ui>, error: &clap::Error, args: &[OsString]) -> End {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        let code = error.exit_code();
        let _ = error.print();
        return End::Clap(code as u8);
    }
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let more: Vec<&str> = lines.take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more")).collect();
    let tip = more.iter().find_map(|l| l.strip_prefix("tip: ")).map(str::to_owned);
    let listed: Vec<&str> = more.into_iter().filter(|l| !l.starts_with("tip:")).collect();
    let what = if listed.is_empty() { first } else { format!("{first} {}", listed.join(" ")) };
    let what = crate::sanitize::sanitize(&what).into_owned();
    let command = args.iter().skip(1).find_map(|a| {
        let name = a.to_str()?;
        Cli::command().find_subcommand(name).is_some().then(|| name.to_owned())
    });
    let stray = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    let target = stray.filter(|_| command.as_deref() == Some("listen") && error.kind() == ErrorKind::UnknownArgument);
    let target = target.filter(|t| !t.starts_with('-') && t.parse::<crate::target::ForwardTo>().is_ok());
    if let Some(target) = target {
        let what = format!("\"{target}\" is said without --forward-to.");
        return End::Failure(ui, Failure::usage(what).next(format!("hook listen --forward-to {target}")));
    }
    let help = command.map_or_else(|| "hook --help".to_owned(), |c| format!("hook {c} --help"));
    let what = match tip {
        Some(tip) => format!("{what} ({})", crate::sanitize::sanitize(&tip)),
        None => what,
    };
    End::Failure(ui, Failure::usage(what).next(help))
}

/// Word processors turn `--` into a dash that no program knows.
fn wrong_dash(args: &[OsString]) -> Option<Failure> {
    const DASHES: [(char, &str); 9] = [
        ('\u{2010}', "a typographic hyphen"),
        ('\u{2011}', "a non-breaking hyphen"),
        ('\u{2012}', "a figure dash"),
        ('\u{2013}', "an en dash"),
        ('\u{2014}', "an em dash"),
        ('\u{2015}', "a horizontal bar"),
        ('\u{2212}', "a minus sign"),
        ('\u{fe63}', "a small hyphen"),
        ('\u{ff0d}', "a full-width hyphen"),
    ];
    let find = |text: &str| DASHES.iter().find(|(dash, _)| text.trim_start_matches('-').starts_with(*dash)).copied();
    let (wrong, name) = args.iter().skip(1).find_map(|a| Some((a.to_str()?, find(a.to_str()?)?.1)))?;
    let mend = |arg: &OsString| -> String {
        let text = arg.to_string_lossy();
        match find(&text) {
            Some(_) => {
                let is_dash = |c: char| c == '-' || DASHES.iter().any(|(d, _)| *d == c);
                format!("--{}", text.trim_start_matches(is_dash))
            }
            None => text.into_owned(),
        }
    };
    let mended: Vec<String> = args.iter().skip(1).map(mend).collect();
    let wrong = crate::sanitize::sanitize(wrong);
    let next = crate::sanitize::sanitize(&mended.join(" ")).into_owned();
    Some(Failure::usage(format!("\"{wrong}\" begins with {name}, not with --.")).next(format!("hook {next}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/cli-reference.md is this test's output: `UPDATE_DOCS=1 cargo test -p hook reference` writes it.
    #[test]
    fn the_command_reference_is_current() {
        use std::fmt::Write;
        let mut text =
            String::from("# Command reference\n\nWritten by a test from the program's own help; do not edit.\n");
        let mut add = |name: &str, mut command: clap::Command| {
            let help = command.render_long_help().to_string();
            let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
            let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
        };
        let root = Cli::command().term_width(100);
        add("hook", root.clone());
        for command in root.get_subcommands() {
            let name = format!("hook {}", command.get_name());
            add(&name, command.clone().bin_name(name.clone()).term_width(100));
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli-reference.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == text, "docs/cli-reference.md is not current: UPDATE_DOCS=1 cargo test -p hook reference");
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_typographic_dash_is_named_with_the_corrected_command() {
        let args: Vec<OsString> = ["hook", "listen", "–forward-to", "3000"].map(Into::into).to_vec();
        let failure = wrong_dash(&args).unwrap();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(
            failure.to_string(),
            "hook: \"–forward-to\" begins with an en dash, not with --.\nnext: hook listen --forward-to 3000"
        );
    }
}
