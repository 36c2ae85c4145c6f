//! `mcspec check`

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Stdout;
use super::select::{Entry, catalog};
use crate::config::{Config, SUPPORTED_MAJORS};
use crate::plan::{Defaults, Environment, Overrides, Problem, cases, load, schedule};

/// Check specs and the schedule without a server
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Spec files; without any, all specs and the schedule
    #[arg(value_name = "FILE")]
    files: Vec<String>,

    /// Give a variable a value, whatever the spec says; repeatable
    #[arg(short, long = "var", value_name = "NAME=VALUE", value_parser = super::run::variable)]
    variables: Vec<(String, String)>,
}

/// Runs the subcommand.
pub(super) fn check(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    let known = catalog(config);
    let specs: Vec<Entry> = if arguments.files.is_empty() {
        known.clone()
    } else {
        arguments.files.iter().map(|file| Entry { name: file.clone(), path: file.into() }).collect()
    };
    let overrides = Overrides::new(arguments.variables.iter().cloned().collect::<BTreeMap<_, _>>());
    let problems: Vec<Problem> = specs.iter().flat_map(|spec| problems(spec, &overrides)).collect();
    if !problems.is_empty() {
        return Err(Complaint::Specs(problems));
    }
    let file = &config.project.schedule;
    if arguments.files.is_empty() && file.exists() {
        let names: Vec<String> = known.into_iter().map(|entry| entry.name).collect();
        schedule::read(file, &names)?;
    }
    if specs.is_empty() {
        let message = format!("there are no specs in \"{}\"", config.project.specs.display());
        return Err(Complaint::Nothing { message, hint: None });
    }
    let count = if specs.len() == 1 { "1 spec".to_owned() } else { format!("{} specs", specs.len()) };
    writeln!(Stdout::new(), "{count}, no errors").map_err(Complaint::stdout)?;
    Ok(Exit::Ok)
}

/// Everything that is wrong with a spec on any server.
fn problems(spec: &Entry, overrides: &Overrides) -> Vec<Problem> {
    let loaded = match load(&spec.name, &spec.path) {
        Ok(loaded) => loaded,
        Err(problems) => return problems,
    };
    let environment = Environment::nominal(SUPPORTED_MAJORS.end() * 10_000);
    match cases(&loaded, &environment, overrides, Defaults::default()) {
        // Every case of a spec has the same.
        Ok(cases) => cases.into_iter().next().map(|case| case.unsupported).unwrap_or_default(),
        Err(problems) => problems,
    }
}
