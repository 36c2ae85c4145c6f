//! `mcspec check`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::catalog::{Entry, catalog};
use super::complaint::{Complaint, SHOWN, guarded, not_shown};
use super::complete;
use super::exit::Exit;
use super::output::Stdout;
use super::prepare;
use crate::config::{Config, SUPPORTED_MAJORS};
use crate::hint;
use crate::language::lint::Warning;
use crate::plan::{Defaults, Environment, Loaded, Overrides, Problem, cases, load, schedule};

/// Check specs and the schedule without a server, and warn of what a spec probably does not mean
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Spec files; without any, all specs and the schedule
    #[arg(value_name = "FILE", add = complete::spec_files())]
    files: Vec<PathBuf>,

    /// Give a variable a value, whatever the spec says; repeatable
    #[arg(short, long = "var", value_name = "NAME=VALUE", value_parser = super::run::variable)]
    variables: Vec<(String, String)>,
}

/// Runs the subcommand.
pub(super) fn check(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    prepare::warn_of_allowances(config);
    let known = catalog(&config.project.specs)?;
    let specs: Vec<Entry> = if arguments.files.is_empty() {
        known.clone()
    } else {
        let entry = |file: &PathBuf| Entry { name: file.display().to_string(), path: file.clone() };
        arguments.files.iter().map(entry).collect()
    };
    let file = &config.project.schedule;
    let scheduled = match arguments.files.is_empty() && file.exists() {
        true => Some(schedule::read(file, &known.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>())),
        false => None,
    };
    // Where the schedule has errors, nothing is missed in it.
    let is_missed = |spec: &Entry| match &scheduled {
        Some(Ok(groups)) => !groups.iter().any(|group| group.names.contains(&spec.name)),
        Some(Err(_)) | None => false,
    };
    let overrides = Overrides::new(arguments.variables.iter().cloned().collect::<BTreeMap<_, _>>());
    let (mut problems, mut rendered) = (Vec::new(), Vec::new());
    let (mut warnings, mut broken) = (0, 0);
    let mut first = None;
    for spec in &specs {
        let checked = guarded(&spec.path, || -> Result<_, Vec<Problem>> {
            let loaded = load(&spec.name, &spec.path)?;
            Ok((beyond_syntax(&loaded, &overrides), loaded.warnings(is_missed(spec)), loaded.source))
        });
        match checked {
            Some(Ok((found, warned, source))) => {
                problems.extend(found);
                warnings += warned.len();
                first = first.or(warned.first().map(|warning| warning.code));
                let shown = warned.into_iter().take(SHOWN - rendered.len());
                let render = |warning: Warning| warning.diagnostic.render_warning(warning.code, &source, true);
                rendered.extend(shown.map(render));
            }
            Some(Err(found)) => problems.extend(found),
            None => broken += 1,
        }
    }
    if let Some(code) = first {
        print(&rendered, warnings, code);
    }
    if !problems.is_empty() {
        return Err(Complaint::Specs(problems));
    }
    scheduled.transpose()?;
    if specs.is_empty() {
        let message = format!("there are no specs in \"{}\"", config.project.specs.display());
        return Err(Complaint::Nothing { message, hint: None });
    }
    let count = if specs.len() == 1 { "1 spec".to_owned() } else { format!("{} specs", specs.len()) };
    let warned = match warnings {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        several => format!(", {several} warnings"),
    };
    let errors = match broken {
        0 => "no errors".to_owned(),
        broken => format!("{broken} not checked"),
    };
    writeln!(Stdout::new(), "{count}, {errors}{warned}").map_err(Complaint::stdout)?;
    Ok(Exit::Ok)
}

/// Writes warnings to the standard error, and where to read more about the first of them, as about the others.
fn print(warnings: &[String], count: usize, first: &str) {
    let (shown, more) = (warnings.join("\n\n"), not_shown(count, "warning"));
    let explain = hint::mcspec(&["explain", first]);
    let text = format!("{shown}\n\n{more}mcspec: hint: \"{explain}\" says more\n");
    // There is nowhere left to report a failure to.
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Everything that is wrong with a spec that parses, on any server.
fn beyond_syntax(loaded: &Loaded, overrides: &Overrides) -> Vec<Problem> {
    let environment = Environment::nominal(SUPPORTED_MAJORS.end() * 10_000);
    match cases(loaded, &environment, overrides, Defaults::default()) {
        // Every case of a spec has the same.
        Ok(cases) => cases.into_iter().next().map(|case| case.unsupported).unwrap_or_default(),
        Err(problems) => problems,
    }
}
