//! The variables of a case: where their values come from and which wins.

use std::collections::BTreeMap;

use super::condition::Environment;
use super::load::Loaded;
use super::name::{Cell, hash};
use crate::language::sql::Variables;

/// The variable that is the name of the spec's database.
pub(super) const DATABASE: &str = "database";

/// Values given outside the spec.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `-v name=value`
    pub command_line: BTreeMap<String, String>,
    /// `MCSPEC_VAR_name=value`
    pub environment: BTreeMap<String, String>,
}

impl Overrides {
    /// Those of this process's environment and of the command line.
    pub fn new(command_line: BTreeMap<String, String>) -> Self {
        let variable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            let name = name.to_str()?.strip_prefix("MCSPEC_VAR_")?.to_owned();
            Some((name, value.into_string().ok()?))
        };
        Overrides { command_line, environment: std::env::vars_os().filter_map(variable).collect() }
    }

    /// The value that wins over the spec's.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.command_line.get(name).or_else(|| self.environment.get(name)).map(String::as_str)
    }
}

/// Every combination of the spec's matrices, the last one varying fastest. A matrix whose variable is overridden has
/// that one value.
pub(super) fn cells(loaded: &Loaded, overrides: &Overrides) -> Vec<Cell> {
    let mut cells = vec![Cell::new()];
    for matrix in &loaded.spec.matrix {
        let name = &matrix.name.value;
        let values: Vec<&str> = match overrides.get(name) {
            Some(value) => vec![value],
            None => matrix.values.iter().map(|value| value.value.as_str()).collect(),
        };
        let with = |cell: &Cell, value: &str| {
            let mut cell = cell.clone();
            cell.push((name.clone(), value.to_owned()));
            cell
        };
        cells =
            cells.iter().flat_map(|cell| values.iter().map(|value| with(cell, value)).collect::<Vec<_>>()).collect();
    }
    cells
}

/// The variables of a case but `:i`: `-v`, then the environment, then `var` and `matrix`, then the built-in ones.
pub(super) fn variables(
    loaded: &Loaded,
    cell: &Cell,
    overrides: &Overrides,
    case: &str,
    environment: &Environment,
) -> Variables {
    let mut variables = Variables::default();
    variables.set("seed", "1");
    for var in loaded.parts().flat_map(|(_, spec)| &spec.vars) {
        variables.set(&var.name.value, &var.value.value);
    }
    for (name, value) in cell {
        variables.set(name, value);
    }
    for (name, value) in overrides.environment.iter().chain(&overrides.command_line) {
        variables.set(name, value);
    }
    variables.set("pg_version_num", environment.version_num.to_string());
    // Known before there is a server, for what has to stand in postgresql.conf.
    variables.set(DATABASE, format!("{}spec_{:016x}", environment.database_prefix, hash(case)));
    variables.set("spec", case);
    variables
}
