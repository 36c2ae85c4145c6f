//! A spec on one version: what is wrong, and what each of its scenarios has found.

use std::sync::LazyLock;

use maud::{Markup, html};
use memcheck_core::check::Measure;
use memcheck_core::command;
use memcheck_core::wire::FindingRecord;
use memcheck_core::{CheckKind, Phase};
use regex::Regex;

use super::lines::place;
use super::once::Once;
use super::source::Sources;
use super::verdicts::word;
use super::{access, anchor, chart, contexts, is_bad, steps, time};
use crate::report::frame::short;
use crate::report::json::{CaseRecord, FaultRecord};
use crate::results::schema::{RowResult, ScenarioResult, ServerRecord, WindowResult};

/// The section of a case. It is open where something is wrong.
pub(super) fn section(case: &CaseRecord, sources: &mut Sources) -> Markup {
    let (word, tone) = word(case);
    let anchor = anchor(&case.label);
    html! {
        details.case id=(anchor) data-name=(case.name) data-status=(word) open[is_bad(case)] {
            summary {
                span class={ "verdict " (tone) } { (word) } " "
                b { (case.label) } " "
                span.soft { (time(case.elapsed_ms)) }
            }
            @if let Some(reason) = &case.reason { p { (case.status) ": " (reason) } }
            @if !case.notes.is_empty() { p.soft { (case.notes.join("; ")) } }
            @for fault in &case.faults { (of_fault(fault)) }
            p.again { code { (command(case)) } " " a href={ "#" (anchor) } { "link" } }
            @for scenario in &case.scenarios { (of_scenario(scenario, sources)) }
            (environment(case, sources))
        }
    }
}

/// The command that runs it again.
fn command(case: &CaseRecord) -> String {
    // The name of one of a matrix has the values in it.
    let (name, values) = match case.name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        Some((name, values)) if !values.contains('~') => (name, values.split(',').collect()),
        Some((name, _)) => (name, Vec::new()),
        None => (case.name.as_str(), Vec::new()),
    };
    let major = case.server.as_ref().filter(|_| case.version().is_some()).map(|server| server.major.to_string());
    let version = major.iter().flat_map(|major| ["--pg", major]);
    let values = values.into_iter().flat_map(|value| ["-v", value]);
    command::mcspec(&["run", name].into_iter().chain(values).chain(version).collect::<Vec<_>>())
}

/// What is wrong, with the differences to the golden marked as such.
fn of_fault(fault: &FaultRecord) -> Markup {
    html! {
        div.fault {
            p {
                span.kind { (fault.kind) } " "
                @if let Some(file) = &fault.file {
                    code { (file) @if let Some(line) = fault.line { ":" (line) } } " "
                }
                (fault.message)
            }
            @if !fault.details.is_empty() {
                pre.diff { @for line in &fault.details { span class=[tone(line)] { (line) "\n" } } }
            }
        }
    }
}

/// Whether a line is one that was found, or one that is missing.
fn tone(line: &str) -> Option<&'static str> {
    match line.trim_start().as_bytes() {
        [b'+', b' ', ..] => Some("added"),
        [b'-', b' ', ..] => Some("gone"),
        _ => None,
    }
}

/// Numbers and addresses in messages.
static NUMBERS: LazyLock<Regex> = LazyLock::new(|| Regex::new("0x[0-9a-f]+|[0-9]+").expect("valid"));

/// What the server has said, without the engine's words about windows, which every scenario has; messages that differ in their numbers
/// only are one.
fn messages(scenario: &ScenarioResult, once: &mut Once) -> Markup {
    let mut told: Vec<(String, &str, usize)> = Vec::new();
    for message in scenario.messages.iter().filter(|message| !message.starts_with("INFO:  Memory check session ")) {
        let like = NUMBERS.replace_all(message, "#").into_owned();
        match told.iter_mut().find(|(other, ..)| *other == like) {
            Some((.., times)) => *times += 1,
            None => told.push((like, message, 1)),
        }
    }
    let lines = told.iter().map(|(_, message, times)| match times {
        1 => (*message).to_owned(),
        times => format!("{message}  (and {} more like it)", times - 1),
    });
    if told.is_empty() {
        return html! {};
    }
    let number = told.iter().map(|(.., times)| times).sum::<usize>();
    let text = html! { pre { (lines.collect::<Vec<_>>().join("\n")) } };
    once.details("messages", &html! { "Messages of the server (" (number) ")" }, &[("messages", text)])
}

fn of_scenario(scenario: &ScenarioResult, sources: &mut Sources) -> Markup {
    let repeated = match (scenario.iterations, scenario.warmup) {
        (iterations, 0) => format!("{iterations} iterations"),
        (iterations, warmup) => format!("{iterations} iterations after {warmup} to warm up"),
    };
    html! {
        section.scenario {
            h3 { (scenario.title) " " small { (repeated) ", " (time(scenario.elapsed_ms)) } }
            @for (name, sql) in &scenario.workloads {
                @if !name.is_empty() { p.soft { "workload " code { (name) } } }
                @if !sql.is_empty() { pre.sql { (sql) } }
            }
            @if let Some(failure) = &scenario.failure { pre.bad { (failure) } }
            @if !scenario.trace.is_empty() { (steps::time_line(&scenario.trace, &scenario.workloads)) }
            (messages(scenario, &mut sources.once))
            @if scenario.rows.is_empty() && scenario.failure.is_none() { p.good { "Nothing was found." } }
            @for row in &scenario.rows { (of_row(row)) }
            (curves(scenario))
            @for finding in &scenario.findings { (of_finding(finding, sources)) }
            @if !scenario.rows.is_empty() { (contexts::trees(scenario, &mut sources.once)) }
            (taken_back(scenario))
        }
    }
}

/// The row that stands for it in a golden.
fn of_row(row: &RowResult) -> Markup {
    html! {
        p.row {
            code { (row.row) }
            @if let Some(known) = &row.allowed { " " span.soft { "allowed: " (known.because) } }
        }
    }
}

/// The curves of all findings that have one, those of one scenario side by side: a panel for each way in which it was undone.
fn curves(scenario: &ScenarioResult) -> Markup {
    let is_drawn = |finding: &&FindingRecord| chart::is_drawable(finding);
    let mut phases: Vec<Option<&str>> = Vec::new();
    for finding in scenario.findings.iter().filter(is_drawn) {
        if !phases.contains(&finding.phase.as_deref()) {
            phases.push(finding.phase.as_deref());
        }
    }
    let of_phase = |phase: Option<&str>| {
        let of_phase =
            scenario.findings.iter().filter(is_drawn).filter(move |finding| finding.phase.as_deref() == phase);
        html! { @for finding in of_phase { (chart::figure(finding, &scenario.title)) } }
    };
    html! {
        @match phases.as_slice() {
            [] => {},
            [None] => div.curves { (of_phase(None)) },
            phases => div.side {
                @for &phase in phases {
                    div {
                        h4 { @if let Some(word) = phase { "Undone by " (undone_by(word)) } @else { "However it is undone" } }
                        (of_phase(phase))
                    }
                }
            }
        }
    }
}

fn undone_by(word: &str) -> &str {
    match word.parse() {
        Ok(Phase::Rollback) => "ROLLBACK",
        Ok(Phase::Savepoint) => "ROLLBACK TO SAVEPOINT",
        Ok(Phase::Error) => "an error",
        Err(_) => word,
    }
}

/// What was done at the place of a finding.
fn done_at(check: &str) -> &'static str {
    match check.parse() {
        Ok(CheckKind::Crash) => "died at",
        Ok(CheckKind::Timeout) => "stayed at",
        Ok(CheckKind::CancelUnsafe) => "cancelled at",
        Ok(CheckKind::DataRace) => "without a lock at",
        Ok(CheckKind::OomUnsafe) => "was refused memory at",
        _ => "allocated at",
    }
}

fn of_finding(finding: &FindingRecord, sources: &mut Sources) -> Markup {
    html! {
        article.finding data-kind=(finding.check) data-severity=[(finding.severity != "ERROR").then_some(&finding.severity)] {
            p {
                span.kind { (finding.check) } " " i { (finding.severity) } " "
                code { (finding.context_path.join(" > ")) }
                @if let Some(word) = &finding.phase { ", undone by " (undone_by(word)) }
            }
            p { (finding.detail) }
            @if let Some(found) = &finding.access { (access::figure(finding, found, sources)) }
            @else if let Some(site) = &finding.site { (place(done_at(&finding.check), site, sources)) }
        }
    }
}

/// What was found at first, and was not there any more when more was run.
fn taken_back(scenario: &ScenarioResult) -> Markup {
    let taken_back = scenario.windows.iter().filter_map(|window| window.confirmation.as_ref());
    let taken_back: Vec<&FindingRecord> = taken_back.flat_map(|confirmation| &confirmation.taken_back).collect();
    html! {
        @if !taken_back.is_empty() {
            details {
                summary { "Taken back by further iterations (" (taken_back.len()) ")" }
                ul { @for finding in taken_back { li { (finding.check) " in " code { (finding.context_path.join(" > ")) } ": " (finding.detail) } } }
            }
        }
    }
}

/// What the windows say of themselves: figures that are not 0, those that all have first.
fn figures(case: &CaseRecord) -> Markup {
    let windows: Vec<(String, &WindowResult)> = case.scenarios.iter().flat_map(windows).collect();
    let Some((_, first)) = windows.first() else { return html! {} };
    let is_common = |name: &str, value: i64| {
        windows.len() > 1 && windows.iter().all(|(_, window)| window.statistics.get(name) == Some(&value))
    };
    let words = |window: &WindowResult, common: bool| {
        let figures = window.statistics.iter().filter(|&(name, &value)| value != 0 && is_common(name, value) == common);
        figures.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    };
    let lines = std::iter::once(("all".to_owned(), words(first, true)))
        .chain(windows.iter().map(|(name, window)| (name.clone(), words(window, false))))
        .filter(|(_, words)| !words.is_empty());
    let text: String = lines.map(|(name, words)| format!("{name}: {words}\n")).collect();
    html! { @if !text.is_empty() { dt { "Figures of the windows" } dd { pre { (text) } } } }
}

/// The windows of a scenario by their names.
fn windows(scenario: &ScenarioResult) -> impl Iterator<Item = (String, &WindowResult)> {
    let title = scenario.title.strip_prefix("scenario ").unwrap_or(&scenario.title);
    scenario.windows.iter().filter(|window| !window.statistics.is_empty()).map(move |window| {
        let part = window.session.as_deref().or(window.phase.as_deref());
        (part.map_or(title.to_owned(), |part| format!("{title} ({part})")), window)
    })
}

/// Where it was run.
fn environment(case: &CaseRecord, sources: &mut Sources) -> Markup {
    html! {
        details.soft {
            summary { "Environment" }
            dl {
                dt { "Spec" } dd { code { (short(&case.spec.to_string_lossy())) } }
                @if let Some(golden) = &case.golden { dt { "Golden" } dd { code { (golden.display()) } } }
                @if !case.tags.is_empty() { dt { "Tags" } dd { (case.tags.join(", ")) } }
                @if case.attempts > 1 { dt { "Attempts" } dd { (case.attempts) } }
                @if let Some(server) = &case.server { dt { "Server" } dd { (of_server(server, sources)) } }
                (figures(case))
            }
        }
    }
}

fn of_server(server: &ServerRecord, sources: &mut Sources) -> Markup {
    // What differs from one server to the next says nothing.
    let says_nothing = |name: &str| {
        matches!(
            name,
            "port"
                | "cluster_name"
                | "unix_socket_directories"
                | "data_directory"
                | "config_file"
                | "hba_file"
                | "ident_file"
                | "external_pid_file"
        )
    };
    let settings = server.settings.iter().filter(|(name, _)| !says_nothing(name));
    let settings: Vec<String> = settings.map(|(name, value)| format!("{name} = {value}")).collect();
    let name = format!(
        "PostgreSQL {}{}, {}, engine {}",
        server.major,
        if server.assertions { " with assertions" } else { "" },
        server.arch,
        server.engine
    );
    let inner = html! { p { (server.version) } @if !settings.is_empty() { pre { (settings.join("\n")) } } };
    sources.once.details("server", &html! { (name) }, &[("settings", inner)])
}

/// Whether a finding is one of memory that is left when the workload is over, or at its peak.
pub(super) fn measure(finding: &FindingRecord) -> Option<Measure> {
    finding.check.parse::<CheckKind>().ok().map(CheckKind::measure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_run_again_by_its_name_and_values() {
        for (name, version, expected) in [
            ("a/b", "", "mcspec run a/b"),
            ("a/b", "@pg18", "mcspec run a/b --pg 18"),
            ("a b[twin=ok,n=3]", "@pg18", "mcspec run 'a b' -v twin=ok -v n=3 --pg 18"),
            ("a[twin=so_much~0123456789abcdef]", "", "mcspec run a"),
        ] {
            let server = ServerRecord { major: 18, ..ServerRecord::default() };
            let (name, label) = (name.to_owned(), format!("{name}{version}"));
            let case = CaseRecord { name, label, server: Some(server), ..CaseRecord::default() };
            assert_eq!(command(&case), expected);
        }
    }
}
