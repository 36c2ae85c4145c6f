use memcheck_core::{CheckKind, ContextPath, Severity, Shape};

use super::*;
use crate::exec::failure::{Cause, Failure, SqlError, Step};
use crate::exec::happening::{self, Happening, Table};
use crate::exec::outcome::{Message, PermutationOutcome, PermutationRun, ScenarioOutcome, ServerFacts, Window};
use crate::plan::{Defaults, Environment, Overrides, cases, load};

const SPEC: &str = "\
scenario growth_benchmark one
  workload { SELECT 1 }
  expect no dsm_leak
scenario growth_benchmark two
  workload { SELECT 1 }
scenario growth_benchmark only_later
  when pg >= 99
  workload { SELECT 1 }
";

fn case(text: &str) -> Case {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.mcspec");
    std::fs::write(&path, text).unwrap();
    let loaded = load("x", &path).unwrap();
    let environment = Environment::nominal(180_000);
    let defaults = Defaults { today: "2026-11-27".parse().unwrap(), ..Defaults::default() };
    cases(&loaded, &environment, &Overrides::default(), defaults).unwrap().remove(0)
}

fn axes() -> Axes {
    Axes { major: 18, assertions: false, arch: "x86_64".into() }
}

fn finding(context: &str) -> Finding {
    Finding {
        check: CheckKind::CtxBloat,
        severity: Severity::Info,
        path: ContextPath::new([context]),
        bytes: 10_000,
        objects: 0,
        iterations: 100,
        bytes_per_iter: 100.0,
        objects_per_iter: 0.0,
        shape: Some(Shape::Linear),
        phase: None,
        source_lib: String::new(),
        site: None,
        marks: Vec::new(),
        detail: String::new(),
        access: None,
    }
}

/// The contexts in which each scenario found growth.
type Found<'a> = &'a [&'a [&'a str]];

/// The outcome of scenarios that found growth in these contexts.
fn outcome(contexts: Found) -> Outcome {
    let scenario = |(scenario, contexts): (usize, &&[&str])| ScenarioOutcome {
        scenario,
        findings: contexts.iter().map(|context| finding(context)).collect(),
        ..ScenarioOutcome::default()
    };
    Outcome { scenarios: contexts.iter().enumerate().map(scenario).collect(), ..Outcome::default() }
}

fn recorded(blocks: &str) -> Record {
    let golden = format!("mcspec golden 1\nspec x\n\n{blocks}").parse().unwrap();
    Record::Found(Recorded { path: "expected/x.out".into(), golden })
}

fn missing() -> Record {
    Record::Missing { path: "expected/x.out".into(), is_taken: false }
}

const GOLDEN: &str = "\
scenario growth_benchmark one
ctx_bloat|INFO|a|64B..128B/iter|linear|-
(1 violation)

scenario growth_benchmark two
(0 violations)

scenario growth_benchmark only_later
ctx_bloat|INFO|later|64B..128B/iter|linear|-
(1 violation)
";

/// The faults by name, with what matters of them.
fn faults(verdict: &Verdict) -> Vec<String> {
    let name = |fault: &Fault| match fault {
        Fault::Unsupported(problem) => format!("unsupported {}", problem.diagnostic.message),
        Fault::Failure(failure) => failure.headline(),
        Fault::Unmet { closest, .. } => format!("unmet {closest}"),
        Fault::Differs { title, differences } => format!("{} in {title}", differences.len()),
        Fault::Inexact { title, rows } => format!("{} inexact in {title}", rows.len()),
        Fault::NotRecorded { blocks, .. } => {
            let titles: Vec<&str> = blocks.iter().map(|block| block.title.as_str()).collect();
            format!("not recorded {}", titles.join(", "))
        }
        Fault::NotRepeated { title, difference } => format!("{title}: {difference}"),
        Fault::Transcript { result, .. } => format!("transcript {}", result.display()),
        Fault::NoExpectation { clause, titles } => format!("no expectation, {clause}: {}", titles.join(", ")),
        Fault::Golden(error) => error.to_string(),
        Fault::Incomplete { gap, count } => format!("{} {count}", gap.figure),
        Fault::NotRun { titles } => format!("not run {}", titles.join(", ")),
        Fault::Unloaded { title, message, .. } => format!("{message} in {title}"),
        Fault::Passed { reason } => format!("passed: {reason}"),
        Fault::Found { title, .. } => format!("found: {title}"),
    };
    verdict.faults.iter().map(name).collect()
}

/// Two sessions in two permutations.
const SESSIONS: &str = "\
session s1
  step a { SELECT 1 }
session s2
  step b { SELECT 2 }
permutation a b
  repeat 3
  expect ctx_bloat by s2
permutation b a
  expect none
";

/// A run of a permutation in which these steps were reported and these sessions found growth.
fn run(steps: &[usize], owners: &[usize]) -> PermutationRun {
    let completed = |&step| Happening::Completed { step, waited: false };
    let window = |&owner: &usize| (owner, Window { findings: vec![finding("a")], ..Window::default() });
    let happenings: Vec<Happening> = steps.iter().map(completed).collect();
    PermutationRun { warm_up: happenings.clone(), happenings, windows: owners.iter().map(window).collect() }
}

#[test]
fn a_permutation_is_compared_run_by_run() {
    let case = case(SESSIONS);
    let golden = "permutation a b\na\nb\nno overlap\ns2: ctx_bloat|INFO|a|64B..128B/iter|linear|-\n(1 violation)\n\n\
                  permutation b a\nb\na\nno overlap\n(0 violations)\n";
    let good = || run(&[0, 1], &[1]);
    let table: Vec<(Vec<PermutationRun>, &[&str])> = vec![
        (vec![good(), good(), good()], &[]),
        // Not by the session that is expected, in one of the runs.
        (vec![good(), run(&[0, 1], &[0]), good()], &["unmet closest: by s1", "1 in permutation a b"]),
        (vec![good(), run(&[1, 0], &[1]), good()], &["1 in permutation a b"]),
        (vec![run(&[1, 0], &[1]), run(&[1, 0], &[1]), run(&[1, 0], &[1])], &["2 in permutation a b"]),
    ];
    for (runs, expected) in table {
        let first = PermutationOutcome { permutation: 0, runs, ..PermutationOutcome::default() };
        let second =
            PermutationOutcome { permutation: 1, runs: vec![run(&[1, 0], &[])], ..PermutationOutcome::default() };
        let outcome = Outcome { permutations: vec![first, second], ..Outcome::default() };
        assert_eq!(faults(&judge(&case, &outcome, &axes(), recorded(golden))), expected);
    }
}

#[test]
fn a_permutation_is_compared_with_its_warm_up() {
    let case = case(&format!("normalize 'chunk_[0-9]+' => 'chunk'\n{SESSIONS}"));
    let rows = |values: &[&str]| {
        let rows = values.iter().map(|&value| vec![Some(value.to_owned()), None]).collect();
        Happening::Outcome(happening::Outcome::Rows(Table {
            columns: vec!["x".to_owned(), "y".to_owned()],
            rows,
            more: 0,
        }))
    };
    let completed = |step| Happening::Completed { step, waited: false };
    let error = |code: &str, message: &str| SqlError {
        severity: "ERROR".to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
        detail: None,
        hint: None,
        context: None,
        position: None,
        backend: None,
    };
    let failed = |code| Happening::Outcome(happening::Outcome::Failed(Box::new(error(code, "no"))));
    let notice = |session, message: &str| Happening::Notice { session, notice: error("00000", message) };
    let table: Vec<(Vec<Happening>, Vec<Happening>, &[&str])> = vec![
        (vec![completed(0), completed(1)], vec![completed(0), completed(1)], &[]),
        (
            vec![completed(0), completed(1)],
            vec![completed(1), completed(0)],
            &["permutation b a: + b\n  a\n- b\n  no overlap\n"],
        ),
        (
            vec![completed(0), rows(&[])],
            vec![completed(0), failed("42P05")],
            &["permutation b a: - a\n+ a ERROR 42P05\n  no overlap\n+ a: no\n"],
        ),
        (
            vec![completed(0), rows(&["1"])],
            vec![completed(0), rows(&["2"])],
            &["permutation b a:   a\n  no overlap\n- a: 1|\n+ a: 2|\n"],
        ),
        // What is another each time, and what the spec says is.
        (vec![completed(0), rows(&["chunk_1"])], vec![completed(0), rows(&["chunk_2"])], &[]),
        (
            vec![completed(0), rows(&["2026-11-26 17:07:44.1+01", "00:00:00.25"])],
            vec![completed(0), rows(&["2026-11-26 17:07:45+01", "00:00:00.1234"])],
            &[],
        ),
        (
            vec![completed(0), rows(&["17:07:44"])],
            vec![completed(0), rows(&["17:07:45"])],
            &["permutation b a:   a\n  no overlap\n- a: 17:07:44|\n+ a: 17:07:45|\n"],
        ),
        // Which of two sessions is heard first.
        (vec![notice(0, "x"), notice(1, "y")], vec![notice(1, "y"), notice(0, "x")], &[]),
        (vec![notice(0, "x")], vec![], &["permutation b a:   no overlap\n- s1: ERROR:  x\n"]),
    ];
    for (warm_up, happenings, expected) in table {
        let runs = vec![run(&[1, 0], &[]), PermutationRun { warm_up, happenings, windows: Vec::new() }];
        let second = PermutationOutcome { permutation: 1, runs, ..PermutationOutcome::default() };
        let permutations = vec![PermutationOutcome::default(), second];
        let outcome = Outcome { permutations, ..Outcome::default() };
        let faults = faults(&judge(&case, &outcome, &axes(), Record::NotWanted));
        assert_eq!(faults, expected);
    }
}

#[test]
fn a_run_is_compared_with_its_golden() {
    let with = |blocks: &str| recorded(&format!("{GOLDEN}{blocks}"));
    let table: Vec<(Found, Record, &[&str])> = vec![
        (&[&["a"], &[]], with(""), &[]),
        (&[&["a", "b"], &[]], with(""), &["1 in scenario growth_benchmark one"]),
        (&[&[], &["b"]], with(""), &["1 in scenario growth_benchmark one", "1 in scenario growth_benchmark two"]),
        (
            &[&["a"], &[]],
            with("\nscenario window gone\nctx_bloat|INFO|a|-|-|-\n(1 violation)\n"),
            &["1 in scenario window gone"],
        ),
        (&[&["a"], &[]], missing(), &["not recorded scenario growth_benchmark two"]),
    ];
    for (found, record, expected) in table {
        let verdict = judge(&case(SPEC), &outcome(found), &axes(), record);
        assert_eq!(faults(&verdict), expected, "{found:?}");
        assert_eq!(verdict.status, if expected.is_empty() { Status::Passed } else { Status::Failed });
    }
}

#[test]
fn golden_exact_refuses_ranges() {
    let case = case(&format!("golden exact\n{SPEC}"));
    let judged = |found, record| faults(&judge(&case, &outcome(found), &axes(), record));
    let nothing = "scenario growth_benchmark one\n(0 violations)\n\nscenario growth_benchmark two\n(0 violations)\n";
    assert_eq!(judged(&[&[], &[]], recorded(nothing)), [""; 0]);
    assert_eq!(judged(&[&["a"], &[]], recorded(GOLDEN)), ["1 inexact in scenario growth_benchmark one"]);
}

#[test]
fn a_spec_that_expects_nothing_fails() {
    let none = "golden none\nscenario window\n  workload { SELECT 1 }\n";
    let elsewhere = "scenario window\n  workload { SELECT 1 }\n  expect none when pg >= 99\n";
    let xfail = "xfail 'known'\nscenario window\n  workload { SELECT 1 }\n";
    let judged = |text: &str, found: Found, record| {
        let verdict = judge(&case(text), &outcome(found), &axes(), record);
        assert_eq!(verdict.unrecorded, [""; 0]);
        (verdict.status.as_str(), faults(&verdict).join("; "))
    };
    let failed = |text: &str| ("failed", text.to_owned());
    for text in ["scenario window\n  workload { SELECT 1 }\n", elsewhere] {
        assert_eq!(judged(text, &[&[]], missing()), failed("not recorded scenario window"));
        // A golden that was written before there was the scenario says nothing about it.
        assert_eq!(judged(text, &[&[]], recorded("")), failed("not recorded scenario window"));
        assert_eq!(judged(text, &[&[]], recorded("scenario window\n(0 violations)\n")), ("passed", String::new()));
    }
    assert_eq!(judged(none, &[&[]], Record::NotWanted), failed("no expectation, golden none: scenario window"));
    // One of two is as bad.
    let both = format!("golden none\n{SPEC}");
    let second = failed("no expectation, golden none: scenario growth_benchmark two");
    assert_eq!(judged(&both, &[&[], &[]], Record::NotWanted), second);
    // There is nothing that could pass.
    for record in [missing(), recorded("")] {
        assert_eq!(judged(xfail, &[&["a"]], record), failed("no expectation, xfail: scenario window"));
    }
    // Permutations too.
    let sessions = SESSIONS.replace("  expect none\n", "");
    let runs = |permutation, steps: &[usize], owners: &[usize]| {
        let runs = vec![run(steps, owners)];
        PermutationOutcome { permutation, runs, ..PermutationOutcome::default() }
    };
    let permutations = vec![runs(0, &[0, 1], &[1]), runs(1, &[1, 0], &[])];
    let outcome = Outcome { permutations, ..Outcome::default() };
    let verdict = judge(&case(&sessions), &outcome, &axes(), missing());
    assert_eq!(faults(&verdict), ["not recorded permutation b a"]);
}

#[test]
fn what_it_expects_is_enough_for_a_spec_to_pass() {
    let text = "scenario window one\n  workload { SELECT 1 }\n  expect ctx_bloat in 'a'\n\
                scenario window two\n  workload { SELECT 1 / 0 }\n  expect error '22012'\n\
                scenario window three\n  workload { SELECT 1 }\n  expect none\n";
    let judged = |text: &str, found: Found, record| {
        let verdict = judge(&case(text), &outcome(found), &axes(), record);
        (verdict.status.as_str(), faults(&verdict).join("; "), verdict.unrecorded.join(", "))
    };
    let passed = |unrecorded: &str| ("passed", String::new(), unrecorded.to_owned());
    let failed = |faults: &str| ("failed", faults.to_owned(), String::new());
    let all = "scenario window one, scenario window two, scenario window three";
    let met: Found = &[&["a", "b"], &["c"], &[]];
    let unmet: Found = &[&["b"], &[], &["c", "d"]];
    assert_eq!(judged(text, met, missing()), passed(all));
    assert_eq!(judged(&format!("golden none\n{text}"), met, Record::NotWanted), passed(""));
    // Of those only that the golden does not have.
    let golden = || recorded("scenario window two\nctx_bloat|INFO|c|64B..128B/iter|linear|-\n(1 violation)\n");
    assert_eq!(judged(text, met, golden()), passed("scenario window one, scenario window three"));
    let other = failed("2 in scenario window two");
    assert_eq!(judged(text, &[&["a"], &["z"], &[]], golden()), other);
    assert_eq!(judged(text, unmet, missing()), failed("unmet closest: in \"b\"; unmet found 2 violations"));
    // One that is met is not what "xfail" says.
    let xfail = format!("xfail 'known'\n{text}");
    assert_eq!(judged(&xfail, met, missing()), failed("passed: known"));
    assert_eq!(judged(&xfail, unmet, missing()).0, "expected failure");
}

#[test]
fn a_miss_shows_what_was_found_unless_the_golden_does() {
    let text = "normalize '[0-9]+' => 'N'\nscenario window\n  workload { SELECT 1 }\n  expect none\n";
    let two = "scenario window\n  workload { SELECT 1 }\n  expect dsm_leak\n  expect ctx_bloat in 'z'\n";
    let shown = |text: &str, record| {
        let verdict = judge(&case(text), &outcome(&[&["a1", "b", "a2"]]), &axes(), record);
        let rows = verdict.faults.iter().filter_map(|fault| match fault {
            Fault::Unmet { title, rows, .. } => {
                assert_eq!(title, "scenario window");
                Some(rows.iter().map(|row| format!("{} x{}", row.row.subject, row.row.times)).collect::<Vec<_>>())
            }
            _ => None,
        });
        rows.map(|rows| rows.join(" ")).collect::<Vec<_>>()
    };
    let golden = || recorded("scenario window\n(0 violations)\n");
    for record in [missing(), golden(), Record::NotWanted] {
        assert_eq!(shown(text, record), ["aN x2 b x1"]);
    }
    assert_eq!(shown(two, missing()), ["", "a1 x1 a2 x1 b x1"]);
    assert_eq!(shown(two, golden()), ["", ""]);
}

#[test]
fn a_failure_leaves_the_other_scenarios_to_be_judged() {
    let mut outcome = outcome(&[&["a"], &["b"]]);
    outcome.scenarios[0].failure = Some(Failure::new(Step::Iteration(3), Cause::NoError { expected: "22012".into() }));
    let judged = |record| faults(&judge(&case(SPEC), &outcome, &axes(), record));
    let failure = "iteration 3 did not fail with 22012";
    assert_eq!(judged(recorded(GOLDEN)), [failure, "1 in scenario growth_benchmark two"]);
    // Nothing is offered for recording.
    assert_eq!(judged(missing()), [failure]);
}

/// A window with these figures.
fn with_figures(figures: &[(&str, i64)]) -> Window {
    let statistics = figures.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    Window { statistics, ..Window::default() }
}

#[test]
fn a_window_that_could_not_look_everywhere_fails_a_case() {
    for (figure, expected) in [
        ("violations_lost", &["violations_lost 7"][..]),
        ("not_recorded", &["not_recorded 7"]),
        ("not_tried", &["not_tried 7"]),
        ("workers_not_traced", &["workers_not_traced 7"]),
        ("workers_not_heard", &["workers_not_heard 7"]),
        ("marks_refused", &["marks_refused 7"]),
        ("inconsistencies", &["inconsistencies 7"]),
        // Of the ring, whoever has filled it and when.
        ("violations_lost_total", &[]),
        ("statements", &[]),
    ] {
        let mut outcome = outcome(&[&["a"], &[]]);
        outcome.scenarios[0].windows.push(with_figures(&[(figure, 3), ("marks", 5)]));
        outcome.scenarios[1].windows.push(with_figures(&[(figure, 4)]));
        let verdict = judge(&case(SPEC), &outcome, &axes(), recorded(GOLDEN));
        assert_eq!(faults(&verdict), expected);
        assert_eq!(verdict.status == Status::Passed, expected.is_empty(), "{figure}");
    }
}

#[test]
fn what_is_in_arenas_is_said() {
    let mut outcome = outcome(&[&["a"], &[]]);
    let notes = |outcome: &Outcome| judge(&case(SPEC), outcome, &axes(), recorded(GOLDEN)).notes;
    assert_eq!(notes(&outcome), [""; 0]);
    outcome.scenarios[0].windows.push(with_figures(&[("mapped_bytes", 1 << 20)]));
    outcome.scenarios[1].windows.push(with_figures(&[("mapped_bytes", 1 << 16)]));
    assert_eq!(notes(&outcome), ["1024 kB in arenas of the targets' own are not seen into"]);
}

#[test]
fn what_should_have_been_traced_and_was_not_is_said() {
    let refused = || ServerFacts { untraced: Some("another platform".into()), ..ServerFacts::default() };
    let outcome = Outcome { server: Some(refused()), ..outcome(&[&["a"], &[]]) };
    let untraced = |text: &str, outcome: &Outcome| judge(&case(text), outcome, &axes(), recorded(GOLDEN)).untraced;
    assert_eq!(untraced(SPEC, &outcome).as_deref(), Some("another platform"));
    assert_eq!(untraced(&format!("trace off\n{SPEC}"), &outcome), None);

    // In one session only.
    let mut outcome = Outcome { server: Some(ServerFacts::default()), ..outcome };
    assert_eq!(untraced(SPEC, &outcome), None);
    outcome.scenarios[1].windows.push(with_figures(&[("traced", 0)]));
    let text = "allocations cannot be traced: no memory".to_owned();
    outcome.scenarios[1].messages.push(Message { severity: "WARNING".to_owned(), text });
    assert_eq!(untraced(SPEC, &outcome).as_deref(), Some("no memory"));
}

#[test]
fn so_does_one_of_a_session() {
    let case = case(SESSIONS);
    let mut runs = vec![run(&[0, 1], &[1]), run(&[0, 1], &[1])];
    runs[1].windows[0].1.statistics = with_figures(&[("not_recorded", 2), ("inconsistencies", 1)]).statistics;
    let permutations = vec![PermutationOutcome { permutation: 0, runs, ..PermutationOutcome::default() }];
    let outcome = Outcome { permutations, ..Outcome::default() };
    let golden = "permutation a b\na\nb\nno overlap\ns2: ctx_bloat|INFO|a|64B..128B/iter|linear|-\n(1 violation)\n\n\
                  permutation b a\n(0 violations)\n";
    let verdict = judge(&case, &outcome, &axes(), recorded(golden));
    // What was not run is neither as recorded nor otherwise.
    assert_eq!(faults(&verdict), ["not run permutation b a", "not_recorded 2", "inconsistencies 1"]);
}

#[test]
fn an_xfail_excuses_nothing_that_keeps_a_spec_from_being_tried() {
    let case = case(&format!("xfail 'known'\n{SPEC}"));
    let error = || Cause::Server { message: "could not open extension control file".to_owned(), hint: None };
    for (step, status) in [
        (Step::Extension("z".to_owned()), Status::Failed),
        (Step::Server, Status::Failed),
        (Step::Setup, Status::ExpectedFailure("known".into())),
        (Step::Iteration(3), Status::ExpectedFailure("known".into())),
    ] {
        let outcome = Outcome { failure: Some(Failure::new(step, error())), ..outcome(&[&["z"], &[]]) };
        assert_eq!(judge(&case, &outcome, &axes(), recorded(GOLDEN)).status, status);
    }
}

#[test]
fn an_xfail_has_to_fail() {
    let case = case(&format!("xfail 'known'\n{SPEC}"));
    let verdict = judge(&case, &outcome(&[&["z"], &[]]), &axes(), recorded(GOLDEN));
    assert_eq!(verdict.status, Status::ExpectedFailure("known".into()));
    let verdict = judge(&case, &outcome(&[&["a"], &[]]), &axes(), recorded(GOLDEN));
    assert_eq!((verdict.status.clone(), faults(&verdict)), (Status::Failed, vec!["passed: known".into()]));
}

#[test]
fn some_cases_are_not_run() {
    let verdict = without_running(&case(&format!("requires pg >= 99\n{SPEC}"))).unwrap();
    assert_eq!(verdict.status, Status::Skipped("requires pg >= 99".into()));
    let verdict = without_running(&case(
        "trace off\nscenario window\n  workload { SELECT :seed }\n  expect ctx_bloat from 'x'\n",
    ))
    .unwrap();
    assert_eq!(verdict.status, Status::Unsupported);
    assert_eq!(faults(&verdict), ["unsupported \"from\" needs allocations that are traced"]);
    assert!(without_running(&case(SPEC)).is_none());
}

/// The rows that count and those that are allowed.
fn rows(verdict: &Verdict) -> (Vec<String>, Vec<String>) {
    let counted = verdict.seen.iter().flat_map(|seen| &seen.rows).map(|observed| observed.row.to_string());
    let allowed = verdict.seen.iter().flat_map(|seen| &seen.allowed);
    (
        counted.collect(),
        allowed.map(|allowed| format!("{}: {}", allowed.observed.row.subject, allowed.by.because)).collect(),
    )
}

#[test]
fn what_is_allowed_makes_nothing_fail() {
    let allow = |clauses: &str, expect: &str| {
        case(&format!("{clauses}\nscenario growth_benchmark one\n  workload {{ SELECT 1 }}\n  {expect}\n"))
    };
    let golden = |rows: &str| recorded(&format!("scenario growth_benchmark one\n{rows}"));
    let row = |context: &str| format!("ctx_bloat|INFO|{context}|64B..128B/iter|linear|-\n");
    let known = "allow 'a' because 'a cache'";
    let over = "allow 'a' because 'a cache' until 2026-11-27";
    let table: Vec<(Case, Found, Record, &[&str])> = vec![
        (allow(known, "expect none"), &[&["a"]], missing(), &[]),
        (allow(known, "expect none"), &[&["a", "b"]], missing(), &["unmet found 1 violation"]),
        (allow(known, "expect no ctx_bloat"), &[&["a"]], missing(), &[]),
        // It is there, so it may be what is expected.
        (allow(known, "expect ctx_bloat in 'a' count 1"), &[&["a"]], missing(), &[]),
        // No golden needs to have it, and an older one may.
        (allow(known, ""), &[&["a"]], golden("(0 violations)\n"), &[]),
        (allow(known, ""), &[&["a"]], golden(&(row("a") + "(1 violation)\n")), &[]),
        (allow(known, ""), &[&["a", "b"]], golden(&(row("a") + &row("b") + "(2 violations)\n")), &[]),
        (
            allow(known, ""),
            &[&["a", "b"]],
            golden(&(row("a") + "(1 violation)\n")),
            &["1 in scenario growth_benchmark one"],
        ),
        (allow(known, ""), &[&[]], golden(&(row("a") + "(1 violation)\n")), &["1 in scenario growth_benchmark one"]),
        // What is over allows nothing.
        (allow(over, "expect none"), &[&["a"]], missing(), &["unmet found 1 violation"]),
        (allow(over, ""), &[&["a"]], golden("(0 violations)\n"), &["1 in scenario growth_benchmark one"]),
        // One that is in force is enough.
        (allow(&format!("{over}\nallow '%' because 'all'"), "expect none"), &[&["a"]], missing(), &[]),
    ];
    for (case, contexts, record, expected) in table {
        let verdict = judge(&case, &outcome(contexts), &axes(), record);
        assert_eq!(faults(&verdict), expected, "{}", case.source.text);
    }
}

#[test]
fn what_allows_is_told_from_what_does_not() {
    let text = "allow 'a' because 'file'\nallow 'gone' because 'unused'\nallow 'old' because 'over' until 2026-11-01\n\
                allow 'elsewhere' because 'not here' when pg < 15\n\
                scenario growth_benchmark one\n  allow 'a' because 'scenario'\n  workload { SELECT 1 }\n  expect none\n\
                scenario growth_benchmark two\n  workload { SELECT 1 }\n  expect none\n";
    let case = case(text);
    let verdict = judge(&case, &outcome(&[&["a", "old"], &["a", "a"]]), &axes(), missing());
    // Its own clause before that of the file.
    let (counted, allowed) = rows(&verdict);
    assert_eq!(counted, ["ctx_bloat|INFO|old|64B..128B/iter|linear|-"]);
    assert_eq!(allowed, ["a: scenario", "a: file"]);
    let uses = verdict.allowances.iter().map(|one| (&*one.allowance.because, one.is_used, one.is_unused));
    let expected = [("file", true, false), ("unused", false, true), ("over", true, false), ("scenario", true, false)];
    assert_eq!(uses.collect::<Vec<_>>(), expected);

    // Of what was not run to its end nothing is known.
    let mut outcome = outcome(&[&["a"]]);
    outcome.scenarios[0].failure = Some(Failure::new(Step::Server, Cause::Server { message: "x".into(), hint: None }));
    let verdict = judge(&case, &outcome, &axes(), missing());
    assert!(verdict.allowances.iter().all(|one| !one.is_unused));
}

#[test]
fn what_a_session_knows_is_allowed_in_its_windows() {
    let text = SESSIONS.replace("session s2\n", "session s2\n  allow 'a' because 'known of s2'\n");
    let case = case(&text);
    let permutation = |permutation, runs| PermutationOutcome { permutation, runs, ..PermutationOutcome::default() };
    let runs = || vec![run(&[0, 1], &[1]), run(&[0, 1], &[1]), run(&[0, 1], &[1])];
    for (owners, expected) in [(&[1][..], &[][..]), (&[0], &["unmet found 1 violation"])] {
        let permutations = vec![permutation(0, runs()), permutation(1, vec![run(&[1, 0], owners)])];
        let verdict = judge(&case, &Outcome { permutations, ..Outcome::default() }, &axes(), missing());
        assert_eq!(faults(&verdict), expected);
    }
}
