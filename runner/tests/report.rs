//! The reporters by goldens of their own output, on verdicts made by hand. `MCSPEC_BLESS=1` writes the files anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use indicatif::ProgressBar;
use mcspec::exec::failure::{Cause, Failure, SqlError, Step};
use mcspec::golden::{Axes, Block, Difference};
use mcspec::judge::{Fault, Status, Verdict};
use mcspec::plan::{Case, Defaults, Environment, Overrides, cases, load};
use mcspec::report::{Pretty, Reporter, Reports, Tap};

const SPEC: &str = "\
title 'for the reporters'
scenario growth_benchmark count_companies
  iterations 1000
  workload { SELECT count(*) FROM companies; }
  expect ctx_bloat error in 'TopMemoryContext'
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
    Verdict { status, faults, golden, axes: Some(axes), attempts: 1, elapsed: Duration::from_millis(ms) }
}

/// One case of every kind of ending, in the order of the schedule.
fn verdicts(case: &Case) -> Vec<(&'static str, Verdict)> {
    let row = |line: &str| line.parse().unwrap();
    let expect = case.scenarios[0].expects[0].span.start;
    let title = case.scenarios[0].title.clone();
    let unmet =
        Fault::Unmet { place: case.place(expect + 7), length: 9, closest: "closest: WARNING, 136 B/iter".into() };
    let differs = Fault::Differs {
        title: title.clone(),
        differences: vec![
            Difference::Changed {
                golden: row("ctx_bloat|ERROR|TopMemoryContext|8kB..16kB/iter|linear|buggy_pg_ext"),
                observed: row("ctx_bloat|WARNING|TopMemoryContext|128B..256B/iter|linear|buggy_pg_ext"),
            },
            Difference::Missing(row("context_leak|INFO|gone|<64B/iter|linear|-")),
            Difference::Unexpected(row("context_leak@rollback|INFO|new|<64B x1/iter|linear|-")),
        ],
    };
    let not_recorded = |has_expect| Fault::NotRecorded {
        path: "expected/new.out".into(),
        blocks: vec![
            Block::new(title.clone(), vec![], vec![row("ctx_bloat|INFO|a|<64B/iter|linear|-")]),
            Block::new("scenario window", vec![], vec![]),
        ],
        has_expect,
    };
    let sql = SqlError {
        severity: "ERROR".into(),
        code: "42P01".into(),
        message: "relation \"companies\" does not exist".into(),
        detail: None,
        hint: Some("create it".into()),
        context: Some("SQL function\nin two lines".into()),
        position: None,
    };
    let iteration = Failure {
        step: Step::Iteration(17),
        place: Some(case.scenarios[0].workload.statements[0].place.clone()),
        cause: Cause::Sql(Box::new(sql)),
    };
    let server = Cause::Server {
        message: "server \"conf\" did not start\nFATAL:  invalid value for parameter \"max_connections\": \"lots\""
            .into(),
        hint: None,
    };
    vec![
        ("clean", verdict(Status::Passed, vec![], 239)),
        ("flaky", Verdict { attempts: 2, ..verdict(Status::Passed, vec![], 240) }),
        ("leaky", verdict(Status::Failed, vec![unmet, differs], 4120)),
        ("changed", verdict(Status::Failed, vec![not_recorded(true)], 999)),
        ("new", verdict(Status::Failed, vec![not_recorded(false)], 1000)),
        ("sql", verdict(Status::Failed, vec![Fault::Failure(iteration)], 61_000)),
        ("conf", verdict(Status::Failed, vec![Fault::Failure(Failure::new(Step::Server, server))], 0)),
        ("vague", verdict(Status::Failed, vec![Fault::NoExpectation], 5)),
        ("full", verdict(Status::Failed, vec![Fault::Lost(1), Fault::Lost(12)], 5)),
        ("later", verdict(Status::Skipped("requires pg >= 19".into()), vec![], 0)),
        ("known", verdict(Status::ExpectedFailure("upstream bug 7".into()), vec![Fault::Lost(2)], 10)),
        ("mended", verdict(Status::Failed, vec![Fault::Passed { reason: "upstream bug 8".into() }], 10)),
    ]
}

/// Reports all verdicts, the last ones first, and compares the text with the file of that name.
fn check(name: &str, reporter: impl FnOnce(Shared) -> Box<dyn Reporter>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("leaky.mcspec");
    fs::write(&path, SPEC).unwrap();
    let loaded = load("leaky", &path).unwrap();
    let planned = cases(&loaded, &Environment::nominal(180_006), &Overrides::default(), Defaults::default());
    let case = planned.unwrap().remove(0);
    let (names, verdicts): (Vec<&str>, Vec<Verdict>) = verdicts(&case).into_iter().unzip();
    let named = |name: &&str| Case { name: (*name).into(), label: (*name).into(), ..case.clone() };
    let all: Vec<Case> = names.iter().map(named).collect();

    let out = Shared::default();
    let mut reports = Reports::begin(vec![reporter(out.clone())], &all).unwrap();
    for (position, verdict) in verdicts.into_iter().enumerate().rev() {
        reports.verdict(&all, position, verdict).unwrap();
    }
    reports.end(Duration::from_millis(67_400)).unwrap();

    let text = String::from_utf8(out.0.borrow().clone()).unwrap();
    let text = text.replace(&format!("{}/", directory.path().display()), "specs/");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report").join(name);
    if std::env::var_os("MCSPEC_BLESS").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, expected, "{} differs; MCSPEC_BLESS=1 writes it anew", file.display());
}

#[test]
fn tap() {
    check("tap.txt", |out| Box::new(Tap::new(out)));
}

#[test]
fn pretty() {
    check("pretty.txt", |out| {
        let plain = anstream::StripStream::new(Box::new(out) as Box<dyn Write>);
        Box::new(Pretty::new(plain, false, ProgressBar::hidden()))
    });
}

#[test]
fn pretty_in_color() {
    check("pretty_color.txt", |out| Box::new(Pretty::new(out, true, ProgressBar::hidden())));
}
