//! Processes of the server that end as none should (tests/corpus/crash), wherever that happens, and what teardown is run then.

use regex::Regex;

use crate::project::Project;

/// A spec with one scenario, whose library is loaded by the setup, and a second one that crashes nothing.
fn scenario(workload: &str, rest: &str) -> String {
    format!(
        "extension crash\ngolden none\nscenario window one\n  warmup 1 iterations 2\n  setup {{ LOAD 'crash' }}\n  \
         workload {{ {workload} }}\n  {rest}\n  expect none\n\
         scenario window two\n  warmup 0 iterations 1\n  workload {{ SELECT pg_sleep(0.5) }}\n  expect none\n"
    )
}

/// A spec with two sessions; the first one has this step, and each has a last step that does nothing.
fn permutation(fixtures: &str, step: &str) -> String {
    format!(
        "extension crash\ngolden none\n{fixtures}\nsession one\nsetup {{ LOAD 'crash' }}\nstep a {{ {step} }}\nstep b {{ SELECT 1 }}\n\
         session two\nstep c {{ SELECT pg_sleep(0.5) }}\npermutation a c b\n  expect none\n"
    )
}

/// Runs a spec of each text and one that crashes nothing behind it, and compares what is said of each, notes apart, with a pattern; of those
/// without one nothing is said.
fn assert_said(specs: &[(String, &str)]) {
    let good = "golden none\nscenario window\n  workload { SELECT 1 }\n  expect none\n".to_owned();
    let specs: Vec<_> = specs.iter().flat_map(|spec| [spec.clone(), (good.clone(), "")]).collect();
    let mut schedule = String::new();
    let project = Project::new(&[]);
    for (number, (text, _)) in specs.iter().enumerate() {
        project.write(&format!("specs/s{number}.mcspec"), text);
        schedule += &format!("test: s{number}\n");
    }
    project.write("schedule", &schedule);
    let ended = project.run("-j 1");
    assert!(!ended.stdout.contains("recovery mode") && !ended.stdout.contains("could not connect"), "{}", ended.stdout);
    let case = Regex::new(r"(?m)^((?:not )?ok) \d+ - s\d+ .*\n((?:#  .*\n)*)").unwrap();
    let failures = |said: &str| said.split_inclusive('\n').filter(|line| !line.starts_with("#  (")).collect::<String>();
    let said: Vec<_> =
        case.captures_iter(&ended.stdout).map(|found| (found[1].to_owned(), failures(&found[2]))).collect();
    assert_eq!(said.len(), specs.len(), "{}{}", ended.stdout, ended.stderr);
    for ((status, said), (text, pattern)) in said.iter().zip(&specs) {
        assert_eq!(status, if pattern.is_empty() { "ok" } else { "not ok" }, "{text}\n{said}");
        let pattern = Regex::new(&format!(r"\A(?s:{pattern})\z")).unwrap();
        assert!(pattern.is_match(said), "{text}\n{said}\n{pattern}");
    }
}

const SEGFAULT: &str = r"was terminated by signal 11 \(Segmentation fault\)";

/// The same of a process that was traced.
const DIED: &str = r"died of SIGSEGV in crash.so\+0x[0-9a-f]+ \(crash, crash.c:\d+\)(?: with interrupts held off)?";
const HOW: &str = r"#    DETAIL:  write at address 0x0, through a null pointer\n";

/// Said of a fault that its session has survived, and that was not expected.
fn found(what: &str) -> String {
    format!(
        r"#  specs/s\d+.mcspec:\d+:3: [^\n]*: expectation not met\n#  [^\n]*\n#  [^\n]*\n#    \+ (?:one: )?crash\|ERROR\|{what}\|-\|-\|crash\n(?:#      [^\n]*\n)*"
    )
}

/// Said of one outside of windows, at that place and time.
fn landed(place: &str, time: &str) -> String {
    format!(
        r#"#  specs/s\d+.mcspec:{place}: {time} failed\n(?:#  [^\n]*\n#  [^\n]*\n)?#    ERROR:  SIGSEGV in library "crash" \(XXMEM\)\n#    DETAIL:  [^\n]*\n#    HINT:  [^\n]*\n"#
    )
}

/// Said of a backend, at that place and time.
fn backend(place: &str, end: &str, time: &str, rest: &str) -> String {
    format!(r"#  specs/s\d+.mcspec:{place}: backend \d+ {end} {time}\n#  [^\n]*\n#  [^\n]*\n{rest}")
}

#[test]
fn a_crash_in_a_scenario_is_named() {
    let running = |sql: &str| format!(r"#    DETAIL:  Failed process was running: {}\n", regex::escape(sql));
    let now = |how: &str| format!("SELECT crash.now('{how}')");
    let at = |how: &str, end: &str, words: &str| {
        let rest = format!("{words}{}", running(&now(how)));
        (scenario(&now(how), ""), backend("6:14", end, "in warm-up 1", &rest))
    };
    let survived = |how: &str, what: &str| (scenario(&now(how), ""), found(what));
    let later = |moment: &str, time: &str, rest: &str| {
        let text = scenario(&format!("SELECT crash.later('{moment}', 'segfault')"), "");
        (text, backend("6:14", DIED, time, rest))
    };
    let aborted = r"died of SIGABRT in crash.so\+0x[0-9a-f]+ \(crash, crash.c:\d+\)";
    let specs = [
        survived("segfault", "SIGSEGV"),
        survived("abort", "SIGABRT"),
        at("panic", aborted, "#    DETAIL:  abort\\(\\) was called\n#    PANIC:  crash was asked for\n"),
        at("kill", r"was terminated by signal 9 \(Killed\)", ""),
        survived("_exit", "_exit"),
        survived("exit", "exit"),
        survived("exit_0", "exit"),
        (scenario("SELECT crash.later('planner', 'segfault')", ""), landed("3:1", r"ext_memcheck.begin\(\)")),
        later("shmem_exit", "at the end of the session", HOW),
        later("proc_exit", "at the end of the session", HOW),
        (scenario("SELECT 1", "teardown { SELECT crash.now('segfault') }"), landed("7:14", "teardown")),
        // Nothing of it is the second scenario's.
        (
            scenario("SELECT crash.worker('segfault', 1500)", "").replace("pg_sleep(0.5)", "pg_sleep(3)"),
            format!(
                r#"#  specs/s\d+.mcspec:3:1: background worker "crash worker" \(PID \d+\) {SEGFAULT} after the scenario\n.*"#
            ),
        ),
        (
            scenario("SELECT crash.worker('segfault', 50), pg_sleep(1)", ""),
            format!(
                r#"#  specs/s\d+.mcspec:6:14: background worker "crash worker" \(PID \d+\) {SEGFAULT} in warm-up 1\n.*"#
            ),
        ),
        // Nor is it another spec's.
        (
            scenario("SELECT 1", "")
                .replace("iterations 1\n", "iterations 1\n  setup { LOAD 'crash' }\n")
                .replace("SELECT pg_sleep(0.5)", "SELECT crash.worker('segfault', 5000)"),
            String::new(),
        ),
        (scenario(&now("nothing"), ""), String::new()),
    ];
    assert_said(&specs.each_ref().map(|(text, pattern)| (text.clone(), pattern.as_str())));
}

#[test]
fn a_crash_around_scenarios_is_named() {
    let one = scenario("SELECT 1", "");
    let with = |clause: &str| one.replace("golden none", &format!("golden none\n{clause}"));
    let file = |place: &str, time: &str, rest: &str| backend(place, SEGFAULT, time, rest);
    let setup = "#  not run:\n#    scenario window one\n#    scenario window two\n";
    let running = r"#    DETAIL:  Failed process was running: SELECT crash.now\('segfault'\)\n";
    let specs = [
        (with("setup { SELECT crash.now('segfault') }"), file("3:9", "in setup", &format!("{running}{setup}"))),
        (
            with("setup { SELECT crash.later('shmem_exit', 'segfault') }"),
            file("3:9", "at the end of the session", setup),
        ),
        (with("teardown { SELECT crash.now('segfault') }"), file("3:12", "in teardown", running)),
        // Whatever loads it in the first place.
        (
            with("conf { crash.at_load = segfault }"),
            file("1:11", "while creating extension \"crash\"", &format!("#    DETAIL:  [^\n]*\n{setup}")),
        ),
        (
            with("conf { crash.at_load = segfault\nsession_preload_libraries = crash }"),
            format!(r"#  backend \d+ {SEGFAULT} at the start of a session\n{setup}"),
        ),
        (
            with("preload crash\nconf { crash.at_load = segfault }"),
            format!(
                r#"#  server "s\d+" did not start: the postmaster \(PID \d+\) was terminated by signal 11 \(SIGSEGV\)\n{setup}"#
            ),
        ),
    ];
    assert_said(&specs.each_ref().map(|(text, pattern)| (text.clone(), pattern.as_str())));
}

#[test]
fn a_crash_in_a_permutation_is_named() {
    let named = |place: &str, time: &str, rest: &str| backend(place, SEGFAULT, time, rest);
    let running = r"#    DETAIL:  Failed process was running: SELECT crash.now\('segfault'\)\n";
    let specs = [
        (permutation("", "SELECT crash.now('segfault')"), found("SIGSEGV")),
        // The session's last statement.
        (
            permutation("", "SELECT crash.later('shmem_exit', 'segfault')"),
            backend("7:9", DIED, "at the end of the session", HOW),
        ),
        (permutation("setup { SELECT crash.now('segfault') }", "SELECT 1"), named("3:8", "in setup", running)),
        (permutation("teardown { SELECT crash.now('segfault') }", "SELECT 1"), named("3:11", "in teardown", running)),
        (permutation("", "SELECT 1").replace("LOAD 'crash'", "SELECT crash.now('segfault')"), landed("5:8", "setup")),
        (
            permutation("", "SELECT crash.worker('segfault', 50), pg_sleep(1)"),
            format!(r#"#  background worker "crash worker" \(PID \d+\) {SEGFAULT} in the permutation\n.*"#),
        ),
        (permutation("", "SELECT crash.now('nothing')"), String::new()),
    ];
    assert_said(&specs.each_ref().map(|(text, pattern)| (text.clone(), pattern.as_str())));
}

/// Teardown is run whatever came of what it is for; its own failure is told beside the first.
#[test]
fn every_setup_has_its_teardown() {
    // A role belongs to no database: it would stand in the way of whoever makes it next.
    let fixtures = "setup { CREATE ROLE guest }\n  teardown { DROP ROLE guest }";
    let twice = |workload: &str, fixtures: &str| {
        let scenario = |name: &str| {
            format!(
                "scenario window {name}\n  warmup 1 iterations 1 timeout 2s\n  {fixtures}\n  workload {{ {workload} }}\n  expect none\n"
            )
        };
        format!("extension crash\ngolden none\n{}{}", scenario("one"), scenario("two"))
    };
    let both = |failure: &str| format!(r"(?:#  specs/s\d+.mcspec:\d+:\d+: {failure}\n(?:#   [^\n]*\n)*){{2}}");
    let beside = fixtures.replace("DROP ROLE guest", "DROP ROLE guest; SELECT 1/0");
    let torn = format!(
        r"(?:#  specs/s\d+.mcspec:\d+:\d+: warm-up 1 failed\n#[^\n]*\n#[^\n]*\n#    ERROR:  [^\n]*42P01\)\n{}){{2}}",
        r"#  specs/s\d+.mcspec:\d+:\d+: teardown failed\n#[^\n]*\n#[^\n]*\n#    ERROR:  division by zero \(22012\)\n"
    );
    let sessions = "extension crash\ngolden none\nsetup { CREATE ROLE guest }\nteardown { DROP ROLE guest }\nsession one\n\
                    setup { CREATE ROLE visitor }\nteardown { DROP ROLE visitor }\nstep a { SELECT 1/0 }\nstep b { WORK }\n\
                    permutation a b\n  timeout 1s\n  expect none\n";
    let file = |workload: &str| {
        scenario(workload, "")
            .replace("golden none", "golden none\nsetup { CREATE ROLE guest }\nteardown { DROP ROLE guest }")
    };
    let specs = [
        (twice("SELECT nosuch FROM t", fixtures), both("warm-up 1 failed")),
        (twice("BEGIN; SELECT 1/0", fixtures), both("warm-up 1 failed")),
        (twice("SELECT pg_sleep(60)", fixtures), both("warm-up 1 was not done after 2 s: it was cancelled")),
        (twice("SELECT crash.now('fatal')", fixtures), both(r"backend \d+ ended in warm-up 1")),
        (twice("SELECT 1", &fixtures.replace("guest }\n", "guest; SELECT 1/0 }\n")), both("setup failed")),
        (twice("SELECT nosuch FROM t", &beside), torn),
        (
            sessions.replace("WORK", "SELECT pg_sleep(60)"),
            both("step \"b\" was not done after 1 s: it was cancelled").replace("{2}", ""),
        ),
        (file("SELECT crash.now('fatal')"), both(r"backend \d+ ended in warm-up 1").replace("{2}", "")),
    ];
    assert_said(&specs.each_ref().map(|(text, pattern)| (text.clone(), pattern.as_str())));
}
