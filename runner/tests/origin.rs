//! What tracing leaves as it was, and whose stack it shows. Variables in which a library keeps functions stay as they are, whoever has
//! changed them, and when.

use crate::cluster::{Session, clusters};

/// Windows are opened, and closed, before and after the library decides on its allocator. That of another decision would end the
/// session.
#[test]
fn a_library_decides_on_its_allocator() {
    for cluster in clusters(&["own_allocator"]) {
        let server = cluster.start(&["own_allocator"], &[]);
        let mut session = Session::open(&server);
        session.gives("CREATE EXTENSION IF NOT EXISTS own_allocator; SET search_path = own_allocator, public", "");
        session.gives("SET pg_ext_memcheck.trace = on; SET pg_ext_memcheck.targets = 'own_allocator'", "");
        let window = |session: &mut Session, work: &[&str]| {
            session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
            work.iter().for_each(|query| drop(session.ask(query)));
            session.ask("SELECT ext_memcheck.end()");
        };
        // In turn: 0 malloc's, 1 the library's own, which are palloc's, 2 malloc's as dlsym() finds them.
        let fits = |choice: u32| if choice == 1 { "chosen_own_ok(24)" } else { "chosen_ok(24)" };
        for first in 0..3 {
            for second in 0..3 {
                session.gives(&format!("SELECT choose({first})"), "");
                window(&mut session, &[&format!("SELECT {}", fits(first))]);
                session.gives(&format!("SELECT {}", fits(first)), "24");
                window(&mut session, &[&format!("SELECT choose({second})"), &format!("SELECT {}", fits(second))]);
                session.gives(&format!("SELECT {}, are_own()", fits(second)), "24|t");
                window(&mut session, &[&format!("SELECT {}", fits(second))]);
                session.gives(&format!("SELECT {}, are_own()", fits(second)), "24|t");
            }
        }
        drop(session);
        server.stop();
    }
}

/// The functions of the stack of the only finding of a window around some work, from the inside out.
fn stack_of(session: &mut Session, work: &[String]) -> String {
    session.gives(
        "SELECT ext_memcheck.begin('', '{\"scenario\": \"growth_benchmark\"}')",
        "Memory check session started.",
    );
    session.gives("SELECT ext_memcheck.mark(0)", "");
    for round in 1..=20 {
        work.iter().for_each(|query| drop(session.ask(query)));
        session.gives(&format!("SELECT ext_memcheck.mark({round})"), "");
    }
    session.ask("SELECT ext_memcheck.end()");
    session.ask(
        "SELECT string_agg(frame->>'symbol', ' <- ' ORDER BY number)
           FROM ext_memcheck.findings(), jsonb_array_elements(stack) WITH ORDINALITY frames(frame, number)",
    )
}

/// One function of the library allocates for several, in turn. What is kept is of one of them, and so is the stack.
#[test]
fn the_stack_is_that_of_what_is_kept() {
    for cluster in clusters(&["many_ways"]) {
        let server = cluster.start(&["many_ways"], &[]);
        let mut session = Session::open(&server);
        session.gives("CREATE EXTENSION IF NOT EXISTS many_ways; SET search_path = many_ways, public", "");
        session.gives("SET pg_ext_memcheck.trace = on; SET pg_ext_memcheck.targets = 'many_ways'", "");
        session.gives(
            "CREATE TEMP TABLE t (n int);
             CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION keeps_in_trigger()",
            "",
        );
        let queries = |all: &[&str]| -> Vec<String> { all.iter().map(|&query| query.to_owned()).collect() };
        let before = queries(&[
            "SELECT gives_back(24)",
            "SELECT keeps_one(24)",
            "SELECT goes_with_query(24) FROM generate_series(1, 3)",
        ]);
        let inserts = queries(&["INSERT INTO t VALUES (1)"]);
        // Whichever comes first.
        for work in [[before.clone(), inserts.clone()].concat(), [inserts, before].concat()] {
            let stack = stack_of(&mut session, &work);
            assert!(stack.contains("ExecBRInsertTriggers"), "{stack}");
            for other in ["gives_back", "keeps_one", "goes_with_query", "fmgr_security_definer", "fmgr_hook"] {
                assert!(!stack.contains(other), "{other}: {stack}");
            }
        }
        // A recursion has more stacks than are kept; what is shown is one of them.
        let stack = stack_of(&mut session, &queries(&["SELECT sum(keeps_deep(n)) FROM generate_series(1, 200) n"]));
        assert!(stack.contains("standard_ExecutorRun") && stack.contains("keeps_deep"), "{stack}");
        drop(session);
        server.stop();
    }
}
