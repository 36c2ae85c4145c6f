//! `mcspec schema`

use std::io::Write;

use clap::Args;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Stdout;
use crate::schema::SCHEMAS;

/// Print the JSON schema of a file that mcspec reads or writes
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// config (mcspec.toml), result, run, report, checklist, coverage, mutations, compare or trend; without any, what each is of
    #[arg(value_name = "NAME", value_parser = SCHEMAS.map(|schema| schema.name))]
    name: Option<String>,
}

/// Runs the subcommand.
pub(super) fn schema(arguments: &Arguments) -> Result<Exit, Complaint> {
    let text = match &arguments.name {
        Some(name) => SCHEMAS.iter().find(|schema| schema.name == name).map(|schema| schema.text()),
        None => Some(SCHEMAS.iter().map(|schema| format!("{:9}  {}\n", schema.name, schema.about)).collect()),
    };
    Stdout::new().write_all(text.unwrap_or_default().as_bytes()).map_err(Complaint::stdout)?;
    Ok(Exit::Ok)
}
