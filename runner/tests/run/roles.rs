//! Workloads of roles that are no superusers.

use crate::project::Project;

/// The engine, which repeats the workload, is nobody's but superusers': whoever meets that is told what to do, and it works.
#[test]
fn a_role_that_may_not_call_the_engine_is_told_what_to_do() {
    let scenario = |name: &str, clauses: &str, before: &str, workload: &str| {
        format!(
            "scenario growth_benchmark {name}\n  iterations 20 warmup 5\n  {clauses}\n  setup {{ {before}SELECT 1; }}\n  \
             workload {{ {workload} }}\n  expect none\n"
        )
    };
    let become_other = "SET ROLE nobody_special; ";
    let spec = [
        "golden none\nsetup { CREATE ROLE nobody_special; }\nteardown { DROP ROLE nobody_special; }\n".to_owned(),
        scenario("refused", "iterate server", become_other, "SELECT 1"),
        scenario("by_client", "", become_other, "SELECT 1"),
        scenario("inside", "iterate server", "", "SET ROLE nobody_special; SELECT 1; RESET ROLE"),
    ];
    let project = Project::new(&[("specs/roles.mcspec", &spec.concat()), ("schedule", "test: roles\n")]);
    let ended = project.run("");
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout.matches("(42501)").count(), 1, "{}", ended.stdout);
    let hint = "HINT:  with \"iterate server\" the session's own role calls the engine: leave \"iterate server\" out, or put SET \
                ROLE and RESET ROLE into the workload";
    assert!(ended.stdout.contains(hint), "{}", ended.stdout);
}
