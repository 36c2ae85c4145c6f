//! What tracing leaves as it was: variables in which a library keeps functions, whoever has changed them, and when.

mod cluster;

use cluster::{Session, clusters};

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
