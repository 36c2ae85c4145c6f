//! One scenario of a spec is run, and what it needs; and scenarios do not depend on what others have left.

use crate::project::{Project, end};

const LEAK: &str = "SELECT leak_shapes.top_100()";

/// A scenario without an `expect`.
fn scenario(name: &str, workload: &str) -> String {
    format!("scenario growth_benchmark {name}\n  iterations 20\n  workload {{ {workload}; }}\n")
}

#[test]
fn a_part_is_run_and_blessed_without_the_rest() {
    let (clean, leak) = ("SELECT count(*) FROM t", LEAK);
    let head = "extension leak_shapes\nsetup { CREATE TABLE t (i int); }\n";
    let three =
        |workload: &str| format!("{head}{}{}{}", scenario("a", workload), scenario("b", leak), scenario("c", leak));
    let project = Project::new(&[
        ("specs/s.mcspec", &three(leak)),
        ("specs/other.mcspec", "scenario window\n  workload { SELECT 1 }\n  expect none\n"),
    ]);
    let mcspec = |arguments: &str| end(project.mcspec(arguments));
    assert_eq!(project.run("s").code, 1, "no golden yet");
    assert_eq!(mcspec("bless").code, 0);
    let golden = project.read("expected/s.out");
    assert_eq!(golden.matches("(1 violation)").count(), 3, "{golden}");
    assert_eq!(project.run("s").code, 0);

    // What has changed in "a" is no matter of "b", nor does the golden lose what was not run.
    project.write("specs/s.mcspec", &three(clean));
    let ended = project.run("s/b --report tap");
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(ended.stdout.contains("(only 1 of 3 selected)"), "{}", ended.stdout);
    assert_eq!(mcspec("bless").stdout.lines().last(), Some("unchanged  expected/s.out"));
    let pruned = mcspec("bless --prune");
    assert!(pruned.stderr.contains("not all of spec \"s\" was run"), "{}", pruned.stderr);

    assert_eq!(project.run("s/a").code, 1);
    assert!(mcspec("diff s/a").stdout.contains("ctx_bloat"));
    assert_eq!(mcspec("diff s/b").code, 4, "it was not run");
    assert_eq!(mcspec("bless s/a").code, 0);
    let block = golden.find("scenario growth_benchmark b").expect("the second");
    let now = project.read("expected/s.out");
    let first = "scenario growth_benchmark a\n(0 violations)\n\n";
    assert_eq!(now, format!("mcspec golden 1\nspec s\n\n{first}{}", &golden[block..]));

    // Of a run of everything, one scenario is blessed.
    project.write(
        "specs/s.mcspec",
        &three(leak)
            .replace(
                "growth_benchmark c\n  iterations 20\n  workload { SELECT leak",
                "growth_benchmark c\n  iterations 20\n  workload { SELECT 1, leak",
            )
            .replace(&scenario("b", leak), &scenario("b", clean)),
    );
    assert_eq!(project.run("s").code, 1);
    assert_eq!(mcspec("diff s/c").code, 0);
    assert_eq!(mcspec("bless s/b").code, 0);
    let now = project.read("expected/s.out");
    assert!(now.contains(first) && now.contains("scenario growth_benchmark b\n(0 violations)\n"), "{now}");
    assert_eq!(mcspec("diff s/a").code, 1);
}

#[test]
fn a_part_is_not_judged_for_the_rest() {
    let sessions = "session s1\nstep x { SELECT 1 }\npermutation x\n  expect none\n";
    let known =
        format!("xfail 'a leaks'\n{}  expect none\n{}  expect none\n", scenario("a", LEAK), scenario("b", "SELECT 1"));
    let project = Project::new(&[
        ("specs/known.mcspec", &format!("extension leak_shapes\n{known}{sessions}")),
        (
            "specs/targets.mcspec",
            "extension leak_shapes\nextension buggy_pg_ext\ntarget 'leak_shapes', 'buggy_pg_ext'\nscenario window a\n  workload { LOAD \
             'leak_shapes'; }\n  expect none\nscenario window b\n  workload { LOAD 'buggy_pg_ext'; }\n  expect none\n",
        ),
        (
            "specs/when.mcspec",
            "scenario window a when pg > 99\n  workload { SELECT 1 }\n  expect none\nscenario window b\n  workload { SELECT 1 }\n  expect none\n",
        ),
    ]);
    let ended = project.run("known targets when --report tap");
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let ended = project.run("known/b known/x targets/a when/a --report tap");
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    for line in
        ["ok 1 - known", "only 2 of 3 selected)", "ok 2 - targets", "ok 3 - when # SKIP nothing that was selected"]
    {
        assert!(ended.stdout.contains(line), "{line}\n{}", ended.stdout);
    }
    // It leaks, as is known.
    let ended = project.run("known/a --report tap");
    assert!(ended.code == 0 && ended.stdout.contains("# TODO a leaks"), "{}", ended.stdout);
}

#[test]
fn what_a_failed_scenario_has_left_stands_in_nobodys_way() {
    let make = "CREATE TABLE v (i int)";
    let scenarios = [
        format!(
            "scenario window a\n  iterations 1\n  warmup 0\n  workload {{ {make}; SELECT nosuch(); }}\n  expect none\n"
        ),
        format!(
            "scenario window b\n  iterations 1\n  warmup 0\n  workload {{ {make}; DROP TABLE v; SELECT * FROM t; }}\n  expect none\n"
        ),
        format!(
            "scenario window c\n  setup {{ {make}; SELECT nosuch(); }}\n  workload {{ SELECT 1 }}\n  expect none\n"
        ),
        format!(
            "scenario window d\n  setup {{ {make} }}\n  workload {{ SELECT * FROM v, t; }}\n  teardown {{ DROP TABLE v }}\n  expect none\n"
        ),
        format!("session s1\nstep x {{ {make} }}\nstep y {{ DROP TABLE v }}\npermutation x y\n  expect none\n"),
    ];
    let project = Project::new(&[(
        "specs/s.mcspec",
        &format!("setup {{ CREATE TABLE t (i int); }}\nteardown {{ DROP TABLE t; }}\n{}", scenarios.concat()),
    )]);
    let ended = project.run("--report tap");
    let failures: Vec<&str> =
        ended.stdout.lines().filter(|line| line.contains("failed") || line.contains("not run")).collect();
    let places: Vec<&str> = failures.iter().filter_map(|line| line.strip_prefix("#  specs/s.mcspec:")).collect();
    assert_eq!(places, ["6:38: iteration 1 failed", "14:35: setup failed"], "{}", ended.stdout);
}
