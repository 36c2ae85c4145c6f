//! The ways in which a call is driven. Most of what loses memory does so in one of them only: where the call fails, where nobody takes
//! all of its rows, where it is rolled back, in a frame that moves.

use memcheck_core::words;

use super::script::Script;
use super::subject::{Form, Subject};

words! {
    /// A way of driving a call.
    Shape: "shape" {
        /// By itself.
        Plain = "plain",
        /// As a statement that is prepared once.
        Prepared = "prepared",
        /// Once for each of many rows, with arguments that are no constants.
        Rows = "rows",
        /// The same, by the memory that it takes for so many rows.
        Peak = "peak",
        /// Twice in one transaction.
        Twice = "twice",
        /// In a transaction that is rolled back.
        Rollback = "rollback",
        /// Behind a savepoint that is rolled back to, in a transaction that is committed.
        Savepoint = "savepoint",
        /// In a transaction that fails after it.
        FailsLater = "fails_later",
        /// In a transaction in which PL/pgSQL has caught an error after it.
        CaughtLater = "caught_later",
        /// With DDL between two calls, which makes caches of the server invalid.
        Ddl = "ddl",
        /// An error, caught by PL/pgSQL.
        Caught = "caught",
        /// An error that ends its transaction.
        Fails = "fails",
        /// The first row of a set in FROM.
        First = "first",
        /// All rows of a set in the target list.
        Listed = "listed",
        /// The first of them.
        FirstListed = "first_listed",
        /// A cursor that is open when its transaction ends.
        Cursor = "cursor",
        /// A loop of PL/pgSQL that is left.
        Left = "left",
        /// A subquery that is asked whether it has rows.
        Exists = "exists",
        /// The set for each of some rows.
        Lateral = "lateral",
        /// An aggregate for each of some groups.
        Grouped = "grouped",
        /// An aggregate of distinct values.
        Distinct = "distinct",
        /// An aggregate of nothing.
        Empty = "empty",
        /// An aggregate in a window that grows.
        Running = "running",
        /// An aggregate in a frame that moves.
        Moving = "moving",
        /// An aggregate of all rows, for each of them.
        Whole = "whole",
        /// With an argument that is another one each time.
        Key = "key",
        /// With all arguments others each time.
        Keys = "keys",
        /// As a statement that is prepared under another name each time.
        Statements = "statements",
        /// By the memory that it takes for an argument of a size.
        Size = "size",
        /// With what an argument names made, changed and dropped each time.
        Used = "used",
        /// With a value of a type that is.
        Retyped = "retyped",
        /// With what the session keeps discarded in between.
        Discarded = "discarded",
        /// With the extension's parameters set and reset in between.
        Set = "set",
        /// With what it is about made and removed each time.
        Redone = "redone",
    }
}

impl Shape {
    /// Whether it is about a call that fails.
    pub fn is_of_errors(self) -> bool {
        matches!(self, Shape::Caught | Shape::Fails)
    }

    /// Whether each execution is about something else: what is kept of it is of no use to the next one.
    pub fn has_keys(self) -> bool {
        matches!(self, Shape::Key | Shape::Keys | Shape::Statements | Shape::Used)
    }

    /// Iterations of a window that shows what is wrong: tables that keep keys take room for some dozens at a time. Tables of the other
    /// kind are made and dropped each time, which takes its time.
    pub fn iterations(self) -> u64 {
        match self {
            Shape::Key | Shape::Keys | Shape::Statements => 1000,
            Shape::Used => 60,
            _ => 100,
        }
    }

    /// Executions between two questions what the session holds.
    pub fn rough(self) -> usize {
        match self {
            Shape::Key | Shape::Keys | Shape::Statements => 80,
            _ => 4,
        }
    }

    /// How many behaviours of a subject that is driven in this way are looked at closely without any other reason.
    pub fn looks(self) -> usize {
        match self {
            // Where there is something it holds more.
            Shape::Discarded | Shape::Set | Shape::Redone | Shape::Retyped => 0,
            _ if self.has_keys() => 0,
            Shape::Size => 2,
            _ => 3,
        }
    }
}

/// Rows with the arguments as columns `a1`, `a2`, ..., which are no constants for the planner.
fn rows(values: &[String], count: &str) -> String {
    let columns: Vec<String> = values.iter().enumerate().map(|(at, value)| format!("{value} AS a{}", at + 1)).collect();
    let arguments = match columns.is_empty() {
        true => String::new(),
        false => format!("(SELECT {} OFFSET 0) AS t, ", columns.join(", ")),
    };
    format!("{arguments}generate_series(1, {count}) AS g")
}

fn columns(values: &[String]) -> Vec<String> {
    (1..=values.len()).map(|at| format!("a{at}")).collect()
}

/// A block of PL/pgSQL. The tag of its quotes is not in it.
fn block(body: &str) -> String {
    let mut tag = "$do$".to_owned();
    while body.contains(&tag) {
        tag.insert(tag.len() - 1, '_');
    }
    format!("DO {tag} {body} {tag}")
}

/// Fails where two executions of the query that a script repeats have two answers; none of one that repeats more.
pub(super) fn compared(script: &Script) -> Option<Script> {
    let [query] = script.workload.as_slice() else { return None };
    let query = crate::init::literals::quoted(query);
    let body = format!(
        "DECLARE a text; b text; BEGIN EXECUTE {query} INTO a; EXECUTE {query} INTO b; IF a IS DISTINCT FROM b THEN RAISE 'answers \
         differ: % and %', a, b; END IF; END"
    );
    Some(Script {
        prelude: script.prelude.clone(),
        setup: script.setup.clone(),
        ..Script::repeated(vec![block(&body)])
    })
}

fn transaction(statements: &[&str], end: &str) -> Script {
    let all = ["BEGIN"].iter().chain(statements).chain([&end]);
    Script::repeated(all.map(|&sql| sql.to_owned()).collect())
}

/// How a statement without rows of its own is driven in these ways, where it makes sense.
fn around(statement: &str, shape: Shape, error: Option<&str>) -> Option<Script> {
    let one = |sql: String| Script::repeated(vec![sql]);
    Some(match shape {
        Shape::Plain => one(statement.to_owned()),
        Shape::Twice => transaction(&[statement, statement], "COMMIT"),
        Shape::Rollback => transaction(&[statement], "ROLLBACK"),
        Shape::Savepoint => transaction(&["SAVEPOINT s", statement, "ROLLBACK TO SAVEPOINT s"], "COMMIT"),
        Shape::FailsLater => {
            let script = transaction(&[statement, "SELECT 1 / (random() * 0)::integer"], "ROLLBACK");
            Script { error: Some("22012".to_owned()), ..script }
        }
        Shape::Ddl => Script::repeated(
            [statement, "CREATE TEMPORARY TABLE mcspec_between (i integer)", "DROP TABLE mcspec_between"]
                .map(str::to_owned)
                .to_vec(),
        ),
        Shape::Fails => Script { error: Some(error?.to_owned()), ..one(statement.to_owned()) },
        _ => return None,
    })
}

impl Subject {
    /// The ways in which a call that works, or fails with that SQLSTATE, is driven.
    pub fn shapes(&self, error: Option<&str>) -> Vec<Shape> {
        use Shape::{
            Caught, CaughtLater, Cursor, Ddl, Discarded, Distinct, Empty, Exists, Fails, FailsLater, First,
            FirstListed, Grouped, Key, Keys, Lateral, Left, Listed, Moving, Peak, Plain, Prepared, Redone, Retyped,
            Rollback, Rows, Running, Savepoint, Set, Size, Statements, Twice, Used, Whole,
        };
        const OTHERS: &[Shape] = &[Key, Keys, Statements, Used, Retyped, Discarded, Set, Size];
        let all: &[Shape] = match (&self.form, error) {
            (Form::Script { .. }, _) => &[Plain, Redone],
            (Form::Call, Some(_)) => &[Caught, Fails],
            (_, Some(_)) => &[Caught, Fails],
            (Form::Expression(_), None) => {
                &[Plain, Rows, Prepared, Twice, Rollback, Savepoint, FailsLater, CaughtLater, Ddl, Peak]
            }
            (Form::Set { .. }, None) => &[
                Plain,
                First,
                FirstListed,
                Listed,
                Cursor,
                Left,
                Exists,
                Lateral,
                Prepared,
                Twice,
                Rollback,
                Savepoint,
                FailsLater,
                Ddl,
                Peak,
            ],
            (Form::Statement, None) if self.call.starts_with("SELECT ") => {
                &[Plain, Cursor, Left, Prepared, Twice, Rollback, Savepoint, FailsLater, CaughtLater, Ddl]
            }
            (Form::Statement, None) => &[Plain, Twice, Rollback, Savepoint, FailsLater, CaughtLater, Ddl],
            (Form::Call, None) => &[Plain, CaughtLater, Ddl],
            (Form::Aggregate { .. }, None) => &[
                Plain, Grouped, Moving, Running, Whole, Distinct, Empty, Prepared, Rollback, Savepoint, FailsLater,
                Ddl, Peak,
            ],
            (Form::Window, None) => &[Plain, Running, Rollback, Ddl, Peak],
        };
        match (&self.form, error) {
            (Form::Script { .. }, _) | (_, Some(_)) => all.to_vec(),
            // There are no prepared statements of them.
            (Form::Call, None) => all.iter().chain(OTHERS).copied().filter(|shape| *shape != Statements).collect(),
            _ => [all, OTHERS].concat(),
        }
    }

    /// A call with these values, as it is tried.
    pub fn statement(&self, values: &[String]) -> String {
        let expression = self.expression(values);
        match &self.form {
            Form::Expression(_) => format!("SELECT {expression}"),
            Form::Set { .. } => format!("SELECT * FROM {expression}{}", self.columns()),
            Form::Call => format!("CALL {expression}"),
            Form::Statement => expression,
            Form::Aggregate { .. } | Form::Window => self.over(values, values, "", "20"),
            Form::Script { workload, .. } => workload.join("; "),
        }
    }

    /// What is behind a function that returns records.
    fn columns(&self) -> String {
        match &self.form {
            Form::Set { columns: Some(columns) } => format!(" {columns}"),
            _ => String::new(),
        }
    }

    /// A call over rows, of which every third has no value and the rest these and those in turn.
    fn over(&self, values: &[String], others: &[String], behind: &str, count: &str) -> String {
        let names = columns(values);
        let pairs: Vec<String> = values
            .iter()
            .zip(others)
            .zip(&names)
            .map(|((value, other), name)| match value == other {
                true => format!("CASE WHEN i % 3 <> 0 THEN {value} END AS {name}"),
                false => format!("CASE i % 3 WHEN 1 THEN {value} WHEN 2 THEN {other} END AS {name}"),
            })
            .collect();
        let list = ["i"].into_iter().map(str::to_owned).chain(pairs).collect::<Vec<_>>().join(", ");
        let rows = format!("(SELECT {list} FROM generate_series(1, {count}) AS i OFFSET 0) AS t");
        let window = match self.form {
            Form::Window if behind.is_empty() => " OVER (ORDER BY i)",
            _ => behind,
        };
        format!("SELECT {}{window} FROM {rows}", self.expression(&names))
    }

    /// The call driven in that way, with these values, and others for every second row of an aggregate.
    pub fn script(&self, shape: Shape, values: &[String], others: &[String], error: Option<&str>) -> Option<Script> {
        let script = self.driven(shape, values, others, error)?;
        Some(Script { prelude: self.prelude.clone(), ..script })
    }

    fn driven(&self, shape: Shape, values: &[String], others: &[String], error: Option<&str>) -> Option<Script> {
        if let Form::Script { setup, workload, teardown, error } = &self.form {
            let script = Script::repeated(workload.clone());
            let (setup, teardown, error) = (setup.clone(), teardown.clone(), error.clone());
            return (shape == Shape::Plain).then_some(Script { setup, teardown, error, ..script });
        }
        let statement = self.statement(values);
        let expression = self.expression(values);
        let names = columns(values);
        let of_columns = self.expression(&names);
        let one = |sql: String| Some(Script::repeated(vec![sql]));
        let perform = match (&self.form, statement.strip_prefix("SELECT ")) {
            // Of what PL/pgSQL has no other way to throw away the rows, or means something else by.
            (Form::Statement, None) => format!("EXECUTE {};", crate::init::literals::quoted(&statement)),
            (Form::Call, _) | (_, None) => format!("{statement};"),
            (_, Some(rest)) => format!("PERFORM {rest};"),
        };
        match (shape, &self.form) {
            (Shape::Caught, _) => one(block(&format!("BEGIN {perform} EXCEPTION WHEN OTHERS THEN NULL; END"))),
            (Shape::CaughtLater, _) => one(block(&format!(
                "BEGIN BEGIN {perform} RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END; END"
            ))),
            (Shape::Prepared, _) => Some(Script {
                setup: vec![format!("PREPARE mcspec_call AS {statement}")],
                teardown: vec!["DEALLOCATE mcspec_call".to_owned()],
                ..Script::repeated(vec!["EXECUTE mcspec_call".to_owned()])
            }),
            (Shape::Rows, Form::Expression(_)) => one(format!("SELECT {of_columns} FROM {}", rows(values, "20"))),
            (Shape::Peak, Form::Expression(_)) => {
                Some(Script::over_rows(format!("SELECT count({of_columns}) FROM {}", rows(values, ":rows"))))
            }
            (Shape::Peak, Form::Set { columns }) => {
                let columns = columns.as_ref().map_or_else(|| "f".to_owned(), Clone::clone);
                let rows = rows(values, ":rows");
                Some(Script::over_rows(format!("SELECT count(*) FROM {rows}, LATERAL {of_columns} {columns}")))
            }
            (Shape::Peak, Form::Aggregate { .. }) => {
                let script = Script::over_rows(self.grouped(values, others, ":rows", "GROUP BY i % (:rows / 4)"));
                Some(Script { collects: true, ..script })
            }
            (Shape::Peak, Form::Window) => {
                Some(Script { collects: true, ..Script::over_rows(self.over(values, others, "", ":rows")) })
            }
            (Shape::First, _) => one(format!("{statement} LIMIT 1")),
            (Shape::Cursor, Form::Statement) => Some(Script::repeated(vec![
                "BEGIN".to_owned(),
                format!("DECLARE mcspec_rows CURSOR FOR {statement}"),
                "FETCH 1 FROM mcspec_rows".to_owned(),
                "COMMIT".to_owned(),
            ])),
            (Shape::Listed, _) => one(format!("SELECT {expression}")),
            (Shape::FirstListed, _) => one(format!("SELECT {expression} LIMIT 1")),
            (Shape::Exists, _) => one(format!("SELECT 1 WHERE EXISTS (SELECT {expression})")),
            (Shape::Cursor, _) => Some(Script::repeated(vec![
                "BEGIN".to_owned(),
                format!("DECLARE mcspec_rows CURSOR FOR SELECT {expression}"),
                "FETCH 1 FROM mcspec_rows".to_owned(),
                "COMMIT".to_owned(),
            ])),
            (Shape::Left, _) => {
                one(block(&format!("DECLARE r record; BEGIN FOR r IN {statement} LOOP EXIT; END LOOP; END")))
            }
            (Shape::Lateral, Form::Set { columns }) => {
                let columns = columns.as_ref().map_or_else(|| "f".to_owned(), Clone::clone);
                one(format!("SELECT count(*) FROM {}, LATERAL {of_columns} {columns}", rows(values, "5")))
            }
            (Shape::Grouped, _) => one(self.grouped(values, others, "20", "GROUP BY i % 4")),
            (Shape::Distinct, Form::Aggregate { direct: None }) if !values.is_empty() => {
                let names = names.join(", ");
                let call = of_columns.replacen(&format!("({names})"), &format!("(DISTINCT {names})"), 1);
                one(self.over(values, others, "", "20").replacen(&of_columns, &call, 1))
            }
            (Shape::Empty, _) => one(format!("{} WHERE false", self.over(values, others, "", "20"))),
            (Shape::Running, Form::Aggregate { direct: None }) => {
                one(self.over(values, others, " OVER (ORDER BY i)", "20"))
            }
            (Shape::Running, Form::Window) => one(self.over(
                values,
                others,
                " OVER (PARTITION BY i % 3 ORDER BY i ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
                "20",
            )),
            (Shape::Moving, Form::Aggregate { direct: None }) => {
                one(self.over(values, others, " OVER (ORDER BY i ROWS BETWEEN 3 PRECEDING AND 1 FOLLOWING)", "20"))
            }
            (Shape::Whole, Form::Aggregate { direct: None }) => one(self.over(values, others, " OVER ()", "20")),
            (Shape::Plain, Form::Aggregate { .. } | Form::Window) => one(self.over(values, others, "", "20")),
            _ => around(&statement, shape, error),
        }
    }

    fn grouped(&self, values: &[String], others: &[String], count: &str, groups: &str) -> String {
        format!("{} {groups}", self.over(values, others, "", count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::catalog::Type;

    fn subject(form: Form, arguments: usize) -> Subject {
        let integer = Type { oid: "23".to_owned(), name: "integer".to_owned() };
        Subject::new("f", "s.f", form).taking(&vec![integer; arguments])
    }

    #[test]
    fn each_way_is_written() {
        let values = ["1".to_owned(), "NULL".to_owned()];
        let others = ["2".to_owned(), "3".to_owned()];
        let forms = [
            Form::Expression(None),
            Form::Set { columns: None },
            Form::Call,
            Form::Aggregate { direct: None },
            Form::Window,
        ];
        for form in forms {
            let subject = subject(form, 2);
            for error in [None, Some("22023")] {
                for shape in subject.shapes(error) {
                    if shape.looks() < 3 {
                        continue;
                    }
                    let script = subject.script(shape, &values, &others, error);
                    let script = script.unwrap_or_else(|| panic!("{shape:?} of {:?}", subject.form));
                    assert!(
                        script.statements().any(|sql| sql.contains("s.f(") || sql.contains("EXECUTE")),
                        "{script:?}"
                    );
                    assert_eq!(script.error.is_some(), matches!(shape, Shape::Fails | Shape::FailsLater), "{shape:?}");
                    let is_peak = script.statements().any(|sql| sql.contains(":rows"));
                    assert_eq!(is_peak, shape == Shape::Peak, "{script:?}");
                }
            }
        }
    }

    #[test]
    fn a_few_of_them_as_they_are_sent() {
        let (values, none) = (["'a'".to_owned()], []);
        let table = [
            (Form::Expression(None), Shape::Plain, "SELECT s.f('a')"),
            (
                Form::Expression(None),
                Shape::Rows,
                "SELECT s.f(a1) FROM (SELECT 'a' AS a1 OFFSET 0) AS t, generate_series(1, 20) AS g",
            ),
            (
                Form::Expression(None),
                Shape::Caught,
                "DO $do$ BEGIN PERFORM s.f('a'); EXCEPTION WHEN OTHERS THEN NULL; END $do$",
            ),
            (Form::Set { columns: None }, Shape::FirstListed, "SELECT s.f('a') LIMIT 1"),
            (Form::Call, Shape::Caught, "DO $do$ BEGIN CALL s.f('a'); EXCEPTION WHEN OTHERS THEN NULL; END $do$"),
            (
                Form::Aggregate { direct: None },
                Shape::Distinct,
                "SELECT s.f(DISTINCT a1) FROM (SELECT i, CASE WHEN i % 3 <> 0 THEN 'a' END AS a1 FROM generate_series(1, 20) AS i \
                 OFFSET 0) AS t",
            ),
        ];
        for (form, shape, expected) in table {
            let script = subject(form, 1).script(shape, &values, &values, None).expect("it makes sense");
            assert_eq!(script.workload, [expected]);
        }
        let script =
            subject(Form::Expression(None), 0).script(Shape::Rows, &none, &none, None).expect("it makes sense");
        assert_eq!(script.workload, ["SELECT s.f() FROM generate_series(1, 20) AS g"]);
        assert_eq!(block("$do$"), "DO $do_$ $do$ $do_$");
    }
}
