//! Segments of shared memory: what is found behind them, when, by whom and how often; and probes.

use crate::cluster::shared::Shared;
use crate::cluster::{Session, clusters, eventually, login};
use mcspec::server::Server;

static SHARED: Shared = Shared::new(
    &["shared_slots", "shared_other", "shared_dynamic", "shared_requested", "lifecycle"],
    &["shared_slots", "shared_other", "shared_requested"],
    &[],
);

const FOUND: &str = "SELECT detail FROM ext_memcheck.end() WHERE check_type = 'shmem_overrun' AND severity = 'ERROR'
                      ORDER BY detail";

/// Runs a test on each server, in which all libraries have their functions.
fn each(test: impl Fn(&Server)) {
    SHARED.each(|server| {
        for extension in ["shared_slots", "shared_other", "shared_dynamic", "shared_requested", "lifecycle"] {
            Session::open(server).gives(&format!("CREATE EXTENSION IF NOT EXISTS {extension}"), "");
        }
        test(server);
    });
}

/// Whether the server is of this major version or of a later one.
fn is_from(major: u32, session: &mut Session) -> bool {
    session.ask(&format!("SELECT current_setting('server_version_num')::int >= {major}0000")) == "t"
}

/// The sentence of a canary, of which nobody knows who has written.
fn sentence(segment: &str, size: u32, what: &str) -> String {
    format!("{}, by any process", start_of(segment, size, what))
}

fn start_of(segment: &str, size: u32, what: &str) -> String {
    format!("Sentinel byte overwritten past '{segment}' (declared_size={size}): {what}")
}

/// With the function: the one that was caught, or the one that was called when it was done.
#[test]
fn each_byte_is_told_by_its_offset_and_its_writer() {
    each(|server| {
        let mut session = Session::open(server);
        let table = [
            ("d19_bad(16)", "shared slots", 512, "32 bytes at offset 0 behind its end; by d19_bad"),
            ("d19_bad(17)", "shared slots", 512, "32 bytes at offset 32 behind its end; by d19_bad"),
            ("remainder_bad(8)", "shared counters", 192, "of the"),
            ("array_bad(4)", "shared items", 8, "16 bytes at offset 0 behind its end; during a call of array_bad"),
            ("array_bad(7)", "shared items", 8, "16 bytes at offset 48 behind its end; during a call of array_bad"),
            ("text_bad()", "shared line", 128, "1 byte at offset 0 behind its end; by text_bad"),
            ("block_bad()", "shared block", 1000, "64 bytes at offset 8 behind its end; by block_bad"),
            ("behind_bad()", "shared byte", 1, "1 byte at offset 30 behind its end; during a call of behind_bad"),
            ("empty_bad()", "shared empty", 0, "1 byte at offset 0 behind its end; by empty_bad"),
            ("entry_bad(1)", "shared table", 480, "8 bytes at offset 0 behind its end; during a call of entry_bad"),
            ("failing_bad()", "shared counters", 192, "of the"),
            ("late_bad()", "shared late", 200, "1 byte at offset 0 behind its end; during a call of late_bad"),
            // Another process, of which this one knows that it has not written itself.
            ("worker_bad(16)", "shared slots", 512, "32 bytes at offset 0 behind its end, by any process"),
            (
                "other_bad(60000)",
                "shared other",
                60_000,
                "1 byte at offset 0 behind its end; during a call of other_bad",
            ),
            ("other_bad(64000)", "shared other", 60_000, "1 byte at offset 4000 behind its end; by other_bad"),
        ];
        for (call, segment, size, what) in table {
            session.ask("SELECT ext_memcheck.begin()");
            session.ask(&format!("SELECT {call}"));
            let found = session.ask(FOUND);
            if what == "of the" {
                // The count of calls is added up in what is there.
                let start = format!("Sentinel byte overwritten past '{segment}' (declared_size={size}): ");
                let end = format!(" at offset 0 behind its end; during a call of {}", call.split('(').next().unwrap());
                assert!(found.starts_with(&start) && found.ends_with(&end), "{call}: {found}");
            } else {
                assert_eq!(found, start_of(segment, size, what), "{call}");
            }
        }
        session.gives(
            "SELECT subject, source_lib, bytes, access->>'act', access->>'offset', site_symbol FROM ext_memcheck.findings()",
            "shared other|shared_other|1|write|64000|other_bad",
        );
        session.gives(
            "SELECT name, value > 8 FROM ext_memcheck.window_stats() WHERE name = 'segments_guarded'",
            "segments_guarded|t",
        );
        session.gives("SELECT value FROM ext_memcheck.window_stats() WHERE name = 'segments_unguarded'", "0");
    });
}

/// What lies before a segment, and who jumps over the bytes that are looked at.
#[test]
fn the_bytes_before_a_segment_are_looked_at() {
    each(|server| {
        let mut session = Session::open(server);
        let mut finds = |call: &str, expected: &str| {
            session.ask("SELECT ext_memcheck.begin()");
            session.ask(&format!("SELECT {call}"));
            session.gives(FOUND, expected);
        };
        finds(
            "front_bad()",
            "Sentinel byte overwritten before 'shared block' (declared_size=1000): 8 bytes at offset 8 before its start; \
             during a call of front_bad",
        );
        finds("front_ok()", "");
        // The bytes behind the one, those before the next one, and that one itself: 4096, and as many as put its end where a
        // page ends.
        finds(
            "jump_bad(128 + 4095)",
            &start_of("shared line", 128, "1 byte at offset 4095 behind its end; by jump_bad"),
        );
        finds(
            "jump_bad(128 + 4096 + 3072 - 8)",
            "Sentinel byte overwritten before 'shared block' (declared_size=1000): 1 byte at offset 8 before its start; \
             during a call of jump_bad",
        );
        finds("jump_bad(128 + 4096 + 3072)", "");
    });
}

/// A writer is caught once, and again when somebody has looked; whoever writes elsewhere is not hindered.
#[test]
fn who_is_caught_goes_on() {
    each(|server| {
        let (mut session, mut other) = (Session::open(server), Session::open(server));
        session.ask("SELECT ext_memcheck.begin()");
        session.gives("SELECT sum(d19_bad(16 + i % 2)) FROM generate_series(1, 100) i", "1650");
        let caught = start_of("shared slots", 512, "64 bytes at offset 0 behind its end; by d19_bad");
        session.gives(FOUND, &caught);
        // By one who is not traced.
        session.ask("SELECT ext_memcheck.begin()");
        other.ask("SELECT d19_bad(16)");
        session.gives(FOUND, &sentence("shared slots", 512, "32 bytes at offset 0 behind its end"));
        // By another one, while a function is called that has nothing to do with it: it is not charged.
        session.ask("SELECT ext_memcheck.begin()");
        other.ask("SELECT d19_bad(16)");
        session.ask("SELECT d19_ok(1)");
        session.gives(FOUND, &sentence("shared slots", 512, "32 bytes at offset 0 behind its end"));
        // Nobody is caught any more behind the window.
        session.ask("SELECT d19_bad(16)");
        session.gives("SELECT count(*) FROM ext_memcheck.faults()", "0");
        session.ask("SELECT ext_memcheck.begin()");
        session.gives(
            FOUND,
            &format!("{}, before this window", sentence("shared slots", 512, "32 bytes at offset 0 behind its end")),
        );
    });
}

/// A segment of dynamic shared memory is as long as was asked for, for whoever has it, and is looked at by who has it.
#[test]
fn dynamic_segments_have_canaries() {
    each(|server| {
        let (mut session, mut other) = (Session::open(server), Session::open(server));
        for (size, at, what) in [
            (100, 100, "1 byte at offset 0 behind its end"),
            (1, 31, "1 byte at offset 30 behind its end"),
            (4096, 4096, "1 byte at offset 0 behind its end"),
            (8000, 8191, "1 byte at offset 191 behind its end"),
        ] {
            session.ask("SELECT ext_memcheck.begin()");
            let handle = session.ask(&format!("SELECT keep({size})"));
            session.gives(&format!("SELECT kept_length({handle})"), &size.to_string());
            // Where nothing is traced.
            other.gives(&format!("SELECT kept_length({handle})"), &size.to_string());
            session.gives(
                &format!(
                    "SELECT ext_memcheck.track_dsm_handle({handle});
                     SELECT size_bytes FROM ext_memcheck.dsm_tracking() WHERE segid = {handle}"
                ),
                &format!("DSM segment tracked.\n{size}"),
            );
            session.ask(&format!("SELECT kept_write({})", size - 1));
            session.ask(&format!("SELECT kept_write({at})"));
            session.ask(&format!("SELECT give_back({handle}); SELECT ext_memcheck.clear_dsm_tracking()"));
            session.gives(FOUND, &start_of("dsm", size, &format!("{what}; during a call of kept_write")));
            other = Session::open(server);
        }
        session.ask("SELECT ext_memcheck.begin()");
        session.gives("SELECT past_bad(4096), full_decoy(4096)", "4096|1");
        session.gives(FOUND, &start_of("dsm", 4096, "1 byte at offset 0 behind its end; during a call of past_bad"));
        // What the server refuses it refuses still.
        session.ask("SELECT ext_memcheck.begin()");
        session.gives("SELECT count(past_ok(i)) FROM generate_series(1, 300) i", "300");
        session.gives("SELECT count(past_bad(70)) FROM generate_series(1, 300) i", "300");
        session.gives(FOUND, &start_of("dsm", 70, "1 byte at offset 0 behind its end; during a call of past_bad"));
    });
}

#[test]
fn segments_with_a_name_have_canaries() {
    each(|server| {
        let (mut session, mut other) = (Session::open(server), Session::open(server));
        if !is_from(17, &mut session) {
            return;
        }
        other.gives("SELECT named_write(99)", "99");
        session.ask("SELECT ext_memcheck.begin()");
        session.gives("SELECT named_write(99)", "99");
        session.gives(FOUND, "");
        session.ask("SELECT ext_memcheck.begin()");
        session.gives("SELECT named_write(100), named_write(103)", "100|103");
        let expected =
            start_of("shared named", 100, "2 of the 4 bytes at offset 0 behind its end; during a call of named_write");
        session.gives(FOUND, &expected);
        session.gives("SELECT named_size(100)", "t");
        let other_size = session.ask("SELECT named_size(50000)");
        assert!(other_size.contains("size"), "{other_size}");
    });
}

/// From 19 on libraries may ask for memory in advance. It is as it was asked for, and canaries have names of their own; what is asked for
/// at once when the server has started lies side by side, and a window says that it does not look behind the first.
#[test]
fn segments_that_are_requested_have_canaries() {
    each(|server| {
        let mut session = Session::open(server);
        session.gives(
            "SELECT name, size FROM pg_shmem_allocations WHERE name IN ('requested plain', 'requested page') ORDER BY name",
            "requested page|100\nrequested plain|1000",
        );
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT requested_plain_bad(), requested_table_bad()");
        let behind = "1 byte at offset 0 behind its end; during a call of";
        session.gives(
            FOUND,
            &[
                start_of("requested plain", 1000, &format!("{behind} requested_plain_bad")),
                start_of("requested table", 480, &format!("{behind} requested_table_bad")),
            ]
            .join("\n"),
        );
        let unguarded = "SELECT value FROM ext_memcheck.window_stats() WHERE name = 'segments_unguarded'";
        session.gives(unguarded, "0");
        session.ask("SELECT requested_pair_ok()");
        let is_from_19 = is_from(19, &mut session);
        for which in ["first", "last"] {
            session.ask("SELECT ext_memcheck.begin()");
            session.ask(&format!("SELECT requested_{which}_bad()"));
            let segment = format!("requested pair, {which}");
            session.gives(FOUND, &start_of(&segment, 200, &format!("{behind} requested_{which}_bad")));
            let expected = if is_from_19 { "1" } else { "0" };
            session.gives(unguarded, expected);
        }
        if is_from_19 {
            session.gives(
                "SELECT name FROM pg_shmem_allocations WHERE name LIKE 'requested line%' OR name LIKE 'requested %!' ORDER BY off",
                "requested line canary before\nrequested line\nrequested line canary behind\n\
                 requested under a name of forty-seven letters.!",
            );
            // Another one for each name, however long.
            session.gives(
                "SELECT count(*), count(DISTINCT name) FROM pg_shmem_allocations WHERE name LIKE 'requested under%canary%'",
                "4|4",
            );
        }
    });
}

/// What is found of names is what the server shows of them, from 19 on: as many, and as large. A segment is shown with its canary.
#[test]
fn names_are_those_that_the_server_shows() {
    each(|server| {
        let mut session = Session::open(server);
        if !is_from(19, &mut session) {
            return;
        }
        // The scenario has three sessions.
        let shown = "SELECT count(*) / 3, (sum(size) / 3)::bigint FROM pg_dsm_registry_allocations WHERE name LIKE 'lifecycle %' AND type =";
        for (call, kind, canary) in [("named_area_bad", "area", 0), ("named_bad", "segment", 4096)] {
            session.ask(&format!(
                "SELECT ext_memcheck.run_scenario('dsm_lifecycle_check', 5, 'SELECT lifecycle.{call}()')"
            ));
            let found = format!(
                "SELECT objects, bytes + objects * {canary} FROM ext_memcheck.findings() WHERE subject = 'dsm registry'"
            );
            let expected = session.ask(&format!("{shown} '{kind}'"));
            assert_ne!(expected, "0|");
            session.gives(&found, &expected);
        }
    });
}

/// A workload that fails outside of a window has found what it has found.
#[test]
fn a_scenario_that_fails_tells_of_it() {
    each(|server| {
        let mut session = Session::open(server);
        let error = session.ask("SELECT ext_memcheck.run_scenario('shmem_sentinel_probe', 10, 'SELECT failing_bad()')");
        assert!(error.contains("it has failed"), "{error}");
        session.gives("SELECT check_type, subject FROM ext_memcheck.findings()", "shmem_overrun|shared counters");
        session.gives("SELECT ext_memcheck.flush_violations()", "1");
        session.ask("SELECT ext_memcheck.run_scenario('shmem_sentinel_probe', 10, 'SELECT failing_ok()')");
        session.gives("SELECT ext_memcheck.flush_violations()", "0");
    });
}

/// Nothing of what the library has asked for, and of what the server shows of it, is another.
#[test]
fn segments_are_what_was_asked_for() {
    each(|server| {
        let mut session = Session::open(server);
        let is_from_19 = is_from(19, &mut session);
        session.gives(
            "SELECT name, size FROM pg_shmem_allocations
              WHERE name IN ('shared slots', 'shared byte', 'shared block', 'shared line') ORDER BY name",
            "shared block|1000\nshared byte|1\nshared line|128\nshared slots|512",
        );
        // From 19 on it is with what lies before.
        if !is_from_19 {
            session.gives(
                "SELECT bool_and(allocated_size = (size + 127) / 128 * 128) FROM pg_shmem_allocations WHERE name LIKE 'shared %'",
                "t",
            );
        }
        session.gives("SELECT asked_again('shared slots', 512)", "t");
        session.gives(
            "SELECT asked_again('shared slots', 511)",
            if is_from_19 {
                "XX000 shared memory struct \"shared slots\" was created with different size: existing 512, requested 511"
            } else {
                "XX000 ShmemIndex entry size is wrong for data structure \"shared slots\": expected 511, actual 512"
            },
        );
        session.gives("SELECT full_decoy() IS NULL", "f");
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT full_decoy(), d19_ok(15), other_ok(59999)");
        session.gives(FOUND, "");
    });
}

#[test]
fn who_looks_is_told_whoever_has_written() {
    each(|server| {
        let (mut one, mut two, mut writer) = (Session::open(server), Session::open(server), Session::open(server));
        for session in [&mut one, &mut two] {
            session.ask("SELECT ext_memcheck.begin()");
        }
        writer.ask("SELECT d19_bad(16)");
        let expected = sentence("shared slots", 512, "32 bytes at offset 0 behind its end");
        one.gives(FOUND, &expected);
        // The canary is whole again, and yet this window is told.
        two.gives(FOUND, &expected);
        // A later one is not.
        one.ask("SELECT ext_memcheck.begin()");
        one.gives(FOUND, "");
        // What nobody has found is told as older, once.
        writer.ask("SELECT d19_bad(16)");
        one.ask("SELECT ext_memcheck.begin()");
        one.ask("SELECT text_bad()");
        one.gives(
            FOUND,
            &format!(
                "{}\n{}, before this window",
                start_of("shared line", 128, "1 byte at offset 0 behind its end; by text_bad"),
                expected
            ),
        );
        two.ask("SELECT ext_memcheck.begin()");
        two.gives(FOUND, "");
        // The same segment in the window and before is told as of the window.
        writer.ask("SELECT d19_bad(17)");
        one.ask("SELECT ext_memcheck.begin()");
        writer.ask("SELECT d19_bad(16)");
        one.gives(FOUND, &expected);
    });
}

#[test]
fn windows_look_for_it_as_they_are_told() {
    each(|server| {
        let mut session = Session::open(server);
        let expected = start_of("shared slots", 512, "32 bytes at offset 0 behind its end; by d19_bad");
        for (options, found) in [
            ("{\"track_shmem\": false}", ""),
            ("{\"track_shmem\": true}", expected.as_str()),
            ("{\"scenario\": \"growth_benchmark\"}", &expected),
            ("{\"scenario\": \"shmem_sentinel_probe\", \"allowed_contexts\": [\"%\"]}", &expected),
        ] {
            session.ask(&format!("SELECT ext_memcheck.begin('nothing%', '{options}')"));
            session.ask("SELECT d19_bad(16)");
            session.gives(FOUND, found);
        }
        // Of the targets alone, but for what was named.
        session.ask("SET pg_ext_memcheck.targets = 'shared_other'");
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT d19_bad(16), other_bad(60000)");
        let in_other = "1 byte at offset 0 behind its end; during a call of other_bad";
        session.gives(FOUND, &start_of("shared other", 60_000, in_other));
        // Without tracing as well, but for who it was.
        session.ask("RESET pg_ext_memcheck.targets; SET pg_ext_memcheck.trace = off");
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT d19_bad(16)");
        session.gives(FOUND, &sentence("shared slots", 512, "32 bytes at offset 0 behind its end"));
        session.ask("RESET pg_ext_memcheck.trace");
        // Another backend's window, and the ring.
        let mut other = Session::open(server);
        let pid = other.ask("SELECT pg_backend_pid()");
        session.ask(&format!("SELECT ext_memcheck.begin_in({pid})"));
        other.ask("SELECT d19_bad(16)");
        session.gives(
            &format!("SELECT detail FROM ext_memcheck.end_in({pid}) WHERE check_type = 'shmem_overrun'"),
            &expected,
        );
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT d19_bad(16)");
        session.gives("SELECT ext_memcheck.flush_violations()", "1");
        session.gives(
            "SELECT check_type, source_lib, detail FROM ext_memcheck.violation_log",
            &format!("shmem_overrun|shared_slots|{expected}"),
        );
        session.gives(FOUND, "");
    });
}

#[test]
fn the_documented_scenario_finds_it_without_a_window() {
    each(|server| {
        let mut session = Session::open(server);
        let found = "SELECT check_type, detail FROM ext_memcheck.violation_log";
        let flush = "SELECT ext_memcheck.flush_violations()";
        session.ask("SELECT ext_memcheck.run_scenario('shmem_sentinel_probe', 10, 'SELECT 1')");
        session.gives(flush, "0");
        for scenario in ["shmem_sentinel_probe", "growth_benchmark", "tx_abort_loop"] {
            session.ask(&format!("SELECT ext_memcheck.run_scenario('{scenario}', 10, 'SELECT d19_bad(16)')"));
            session.gives(flush, "1");
            let expected = sentence("shared slots", 512, "32 bytes at offset 0 behind its end");
            session.gives(found, &format!("shmem_overrun|{expected}"));
            session.ask("SELECT ext_memcheck.clear_violations()");
        }
        // In a window it is told once.
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT ext_memcheck.run_scenario('shmem_sentinel_probe', 10, 'SELECT d19_bad(16)')");
        session.gives("SELECT count(*) FROM ext_memcheck.end() WHERE check_type = 'shmem_overrun'", "1");
        session.ask("SELECT ext_memcheck.run_scenario('shmem_sentinel_probe', 10, target => 'text_bad')");
        session.gives(
            "SELECT detail FROM ext_memcheck.findings()",
            &sentence("shared line", 128, "1 byte at offset 0 behind its end"),
        );
        session.gives("SELECT name FROM ext_memcheck.scenarios WHERE name LIKE 'shmem%'", "shmem_sentinel_probe");
    });
}

#[test]
fn a_probe_is_the_last_byte_of_a_segment() {
    each(|server| {
        let (mut session, mut other) = (Session::open(server), Session::open(server));
        for (sql, expected) in [
            (
                "SELECT ext_memcheck.register_shmem_probe('shared probed', 0)",
                "22023 pg_ext_memcheck: allocated_size must be greater than 0",
            ),
            (
                "SELECT ext_memcheck.register_shmem_probe('shared probed', -101)",
                "22023 pg_ext_memcheck: allocated_size must be greater than 0",
            ),
            (
                "SELECT ext_memcheck.register_shmem_probe('shared probed', 100)",
                "22023 shared memory segment \"shared probed\" has 101 bytes, not 100 HINT: Call \
                 ext_memcheck.register_shmem_probe('shared probed', 101).",
            ),
            (
                "SELECT ext_memcheck.register_shmem_probe('it''s nowhere', 100)",
                "42704 shared memory segment \"it's nowhere\" does not exist HINT: See the view pg_shmem_allocations for those \
                 that there are.",
            ),
            (
                "SELECT ext_memcheck.register_shmem_probe(name, size) FROM pg_shmem_allocations WHERE name = 'Buffer Blocks'",
                "42809 shared memory segment \"Buffer Blocks\" is of the server or of pg_ext_memcheck HINT: A probe is a byte \
                 that the library has asked for besides what it uses. The server uses all of it.",
            ),
            (
                "SELECT ext_memcheck.register_shmem_probe(name, size) FROM pg_shmem_allocations WHERE name = 'shared table'",
                "42809 shared memory segment \"shared table\" is a hash table HINT: The server uses all of it. What lies \
                 behind its elements is looked at in any case.",
            ),
            (
                "SELECT ext_memcheck.probe_check('shared probed')",
                "42704 no shmem probe is registered for segment \"shared probed\" HINT: Register one with ext_memcheck.register_shmem_probe().",
            ),
            (
                "SELECT ext_memcheck.register_shmem_probe('shared probed', 101)",
                "Registered shmem probe for segment 'shared probed' (allocated_size=101 bytes)",
            ),
            ("SELECT ext_memcheck.probe_check('shared probed')", "t"),
            ("SELECT probed_ok()", "99"),
            ("SELECT ext_memcheck.probe_check('shared probed')", "t"),
            ("SELECT probed_bad()", "100"),
            ("SELECT ext_memcheck.probe_check('shared probed')", "f"),
        ] {
            session.gives(sql, expected);
        }
        // Everybody sees it, and what a window has told stays so until it is registered anew.
        other.gives("SELECT ext_memcheck.probe_check('shared probed')", "f");
        other.ask("SELECT ext_memcheck.begin()");
        other.gives(FOUND, "Sentinel byte overwritten past 'shared probed' (declared_size=100), before this window");
        other.gives("SELECT ext_memcheck.probe_check('shared probed')", "f");
        session.ask("SELECT ext_memcheck.register_shmem_probe('shared probed', 101)");
        session.gives("SELECT ext_memcheck.probe_check('shared probed')", "t");
        session.ask("SELECT ext_memcheck.run_scenario('shmem_sentinel_probe', 10, 'SELECT probed_bad()')");
        session.gives(
            "SELECT severity, detail FROM ext_memcheck.findings()",
            "ERROR|Sentinel byte overwritten past 'shared probed' (declared_size=100)",
        );
        session.gives("SELECT ext_memcheck.flush_violations()", "1");
        session.ask("SELECT ext_memcheck.clear_shmem_registry()");
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT probed_bad()");
        session.gives(FOUND, "");
        session.gives("SELECT ext_memcheck.register_shmem_probe(NULL, 1)", "");
    });
}

/// None of it is for everybody.
#[test]
fn probes_are_for_superusers() {
    each(|server| {
        let mut session = Session::open(server);
        session.ask("CREATE ROLE nobody_much LOGIN");
        session.ask("GRANT USAGE ON SCHEMA ext_memcheck TO nobody_much");
        let mut client = login(server, "nobody_much");
        for call in
            ["register_shmem_probe('shared probed', 101)", "probe_check('shared probed')", "clear_shmem_registry()"]
        {
            let error = client.batch_execute(&format!("SELECT ext_memcheck.{call}")).unwrap_err();
            assert!(error.as_db_error().unwrap().message().starts_with("permission denied for function "), "{call}");
        }
        drop(client);
        session.ask("DROP OWNED BY nobody_much; DROP ROLE nobody_much");
    });
}

/// A server that is started anew, and one that has come through a crash of one of its processes, has its canaries.
#[test]
fn canaries_are_there_again_after_a_crash() {
    for cluster in clusters(&["shared_slots", "shared_requested"]) {
        let conf = ["restart_after_crash = on", "shared_slots.cleared_too_far = on"];
        let server = cluster.start(&["shared_slots", "shared_requested"], &conf);
        let mut session = Session::open(&server);
        session.ask("CREATE EXTENSION shared_slots; CREATE EXTENSION shared_requested");
        let expected =
            format!("{}, before this window", sentence("shared counters", 192, "16 bytes at offset 0 behind its end"));
        session.ask("SELECT ext_memcheck.begin()");
        session.gives(FOUND, &expected);
        let pid = session.ask("SELECT pg_backend_pid()");
        let mut witness = login(&server, "postgres");
        // A process that ends so takes all others with it.
        std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap();
        eventually("all sessions are ended", || witness.batch_execute("SELECT 1").is_err());
        eventually("the server accepts connections again", || {
            let (directory, port) = server.address().unwrap();
            let mut config = postgres::Config::new();
            config.host_path(directory).port(port).user("postgres").dbname("postgres");
            config.connect(postgres::NoTls).is_ok()
        });
        let mut session = Session::open(&server);
        session.ask("SELECT ext_memcheck.begin()");
        session.gives(FOUND, &expected);
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT d19_bad(16)");
        session.gives(FOUND, &start_of("shared slots", 512, "32 bytes at offset 0 behind its end; by d19_bad"));
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT requested_plain_bad(), requested_table_bad()");
        let expected = [("plain", 1000), ("table", 480)].map(|(which, size)| {
            let what = format!("1 byte at offset 0 behind its end; during a call of requested_{which}_bad");
            start_of(&format!("requested {which}"), size, &what)
        });
        session.gives(FOUND, &expected.join("\n"));
        session.gives("SELECT value FROM ext_memcheck.window_stats() WHERE name = 'segments_unguarded'", "0");
    }
}

/// Where there is no room for canaries, libraries have their segments all the same, and windows say that they are incomplete.
#[test]
fn segments_without_a_canary_are_counted() {
    for cluster in clusters(&["shared_slots"]) {
        let server = cluster.start(&["shared_slots"], &[]);
        let mut session = Session::open(&server);
        session.ask("CREATE EXTENSION shared_slots");
        // From 19 on there may be 128 more than were asked for when the server started (`SHMEM_INDEX_ADDITIONAL_SIZE` in shmem.c).
        let number = if is_from(19, &mut session) { 100 } else { 180 };
        // The first call of each makes it.
        let made = format!(
            "SELECT count(*) FILTER (WHERE asked_again('made ' || i, 100)), count(*) FROM generate_series(1, {number}) i"
        );
        session.gives(&made, &format!("0|{number}"));
        session.gives(&made, &format!("{number}|{number}"));
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT d19_bad(16)");
        session.gives(FOUND, &start_of("shared slots", 512, "32 bytes at offset 0 behind its end; by d19_bad"));
        session.gives(
            "SELECT guarded.value BETWEEN 110 AND 180, guarded.value + bare.value
               FROM ext_memcheck.window_stats() AS guarded, ext_memcheck.window_stats() AS bare
              WHERE guarded.name = 'segments_guarded' AND bare.name = 'segments_unguarded'",
            &format!("t|{}", number + 10),
        );
    }
}
