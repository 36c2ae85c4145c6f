//! `mcspec bless`

use std::collections::BTreeSet;
use std::io::Write;

use clap::Args;
use memcheck_core::golden::row::Policy;

use super::catalog::catalog;
use super::complaint::Complaint;
use super::complete;
use super::exit::Exit;
use super::output::Stdout;
use super::results::{describe, last_run, without_version};
use crate::config::{Config, SUPPORTED_MAJORS};
use crate::golden::bless::{Blessed, bless as accept};
use crate::golden::{Directory, prune};
use crate::plan::{Case, Defaults, Environment, Overrides, cases, load};
use crate::results::schema::{CaseResult, RunIndex};

/// Accept what the last run found: write it into the goldens
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Names of specs, or globs; NAME/SCENARIO for one scenario; without any, all specs of the last run
    #[arg(value_name = "NAME", add = complete::last_run())]
    names: Vec<String>,

    /// Instead remove the goldens that no spec uses, and variants that equal what stands in for them; after a run of all
    /// specs in which none failed
    #[arg(long, conflicts_with = "names")]
    prune: bool,
}

/// Runs the subcommand.
pub(super) fn bless(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    if arguments.prune {
        return prune(config);
    }
    let (index, results) = last_run(&arguments.names, config)?;
    let mut out = Stdout::new();
    writeln!(out, "{}", describe(&index)).map_err(Complaint::stdout)?;
    let mut exit = Exit::Ok;
    let goldens = Directory::of(&config.project);
    let note = goldens.note();
    let blessed = accept(&goldens, &results);
    if let Some(note) = note.filter(|_| goldens.path.exists()) {
        writeln!(out, "{note}").map_err(Complaint::stdout)?;
    }
    let mut hints = BTreeSet::new();
    for blessed in blessed {
        let blessed = match blessed {
            Ok(blessed) => blessed,
            Err(error) => {
                exit = Exit::CouldNotRun;
                Complaint::from(error).print();
                continue;
            }
        };
        let line = match blessed {
            Blessed::Created(path) => format!("created    {}", path.display()),
            Blessed::Updated(path) => format!("updated    {}", path.display()),
            Blessed::Unchanged(path) => format!("unchanged  {}", path.display()),
            Blessed::Refused { label, reason, hint } => {
                if exit == Exit::Ok {
                    exit = Exit::Failed;
                }
                // One that is for several is given once.
                let hint = hint.filter(|hint| hints.insert(hint.clone()));
                let hint = hint.map_or(String::new(), |hint| format!("\nHINT:  {hint}"));
                format!("refused    {label}: {reason}{hint}")
            }
        };
        writeln!(out, "{line}").map_err(Complaint::stdout)?;
    }
    Ok(exit)
}

fn prune(config: &Config) -> Result<Exit, Complaint> {
    let (index, results) = last_run(&[], config)?;
    let cases = all_cases(config)?;
    if let Some(reason) = not_full_or_not_green(&cases, &index, &results) {
        let message = format!("the last run does not tell which goldens are needed: {reason}");
        let hint = "\"mcspec run '*'\" runs all specs".to_owned();
        return Err(Complaint::Argument { message, hint: Some(hint) });
    }
    let used = cases.into_iter().filter(|case| case.golden != Policy::None).map(|case| case.name);
    let mut out = Stdout::new();
    let superfluous = prune::superfluous(&Directory::of(&config.project).path, &used.collect::<Vec<_>>());
    for (file, reason) in &superfluous {
        prune::remove(file)?;
        writeln!(out, "removed    {}: {}", file.display(), reason.as_str()).map_err(Complaint::stdout)?;
    }
    if superfluous.is_empty() {
        writeln!(out, "every golden is needed").map_err(Complaint::stdout)?;
    }
    Ok(Exit::Ok)
}

/// The cases of all specs of the project, whatever the server.
fn all_cases(config: &Config) -> Result<Vec<Case>, Complaint> {
    let environment = Environment::nominal(SUPPORTED_MAJORS.end() * 10_000);
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for entry in catalog(&config.project.specs)? {
        let found = load(&entry.name, &entry.path)
            .and_then(|loaded| cases(&loaded, &environment, &Overrides::default(), Defaults::default()));
        match found {
            Ok(found) => all.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(Complaint::Specs(problems)) }
}

/// What keeps the last run from being one of all these cases in which none failed.
fn not_full_or_not_green(cases: &[Case], index: &RunIndex, results: &[CaseResult]) -> Option<String> {
    if let Some(failed) = results.iter().find(|result| result.status == "failed") {
        return Some(format!("spec \"{}\" failed", failed.label));
    }
    if let Some(part) = results.iter().find(|result| !result.not_selected.is_empty()) {
        return Some(format!("not all of spec \"{}\" was run", part.label));
    }
    let seen = |case: &&Case| {
        results.iter().any(|result| result.case == case.name)
            || index.skipped.iter().any(|label| without_version(label) == case.name)
    };
    cases.iter().find(|case| !seen(case)).map(|case| format!("spec \"{}\" was not run", case.name))
}
