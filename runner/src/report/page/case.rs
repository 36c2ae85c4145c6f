//! A spec on one version: what is wrong, and what each of its scenarios has found.

use std::sync::LazyLock;

use maud::{Markup, html};
use memcheck_core::check::Measure;
use memcheck_core::wire::FindingRecord;
use memcheck_core::{CheckKind, Phase};
use regex::Regex;

use super::lines::place;
use super::source::Sources;
use super::verdicts::word;
use super::{access, anchor, chart, contexts, steps, time};
use crate::report::frame::short;
use crate::report::json::{CaseRecord, FaultRecord};
use crate::results::schema::{RowResult, ScenarioResult, ServerRecord, WindowResult};

/// The section of a case. It is open where something is wrong.
pub(super) fn section(case: &CaseRecord, sources: &mut Sources) -> Markup {
    let (word, tone) = word(case);
    let is_bad = matches!(case.status.as_str(), "failed" | "unsupported");
    html! {
        details.case id=(anchor(&case.label)) data-name=(case.name) data-bad=[is_bad.then_some("")] open[is_bad] {
            summary {
                span class={ "verdict " (tone) } { (word) } " "
                b { (case.label) } " "
                span.soft { (time(case.elapsed_ms)) }
            }
            @if let Some(reason) = &case.reason { p { (case.status) ": " (reason) } }
            @if !case.notes.is_empty() { p.soft { (case.notes.join("; ")) } }
            @for fault in &case.faults { (of_fault(fault)) }
            @for scenario in &case.scenarios { (of_scenario(scenario, sources)) }
            (environment(case, sources))
        }
    }
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
fn messages(scenario: &ScenarioResult) -> Markup {
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
    html! {
        @if !told.is_empty() {
            details {
                summary { "Messages of the server (" (told.iter().map(|(.., times)| times).sum::<usize>()) ")" }
                pre { (lines.collect::<Vec<_>>().join("\n")) }
            }
        }
    }
}

fn of_scenario(scenario: &ScenarioResult, sources: &mut Sources) -> Markup {
    let repeated = match (scenario.iterations, scenario.warmup) {
        (iterations, 0) => format!("{iterations} iterations"),
        (iterations, warmup) => format!("{iterations} iterations after {warmup} to warm up"),
    };
    html! {
        section.scenario {
            h3 { (scenario.title) }
            p.soft { (repeated) ", " (time(scenario.elapsed_ms)) }
            @for (name, sql) in &scenario.workloads {
                @if !name.is_empty() { p.soft { "workload " code { (name) } } }
                @if !sql.is_empty() { pre.sql { (sql) } }
            }
            @if let Some(failure) = &scenario.failure { pre.bad { (failure) } }
            @if !scenario.trace.is_empty() { (steps::time_line(&scenario.trace, &scenario.workloads)) }
            (messages(scenario))
            @if scenario.rows.is_empty() && scenario.failure.is_none() { p.good { "Nothing was found." } }
            @for row in &scenario.rows { (of_row(row)) }
            (curves(scenario))
            @for finding in &scenario.findings { (of_finding(finding, sources)) }
            @if !scenario.rows.is_empty() { (contexts::trees(scenario)) }
            (of_windows(scenario))
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
            [] | [None] => div.curves { (of_phase(None)) },
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

fn of_finding(finding: &FindingRecord, sources: &mut Sources) -> Markup {
    let tone = match finding.severity.as_str() {
        "ERROR" => "bad",
        "WARNING" => "warn",
        _ => "soft",
    };
    let is_crash = finding.check == CheckKind::Crash.as_str();
    html! {
        article.finding data-kind=(finding.check) data-severity=(finding.severity) {
            p {
                span class={ "kind " (tone) } { (finding.check) } " " span class=(tone) { (finding.severity) } " "
                code { (finding.context_path.join(" > ")) }
            }
            p { (finding.detail) }
            @if let Some(found) = &finding.access { (access::figure(finding, found, sources)) }
            @else if let Some(site) = &finding.site { (place(if is_crash { "died at" } else { "allocated at" }, site, sources)) }
        }
    }
}

/// What the windows say of themselves.
fn of_windows(scenario: &ScenarioResult) -> Markup {
    let taken_back = scenario.windows.iter().filter_map(|window| window.confirmation.as_ref());
    let taken_back: Vec<&FindingRecord> = taken_back.flat_map(|confirmation| &confirmation.taken_back).collect();
    html! {
        @if !taken_back.is_empty() {
            details {
                summary { "Taken back by further iterations (" (taken_back.len()) ")" }
                ul { @for finding in taken_back { li { (finding.check) " in " code { (finding.context_path.join(" > ")) } ": " (finding.detail) } } }
            }
        }
        @if scenario.windows.iter().any(|window| !window.statistics.is_empty()) {
            details {
                summary { "Figures of the window" }
                div.scroll tabindex="0" role="region" aria-label="Figures of the window" {
                    table {
                        @for window in &scenario.windows {
                            @let name = window.session.as_deref().or(window.phase.as_deref()).unwrap_or("window");
                            tr { th scope="row" { (name) } td { (figures(window)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The figures that are not 0.
fn figures(window: &WindowResult) -> String {
    let figures = window.statistics.iter().filter(|(_, value)| **value != 0);
    figures.map(|(figure, value)| format!("{figure} {value}")).collect::<Vec<_>>().join(", ")
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
    sources.once.details("server", &html! { (name) }, &name, &inner)
}

/// Whether a finding is one of memory that is left when the workload is over, or at its peak.
pub(super) fn measure(finding: &FindingRecord) -> Option<Measure> {
    finding.check.parse::<CheckKind>().ok().map(CheckKind::measure)
}
