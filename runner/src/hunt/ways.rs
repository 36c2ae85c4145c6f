//! Ways of driving a call in which something is another one each time: its arguments, what they name, or the session's settings.

use super::script::Script;
use super::shape::Shape;
use super::subject::{Form, Subject};
use super::varied::{distinct, renamed, sized};
use crate::exec::probe::{Answer, Prober};
use crate::init::literals::quoted;

/// What is made so that it can be changed and dropped.
const USED: &str = "mcspec_used";

/// What there is around a call that may be changed between two of them.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// Tables that the repository's tests make.
    pub tables: Vec<String>,
    /// Parameters of the extension, each with the statement that sets it.
    pub settings: Vec<(String, String)>,
}

impl Subject {
    /// The call driven in that way: more than once where there are several places at which it may be another one.
    pub fn scripts(
        &self,
        shape: Shape,
        values: &[String],
        others: &[String],
        error: Option<&str>,
        around: &Around,
    ) -> Vec<Script> {
        let statement = self.statement(values);
        let with = |place: usize, value: String| {
            let mut list = values.to_vec();
            list[place] = value;
            list
        };
        let places = || self.arguments.iter().map(|one| one.name.as_str()).zip(values).enumerate();
        let differing = places().filter_map(|(place, (name, value))| Some((place, distinct(name, value)?)));
        let made: Vec<Script> = match shape {
            Shape::Key => {
                differing.map(|(place, value)| Script::repeated(vec![self.statement(&with(place, value))])).collect()
            }
            Shape::Keys => {
                let (mut list, mut number) = (values.to_vec(), 0);
                for (place, value) in differing {
                    list[place] = value;
                    number += 1;
                }
                // One of them alone is seen to already.
                let is_other = number > 1;
                is_other.then(|| Script::repeated(vec![self.statement(&list)])).into_iter().collect()
            }
            Shape::Statements => vec![Script::repeated(vec![
                format!("PREPARE mcspec_:i AS {statement}"),
                "EXECUTE mcspec_:i".to_owned(),
                "DEALLOCATE mcspec_:i".to_owned(),
            ])],
            Shape::Size => {
                let large = places().filter_map(|(place, (name, value))| Some((place, sized(name, value)?)));
                large.map(|(place, value)| Script::over_size(self.statement(&with(place, value)))).collect()
            }
            Shape::Used => self.used(values, around).into_iter().collect(),
            Shape::Retyped => self.retyped(values).into_iter().collect(),
            Shape::Discarded => vec![Script::repeated(
                [&statement, "DISCARD PLANS", &statement, "DISCARD ALL"].map(str::to_owned).to_vec(),
            )],
            Shape::Set => {
                let set = around.settings.iter().flat_map(|(name, set)| {
                    [set.clone(), statement.clone(), format!("RESET {name}"), statement.clone()]
                });
                let workload: Vec<String> = set.collect();
                (!workload.is_empty()).then(|| Script::repeated(workload)).into_iter().collect()
            }
            Shape::Redone => match &self.form {
                Form::Script { setup, workload, teardown, .. } if !setup.is_empty() && !teardown.is_empty() => {
                    vec![Script::repeated([setup.as_slice(), workload, teardown].concat())]
                }
                _ => Vec::new(),
            },
            _ => return self.script(shape, values, others, error).into_iter().collect(),
        };
        made.into_iter().map(|script| Script { prelude: self.prelude.clone(), ..script }).collect()
    }

    /// What an argument names is made, changed and dropped again: a table, or a function.
    fn used(&self, values: &[String], around: &Around) -> Option<Script> {
        let (mut list, mut create, mut change, mut drop) = (values.to_vec(), None, String::new(), String::new());
        for (one, value) in self.arguments.iter().zip(&mut list) {
            let table = around.tables.iter().find_map(|table| Some((table, renamed(value, table, USED)?)));
            match (one.name.as_str(), table) {
                (_, Some((table, renamed))) => {
                    *value = renamed;
                    create = Some(format!("CREATE TABLE {USED} (LIKE {table} INCLUDING ALL)"));
                }
                ("regclass", None) => {
                    *value = format!("'{USED}'::regclass");
                    create = Some(format!("CREATE TABLE {USED} (i integer, t text)"));
                }
                ("regproc" | "regprocedure", None) => {
                    let arguments = if one.name == "regproc" { "" } else { "(integer)" };
                    *value = format!("'{USED}{arguments}'::{}", one.name);
                    let function = |body: &str| {
                        format!("CREATE OR REPLACE FUNCTION {USED}(integer) RETURNS integer LANGUAGE sql AS '{body}'")
                    };
                    create = Some(function("SELECT $1"));
                    change = function("SELECT $1 + 1");
                    drop = format!("DROP FUNCTION {USED}(integer)");
                    break;
                }
                _ => continue,
            }
            change = format!("ALTER TABLE {USED} ADD COLUMN mcspec_column integer");
            drop = format!("DROP TABLE {USED}");
            break;
        }
        let statement = self.statement(&list);
        Some(Script::repeated(vec![create?, statement.clone(), change, statement, drop]))
    }

    /// A value of a type that is made, changed and dropped again, for what takes any type.
    fn retyped(&self, values: &[String]) -> Option<Script> {
        let place =
            self.arguments.iter().position(|one| matches!(one.name.as_str(), "anyelement" | "record" | "\"any\""))?;
        let mut list = values.to_vec();
        *list.get_mut(place)? = format!("ROW(1, 'a')::{USED}");
        let before = self.statement(&list);
        list[place] = format!("ROW(1, 'a', 2)::{USED}");
        let after = self.statement(&list);
        Some(Script::repeated(vec![
            format!("CREATE TYPE {USED} AS (i integer, t text)"),
            before,
            format!("ALTER TYPE {USED} ADD ATTRIBUTE mcspec_attribute integer"),
            after,
            format!("DROP TYPE {USED}"),
        ]))
    }
}

/// How many parameters are set between two calls.
const SETTINGS: usize = 6;

/// The parameters that a library has defined and a session may set, each with a statement that gives it another value.
pub fn settings(prober: &mut Prober) -> Vec<(String, String)> {
    let sql = "SELECT name, CASE vartype WHEN 'bool' THEN CASE boot_val WHEN 'on' THEN 'off' ELSE 'on' END
                                         WHEN 'enum' THEN enumvals[array_upper(enumvals, 1)]
                                         WHEN 'string' THEN boot_val || 'x' ELSE min_val END
                 FROM pg_catalog.pg_settings
                WHERE category = 'Customized Options' AND context IN ('user', 'superuser')
                  AND name NOT LIKE 'pg%ext%memcheck.%' AND name NOT LIKE 'plpgsql.%'";
    let Answer::Rows { text, .. } = prober.ask(sql) else { return Vec::new() };
    let columns: Vec<&str> = text.split('\u{1}').collect();
    let mut found = Vec::new();
    for pair in columns.chunks_exact(2) {
        let [name, value] = pair else { continue };
        let set = format!("SET {name} = {}", quoted(value));
        let reset = format!("RESET {name}");
        if !value.contains('\u{0}') && found.len() < SETTINGS && prober.send([&set, &reset]).is_ok() {
            found.push(((*name).to_owned(), set));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::subject::{Notation, Volatility};
    use super::*;
    use crate::init::catalog::Type;

    fn subject(form: Form, types: &[&str]) -> Subject {
        let arguments = types.iter().map(|&name| Type { oid: String::new(), name: name.to_owned() }).collect();
        Subject {
            what: "f".to_owned(),
            call: "f".to_owned(),
            form,
            arguments,
            required: types.len(),
            is_variadic: false,
            volatility: Volatility::Volatile,
            returns: None,
            prelude: Vec::new(),
        }
    }

    #[test]
    fn each_is_sent_as_it_was_meant() {
        let expression = Form::Expression(None::<Notation>);
        let around =
            Around { tables: vec!["hypo".to_owned()], settings: vec![("x.a".to_owned(), "SET x.a = 'on'".to_owned())] };
        type Words = &'static [&'static str];
        let table: &[(Words, Words, Shape, Words)] = &[
            (&["integer", "text"], &["1", "'a'"], Shape::Key, &["SELECT f((:i)::integer, 'a')"]),
            (&["integer", "text"], &["1", "'a'"], Shape::Keys, &["SELECT f((:i)::integer, ('a' || :i)::text)"]),
            (&["text"], &["'a'"], Shape::Keys, &[]),
            (&["text"], &["'a'"], Shape::Size, &["SELECT f(repeat('a', :rows)::text)"]),
            (
                &["text"],
                &["'CREATE INDEX ON hypo(id)'"],
                Shape::Used,
                &[
                    "CREATE TABLE mcspec_used (LIKE hypo INCLUDING ALL)",
                    "SELECT f('CREATE INDEX ON mcspec_used(id)')",
                    "ALTER TABLE mcspec_used ADD COLUMN mcspec_column integer",
                    "SELECT f('CREATE INDEX ON mcspec_used(id)')",
                    "DROP TABLE mcspec_used",
                ],
            ),
            (&["text"], &["'x'"], Shape::Used, &[]),
            (&["text"], &["'x'"], Shape::Set, &["SET x.a = 'on'", "SELECT f('x')", "RESET x.a", "SELECT f('x')"]),
        ];
        for (types, values, shape, expected) in table {
            let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
            let scripts = subject(expression.clone(), types).scripts(*shape, &values, &values, None, &around);
            let workload = scripts.first().map(|script| script.workload.clone()).unwrap_or_default();
            assert_eq!(workload, *expected, "{shape}");
        }
    }
}
