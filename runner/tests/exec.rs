//! `mcspec exec` and `mcspec shell`, on a real server: what the sessions of a command leave behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::project::{Ended, Project, end, eventually, send, wait};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// `mcspec exec` with arguments, and a script for the shell as the command.
fn exec(project: &Project, arguments: &str, script: &str) -> Command {
    let mut command = project.mcspec("exec");
    command.arg("--pg-config").arg(project.pg_config()).args(arguments.split_whitespace());
    command.args(["--", "sh", "-c", script]).stdin(Stdio::null());
    command
}

fn run(project: &Project, arguments: &str, script: &str) -> Ended {
    let ended = end(exec(project, arguments, script));
    project.assert_nothing_left();
    ended
}

/// These statements so often, in one session.
fn repeated(times: usize, sql: &str) -> String {
    format!("for i in $(seq 1 {times}); do echo \"{sql}\"; done | psql -Xqtf - -o /dev/null")
}

const LEAKS: &str = "--extension leak_shapes --create leak_shapes";

#[test]
fn a_leak_is_charged_to_its_statement_and_its_twin_is_silent() {
    let project = Project::new(&[]);
    let leak = "SELECT leak_shapes.top_100(); SELECT 'decoy', $i; SELECT leak_shapes.top_8k() WHERE $i > 0;";
    let ended = run(&project, LEAKS, &repeated(40, leak));
    assert_eq!(ended.code, 1, "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout, "");
    for said in [
        "  statement SELECT leak_shapes.top_100(): 1 violation\n    + ctx_bloat|INFO|TopMemoryContext|100 x1/iter|linear|leak_shapes\n",
        "  statement SELECT leak_shapes.top_8k() WHERE $1 > $2: 1 violation\n",
        "leak_shapes.c:",
        "0 passed, 1 failed",
    ] {
        assert!(ended.stderr.contains(said), "{said}\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("decoy") && !ended.stderr.contains("session statements"), "{}", ended.stderr);

    // Caches that fill once or up to a bound, what is freed, and growth too short to tell.
    let fixed = "SELECT leak_shapes.top_100_fixed(); SELECT leak_shapes.cache_once(); SELECT leak_shapes.cache_bounded($i); \
                 SELECT leak_shapes.context_cache_fixed(); SELECT leak_shapes.own_context_fixed();";
    let ended = run(&project, LEAKS, &repeated(200, fixed));
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("ok 1 - exec") && ended.stderr.contains("1000 statements"), "{}", ended.stderr);
    let once = run(&project, LEAKS, "psql -Xqtc 'SELECT leak_shapes.top_8k()' -o /dev/null");
    assert_eq!(once.code, 0, "{}", once.stderr);
    let left = project.read("results/exec.json");
    assert!(left.contains("8192 bytes in 1 allocation in TopMemoryContext, at allocate_in_top ("), "{left}");
}

#[test]
fn growth_over_statements_of_all_kinds_is_the_sessions() {
    let project = Project::new(&[]);
    let script =
        "for i in $(seq 1 60); do echo \"SELECT leak_shapes.top_8k() AS a$i;\"; done | psql -Xqtf - -o /dev/null";
    let ended = run(&project, LEAKS, script);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let said = "  session statements together: 1 violation\n    + ctx_bloat|-|TopMemoryContext|-|-|-\n";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert_eq!(run(&project, &format!("{LEAKS} --min-bytes 10000000"), script).code, 0);
}

#[test]
fn the_status_of_the_command_is_respected() {
    let project = Project::new(&[]);
    let with = "--extension leak_shapes";
    let failed = run(&project, with, "echo out; echo err >&2; exit 7");
    assert_eq!((failed.code, failed.stdout.as_str()), (7, "out\n"));
    assert!(failed.stderr.starts_with("err\n") || failed.stderr.contains("\nerr\n"), "{}", failed.stderr);
    assert!(failed.stderr.contains("the command ended with exit code 7"), "{}", failed.stderr);

    let mut nothing = project.mcspec("exec");
    nothing.arg("--pg-config").arg(project.pg_config()).args(["--extension", "leak_shapes", "--", "no-such-program"]);
    let nothing = end(nothing);
    assert_eq!(nothing.code, 127, "{}", nothing.stderr);
    assert!(nothing.stderr.contains("could not run \"no-such-program\""), "{}", nothing.stderr);

    let unmade = run(&project, "--extension leak_shapes --create nosuch", "true");
    assert_eq!(unmade.code, 2, "{}", unmade.stderr);
    assert!(unmade.stderr.contains("CREATE EXTENSION \"nosuch\" CASCADE: "), "{}", unmade.stderr);

    let unknown = run(&project, "--extension nosuch", "true");
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("there is no [extension.nosuch] in mcspec.toml"), "{}", unknown.stderr);
}

/// As a shell has it in `$?`, and an error in every report: nothing was found, and yet it is not known to be well.
#[test]
fn a_command_that_does_not_end_well_is_an_error_in_every_report() {
    let project = Project::new(&[("plain", "echo said\nexit 3\n"), ("closed", "true\n"), ("empty/file", "")]);
    fs::set_permissions(project.path("plain"), fs::Permissions::from_mode(0o755)).unwrap();
    let reports =
        "--report tap=r.tap --report json=r.json --report junit=r.xml --report sarif=r.sarif --report github=r.github";
    for (command, code, said) in [
        (&["false"][..], 1, "the command ended with exit code 1"),
        (&["sh", "-c", "kill -SEGV $$"], 139, "the command was terminated by signal 11 (SIGSEGV)"),
        (&["no-such-program", "x"], 127, "could not run \"no-such-program\": No such file or directory (os error 2)"),
        (&["./closed"], 126, "could not run \"./closed\": Permission denied (os error 13)"),
        (&["./empty"], 126, "could not run \"./empty\": Permission denied (os error 13)"),
        // A script that does not say what runs it.
        (&["./plain"], 3, "the command ended with exit code 3"),
    ] {
        let mut exec = project.mcspec("exec --extension leak_shapes");
        exec.arg("--pg-config").arg(project.pg_config()).args(reports.split_whitespace()).arg("--").args(command);
        let ended = end(exec);
        assert_eq!(ended.code, code, "{command:?}\n{}", ended.stderr);
        assert_eq!(ended.stdout, if command == ["./plain"] { "said\n" } else { "" });
        let tap = project.read("r.tap");
        assert!(tap.contains("\nnot ok 1 - exec # time=") && tap.contains(&format!("\n#  {said}\n")), "{tap}");
        let json: serde_json::Value = serde_json::from_str(&project.read("r.json")).unwrap();
        assert_eq!((&json["cases"][0]["status"], &json["summary"]["failed"]), (&"failed".into(), &1.into()));
        assert_eq!(json["cases"][0]["faults"][0]["message"], said);
        let xml = project.read("r.xml");
        crate::report::readers::validate_xml(&xml, "junit-10.xsd");
        assert!(xml.contains("failures=\"0\" errors=\"1\""), "{xml}");
        let sarif = project.read("r.sarif");
        crate::report::readers::validate_json(&sarif, "sarif-schema-2.1.0.json");
        let sarif: serde_json::Value = serde_json::from_str(&sarif).unwrap();
        let invocation = &sarif["runs"][0]["invocations"][0];
        assert_eq!((&invocation["executionSuccessful"], &invocation["exitCode"]), (&false.into(), &code.into()));
        let notification = &invocation["toolExecutionNotifications"][0];
        let text = format!("exec: {said}");
        assert_eq!((&notification["level"], &notification["message"]["text"]), (&"error".into(), &text.into()));
        assert!(project.read("r.github").starts_with("::error "), "{}", project.read("r.github"));
    }
    project.assert_nothing_left();
}

/// `[[allow]]` is for what is run by others too: a cache that everybody knows.
#[test]
fn what_is_known_everywhere_is_allowed_under_a_command() {
    let project = Project::new(&[]);
    let toml = project.read("mcspec.toml");
    let allow = "\n[[allow]]\nat = \"allocate_in_top\"\nbecause = \"a cache, see #12\"\nuntil = 2027-01-31\n\n\
                 [[allow]]\nlike = \"nowhere\"\nbecause = \"of no use\"\n";
    project.write("mcspec.toml", &(toml + allow));
    let on = |day: &str| {
        let mut command = exec(&project, LEAKS, &repeated(40, "SELECT leak_shapes.top_100();"));
        end({
            command.env("MCSPEC_TODAY", day);
            command
        })
    };
    let before = on("2027-01-30");
    assert_eq!(before.code, 0, "{}", before.stderr);
    for said in
        ["1 violation is allowed until 2027-01-31: a cache, see #12\n", "1 passed, 0 failed, 1 violation allowed in "]
    {
        assert!(before.stderr.contains(said), "{said}\n{}", before.stderr);
    }
    let after = on("2027-01-31");
    assert_eq!(after.code, 1, "{}", after.stderr);
    assert!(after.stderr.contains("\"allow\" is over since 2027-01-31: a cache, see #12"), "{}", after.stderr);
}

#[test]
fn the_command_has_an_environment_and_databases_of_its_own() {
    let project = Project::new(&[]);
    let script = "test \"$(dirname $(command -v psql))\" = \"$(dirname $PG_CONFIG)\" &&
        test \"$(psql -XAtc 'SHOW work_mem')\" = 7MB &&
        createdb other && psql -Xqd other -c 'CREATE EXTENSION leak_shapes' &&
        for i in $(seq 1 30); do echo 'SELECT leak_shapes.top_100();'; done | psql -Xqtd other -f - -o /dev/null &&
        dropdb other";
    let mut command = exec(&project, "--extension leak_shapes", script);
    command.env("PGOPTIONS", "-c work_mem=7MB").env("PGHOSTADDR", "192.0.2.1").env("PGSERVICE", "nosuch");
    let ended = end(command);
    project.assert_nothing_left();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("statement SELECT leak_shapes.top_100(): 1 violation"), "{}", ended.stderr);
}

#[test]
fn a_backend_that_is_killed_is_a_gap_and_a_crash() {
    let project = Project::new(&[]);
    let script = "psql -Xqc 'SELECT leak_shapes.kill_self()' 2>/dev/null; sleep 1; true";
    let ended = run(&project, LEAKS, script);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    for said in [
        "was terminated by signal 9",
        "under the command",
        "leak_shapes.kill_self()",
        "1 session was killed or could not be observed",
    ] {
        assert!(ended.stderr.contains(said), "{said}\n{}", ended.stderr);
    }
}

#[test]
fn references_and_the_heap_are_looked_at_as_well() {
    let project = Project::new(&[]);
    let with = "--extension mem_corpus --create mem_corpus";
    // The first is called once, and with the one target there is it is that library's.
    let script = format!(
        "psql -Xqtc \"SELECT mem_corpus.r01_bad('pg_class')\" -o /dev/null 2>/dev/null; {}",
        repeated(30, "SELECT mem_corpus.d11_bad(0); SELECT mem_corpus.r01_ok('pg_class');")
    );
    let ended = run(&project, with, &script);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let said = "statement SELECT mem_corpus.r01_bad($1): 1 violation\n    + resource_leak|WARNING|relation|x1/iter|-|";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    // A statement that fails each time.
    let said = "statement SELECT mem_corpus.d11_bad($1): 1 violation\n    + malloc_leak|";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert!(!ended.stderr.contains("r01_ok"), "{}", ended.stderr);
}

/// With the statement at whose end they were found; whatever was done before any session, with the first one.
#[test]
fn overruns_of_shared_memory_and_accesses_are_told() {
    let project = Project::new(&[]);
    let with = "--extension shared_slots --create shared_slots --preload shared_slots";
    let script = repeated(3, "SELECT d19_bad(16); SELECT d19_ok(15), full_decoy() > 0;");
    let ended = run(&project, with, &script);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    for said in [
        "  statement SELECT d19_bad($1): 1 violation\n    + shmem_overrun|ERROR|shared slots|-|-|shared_slots\n",
        "fill_slot",
        "0 passed, 1 failed",
    ] {
        assert!(ended.stderr.contains(said), "{said}\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("d19_ok") && !ended.stderr.contains("together"), "{}", ended.stderr);
    let fixed = run(&project, with, &repeated(3, "SELECT d19_ok(15), remainder_ok(8), text_ok(), full_decoy() > 0;"));
    assert_eq!(fixed.code, 0, "{}", fixed.stderr);
    // What a worker has written to is found by who looks next.
    let by_worker = run(&project, with, &repeated(1, "SELECT worker_bad(16); SELECT 1;"));
    assert_eq!(by_worker.code, 1, "{}", by_worker.stderr);
    assert!(by_worker.stderr.contains("+ shmem_overrun|-|shared slots|"), "{}", by_worker.stderr);

    let with = "--extension accesses --create accesses";
    let script = format!(
        "export PGOPTIONS='-c pg_ext_memcheck.guard=redzone'; {}",
        repeated(2, "SELECT accesses.overrun_bad(64, 1); SELECT accesses.overrun_ok(64, 1);")
    );
    let ended = run(&project, with, &script);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("+ buffer_overrun|"), "{}", ended.stderr);
}

/// A background worker has transactions, and is named.
#[test]
fn background_workers_are_observed() {
    let project = Project::new(&[]);
    let script = |is_ok: bool| format!("psql -Xqt -c 'SELECT mem_corpus.d05_launch({is_ok})' -o /dev/null; sleep 3");
    let with = "--extension mem_corpus --create mem_corpus";
    let bad = run(&project, with, &script(false));
    let results = project.read("results/exec.json");
    assert_eq!(bad.code, 1, "{}", bad.stderr);
    assert!(results.contains("in session background worker "), "{results}");
    let ok = run(&project, with, &script(true));
    assert_eq!(ok.code, 0, "{}", ok.stderr);
}

/// What a worker holds is its leader's, with the statement that it works for. What each worker fills again is nobody's leak.
#[test]
fn what_parallel_workers_hold_is_charged_to_the_statement_of_their_leader() {
    let project = Project::new(&[]);
    let with = "--extension mem_corpus --create mem_corpus";
    let script = |call: &str| {
        let set_up = "ALTER FUNCTION mem_corpus.d01_bad(int) PARALLEL SAFE; ALTER FUNCTION mem_corpus.d01_ok(int) PARALLEL SAFE; \
            ALTER FUNCTION mem_corpus.n1_cache() PARALLEL SAFE; \
            CREATE TABLE numbers WITH (fillfactor = 10) AS SELECT g AS n FROM generate_series(1, 4000) g; ANALYZE numbers";
        let settings = "-c min_parallel_table_scan_size=0 -c parallel_setup_cost=0 -c parallel_tuple_cost=0 \
            -c parallel_leader_participation=off";
        let repeated = repeated(20, &format!("SELECT count({call}) FROM numbers;"));
        let plan = format!("psql -XAtqc 'EXPLAIN SELECT count({call}) FROM numbers' | grep -q 'Workers Planned: 2'");
        format!("psql -Xqc '{set_up}' && export PGOPTIONS='{settings}' && {plan} && {repeated}")
    };
    let bad = run(&project, with, &script("mem_corpus.d01_bad(8)"));
    assert_eq!(bad.code, 1, "{}", bad.stderr);
    let said = "  statement SELECT count(mem_corpus.d01_bad($1)) FROM numbers: 1 violation\n    \
        + ctx_bloat|WARNING|TopMemoryContext|32000 x4000/iter|linear|mem_corpus\n      \
        allocated at  d01_bad  ";
    assert!(bad.stderr.contains(said) && !bad.stderr.contains("no library"), "{}", bad.stderr);
    for call in ["mem_corpus.d01_ok(8)", "mem_corpus.n1_cache()"] {
        let ok = run(&project, with, &script(call));
        assert_eq!(ok.code, 0, "{call}\n{}", ok.stderr);
    }
}

/// Silence is no answer where nothing was looked at.
#[test]
fn a_session_that_is_not_traced_is_a_gap() {
    let project = Project::new(&[]);
    let script =
        format!("export PGOPTIONS='-c pg_ext_memcheck.trace=off'; {}", repeated(30, "SELECT leak_shapes.top_100();"));
    let ended = run(&project, LEAKS, &script);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("1 session was not traced"), "{}", ended.stderr);
}

/// Nor where there was nothing to look at. A command that fails says itself that it is not well.
#[test]
fn a_command_under_which_no_library_is_loaded_is_not_ok() {
    let project = Project::new(&[]);
    let nothing = "no library under test was loaded, so nothing was looked at";
    let select = "psql -Xqtc 'SELECT 1' -o /dev/null";
    for (with, script, said) in [
        (LEAKS, select, nothing),
        // The library of another extension is none that was asked for.
        ("--extension leak_shapes --target leak_shapes", select, "target \"leak_shapes\" was not loaded"),
        (LEAKS, "true", "no session came to the server, so nothing was looked at"),
    ] {
        let ended = run(&project, with, script);
        assert_eq!(ended.code, 1, "{script}\n{}", ended.stderr);
        assert!(ended.stderr.contains(said) && ended.stderr.contains("HINT:  "), "{script}\n{}", ended.stderr);
        let refused = end(project.mcspec("bless exec"));
        assert!(refused.stdout.contains("refused    exec: a target was not loaded"), "{}", refused.stdout);
    }
    for (with, script, code) in [
        // What its HINT says.
        (&format!("{LEAKS} --preload leak_shapes")[..], select, 0),
        (LEAKS, "psql -Xqc \"LOAD 'leak_shapes'\"", 0),
        (LEAKS, "psql -Xqtc 'SELECT 1' -o /dev/null; exit 3", 3),
    ] {
        let ended = run(&project, with, script);
        assert_eq!(ended.code, code, "{script}\n{}", ended.stderr);
        assert!(!ended.stderr.contains("looked at"), "{script}\n{}", ended.stderr);
    }
}

#[test]
fn sessions_that_stay_are_ended_and_heard() {
    let project = Project::new(&[]);
    let stay = "{ for i in $(seq 1 30); do echo 'SELECT leak_shapes.top_100();'; done; sleep 60; } | \
                psql -Xqtf - -o /dev/null 2>/dev/null & sleep 2";
    let ended = run(&project, LEAKS, stay);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    for said in ["1 session still there at its end", "statement SELECT leak_shapes.top_100(): 1 violation"] {
        assert!(ended.stderr.contains(said), "{said}\n{}", ended.stderr);
    }
}

#[test]
fn many_clients_are_told_as_one() {
    let project =
        Project::new(&[("script.sql", "\\set x random(1, 100000)\nSELECT leak_shapes.top_100() WHERE :x > 0;\n")]);
    let script = "pgbench -n -f script.sql -c 6 -j 3 -t 40 >/dev/null 2>&1";
    let ended = run(&project, LEAKS, script);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let said = "  statement SELECT leak_shapes.top_100() WHERE $1 > $2: 1 violation\n    + ctx_bloat|INFO|TopMemoryContext|100 x1/iter|linear|leak_shapes\n";
    assert!(ended.stderr.contains(said) && ended.stderr.contains("240 statements"), "{}", ended.stderr);
}

#[test]
fn what_is_found_is_compared_with_a_golden() {
    let project = Project::new(&[]);
    let with = format!("{LEAKS} --golden suite");
    let script = repeated(30, "SELECT leak_shapes.top_100();");
    let ended = run(&project, &with, &script);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("mcspec bless suite"), "{}", ended.stderr);
    let blessed = end(project.mcspec("bless suite"));
    assert_eq!(blessed.code, 0, "{}{}", blessed.stdout, blessed.stderr);
    let golden = project.read("expected/suite.out");
    let block =
        "\nstatement SELECT leak_shapes.top_100()\nctx_bloat|INFO|TopMemoryContext|100 x1/iter|linear|leak_shapes\n";
    assert!(golden.contains(block), "{golden}");
    let again = run(&project, &with, &repeated(33, "SELECT  leak_shapes.top_100() ;"));
    assert_eq!(again.code, 0, "{}", again.stderr);
    let gone = run(&project, &with, "true");
    assert_eq!(gone.code, 1, "{}", gone.stderr);
    assert!(gone.stderr.contains("1 missing"), "{}", gone.stderr);
}

#[test]
fn an_interrupt_goes_to_the_command_and_ends_in_a_report() {
    let project = Project::new(&[]);
    for is_group in [true, false] {
        let script = "for i in $(seq 1 30); do echo 'SELECT leak_shapes.top_100();'; done | psql -Xqtf - -o /dev/null; \
                      touch started; exec sleep 100";
        let mut command = exec(&project, LEAKS, script);
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let started = project.path("started");
        eventually("the command has started", || started.exists());
        std::thread::sleep(Duration::from_millis(100));
        if is_group {
            killpg(Pid::from_raw(pid), Signal::SIGINT).unwrap();
        } else {
            send(Signal::SIGTERM, pid);
        }
        let ended = wait(child);
        assert_eq!(ended.code, if is_group { 130 } else { 143 }, "{}", ended.stderr);
        assert!(ended.stderr.contains("statement SELECT leak_shapes.top_100(): 1 violation"), "{}", ended.stderr);
        project.assert_nothing_left();
        fs::remove_file(started).unwrap();
    }
}

/// The server in a function, which never returns, driven from outside.
const PGWEB: &str = "psql -Xq -c \"CREATE FUNCTION hello(params json) RETURNS text LANGUAGE sql AS
        'SELECT ''Hello, '' || (params ->> ''name'')'\" &&
    { psql -Xq -c \"SET pgweb.reset_contexts = SWITCH\" -c \"SELECT pgweb.register_get('/hello', 'hello')\" \
        -c \"SELECT pgweb.serve('127.0.0.1', 0)\" >log 2>&1 & } &&
    until grep -q 'listening on' log; do sleep 0.05; done;
    port=$(sed -n 's/.*listening on 127.0.0.1:\\([0-9]*\\).*/\\1/p' log);
    sleep 1; for i in $(seq 1 120); do curl -s \"http://127.0.0.1:$port/hello?name=$i\" >/dev/null; sleep 0.05; done";

#[test]
fn a_statement_that_never_ends_is_seen_to_grow() {
    let project = Project::new(&[]);
    let with = "--extension pgweb --create pgweb";
    let ended = run(&project, with, &PGWEB.replace("SWITCH", "off"));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let said = "  running SELECT pgweb.serve($1, $2): ";
    let row = "    + ctx_bloat|-|PGWServerContext/PGWRequestContext|-|-|-\n      allocated at  ";
    assert!(ended.stderr.contains(said) && ended.stderr.contains(row), "{}", ended.stderr);
    let ended = run(&project, with, &PGWEB.replace("SWITCH", "on"));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn a_shell_is_set_up_by_a_spec() {
    let spec = "extension leak_shapes\nset work_mem = '7MB'\nset search_path = leak_shapes, public\n\
        setup { CREATE TABLE mine AS SELECT 42 AS answer; }\nscenario window\n  workload { SELECT 1 }\n  expect none\n";
    let project = Project::new(&[("specs/mine.mcspec", spec)]);
    let shell = |spec: &str| {
        let mut command = project.mcspec("shell");
        command.arg("--pg-config").arg(project.pg_config()).args([spec, "--", "-XAt", "-c", "SELECT answer FROM mine"]);
        command.args(["-c", "SHOW work_mem", "-c", "SELECT top_100()"]).stdin(Stdio::null());
        end(command)
    };
    let ended = shell("mine");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "42\n7MB\n\n"), "{}", ended.stderr);
    let ended = shell("nosuch");
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("there is no spec \"nosuch\""), "{}", ended.stderr);
    project.assert_nothing_left();
}

#[test]
fn a_shell_has_the_engine() {
    let project = Project::new(&[]);
    let mut command = project.mcspec("shell");
    command.arg("--pg-config").arg(project.pg_config()).args(["--extension", "leak_shapes", "--create", "leak_shapes"]);
    command.args(["--", "-XAtc", "SELECT ext_memcheck.begin()", "-c", "SELECT leak_shapes.top_8k()"]);
    command.args(["-c", "SELECT check_type FROM ext_memcheck.\"end\"() LIMIT 1"]).stdin(Stdio::null());
    let ended = end(command);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("\ncontext_leak\n") || ended.stdout.contains("\nwrong_ctx_alloc\n"),
        "{}",
        ended.stdout
    );
    assert!(ended.stderr.contains("ext_memcheck.begin()"), "{}", ended.stderr);
    project.assert_nothing_left();
}

const MY_EXT: &str = r#"#include "postgres.h"
#include "fmgr.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

static void *
make_scratch(void)
{
	MemoryContext scratch = AllocSetContextCreate(TopMemoryContext, "MyScratch", ALLOCSET_SMALL_SIZES);

	return MemoryContextAlloc(scratch, 100);
}

PG_FUNCTION_INFO_V1(f);
Datum
f(PG_FUNCTION_ARGS)
{
	make_scratch();
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}
"#;

/// `manual.rs` tries what the page shows.
#[test]
fn a_leak_is_said_at_the_line_that_allocates() {
    let sql = "CREATE FUNCTION f(n integer) RETURNS integer AS 'MODULE_PATHNAME' LANGUAGE C;\n";
    let makefile = "MODULES = my_ext\nEXTENSION = my_ext\nDATA = my_ext--1.0.sql\n\
        PG_CONFIG ?= pg_config\nPGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)\n";
    let calls: String = (1..=61).map(|i| format!("SELECT f({i});\n")).collect();
    let project = Project::new(&[
        ("my_ext.c", MY_EXT),
        ("my_ext--1.0.sql", sql),
        ("my_ext.control", "default_version = '1.0'\nmodule_pathname = '$libdir/my_ext'\n"),
        ("Makefile", makefile),
        ("test.sql", &calls),
    ]);
    let engine: String = project.read("mcspec.toml").lines().take(2).map(|line| format!("{line}\n")).collect();
    project.write("mcspec.toml", &format!("{engine}[extension.my_ext]\n"));
    let mut command = project.mcspec("exec --create my_ext --report github --report sarif=results/x.sarif --pg-config");
    command.arg(project.pg_config()).args(["--", "psql", "-q", "-o", "/dev/null", "-f", "test.sql"]);
    let ended = end(command);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("::error file=my_ext.c,line=12,title=mcspec%3A exec::context_leak|"), "{said}");
    assert!(said.contains("::error title=mcspec%3A exec::statement SELECT f($1): 1 violation%0A"), "{said}");
    assert!(project.read("results/x.sarif").contains("\"uri\": \"my_ext.c\""), "{}", project.read("results/x.sarif"));
    project.assert_nothing_left();
}
