//! What sessions keep, wait for and change, and what a run makes of it.

use crate::project::Project;

/// A spec with one session, of these steps in this order, and these fixtures of the file.
fn spec(fixtures: &str, steps: &[&str]) -> String {
    let names = || (1..=steps.len()).map(|n| format!("s{n}"));
    let steps: String = names().zip(steps).map(|(name, sql)| format!("step {name} {{ {sql} }}\n")).collect();
    let permutation = names().collect::<Vec<_>>().join(" ");
    format!(
        "golden none\nextension leak_shapes\npreload leak_shapes\n{fixtures}\nsession one\n{steps}permutation {permutation}\n  expect none\n"
    )
}

#[test]
fn a_permutation_that_differs_from_its_warm_up_fails() {
    let counted = "setup { CREATE TABLE IF NOT EXISTS item (id int) }";
    let table = [
        // A table that no teardown drops.
        (spec("", &["CREATE TABLE item (id int)"]), "- s1\n#    + s1 ERROR 42P07"),
        (spec(counted, &["INSERT INTO item VALUES (1)", "SELECT count(*) FROM item"]), "- s2: 1\n#    + s2: 2"),
        (
            spec("setup { CREATE TABLE item (id int) }", &["SELECT 1"]),
            "setup, in the second run of the permutation, failed",
        ),
        // Sessions and teardown leave nothing.
        (spec("teardown { DROP TABLE item }", &["CREATE TABLE item (id int)"]), "ok 1"),
        (spec("", &["PREPARE q AS SELECT 1", "SELECT now(), clock_timestamp(), pg_backend_pid()"]), "ok 1"),
        (spec("", &["BEGIN; CREATE TEMP TABLE item (id int)"]), "ok 1"),
    ];
    for (spec, expected) in table {
        let project = Project::new(&[("specs/x.mcspec", &spec), ("schedule", "test: x\n")]);
        let run = project.run("");
        assert_eq!(run.code, i32::from(expected != "ok 1"), "{spec}{}", run.stdout);
        assert!(run.stdout.contains(expected), "{spec}{}", run.stdout);
        assert!(expected == "ok 1" || run.stdout.contains("\"teardown\" has to undo"), "{spec}{}", run.stdout);
    }
}

/// A spec with a scenario of these clauses, which may take a second.
fn scenario(clauses: &str) -> String {
    format!("golden none\ntimeout 1s\nvar source = STDIN\nscenario window\n  warmup 0\n  {clauses}\n  expect none\n")
}

/// A spec with a session of these clauses, whose steps may take a second.
fn session(clauses: &str) -> String {
    format!("golden none\ntimeout 1s\nvar source = STDIN\n{clauses}\npermutation a\n  expect none\n")
}

#[test]
fn nothing_is_waited_for_without_end() {
    const STOP: &str = "COPY (SELECT 1) TO PROGRAM 'kill -STOP $PPID'";
    const FLOOD: &str = "DO $$ BEGIN LOOP RAISE NOTICE 'x'; END LOOP; END $$";
    const ROWS: &str = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000000)) TO STDOUT";
    const NO_DATA: &str = "ERROR:  COPY from stdin failed: mcspec sends no data (57014)";
    let specs = [
        // Nobody sends the rows, and the server says so.
        (scenario("workload { COPY pg_temp.t FROM :source }\n  setup { CREATE TEMP TABLE t (a text) }"), NO_DATA),
        (
            scenario(
                "protocol extended\n  workload { COPY pg_temp.t FROM :source }\n  setup { CREATE TEMP TABLE t (a text) }",
            ),
            NO_DATA,
        ),
        (
            scenario(
                "protocol prepared\n  workload { COPY pg_temp.t FROM :source }\n  setup { CREATE TEMP TABLE t (a text) }",
            ),
            NO_DATA,
        ),
        (scenario(&format!("workload {{ {FLOOD} }}")), ":6:14: iteration 1 was not done after 1 s: it was cancelled"),
        (scenario(&format!("workload {{ {ROWS} }}")), ":6:14: iteration 1 was not done after 1 s: it was cancelled"),
        (
            scenario(&format!("workload {{ {STOP} }}")),
            ":6:14: iteration 1 was not done after 1 s: it ignored the cancel request and SIGTERM and was killed",
        ),
        (scenario("setup { SELECT pg_sleep(1e6) }\n  workload { SELECT 1 }"), ":6:11: setup was not done after 1 s"),
        (
            session("setup { SELECT pg_sleep(1e6) }\nsession s\nstep a { SELECT 1 }"),
            ":4:8: setup was not done after 1 s: it was cancelled",
        ),
        (
            session(&format!("session s\nsetup {{ {STOP} }}\nstep a {{ SELECT 1 }}")),
            ":5:8: setup was not done after 1 s: it ignored the cancel request and SIGTERM and was killed",
        ),
        (
            session("session s\nstep a { SELECT pg_sleep(1e6) }"),
            ":5:9: step \"a\" was not done after 1 s: it was cancelled",
        ),
        (
            session(&format!("session s\nstep a {{ {FLOOD} }}")),
            ":5:9: step \"a\" was not done after 1 s: it was cancelled",
        ),
        (session(&format!("session s\nstep a {{ {STOP} }}")), ":5:9: step \"a\" was not done after 2 s"),
        (
            session("session s\nstep a { SELECT 1 }\nteardown { SELECT pg_sleep(1e6) }"),
            ":6:11: teardown was not done after 1 s: it was cancelled",
        ),
    ];
    let names: Vec<String> = (0..specs.len()).map(|n| format!("specs/s{n}.mcspec")).collect();
    let schedule = (0..specs.len()).map(|n| format!("test: s{n}\n")).collect::<String>();
    let files = names.iter().map(String::as_str).zip(specs.iter().map(|(spec, _)| spec.as_str()));
    let project = Project::new(&files.chain([("schedule", schedule.as_str())]).collect::<Vec<_>>());
    let run = project.run("");
    for (name, (_, expected)) in names.iter().zip(&specs) {
        let expected = if expected.starts_with(':') { format!("{name}{expected}") } else { (*expected).to_owned() };
        assert!(run.stdout.contains(&expected), "{expected}\n{}", run.stdout);
    }
    assert_eq!(run.stdout.matches(NO_DATA).count(), 3, "{}", run.stdout);
}

#[test]
fn a_worker_that_is_not_there_is_told_from_one_that_does_nothing() {
    let spec = "golden none\nscenario growth_benchmark idle\n  worker 'walwriter' for 1s\n  expect none\n\
                scenario window idle\n  worker 'walwriter' for 1s\n  expect none\n\
                scenario window missing\n  worker 'nosuch%' for 1s\n  expect none\n";
    let project = Project::new(&[("specs/x.mcspec", spec), ("schedule", "test: x\n")]);
    let run = project.run("");
    let missing = "there is no such process; there are \"background writer\", \"checkpointer\"";
    for expected in [" was there, but has ended no transaction in 1 s", missing] {
        assert!(run.stdout.contains(expected), "{expected}\n{}", run.stdout);
    }
    // The window of an idle worker is one.
    assert_eq!(run.stdout.matches(" failed\n").count(), 2, "{}", run.stdout);
}
