//! CREATE EXTENSION and DROP EXTENSION, over and over.

use mcspec::server::Server;

use crate::case::{Case, Choice};
use crate::cluster::{Cluster, Session};
use crate::sound;
use crate::traces::Before;

/// How often the extension is made in a case.
const TIMES: u64 = 250;

/// Versions to begin with.
const VERSIONS: [&str; 3] = ["", " VERSION '0.0.1'", " VERSION '0.1.0'"];

/// Catalogs in which something of an extension might stay.
const CATALOGS: [&str; 16] = [
    "pg_attrdef",
    "pg_class",
    "pg_constraint",
    "pg_depend",
    "pg_description",
    "pg_extension",
    "pg_index",
    "pg_init_privs",
    "pg_namespace",
    "pg_proc",
    "pg_rewrite",
    "pg_seclabel",
    "pg_sequence",
    "pg_shdepend",
    "pg_shdescription",
    "pg_type",
];

pub(crate) fn part(cluster: &Cluster, choice: &Choice, name: &'static str, count: u32) {
    let before = Before::now(&[cluster.run.path(), cluster.run.sockets()]);
    let server = cluster.start_with_old_versions(&["log_min_messages = log"]);
    choice.each(name, cluster.installation.version.major(), count, |case| create(&server, case));
    server.stop();
    before.assert_nothing_left();
}

fn create(server: &Server, case: &mut Case) {
    let trace = *case.pick(&["windows", "on", "off"]);
    let mode = *case.pick(&["none", "all"]);
    case.tell(&format!("{TIMES} times, trace {trace}, mode {mode}"));
    let position = server.log_position();
    let mut session = Session::open(server);
    session.ask("DROP EXTENSION IF EXISTS pg_ext_memcheck");
    session.gives(&format!("SET pg_ext_memcheck.trace = {trace}; SET pg_ext_memcheck.memcheck_mode = '{mode}'"), "");
    let counts = CATALOGS.map(|catalog| format!("SELECT '{catalog}', count(*) FROM {catalog}")).join(" UNION ALL ");
    // The server keeps what it has looked up, sequences and functions of C in these for as long as the session lasts.
    let held = "SELECT name, sum(used_bytes) FROM pg_backend_memory_contexts
                 WHERE name NOT IN ('CacheMemoryContext', 'Sequence values', 'CFuncHash') GROUP BY 1 ORDER BY 2 DESC";
    let total = |held: &str| held.lines().filter_map(|line| line.rsplit_once('|')?.1.parse::<u64>().ok()).sum::<u64>();
    let before = session.ask(&counts);
    let mut early = String::new();
    for round in 1..=TIMES {
        let version = *case.pick(&VERSIONS);
        let in_window = case.below(3) == 0;
        let undone = case.below(4) == 0;
        if undone {
            session.gives("BEGIN", "");
        }
        session.gives(&format!("CREATE EXTENSION pg_ext_memcheck{version}"), "");
        if !version.is_empty() {
            session.gives("ALTER EXTENSION pg_ext_memcheck UPDATE", "");
        }
        if in_window {
            session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
            session.gives("SELECT count(*) >= 0 FROM ext_memcheck.findings()", "t");
        }
        if undone {
            session.gives("ROLLBACK", "");
        } else {
            session.gives("DROP EXTENSION pg_ext_memcheck", "");
        }
        assert_eq!(session.ask(&counts), before, "after round {round}");
        if round == TIMES / 5 {
            early = session.ask(held);
        }
    }
    let late = session.ask(held);
    assert!(total(&late) < total(&early) + TIMES * 100, "{early}\n\nhas become\n\n{late}");
    session.gives("CREATE EXTENSION pg_ext_memcheck", "");
    sound::assert_no_crash(server, position);
    drop(session);
    let mut session = Session::open(server);
    session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
    session.gives("SELECT count(*) FROM ext_memcheck.end()", "0");
    session.gives(sound::FAULTS, "");
}
