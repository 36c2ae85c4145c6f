//! Statements of every kind, for libraries that look at what others do: planner, executor, utility commands, transactions.

use std::time::Duration;

use super::calls::Call;

/// What they work on.
pub const SETUP: &str = "CREATE TABLE mcspec_rows AS SELECT i, 'row ' || i AS t FROM generate_series(1, 100) AS i;";

/// Name, kind of scenario, statements.
const STATEMENTS: &[(&str, &str, &[&str])] = &[
    (
        "hooks_select",
        "growth_benchmark",
        &[
            "SELECT count(*) FROM mcspec_rows WHERE i % 2 = 0",
            "SELECT a.t FROM mcspec_rows a JOIN mcspec_rows b USING (i) ORDER BY 1 LIMIT 3",
        ],
    ),
    (
        "hooks_dml",
        "growth_benchmark",
        &[
            "INSERT INTO mcspec_rows VALUES (1000, 'new')",
            "UPDATE mcspec_rows SET t = 'other' WHERE i = 1000",
            "DELETE FROM mcspec_rows WHERE i = 1000",
        ],
    ),
    (
        "hooks_ddl",
        "growth_benchmark",
        &[
            "CREATE TABLE mcspec_made (i integer PRIMARY KEY)",
            "ALTER TABLE mcspec_made ADD COLUMN t text",
            "CREATE INDEX ON mcspec_made (t)",
            "DROP TABLE mcspec_made",
        ],
    ),
    (
        "hooks_prepared",
        "growth_benchmark",
        &[
            "PREPARE mcspec_one AS SELECT count(*) FROM mcspec_rows WHERE i < $1",
            "EXECUTE mcspec_one(10)",
            "DEALLOCATE mcspec_one",
        ],
    ),
    (
        "hooks_cursor",
        "growth_benchmark",
        &[
            "BEGIN",
            "DECLARE mcspec_cursor CURSOR FOR SELECT * FROM mcspec_rows",
            "FETCH 3 FROM mcspec_cursor",
            "CLOSE mcspec_cursor",
            "COMMIT",
        ],
    ),
    ("hooks_explain", "growth_benchmark", &["EXPLAIN SELECT * FROM mcspec_rows WHERE i = 1"]),
    (
        "hooks_nested",
        "growth_benchmark",
        &["DO 'BEGIN FOR n IN 1 .. 3 LOOP PERFORM count(*) FROM mcspec_rows WHERE i = n; END LOOP; END'"],
    ),
    (
        "hooks_abort",
        "tx_abort_loop",
        &["SELECT count(*) FROM mcspec_rows WHERE i % 2 = 0", "UPDATE mcspec_rows SET t = 'other' WHERE i = 1"],
    ),
];

/// The scenarios, each with its kind.
pub fn calls(library: &str, is_preloaded: bool) -> Vec<(Call, &'static str)> {
    let setup = if is_preloaded { Vec::new() } else { vec![format!("LOAD '{library}'")] };
    let call = |(name, kind, statements): &(&str, &'static str, &[&str])| {
        let call = Call {
            name: (*name).to_owned(),
            comment: format!("What {library} does while others work"),
            setup: setup.clone(),
            workload: statements.iter().map(|&sql| sql.to_owned()).collect(),
            teardown: Vec::new(),
            is_undone: false,
            // Slow enough that there are not too many.
            took: Duration::from_millis(5),
        };
        (call, *kind)
    };
    STATEMENTS.iter().map(call).collect()
}
