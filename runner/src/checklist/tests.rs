//! Lists of reports, requirement by requirement, and the list as it is shown.

use super::*;
use crate::config::Config;

/// What the report's own test has written.
fn report() -> RunReport {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/json.json");
    RunReport::parse(&std::fs::read_to_string(file).expect("read")).expect("a report")
}

/// The report of one spec that has passed on 18, changed.
fn passed(change: impl FnOnce(&mut RunReport)) -> RunReport {
    let mut report = report();
    report.cases.truncate(1);
    report.error = None;
    let case = &mut report.cases[0];
    "passed".clone_into(&mut case.status);
    (case.reason, case.faults) = (None, Vec::new());
    change(&mut report);
    report
}

fn required(keys: &str) -> crate::config::Checklist {
    let text = format!("[checklist]\n{keys}\n");
    Config::parse(&text, Path::new("mcspec.toml")).unwrap_or_else(|error| panic!("{}", error.listing())).checklist
}

fn around(change: impl FnOnce(&mut Surroundings)) -> Surroundings {
    let mut surroundings = Surroundings { today: "2027-01-01".to_owned(), ..Surroundings::default() };
    change(&mut surroundings);
    surroundings
}

/// What is missing.
fn missing_of(report: &RunReport, surroundings: Surroundings, keys: &str) -> Vec<String> {
    let list = Checklist::of(report, surroundings, &required(keys));
    let missing = list.requirements.iter().filter(|requirement| requirement.holds == Some(false));
    let missing: Vec<String> = missing.map(|one| format!("{}: {}", one.what, one.found)).collect();
    assert_eq!(list.holds, missing.is_empty());
    missing
}

#[test]
fn a_run_without_faults_is_enough_where_nothing_more_is_required() {
    assert_eq!(missing_of(&passed(|_| {}), around(|_| {}), ""), [""; 0]);
}

#[test]
fn what_a_run_lacks_is_missing_whatever_is_required() {
    let status = |status: &'static str| {
        move |report: &mut RunReport| {
            status.clone_into(&mut report.cases[0].status);
        }
    };
    for (report, expected) in [
        (
            passed(|report| report.cases.clear()),
            vec!["specs have run: 0 specs", "each scenario was begun: some were not"],
        ),
        (passed(status("failed")), vec!["no spec fails or could not be run: 1 spec does not pass"]),
        (passed(status("unsupported")), vec!["no spec fails or could not be run: 1 spec does not pass"]),
        (passed(status("interrupted")), vec!["no spec fails or could not be run: 1 spec does not pass"]),
        (passed(status("expected failure")), vec![]),
        (passed(status("skipped")), vec![]),
        (
            passed(|report| report.cases[0].not_run.push("scenario window".into())),
            vec!["each scenario was begun: some were not"],
        ),
    ] {
        assert_eq!(missing_of(&report, around(|_| {}), ""), expected);
    }
}

#[test]
fn a_part_of_a_run_is_not_enough() {
    let part = around(|it| (it.is_incomplete, it.remarks) = (true, vec!["shard 2 of 2 is not there".to_owned()]));
    let expected = ["results are whole: parts of the run are not there"];
    assert_eq!(missing_of(&passed(|_| {}), part.clone(), ""), expected);
    let list = Checklist::of(&passed(|_| {}), part, &required(""));
    assert!(list.not_checked.iter().any(|line| line.reason == "shard 2 of 2 is not there"));
}

#[test]
fn an_allowance_that_has_ended_is_missing() {
    let allowed = |until: Option<&str>| {
        passed(|report| {
            let scenario = &mut report.cases[0].scenarios[0];
            scenario.rows.truncate(1);
            scenario.rows[0].allowed = Some(crate::results::Known {
                because: "cache".to_owned(),
                until: until.map(str::to_owned),
                file: "specs/a.mcspec".to_owned(),
                line: 3,
                column: 1,
            });
        })
    };
    for (until, expected) in [
        (None, vec![]),
        (Some("2027-01-02"), vec![]),
        (Some("2027-01-01"), vec!["what is allowed is still allowed: expired: specs/a.mcspec:3"]),
    ] {
        assert_eq!(missing_of(&allowed(until), around(|_| {}), ""), expected);
    }
    assert_eq!(
        missing_of(&allowed(None), around(|_| {}), "allowed = 0"),
        ["at most 0 violations are allowed (allowed): 1"]
    );
    assert_eq!(missing_of(&allowed(None), around(|_| {}), "allowed = 1"), [""; 0]);
}

#[test]
fn each_requirement_can_fail_and_hold() {
    let status = |status: &'static str| {
        passed(move |report| {
            status.clone_into(&mut report.cases[0].status);
        })
    };
    let score = |percent: f64| Some(Score { count: 1, of: 2, percent });
    let goldens = |changed: &[&str]| {
        let changed = changed.iter().map(|name| (*name).to_owned()).collect();
        Some(Goldens { since: "v1".to_owned(), changed, ..Goldens::default() })
    };
    let name = report().cases[0].name.clone();
    let plain = passed(|_| {});
    for (report, surroundings, keys, expected) in [
        (&plain, around(|_| {}), "pg = [18]", None),
        (&plain, around(|_| {}), "pg = [15, 18]", Some("specs have run on 15 and 18: none on PostgreSQL 15")),
        (&plain, around(|it| it.specs = vec![name.clone()]), "every_spec = true", None),
        (
            &plain,
            around(|it| it.specs = vec![name.clone(), "b".into(), "c".into()]),
            "every_spec = true",
            Some("each spec of the schedule has run: b and 1 more have not"),
        ),
        (&status("expected failure"), around(|_| {}), "xfail = 1", None),
        (&status("expected failure"), around(|_| {}), "xfail = 0", Some("at most 0 specs fail as expected (xfail): 1")),
        (&status("skipped"), around(|_| {}), "skipped = 1", None),
        (&status("skipped"), around(|_| {}), "skipped = 0", Some("at most 0 specs were skipped (skipped): 1")),
        (&plain, around(|_| {}), "growth = 137", None),
        (&plain, around(|it| it.goldens = goldens(&["a.out"])), "goldens = 1", None),
        (
            &plain,
            around(|it| it.goldens = goldens(&["a.out", "b.out"])),
            "goldens = 1",
            Some("at most 1 goldens have changed since v1: 2"),
        ),
        (&plain, around(|_| {}), "goldens = 1", Some("at most 1 goldens have changed: not known: there is no tag")),
        (&plain, around(|it| it.scores.coverage = score(80.0)), "coverage = 80", None),
        (
            &plain,
            around(|it| it.scores.coverage = score(79.9)),
            "coverage = 80",
            Some("at least 80% of the places that allocate were reached: 79.9% (1 of 2)"),
        ),
        (
            &plain,
            around(|_| {}),
            "coverage = 80",
            Some("at least 80% of the places that allocate were reached: not measured: mcspec run --coverage"),
        ),
        (&plain, around(|it| it.scores.mutation = score(90.0)), "mutation = 90", None),
        (
            &plain,
            around(|_| {}),
            "mutation = 1",
            Some("at least 1% of the dropped calls that free were caught: not measured: mcspec mutate"),
        ),
    ] {
        assert_eq!(missing_of(report, surroundings, keys), Vec::from_iter(expected), "{keys}");
    }
    let missing = missing_of(&plain, around(|_| {}), "growth = 136");
    assert!(
        missing.len() == 1 && missing[0].starts_with("no place grows by more than 136 B in an iteration: 136.1 B in "),
        "{missing:?}"
    );
}

#[test]
fn what_windows_have_not_seen_is_told() {
    let report = passed(|report| {
        let case = &mut report.cases[0];
        case.left_out.push("scenario window old".into());
        case.scenarios[0].windows = vec![Default::default(); 2];
        for window in &mut case.scenarios[0].windows {
            window.statistics.insert("violations_lost".to_owned(), 2);
        }
        case.scenarios.truncate(1);
        report.summary.untraced = None;
    });
    let list = Checklist::of(&report, around(|it| it.specs = vec!["b".into()]), &required(""));
    let lines: Vec<String> = list
        .not_checked
        .iter()
        .map(|line| {
            format!("{}: {}: {}", line.what, line.reason, line.specs.iter().cloned().collect::<Vec<_>>().join(" "))
        })
        .collect();
    let (label, title) = (&report.cases[0].label, &report.cases[0].scenarios[0].title);
    assert_eq!(
        lines,
        [
            format!("{title}: violations were lost: {label}"),
            format!("scenario window old: not for this server: {label}"),
            "specs that were not run: no result of theirs is among these: b".to_owned(),
        ]
    );
}

#[test]
fn text_of_any_kind_stays_in_its_cell() {
    let list = Checklist {
        exceptions: vec![Exception {
            spec: "a|b`c\n".to_owned(),
            status: "failed".to_owned(),
            reason: "x | <b>\ny".to_owned(),
        }],
        ..Checklist::default()
    };
    let text = markdown(&list);
    assert!(text.contains("\n| `a\\|b'c ` | failed | x \\| &lt;b> y |\n"), "{text}");
}

/// `MCSPEC_BLESS=1` writes the file instead of comparing it.
#[test]
fn a_list_is_shown_as_recorded() {
    let goldens = Goldens { since: "v1.0".to_owned(), added: vec!["new.out".to_owned()], ..Goldens::default() };
    let surroundings = around(|it| {
        it.goldens = Some(goldens);
        it.specs = vec!["not_run".to_owned()];
        it.scores.coverage = Some(Score { count: 3, of: 4, percent: 75.0 });
    });
    let list = Checklist::of(&report(), surroundings, &required("pg = [15, 18]\ncoverage = 80\nxfail = 2"));
    let read: Checklist = serde_json::from_str(&list.json()).expect("its own JSON");
    assert_eq!(read, list);
    let shown = markdown(&list);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/checklist.md");
    if std::env::var_os("MCSPEC_BLESS").is_some() {
        std::fs::write(&file, &shown).expect("written");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), shown, "MCSPEC_BLESS=1 accepts it");
}
