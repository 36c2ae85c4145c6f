//! `mcspec completions`

use std::io::Write;

use clap::Args;
use clap_complete::Shell;

use super::complaint::Complaint;
use super::complete;
use super::exit::Exit;
use super::output::Stdout;

/// Print a script that completes mcspec's arguments in a shell: options, and specs, tags and words of the project at hand
#[derive(Debug, Args)]
#[command(
    after_help = "For this session:\n  bash, zsh:  source <(mcspec completions bash)\n  fish:       mcspec completions fish | source"
)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Runs the subcommand.
pub(super) fn completions(arguments: &Arguments) -> Result<Exit, Complaint> {
    let shell = arguments.shell.to_string();
    let script = complete::script(&shell)
        .ok_or_else(|| Complaint::Argument { message: format!("there are no completions for {shell}"), hint: None })?;
    Stdout::new().write_all(&script.map_err(Complaint::stdout)?).map_err(Complaint::stdout)?;
    Ok(Exit::Ok)
}
