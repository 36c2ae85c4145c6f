use std::fs;
use std::path::Path;
use std::time::Duration;

use memcheck_core::Phase;

use super::*;

/// Names and texts.
type Files<'a> = &'a [(&'a str, &'a str)];

/// Writes `x.mcspec` and the other files, and plans it for PostgreSQL 18.
fn plan(text: &str, others: Files, variables: &[(&str, &str)]) -> Result<Vec<Case>, Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::write(root.join("x.mcspec"), text).unwrap();
    for (name, text) in others {
        fs::write(root.join(name), text).unwrap();
    }
    let overrides = Overrides {
        command_line: variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        environment: [("shared".to_owned(), "environment".to_owned()), ("env".to_owned(), "environment".to_owned())]
            .into(),
    };
    let planned = load("x", &root.join("x.mcspec"))
        .and_then(|loaded| cases(&loaded, &Environment::nominal(180_006), &overrides, Defaults::default()));
    planned.map_err(|problems| problems.iter().map(|problem| brief(problem, root)).collect())
}

/// `file:line:column: message`
fn brief(problem: &Problem, root: &Path) -> String {
    let place = Place { source: Arc::clone(&problem.source), offset: problem.diagnostic.span.start };
    format!("{place}: {}", problem.diagnostic.message).replace(&format!("{}/", root.display()), "")
}

fn one(text: &str) -> Case {
    plan(text, &[], &[]).unwrap().remove(0)
}

#[test]
fn what_a_spec_does_not_say_has_defaults() {
    let case = one("scenario growth_benchmark\n  workload { SELECT 1 }\nscenario window w\n  workload { SELECT 1 }\n\
                    scenario tx_abort_loop\n  abort savepoint\n  warmup 0\n  timeout 5s\n  workload { SELECT 1 }\n");
    let [growth, window, abort] = case.scenarios.as_slice() else { panic!("{} scenarios", case.scenarios.len()) };
    assert_eq!((growth.iterations, growth.warmup, growth.timeout), (100, 10, Duration::from_secs(60)));
    assert_eq!((window.iterations, window.warmup, window.title.as_str()), (1, 10, "scenario window w"));
    assert_eq!((abort.iterations, abort.warmup, abort.timeout), (100, 0, Duration::from_secs(5)));
    assert_eq!(growth.phases, []);
    assert_eq!(abort.phases, [Phase::Savepoint]);
    assert_eq!(one("scenario tx_abort_loop\n  workload { SELECT 1 }\n").scenarios[0].phases, Phase::ALL);
    let ladder = one("extension e\nscenario query_peak\n  rows in (5, 10)\n  workload { SELECT :rows }\n");
    let [ladder] = ladder.scenarios.as_slice() else { panic!("one scenario") };
    assert_eq!((ladder.iterations, ladder.rows.as_slice(), ladder.trace), (1, &[5, 10][..], Trace::On));
    assert_eq!(one("timeout 2min\nscenario window\n  workload { SELECT 1 }\n").timeout, Duration::from_secs(120));
}

/// Seven matrices of ten values are ten million cases, of some kilobytes each.
#[test]
fn what_would_be_too_many_cases_is_said_before_there_are_any() {
    let matrices = |count: usize, values: usize| {
        let values: Vec<String> = (0..values).map(|value| value.to_string()).collect();
        let matrix = |i: usize| format!("matrix m{i} in ({})\n", values.join(", "));
        (0..count).map(matrix).collect::<String>() + "scenario window\n  workload { SELECT :m0 }\n"
    };
    let refused = |text: &str| plan(text, &[], &[]).unwrap_err();
    let message = "x.mcspec:3:8: the matrices have 1000000 combinations of values, more than 500";
    assert_eq!(refused(&matrices(6, 10)), [message]);
    assert_eq!(refused(&matrices(7, 10)), [message.replace("1000000", "10000000")]);
    let message = "x.mcspec:3:8: the matrices have more than 500 combinations of values";
    assert_eq!(refused(&matrices(200, 10)), [message]);
    assert_eq!(refused(&matrices(1, 501)), ["x.mcspec:1:8: the matrix has 501 values, more than 500"]);
    assert_eq!(plan(&matrices(1, 500), &[], &[]).unwrap().len(), 500);
    // One value each of all but two.
    let given: Vec<(String, &str)> = (2..7).map(|i| (format!("m{i}"), "3")).collect();
    let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(plan(&matrices(7, 10), &[], &given).unwrap().len(), 100);
}

#[test]
fn sessions_are_as_many_as_can_be_connected() {
    let copies = |count: &str| format!("session s\ncopies {count}\nstep a {{ SELECT 1 }}\npermutation a\n");
    assert_eq!(one(&copies("1000")).sessions.sessions.len(), 1000);
    let message = "x.mcspec:2:8: the spec has more than 1000 sessions at a time";
    assert_eq!(plan(&copies("4294967295"), &[], &[]).unwrap_err(), [message]);
}

#[test]
fn variables_are_bound_by_precedence() {
    let text = "\
var shared = spec
var env = spec
var own = spec
scenario window
  workload { SELECT :shared, :env, :own, :'spec', :pg_version_num, :seed; SELECT :i, :own }
";
    let case = plan(text, &[], &[("shared", "command")]).unwrap().remove(0);
    let values = Values { i: 7, rows: 0 };
    let [fixed, varying] = case.scenarios[0].workload.statements.as_slice() else { panic!("two statements") };
    assert_eq!(fixed.text(values).trim(), "SELECT command, environment, spec, 'x', 180006, 1");
    assert_eq!((fixed.varies(), varying.varies()), (false, true));
    assert_eq!(varying.text(values).trim(), "SELECT 7, spec");
}

#[test]
fn a_ladder_binds_the_number_of_rows() {
    let text = "extension e\nscenario query_peak\n  rows in (1, 2)\n  workload { SELECT :rows, :i; SELECT :i; SELECT ':rows' }\n";
    let case = one(text);
    let values = Values { i: 3, rows: 500 };
    let texts: Vec<String> =
        case.scenarios[0].workload.statements.iter().map(|sql| sql.text(values).trim().to_owned()).collect();
    assert_eq!(texts, ["SELECT 500, 3", "SELECT 3", "SELECT ':rows'"]);
}

#[test]
fn allocations_are_traced_unless_the_spec_says_no() {
    let table = [
        ("", "", Trace::On),
        ("extension e", "", Trace::On),
        ("extension e", "trace on", Trace::On),
        ("extension e", "trace off", Trace::Off),
        ("trace off", "", Trace::Off),
        ("trace off", "trace on", Trace::On),
        ("trace stacks", "", Trace::Stacks),
    ];
    for (head, clause, trace) in table {
        let scenario = one(&format!("{head}\nscenario window\n  {clause}\n  workload {{ SELECT 1 }}\n"));
        assert_eq!(scenario.scenarios[0].trace, trace, "{head}, {clause}");
    }
    for (head, trace) in [("", Trace::On), ("trace off", Trace::Off)] {
        let sessions = one(&format!("{head}\nsession s\nstep a {{ SELECT 1 }}\n")).sessions;
        assert_eq!(sessions.trace, trace, "{head}");
    }
}

#[test]
fn allocations_are_guarded_as_the_innermost_clause_says() {
    let table = [
        ("", "window", "", Guard::Redzone, 1),
        ("guard off", "window", "", Guard::Off, 1),
        ("guard pages guard_sample 8", "window", "", Guard::Pages, 8),
        ("guard pages guard_sample 8", "window", "guard_sample 2", Guard::Pages, 2),
        ("guard pages", "window", "guard redzone", Guard::Redzone, 1),
        ("", "growth_benchmark", "guard pages", Guard::Pages, 1),
        ("guard pages", "window", "trace off", Guard::Off, 1),
        ("guard pages_before guard_sample 8", "window", "", Guard::PagesBefore, 8),
        ("", "use_after_reset", "guard pages_before", Guard::PagesBefore, 1),
        ("trace off", "window", "trace on", Guard::Redzone, 1),
        ("", "use_after_reset", "", Guard::Pages, 1),
        ("guard off", "context_reset_storm", "guard_sample 3", Guard::Pages, 3),
    ];
    for (head, kind, clause, guard, sample) in table {
        let case = one(&format!("{head}\nscenario {kind}\n  {clause}\n  workload {{ SELECT 1 }}\n"));
        assert_eq!(case.scenarios[0].guarding, Guarding { guard, sample }, "{head}, {kind} {clause}");
    }
    for (head, guard) in [("", Guard::Redzone), ("guard pages", Guard::Pages), ("trace off", Guard::Off)] {
        let sessions = one(&format!("{head}\nsession s\nstep a {{ SELECT 1 }}\n")).sessions;
        assert_eq!(sessions.guarding.guard, guard, "{head}");
    }
    let storm = one("scenario context_reset_storm reset every 7 workload { SELECT 1 }");
    assert_eq!(storm.scenarios[0].reset_every, 7);
}

#[test]
fn a_guard_that_cannot_be_is_refused() {
    let untraced = "\"guard\" needs allocations that are traced";
    let sampled = "\"guard_sample\" says how many allocations get pages of their own";
    let table = [
        ("", "window", "trace off guard pages", Some(untraced)),
        ("trace off", "window", "guard redzone", Some(untraced)),
        ("trace off guard pages", "window", "", Some(untraced)),
        ("trace off", "window", "guard off", None),
        ("guard pages", "window", "trace off", None),
        ("", "window", "guard_sample 5", Some(sampled)),
        ("guard_sample 5", "window", "", Some(sampled)),
        ("guard_sample 5", "window", "guard pages", None),
        ("guard_sample 5", "use_after_reset", "", None),
        ("", "use_after_reset", "guard redzone", Some("scenario use_after_reset goes by guard pages")),
        ("", "invalidation_storm", "trace off", Some("scenario invalidation_storm goes by traced allocations")),
    ];
    for (head, kind, clause, expected) in table {
        let text = format!("{head}\nscenario {kind}\n  {clause}\n  workload {{ SELECT 1 }}\n");
        let found = plan(&text, &[], &[]).err().map(|problems| problems[0].clone()).unwrap_or_default();
        let is_expected = expected.map_or(found.is_empty(), |expected| found.ends_with(&format!(": {expected}")));
        assert!(is_expected, "{text}{found}");
    }
}

#[test]
fn matrices_make_a_case_for_each_combination() {
    let text = "matrix dims in (3, 128)\nmatrix op in ('<->', 'l2')\nscenario window\n  workload { SELECT :dims }\n";
    let names = |variables| {
        let cases = plan(text, &[], variables).unwrap();
        cases
            .into_iter()
            .map(|case| format!("{} {}", case.name, case.scenarios[0].workload.joined().trim()))
            .collect::<Vec<_>>()
    };
    let all = [
        "x[dims=3,op=_-_] SELECT 3",
        "x[dims=3,op=l2] SELECT 3",
        "x[dims=128,op=_-_] SELECT 128",
        "x[dims=128,op=l2] SELECT 128",
    ];
    assert_eq!(names(&[]), all);
    assert_eq!(names(&[("dims", "5"), ("op", "l2")]), ["x[dims=5,op=l2] SELECT 5"]);
}

#[test]
fn conditions_decide_what_runs() {
    let text = "\
requires pg >= 15
skip when pg >= 99 'too new'
xfail when pg >= 18 'known'
scenario window old
  when pg < 18
  workload { SELECT 1 }
scenario window new
  workload { SELECT 1 }
  expect none when pg < 18
  expect no dsm_leak
";
    let case = one(text);
    assert_eq!((case.skip.as_deref(), case.xfail.as_deref()), (None, Some("known")));
    assert_eq!(case.left_out, ["scenario window old"]);
    assert_eq!(case.scenarios.len(), 1);
    assert_eq!(case.scenarios[0].expects.len(), 1);
    let skip = |head: &str| one(&format!("{head}\nscenario window\n  workload {{ SELECT 1 }}\n")).skip;
    assert_eq!(skip("skip 'because'"), Some("because".into()));
    assert_eq!(skip("requires pg >= 99, bits = 64"), Some("requires pg >= 99".into()));
    assert_eq!(skip("requires not feature lz4, scenario window"), None);
    assert_eq!(skip("requires not scenario window"), Some("requires not scenario window".into()));
}

#[test]
fn included_files_come_first() {
    let text = "include 'b.inc'\ninclude 'a.inc'\nvar v = spec\nsetup { SELECT :v, :w }\nscenario window\n  workload { SELECT 1 }\n";
    let others = [
        ("a.inc", "var v = a\nvar w = a\nset work_mem = '1MB'\nsetup { SELECT 'a' }\n"),
        ("b.inc", "setup { SELECT 'b' }\n"),
    ];
    let case = plan(text, &others, &[]).unwrap().remove(0);
    let setup: Vec<String> = case.setup.iter().map(|sql| sql.joined().trim().to_owned()).collect();
    assert_eq!(setup, ["SELECT 'b'", "SELECT 'a'", "SELECT spec, a"]);
    assert_eq!(case.settings[0].name, "work_mem");
    assert!(case.setup[1].statements[0].place.to_string().ends_with("a.inc:4:9"));
}

#[test]
fn workloads_can_be_files() {
    let text = "scenario window\n  workload file 'w.sql'\n";
    let case = plan(text, &[("w.sql", "SELECT 1;\nSELECT 2;\n")], &[]).unwrap().remove(0);
    let statements = &case.scenarios[0].workload.statements;
    assert_eq!(statements.len(), 2);
    assert!(statements[1].place.to_string().ends_with("w.sql:2:1"));
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    let workload = "scenario window\n  workload { SELECT 1 }\n";
    let with = |head: &str| format!("{head}\n{workload}");
    let table: &[(String, Files, &str)] = &[
        (
            with("include 'a.inc'"),
            &[],
            "x.mcspec:1:9: could not read \"a.inc\": No such file or directory (os error 2)",
        ),
        (
            with("include 'a.inc'"),
            &[("a.inc", "include 'a.inc'\n")],
            "a.inc:1:1: \"include\" does not belong in an included file",
        ),
        (with("setup { SELECT :nope }"), &[], "x.mcspec:1:16: variable \"nope\" is not defined"),
        (with("setup { SELECT :i }"), &[], "x.mcspec:1:16: variable \"i\" is not defined"),
        (with("setup { SELECT :rows }"), &[], "x.mcspec:1:16: variable \"rows\" is not defined"),
        (
            "target 'x'\nscenario query_peak\n  rows in (1, 2)\n  trace off\n  workload { SELECT :rows }\n".into(),
            &[],
            "x.mcspec:4:9: scenario query_peak goes by traced allocations",
        ),
        (
            "target 'x'\nscenario query_peak\n  rows in (1, 2)\n  workload { SELECT :i }\n".into(),
            &[],
            "x.mcspec:2:10: the workload is the same at every number of rows",
        ),
        (
            "target 'x'\nscenario query_peak\n  rows in (1, 2)\n  iterate server\n  workload { SELECT :rows }\n".into(),
            &[],
            "x.mcspec:4:11: scenario query_peak is repeated by the client only",
        ),
        (with("requires pg >= soon"), &[], "x.mcspec:1:16: \"soon\" is not a version"),
        (
            "scenario window\n  workload file 'w.sql'\n".into(),
            &[("w.sql", "-- none\n")],
            "x.mcspec:2:17: \"w.sql\" has no statement",
        ),
        (
            "scenario window\n  protocol prepared\n  workload { SELECT :i }\n".into(),
            &[],
            "x.mcspec:2:12: a prepared statement is the same in every iteration",
        ),
        (
            "scenario window\n  iterate server\n  workload { SELECT 1 }\n".into(),
            &[],
            "x.mcspec:2:11: scenario window is repeated by the client only",
        ),
        (
            "scenario growth_benchmark\n  iterate server\n  workload { SELECT :i }\n".into(),
            &[],
            "x.mcspec:2:11: the server repeats one and the same workload",
        ),
        (
            "scenario growth_benchmark\n  iterate server\n  protocol extended\n  workload { SELECT 1 }\n".into(),
            &[],
            "x.mcspec:3:12: with \"iterate server\" no statement is sent",
        ),
        (
            "scenario tx_abort_loop\n  iterate transaction\n  workload { SELECT 1 }\n".into(),
            &[],
            "x.mcspec:2:11: scenario tx_abort_loop makes its own transactions",
        ),
        (
            "scenario window\n  iterate transaction\n  workload { SELECT 1/0 }\n  expect error '22012'\n".into(),
            &[],
            "x.mcspec:4:16: an error ends the transaction of all iterations",
        ),
    ];
    for (text, others, message) in table {
        assert_eq!(plan(text, others, &[]).unwrap_err(), [*message], "{text}");
    }
}

#[test]
fn what_is_not_supported_is_named() {
    let scenario = |clauses: &str| format!("scenario growth_benchmark\n{clauses}\n  workload {{ SELECT 1 }}\n");
    let table = [
        (
            scenario("  trace off") + "  expect ctx_bloat from 'lib'\n",
            "4:25: \"from\" needs allocations that are traced",
        ),
        (
            "trace on\n".to_owned() + &scenario("  trace off") + "  expect ctx_bloat at 'f%'\n",
            "5:23: \"at\" needs allocations that are traced",
        ),
        (
            "trace off\nsession s\nstep a { SELECT 1 }\npermutation a\n  expect ctx_bloat at 'f%'\n".to_owned(),
            "5:23: \"at\" needs allocations that are traced",
        ),
    ];
    for (text, message) in table {
        let case = one(&text);
        let found: Vec<String> = case.unsupported.iter().map(|problem| brief(problem, Path::new(""))).collect();
        assert!(found.len() == 1 && found[0].ends_with(&format!("x.mcspec:{message}")), "{text}\n{found:?}");
    }
}

/// The launches of each permutation: steps by name, `+` before those that join the one before.
fn launches(case: &Case) -> Vec<String> {
    let name = |launch: &Launch| {
        let joins = if launch.joins { "+" } else { "" };
        format!("{joins}{}", case.sessions.steps[launch.step].name)
    };
    let permutations = case.sessions.permutations.iter();
    permutations.map(|permutation| permutation.launches.iter().map(name).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn sessions_are_interleaved_unless_permutations_are_named() {
    let sessions = "session s1\nstep a { SELECT :pg_version_num }\nstep b {SELECT 2}\n\
                    session s2\ncopies 2\nstep c { SELECT 3 }\n";
    let case = one(sessions);
    assert_eq!(launches(&case), ["a b c[1] +c[2]", "a c[1] +c[2] b", "c[1] +c[2] a b"]);
    assert_eq!(case.sessions.steps[0].batch.sql, "SELECT 180006");
    assert!(case.sessions.unused.is_empty());

    let case = one(&format!(
        "timeout 5s\n{sessions}permutation a(*) c(a notices 2)\n  repeat 2\npermutation a(*) c(a notices 2)\n"
    ));
    assert_eq!(launches(&case), ["a c[1] +c[2]", "a c[1] +c[2]"]);
    let [first, second] = case.sessions.permutations.as_slice() else { panic!("two permutations") };
    assert_eq!((first.repeat, first.timeout), (2, Some(Duration::from_secs(5))));
    assert_eq!(first.title, "permutation a(*) c(a notices 2)");
    assert_eq!(second.title, "permutation a(*) c(a notices 2) #2");
    assert_eq!(first.launches[2].markers, [Marker::Notices(0, 2)]);
    assert_eq!(case.sessions.unused, ["b"]);
}

#[test]
fn what_sessions_cannot_do_is_reported() {
    let sessions = "session s1\nstep a { SELECT 1 }\nstep b { SELECT 2 }\nsession s2\nstep c { SELECT 3 }\n";
    let steps = |session: &str| (0..6).map(|n| format!("step {session}{n} {{ SELECT 1 }}\n")).collect::<String>();
    let many = format!("session x\n{}session y\n{}", steps("x"), steps("y"));
    for (text, expected) in [
        (format!("{sessions}permutation a(c) b\n"), "x.mcspec:6:15: step \"c\" is not in this permutation"),
        (format!("{sessions}permutation a(b) b\n"), "x.mcspec:6:15: step \"a\" cannot wait for its own session"),
        (many, "x.mcspec:1:9: the sessions have 924 interleavings, more than 500"),
        ("session s\nstep a { SELECT 1 + :nope }\n".into(), "x.mcspec:2:21: variable \"nope\" is not defined"),
    ] {
        assert_eq!(plan(&text, &[], &[]).map(|_| ()), Err(vec![expected.to_owned()]), "{text}");
    }
}

#[test]
fn conf_leaves_to_the_runner_what_is_its() {
    const SCENARIO: &str = "scenario window\n  workload { SELECT 1 }\n";
    let table = [
        ("port = 5", "1:8: parameter \"port\" is set by mcspec"),
        ("PORT 5", "1:8: parameter \"port\" is set by mcspec"),
        ("'port' = 5", "1:8: parameter \"port\" is set by mcspec"),
        ("Shared_Preload_Libraries='x'", "1:8: parameter \"shared_preload_libraries\" is set by mcspec"),
        ("work_mem = 1MB\n  listen_addresses = '*'", "2:3: parameter \"listen_addresses\" is set by mcspec"),
        ("pg_ext_memcheck.Targets = 'x'", "1:8: parameter \"pg_ext_memcheck.targets\" is set by mcspec"),
        ("log_line_prefix = '%m '", "1:8: parameter \"log_line_prefix\" is set by mcspec"),
        ("data_directory = '/x'", "1:8: parameter \"data_directory\" is set by mcspec"),
        ("include 'x.conf'", "1:8: \"conf\" cannot take in other files"),
        ("INCLUDE_IF_EXISTS = 'x.conf'", "1:8: \"conf\" cannot take in other files"),
        ("a.b = :nosuch", "1:14: variable \"nosuch\" is not defined"),
    ];
    for (lines, expected) in table {
        let found = plan(&format!("conf {{ {lines}\n}}\n{SCENARIO}"), &[], &[]).unwrap_err();
        assert_eq!(found, [format!("x.mcspec:{expected}")], "{lines}");
    }
    let lines = "# port = 5\n  portable.x = 'a # b' # c\n\n  session_preload_libraries = 'a:b'\n  pg_ext_memcheck.ring_size = 9\n\
                 cron.database_name = :'database'\n  a.b = :database # don't :nosuch\n";
    let case = one(&format!("conf {{ {lines} }}\nset x.y = :database\nset x.z to a, :\"database\"\n{SCENARIO}"));
    let texts: Vec<&str> = case.conf.iter().map(|line| line.text.as_str()).collect();
    let database = &case.database;
    let expected = [
        "portable.x = 'a # b'",
        "session_preload_libraries = 'a:b'",
        "pg_ext_memcheck.ring_size = 9",
        &format!("cron.database_name = '{database}'"),
        &format!("a.b = {database}"),
    ];
    assert_eq!(texts, expected);
    assert_eq!(case.conf[0].place.to_string().rsplit_once(".mcspec").unwrap().1, ":2:3");
    let values: Vec<&str> = case.settings.iter().map(|setting| setting.value.as_str()).collect();
    assert_eq!(values, [database.as_str(), &format!("a, {database}")]);
}

#[test]
fn the_database_is_known_before_there_is_a_server() {
    let sql = |case: &Case| case.scenarios[0].workload.statements[0].text(Values::default()).into_owned();
    let cases = plan("matrix k in (1, 2)\nscenario window\n  workload { SELECT :'database', :k }\n", &[], &[]).unwrap();
    assert_ne!(cases[0].database, cases[1].database);
    for case in &cases {
        assert!(sql(case).starts_with(&format!("SELECT '{}', ", case.database)), "{}", sql(case));
        assert!(case.database.starts_with("spec_") && case.database.len() < 30, "{}", case.database);
    }
}
