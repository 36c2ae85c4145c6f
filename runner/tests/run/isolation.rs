//! What isolation specs are given from outside, and servers that want their libraries in another order.

use std::path::Path;

use crate::project::Project;

/// An isolation spec that cannot say itself what it needs.
const NEEDY: &str = "\
session s1
step leak  { SELECT leak_shapes.top_100(); }
step clean { SELECT leak_shapes.top_100_fixed(); }
step shown { SELECT extname FROM pg_extension WHERE extname = 'leak_shapes'; SHOW work_mem; }
permutation leak clean shown
";

/// With a clause of its own
const CONTENT: &str = "conf { work_mem = 7MB }\nsession s1 step shown { SHOW work_mem; } permutation shown";

#[test]
fn isolation_specs_are_given_what_they_need() {
    const SHOWN: &str = "\
step shown: SELECT extname FROM pg_extension WHERE extname = 'leak_shapes'; SHOW work_mem;
extname    
-----------
leak_shapes
(1 row)

work_mem
--------
5MB     
(1 row)
";
    let project = Project::new(&[
        ("t/needy.spec", NEEDY),
        ("t/content.spec", CONTENT),
        ("specs/own.mcspec", "scenario window workload { SELECT 1; } expect none"),
        ("given.conf", "work_mem = 5MB\n"),
    ]);
    let options = "--extension leak_shapes --preload leak_shapes --target leak_shapes --conf given.conf";

    project.run(&format!("--transcript {options} t/needy.spec t/content.spec"));
    assert!(project.read("results/needy.out").contains(SHOWN), "{}", project.read("results/needy.out"));
    assert!(project.read("results/content.out").contains("7MB"));

    let found = "s1: context_leak|INFO|TopMemoryContext|100 x1/iter|-|leak_shapes";
    let checked = project.run(&format!("{options} t/needy.spec"));
    assert!(checked.stdout.contains(found), "{}", checked.stdout);
    let config = project.read("mcspec.toml");
    project.write(
        "mcspec.toml",
        &format!("{config}[isolation]\nextension = \"leak_shapes\"\ntarget = \"leak_shapes\"\nconf = \"given.conf\"\n"),
    );
    let checked = project.run("t/needy.spec");
    assert!(checked.stdout.contains(found), "{}", checked.stdout);

    let refused = project.run("--extension leak_shapes own");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("\"--extension\" is for isolation specs"), "{}", refused.stderr);
}

/// What cannot be written is said of each, and is no reason not to run the others.
#[test]
fn a_transcript_that_cannot_be_written_stops_no_other() {
    let spec = |text: &str| format!("session s1 step shown {{ SELECT '{text}' AS word; }} permutation shown");
    let project = Project::new(&[
        ("t/one.spec", &spec("one")),
        ("t/three.spec", &spec("three")),
        ("t/two.spec", &spec("two")),
        ("results/one.out/blocked", ""),
        ("results/two.out/blocked", ""),
        ("expected/three.out/blocked", ""),
    ]);
    let ended = project.run("--transcript -j 1 t/one.spec t/two.spec t/three.spec");
    assert_eq!(ended.code, 2, "{}{}", ended.stdout, ended.stderr);
    for name in ["one", "two"] {
        assert!(ended.stdout.contains(&format!(" - {name} ")), "{}", ended.stdout);
        let error = format!("mcspec: error: could not write \"results/{name}.out\"");
        assert!(ended.stderr.contains(&error), "{}", ended.stderr);
    }
    assert!(ended.stdout.contains("could not read \"expected/three.out\""), "{}", ended.stdout);
    assert!(project.read("results/three.out").contains("three"));
    assert!(project.read("results/regression.diffs").contains("+starting permutation: shown"));
}

#[test]
fn a_server_says_with_which_order_it_starts() {
    let demands = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/demands");
    let project = Project::new(&[]);
    let engine: Vec<String> = project.read("mcspec.toml").lines().take(2).map(str::to_owned).collect();
    let libraries = ["every_database", "first_hooks", "first_named"];
    let sections = libraries.map(|name| format!("[extension.{name}]\npath = {demands:?}\n"));
    project.write("mcspec.toml", &format!("{}\n{}", engine.join("\n"), sections.concat()));
    let spec = |head: &str| format!("{head}\ngolden none\nscenario window workload {{ SELECT 1; }} expect none\n");

    project.write("specs/order.mcspec", &spec("preload every_database, first_hooks"));
    let ended = project.run("order");
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("FATAL:  first_hooks has to be loaded first"), "{}", ended.stdout);
    let clause = "preload first every_database, first_hooks";
    assert!(ended.stdout.contains(&format!("HINT:  the server starts with \"{clause}\"")), "{}", ended.stdout);
    project.write("specs/order.mcspec", &spec(clause));
    assert_eq!(project.run("order").code, 0);

    // Of two that insist only one can be content.
    project.write("specs/order.mcspec", &spec("preload first_named, first_hooks"));
    let ended = project.run("order");
    assert!(!ended.stdout.contains("the server starts with"), "{}", ended.stdout);
}
