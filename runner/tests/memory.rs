//! Memory that is not there: the engine neither ends a process for want of it, nor keeps quiet about what it has lost.

mod cluster;

use std::panic::{AssertUnwindSafe, catch_unwind};

use cluster::{Session, clusters};

/// Fills the memory that its process may have with plans that stay, to the last bytes.
const PREPARE: &str = "
DO $$
DECLARE
    size int := 4 << 20;
    number int := 0;
BEGIN
    WHILE size >= 16 LOOP
        BEGIN
            EXECUTE format('PREPARE filler%s AS SELECT %L', number, repeat('x', size));
            number := number + 1;
        EXCEPTION WHEN out_of_memory THEN
            size := size / 2;
        END;
    END LOOP;
END $$";

/// What is done in a session that has little memory.
const SESSIONS: [&[&str]; 5] = [
    &["SET ROLE nobody", "SET pg_ext_memcheck.memcheck_mode = 'all'", PREPARE, "SELECT 1", "SELECT md5('x')"],
    &[
        "SET ROLE nobody",
        "SET pg_ext_memcheck.memcheck_mode = 'executor'",
        "SELECT shortage.fill(1000)",
        "SELECT 1",
        "SELECT shortage.leak(10, 10000)",
        "SELECT shortage.contexts(1000)",
        "SELECT shortage.release()",
        "SELECT 1",
    ],
    &[
        "SET pg_ext_memcheck.trace = off",
        "SELECT ext_memcheck.begin()",
        PREPARE,
        "SELECT ext_memcheck.mark(1)",
        "SELECT count(*) FROM pg_class",
        "SELECT ext_memcheck.mark(2)",
        "SELECT * FROM ext_memcheck.end()",
        "SELECT * FROM ext_memcheck.findings()",
        "SELECT * FROM ext_memcheck.window_stats()",
    ],
    WINDOW,
    &[
        "SET pg_ext_memcheck.trace = off",
        WINDOW[0],
        WINDOW[1],
        WINDOW[2],
        WINDOW[3],
        WINDOW[4],
        WINDOW[5],
        WINDOW[6],
        WINDOW[7],
        WINDOW[8],
        WINDOW[9],
        WINDOW[10],
    ],
];

const WINDOW: &[&str] = &[
    "SELECT shortage.contexts(10000)",
    "SELECT ext_memcheck.begin()",
    "SELECT shortage.fill(2000)",
    "SELECT ext_memcheck.mark(1)",
    "SELECT shortage.leak(100, 100)",
    "SELECT ext_memcheck.mark(2)",
    "SELECT shortage.leak(100, 100)",
    "SELECT * FROM ext_memcheck.end()",
    "SELECT count(*) FROM ext_memcheck.findings()",
    "SELECT name, value FROM ext_memcheck.window_stats() WHERE name IN ('out_of_memory', 'marks')",
    "SELECT shortage.release()",
];

/// Limits of a process's address space (MB). In the lowest there is no room for a trace.
const LIMITS: [u32; 2] = [400, 700];
/// More of them, for those who have the time.
const MORE_LIMITS: [u32; 4] = [500, 600, 800, 900];

/// What a session answers; none where it has ended.
fn ask(session: &mut Session, sql: &str) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| session.ask(sql))).ok()
}

/// Neither a session without any privilege nor a superuser's window ends another process.
#[test]
fn a_process_without_memory_takes_no_other_with_it() {
    without_memory(&LIMITS);
}

#[test]
#[ignore = "takes minutes: make torture"]
fn a_process_without_memory_takes_no_other_with_it_at_any_limit() {
    without_memory(&MORE_LIMITS);
}

fn without_memory(limits: &[u32]) {
    for cluster in clusters(&["shortage"]) {
        println!("PostgreSQL {}", cluster.installation.version.text);
        let server = cluster.start(&[], &[]);
        let log = server.log_position();
        let mut witness = Session::open(&server);
        witness.gives("CREATE ROLE nobody LOGIN", "");
        witness.gives("CREATE EXTENSION shortage", "");
        for megabytes in limits {
            for statements in SESSIONS {
                let mut session = Session::open(&server);
                session.ask(&format!("SELECT shortage.address_space({megabytes})"));
                for sql in statements {
                    let answer = ask(&mut session, sql);
                    println!("{megabytes} MB: {}: {answer:?}", sql.trim().lines().next().unwrap_or_default());
                    if answer.is_none() {
                        // The server itself gives up a session that cannot even roll back (`elog` in `PostgresMain`).
                        break;
                    }
                }
                assert_eq!(server.crashes_since(log), [], "{megabytes} MB: {statements:?}\n{}", server.log_tail(50));
            }
        }
        witness.gives("SELECT 1", "1");
    }
}
