//! Known findings on a real server: `allow` in a spec and in `mcspec.toml`, until their day.

use crate::project::{Ended, Project, end};
use mcspec::report::json::RunReport;

const LEAKY: &str = "\
extension leak_shapes
golden none
allow 'Gone%' because 'mended long ago'

scenario growth_benchmark known
  iterations 50
  allow context_leak 'LeakShapes%' because 'a cache, see #12' until 2027-01-31
  workload { SELECT leak_shapes.context_top(); }
  expect none
";

/// Runs on a day.
fn on(project: &Project, day: &str, arguments: &str) -> Ended {
    let mut command = project.command(arguments);
    command.env("MCSPEC_TODAY", day);
    end(command)
}

#[test]
fn what_is_known_does_not_make_a_run_fail_until_its_day() {
    let project = Project::new(&[("specs/leaky.mcspec", LEAKY)]);
    let reports = "--report tap --report json=out/a/r.json --report junit=out/a/r.xml --report sarif=out/r.sarif";
    let before = on(&project, "2027-01-30", reports);
    assert_eq!(before.code, 0, "{}\n{}", before.stdout, before.stderr);
    for said in [
        "#  specs/leaky.mcspec:7:3: 1 violation is allowed until 2027-01-31: a cache, see #12\n",
        "# specs/leaky.mcspec:3:1: warning: \"allow\" is about nothing that was found: mended long ago\n",
        "# 1 passed, 0 failed, 1 violation allowed in ",
    ] {
        assert!(before.stdout.contains(said), "{said}\n{}", before.stdout);
    }
    let json = RunReport::parse(&project.read("out/a/r.json")).unwrap();
    let allowed = json.cases[0].scenarios[0].rows[0].allowed.as_ref().unwrap();
    assert_eq!((allowed.because.as_str(), allowed.until.as_deref()), ("a cache, see #12", Some("2027-01-31")));
    assert_eq!((json.summary.allowed, json.warnings.len()), (1, 1));
    crate::report::readers::validate_xml(&project.read("out/a/r.xml"), "junit-10.xsd");
    crate::report::readers::validate_json(&project.read("out/r.sarif"), "sarif-schema-2.1.0.json");
    let log: serde_json::Value = serde_json::from_str(&project.read("out/r.sarif")).unwrap();
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["suppressions"][0]["justification"], "a cache, see #12 (until 2027-01-31)", "{result}");
    assert_eq!(log["runs"][0]["invocations"][0]["exitCode"], 0);

    let after = on(&project, "2027-01-31", "--report tap --report sarif=out/r.sarif");
    assert_eq!(after.code, 1, "{}", after.stdout);
    assert!(after.stdout.contains("#  (\"allow\" is over since 2027-01-31: a cache, see #12)\n"), "{}", after.stdout);
    assert!(!after.stdout.contains("is allowed"), "{}", after.stdout);
    let log: serde_json::Value = serde_json::from_str(&project.read("out/r.sarif")).unwrap();
    let result = &log["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["suppressions"]), (&"context_leak".into(), &serde_json::json!([])));
    assert_eq!(log["runs"][0]["invocations"][0]["exitCode"], 1);

    // As prove sees them: red, green, and silent but for what is red.
    for (day, arguments, is_ok) in [
        ("2027-01-30", "--report tap", true),
        ("2027-01-31", "--report tap", false),
        ("2027-01-31", "-q --report tap", false),
    ] {
        let Some(proved) = crate::report::readers::prove(&on(&project, day, arguments).stdout) else { return };
        assert_eq!(proved.is_ok, is_ok, "{}", proved.said);
    }

    // For every spec.
    let spec = LEAKY.replace("  allow context_leak 'LeakShapes%' because 'a cache, see #12' until 2027-01-31\n", "");
    project.write("specs/leaky.mcspec", &spec);
    let toml = project.read("mcspec.toml");
    let tables = "\n[[allow]]\ncheck = \"context_leak\"\nin = \"LeakShapes%\"\nbecause = \"known everywhere\"\n\n\
                  [[allow]]\nlike = \"nowhere\"\nbecause = \"of no use\"\n";
    project.write("mcspec.toml", &(toml + tables));
    let everywhere = on(&project, "", "--report tap");
    assert_eq!(everywhere.code, 0, "{}", everywhere.stdout);
    assert!(everywhere.stdout.contains(": 1 violation is allowed: known everywhere\n"), "{}", everywhere.stdout);
    assert!(everywhere.stdout.contains("warning: \"allow\" is about nothing that was found: of no use\n"));
    // Of a part of the specs nobody knows.
    let part = on(&project, "", "leaky --report tap");
    assert!(part.code == 0 && !part.stdout.contains("of no use"), "{}", part.stdout);

    let wrong = on(&project, "tomorrow", "");
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("environment variable MCSPEC_TODAY: invalid date \"tomorrow\""), "{}", wrong.stderr);
}

/// One that excuses everything is named by all that look at the file.
#[test]
fn an_allowance_of_everything_is_a_warning() {
    let project = Project::new(&[("specs/s.mcspec", "scenario window\n  workload { SELECT 1 }\n  expect none\n")]);
    let toml = project.read("mcspec.toml");
    let line = toml.lines().count() + 1;
    for (clause, is_all) in [
        ("like = \"%\"", true),
        ("in = [\"x\", \"%%\"]", true),
        ("at = \"%\"\nfrom = \"%\"", true),
        ("like = \"%\"\nfrom = \"my_ext\"", false),
        ("check = \"ctx_bloat\"", false),
        ("like = \"My%\"", false),
    ] {
        project.write("mcspec.toml", &format!("{toml}[[allow]]\n{clause}\nbecause = \"x\"\n"));
        for command in ["check", "run --dry-run"] {
            let ended = end(project.mcspec(command));
            let said =
                format!("mcspec: warning: mcspec.toml:{line}:1: every violation is allowed, so nothing can be found\n");
            assert_eq!((ended.code, ended.stderr.contains(&said)), (0, is_all), "{clause}\n{}", ended.stderr);
        }
    }
}

/// What specs say of tracing is overridden, and goldens are of what they say.
#[test]
fn tracing_is_overridden_on_the_command_line() {
    let spec = |trace: &str| {
        format!(
            "extension leak_shapes\n{trace}scenario growth_benchmark leak\n  iterations 20\n  workload {{ SELECT leak_shapes.top_100(); }}\n  expect none\n"
        )
    };
    let project = Project::new(&[("specs/traced.mcspec", &spec("")), ("specs/untraced.mcspec", &spec("trace off\n"))]);
    for (arguments, is_traced) in [
        ("traced", true),
        ("untraced", false),
        ("traced --trace off", false),
        ("untraced --trace on", true),
        ("untraced --trace stacks", true),
    ] {
        let ended = project.run(&format!("{arguments} --report tap"));
        // So few bytes are no growth of a context as a whole.
        assert_eq!(ended.code, i32::from(is_traced), "{arguments}\n{}", ended.stdout);
        assert_eq!(ended.stdout.contains("allocate_in_top"), is_traced, "{arguments}\n{}", ended.stdout);
    }
    let wrong = end(project.mcspec("run --trace most"));
    assert!(wrong.code == 2 && wrong.stderr.contains("[possible values: on, off, stacks]"), "{}", wrong.stderr);
}
