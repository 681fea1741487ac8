use clap::Args;
use clap_complete::Shell;

use super::Context;
use crate::failure::{Exit, Failure};

/// Completions for your shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook completions bash > ~/.local/share/bash-completion/completions/hook
  hook completions zsh > ~/.zfunc/_hook
  hook completions fish > ~/.config/fish/completions/hook.fish")]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(context: &Context, args: &CompletionsArgs, mut command: clap::Command) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "hook", &mut text);
    context.ui.bytes(&text);
    Ok(Exit::Done)
}
