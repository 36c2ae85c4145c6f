//! The configuration parameters of libraries: set to good and bad values, and reset.

use super::pool::Pool;
use super::subject::{Form, SetAside, Subject};
use crate::init::catalog::Type;
use crate::init::literals::quoted;
use crate::init::trial::{Refused, Trial};

/// Parameters of the server's own extensions, and of the engine: of others than those that are hunted.
const NOT_OURS: [&str; 2] = ["pg_ext_memcheck.", "plpgsql."];

/// How many of them are set while statements run.
const TOGETHER: usize = 40;

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    name: String,
    /// `bool`, `integer`, `real`, `string` or `enum`
    kind: String,
    /// Who may set it, and when.
    context: String,
    smallest: Option<String>,
    largest: Option<String>,
    labels: Vec<String>,
    boot: Option<String>,
}

/// The parameters that libraries define, when they are loaded.
///
/// # Errors
///
/// What the server says.
pub fn read(trial: &mut Trial, libraries: &[String]) -> Result<Vec<Setting>, Refused> {
    let options = format!("-c session_preload_libraries={}", libraries.join(","));
    let sql = "SELECT name, vartype, context, min_val, max_val, coalesce(enumvals, '{}'), boot_val FROM pg_catalog.pg_settings
                WHERE name LIKE '%.%' ORDER BY name";
    let rows = trial.query_with(&options, sql, "")?;
    let setting = |row: &tokio_postgres::Row| Setting {
        name: row.get(0),
        kind: row.get(1),
        context: row.get(2),
        smallest: row.get(3),
        largest: row.get(4),
        labels: row.get(5),
        boot: row.get(6),
    };
    let all = rows.iter().map(setting);
    Ok(all.filter(|setting| !NOT_OURS.iter().any(|prefix| setting.name.starts_with(prefix))).collect())
}

impl Setting {
    /// Values that it may take, and such as it may not.
    fn values(&self) -> Vec<String> {
        let mut all: Vec<String> = match self.kind.as_str() {
            "bool" => ["on", "off"].map(str::to_owned).to_vec(),
            "enum" => self.labels.clone(),
            "string" => {
                ["", "abc", "a, b", "\"a", "*", "/nosuch", "\u{1f600}", "1.5", "%m [%p] "].map(str::to_owned).to_vec()
            }
            _ => Vec::new(),
        };
        if matches!(self.kind.as_str(), "integer" | "real") {
            let ends = || [&self.smallest, &self.largest].into_iter().flatten();
            all.extend(ends().cloned());
            all.extend(["0", "1", "-1", "100", "1kB", "1min", "99999999999999999999", "0.5"].map(str::to_owned));
            all.extend(
                ends()
                    .filter_map(|end| end.parse::<i64>().ok())
                    .flat_map(|end| [end - 1, end + 1])
                    .map(|end| end.to_string()),
            );
        }
        all.extend(self.boot.iter().cloned());
        all.extend(["nonsense", ""].map(str::to_owned));
        let mut all: Vec<String> = all.iter().map(|value| quoted(value)).collect();
        if self.kind == "string" {
            all.push(quoted(&"x".repeat(3000)));
        }
        all.push("DEFAULT".to_owned());
        let mut known = std::collections::BTreeSet::new();
        all.retain(|value| known.insert(value.clone()));
        all
    }

    /// A value that is not the one it has, and that it takes.
    fn other(&self) -> Option<String> {
        Some(match self.kind.as_str() {
            "bool" if self.boot.as_deref() == Some("on") => "off".to_owned(),
            "bool" => "on".to_owned(),
            "enum" => self.labels.iter().find(|label| Some(*label) != self.boot.as_ref())?.clone(),
            "integer" | "real" => match self.boot.as_deref() {
                // What is off is turned on: everything is longer than nothing.
                Some("-1") => "0".to_owned(),
                boot => [&self.smallest, &self.largest]
                    .into_iter()
                    .flatten()
                    .find(|end| Some(end.as_str()) != boot)?
                    .clone(),
            },
            _ => return None,
        })
    }

    fn is_set_by_sessions(&self) -> bool {
        matches!(self.context.as_str(), "user" | "superuser")
    }
}

/// What is done with them. `load` has the libraries loaded in a session.
pub fn subjects(settings: &[Setting], load: &[String]) -> (Vec<Subject>, Vec<SetAside>) {
    let (mut all, mut aside) = (Vec::new(), Vec::new());
    for setting in settings {
        let name = &setting.name;
        let script =
            |workload: Vec<String>| Form::Script { setup: Vec::new(), workload, teardown: Vec::new(), error: None };
        match setting.context.as_str() {
            "user" | "superuser" => {
                let value = Type { oid: String::new(), name: format!("value of {name}") };
                let subject = Subject::new(format!("SET {name}"), format!("SET {name} = $1"), Form::Statement);
                all.push(subject.taking(&[value]).made_by(load));
                let Some(other) = setting.other().map(|value| quoted(&value)) else { continue };
                let function = format!("mcspec_sets_{}", crate::init::calls::plain(name));
                let workload = [
                    format!("SET {name} = {other}"),
                    format!("SHOW {name}"),
                    format!("RESET {name}"),
                    "BEGIN".to_owned(),
                    format!("SET LOCAL {name} = {other}"),
                    "SAVEPOINT s".to_owned(),
                    format!("SET {name} = {other}"),
                    "ROLLBACK TO SAVEPOINT s".to_owned(),
                    "ROLLBACK".to_owned(),
                    format!("SELECT {function}()"),
                ];
                let make = format!(
                    "CREATE OR REPLACE FUNCTION {function}() RETURNS integer LANGUAGE sql SET {name} = {other} AS 'SELECT 1'"
                );
                let prelude: Vec<String> = load.iter().cloned().chain([make]).collect();
                let what = format!("SET, RESET and SET LOCAL of {name}");
                all.push(Subject::new(what, format!("RESET {name}"), script(workload.to_vec())).made_by(&prelude));
            }
            "sighup" => {
                let Some(other) = setting.other().map(|value| quoted(&value)) else { continue };
                let workload = [
                    format!("ALTER SYSTEM SET {name} = {other}"),
                    "SELECT pg_reload_conf()".to_owned(),
                    "SELECT 1".to_owned(),
                    format!("ALTER SYSTEM RESET {name}"),
                    "SELECT pg_reload_conf()".to_owned(),
                    "SELECT 1".to_owned(),
                ];
                let what = format!("ALTER SYSTEM SET {name}");
                all.push(Subject::new(what.clone(), what, script(workload.to_vec())).made_by(load));
            }
            context => aside.push(SetAside {
                what: format!("parameter {name}"),
                why: format!("no session can set it once it has begun: its context is {context}"),
            }),
        }
    }
    (all, aside)
}

/// Statements while all parameters that a session can set have other values than they have by default, and while each of them has.
pub fn with_others(settings: &[Setting], scripts: &[Subject]) -> Vec<Subject> {
    let others: Vec<(String, String)> = settings
        .iter()
        .filter(|setting| setting.is_set_by_sessions())
        .filter_map(|setting| {
            let (set, reset) = (quoted(&setting.other()?), format!("RESET {}", setting.name));
            Some((format!("SET {} = {set}", setting.name), reset))
        })
        .take(TOGETHER)
        .collect();
    if others.is_empty() {
        return Vec::new();
    }
    let (sets, resets): (Vec<String>, Vec<String>) = others.into_iter().unzip();
    let with = |subject: &Subject| {
        let Form::Script { setup, workload, teardown, error } = &subject.form else { return None };
        let workload = sets.iter().chain(workload).chain(&resets).cloned().collect();
        let form = Form::Script { setup: setup.clone(), workload, teardown: teardown.clone(), error: error.clone() };
        let what = format!("{}, with other parameters", subject.what);
        Some(Subject { what, form, ..subject.clone() })
    };
    scripts.iter().filter_map(with).collect()
}

/// Adds the values that they are set to.
pub fn add_values(pool: &mut Pool, settings: &[Setting]) {
    for setting in settings {
        pool.add_special(&format!("value of {}", setting.name), setting.values());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(kind: &str, boot: &str, ends: Option<(&str, &str)>, labels: &[&str]) -> Setting {
        Setting {
            name: "x.y".to_owned(),
            kind: kind.to_owned(),
            context: "user".to_owned(),
            smallest: ends.map(|(smallest, _)| smallest.to_owned()),
            largest: ends.map(|(_, largest)| largest.to_owned()),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            boot: Some(boot.to_owned()),
        }
    }

    #[test]
    fn another_value_is_one_that_it_takes() {
        let table = [
            (setting("bool", "on", None, &[]), Some("off")),
            (setting("bool", "off", None, &[]), Some("on")),
            (setting("enum", "a", None, &["a", "b"]), Some("b")),
            (setting("integer", "-1", Some(("-1", "100")), &[]), Some("0")),
            (setting("real", "0", Some(("0", "1")), &[]), Some("1")),
            (setting("string", "", None, &[]), None),
        ];
        for (setting, expected) in table {
            assert_eq!(setting.other().as_deref(), expected, "{setting:?}");
        }
    }

    #[test]
    fn values_are_at_the_ends_and_beyond() {
        let values = setting("integer", "5", Some(("1", "9")), &[]).values();
        for value in ["'1'", "'9'", "'0'", "'10'", "'5'", "'nonsense'", "DEFAULT"] {
            assert!(values.iter().any(|one| one == value), "{value} of {values:?}");
        }
    }
}
