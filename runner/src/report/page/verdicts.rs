//! The table of verdicts: spec by version.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{anchor, time};
use crate::report::json::CaseRecord;

/// Every spec with its verdict on every version, and the field in which specs are searched.
pub(super) fn table(cases: &[CaseRecord]) -> Markup {
    let mut versions: Vec<&str> = Vec::new();
    let mut rows: Vec<(&str, Vec<Option<&CaseRecord>>)> = Vec::new();
    for case in cases {
        let version = case.version().unwrap_or("verdict");
        let column = position(&mut versions, |known| *known == version, version);
        let row = position(&mut rows, |(name, _)| *name == case.name, (case.name.as_str(), Vec::new()));
        let cells = &mut rows[row].1;
        cells.resize(cells.len().max(column + 1), None);
        cells[column] = Some(case);
    }
    for (_, cells) in &mut rows {
        cells.resize(versions.len(), None);
    }
    html! {
        h2 { "Verdicts" }
        p.tools {
            label for="search" { "Search specs, functions, contexts" }
            input #search type="search" autocomplete="off" placeholder="for example TopMemoryContext";
            span #found aria-live="polite" {}
        }
        (outcomes(cases))
        (kinds(cases))
        div.scroll.verdicts tabindex="0" role="region" aria-label="Verdicts" {
            table {
                thead {
                    tr {
                        th scope="col" { "Spec" }
                        @for version in &versions { th scope="col" { (version) } }
                        th.number scope="col" { "Findings" }
                        th.number scope="col" { "Time" }
                    }
                }
                tbody {
                    @for (name, cells) in &rows {
                        tr data-name=(name) {
                            th scope="row" { (name) }
                            @for cell in cells { td { @if let Some(case) = cell { (verdict(case)) } } }
                            td.number { (findings(cells)) }
                            @let elapsed = cells.iter().flatten().map(|case| case.elapsed_ms).sum();
                            td.number data-number=(elapsed) { (time(elapsed)) }
                        }
                    }
                }
            }
        }
    }
}

/// How many ended how: a press leaves only those.
fn outcomes(cases: &[CaseRecord]) -> Markup {
    let mut outcomes: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for case in cases {
        let (word, tone) = word(case);
        outcomes.entry(word).or_insert((tone, 0)).1 += 1;
    }
    html! {
        ul.kinds aria-label="Outcomes" {
            @for (word, (tone, number)) in &outcomes {
                li { button type="button" data-outcome=(word) aria-pressed="false" { span class=(tone) { (word) } " " b { (number) } } }
            }
            li { button #all type="button" { "open all" } }
        }
    }
}

/// What was found, by kind: a press searches for it.
fn kinds(cases: &[CaseRecord]) -> Markup {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in cases.iter().flat_map(|case| &case.scenarios).flat_map(|scenario| &scenario.findings) {
        *kinds.entry(finding.check.as_str()).or_default() += 1;
    }
    html! {
        @if !kinds.is_empty() {
            ul.kinds aria-label="Kinds of finding" {
                @for (kind, number) in &kinds { li { button type="button" data-find=(kind) aria-pressed="false" { (kind) " " b { (number) } } } }
            }
        }
    }
}

/// A case's verdict, as a link to what is known of it.
fn verdict(case: &CaseRecord) -> Markup {
    let (word, tone) = word(case);
    html! { a href={ "#" (anchor(&case.label)) } class=(tone) aria-label={ (case.label) ": " (word) } { (word) } }
}

/// The word for how a case ended, and its tone.
pub(super) fn word(case: &CaseRecord) -> (&'static str, &'static str) {
    match case.status.as_str() {
        "failed" => ("FAILED", "bad"),
        _ if case.flaky.is_some() => ("flaky", "warn"),
        "passed" => ("ok", "good"),
        "expected failure" => ("xfail", "warn"),
        "skipped" => ("skipped", "soft"),
        _ => ("not supported", "bad"),
    }
}

/// How many findings there are on the version that has most.
fn findings(cells: &[Option<&CaseRecord>]) -> usize {
    let rows = |case: &&CaseRecord| case.scenarios.iter().map(|scenario| scenario.rows.len()).sum::<usize>();
    cells.iter().flatten().map(rows).max().unwrap_or(0)
}

fn position<T>(items: &mut Vec<T>, is: impl Fn(&T) -> bool, new: T) -> usize {
    items.iter().position(is).unwrap_or_else(|| {
        items.push(new);
        items.len() - 1
    })
}
