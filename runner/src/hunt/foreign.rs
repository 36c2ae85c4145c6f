//! Foreign data wrappers, by servers, user mappings and tables with options that they take; a table of theirs that can be read is one
//! of the same database, or a file, where the names of their options are those of such.

use super::members::Members;
use super::subject::{Form, SetAside, Subject};
use super::words::{NO_OPTION, that_work};
use crate::init::calls::plain;
use crate::init::catalog::Type;
use crate::init::literals::quoted;
use crate::init::trial::Trial;

/// What options are tried with.
const VALUES: [&str; 5] = ["1", "true", "abc", "/nosuch", "csv"];

/// Columns of tables.
const COLUMNS: &str = "i integer, t text, n numeric, d timestamptz, a integer[]";

/// What is read through a foreign table.
const SOURCE: &str = "CREATE TABLE IF NOT EXISTS mcspec_source AS SELECT i, 'row ' || i AS t, i / 3.0 AS n, now() AS d, ARRAY[i, NULL] AS a \
                      FROM generate_series(1, 50) AS i";

/// The same in a file, and a file that is none of it.
const FILE: &str = "DO $do$ BEGIN EXECUTE format('COPY mcspec_source TO %L (FORMAT csv)', current_setting('data_directory') || \
                    '/mcspec.csv'); EXECUTE format('COPY (SELECT 1, 2) TO %L', current_setting('data_directory') || '/mcspec.bad'); \
                    END $do$";

/// A server, mapping and table of a wrapper, with options that lead somewhere.
struct Way {
    /// Of the server and of the table, as they stand in `OPTIONS`: expressions of SQL.
    server: &'static [(&'static str, &'static str)],
    table: &'static [(&'static str, &'static str)],
}

/// Where there may be something to read.
const WAYS: [Way; 6] = [
    Way {
        server: &[
            ("host", "trim('\" ' FROM split_part(current_setting('unix_socket_directories'), ',', 1))"),
            ("port", "current_setting('port')"),
            ("dbname", "current_database()"),
        ],
        table: &[("table_name", "'mcspec_source'")],
    },
    Way {
        server: &[
            ("host", "trim('\" ' FROM split_part(current_setting('unix_socket_directories'), ',', 1))"),
            ("port", "current_setting('port')"),
            ("dbname", "current_database()"),
        ],
        table: &[("table", "'mcspec_source'")],
    },
    Way {
        server: &[],
        table: &[("filename", "current_setting('data_directory') || '/mcspec.csv'"), ("format", "'csv'")],
    },
    Way { server: &[], table: &[("filename", "current_setting('data_directory') || '/mcspec.csv'")] },
    Way { server: &[("database", "':memory:'")], table: &[("table", "'mcspec_source'")] },
    Way { server: &[], table: &[] },
];

/// Statements on a table that can be read. `@` is the table.
const STATEMENTS: &[(&str, &str)] = &[
    ("read", "SELECT * FROM @"),
    ("read in part", "SELECT t FROM @ WHERE i < 10 AND t LIKE 'row%' ORDER BY i LIMIT 3"),
    ("read with a text", "SELECT count(*) FROM @ WHERE t = $1"),
    ("aggregated", "SELECT i % 3, count(*), sum(n), max(t) FROM @ GROUP BY 1 HAVING count(*) > 1"),
    ("joined", "SELECT count(*) FROM @ x JOIN @ y USING (i) LEFT JOIN mcspec_source z ON z.i = x.i + y.i"),
    (
        "read for each row",
        "SELECT s.i, x.t FROM mcspec_source s, LATERAL (SELECT t FROM @ f WHERE f.i = s.i LIMIT 1) x WHERE s.i < 6",
    ),
    ("locked", "SELECT * FROM @ WHERE i = 1 FOR UPDATE"),
    ("counted by whole rows", "SELECT count(f), min(f.tableoid) FROM @ f"),
    ("failing in the middle", "SELECT 1 / (i - 7) FROM @"),
    ("explained", "EXPLAIN (VERBOSE) SELECT * FROM @ WHERE i < 10 ORDER BY t"),
    ("analyzed", "ANALYZE @"),
    ("inserted into", "INSERT INTO @ (i, t) VALUES (100, $1)"),
    ("inserted into in bulk", "INSERT INTO @ (i, t) SELECT 100, 'x' FROM generate_series(1, 30) RETURNING i"),
    ("updated", "UPDATE @ SET t = $1 WHERE i >= 100"),
    ("updated row by row", "UPDATE @ SET t = random()::text WHERE i >= 100 RETURNING *"),
    ("deleted from", "DELETE FROM @ WHERE i >= 100"),
    ("truncated", "TRUNCATE @"),
    ("copied", "COPY (SELECT * FROM @) TO '/dev/null'"),
    ("locked as a table", "LOCK TABLE @"),
];

/// A block that makes what is missing of a server, with options.
fn make(wrapper: &str, way: &Way, server: &str, table: &str, type_of_i: &str) -> Vec<String> {
    let options = |given: &[(&str, &str)]| {
        let parts: Vec<String> = given.iter().map(|(name, _)| format!("{name} %L")).collect();
        let values: String = given.iter().map(|(_, value)| format!(", {value}")).collect();
        (if parts.is_empty() { String::new() } else { format!(" OPTIONS ({})", parts.join(", ")) }, values)
    };
    let execute = |sql: &str, values: &str| format!("EXECUTE format({}{values})", quoted(sql));
    let (of_server, server_values) = options(way.server);
    let (of_table, table_values) = options(way.table);
    let columns = COLUMNS.replacen("integer", type_of_i, 1);
    let body = [
        execute(&format!("CREATE SERVER {server} FOREIGN DATA WRAPPER {wrapper}{of_server}"), &server_values),
        format!("EXECUTE 'CREATE USER MAPPING FOR CURRENT_USER SERVER {server}'"),
        execute(&format!("CREATE FOREIGN TABLE {table} ({columns}) SERVER {server}{of_table}"), &table_values),
    ];
    vec![
        SOURCE.to_owned(),
        FILE.to_owned(),
        format!("DO $do$ BEGIN IF to_regclass('{table}') IS NULL THEN {}; END IF; END $do$", body.join("; ")),
    ]
}

/// What can be called of the wrappers of an extension. `words` are those that may be their options.
pub fn subjects(trial: &mut Trial, members: &Members, words: &[String]) -> (Vec<Subject>, Vec<SetAside>) {
    let (mut all, mut aside) = (Vec::new(), Vec::new());
    for wrapper in &members.wrappers {
        let name = plain(wrapper);
        all.extend(of_options(trial, wrapper, words));
        let (server, table) = (format!("mcspec_{name}"), format!("mcspec_table_{name}"));
        // A file is written by nothing that is rolled back.
        trial.those_that_work(&[vec![SOURCE.to_owned(), FILE.to_owned(), "COMMIT".to_owned()]], 1);
        let tries: Vec<Vec<String>> = WAYS
            .iter()
            .map(|way| {
                // A server that another way has left behind leads elsewhere.
                let mut all = vec![format!("DROP SERVER IF EXISTS {server} CASCADE")];
                all.extend(make(wrapper, way, &server, &table, "integer"));
                all.extend(["COMMIT".to_owned(), format!("SELECT * FROM {table}"), drop_server(&server)]);
                all
            })
            .collect();
        let (working, why) = trial.those_that_work(&tries, 1);
        let Some(&(position, _)) = working.first() else {
            let why = why.map_or_else(String::new, |why| format!(": {}", why.message));
            aside.push(SetAside {
                what: format!("foreign data wrapper {wrapper}"),
                why: format!("no table of it could be read here{why}; only its options are looked at"),
            });
            continue;
        };
        let way = &WAYS[position];
        let prelude = make(wrapper, way, &server, &table, "integer");
        let text = Type { oid: "25".to_owned(), name: "text".to_owned() };
        let statement = |what: &str, sql: &str, table: &str, prelude: &[String]| {
            let subject =
                Subject::new(format!("a table of {wrapper}, {what}"), sql.replace('@', table), Form::Statement);
            let arguments = if sql.contains("$1") { vec![text.clone()] } else { Vec::new() };
            subject.taking(&arguments).made_by(prelude)
        };
        all.extend(STATEMENTS.iter().map(|(what, sql)| statement(what, sql, &table, &prelude)));
        // A column that does not fit what is there.
        let bad = format!("{table}_bad");
        let unfit = make(wrapper, way, &format!("{server}_bad"), &bad, "date");
        all.push(statement("of which a column has another type", "SELECT * FROM @", &bad, &unfit));
        // What it leads to is not there.
        for (place, wrong) in
            way.server.iter().map(|(name, _)| (name, "SERVER")).chain(way.table.iter().map(|(name, _)| (name, "TABLE")))
        {
            let missing = format!("{server}_{}", plain(&format!("no_{place}")));
            let table = format!("{missing}_table");
            let mut made = make(wrapper, way, &missing, &table, "integer");
            made.push(match wrong {
                "SERVER" => format!("ALTER SERVER {missing} OPTIONS (SET {place} '/nosuch')"),
                _ => format!("ALTER FOREIGN TABLE {table} OPTIONS (SET {place} '/nosuch')"),
            });
            all.push(statement(&format!("with a {place} that there is not"), "SELECT * FROM @", &table, &made));
        }
        let script =
            |workload: Vec<String>| Form::Script { setup: Vec::new(), workload, teardown: Vec::new(), error: None };
        let cursor = vec![
            "BEGIN".to_owned(),
            format!("DECLARE mcspec_rows CURSOR FOR SELECT * FROM {table}"),
            "FETCH 2 FROM mcspec_rows".to_owned(),
            "SAVEPOINT s".to_owned(),
            "FETCH 2 FROM mcspec_rows".to_owned(),
            "ROLLBACK TO SAVEPOINT s".to_owned(),
            "COMMIT".to_owned(),
        ];
        all.push(
            Subject::new(format!("a table of {wrapper}, left in a cursor"), "cursor", script(cursor)).made_by(&prelude),
        );
        let again = format!("{server}_again");
        let mut made = make(wrapper, way, &again, &format!("{again}_table"), "integer");
        made.extend([format!("SELECT count(*) FROM {again}_table"), drop_server(&again)]);
        let made = made.split_off(2);
        all.push(
            Subject::new(format!("a server of {wrapper}, made, used and dropped"), "server", script(made))
                .made_by(&prelude[..2]),
        );
        let import = format!(
            "DO $do$ BEGIN IMPORT FOREIGN SCHEMA public LIMIT TO (mcspec_source) FROM SERVER {server} INTO mcspec_imported; DROP FOREIGN TABLE mcspec_imported.mcspec_source; END $do$"
        );
        let mut schema = prelude.clone();
        schema.push("CREATE SCHEMA IF NOT EXISTS mcspec_imported".to_owned());
        all.push(Subject::new(format!("a schema imported by {wrapper}"), import, Form::Statement).made_by(&schema));
    }
    (all, aside)
}

fn drop_server(server: &str) -> String {
    format!("DROP SERVER {server} CASCADE")
}

/// Servers, user mappings, tables and columns with each option that is one, and with one that is not.
fn of_options(trial: &mut Trial, wrapper: &str, words: &[String]) -> Vec<Subject> {
    let server = format!("CREATE SERVER mcspec_options FOREIGN DATA WRAPPER {wrapper}");
    let drop = drop_server("mcspec_options");
    // One after the other: what is made, with an option at `@`.
    let places = [
        ("a server", format!("{server} OPTIONS (@)")),
        ("a user mapping", format!("{server}; CREATE USER MAPPING FOR PUBLIC SERVER mcspec_options OPTIONS (@)")),
        (
            "a foreign table",
            format!("{server}; CREATE FOREIGN TABLE mcspec_options (i integer) SERVER mcspec_options OPTIONS (@)"),
        ),
        (
            "a column",
            format!("{server}; CREATE FOREIGN TABLE mcspec_options (i integer OPTIONS (@)) SERVER mcspec_options"),
        ),
    ];
    let value = Type { oid: String::new(), name: "value of an option".to_owned() };
    let mut all = Vec::new();
    for (place, sql) in places {
        let with = |word: &str, value: &str| sql.replace('@', &format!("\"{word}\" {value}"));
        let made = |word: &str, value: &str| vec![with(word, &quoted(value)), drop.clone()];
        let mut options = that_work(trial, words, &VALUES, made);
        options.push((NO_OPTION.to_owned(), String::new()));
        for (option, _) in options {
            let call = format!("DO $do$ BEGIN {}; {drop}; END $do$", with(&option, "$1"));
            let subject = Subject::new(format!("{place} of {wrapper} with {option}"), call, Form::Statement);
            all.push(subject.taking(std::slice::from_ref(&value)));
        }
    }
    all
}
