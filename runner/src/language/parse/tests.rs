//! What is in the tree after parsing.

use std::time::Duration;

use memcheck_core::golden::row::Policy;
use memcheck_core::{CheckKind, Phase, ScenarioKind, Severity, Shape};

use super::clause::CLAUSES;
use super::{parse, parse_include, walk};
use crate::language::SourceFile;
use crate::language::ast::{
    Abort, Comparison, Expectation, ExpectedViolation, Marker, Range, Rate, Scenario, SettingValue, Spanned, Spec,
    Test, WorkloadSource,
};

fn spec(text: &str) -> Spec {
    let source = SourceFile::new("test.mcspec", text);
    parse(&source).unwrap_or_else(|errors| panic!("{}", errors[0].render(&source, false)))
}

/// The one scenario of a spec that has the clauses in it.
fn scenario(kind: &str, clauses: &str) -> Scenario {
    spec(&format!("scenario {kind}\n workload {{ SELECT 1; }}\n {clauses}")).scenarios.remove(0)
}

fn violation(expect: &str) -> ExpectedViolation {
    match scenario("query_peak", &format!("rows in (1, 2)\n {expect}")).expects.remove(0).what {
        Expectation::Violation(violation) => *violation,
        other => panic!("{other:?}"),
    }
}

fn values<T: Clone>(spanned: &[Spanned<T>]) -> Vec<T> {
    spanned.iter().map(|one| one.value.clone()).collect()
}

#[test]
fn the_header() {
    let text = "title 'it''s'\ninclude 'a.inc' # one\ninclude 'b.inc'\nextension \"a\"\"b\" from '1' cascade\nextension c\n\
                preload a, '$libdir/b'\npreload first c, d\ntarget 'x'\ntags p, q\ntags r\ntimeout 2min\nretries 0\n\
                set a.b = 'x y';\nset search_path to public, \"My\"\nvar k = -1\nmatrix d in (3, 'x')\n\
                golden kind\nnormalize '[0-9]+' => 'N'\nconf { a = 1 # '\n }\nskip 'why'\nxfail when not pg < 18 'bug'\n\
                setup { SELECT 1; }\nsetup $x$ SELECT 2; $x$\nscenario window workload { SELECT 1; }";
    let spec = spec(text);
    assert_eq!(spec.title.unwrap().value, "it's");
    assert_eq!(values(&spec.includes), ["a.inc", "b.inc"]);
    assert_eq!(spec.extensions[0].name.value, "a\"b");
    assert_eq!(spec.extensions[0].from.as_deref(), Some("1"));
    assert!(spec.extensions[0].cascade && !spec.extensions[1].cascade);
    assert_eq!(values(&spec.preload), ["a", "$libdir/b"]);
    assert_eq!(values(&spec.preload_first), ["c", "d"]);
    assert_eq!(values(&spec.tags), ["p", "q", "r"]);
    assert_eq!(spec.timeout.unwrap().value, Duration::from_secs(120));
    assert_eq!(spec.retries.unwrap().value, 0);
    let value = |value: &SettingValue| match value {
        SettingValue::Text(text) => text.value.clone(),
        SettingValue::Variable(name) => format!(":{}", name.value),
    };
    let settings = spec.settings.iter().map(|set| {
        let values: Vec<String> = set.values.iter().map(value).collect();
        (set.name.value.as_str(), values.join(", "))
    });
    let expected = [("a.b", "x y".to_owned()), ("search_path", "public, My".to_owned())];
    assert_eq!(settings.collect::<Vec<_>>(), expected);
    assert_eq!(spec.vars[0].value.value, "-1");
    assert_eq!(values(&spec.matrix[0].values), ["3", "x"]);
    assert_eq!(spec.golden.unwrap().value, Policy::Kind);
    assert_eq!(spec.normalize[0].replacement.value, "N");
    assert_eq!(spec.conf[0].text, " a = 1 # '\n ");
    assert!(spec.skips[0].when.is_none());
    let when = spec.xfails[0].when.as_ref().unwrap();
    assert!(when.negated);
    assert_eq!(&text[when.span.clone()], "not pg < 18");
    assert!(matches!(&when.test, Test::Compare { subject, op: Comparison::Lt, value }
        if subject.value == "pg" && value.value == "18"));
    assert_eq!(spec.setup[1].text, " SELECT 2; ");
    assert_eq!(&text[spec.setup[1].span.clone()], spec.setup[1].text);
}

#[test]
fn scenarios() {
    let text = "scenario tx_abort_loop undo # it\n iterations 2_000\n abort savepoint\n\
                workload a file 'x.sql'\n expect none # yes\n\nscenario window w worker 'w%' for 5s\n\nscenario growth_benchmark workload { }}";
    let errors = parse(&SourceFile::new("x", text)).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");

    let text = text.replace("{ }}", "{ SELECT '}' }");
    let spec = spec(&text);
    let undo = &spec.scenarios[0];
    assert_eq!(undo.kind.value, ScenarioKind::TxAbortLoop);
    assert_eq!(&text[undo.span.clone()], "scenario tx_abort_loop undo");
    assert_eq!(undo.iterations.as_ref().unwrap().value, 2000);
    assert_eq!(undo.abort.as_ref().unwrap().value, Abort::One(Phase::Savepoint));
    assert!(matches!(&undo.workloads[0].source, WorkloadSource::File(file) if file.value == "x.sql"));
    assert_eq!(undo.expects[0].what, Expectation::Nothing);
    assert_eq!(&text[undo.expects[0].span.clone()], "expect none");
    let (worker, time) = spec.scenarios[1].worker.as_ref().unwrap();
    assert_eq!((worker.value.as_str(), *time), ("w%", Duration::from_secs(5)));
    assert_eq!(spec.scenarios[2].name, None);
}

#[test]
fn expected_violations() {
    let found = violation(
        "expect ctx_bloat >= warning in 'a%', 'b' count 1 bytes 8kB .. 9kB per iteration shape linear
           from 'lib' at 'f%' detail like '%x%' when pg >= 16",
    );
    assert_eq!(found.check.value, CheckKind::CtxBloat);
    let (op, severity) = found.severity.unwrap();
    assert_eq!((op, severity.value), (Comparison::Ge, Severity::Warning));
    assert_eq!(values(&found.contexts), ["a%", "b"]);
    let (range, rate) = found.bytes.unwrap();
    assert_eq!((range.value.min, range.value.max, rate), (Some(8192.0), Some(9216.0), Rate::PerIteration));
    assert_eq!(found.shape.unwrap().value, Shape::Linear);
    assert_eq!(found.at.unwrap().value, "f%");
    assert_eq!(found.detail.unwrap().value, "%x%");

    assert_eq!(violation("expect ctx_bloat error").severity.unwrap().0, Comparison::Eq);
}

#[test]
fn other_expectations() {
    assert_eq!(scenario("window", "expect none").expects[0].what, Expectation::Nothing);
    let crash = violation("expect crash in 'SIGSEGV' from 'mine' at 'f%'");
    assert_eq!((crash.check.value, crash.from.unwrap().value), (CheckKind::Crash, "mine".to_owned()));
    let expects = scenario("window", "expect no crash in 'x'\n expect error '57P01'").expects;
    assert!(matches!(&expects[0].what, Expectation::No { check, contexts }
        if check.value == CheckKind::Crash && contexts.len() == 1));
    assert!(matches!(&expects[1].what, Expectation::Error(state) if state.value == "57P01"));
}

#[test]
fn ranges() {
    let range = |min, max, min_excluded, max_excluded| Range { min, max, min_excluded, max_excluded };
    let table = [
        ("10", range(Some(10.0), Some(10.0), false, false)),
        ("= 1kB", range(Some(1024.0), Some(1024.0), false, false)),
        ("1..2", range(Some(1.0), Some(2.0), false, false)),
        ("2_000 .. 1MB", range(Some(2000.0), Some(1_048_576.0), false, false)),
        (">= 5", range(Some(5.0), None, false, false)),
        ("> 5", range(Some(5.0), None, true, false)),
        ("<= 5", range(None, Some(5.0), false, false)),
        ("<5", range(None, Some(5.0), false, true)),
        ("about 100", range(Some(90.0), Some(110.0), false, false)),
        ("about 100 within 25%", range(Some(75.0), Some(125.0), false, false)),
    ];
    for (text, expected) in table {
        let found = violation(&format!("expect query_bloat bytes {text} per row")).bytes.unwrap();
        assert_eq!(found.1, Rate::PerRow);
        assert_eq!(found.0.value, expected, "{text}");
    }
}

#[test]
fn sessions_and_permutations() {
    let spec = spec(
        "session \"s 1\"\nsetup { BEGIN; }\nstep \"a b\" { SELECT 1; }\nstep repeat { }\nsession s2\ncopies 2\nstep c { }\n\
         permutation \"a b\"(*, c notices 2) repeat(c)\n c repeat 3\n expect ctx_bloat by s2",
    );
    assert_eq!(spec.sessions[0].name.value, "s 1");
    assert_eq!(spec.sessions[0].setup.len(), 1);
    assert_eq!(spec.sessions[1].copies.as_ref().unwrap().value, 2);
    let permutation = &spec.permutations[0];
    let names: Vec<_> = permutation.steps.iter().map(|step| step.name.value.as_str()).collect();
    assert_eq!(names, ["a b", "repeat", "c"]);
    assert_eq!(permutation.steps[0].markers[0], Marker::Waiting);
    assert!(matches!(&permutation.steps[0].markers[1], Marker::Notices(step, 2) if step.value == "c"));
    assert!(matches!(&permutation.steps[1].markers[0], Marker::After(step) if step.value == "c"));
    assert_eq!(permutation.repeat.as_ref().unwrap().value, 3);
    assert_eq!(permutation.expects.len(), 1);
}

#[test]
fn included_files_have_nothing_to_run() {
    let source = SourceFile::new("x.inc", "\u{feff}var a = 1\nset b = on\nsetup { SELECT 1; }\nteardown { }\n");
    let spec = parse_include(&source).unwrap();
    assert_eq!((spec.vars.len(), spec.settings.len(), spec.setup.len(), spec.teardown.len()), (1, 1, 1, 1));
}

#[test]
fn damaged_files_are_refused_without_a_panic() {
    let scenarios = include_str!("../../../../tests/ui/valid/scenarios.mcspec");
    let sessions = include_str!("../../../../tests/ui/valid/sessions.mcspec");
    for text in [scenarios, sessions] {
        // Every place would take half a minute; a prime step meets all kinds of them.
        for (at, _) in text.char_indices().step_by(13) {
            let (before, after) = text.split_at(at);
            for damage in ["", "é", "{", "'", "$$", "\n", "(", "expect "] {
                let _ = parse(&SourceFile::new("x", format!("{before}{damage}")));
                let _ = parse(&SourceFile::new("x", format!("{before}{damage}{after}")));
            }
        }
    }
}

#[test]
fn every_word_of_a_clause_can_name_a_scenario() {
    for word in CLAUSES.iter().map(|clause| clause.word) {
        for kind in ScenarioKind::ALL {
            // At the end of the line, before a comment, at the end of the file, before another clause on the line.
            for after in [
                "\n  iterations 5\n",
                "  # why\n  warmup 5\n",
                "\r\n\n  workload { SELECT 1 }\n",
                "",
                " iterations 5\n",
            ] {
                let source = SourceFile::new("x.mcspec", format!("scenario {kind} {word}{after}"));
                let mut walked = walk(&source, false);
                let scenario = walked.spec.scenarios.remove(0);
                assert_eq!(scenario.name.map(|name| name.value).as_deref(), Some(word), "{}", source.text);
                assert!(walked.diagnostics.is_empty(), "{}: {:?}", source.text, walked.diagnostics);
                assert!(walked.spec.scenarios.is_empty());
            }
        }
    }
}

#[test]
fn clauses_on_the_line_of_a_scenario_are_clauses() {
    let table = [
        ("scenario query_peak rows in (1, 2) workload { SELECT :rows }", None),
        ("scenario query_peak rows in (1, 2)\n  workload { SELECT :rows }", None),
        ("scenario query_peak\n rows in (1, 2) workload { SELECT :rows }", None),
        ("scenario query_peak rows\n  in (1, 2)\n  workload { SELECT :rows }", None),
        ("scenario query_peak rows rows in (1, 2) workload { SELECT :rows }", Some("rows")),
        ("scenario tx_abort_loop abort error workload { SELECT 1 }", None),
        ("scenario tx_abort_loop abort\n  abort error workload { SELECT 1 }", Some("abort")),
        ("scenario window when extension a workload { SELECT 1 }", None),
        ("scenario window when scenario window workload { SELECT 1 }", None),
        ("scenario window set timeout = 1 workload { SELECT 1 }", None),
        ("scenario window workload setup { SELECT 1 }", None),
        ("scenario window setup { SELECT 1 } workload { SELECT 1 }", None),
        ("scenario window setup\n  setup { SELECT 1 } workload { SELECT 1 }", Some("setup")),
        ("scenario window workload\n  workload { SELECT 1 }", Some("workload")),
        ("scenario window rowset workload { SELECT 1 }", Some("rowset")),
        ("scenario window \"rows\" workload { SELECT 1 }", Some("rows")),
    ];
    for (text, name) in table {
        let source = SourceFile::new("x.mcspec", text);
        let spec = parse(&source).unwrap_or_else(|errors| panic!("{}", errors[0].render(&source, false)));
        assert_eq!(spec.scenarios[0].name.as_ref().map(|name| name.value.as_str()), name, "{text}");
        assert_eq!(spec.scenarios[0].workloads.len(), 1, "{text}");
    }
}

#[test]
fn targets_need_no_quotes() {
    let text = "target my_ext, my-ext-1.2, $libdir/other.so, 'my\\_%', \"My Ext\"\npreload multi-1.2, pg_cron\n\
                set a = :database, b\nset c to :'database'\nscenario window\n  workload { SELECT 1 }\n";
    let spec = parse(&SourceFile::new("x.mcspec", text)).unwrap();
    let names = |names: &[Spanned<String>]| names.iter().map(|name| name.value.clone()).collect::<Vec<_>>();
    assert_eq!(names(&spec.targets), ["my_ext", "my-ext-1.2", "$libdir/other.so", "my\\_%", "My Ext"]);
    assert_eq!(names(&spec.preload), ["multi-1.2", "pg_cron"]);
    let is_variable = |value: &SettingValue| matches!(value, SettingValue::Variable(name) if name.value == "database");
    assert!(is_variable(&spec.settings[0].values[0]) && !is_variable(&spec.settings[0].values[1]));
    assert!(is_variable(&spec.settings[1].values[0]));
}
