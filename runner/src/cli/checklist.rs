//! `mcspec checklist`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::complaint::{Complaint, note};
use super::exit::Exit;
use super::output::Stdout;
use super::prepare;
use super::select::Selection;
use crate::atomic;
use crate::checklist::{Checklist, Goldens, Scores, Surroundings, markdown};
use crate::config::Config;
use crate::golden::Directory;
use crate::report::json::{self, Merged};
use crate::results::ResultsError;

/// Say whether a release may be made: everything that runs have found, on one list
///
/// What is required stands in [checklist] of mcspec.toml; that no spec fails is always required. Prints Markdown, for a release or
/// an issue. Exits with 1 where something is missing.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// JSON reports or directories of results; without any, the results of the last run
    #[arg(value_name = "RESULTS")]
    results: Vec<PathBuf>,
    /// The tag of git that goldens are compared with, instead of the last one
    #[arg(long, value_name = "TAG")]
    since: Option<String>,
    /// Write the Markdown into a file
    #[arg(long, value_name = "FILE")]
    markdown: Option<String>,
    /// Write JSON
    #[arg(long, value_name = "FILE")]
    json: Option<String>,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    let last = [config.project.results.clone()];
    if arguments.results.is_empty() && !last[0].is_dir() {
        return Err(ResultsError::None(config.project.results.clone()).into());
    }
    let results = if arguments.results.is_empty() { &last[..] } else { &arguments.results };
    let named = |path: &PathBuf| Ok((path.display().to_string(), json::read(path).map_err(unreadable)?));
    let Merged { report, remarks, is_incomplete } =
        json::merged(results.iter().map(named).collect::<Result<_, Complaint>>()?);
    let since = arguments.since.as_ref().or(config.checklist.since.as_ref());
    let goldens = Goldens::since(since.map(String::as_str), &Directory::of(&config.project).path)
        .map_err(|message| Complaint::Argument { message, hint: Some("\"git tag\" lists the tags".to_owned()) })?;
    let scores = Scores::read(scores_in(results, config)).map_err(|bad| Complaint::Argument {
        message: bad.to_string(),
        hint: Some("remove it, and measure again".to_owned()),
    })?;
    let today = prepare::today()?.to_string();
    let surroundings = Surroundings { specs: specs(config)?, goldens, scores, today, remarks, is_incomplete };
    let list = Checklist::of(&report, surroundings, &config.checklist);
    let text = markdown(&list);
    let write = |file: &Option<String>, text: &str| match file {
        None => Ok(()),
        Some(file) => {
            atomic::write_below(Path::new(file), text.as_bytes()).map_err(|error| Complaint::file(file, error))
        }
    };
    write(&arguments.markdown, &text)?;
    write(&arguments.json, &list.json())?;
    if arguments.markdown.is_none() && arguments.json.is_none() {
        Stdout::new().write_all(text.as_bytes()).map_err(Complaint::stdout)?;
    } else {
        list.requirements
            .iter()
            .filter(|requirement| requirement.holds == Some(false))
            .for_each(|requirement| note(&format!("missing: {}: {}", requirement.what, requirement.found)));
    }
    Ok(if list.holds { Exit::Ok } else { Exit::Failed })
}

fn unreadable(error: json::BadReport) -> Complaint {
    Complaint::Argument { hint: error.hint().map(str::to_owned), message: error.to_string() }
}

/// Where coverage and mutation have left what they have measured: in the directory that was named, if one was.
fn scores_in<'a>(results: &'a [PathBuf], config: &'a Config) -> &'a Path {
    results.iter().find(|path| path.is_dir()).unwrap_or(&config.project.results)
}

/// Names of the specs that run where nothing is selected. Where that is not required, there need not be any.
fn specs(config: &Config) -> Result<Vec<String>, Complaint> {
    match Selection::default().load(config) {
        Ok(groups) => Ok(groups.into_iter().flatten().map(|loaded| loaded.name).collect()),
        Err(complaint) if config.checklist.every_spec => Err(complaint),
        Err(_) => Ok(Vec::new()),
    }
}
