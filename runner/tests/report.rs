//! The reporters by goldens of their own output, on verdicts made by hand. `MCSPEC_BLESS=1` writes the files anew.

pub(crate) mod readers;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mcspec::exec::failure::{Cause, Failure, SqlError, Step};
use mcspec::exec::outcome::{Outcome, ScenarioOutcome, ServerFacts};
use mcspec::golden::{self, Difference};
use mcspec::judge::{Fault, GAPS, Repeats, Status, Use, Verdict};
use mcspec::plan::{Case, Defaults, Environment, Overrides, cases, load};
use mcspec::report::json::{BadReport, RunReport};
use mcspec::report::{Checkout, Github, Json, Junit, Markdown, Pretty, Reporter, Reports, Sarif, Tap};
use mcspec::results::{Allowed, Axes, Known, Seen};
use mcspec::run::{Event, InOrder};
use memcheck_core::census::SiteId;
use memcheck_core::golden::row::{Observed, Policy};
use memcheck_core::{CheckKind, ContextPath, Finding, Frame, Line, MarkPoint, Severity, Shape, Site};

const SPEC: &str = "\
title 'for the reporters'
scenario growth_benchmark count_companies
  iterations 1000
  workload { SELECT count(*) FROM companies; }
  expect ctx_bloat error in 'TopMemoryContext'
  allow 'MyCache' because 'a cache, see #12' until 2027-01-31
  allow 'Gone%' because 'mended: 50%, long ago' until 2026-01-31
  allow 'Nowhere' because 'of no use'
";

/// A writer whose text can be read back.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn verdict(status: Status, faults: Vec<Fault>, ms: u64) -> Verdict {
    let axes = Axes { major: 18, assertions: false, arch: "x86_64".into() };
    let golden = Some("expected/leaky.out".into());
    let (seen, elapsed) = (Vec::new(), Duration::from_millis(ms));
    Verdict {
        status,
        faults,
        seen,
        idle: Vec::new(),
        untraced: None,
        golden,
        axes: Some(axes),
        attempts: 1,
        repeats: None,
        unrecorded: Vec::new(),
        allowances: Vec::new(),
        notes: Vec::new(),
        elapsed,
    }
}

/// One case of every kind of ending, in the order of the schedule.
fn verdicts(case: &Case) -> Vec<(&'static str, Verdict)> {
    let row = |line: &str| line.parse().unwrap();
    let expect = case.scenarios[0].expects[0].span.start;
    let title = case.scenarios[0].title.clone();
    let found = |line: &str, site| Observed { row: row(line), bytes_per_iter: 1.0, site, access: None };
    let unwanted = Fault::Unmet {
        title: title.clone(),
        place: case.place(expect),
        length: 6,
        closest: "found 2 violations".into(),
        site: None,
        rows: vec![
            found("ctx_bloat|INFO|a|<64B/iter|linear|-", Some(site())),
            found("ctx_bloat|INFO|b|<64B/iter|linear|-", None),
        ],
    };
    let unmet = Fault::Unmet {
        title: title.clone(),
        place: case.place(expect + 7),
        length: 9,
        closest: "closest: WARNING, 136 B/iter".into(),
        site: Some(site()),
        rows: Vec::new(),
    };
    let frame = Frame { library: "other".into(), offset: 0x1234, ..Frame::default() };
    let stripped = Site { frame: frame.clone(), stack: vec![frame], ..Site::numbered(SiteId(2)) };
    let differs = Fault::Differs {
        title: title.clone(),
        differences: vec![
            Difference::Changed {
                golden: row("ctx_bloat|ERROR|TopMemoryContext|8kB..16kB/iter|linear|buggy_pg_ext"),
                observed: found("ctx_bloat|WARNING|TopMemoryContext|128B..256B/iter|linear|buggy_pg_ext", Some(site())),
            },
            Difference::Missing(row("context_leak|INFO|gone|<64B/iter|linear|-")),
            Difference::Unexpected(found(
                "context_leak@rollback|INFO|new|<64B x1/iter|linear|-",
                Some(stripped.clone()),
            )),
            Difference::Unexpected(found("context_leak|INFO|newer|<64B x1/iter|linear|-", Some(stripped))),
        ],
    };
    let not_recorded = || Fault::NotRecorded {
        path: "expected/new.out".into(),
        is_taken: false,
        blocks: vec![
            Seen {
                title: title.clone(),
                rows: vec![found("ctx_bloat|INFO|a|<64B/iter|linear|-", Some(site()))],
                ..Seen::default()
            },
            Seen { title: "scenario window".into(), ..Seen::default() },
        ],
    };
    let nothing = Fault::NoExpectation { clause: "golden none", titles: vec![title.clone()] };
    let unrecorded = |number| (0..number).map(|_| title.clone()).collect();
    let sql = SqlError {
        severity: "ERROR".into(),
        code: "42P01".into(),
        message: "relation \"companies\" does not exist".into(),
        detail: None,
        hint: Some("create it".into()),
        context: Some("SQL function\nin two lines".into()),
        position: None,
        backend: None,
    };
    let place = &case.scenarios[0].workload.statements[0].place;
    let iteration = Failure::at(Step::Iteration(17), Some(place), Cause::Sql(Box::new(sql)));
    let server = Cause::Server {
        message: "server \"conf\" did not start\nFATAL:  invalid value for parameter \"max_connections\": \"lots\""
            .into(),
        hint: None,
    };
    let inexact = Fault::Inexact { title: title.clone(), rows: vec![row("ctx_bloat|INFO|a|<64B/iter|linear|-")] };
    let incomplete = |figure: &str, count| {
        let gap = GAPS.iter().find(|gap| gap.figure == figure).unwrap();
        Fault::Incomplete { gap, count }
    };
    let full = vec![
        incomplete("violations_lost", 1),
        incomplete("violations_lost", 12),
        incomplete("not_recorded", 40),
        incomplete("workers_not_traced", 1),
        incomplete("inconsistencies", 2),
    ];
    let [cache, gone, nowhere] = case.scenarios[0].allowances.as_slice() else {
        panic!("{:?}", case.scenarios[0].allowances)
    };
    let allowed = |context: &str, site| Allowed {
        observed: found(&format!("ctx_bloat|INFO|{context}|100 x1/iter|linear|buggy_pg_ext"), site),
        by: Known::from(&**cache),
    };
    let seen = vec![Seen {
        title: title.clone(),
        allowed: vec![allowed("MyCache", Some(site())), allowed("MyCache/of another", None)],
        ..Seen::default()
    }];
    let used = |allowance: &Arc<_>, is_used| Use { allowance: Arc::clone(allowance), is_used, is_unused: !is_used };
    let known = vec![used(cache, true), used(gone, false), used(nowhere, false)];
    let over = vec![used(cache, false), used(gone, true), used(nowhere, false)];
    let later = verdict(Status::Skipped("requires pg >= 19".into()), vec![], 0);
    let repeats = Some(Repeats { runs: 10, failed: 3 });
    vec![
        ("clean", verdict(Status::Passed, vec![], 239)),
        ("flaky", Verdict { attempts: 2, ..verdict(Status::Passed, vec![], 240) }),
        ("unsteady", Verdict { repeats, ..verdict(Status::Failed, vec![incomplete("violations_lost", 3)], 12) }),
        ("leaky", verdict(Status::Failed, vec![unmet, differs], 4120)),
        ("unwanted", verdict(Status::Failed, vec![unwanted], 9)),
        ("changed", verdict(Status::Failed, vec![not_recorded()], 999)),
        ("new", Verdict { golden: None, ..verdict(Status::Failed, vec![not_recorded()], 1000) }),
        ("promised", Verdict { golden: None, unrecorded: unrecorded(1), ..verdict(Status::Passed, vec![], 14) }),
        ("added", Verdict { unrecorded: unrecorded(1), ..verdict(Status::Passed, vec![], 15) }),
        ("sql", verdict(Status::Failed, vec![Fault::Failure(iteration)], 61_000)),
        ("conf", verdict(Status::Failed, vec![Fault::Failure(Failure::new(Step::Server, server))], 0)),
        ("vague", verdict(Status::Failed, vec![nothing], 5)),
        ("vaguer", verdict(Status::Failed, vec![inexact], 5)),
        ("full", verdict(Status::Failed, full, 5)),
        ("later", Verdict { axes: None, golden: None, attempts: 0, ..later }),
        (
            "known",
            verdict(Status::ExpectedFailure("upstream bug 7".into()), vec![incomplete("violations_lost", 2)], 10),
        ),
        ("allowed", Verdict { seen, allowances: known, ..verdict(Status::Passed, vec![], 7) }),
        ("over", Verdict { allowances: over, ..verdict(Status::Failed, vec![incomplete("violations_lost", 3)], 7) }),
        ("mended", verdict(Status::Failed, vec![Fault::Passed { reason: "upstream bug 8".into() }], 10)),
    ]
}

/// The cases and verdicts on one version, or on two of which the second has every other one.
fn run(versions: &[&str]) -> (tempfile::TempDir, Vec<Case>, Vec<Verdict>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("leaky.mcspec");
    fs::write(&path, SPEC).unwrap();
    let loaded = load("leaky", &path).unwrap();
    let defaults = Defaults { today: "2026-11-27".parse().unwrap(), ..Defaults::default() };
    let planned = cases(&loaded, &Environment::nominal(180_006), &Overrides::default(), defaults);
    let case = planned.unwrap().remove(0);
    let (mut all, mut judged) = (Vec::new(), Vec::new());
    for (i, version) in versions.iter().enumerate() {
        for (name, verdict) in verdicts(&case).into_iter().step_by(i + 1) {
            let golden = verdict.golden.as_ref().map(|_| format!("expected/{name}.out").into());
            let name = name.to_owned();
            let label = if version.is_empty() { name.clone() } else { format!("{name}@{version}") };
            all.push(Case { name, label, ..case.clone() });
            judged.push(Verdict { golden, ..verdict });
        }
    }
    (directory, all, judged)
}

/// Reports all verdicts, the last ones first, and returns the text.
fn report(versions: &[&str], reporter: impl FnOnce(Shared) -> Box<dyn Reporter>) -> String {
    let (directory, all, verdicts) = run(versions);
    let text = report_of(&all, verdicts, reporter);
    text.replace(&format!("{}/", directory.path().display()), "specs/")
}

/// Reports these verdicts, one for each case.
fn report_of(all: &[Case], verdicts: Vec<Verdict>, reporter: impl FnOnce(Shared) -> Box<dyn Reporter>) -> String {
    let out = Shared::default();
    let mut reports = Reports::new(vec![reporter(out.clone())], all);
    let mut ended = InOrder::default();
    for (case, verdict) in verdicts.into_iter().enumerate().rev() {
        let outcome = Box::new(outcome(&verdict));
        let seen = if verdict.seen.is_empty() { seen(&all[case], &outcome) } else { verdict.seen.clone() };
        let verdict = Box::new(Verdict { seen, ..verdict });
        let event = Event::Finished { case, outcome, verdict };
        reports.event(&event);
        let Event::Finished { case, outcome, verdict } = event else { unreachable!() };
        ended.put(case, (outcome, verdict));
        while let Some((case, (outcome, verdict))) = ended.take() {
            reports.verdict(&all[case], &outcome, &verdict);
        }
    }
    assert!(reports.end(Duration::from_millis(67_400)).unwrap().1.is_empty());
    String::from_utf8(out.0.borrow().clone()).unwrap()
}

/// Names and texts that a reader might take for something else, each a case of its own, ended in each of these ways.
fn report_nasty(statuses: &[Status], reporter: impl FnOnce(Shared) -> Box<dyn Reporter>) -> String {
    const NASTY: [&str; 7] =
        ["a # SKIP b", "a # TODO", "back\\slash", "größe", "ok 2\nBail out!", "1..3 {", "\u{1b}[31m\0 <&>\u{ffff}"];
    let (_directory, all, _) = run(&[""]);
    let (mut cases, mut judged) = (Vec::new(), Vec::new());
    for status in statuses {
        for name in NASTY {
            let with = |status: &Status| match status {
                Status::Skipped(_) => Status::Skipped(name.into()),
                Status::ExpectedFailure(_) => Status::ExpectedFailure(name.into()),
                Status::Interrupted(_) => Status::Interrupted(name.into()),
                other => other.clone(),
            };
            let fault = Fault::Passed { reason: format!("{name}\nok 7\r\n{name}") };
            let faults = if verdict(status.clone(), vec![], 0).is_bad() { vec![fault] } else { vec![] };
            cases.push(Case { name: name.into(), label: format!("{name}@pg{}", cases.len()), ..all[0].clone() });
            judged.push(Verdict { notes: vec![name.into()], ..verdict(with(status), faults, 1234) });
        }
    }
    report_of(&cases, judged, reporter)
}

/// A place that allocates, with callers that take more than a line.
fn site() -> Site {
    let frame = |library: &str, symbol: &str| Frame {
        library: library.into(),
        build_id: "0123ab".into(),
        offset: 0x1234,
        symbol: Some(symbol.into()),
        line: None,
    };
    let line = Some(Line { file: "/src/buggy_pg_ext/buggy_pg_ext.c".into(), number: 71 });
    let own = Frame { line, ..frame("buggy_pg_ext", "buggy_executor_start") };
    let callers =
        ["PortalStart", "exec_simple_query", "PostgresMain", "BackendStartup", "ServerLoop", "PostmasterMain"];
    let stack = [frame("postgres", "palloc"), own.clone()].into_iter();
    let stack = stack.chain(callers.map(|caller| frame("postgres", caller))).collect();
    Site { frame: own, stack, ..Site::numbered(SiteId(1)) }
}

/// What a case found that ran to its end.
fn outcome(verdict: &Verdict) -> Outcome {
    if verdict.axes.is_none() || verdict.faults.iter().any(|fault| matches!(fault, Fault::Failure(_))) {
        return Outcome::default();
    }
    let finding = Finding {
        check: CheckKind::CtxBloat,
        severity: Severity::Warning,
        path: ContextPath::new(["TopMemoryContext"]),
        bytes: 136_000,
        objects: 0,
        iterations: 1000,
        bytes_per_iter: 136.1,
        objects_per_iter: 1.0 / 3.0,
        shape: Some(Shape::Linear),
        phase: None,
        source_lib: "buggy_pg_ext.so".into(),
        site: Some(site()),
        marks: vec![MarkPoint { iteration: 1000, used: 136_000, objects: 1 }],
        detail: "used grew".into(),
        access: None,
    };
    let settings = [("fsync".to_owned(), "off".to_owned())].into();
    let server = ServerFacts {
        version: "PostgreSQL 18.6".into(),
        assertions: false,
        engine: "1.0".into(),
        settings,
        extensions: [("buggy_pg_ext".to_owned(), "1.0".to_owned())].into(),
        libraries: [("buggy_pg_ext".to_owned(), "00ff".to_owned())].into(),
        untraced: None,
    };
    let scenario = ScenarioOutcome { findings: vec![finding], ..ScenarioOutcome::default() };
    Outcome { server: Some(server), scenarios: vec![scenario], elapsed: verdict.elapsed, ..Outcome::default() }
}

/// What the scenarios of a case came to.
fn seen(case: &Case, outcome: &Outcome) -> Vec<Seen> {
    let of = |found: &ScenarioOutcome| {
        let findings = found.findings.iter().map(|finding| (None, finding));
        let rows = golden::observe(findings, &case.normalize, Policy::Auto);
        Seen { title: case.scenarios[found.scenario].title.clone(), rows, ..Seen::default() }
    };
    outcome.scenarios.iter().map(of).collect()
}

/// Compares what is reported with the file of that name.
fn check(name: &str, reporter: impl FnOnce(Shared) -> Box<dyn Reporter>) {
    compare(name, &report(&[""], reporter));
}

fn compare(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report").join(name);
    if std::env::var_os("MCSPEC_BLESS").is_some() {
        fs::write(&file, text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, expected, "{} differs; MCSPEC_BLESS=1 writes it anew", file.display());
}

#[test]
fn tap() {
    check("tap.txt", |out| Box::new(Tap::new(out, false)));
}

#[test]
fn pretty() {
    check("pretty.txt", |out| {
        let plain = anstream::StripStream::new(Box::new(out) as Box<dyn Write>);
        Box::new(Pretty::new(plain, false))
    });
}

#[test]
fn pretty_in_color() {
    check("pretty_color.txt", |out| Box::new(Pretty::new(out, true)));
}

#[test]
fn a_run_on_several_versions_ends_with_a_table() {
    let text = report(&["pg15", "pg18"], |out| {
        let plain = anstream::StripStream::new(Box::new(out) as Box<dyn Write>);
        Box::new(Pretty::new(plain, false))
    });
    let (_, end) = text.split_once("\n\n").unwrap();
    compare("versions.txt", end);
    compare("versions.md", &report(&["pg15", "pg18"], |out| Box::new(Markdown::new(out))));
}

#[test]
fn markdown() {
    check("markdown.md", |out| Box::new(Markdown::new(out)));
}

#[test]
fn github() {
    let summary = Shared::default();
    let kept = summary.clone();
    let text = report(&[""], |out| Box::new(Github::new(out, Some(kept), checkout())));
    compare("github.txt", &text);
    let summary = String::from_utf8(summary.0.borrow().clone()).unwrap();
    assert!(summary.starts_with("## mcspec: 5 passed, "), "{summary}");
    assert!(summary.contains("\n### leaky\n"), "{summary}");

    // The documented form: one line, known parameters, nothing in them that ends one.
    for line in text.lines() {
        let (head, message) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
        let (level, parameters) = head.split_once(' ').unwrap();
        assert!(["error", "warning", "notice"].contains(&level), "{line}");
        let names: Vec<&str> = parameters.split(',').map(|parameter| parameter.split_once('=').unwrap().0).collect();
        assert!(names == ["file", "line", "col", "title"] || names == ["file", "line", "title"], "{line}");
        assert!(!message.is_empty() && !parameters.contains(':'), "{line}");
    }
}

#[test]
fn json_is_read_back_as_it_was_written() {
    let text = report(&[""], |out| Box::new(Json::new(out)));
    compare("json.json", &text);
    let read = RunReport::parse(&text).unwrap();
    assert_eq!(serde_json::to_string_pretty(&read).unwrap() + "\n", text);
    assert_eq!(read.cases.len(), 19);
    assert_eq!(read.cases[0].scenarios[0].findings[0].objects_per_iter, 1.0 / 3.0);

    // What there is stands in the manual.
    let manual = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reports.md")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut names = names(&document);
    ["fsync", "buggy_pg_ext"].iter().for_each(|name| _ = names.remove(*name));
    for name in names {
        assert!(manual.contains(&format!("`{name}`")), "docs/reports.md says nothing about {name}");
    }

    let newer = text.replace("\"format\": 1,", "\"format\": 2,");
    assert!(matches!(RunReport::parse(&newer), Err(BadReport::Format(2))));
    assert!(matches!(RunReport::parse("{}"), Err(BadReport::Json(_))));
}

#[test]
fn junit() {
    let text = report(&["pg15", "pg18"], |out| Box::new(Junit::new(out)));
    compare("junit.xml", &text);
    readers::validate_xml(&text, "junit-10.xsd");
}

fn skipped() -> Status {
    Status::Skipped(String::new())
}

fn known() -> Status {
    Status::ExpectedFailure(String::new())
}

fn interrupted() -> Status {
    Status::Interrupted(String::new())
}

#[test]
fn jenkins_reads_every_ending_and_every_character() {
    for statuses in
        [vec![Status::Passed, Status::Failed, Status::Unsupported, skipped(), known(), interrupted()], vec![]]
    {
        let text = report_nasty(&statuses, |out| Box::new(Junit::new(out)));
        readers::validate_xml(&text, "junit-10.xsd");
        // What a reader adds up is what is declared.
        for (element, attribute) in [("<testcase ", "tests"), ("<failure ", "failures"), ("<error ", "errors")] {
            let number = text.matches(element).count();
            assert!(statuses.is_empty() || text.contains(&format!("{attribute}=\"{number}\"")), "{text}");
        }
    }
}

/// Results of whole runs: how their cases end, and whether that is good.
fn tap_runs() -> [(Vec<Status>, bool); 5] {
    [
        (vec![Status::Passed, skipped(), known()], true),
        (vec![Status::Passed, Status::Failed, Status::Unsupported], false),
        (vec![skipped()], true),
        (vec![Status::Passed, interrupted()], false),
        (vec![], true),
    ]
}

#[test]
fn prove_of_perl_reads_tap() {
    for quiet in [false, true] {
        for (statuses, is_good) in tap_runs() {
            let tap = report_nasty(&statuses, |out| Box::new(Tap::new(out, quiet)));
            let Some(proved) = readers::prove(&tap) else { return };
            assert_eq!(proved.is_ok, is_good, "{statuses:?}, quiet {quiet}: {}", proved.said);
            let shown = if quiet { statuses.iter().filter(|&status| is_bad(status)).count() } else { statuses.len() };
            assert!(
                proved.said.contains(&format!("Tests={},", 7 * shown)) || statuses.contains(&interrupted()),
                "{}",
                proved.said
            );
        }
    }
}

fn is_bad(status: &Status) -> bool {
    matches!(status, Status::Failed | Status::Unsupported)
}

#[test]
fn a_parser_of_version_14_reads_tap() {
    for quiet in [false, true] {
        for (statuses, is_good) in tap_runs() {
            let tap = report_nasty(&statuses, |out| Box::new(Tap::new(out, quiet)));
            let Some(events) = readers::tap_parser(&tap) else { return };
            let of = |name: &str| {
                events.iter().filter(|event| event[0] == name).map(|event| event[1].clone()).collect::<Vec<_>>()
            };
            assert_eq!(of("version"), [13]);
            assert_eq!(of("extra"), Vec::<serde_json::Value>::new(), "{tap}");
            assert_eq!(of("child").len(), 0, "{tap}");
            assert_eq!(of("bailout").len(), usize::from(statuses.contains(&interrupted())), "{tap}");
            let complete = &of("complete")[0];
            assert_eq!(complete["ok"], is_good, "{tap}");
            let of_shown = statuses.iter().filter(|&status| !quiet || is_bad(status));
            let expected: Vec<Status> = of_shown.flat_map(|status| std::iter::repeat_n(status.clone(), 7)).collect();
            let asserts = of("assert");
            assert_eq!(asserts.len(), expected.len(), "{tap}");
            for (seen, status) in asserts.iter().zip(&expected) {
                assert_eq!(
                    seen["ok"],
                    matches!(status, Status::Passed | Status::Skipped(_) | Status::Interrupted(_)),
                    "{seen}"
                );
                assert_eq!(
                    seen["skip"] != false,
                    matches!(status, Status::Skipped(_) | Status::Interrupted(_)),
                    "{seen}"
                );
                assert_eq!(seen["todo"] != false, matches!(status, Status::ExpectedFailure(_)), "{seen}");
                assert_eq!(seen["time"] == 1234, matches!(status, Status::Passed) || is_bad(status), "{seen}");
            }
        }
    }
}

/// A checkout with the source of the subject.
fn checkout() -> Checkout {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("checkout");
    fs::create_dir_all(root.join("buggy_pg_ext")).unwrap();
    fs::write(root.join("buggy_pg_ext/buggy_pg_ext.c"), "").unwrap();
    Checkout::of(&root, root.join("specs"))
}

#[test]
fn the_worst_annotations_come_first_and_those_of_sources_with_those_of_specs() {
    let text = report(&[""], |out| Box::new(Github::new(out, None::<Shared>, checkout())));
    let levels: Vec<&str> = text.lines().map(|line| line[2..].split(' ').next().unwrap()).collect();
    assert!(levels.is_sorted_by_key(|level| ["error", "warning", "notice"].iter().position(|other| other == level)));
    // Two did not run, and one found more than the rest.
    let first: Vec<&str> = text.lines().take(4).map(|line| line.split(',').next().unwrap()).collect();
    let (stopped, found) = first.split_at(2);
    assert!(stopped.iter().all(|line| line.ends_with("specs/leaky.mcspec")), "{first:?}");
    assert_eq!(found[0], "::error file=buggy_pg_ext/buggy_pg_ext.c");
    assert!(
        text.contains("::error file=buggy_pg_ext/buggy_pg_ext.c,line=71,title=mcspec%3A leaky::ctx_bloat|WARNING|"),
        "{text}"
    );
}

#[test]
fn sarif() {
    let text = report(&[""], |out| Box::new(Sarif::new(out, checkout())));
    let text = text.replace(&format!("{}/checkout", env!("CARGO_TARGET_TMPDIR")), "/CHECKOUT");
    compare("sarif.json", &text);
    readers::validate_json(&text, "sarif-schema-2.1.0.json");
    let nasty = report_nasty(
        &[Status::Passed, Status::Failed, Status::Unsupported, skipped(), known(), interrupted()],
        |out| Box::new(Sarif::new(out, checkout())),
    );
    readers::validate_json(&nasty, "sarif-schema-2.1.0.json");
    readers::validate_json(&report_nasty(&[], |out| Box::new(Sarif::new(out, checkout()))), "sarif-schema-2.1.0.json");

    // Stable, and what is allowed or excused is suppressed.
    let fingerprints = |text: &str| -> Vec<serde_json::Value> {
        let log: serde_json::Value = serde_json::from_str(text).unwrap();
        log["runs"][0]["results"].as_array().unwrap().iter().map(|one| one["partialFingerprints"].clone()).collect()
    };
    assert_eq!(fingerprints(&text), fingerprints(&report(&[""], |out| Box::new(Sarif::new(out, checkout())))));
    let log: serde_json::Value = serde_json::from_str(&text).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let suppressed: Vec<&str> = (results.iter().flat_map(|one| one["suppressions"].as_array().unwrap()))
        .map(|one| one["justification"].as_str().unwrap())
        .collect();
    assert_eq!(suppressed, ["a cache, see #12 (until 2027-01-31)"; 2]);
}

/// The keys of all objects and the kinds of all faults.
fn names(value: &serde_json::Value) -> BTreeSet<String> {
    match value {
        serde_json::Value::Array(items) => items.iter().flat_map(names).collect(),
        serde_json::Value::Object(fields) => {
            let kind = fields.get("kind").and_then(|kind| kind.as_str()).map(str::to_owned);
            let inner = fields.iter().flat_map(|(key, value)| names(value).into_iter().chain([key.clone()]));
            inner.chain(kind).collect()
        }
        _ => BTreeSet::new(),
    }
}
