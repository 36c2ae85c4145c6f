//! `mcspec diff`

use std::io::Write;

use clap::Args;

use super::complaint::Complaint;
use super::complete;
use super::exit::Exit;
use super::output::Stdout;
use super::results::{describe, last_run};
use crate::config::Config;
use crate::golden::{self, Directory};
use crate::report::fault::difference_lines;
use crate::report::{Tone, tone};
use crate::results::ResultsError;
use crate::results::schema::CaseResult;

/// Show how what the last run found differs from the goldens
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Names of specs, or globs; NAME/SCENARIO for one scenario; without any, all specs of the last run
    #[arg(value_name = "NAME", add = complete::last_run())]
    names: Vec<String>,
}

/// Runs the subcommand.
pub(super) fn diff(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    let (index, results) = last_run(&arguments.names, config)?;
    let mut out = Stdout::colored();
    writeln!(out, "{}", describe(&index)).map_err(Complaint::stdout)?;
    let mut exit = Exit::Ok;
    let goldens = Directory::of(&config.project);
    for result in results {
        for line in differences(&result, &goldens, config)? {
            exit = Exit::Failed;
            writeln!(out, "{line}").map_err(Complaint::stdout)?;
        }
    }
    Ok(exit)
}

/// How a case differs from the golden there is now, in the colors of `mcspec review`.
fn differences(result: &CaseResult, goldens: &Directory, config: &Config) -> Result<Vec<String>, Complaint> {
    let recorded = golden::look_up(&goldens.path, &result.case, &result.server.axes())?;
    let path = recorded.as_ref().map_or("no golden".to_owned(), |recorded| recorded.path.display().to_string());
    let unusable = |reason| ResultsError::Bad { path: config.project.results.join(&result.label), reason };
    let mut lines = Vec::new();
    for seen in result.observed().map_err(unusable)? {
        let block = recorded.as_ref().and_then(|recorded| recorded.golden.block(&seen.title));
        let found = golden::differences(block, &seen);
        if !found.is_empty() {
            let bold = tone(Tone::Headline);
            lines.push(format!("{bold}{}: {path}: {}{bold:#}", result.label, seen.title));
            lines.extend(difference_lines(&found).into_iter().map(|line| {
                let style = tone(line.tone);
                format!("{style}{}{style:#}", line.text)
            }));
        }
    }
    Ok(lines)
}
