//! What keeps a command from running anything is in every report of it, and the files of reports are written.

use crate::project::{Ended, Project, end};
use mcspec::report::json::RunReport;

const SPEC: &str = "scenario window\n  workload { SELECT 1 }\n  expect none\n";

/// What keeps it from running, and what is said of it.
struct Trouble {
    what: &'static str,
    make: fn(&Project),
    arguments: &'static str,
    code: i32,
    said: &'static str,
    /// The place in a spec.
    place: Option<(&'static str, usize, usize)>,
}

fn nothing(_: &Project) {}

fn with(project: &Project, toml: &str) {
    project.write("mcspec.toml", &(project.read("mcspec.toml") + toml));
}

const TROUBLES: &[Trouble] = &[
    Trouble {
        what: "a spec that cannot be read",
        make: |project| project.write("specs/bad.mcspec", "\nscenari window\n"),
        arguments: "run",
        code: 2,
        said: "1 error in the specs",
        place: Some(("specs/bad.mcspec", 2, 1)),
    },
    Trouble {
        what: "an unknown version",
        make: nothing,
        arguments: "run --pg 14",
        code: 2,
        said: "invalid version \"14\" for --pg: supported versions are 15 to 19",
        place: None,
    },
    Trouble {
        what: "no version",
        make: nothing,
        arguments: "exec --pg newest",
        code: 2,
        said: "invalid version \"newest\" for --pg: supported versions are 15 to 19",
        place: None,
    },
    Trouble {
        what: "no installation",
        make: nothing,
        arguments: "run --pg-config /nosuch/pg_config",
        code: 2,
        said: "\"/nosuch/pg_config\" cannot be used",
        place: None,
    },
    Trouble {
        what: "a build that fails",
        make: |project| {
            project
                .write("broken/Makefile", "MODULES = broken\nPGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)\n");
            project.write("broken/broken.c", "this is no C\n");
            with(project, "[extension.broken]\npath = \"broken\"\n");
        },
        arguments: "exec HERE",
        code: 2,
        said: "extension \"broken\"",
        place: None,
    },
    Trouble {
        what: "a server that does not start",
        make: nothing,
        arguments: "exec HERE --extension leak_shapes --preload nosuch",
        code: 2,
        said: "server \"exec\" did not start",
        place: None,
    },
    Trouble {
        what: "a file of the project that cannot be read",
        make: |project| project.write("mcspec.toml", &format!("[projct]\n{}", project.read("mcspec.toml"))),
        arguments: "run",
        code: 2,
        said: "1 error in mcspec.toml",
        place: Some(("mcspec.toml", 1, 2)),
    },
    Trouble {
        what: "a file of the project that cannot be read, and a command",
        make: |project| project.write("mcspec.toml", &format!("[projct]\n{}", project.read("mcspec.toml"))),
        arguments: "exec",
        code: 2,
        said: "1 error in mcspec.toml",
        place: Some(("mcspec.toml", 1, 2)),
    },
    Trouble {
        what: "a server that is not there",
        make: nothing,
        arguments: "run --server host=/nosuch",
        code: 2,
        said: "could not connect to",
        place: None,
    },
    Trouble {
        what: "nothing that is selected",
        make: nothing,
        arguments: "run nosuch",
        code: 4,
        said: "no spec matches \"nosuch\"",
        place: None,
    },
];

fn ended(project: &Project, arguments: &str, reports: &str) -> Ended {
    let here = format!("--pg-config {}", project.pg_config().display());
    let mut command = project.mcspec(&format!("{} {reports}", arguments.replace("HERE", &here)));
    if arguments.starts_with("exec") {
        command.args(["--", "true"]);
    }
    end(command)
}

#[test]
fn every_report_says_why() {
    const ALL: &str = "--report tap=r/r.tap --report json=r/r.json --report junit=r/r.xml --report sarif=r/r.sarif \
                       --report github=r/r.github --report markdown=r/r.md --report pretty=r/r.txt";
    for Trouble { what, make, arguments, code, said, place } in TROUBLES {
        let project = Project::new(&[("specs/good.mcspec", SPEC)]);
        make(&project);
        let all = ended(&project, arguments, ALL);
        assert_eq!((all.code, all.stdout.as_str()), (*code, ""), "{what}\n{}", all.stderr);
        assert!(all.stderr.contains(said), "{what}\n{}", all.stderr);

        let tap = project.read("r/r.tap");
        assert!(tap.starts_with("TAP version 13\n1..1\nnot ok 1 - mcspec\n#"), "{what}\n{tap}");
        let bail = tap.lines().last().unwrap();
        assert!(bail.starts_with("Bail out!  ") && bail.contains(said), "{what}\n{tap}");
        if let Some(proved) = crate::report::readers::prove(&tap) {
            assert!(!proved.is_ok && proved.said.contains("Bailout called"), "{what}\n{}", proved.said);
        }

        let json = RunReport::parse(&project.read("r/r.json")).unwrap();
        let error = json.error.unwrap();
        assert!(error.message.contains(said) && json.cases.is_empty(), "{what}: {error:?}");
        assert_eq!(i32::from(error.exit_code), *code);

        let xml = project.read("r/r.xml");
        crate::report::readers::validate_xml(&xml, "junit-10.xsd");
        assert!(
            xml.contains("tests=\"1\" failures=\"0\" errors=\"1\"") && xml.contains("type=\"not run\""),
            "{what}\n{xml}"
        );

        let sarif = project.read("r/r.sarif");
        crate::report::readers::validate_json(&sarif, "sarif-schema-2.1.0.json");
        let sarif: serde_json::Value = serde_json::from_str(&sarif).unwrap();
        let invocation = &sarif["runs"][0]["invocations"][0];
        assert_eq!((&invocation["executionSuccessful"], &invocation["exitCode"]), (&false.into(), &(*code).into()));
        let notification = &invocation["toolExecutionNotifications"][0];
        assert_eq!(notification["level"], "error", "{what}\n{invocation}");
        assert_eq!(sarif["runs"][0]["results"], serde_json::json!([]));

        let github = project.read("r/r.github");
        let (markdown, text) = (project.read("r/r.md"), project.read("r/r.txt"));
        assert!(markdown.starts_with("## mcspec: nothing was run\n") && markdown.contains(said), "{what}\n{markdown}");
        assert!(text.contains(said), "{what}\n{text}");
        if let Some((file, line, column)) = place {
            let at = format!("{file}:{line}:{column}: ");
            assert!(tap.contains(&format!("\n# {at}")), "{tap}");
            assert!(xml.contains(&format!("<testcase name=\"{file}\"")) && text.contains(&at), "{xml}\n{text}");
            let problem = &error.problems[0].at;
            assert_eq!((problem.file.as_str(), problem.line, problem.column), (*file, *line, *column));
            assert!(github.contains(&format!("::error file={file},line={line},col={column},")), "{github}");
            let region = &notification["locations"][0]["physicalLocation"]["region"];
            assert_eq!((&region["startLine"], &region["startColumn"]), (&(*line).into(), &(*column).into()));
        } else {
            let message = notification["message"]["text"].as_str().unwrap();
            assert!(message.contains(said), "{what}\n{message}");
            assert!(github.starts_with("::error ") && github.contains(&said.replace('%', "%25")), "{what}\n{github}");
        }

        // Somebody reads the output, which is TAP there.
        let tap = ended(&project, arguments, if arguments.starts_with("exec") { "--report tap" } else { "" });
        assert!(tap.code == *code && tap.stdout.contains("\nBail out!  "), "{what}\n{}", tap.stdout);
        project.assert_nothing_left();
    }
}

/// What is asked for is what is wrong: nothing is reported by it, and nothing is written.
#[test]
fn a_dry_run_writes_no_report() {
    let project = Project::new(&[("specs/bad.mcspec", "scenari\n")]);
    let ended = ended(&project, "run --dry-run", "--report tap=r/r.tap");
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(!project.path("r").exists());
}
