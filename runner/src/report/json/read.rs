//! Reports made of what runs have left: one or several, as one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::schema::{BadReport, CaseRecord, FORMAT, FaultRecord, RunReport, SummaryRecord};
use crate::bounded;
use crate::results::schema::{CaseResult, RunIndex, Shard};

/// Reads a JSON report, or a directory of results.
///
/// # Errors
///
/// See [`BadReport`].
pub fn read(path: &Path) -> Result<RunReport, BadReport> {
    if path.is_dir() {
        return of_results(path);
    }
    let unreadable = |error| BadReport::Unreadable { path: path.to_owned(), error };
    let text = bounded::text(path, bounded::RECORD).map_err(unreadable)?;
    RunReport::parse(&text).map_err(|bad| BadReport::In { path: path.to_owned(), bad: Box::new(bad) })
}

/// What the run has left that has written there last.
fn of_results(directory: &Path) -> Result<RunReport, BadReport> {
    // A run that ends just now is not read in part.
    let _unchanged = crate::results::reading(directory).ok();
    let index = RunIndex::read(directory)?;
    let mut report = RunReport {
        format: FORMAT,
        mcspec: env!("CARGO_PKG_VERSION").to_owned(),
        shard: index.shard,
        ended: Some(index.ended),
        ..RunReport::default()
    };
    for label in &index.cases {
        report.cases.push(of_result(CaseResult::read(directory, label)?));
    }
    report.cases.extend(index.skipped.iter().map(|label| skipped(label)));
    report.summary = SummaryRecord::of(&report.cases);
    Ok(report)
}

/// A case as its results have it.
fn of_result(result: CaseResult) -> CaseRecord {
    CaseRecord {
        name: result.case,
        label: result.label,
        spec: result.spec,
        tags: Vec::new(),
        status: result.status,
        reason: result.reason,
        flaky: None,
        attempts: 1,
        repeats: None,
        golden: result.golden,
        notes: Vec::new(),
        faults: faults(&result.faults),
        elapsed_ms: result.elapsed_ms,
        server: Some(result.server),
        scenarios: result.scenarios,
        not_run: result.not_run,
        left_out: result.left_out,
        not_selected: result.not_selected,
    }
}

/// What is wrong with a case, from the lines about it: what is indented by more than two spaces goes on with what stands above.
fn faults(lines: &[String]) -> Vec<FaultRecord> {
    let mut faults: Vec<FaultRecord> = Vec::new();
    for line in lines.iter().flat_map(|text| text.lines()).map(str::trim_end) {
        match faults.last_mut() {
            Some(fault) if line.starts_with("   ") || line.is_empty() => fault.details.push(line.to_owned()),
            _ => faults.push(fault(line.trim_start())),
        }
    }
    faults
}

/// That which a line begins: with the place in a spec or golden before it, or without one.
fn fault(line: &str) -> FaultRecord {
    static PLACE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(\S[^:]*):(\d+):(?:(\d+):)? (.*)$").expect("valid"));
    let unplaced = || (None, None, None, line);
    let (file, line, column, message) = PLACE.captures(line).map_or_else(unplaced, |found| {
        let number = |group| found.get(group).and_then(|digits: regex::Match| digits.as_str().parse().ok());
        (Some(found[1].to_owned()), number(2), number(3), found.get(4).map_or("", |rest| rest.as_str()))
    });
    FaultRecord { kind: "fault".to_owned(), file, line, column, message: message.to_owned(), details: Vec::new() }
}

/// A case that a condition kept from running.
fn skipped(label: &str) -> CaseRecord {
    let name = label.rsplit_once("@pg").map_or(label, |(name, _)| name).to_owned();
    CaseRecord { name, label: label.to_owned(), status: "skipped".to_owned(), ..CaseRecord::default() }
}

/// Several reports as one.
#[derive(Debug, Default)]
pub struct Merged {
    /// All of them.
    pub report: RunReport,
    /// What does not fit together, a sentence each.
    pub remarks: Vec<String>,
    /// Whether a shard is missing, so that the whole says nothing of some specs.
    pub is_incomplete: bool,
}

/// Several reports as one, in their order. A spec that several have run on different servers is told apart by those. Of a spec that
/// several have run on the same kind of server the worse verdict counts.
pub fn merged(reports: Vec<(String, RunReport)>) -> Merged {
    let mut all = Merged {
        report: RunReport { format: FORMAT, mcspec: env!("CARGO_PKG_VERSION").to_owned(), ..RunReport::default() },
        ..Merged::default()
    };
    let shards: Vec<Option<Shard>> = reports.iter().map(|(_, report)| report.shard).collect();
    all.look_for_shards(&shards);
    let mut summary = SummaryRecord::default();
    let mut cases: Vec<(String, CaseRecord)> = Vec::new();
    for (name, report) in reports {
        summary.elapsed_ms += report.summary.elapsed_ms;
        summary.untraced = summary.untraced.or(report.summary.untraced);
        summary.allowed += report.summary.allowed;
        for warning in report.warnings {
            // What concerns all specs, each shard says.
            if !all.report.warnings.contains(&warning) {
                all.report.warnings.push(warning);
            }
        }
        all.report.ended = all.report.ended.max(report.ended);
        all.report.error = all.report.error.take().or(report.error);
        for case in report.cases {
            match cases.iter_mut().find(|(_, other)| is_same(other, &case)) {
                Some((of, other)) => all.remarks.extend(both(of, other, &name, case)),
                None => cases.push((name.clone(), case)),
            }
        }
    }
    let mut cases: Vec<CaseRecord> = cases.into_iter().map(|(_, case)| case).collect();
    name_servers(&mut cases);
    let SummaryRecord { elapsed_ms, untraced, allowed, .. } = summary;
    all.report.summary = SummaryRecord { elapsed_ms, untraced, allowed, ..SummaryRecord::of(&cases) };
    all.report.cases = cases;
    all
}

impl Merged {
    fn look_for_shards(&mut self, shards: &[Option<Shard>]) {
        let known: BTreeSet<Shard> = shards.iter().flatten().copied().collect();
        let wholes: BTreeSet<u64> = known.iter().map(|shard| shard.of).collect();
        for &of in &wholes {
            let missing = (1..=of).filter(|&part| !known.contains(&Shard { part, of }));
            let missing: Vec<String> = missing.map(|part| format!("{part}/{of}")).collect();
            // Where a whole is among them, nothing is missing.
            if missing.is_empty() || shards.iter().any(Option::is_none) {
                continue;
            }
            let are = if missing.len() == 1 { "shard {} is missing" } else { "shards {} are missing" };
            self.remarks.push(are.replace("{}", &missing.join(", ")));
            self.is_incomplete = true;
        }
        if wholes.len() > 1 {
            let wholes: Vec<String> = wholes.iter().map(u64::to_string).collect();
            self.remarks
                .push(format!("there are shards of {}, which are parts of different wholes", wholes.join(" and of ")));
        }
    }
}

/// The kind of server a case ran on; none where it was not run.
fn axes(case: &CaseRecord) -> Option<(u32, bool, &str)> {
    case.server.as_ref().map(|server| (server.major, server.assertions, server.arch.as_str()))
}

/// Whether both are of one spec on the same kind of server.
fn is_same(one: &CaseRecord, other: &CaseRecord) -> bool {
    one.name == other.name
        && match (axes(one), axes(other)) {
            (Some(one), Some(other)) => one == other,
            _ => one.label == other.label,
        }
}

/// Keeps the worse of two records of one case, and says so where they differ.
fn both(of: &mut String, kept: &mut CaseRecord, from: &str, other: CaseRecord) -> Option<String> {
    const FROM_GOOD_TO_BAD: [&str; 5] = ["skipped", "expected failure", "passed", "failed", "unsupported"];
    let place = |case: &CaseRecord| FROM_GOOD_TO_BAD.iter().position(|status| *status == case.status).unwrap_or(0);
    let word = |case: &CaseRecord, of: &str| format!("{} in \"{of}\"", case.status);
    let differ =
        (kept.status != other.status).then(|| format!("{}: {}, {}", kept.label, word(kept, of), word(&other, from)));
    if place(&other) > place(kept) {
        *kept = other;
        from.clone_into(of);
    }
    if let Some(differ) = &differ {
        kept.notes.push(format!("several have run it: {differ}"));
        // What was skipped by one has one verdict all the same.
        let ran = |word: &str| differ.contains(word);
        if ran("passed in") && ran("failed in") {
            kept.flaky.get_or_insert_with(|| differ.clone());
        }
    }
    differ
}

/// A server's major version, whether it has assertions, and its architecture.
type OwnedAxes = (u32, bool, String);

/// Tells apart by their servers what has the same label.
fn name_servers(cases: &mut [CaseRecord]) {
    let labels: Vec<(String, Option<OwnedAxes>)> = cases
        .iter()
        .map(|case| {
            (case.label.clone(), axes(case).map(|(major, assertions, arch)| (major, assertions, arch.to_owned())))
        })
        .collect();
    for (at, case) in cases.iter_mut().enumerate() {
        let (label, Some((major, assertions, arch))) = &labels[at] else { continue };
        let others = labels.iter().enumerate().filter(|(other, (name, _))| *other != at && name == label);
        let others: Vec<&OwnedAxes> = others.filter_map(|(_, (_, axes))| axes.as_ref()).collect();
        if others.is_empty() {
            continue;
        }
        let mut name = if case.label == case.name { format!("{}@pg{major}", case.name) } else { case.label.clone() };
        if others.iter().any(|other| other.0 == *major && other.1 != *assertions) {
            name += if *assertions { "-assert" } else { "-noassert" };
        }
        if others.iter().any(|other| other.0 == *major && other.2 != *arch) {
            name = format!("{name}-{arch}");
        }
        case.label = name;
    }
}

impl SummaryRecord {
    /// How many of these ended how.
    fn of(cases: &[CaseRecord]) -> Self {
        let count = |status: &str| cases.iter().filter(|case| case.status == status).count();
        SummaryRecord {
            passed: count("passed"),
            failed: count("failed"),
            expected_failures: count("expected failure"),
            skipped: count("skipped") + count("interrupted"),
            unsupported: count("unsupported"),
            flaky: cases.iter().filter(|case| case.flaky.is_some()).count(),
            elapsed_ms: cases.iter().map(|case| case.elapsed_ms).sum(),
            untraced: None,
            allowed: cases
                .iter()
                .flat_map(|case| &case.scenarios)
                .flat_map(|scenario| &scenario.rows)
                .filter(|row| row.allowed.is_some())
                .count() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::schema::ServerRecord;

    fn case(name: &str, status: &str, major: u32) -> CaseRecord {
        let server = ServerRecord { major, arch: "x86_64".to_owned(), ..ServerRecord::default() };
        CaseRecord {
            name: name.to_owned(),
            label: name.to_owned(),
            status: status.to_owned(),
            server: Some(server),
            ..CaseRecord::default()
        }
    }

    fn report(shard: Option<(u64, u64)>, cases: Vec<CaseRecord>) -> RunReport {
        RunReport { shard: shard.map(|(part, of)| Shard { part, of }), cases, ..RunReport::default() }
    }

    fn merge(reports: Vec<RunReport>) -> Merged {
        merged(reports.into_iter().enumerate().map(|(at, report)| (format!("{}.json", at + 1), report)).collect())
    }

    #[test]
    fn shards_become_one_whole() {
        let all = merge(vec![
            report(Some((1, 2)), vec![case("a", "passed", 18)]),
            report(Some((2, 2)), vec![case("b", "failed", 18)]),
        ]);
        assert_eq!((all.report.summary.passed, all.report.summary.failed), (1, 1));
        assert_eq!((all.remarks.len(), all.is_incomplete), (0, false));
    }

    #[test]
    fn lines_of_results_become_faults_again() {
        let lines = [
            "  specs/e.mcspec:6:3: scenario window: expectation not met",
            "      6 |   expect none",
            "        |   ^^^^",
            "  no place: x",
        ];
        let faults = faults(&lines.map(str::to_owned));
        let of = |fault: &FaultRecord| {
            (fault.file.clone(), fault.line, fault.column, fault.message.clone(), fault.details.len())
        };
        let file = Some("specs/e.mcspec".to_owned());
        assert_eq!(of(&faults[0]), (file, Some(6), Some(3), "scenario window: expectation not met".to_owned(), 2));
        assert_eq!(of(&faults[1]), (None, None, None, "no place: x".to_owned(), 0));
        assert_eq!((faults.len(), faults[0].details[0].as_str()), (2, "      6 |   expect none"));
    }

    #[test]
    fn a_missing_shard_is_told() {
        type Shards<'a> = &'a [Option<(u64, u64)>];
        let table: [(Shards, &[&str], bool); 5] = [
            (&[Some((1, 3)), Some((3, 3))], &["shard 2/3 is missing"], true),
            (&[Some((4, 4))], &["shards 1/4, 2/4, 3/4 are missing"], true),
            (&[Some((1, 2)), None], &[], false),
            (&[None], &[], false),
            (
                &[Some((1, 1)), Some((1, 2)), Some((2, 2))],
                &["there are shards of 1 and of 2, which are parts of different wholes"],
                false,
            ),
        ];
        for (shards, remarks, is_incomplete) in table {
            let all = merge(shards.iter().map(|shard| report(*shard, Vec::new())).collect());
            assert_eq!(all.remarks, remarks, "{shards:?}");
            assert_eq!(all.is_incomplete, is_incomplete, "{shards:?}");
        }
    }

    #[test]
    fn of_two_verdicts_the_worse_one_counts_and_both_are_told() {
        for order in [["passed", "failed"], ["failed", "passed"]] {
            let all = merge(order.map(|status| report(None, vec![case("a", status, 18)])).to_vec());
            assert_eq!(all.report.cases.len(), 1);
            let told = format!("a: {} in \"1.json\", {} in \"2.json\"", order[0], order[1]);
            assert_eq!(all.remarks, std::slice::from_ref(&told));
            let kept = &all.report.cases[0];
            assert_eq!((kept.status.as_str(), kept.flaky.as_deref()), ("failed", Some(told.as_str())));
            assert_eq!((all.report.summary.failed, all.report.summary.passed), (1, 0));
        }
        let same =
            merge(vec![report(None, vec![case("a", "passed", 18)]), report(None, vec![case("a", "passed", 18)])]);
        assert_eq!((same.report.cases.len(), same.remarks.len()), (1, 0));
    }

    #[test]
    fn machines_are_told_apart() {
        let mut other = case("a", "passed", 18);
        if let Some(server) = &mut other.server {
            server.arch = "aarch64".to_owned();
        }
        let all = merge(vec![
            report(None, vec![case("a", "passed", 15), case("b", "passed", 15)]),
            report(None, vec![case("a", "failed", 18)]),
            report(None, vec![other]),
        ]);
        let labels: Vec<&str> = all.report.cases.iter().map(|case| case.label.as_str()).collect();
        assert_eq!(labels, ["a@pg15", "b", "a@pg18-x86_64", "a@pg18-aarch64"]);
    }
}
