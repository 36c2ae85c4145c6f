//! Output plugins: changes of all kinds, decoded by a logical replication slot of theirs.

use std::fs;
use std::path::Path;

use super::subject::{Form, Subject};
use super::words::that_work;
use crate::init::calls::plain;
use crate::init::literals::quoted;
use crate::init::trial::Trial;

/// What a server needs for it.
const CONF: [&str; 2] = ["wal_level = logical", "max_prepared_transactions = 4"];

/// The parameter of servers that take only some libraries for output plugins, those with the latest corrections among them.
const ALLOWED: &str = "output_plugin_libraries";

/// Lines of postgresql.conf for an output plugin on a server of which this is the program.
pub fn conf(plugin: &str, server: &Path) -> Vec<String> {
    let mut lines: Vec<String> = CONF.map(str::to_owned).to_vec();
    let knows = |bytes: Vec<u8>| bytes.windows(ALLOWED.len()).any(|part| part == ALLOWED.as_bytes());
    if fs::read(server).is_ok_and(knows) {
        lines.push(format!("{ALLOWED} = '{plugin}'"));
    }
    lines
}

/// What it is that makes a library one (output_plugin.h).
pub const SYMBOL: &[u8] = b"\0_PG_output_plugin_init";

/// What options are set to.
const VALUES: [&str; 5] = ["on", "1", "0", "abc", ""];

/// What is done between two looks at a slot, and whether it is decoded as it is committed.
const CHANGES: &[(&str, &[&str])] = &[
    (
        "rows",
        &[
            "INSERT INTO mcspec_decoded (t) VALUES ('a'), (NULL)",
            "UPDATE mcspec_decoded SET t = t || 'b', n = 'NaN' WHERE i > 0",
            "DELETE FROM mcspec_decoded WHERE i > 0",
        ],
    ),
    (
        "values of all types",
        &[
            "INSERT INTO mcspec_decoded VALUES (1, 'it''s \u{1f600}', 1e30, '\\x00ff', '{\"a\": [1, null]}', ARRAY[1, NULL], '-infinity', \
             B'101', 'NaN', true, '1 day', repeat('x', 9000), 'a=>1', NULL, '[1,2)', '<a/>', '(1,2)')",
            "UPDATE mcspec_decoded SET i = i + 1 WHERE i = 1",
            "DELETE FROM mcspec_decoded",
        ],
    ),
    (
        "a value that is stored elsewhere and not changed",
        &[
            "INSERT INTO mcspec_decoded (t, large) SELECT 'a', string_agg(md5(i::text), '') FROM generate_series(1, 1000) AS i",
            "UPDATE mcspec_decoded SET t = 'b'",
            "DELETE FROM mcspec_decoded",
        ],
    ),
    (
        "old rows as a whole",
        &[
            "ALTER TABLE mcspec_decoded REPLICA IDENTITY FULL",
            "INSERT INTO mcspec_decoded (t) VALUES ('a')",
            "UPDATE mcspec_decoded SET t = 'b'",
            "DELETE FROM mcspec_decoded",
            "ALTER TABLE mcspec_decoded REPLICA IDENTITY DEFAULT",
        ],
    ),
    (
        "no old rows",
        &[
            "ALTER TABLE mcspec_decoded REPLICA IDENTITY NOTHING",
            "INSERT INTO mcspec_decoded (t) VALUES ('a')",
            "UPDATE mcspec_decoded SET t = 'b'",
            "DELETE FROM mcspec_decoded",
            "ALTER TABLE mcspec_decoded REPLICA IDENTITY DEFAULT",
        ],
    ),
    ("TRUNCATE", &["INSERT INTO mcspec_decoded (t) VALUES ('a')", "TRUNCATE mcspec_decoded RESTART IDENTITY CASCADE"]),
    (
        "subtransactions",
        &[
            "BEGIN",
            "INSERT INTO mcspec_decoded (t) VALUES ('a')",
            "SAVEPOINT s",
            "INSERT INTO mcspec_decoded (t) VALUES ('b')",
            "ROLLBACK TO SAVEPOINT s",
            "DELETE FROM mcspec_decoded",
            "COMMIT",
        ],
    ),
    ("what is rolled back", &["BEGIN", "INSERT INTO mcspec_decoded (t) VALUES ('a')", "ROLLBACK"]),
    (
        "DDL",
        &[
            "CREATE TABLE mcspec_new (i integer)",
            "INSERT INTO mcspec_new VALUES (1)",
            "ALTER TABLE mcspec_new ADD COLUMN t text DEFAULT md5(random()::text)",
            "ALTER TABLE mcspec_new DROP COLUMN i",
            "INSERT INTO mcspec_new VALUES ('a')",
            "DROP TABLE mcspec_new",
        ],
    ),
    (
        "messages",
        &[
            "SELECT pg_logical_emit_message(true, 'mcspec', 'a')",
            "SELECT pg_logical_emit_message(false, 'mcspec', repeat('b', 1000))",
            "SELECT pg_logical_emit_message(false, '', '')",
        ],
    ),
    (
        "many rows",
        &[
            "INSERT INTO mcspec_decoded (t) SELECT 'row ' || i FROM generate_series(1, 300) AS i",
            "DELETE FROM mcspec_decoded",
        ],
    ),
    (
        "a prepared transaction",
        &[
            "BEGIN",
            "INSERT INTO mcspec_decoded (t) VALUES ('a')",
            "PREPARE TRANSACTION 'mcspec'",
            "COMMIT PREPARED 'mcspec'",
            "DELETE FROM mcspec_decoded",
        ],
    ),
];

/// The table that is changed.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS mcspec_decoded (i serial PRIMARY KEY, t text, n numeric, b bytea, j jsonb, a integer[], \
                     z timestamptz, bits varbit, f float8, is_true boolean, v interval, large text, u text, nothing text, r int4range, \
                     x text, p point)";

/// A call of a function that reads the changes of the slot.
fn read(function: &str, slot: &str, options: &str) -> String {
    format!("SELECT count(data) FROM {function}({slot}, NULL, NULL{options})")
}

/// What is done with an output plugin. `words` are those that may be its options.
pub fn subjects(trial: &mut Trial, plugin: &str, words: &[String]) -> Vec<Subject> {
    // A slot is of one database, and its name is the cluster's.
    let slot_of = |what: &str| format!("('mcspec_{}_{what}' || left(md5(current_database()), 8))::name", plain(plugin));
    let slot = slot_of("");
    let create = |slot: &str| {
        format!(
            "SELECT pg_create_logical_replication_slot({slot}, {}) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE \
             slot_name = {slot})",
            quoted(plugin)
        )
    };
    // Another one each time: with an old one all that was written since is read again and again (logical.c, restart_lsn).
    let drop = format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {slot}");
    let prelude = [drop, create(&slot), TABLE.to_owned()];
    trial.those_that_work(&[vec![create(&slot)]], 1);
    let called = |option: &str, value: &str| {
        vec![read("pg_logical_slot_peek_changes", &slot, &format!(", {}, {}", quoted(option), quoted(value)))]
    };
    let options = that_work(trial, words, &VALUES, called);
    let is_binary = trial.those_that_work(&[vec![read("pg_logical_slot_peek_changes", &slot, "")]], 1).0.is_empty();
    let (get, peek) = match is_binary {
        true => ("pg_logical_slot_get_binary_changes", "pg_logical_slot_peek_binary_changes"),
        false => ("pg_logical_slot_get_changes", "pg_logical_slot_peek_changes"),
    };
    let script =
        |workload: Vec<String>| Form::Script { setup: Vec::new(), workload, teardown: Vec::new(), error: None };
    let mut all = Vec::new();
    for (name, changes) in CHANGES {
        let mut workload: Vec<String> = changes.iter().map(|&sql| sql.to_owned()).collect();
        workload.extend([read(peek, &slot, ""), read(get, &slot, "")]);
        let what = format!("output plugin {plugin}: {name}");
        all.push(Subject::new(what, format!("decode {name}"), script(workload)).made_by(&prelude));
    }
    for (option, _) in &options {
        for value in VALUES {
            let mut workload: Vec<String> = CHANGES[0].1.iter().map(|&sql| sql.to_owned()).collect();
            let given = format!(", {}, {}", quoted(option), quoted(value));
            workload.extend([read(get, &slot, &given), read(get, &slot, "")]);
            let what = format!("output plugin {plugin}: {option} = {value:?}");
            // One that is refused is refused again.
            let call = read(peek, &slot, &given);
            let works = !trial.those_that_work(&[vec![call.clone()]], 1).0.is_empty();
            all.push(match works {
                true => Subject::new(what, format!("decode {option}"), script(workload)).made_by(&prelude),
                false => Subject::new(what, call, Form::Statement).made_by(&prelude),
            });
        }
    }
    for (what, options) in [
        ("an option that there is not", ", 'mcspec_nosuch', 'on'"),
        ("an option without a value", ", 'mcspec_nosuch', NULL"),
    ] {
        let what = format!("output plugin {plugin}: {what}");
        all.push(Subject::new(what, read(peek, &slot, options), Form::Statement).made_by(&prelude));
    }
    let made = slot_of("made_");
    let workload = vec![create(&made), format!("SELECT pg_drop_replication_slot({made})")];
    all.push(Subject::new(format!("output plugin {plugin}: a slot is made and dropped"), "slot", script(workload)));
    all
}
