//! `mcspec compare`

use std::io::Write;

use clap::Args;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::{Stdout, format_and_file};
use super::report::look;
use crate::atomic;
use crate::compare::{FORMATS, Format, Side, SideError, compare, saved, show, show_trend, trend};
use crate::config::Config;

/// Compare what two runs have found: what is new, gone, worse, better
///
/// A side is a JSON report, a directory of results, a name that "mcspec report --save NAME" was given, or a commit such as a tag,
/// whose goldens are taken. Exits with 1 where something is new or worse.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What was, and what is: JSON reports, directories of results, names that something was saved under, or commits; without the
    /// second the last run
    #[arg(value_name = "OLD [NEW]")]
    sides: Vec<String>,
    /// Show what has become of each violation over all that was saved, or over those that are named
    #[arg(long)]
    trend: bool,
    /// How it is shown: pretty, markdown, json or html; into FILE, or on the standard output
    #[arg(long, value_name = "FORMAT[=FILE]")]
    report: Vec<ReportTo>,
}

#[derive(Debug, Clone)]
struct ReportTo {
    format: Format,
    file: Option<String>,
}

impl std::str::FromStr for ReportTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        format_and_file(text, FORMATS.into_iter()).map(|(format, file)| ReportTo { format, file })
    }
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    let default = [ReportTo { format: Format::Pretty, file: None }];
    let reports = if arguments.report.is_empty() { &default[..] } else { &arguments.report };
    let names: Vec<&str> = arguments.sides.iter().map(String::as_str).collect();
    if arguments.trend {
        let all = trend(&followed(&names, config)?);
        write(reports, |format| show_trend(&all, format, look()))?;
        return Ok(Exit::Ok);
    }
    let last = config.project.results.to_string_lossy();
    let (old, new) = match names.as_slice() {
        [old] => (side(old, config)?, side(&last, config)?),
        [old, new] => (side(old, config)?, side(new, config)?),
        [] => {
            let hint = "\"mcspec compare --trend\" goes through all that was saved";
            return Err(wrong("a comparison takes what was, and what is", hint));
        }
        _ => return Err(wrong("a comparison has two sides", "with \"--trend\" there may be more")),
    };
    let comparison = compare(&old, &new);
    write(reports, |format| show(&comparison, &old, &new, format))?;
    Ok(if comparison.is_worse() { Exit::Failed } else { Exit::Ok })
}

/// The runs of a trend: those that are named, or all that were saved and the last one, in the order in which they ended.
fn followed(names: &[&str], config: &Config) -> Result<Vec<Side>, Complaint> {
    if !names.is_empty() {
        return names.iter().map(|name| side(name, config)).collect();
    }
    let results = &config.project.results;
    let mut sides = saved::names(results).iter().map(|name| side(name, config)).collect::<Result<Vec<Side>, _>>()?;
    if sides.is_empty() {
        return Err(wrong("nothing was saved", "\"mcspec report --save before\" keeps the last run as \"before\""));
    }
    sides.sort_by_key(|side| side.ended);
    match Side::of(&results.to_string_lossy(), results, &config.project.expected) {
        // What was saved last may be that very run.
        Ok(last) if sides.last().is_none_or(|side| side.ended != last.ended) => sides.push(last),
        _ => {}
    }
    Ok(sides)
}

fn side(name: &str, config: &Config) -> Result<Side, Complaint> {
    Side::of(name, &config.project.results, &config.project.expected).map_err(complaint)
}

fn write(reports: &[ReportTo], text: impl Fn(Format) -> String) -> Result<(), Complaint> {
    for ReportTo { format, file } in reports {
        let text = text(*format);
        match file {
            None => Stdout::new().write_all(text.as_bytes()).map_err(Complaint::stdout)?,
            Some(file) => {
                atomic::write_below(file.as_ref(), text.as_bytes()).map_err(|error| Complaint::file(file, error))?;
            }
        }
    }
    Ok(())
}

fn wrong(message: &str, hint: &str) -> Complaint {
    Complaint::Argument { message: message.to_owned(), hint: Some(hint.to_owned()) }
}

fn complaint(error: SideError) -> Complaint {
    Complaint::Argument { hint: error.hint().map(str::to_owned), message: error.to_string() }
}
