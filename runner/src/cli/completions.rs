//! `mcspec completions`

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Stdout;

/// Print a script that completes mcspec's arguments in a shell
#[derive(Debug, Args)]
#[command(after_help = "For bash: mcspec completions bash >~/.local/share/bash-completion/completions/mcspec")]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Runs the subcommand.
pub(super) fn completions(arguments: &Arguments, mut command: Command) -> Result<Exit, Complaint> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "mcspec", &mut script);
    Stdout::new().write_all(&script).map_err(Complaint::stdout)?;
    Ok(Exit::Ok)
}
