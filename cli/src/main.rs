use std::process::ExitCode;

fn main() -> ExitCode {
    hook_cli::commands::main(std::env::args_os())
}
