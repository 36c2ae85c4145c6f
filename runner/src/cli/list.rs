//! `mcspec list`

use std::borrow::Cow;
use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Stdout;
use super::select::Selection;
use crate::config::Config;
use crate::plan::Loaded;

/// List the specs that would run, with their tags and titles; an empty line between groups
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,

    /// Write JSON: an array of groups, each an array of specs
    #[arg(long)]
    json: bool,
}

/// A spec, for programs.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    name: &'a str,
    path: Cow<'a, str>,
    title: Option<&'a str>,
    tags: Vec<&'a str>,
    /// Titles of the scenarios and permutations that would run.
    scenarios: Vec<String>,
}

/// Runs the subcommand.
pub(super) fn list(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    let groups = arguments.selection.load(config)?;
    if arguments.json {
        return json(&groups);
    }
    let width = groups.iter().flatten().map(|loaded| loaded.name.chars().count()).max().unwrap_or(0);
    let mut out = Stdout::new();
    for (i, group) in groups.iter().enumerate() {
        if i > 0 {
            writeln!(out).map_err(Complaint::stdout)?;
        }
        for loaded in group {
            let Entry { name, tags, title, scenarios, .. } = entry(loaded);
            let line = format!("{name:width$}  [{}]  {}", tags.join(", "), title.unwrap_or_default());
            writeln!(out, "{}", line.trim_end()).map_err(Complaint::stdout)?;
            let is_part = scenarios.len() < loaded.titles().len();
            for title in scenarios.iter().filter(|_| is_part) {
                writeln!(out, "  {title}").map_err(Complaint::stdout)?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn entry(loaded: &Loaded) -> Entry<'_> {
    Entry {
        name: &loaded.name,
        path: loaded.source.path.to_string_lossy(),
        title: loaded.spec.title.as_ref().map(|title| title.value.as_str()),
        tags: loaded.spec.tags.iter().map(|tag| tag.value.as_str()).collect(),
        scenarios: loaded.titles().into_iter().filter(|title| loaded.part.has(title)).collect(),
    }
}

fn json(groups: &[Vec<Loaded>]) -> Result<Exit, Complaint> {
    let groups: Vec<Vec<Entry>> = groups.iter().map(|group| group.iter().map(entry).collect()).collect();
    let text = serde_json::to_string_pretty(&groups).map_err(|error| Complaint::stdout(error.into()))?;
    writeln!(Stdout::new(), "{text}").map_err(Complaint::stdout)?;
    Ok(Exit::Ok)
}
