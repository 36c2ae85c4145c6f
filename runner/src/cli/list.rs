//! `mcspec list`

use std::io::Write;

use clap::Args;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Stdout;
use super::select::Selection;
use crate::config::Config;

/// List the specs that would run, with their tags and titles; an empty line between groups
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,
}

/// Runs the subcommand.
pub(super) fn list(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    let groups = arguments.selection.load(config)?;
    let width = groups.iter().flatten().map(|loaded| loaded.name.chars().count()).max().unwrap_or(0);
    let mut out = Stdout::new();
    for (i, group) in groups.iter().enumerate() {
        if i > 0 {
            writeln!(out).map_err(Complaint::stdout)?;
        }
        for loaded in group {
            let tags: Vec<&str> = loaded.spec.tags.iter().map(|tag| tag.value.as_str()).collect();
            let title = loaded.spec.title.as_ref().map_or("", |title| title.value.as_str());
            let line = format!("{:width$}  [{}]  {title}", loaded.name, tags.join(", "));
            writeln!(out, "{}", line.trim_end()).map_err(Complaint::stdout)?;
        }
    }
    Ok(Exit::Ok)
}
