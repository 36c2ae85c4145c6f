//! What a spec has to say for itself to pass, and what is shown where it does not.

use crate::project::{Project, end};

/// Two allocations of a library are lost with every statement.
const LEAKY: &str = "  iterations 50\n  workload { SELECT leak_shapes.top_100(); SELECT leak_shapes.context_top(); }\n";

#[test]
fn a_first_spec_passes_without_being_blessed() {
    let promised = format!("extension leak_shapes\nscenario growth_benchmark\n{LEAKY}  expect ctx_bloat count 1\n");
    let clean = "scenario window\n  workload { SELECT 1; }\n  expect none\n";
    let vague = format!("extension leak_shapes\nscenario growth_benchmark\n{LEAKY}");
    let project = Project::new(&[
        ("specs/promised.mcspec", &promised),
        ("specs/clean.mcspec", clean),
        ("specs/mended.mcspec", &format!("xfail 'known'\n{promised}")),
        ("specs/vague.mcspec", &vague),
        ("specs/hopeless.mcspec", &format!("xfail 'known'\n{vague}")),
        ("schedule", "test: promised\ntest: clean\ntest: mended\ntest: vague\ntest: hopeless\n"),
    ]);
    let passing = project.run("promised clean");
    assert_eq!(passing.code, 0, "{}", passing.stdout);
    assert!(passing.stdout.contains("(no golden: 2 violations are not recorded)"), "{}", passing.stdout);
    assert!(passing.stdout.contains("no golden: nothing is recorded)"), "{}", passing.stdout);

    let all = project.run("");
    assert_eq!(all.code, 1, "{}", all.stdout);
    assert!(all.stdout.contains("passed, but is marked \"xfail\": known"), "{}", all.stdout);
    let vague = "no expectation: no \"expect\" applies, and \"expected/vague.out\" does not exist";
    assert!(all.stdout.contains(vague), "{}", all.stdout);
    assert!(all.stdout.contains("and with \"xfail\" nothing is recorded"), "{}", all.stdout);
    assert!(all.stdout.contains("# 2 passed, 3 failed in"), "{}", all.stdout);

    assert_eq!(end(project.mcspec("bless promised clean vague")).code, 0);
    let recorded = project.run("promised clean vague");
    assert_eq!(recorded.code, 0, "{}", recorded.stdout);
    assert!(!recorded.stdout.contains("golden"), "{}", recorded.stdout);
}

#[test]
fn what_none_must_not_find_is_shown_with_its_scenario() {
    let spec = format!(
        "extension leak_shapes\nnormalize 'Top(\\w+)' => '$1'\n\
         scenario growth_benchmark first\n{LEAKY}  expect ctx_bloat in 'MemoryContext' count 1\n\
         scenario growth_benchmark second\n{LEAKY}  expect none\n"
    );
    let project = Project::new(&[("specs/leaky.mcspec", &spec), ("schedule", "test: leaky\n")]);
    let ended = project.run("");
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    let headlines: Vec<&str> = ended.stdout.lines().filter(|line| line.contains("expectation not met")).collect();
    assert_eq!(headlines, ["#  specs/leaky.mcspec:10:3: scenario growth_benchmark second: expectation not met"]);
    for row in [
        "#    + context_leak|INFO|LeakShapesScratch|100 x1/iter|linear|leak_shapes\n",
        "#    + ctx_bloat|INFO|MemoryContext|100 x1/iter|linear|leak_shapes\n",
    ] {
        assert!(ended.stdout.contains(row), "{}", ended.stdout);
    }
}
