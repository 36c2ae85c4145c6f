//! What a run did not look at makes it fail, or is said.

use super::project::{Project, end};

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
        (
            "schedule",
            "test: nonesuch\ntest: near\ntest: one_of_two\ntest: sessions\ntest: suffix\ntest: directory\ntest: case\n\
             test: pattern\ntest: untraced\ntest: idle\n",
        ),
    ]);
    let ended = project.run("--report tap --report json=report.json");
    let said: Vec<&str> = ended.stdout.lines().filter(|line| !line.starts_with("ok")).map(str::trim_end).collect();
    let lines: Vec<String> = said.iter().map(|line| line.split("    ").next().unwrap().to_owned()).collect();
    let expected = [
        "TAP version 14",
        "1..10",
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
    ];
    assert_eq!(lines[..lines.len() - 1], expected, "{}", ended.stdout);
    let idle = ended.stdout.lines().find(|line| line.contains("- idle")).unwrap();
    assert!(
        idle.starts_with("ok 10") && idle.ends_with("(no library under test was loaded in scenario window a)"),
        "{idle}"
    );
    assert!(project.read("report.json").contains("\"kind\": \"not loaded\""));

    let refused = end(project.mcspec("bless nonesuch"));
    assert!(refused.stdout.contains("a target was not loaded") || refused.stderr.contains("a target was not loaded"));
}
