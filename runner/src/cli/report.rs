//! `mcspec report`

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::complaint::{Complaint, note};
use super::exit::Exit;
use super::output::Stdout;
use crate::atomic;
use crate::compare::saved;
use crate::config::Config;
use crate::report::json::{self, Merged, RunReport};
use crate::report::tree::{self, Look};
use crate::report::{junit, page};

/// Make reports of what runs have left, of several as of one
///
/// Without an option it prints the verdicts. Exits as "mcspec run" would have; with 2 where of several shards one is missing.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// JSON reports, directories of results, or names that something was saved under; without any, the last run
    #[arg(value_name = "RESULTS")]
    results: Vec<PathBuf>,
    /// Write one HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<String>,
    /// Write JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<String>,
    /// Write the JSON report
    #[arg(long, value_name = "FILE")]
    json: Option<String>,
    /// Print curves and trees of what allocates
    #[arg(long)]
    tree: bool,
    /// Keep it under that name, such as a release's, for "mcspec compare"
    #[arg(long, value_name = "NAME")]
    save: Option<String>,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    let directory = &config.project.results;
    let last = [directory.clone()];
    let results = if arguments.results.is_empty() { &last[..] } else { &arguments.results };
    let reports = results.iter().map(|path| read(path, directory)).collect::<Result<_, _>>()?;
    let Merged { report, remarks, is_incomplete } = json::merged(reports);
    for remark in &remarks {
        note(&format!("warning: {remark}"));
    }
    let write = |file: &Option<String>, text: &dyn Fn() -> String| match file {
        None => Ok(()),
        Some(file) => {
            atomic::write_below(Path::new(file), text().as_bytes()).map_err(|error| Complaint::file(file, error))
        }
    };
    write(&arguments.html, &|| page::page(&report, &remarks))?;
    write(&arguments.junit, &|| junit::document(&report))?;
    write(&arguments.json, &|| json::text(&report))?;
    if let Some(name) = &arguments.save {
        saved::save(directory, name, &report).map_err(argument)?;
    }
    let is_written =
        [&arguments.html, &arguments.junit, &arguments.json, &arguments.save].iter().any(|file| file.is_some());
    if arguments.tree {
        print(&tree::text(&report, look()))?;
    } else if !is_written {
        print(&tree::verdicts(&report, look()))?;
    }
    // A shard alone is looked at for itself.
    Ok(if is_incomplete && results.len() > 1 { Exit::CouldNotRun } else { exit(&report) })
}

/// A report by its path, or else by the name that it is saved under.
fn read(path: &Path, results: &Path) -> Result<(String, RunReport), Complaint> {
    let name = path.display().to_string();
    let path = match saved::file(results, &name) {
        Ok(file) if !path.exists() && file.exists() => file,
        _ => path.to_owned(),
    };
    let report = json::read(&path)
        .map_err(|error| Complaint::Argument { hint: error.hint().map(str::to_owned), message: error.to_string() })?;
    Ok((name, report))
}

fn argument(error: saved::SaveError) -> Complaint {
    Complaint::Argument { hint: error.hint().map(str::to_owned), message: error.to_string() }
}

/// What the terminal can show: letters by the locale, columns by COLUMNS or as there are.
pub(super) fn look() -> Look {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    let is_utf8 = locale.is_some_and(|locale| {
        let name = locale.to_string_lossy().to_ascii_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    });
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let columns = || terminal_size::terminal_size().map(|(terminal_size::Width(width), _)| width.into());
    Look { ascii: !is_utf8, width: told.or_else(|| columns().filter(|_| io::stdout().is_terminal())) }
}

fn print(text: &str) -> Result<(), Complaint> {
    let mut out = Stdout::colored();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Complaint::stdout)
}

/// As the run would have ended.
fn exit(report: &RunReport) -> Exit {
    match (&report.error, &report.summary) {
        (Some(_), _) => Exit::CouldNotRun,
        (None, summary) if summary.unsupported > 0 => Exit::CouldNotRun,
        (None, summary) if summary.failed > 0 => Exit::Failed,
        _ => Exit::Ok,
    }
}
