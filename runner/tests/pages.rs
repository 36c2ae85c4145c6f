//! Guard pages, with chunks of every kind in every order (`tests/corpus/storm`): nothing of a workload without a bad access is
//! another than without them, and chunks outlive the tracing in which they were allocated.

use std::fs;
use std::time::Instant;

use crate::cluster::shared::Shared;
use crate::cluster::{Session, clusters};
use mcspec::server::Server;

const LIBRARY: &str = "storm";

static SERVERS: Shared = Shared::new(&[LIBRARY], &[], &[]);

/// A session of which all is traced, under this guard.
fn guarded(server: &Server, guard: &str) -> Session {
    let mut session = Session::open(server);
    session.ask("CREATE EXTENSION IF NOT EXISTS storm");
    session.ask("SET pg_ext_memcheck.targets = 'storm'");
    session.ask(&format!("SET pg_ext_memcheck.guard = {guard}"));
    session.ask("SET pg_ext_memcheck.trace = on");
    session
}

/// Opens a window, has something done in it, and gives what `statistics` says of it.
fn window(session: &mut Session, work: &[&str]) -> Vec<u64> {
    session.ask("SELECT ext_memcheck.begin('%')");
    work.iter().for_each(|sql| _ = session.ask(sql));
    session.ask("SELECT ext_memcheck.end()");
    let figures = "SELECT string_agg(value::text, ' ' ORDER BY name) FROM ext_memcheck.window_stats()
         WHERE name IN ('fallbacks', 'guarded', 'inconsistencies', 'live_allocations', 'not_recorded')";
    session.ask(figures).split(' ').map(|figure| figure.parse().expect("a number")).collect()
}

/// The levels of guard pages: on which side of a chunk there is one.
const SIDES: [&str; 2] = ["pages", "pages_before"];

const ACCESSES: &str = "SELECT check_type, detail FROM ext_memcheck.findings() WHERE access IS NOT NULL";

#[test]
fn a_storm_is_calm_under_pages() {
    SERVERS.each(|server| {
        let storm = "SELECT storm.storm(20000, 300)";
        let expected = guarded(server, "off").ask(storm);
        for side in SIDES {
            let mut session = guarded(server, side);
            session.gives(storm, &expected);
            let figures = window(&mut session, &[storm]);
            let made: u64 = expected.parse().expect("a number");
            // Of each slab that is made the first chunk is the server's.
            assert!(figures[1] > made * 9 / 10 && figures[1] <= made + 1, "{figures:?} of {made}");
            assert_eq!((figures[0], &figures[2..]), (0, [0; 3].as_slice()));
            session.gives(ACCESSES, "");
        }
    });
}

#[test]
fn one_in_so_many_is_guarded() {
    SERVERS.each(|server| {
        let mut session = guarded(server, "pages");
        session.ask("SET pg_ext_memcheck.guard_sample = 10");
        let figures = window(&mut session, &["SELECT storm.keep(1000)", "SELECT storm.keep(0)"]);
        assert_eq!(figures[..2], [0, 100], "1002 allocations");
    });
}

#[test]
fn chunks_outlive_the_tracing() {
    let outlive = |server: &Server, side| {
        let mut session = guarded(server, side);
        let figures = window(&mut session, &["SELECT storm.keep(50), storm.hold(50)"]);
        assert_eq!(figures[..2], [0, 102], "with an array each");
        for trace in ["off", "on", "windows"] {
            session.ask(&format!("SET pg_ext_memcheck.trace = {trace}"));
            session.gives("SELECT storm.keep(60), storm.hold(60)", "60|60");
            session.ask("SELECT storm.storm(2000, 100)");
        }
        session.ask("SET pg_ext_memcheck.trace = on");
        session.gives("SELECT storm.keep(70), storm.hold(70)", "70|70");
        session.ask("SET pg_ext_memcheck.trace = off");
        session.gives("SELECT storm.keep(0), storm.hold(0)", "0|0");
        // Nothing is left of it.
        session.ask("SELECT storm.storm(2000, 100)");
        session.gives("SELECT count(*) FROM ext_memcheck.findings() WHERE access IS NOT NULL", "0");
    };
    SERVERS.each(|server| SIDES.into_iter().for_each(|side| outlive(server, side)));
}

#[test]
fn what_finds_no_room_is_counted() {
    SERVERS.each(|server| {
        let mut session = guarded(server, "pages");
        let figures = window(&mut session, &["SELECT storm.keep(60000)", "SELECT storm.storm(2000, 100)"]);
        assert!(figures[0] > 30_000 && figures[1] > 10_000, "{figures:?}");
        assert_eq!(figures[2], 0);
        session.gives("SELECT storm.keep(0)", "0");
        let figures = window(&mut session, &["SELECT storm.storm(2000, 100)"]);
        assert!(figures[0] == 0 && figures[1] > 900, "{figures:?}");
    });
}

#[test]
fn a_slab_fails_as_it_does() {
    SERVERS.each(|server| {
        for sql in ["SELECT storm.slab_of_another_size(64)", "SELECT storm.slab_to_another_size(64)"] {
            let expected = guarded(server, "off").ask(sql);
            assert!(expected.starts_with("XX000 "), "{expected}");
            guarded(server, "pages").gives(sql, &expected);
        }
        guarded(server, "pages").gives("SELECT storm.slab_to_another_size(72)", "0");
    });
}

/// Ten million chunks in a row, under each guard.
#[test]
#[ignore = "takes minutes"]
fn memory_is_bounded() {
    for cluster in clusters(&[LIBRARY]) {
        let server = cluster.start(&["pg_ext_memcheck"], &[]);
        for guard in ["redzone", "pages"] {
            let version = format!("{}, {guard}", cluster.installation.version.text);
            soak(&mut guarded(&server, guard), &version);
        }
    }
}

/// In one window, of which the memory after the first chunks is compared with that after the last.
fn soak(session: &mut Session, version: &str) {
    let start = Instant::now();
    session.ask("SELECT ext_memcheck.begin('%')");
    let process = session.ask("SELECT pg_backend_pid()");
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim_end_matches(" kB").trim().parse::<u64>().expect("a number")
    };
    let (mut made, mut after_the_first) = (0, 0);
    for round in 0..9 {
        let answer = session.ask(&format!("SELECT storm.storm(2000000, 1000, {})", round + 1));
        made += answer.parse::<u64>().unwrap_or_else(|_| panic!("{answer}"));
        if round == 1 {
            after_the_first = memory();
        }
        println!("{version}: {made} chunks, {} kB, {} s", memory(), start.elapsed().as_secs());
    }
    assert!(made >= 10_000_000, "{made}");
    assert!(memory() < after_the_first + 100_000, "{} kB, and {after_the_first} kB at first", memory());
    session.ask("SELECT ext_memcheck.end()");
    session.gives(ACCESSES, "");
    session.gives(
        "SELECT name, value FROM ext_memcheck.window_stats()
          WHERE name IN ('inconsistencies', 'not_recorded') AND value > 0",
        "",
    );
}
