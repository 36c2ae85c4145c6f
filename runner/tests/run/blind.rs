//! What a run did not look at makes it fail, or is said.

use mcspec::report::json::RunReport;

use crate::project::{Project, end};

/// A spec whose header begins so, and which expects a leak of 100 bytes, or none.
fn spec(head: &str, expect: &str) -> String {
    format!(
        "extension leak_shapes\n{head}\ngolden none\nscenario growth_benchmark\n  workload {{ SELECT leak_shapes.top_100(); \
         }}\n  expect {expect}\n"
    )
}

#[test]
fn a_target_that_nobody_loads_fails_its_scenario() {
    const LEAK: &str = "ctx_bloat bytes 100 per iteration from 'leak_shapes' count 1";
    let sessions = "extension leak_shapes\ntarget 'leak_shapes'\ngolden none\nsession s1\nstep a { SELECT leak_shapes.top_100(); }\n\
                    session s2\nstep b { SELECT 1; }\npermutation a b\n  expect context_leak by s1 from 'leak_shapes'\n\
                    permutation b\n  expect none\n";
    let idle = |head: &str| {
        let scenario = |name: &str| format!("scenario window {name}\n  workload {{ SELECT 1 }}\n  expect none\n");
        format!("extension leak_shapes\n{head}golden none\n{}{}", scenario("a"), scenario("b"))
    };
    let project = Project::new(&[
        ("specs/nonesuch.mcspec", &spec("target 'nonesuch'", "none")),
        ("specs/near.mcspec", &spec("target 'leak_shape'", "none")),
        ("specs/one_of_two.mcspec", &spec("target 'leak_shapes', 'pgweb'", LEAK)),
        ("specs/sessions.mcspec", sessions),
        ("specs/suffix.mcspec", &spec("target 'leak_shapes.so'", LEAK)),
        ("specs/directory.mcspec", &spec("target '$libdir/leak_shapes'", LEAK)),
        ("specs/case.mcspec", &spec("target 'Leak_Shapes'", LEAK)),
        ("specs/pattern.mcspec", &spec("target 'leak%'", LEAK)),
        ("specs/untraced.mcspec", &spec("target 'nonesuch'\ntrace off", "ctx_bloat")),
        (
            "specs/idle.mcspec",
            "extension leak_shapes\ngolden none\nscenario window a\n  workload { SELECT 1 }\n  expect none\nscenario window b\n  \
             workload { SELECT leak_shapes.top_100_fixed() }\n  expect none\n",
        ),
        ("specs/all_idle.mcspec", &idle("")),
        ("specs/preloaded.mcspec", &idle("preload leak_shapes\n")),
        ("specs/totals.mcspec", &idle("trace off\n")),
        ("specs/without.mcspec", "golden none\nscenario window\n  workload { SELECT 1 }\n  expect none\n"),
        (
            "schedule",
            "test: nonesuch\ntest: near\ntest: one_of_two\ntest: sessions\ntest: suffix\ntest: directory\ntest: case\n\
             test: pattern\ntest: untraced\ntest: idle\ntest: all_idle\ntest: preloaded\ntest: totals\ntest: without\n",
        ),
    ]);
    let ended = project.run("--report tap --report json=report.json");
    let is_of_ok = |line: &&str| line.starts_with("ok") || line.starts_with("#  (");
    let said: Vec<&str> = ended.stdout.lines().filter(|line| !is_of_ok(line)).map(str::trim_end).collect();
    let lines: Vec<String> = said.iter().map(|line| line.split(" # time=").next().unwrap().to_owned()).collect();
    let expected = [
        "TAP version 13",
        "1..14",
        "not ok 1 - nonesuch",
        "#  scenario growth_benchmark: target \"nonesuch\" was not loaded, so nothing of it was looked at",
        "#  HINT:  Libraries that were loaded: \"leak_shapes\".",
        "not ok 2 - near",
        "#  scenario growth_benchmark: target \"leak_shape\" was not loaded, so nothing of it was looked at",
        "#  HINT:  Perhaps you meant \"leak_shapes\". Libraries that were loaded: \"leak_shapes\".",
        "not ok 3 - one_of_two",
        "#  scenario growth_benchmark: target \"pgweb\" was not loaded, so nothing of it was looked at",
        "#  HINT:  Libraries that were loaded: \"leak_shapes\".",
        "not ok 4 - sessions",
        "#  permutation b: target \"leak_shapes\" was not loaded, so nothing of it was looked at",
        "#  HINT:  No library of an extension was loaded.",
        "not ok 11 - all_idle",
        "#  all 2 scenarios: target \"leak_shapes\" was not loaded, so nothing of it was looked at",
        "#  HINT:  No library of an extension was loaded. A call of one of its functions loads it, or \"preload leak_shapes\" in the \
         header.",
    ];
    assert_eq!(lines[..lines.len() - 1], expected, "{}", ended.stdout);
    let (_, idle) = ended.stdout.split_once("\nok 10 - idle ").unwrap();
    let idle = idle.lines().nth(1).unwrap();
    assert_eq!(idle, "#  (no library under test was loaded in scenario window a)");
    // One that has no extension says nothing of one.
    let (_, without) = ended.stdout.split_once("\nok 14 - without ").unwrap();
    assert!(without.lines().nth(1).unwrap().starts_with("# "), "{without}");
    assert!(project.read("report.json").contains("\"kind\": \"not loaded\""));
    let refused = end(project.mcspec("bless nonesuch"));
    assert!(refused.stdout.contains("a target was not loaded") || refused.stderr.contains("a target was not loaded"));

    // Of a part nobody knows what the rest would have loaded.
    let part = project.run("all_idle/a");
    assert_eq!(part.code, 0, "{}", part.stdout);
    assert!(part.stdout.contains("no library under test was loaded in scenario window a"), "{}", part.stdout);
}

#[test]
fn what_comes_after_a_crash_or_an_error_is_run_or_named() {
    let crash = "extension leak_shapes\nsetup { CREATE TABLE t (n int); }\nteardown { DROP TABLE t; }\n\
                 scenario window first\n  warmup 0\n  workload { SELECT leak_shapes.kill_self(); }\n  expect none\n\
                 scenario window second\n  warmup 0\n  workload { SELECT nosuch FROM t; }\n  expect none\n\
                 scenario growth_benchmark third\n  workload { SELECT leak_shapes.top_100(), count(*) FROM t; }\n  \
                 expect ctx_bloat bytes 200 per iteration count 1\n";
    let sessions = "extension leak_shapes\ngolden none\nsession s\nstep bad { SELECT leak_shapes.kill_self(); }\n\
                    step good { SELECT leak_shapes.top_8k(); }\nstep odd { SELECT nosuch; }\n\
                    permutation bad\npermutation good\n  expect wrong_ctx_alloc by s count 2\n";
    let setup = "golden none\nsetup { SELECT nosuch; }\nscenario window a\n  workload { SELECT 1 }\n  expect none\n\
                 scenario window b\n  workload { SELECT 1 }\n  expect none\n";
    let project = Project::new(&[
        ("specs/crash.mcspec", crash),
        ("specs/sessions.mcspec", sessions),
        ("specs/setup.mcspec", setup),
        ("specs/good.mcspec", "golden none\nscenario window\n  workload { SELECT 1 }\n  expect none\n"),
        ("schedule", "test: crash\ntest: sessions\ntest: setup\ntest: good\n"),
        // Recorded for the scenario that crashes.
        ("expected/crash.out", CRASH_GOLDEN),
    ]);
    let reports = "--report tap --report json=report.json --report junit=report.xml --report markdown=report.md";
    let ended = project.run(&format!("-j 1 {reports}"));
    let said = &ended.stdout;
    // Every scenario and permutation has been run, and is judged by itself.
    for line in [
        "specs/crash.mcspec:6:14: backend ",
        "specs/crash.mcspec:10:14: iteration 1 failed",
        "        |          ^^^^^^^^^ closest: 100 B/iter",
        "        |          ^^^^^^^^^^^^^^^ found 1",
        "ok 4 - good",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    // What was not run is named in every report.
    assert!(said.contains("#  not run:\n#    scenario window a\n#    scenario window b\n"), "{said}");
    for report in ["report.xml", "report.md"] {
        let text = project.read(report);
        assert!(text.contains("  not run:\n    scenario window a\n    scenario window b"), "{text}");
    }
    let report = RunReport::parse(&project.read("report.json")).unwrap();
    let not_run: Vec<&[String]> = report.cases.iter().map(|case| case.not_run.as_slice()).collect();
    assert_eq!(not_run, [&[][..], &[], &["scenario window a".to_owned(), "scenario window b".to_owned()], &[]]);

    assert_ne!(end(project.mcspec("bless crash")).code, 0);
    assert_eq!(project.read("expected/crash.out"), CRASH_GOLDEN);
}

const CRASH_GOLDEN: &str = "\
mcspec golden 1
spec crash

scenario window first
ctx_bloat|INFO|recorded|100 x1/iter|linear|leak_shapes
(1 violation)

scenario window second
(0 violations)

scenario growth_benchmark third
ctx_bloat|INFO|TopMemoryContext|100 x1/iter|linear|leak_shapes
(1 violation)
";
