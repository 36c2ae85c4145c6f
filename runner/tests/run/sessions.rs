//! What sessions keep, wait for and change, and what a run makes of it.

use super::project::Project;

/// A spec with one session, of these steps in this order, and these fixtures of the file.
fn spec(fixtures: &str, steps: &[&str]) -> String {
    let names = || (1..=steps.len()).map(|n| format!("s{n}"));
    let steps: String = names().zip(steps).map(|(name, sql)| format!("step {name} {{ {sql} }}\n")).collect();
    let permutation = names().collect::<Vec<_>>().join(" ");
    format!(
        "golden none\nextension leak_shapes\n{fixtures}\nsession one\n{steps}permutation {permutation}\n  expect none\n"
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
