//! Everything that the manual of the engine's SQL interface has: each function, argument, option, parameter, view and scenario is called in a
//! way that shows that it does something, which is that something else comes of it than without it.
//!
//! What there is the server says: a new one that no row is of fails, as does a row of what is not there.

mod others;
mod parameters;
mod scenarios;
mod windows;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::cluster::Session;
use crate::cluster::shared::Shared;
use mcspec::server::Server;

/// The ring is small enough to overflow. The hooks of `buggy_pg_ext` lose memory with each statement.
static SHARED: Shared = Shared::new(
    &[
        "buggy_pg_ext",
        "mem_corpus",
        "accesses",
        "lifecycle",
        "shared_slots",
        "failing",
        "cancelled",
        "company",
        "alloc_paths",
    ],
    &["buggy_pg_ext", "shared_slots", "company"],
    &["pg_ext_memcheck.ring_size = 16", "max_worker_processes = 24"],
);

/// What is shown by a test of another file, which fails if it does nothing, and why it is not shown here.
const ELSEWHERE: &[(&str, &str, &str, &str)] = &[
    (
        "pg_ext_memcheck.observe_directory",
        "exec.rs",
        "a_leak_is_charged_to_its_statement_and_its_twin_is_silent",
        "it is set when the server starts, and every session writes there",
    ),
    (
        "pg_ext_memcheck.places_directory",
        "coverage.rs",
        "places_that_were_reached_are_those_of_a_count_by_hand",
        "it is set when the server starts, and every session writes there",
    ),
    (
        "look_at()",
        "exec.rs",
        "a_statement_that_never_ends_is_seen_to_grow",
        "it looks at sessions that are observed, of which there are none where nothing is",
    ),
    (
        "look_at(pid)",
        "exec.rs",
        "a_statement_that_never_ends_is_seen_to_grow",
        "as above: it is that statement's process",
    ),
    (
        "pg_ext_memcheck.reporters",
        "unprivileged.rs",
        "reporters_are_named_by_a_parameter",
        "sessions here are superusers, whom it does not concern",
    ),
];

/// What is documented, by the words for it, and statements with what they give. A statement that begins with "2: " is another
/// session's; `:other` is that one's process.
struct Row {
    of: String,
    asks: Vec<(String, String)>,
}

fn row(of: &str, asks: &[(&str, &str)]) -> Row {
    Row { of: of.to_owned(), asks: asks.iter().map(|&(sql, expected)| (sql.to_owned(), expected.to_owned())).collect() }
}

const STARTED: &str = "Memory check session started.";
const DONE: &str =
    "Scenario executed and analyzed. Run 'SELECT * FROM ext_memcheck.end()' to retrieve logged violations.";

/// What is asked for its effect alone.
const ANYTHING: &str = "(anything)";

const END: &str =
    "SELECT DISTINCT check_type, source_lib FROM ext_memcheck.end() WHERE severity = 'WARNING' ORDER BY 1";
const FOUND: &str = "SELECT DISTINCT check_type, subject, source_lib, site_symbol FROM ext_memcheck.findings() WHERE bytes > 1000 OR access IS NOT NULL ORDER BY 1, 2";
const CORPUS: &str = "SET pg_ext_memcheck.targets = 'mem_corpus'";
const LIFECYCLE: &str = "SET pg_ext_memcheck.targets = 'lifecycle'";
const ACCESSES: &str = "SET pg_ext_memcheck.targets = 'accesses'";
const LEAK: &str = "SELECT mem_corpus.d01_bad(100000)";
const FAILING: &str = "SET pg_ext_memcheck.targets = 'failing'";
const COMPANY: &str = "SET pg_ext_memcheck.targets = 'company'";
const SLOTS: &str = "SET pg_ext_memcheck.targets = 'shared_slots'";
const OPEN: (&str, &str) = ("SELECT ext_memcheck.begin()", STARTED);
const CLOSE: (&str, &str) = ("SELECT count(*) >= 0 FROM ext_memcheck.end()", "t");
const LEFT_OUT: &str = "SELECT value > 0 FROM ext_memcheck.window_stats() WHERE name = 'not_tried'";
const COUNT: (&str, &str) = ("SELECT count(*) > 0 FROM pg_class", "t");

/// A scenario whose workload is found at fault, and another one that is not.
fn scenario(of: &str, targets: &str, arguments: [(&str, &str); 2]) -> Row {
    let mut asks = vec![(targets.to_owned(), String::new())];
    for (arguments, found) in arguments {
        asks.push(("SELECT ext_memcheck.begin()".into(), STARTED.into()));
        asks.push((format!("SELECT ext_memcheck.run_scenario({arguments})"), DONE.into()));
        asks.push(("SELECT count(*) >= 0 FROM ext_memcheck.end()".into(), "t".into()));
        asks.push(("SELECT DISTINCT check_type FROM ext_memcheck.findings() ORDER BY 1".into(), found.into()));
    }
    Row { of: of.to_owned(), asks }
}

fn rows() -> Vec<Row> {
    let mut rows = windows::windows();
    rows.extend(windows::options());
    rows.extend(scenarios::scenarios());
    rows.extend(scenarios::arguments());
    rows.extend(scenarios::company());
    rows.extend(parameters::parameters());
    rows.extend(parameters::log());
    rows.extend(others::others());
    rows
}

/// The words for all that there is.
fn inventory(session: &mut Session, other: &str) -> BTreeSet<String> {
    let all = session.ask(
        "SELECT p.proname || '()' FROM pg_proc p WHERE p.pronamespace = 'ext_memcheck'::regnamespace
         UNION SELECT p.proname || '(' || a.name || ')'
           FROM pg_proc p, unnest(p.proargnames) WITH ORDINALITY a (name, n)
          WHERE p.pronamespace = 'ext_memcheck'::regnamespace AND a.n <= p.pronargs
         UNION SELECT name FROM pg_settings WHERE name LIKE 'pg_ext_memcheck.%' AND name NOT LIKE '%.trial_%'
         UNION SELECT 'scenario:' || name FROM ext_memcheck.scenarios
         UNION SELECT relname FROM pg_class WHERE relnamespace = 'ext_memcheck'::regnamespace AND relkind IN ('r', 'v')",
    );
    let mut all: BTreeSet<String> = all.lines().map(str::to_owned).collect();
    for function in ["begin(", &format!("begin_in({other}, ")] {
        let refused = session.ask(&format!("SELECT ext_memcheck.{function}'', '{{\"no such\": 1}}')"));
        let hint = refused.split("HINT: Options are ").nth(1).unwrap_or_else(|| panic!("{refused}"));
        let function = function.split('(').next().unwrap_or_default();
        all.extend(hint.split('"').skip(1).step_by(2).map(|option| format!("{function}{{{option}}}")));
    }
    all
}

/// The names that are given to what comes and goes: arguments, columns, parameters, functions, views.
const NAMES: &str = "
    WITH functions AS (SELECT * FROM pg_proc WHERE pronamespace = 'ext_memcheck'::regnamespace),
         relations AS (SELECT * FROM pg_class WHERE relnamespace = 'ext_memcheck'::regnamespace AND relkind IN ('r', 'v'))
    SELECT proname FROM functions
    UNION SELECT unnest(proargnames) FROM functions
    UNION SELECT relname FROM relations
    UNION SELECT attname FROM pg_attribute WHERE attnum > 0 AND attrelid IN (SELECT oid FROM relations)
    UNION SELECT name FROM pg_settings WHERE name LIKE 'pg_ext_memcheck.%' AND name NOT LIKE '%.trial_%'";

/// Does what a row says in sessions of its own. What is not as it says, where there is something.
fn wrong(server: &Server, row: &Row) -> Option<String> {
    let mut first = Session::open(server);
    let clear = ["flush_violations()", "clear_violations()", "clear_dsm_tracking()", "clear_shmem_registry()"];
    first.ask("SET client_min_messages = error");
    clear.iter().for_each(|function| _ = first.ask(&format!("SELECT ext_memcheck.{function}")));
    let mut second = Session::open(server);
    let other = second.ask("SELECT pg_backend_pid()");
    for (sql, expected) in &row.asks {
        let sql = sql.replace(":other", &other);
        let answer = match sql.strip_prefix("2: ") {
            Some(sql) => second.ask(sql),
            None => first.ask(&sql),
        };
        if expected != ANYTHING && answer != *expected {
            return Some(format!("{}: {sql}\n  gives {answer:?}\n    not {expected:?}", row.of));
        }
    }
    None
}

#[test]
fn each_of_them_does_something() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        for extension in
            ["mem_corpus", "accesses", "lifecycle", "shared_slots", "failing", "cancelled", "company", "alloc_paths"]
        {
            session.ask(&format!("CREATE EXTENSION IF NOT EXISTS {extension}"));
        }
        let wrong: Vec<String> = rows().iter().filter_map(|row| wrong(server, row)).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn the_manual_has_all_names() {
    SHARED.each(|server| {
        let names = Session::open(server).ask(NAMES);
        assert!(names.lines().count() > 100, "{names}");
        assert_eq!(crate::docs::undocumented(names.lines()), Vec::<&str>::new());
    });
}

#[test]
fn there_is_a_row_for_each() {
    let rows = rows();
    let words = rows.iter().flat_map(|row| row.of.split(' ')).chain(ELSEWHERE.iter().map(|&(word, ..)| word));
    let words: BTreeSet<String> = words.map(str::to_owned).collect();
    SHARED.each(|server| {
        let other = Session::open(server).ask("SELECT pg_backend_pid()");
        let all = inventory(&mut Session::open(server), &other);
        let missing: Vec<_> = all.difference(&words).collect();
        let unknown: Vec<_> = words.difference(&all).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "without a row: {missing:?}; not there: {unknown:?}");
    });
    for (word, file, test, _) in ELSEWHERE {
        let tests = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file)).expect(file);
        assert!(
            tests.contains(&format!("#[test]\nfn {test}() {{\n")),
            "{file} has no test {test}, which is to show {word}"
        );
    }
}
