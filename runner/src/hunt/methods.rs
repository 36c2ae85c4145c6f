//! Access methods for tables, and sampling methods: tables that are made with them and used.

use super::members::Members;
use super::subject::{Form, Subject};
use crate::init::calls::plain;
use crate::init::catalog::{Objects, Type};

/// What is done with a table. `@` is the table.
const STATEMENTS: &[(&str, &str)] = &[
    ("inserted into", "INSERT INTO @ (i, t) VALUES (100, $1)"),
    (
        "inserted into in bulk",
        "INSERT INTO @ (i, t) SELECT i + 200, repeat('x', 3000) FROM generate_series(1, 20) AS i",
    ),
    (
        "with large values",
        "INSERT INTO @ (i, t) SELECT 300, string_agg(md5(i::text), '') FROM generate_series(1, 1000) AS i",
    ),
    ("read", "SELECT * FROM @ ORDER BY t DESC"),
    ("read by an index", "SELECT count(*) FROM @ WHERE i = 5"),
    ("read in part", "SELECT * FROM @ LIMIT 1"),
    ("locked", "SELECT * FROM @ WHERE i = 1 FOR UPDATE"),
    ("sampled", "SELECT count(*) FROM @ TABLESAMPLE SYSTEM (50)"),
    ("sampled by rows", "SELECT count(*) FROM @ TABLESAMPLE BERNOULLI (50)"),
    ("read by places of rows", "SELECT count(*) FROM @ WHERE ctid < '(1,1)'::tid"),
    ("updated", "UPDATE @ SET t = $1 WHERE i = 1"),
    ("upserted", "INSERT INTO @ (i, t) VALUES (1, $1) ON CONFLICT (i) DO UPDATE SET t = excluded.t"),
    ("deleted from", "DELETE FROM @ WHERE i >= 100"),
    ("emptied", "TRUNCATE @"),
    ("vacuumed", "VACUUM @"),
    ("vacuumed as a whole", "VACUUM FULL @"),
    ("analyzed", "ANALYZE @"),
    ("indexed again", "REINDEX TABLE @"),
    ("rewritten", "ALTER TABLE @ ALTER t TYPE text USING t || 'x'"),
    ("failing in the middle", "SELECT 1 / (i - 7) FROM @"),
];

/// What sampling methods are given.
const SHARES: [&str; 12] = [
    "10",
    "0",
    "100",
    "50.5",
    "-1",
    "1000000",
    "NULL",
    "'NaN'::float8",
    "'Infinity'::float8",
    "9223372036854775807",
    "1, 2",
    "'abc'",
];

/// What can be done with the methods of an extension, with the values that sampling methods take.
pub fn subjects(members: &Members, objects: &Objects) -> Vec<Subject> {
    let mut all = Vec::new();
    let text = Type { oid: "25".to_owned(), name: "text".to_owned() };
    for method in &members.table_methods {
        let table = format!("mcspec_of_{}", plain(method));
        let prelude = [
            format!("CREATE TABLE IF NOT EXISTS {table} (i integer UNIQUE, t text) USING {method}"),
            format!(
                "INSERT INTO {table} SELECT i, 'row ' || i FROM generate_series(1, 50) AS i WHERE NOT EXISTS (SELECT FROM {table})"
            ),
        ];
        for (what, sql) in STATEMENTS {
            let arguments = if sql.contains("$1") { vec![text.clone()] } else { Vec::new() };
            let subject =
                Subject::new(format!("a table by {method}, {what}"), sql.replace('@', &table), Form::Statement);
            all.push(subject.taking(&arguments).made_by(&prelude));
        }
        let workload = vec![
            format!("CREATE TABLE {table}_made (i integer, t text) USING {method}"),
            format!("INSERT INTO {table}_made SELECT i, 'x' FROM generate_series(1, 20) AS i"),
            format!("CREATE INDEX ON {table}_made (t)"),
            format!("SELECT count(*) FROM {table}_made"),
            format!("DROP TABLE {table}_made"),
        ];
        let form = Form::Script { setup: Vec::new(), workload, teardown: Vec::new(), error: None };
        all.push(Subject::new(format!("a table by {method}, made and dropped"), "table", form));
    }
    let share = Type { oid: String::new(), name: "share".to_owned() };
    for method in objects.functions.iter().filter(|function| function.returns.name == "tsm_handler") {
        let name = &method.call;
        let prelude = ["CREATE TABLE IF NOT EXISTS mcspec_sampled AS SELECT i, repeat('x', 100) AS t FROM generate_series(1, 2000) AS i".to_owned()];
        let queries = [
            ("", "SELECT count(*) FROM mcspec_sampled TABLESAMPLE @ ($1)"),
            (", repeated", "SELECT count(*) FROM mcspec_sampled TABLESAMPLE @ ($1) REPEATABLE (1)"),
            (", in part", "SELECT i FROM mcspec_sampled TABLESAMPLE @ ($1) LIMIT 1"),
            (
                ", for each row",
                "SELECT count(x) FROM generate_series(1, 5), LATERAL (SELECT i FROM mcspec_sampled TABLESAMPLE @ ($1)) AS x",
            ),
            (", explained", "EXPLAIN SELECT * FROM mcspec_sampled TABLESAMPLE @ ($1)"),
        ];
        for (what, sql) in queries {
            let subject = Subject::new(format!("sampling by {name}{what}"), sql.replace('@', name), Form::Statement);
            all.push(subject.taking(std::slice::from_ref(&share)).made_by(&prelude));
        }
    }
    all
}

/// What they are given.
pub fn shares() -> Vec<String> {
    SHARES.map(str::to_owned).to_vec()
}
