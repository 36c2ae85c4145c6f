//! What anybody does on a server, for libraries that look on: each statement in every way, and those that fail.

use super::subject::{Form, Subject};

/// What they work on.
const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS mcspec_seen AS SELECT i, 'row ' || i AS t FROM generate_series(1, 50) AS i",
    "CREATE OR REPLACE FUNCTION mcspec_seen(n integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN PERFORM count(*) FROM mcspec_seen; \
     RETURN 10 / n; END'",
];

/// The statements.
const STATEMENTS: &[(&str, &str)] = &[
    ("a query", "SELECT count(*), max(t) FROM mcspec_seen WHERE i % 2 = 0"),
    ("a join", "SELECT a.t, b.i FROM mcspec_seen a JOIN mcspec_seen b USING (i) ORDER BY 1"),
    ("a query in a query", "SELECT (SELECT max(i) FROM mcspec_seen WHERE i < a.i) FROM mcspec_seen a"),
    ("a function that queries", "SELECT mcspec_seen(2)"),
    ("a function that fails", "SELECT mcspec_seen(0)"),
    ("a query that fails", "SELECT 1 / (i - 20) FROM mcspec_seen"),
    ("what cannot be read", "SELEC 1"),
    ("what there is not", "TABLE mcspec_nosuch"),
    ("an insertion", "INSERT INTO mcspec_seen VALUES (100, 'new') RETURNING i"),
    ("an update", "UPDATE mcspec_seen SET t = 'other' WHERE i = 1"),
    ("a deletion", "DELETE FROM mcspec_seen WHERE i >= 100"),
    ("an insertion that fails", "INSERT INTO mcspec_seen VALUES ('a', 'new')"),
    ("an explanation", "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM mcspec_seen WHERE i = 1"),
    ("a comment", "COMMENT ON TABLE mcspec_seen IS 'seen'"),
    ("a copy", "COPY mcspec_seen TO '/dev/null'"),
    ("a copy that fails", "COPY mcspec_seen FROM '/nosuch'"),
    ("a vacuum", "VACUUM mcspec_seen"),
    ("an analysis", "ANALYZE mcspec_seen"),
    ("a setting", "SET work_mem = '5MB'"),
    ("a lock", "LOCK TABLE mcspec_seen IN SHARE MODE"),
    ("a right", "GRANT SELECT ON mcspec_seen TO PUBLIC"),
    ("a checkpoint", "CHECKPOINT"),
    ("a discarding", "DISCARD PLANS"),
    ("a notification", "NOTIFY mcspec_seen, 'a'"),
    ("a block", "DO 'BEGIN FOR n IN 1 .. 3 LOOP PERFORM mcspec_seen(n); END LOOP; END'"),
    ("an error that is caught", "DO 'BEGIN PERFORM mcspec_seen(0); EXCEPTION WHEN division_by_zero THEN NULL; END'"),
    ("a password", "ALTER ROLE mcspec_role PASSWORD 'long enough, 1 2 3 4 5 6 7 8 9'"),
    ("a password that is short", "ALTER ROLE mcspec_role PASSWORD 'a1'"),
    ("a password like its role", "ALTER ROLE mcspec_role PASSWORD 'mcspec_role'"),
    ("a password that is encrypted", "ALTER ROLE mcspec_role PASSWORD 'md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"),
];

/// What is made and dropped.
const SCRIPTS: &[(&str, &[&str])] = &[
    ("a role", &["CREATE ROLE mcspec_made LOGIN PASSWORD 'long enough, 1 2 3'", "DROP ROLE mcspec_made"]),
    (
        "relations",
        &[
            "CREATE TABLE mcspec_made (i integer PRIMARY KEY, t text)",
            "CREATE INDEX ON mcspec_made (t)",
            "CREATE VIEW mcspec_view AS SELECT * FROM mcspec_made",
            "ALTER TABLE mcspec_made ADD COLUMN n numeric DEFAULT 1",
            "ALTER TABLE mcspec_made RENAME COLUMN n TO m",
            "DROP TABLE mcspec_made CASCADE",
        ],
    ),
    (
        "functions and types",
        &[
            "CREATE TYPE mcspec_type AS ENUM ('a', 'b')",
            "ALTER TYPE mcspec_type ADD VALUE 'c'",
            "CREATE FUNCTION mcspec_function(mcspec_type) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "SELECT mcspec_function('a')",
            "DROP TYPE mcspec_type CASCADE",
        ],
    ),
    (
        "a partitioned table",
        &[
            "CREATE TABLE mcspec_parts (i integer) PARTITION BY RANGE (i)",
            "CREATE TABLE mcspec_part PARTITION OF mcspec_parts FOR VALUES FROM (0) TO (10)",
            "INSERT INTO mcspec_parts VALUES (1), (2)",
            "SELECT count(*) FROM mcspec_parts WHERE i = 1",
            "DROP TABLE mcspec_parts",
        ],
    ),
    (
        "a transaction that fails",
        &[
            "BEGIN",
            "SELECT count(*) FROM mcspec_seen",
            "SAVEPOINT s",
            "UPDATE mcspec_seen SET t = 'x' WHERE i = 2",
            "ROLLBACK TO SAVEPOINT s",
            "ROLLBACK",
        ],
    ),
    (
        "a cursor that is held",
        &[
            "BEGIN",
            "DECLARE mcspec_held CURSOR WITH HOLD FOR SELECT * FROM mcspec_seen",
            "FETCH 2 FROM mcspec_held",
            "COMMIT",
            "FETCH 2 FROM mcspec_held",
            "CLOSE mcspec_held",
        ],
    ),
];

/// What is done while a library looks on. `load` has it loaded.
pub fn subjects(library: &str, load: &[String]) -> Vec<Subject> {
    let role = "DO 'BEGIN IF to_regrole(''mcspec_role'') IS NULL THEN CREATE ROLE mcspec_role; END IF; END'";
    let mut prelude = load.to_vec();
    prelude.extend(TABLES.map(str::to_owned));
    let what = |name: &str| format!("what {library} does: {name}");
    let statements = STATEMENTS.iter().map(|(name, sql)| {
        let mut prelude = prelude.clone();
        if sql.contains("mcspec_role") {
            prelude.push(role.to_owned());
        }
        Subject::new(what(name), *sql, Form::Statement).made_by(&prelude)
    });
    let scripts = SCRIPTS.iter().map(|(name, workload)| {
        let workload = workload.iter().map(|&sql| sql.to_owned()).collect();
        let form = Form::Script { setup: Vec::new(), workload, teardown: Vec::new(), error: None };
        Subject::new(what(name), *name, form).made_by(&prelude)
    });
    statements.chain(scripts).collect()
}
