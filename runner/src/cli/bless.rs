//! `mcspec bless`

use std::io::Write;

use clap::Args;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Stdout;
use super::results::{describe, last_run};
use crate::config::Config;
use crate::golden::bless::{Blessed, bless as accept};

/// Accept what the last run found: write it into the goldens
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Names of specs, or globs; without any, all specs of the last run
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Runs the subcommand.
pub(super) fn bless(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    let (index, results) = last_run(&arguments.names, config)?;
    let mut out = Stdout::new();
    writeln!(out, "{}", describe(&index)).map_err(Complaint::stdout)?;
    let mut exit = Exit::Ok;
    for blessed in accept(&config.project.expected, &results)? {
        let line = match blessed {
            Blessed::Created(path) => format!("created    {}", path.display()),
            Blessed::Updated(path) => format!("updated    {}", path.display()),
            Blessed::Unchanged(path) => format!("unchanged  {}", path.display()),
            Blessed::Refused { label, reason, hint } => {
                exit = Exit::Failed;
                let hint = hint.map_or(String::new(), |hint| format!("\nHINT:  {hint}"));
                format!("refused    {label}: {reason}{hint}")
            }
        };
        writeln!(out, "{line}").map_err(Complaint::stdout)?;
    }
    Ok(exit)
}
